/** Requests outside of calls: whatever the parties write, in whatever order, nothing falls over, tells, or stays. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { ScriptedParty } from "../../support/scripted-party.ts";
import { ALICE, BOB, Stage, type StageOptions } from "../../support/stage.ts";
import { NOTHING } from "../../unit/call/scenes.ts";

const METHODS = ["SUBSCRIBE", "NOTIFY", "MESSAGE", "PUBLISH", "REFER", "OPTIONS", "INFO", "BYE", "FOO"] as const;
const STATUSES = [100, 180, 200, 202, 302, 401, 403, 404, 408, 412, 423, 481, 489, 500, 503, 603] as const;
const HEADERS = [
  "Event: dialog",
  "Event: dialog;id=7",
  "Event: refer;id=1",
  "Event: ;",
  "Expires: 0",
  "Expires: 60",
  "Expires: 4294967295",
  "Expires: soon",
  "Subscription-State: active;expires=30",
  "Subscription-State: active;expires=4294967295",
  "Subscription-State: pending",
  "Subscription-State: terminated;reason=rejected;retry-after=5",
  "Subscription-State: ;",
  "Refer-To: <sip:x@y>",
  "Refer-Sub: false",
  "Accept: application/dialog-info+xml, x/y",
  "Accept: ;",
  "SIP-If-Match: abc",
  "Record-Route: <sip:@@>",
  "Record-Route: <sip:HERE;lr>",
  "Contact: *",
  "Contact: <tel:1>",
  "Require: eventlist",
  "Max-Forwards: 0",
  "Content-Encoding: gzip",
] as const;
const BODIES = [
  undefined,
  { type: "text/plain", text: "hello" },
  {
    type: "application/dialog-info+xml",
    text: '<dialog-info entity="sip:x@HERE"><dialog id="MINE" call-id="MINE"/></dialog-info>',
  },
  { type: "application/simple-message-summary", text: "Messages-Waiting: yes\r\nMessage-Account: sip:x@HERE\r\n" },
  { type: "message/sipfrag", text: "SIP/2.0 180 HERE\r\n" },
  { type: "application/x", text: "HERE" },
] as const;

type Act = (party: ScriptedParty) => void;

const extra = (who: "alice" | "bob") =>
  fc
    .record({ headers: fc.array(fc.constantFrom(...HEADERS), { maxLength: 4 }), body: fc.constantFrom(...BODIES) })
    .map(({ headers, body }) => {
      const own = (text: string): string =>
        text.replaceAll("HERE", who === "alice" ? ALICE.ip : BOB.ip).replaceAll("MINE", `${who}-tag-7`);
      return {
        headers: headers.map(own),
        ...(body === undefined ? {} : { body: { type: body.type, text: own(body.text) } }),
      };
    });

const act = fc.constantFrom<"alice" | "bob">("alice", "bob").chain((who) =>
  extra(who).chain((more) => {
    const by = (what: string, run: Act) => ({ who, what: `${what} ${JSON.stringify(more)}`, run });
    return fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(...GOOD).map(({ what, run }) => by(what, run)) },
      fc.constantFrom(...METHODS).map((method) => by(`new ${method}`, (party) => party.outside(method, "100", more))),
      fc.constantFrom(...METHODS).map((method) => by(method, (party) => party.request(method, more))),
      fc.constantFrom("SUBSCRIBE", "REFER").map((method) => by(`join ${method}`, (party) => party.join(method))),
      fc.constantFrom("SUBSCRIBE", "REFER").map((method) => by(`fork ${method}`, (party) => party.join(method, "-b"))),
      fc.constantFrom("SUBSCRIBE", "NOTIFY", "REFER").map((by_) => by(`in ${by_}`, (party) => party.subscribed(by_))),
      fc
        .record({ status: fc.constantFrom(...STATUSES), method: fc.constantFrom(...METHODS) })
        .map(({ status, method }) => by(`${status} ${method}`, (party) => party.answer(status, { ...more, method }))),
    );
  }),
);

/** What parties do that mean well. */
const GOOD: readonly { readonly what: string; readonly run: Act }[] = [
  {
    what: "subscribe",
    run: (party) => void party.outside("SUBSCRIBE", "100", { headers: ["Event: dialog", "Expires: 600"] }),
  },
  {
    what: "grant",
    run: (party) => void party.answer(200, { method: "SUBSCRIBE", headers: ["Event: dialog", "Expires: 600"] }),
  },
  {
    what: "notify",
    run: (party) => {
      party.join("SUBSCRIBE");
      party.request("NOTIFY", { headers: ["Event: dialog", "Subscription-State: active;expires=60"] });
    },
  },
  { what: "take", run: (party) => void party.answer(200, { method: "NOTIFY" }) },
  {
    what: "refresh",
    run: (party) => {
      party.subscribed("SUBSCRIBE");
      party.request("SUBSCRIBE", { headers: ["Event: dialog", "Expires: 60"] });
    },
  },
];

const open: StageOptions = {
  insideTargets: [BOB, { ip: "10.9.0.99", port: 5060 }],
  change: (settings) => ({
    ...settings,
    realms: new Map([...settings.realms].map(([name, realm]) => [name, { ...realm, otherMethods: "pass" }])),
    limits: { ...settings.limits, subscriptions: 6, subscriptionsPerSource: 4 },
  }),
};

test("random acts of two parties", () => {
  let began = 0;
  fc.assert(
    fc.property(
      fc.array(fc.record({ act, wait: fc.constantFrom(0, 0, 0, 10, 600, 7_000, 33_000) }), {
        minLength: 4,
        maxLength: 40,
      }),
      fc.constantFrom("vanish", "shutdown", "disconnect"),
      (acts, end) => {
        const stage = new Stage(open);
        const alice = stage.party("alice", { ...ALICE, ...(end === "disconnect" ? { tls: 2 ** 31 } : {}) });
        const bob = stage.party("bob", BOB);
        alice.outside("SUBSCRIBE", "100", { headers: ["Event: dialog", "Expires: 600"] });
        for (const { act, wait } of acts) {
          try {
            act.run(act.who === "alice" ? alice : bob);
          } catch (error) {
            if (!/ got no /.test((error as Error).message)) throw error;
          }
          stage.pass(wait);
        }
        if (end === "shutdown") stage.step({ in: "end-calls", cause: "shutdown" });
        if (end === "disconnect") stage.disconnect(alice);
        stage.pass(90_000_000); // A day and an hour: the longest time that is granted.
        expect(stage.remains()).toEqual(NOTHING);
        const started = stage.factsOf("subscription.started").map(({ subscription }) => subscription);
        expect(
          stage
            .factsOf("subscription.ended")
            .map(({ subscription }) => subscription)
            .sort(),
        ).toEqual(started.sort());
        began += started.length;
        expect(stage.sent.inside.join("")).not.toMatch(
          /198\.51\.100\.7|203\.0\.113\.1|alice-call|alice-tag|alice-phone/,
        );
        expect(stage.sent.outside.join("")).not.toMatch(/10\.9\.0\.|bob-call|bob-tag|bob-phone/);
      },
    ),
    { numRuns: Number(process.env["RUNS"] ?? 200), endOnFailure: false },
  );
  expect(began).toBeGreaterThan(50);
}, 120_000);
