/** Laws of bindings, whatever phones do: no contact of one address of record ever leads to another. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { Phone } from "../../support/phone.ts";
import { AT_HOME, phonesAt } from "../../support/phones.ts";

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
