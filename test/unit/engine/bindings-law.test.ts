/** Laws of bindings, whatever phones do: no contact of one address of record ever leads to another. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { Phone } from "../../support/phone.ts";
import { AT_HOME, phonesAt } from "../../support/phones.ts";
import { BOB } from "../../support/stage.ts";

const USERS = ["alice", "bob", "carol"] as const;

const deed = fc.record({
  user: fc.constantFrom(...USERS),
  contact: fc.integer({ min: 1, max: 4 }),
  port: fc.integer({ min: 1, max: 3 }),
  callId: fc.integer({ min: 1, max: 2 }),
  what: fc.constantFrom("register", "register", "end", "end all", "refresh", "wait", "instance"),
  q: fc.constantFrom("", ";q=0.1", ";q=1.0"),
  waitMs: fc.integer({ min: 1, max: 70_000 }),
  answers: fc.boolean(),
});

test("each name inside leads to one contact of one user; the registrar never hears one name for two users", () => {
  fc.assert(
    fc.property(fc.array(deed, { minLength: 1, maxLength: 40 }), (deeds) => {
      const { stage, registrar, alice } = phonesAt({ domain: { contacts: 3 } });
      stage.leave(alice);
      const phones = new Map<string, Phone>();
      const owners = new Map<string, string>();
      for (const { user, contact, port, callId, what, q, waitMs, answers } of deeds) {
        // All users come from the same few places, with the same few contacts: what could be confused is.
        const key = `${user} ${callId}`;
        let phone = phones.get(key);
        if (phone === undefined) {
          phone = new Phone(stage, user, AT_HOME);
          stage.leave(phone);
          phone.callId = `shared-${callId}`;
          phones.set(key, phone);
        }
        phone.place = { ...AT_HOME, port: 30_000 + port };
        phone.answers = answers;
        phone.contact = `<sip:phone@192.168.1.${contact}>${q}`;
        stage.join(phone);
        if (what === "wait") stage.pass(waitMs);
        else if (what === "end") phone.register({ seconds: 0 });
        else if (what === "end all") phone.register({ contacts: ["*"], seconds: 0 });
        else if (what === "instance")
          phone.register({ contacts: [`${phone.contact};+sip.instance="<urn:uuid:1>";reg-id=1`] });
        else phone.register();
        stage.leave(phone);

        for (const text of registrar.registers) {
          const aor = /\r\nTo: <([^>]*)>/.exec(text)?.[1] ?? "";
          for (const [, name = ""] of text.matchAll(/\r\nContact: <sip:([^@]*)@/g)) {
            expect(owners.get(name) ?? aor).toBe(aor);
            owners.set(name, aor);
          }
        }
        // What a phone is told are its own user's contacts, and no more of them than there may be.
        const view = stage.engine.view(stage.now).registrations();
        for (const one of USERS) expect(view.filter((binding) => binding.user === one).length).toBeLessThanOrEqual(3);
        if (phone.status === 200) {
          const mine = view.filter((binding) => binding.user === user).map((binding) => binding.contact);
          const told = phone.contacts.map((text) => /<([^>]*)>/.exec(text)?.[1] ?? "");
          if (what !== "wait") expect([...told].sort()).toEqual([...mine].sort());
        }
      }
      stage.pass(70_000);
      stage.pass(70_000);
      expect(stage.engine.view(stage.now).registrations()).toEqual([]);
      expect(stage.kept.size).toBe(0);
    }),
    { numRuns: 60 },
  );
});

const journey = fc.record({
  user: fc.constantFrom(...USERS),
  regId: fc.integer({ min: 0, max: 2 }),
  port: fc.integer({ min: 1, max: 3 }),
  what: fc.constantFrom("register", "register", "register", "end", "away", "back", "restart", "wait", "call"),
  waitMs: fc.integer({ min: 1, max: 50_000 }),
});

/** Contact URIs tell whose they are: what reaches a phone is read from the wire. */
test("whatever the order of REGISTER, failure of the registrar and restart: who is called by a name is the one who was given it", () => {
  fc.assert(
    fc.property(fc.array(journey, { minLength: 5, maxLength: 40 }), (steps) => {
      let made = phonesAt({ domain: { contacts: 4 } });
      made.stage.leave(made.alice);
      const owners = new Map<string, string>();
      const phones = new Map<string, Phone>();
      let calls = 0;
      const look = (): void => {
        for (const text of made.registrar.registers) {
          const aor = /\r\nTo: <([^>]*)>/.exec(text)?.[1] ?? "";
          for (const [, name = ""] of text.matchAll(/\r\nContact: <sip:([^@]*)@/g)) {
            expect(owners.get(name) ?? aor).toBe(aor);
            owners.set(name, aor);
          }
        }
        for (const kept of made.stage.kept.values()) {
          const { aor, contact } = kept as { aor: string; contact: string };
          expect(contact).toContain(`;of=${/sip:([^@]*)@/.exec(aor)?.[1]}`);
        }
      };
      const callAll = (): void => {
        const { stage, registrar } = made;
        stage.leave(registrar);
        for (const [name, aor] of owners) {
          const before = stage.sent.outside.length;
          const pbx = stage.party(`pbx-${++calls}`, BOB);
          pbx.invite(name);
          const user = /sip:([^@]*)@/.exec(aor)?.[1];
          for (const text of stage.sent.outside.slice(before)) {
            if (text.startsWith("INVITE sip:phone@")) expect(text.split("\r\n")[0]).toContain(`;of=${user} `);
          }
          pbx.cancel();
          stage.leave(pbx);
        }
        if (!isAway) stage.join(registrar);
      };
      let isAway = false;
      for (const { user, regId, port, what, waitMs } of steps) {
        const key = `${user} ${regId}`;
        let phone = phones.get(key);
        if (phone === undefined) {
          phone = new Phone(made.stage, user, AT_HOME);
          made.stage.leave(phone);
          phone.callId = `shared-${regId}`;
          phones.set(key, phone);
        }
        const flow = regId === 0 ? "" : `;+sip.instance="<urn:uuid:1>";reg-id=${regId}`;
        phone.contact = `<sip:phone@192.168.1.1;of=${user}>${flow}`;
        phone.place = { ...AT_HOME, port: 30_000 + port };
        made.stage.join(phone);
        if (what === "register") phone.register({ headers: ["Supported: outbound, path"] });
        else if (what === "end") phone.register({ seconds: 0 });
        else if (what === "wait") made.stage.pass(waitMs);
        else if (what === "call") callAll();
        else if (what === "away" || what === "back") {
          isAway = what === "away";
          made.stage.leave(made.registrar);
          if (!isAway) made.stage.join(made.registrar);
        }
        made.stage.leave(phone);
        if (what === "restart") {
          const lines = [...made.stage.kept.values()].map((kept) => ({ text: JSON.stringify(kept), ageMs: waitMs }));
          const next = phonesAt({ seed: waitMs, domain: { contacts: 4 } });
          next.stage.leave(next.alice);
          next.stage.step({ in: "restore", lines, awayMs: waitMs });
          for (const [name, one] of phones) {
            phones.set(name, one.on(next.stage));
            next.stage.leave(phones.get(name) as Phone);
          }
          made = next;
          isAway = false;
        }
        look();
      }
      callAll();
    }),
    { numRuns: 40 },
  );
});
