/** Whatever the parties write, in whatever order, the box does not fall over and is empty in the end. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { audio, type ScriptedParty } from "../../support/scripted-party.ts";
import { type StageOptions, twoSides } from "../../support/stage.ts";
import { NOTHING } from "../../unit/call/scenes.ts";

const METHODS = ["INVITE", "UPDATE", "PRACK", "INFO", "REFER", "NOTIFY", "BYE", "OPTIONS", "FOO"] as const;
const STATUSES = [
  100, 180, 183, 199, 200, 202, 302, 401, 404, 408, 422, 481, 486, 488, 491, 500, 503, 603, 699,
] as const;
const HEADERS = [
  "Require: 100rel",
  "RSeq: 1",
  "RSeq: 0",
  "RSeq: 4294967295",
  "RAck: 1 1 INVITE",
  "Supported: 100rel, replaces",
  "Record-Route: <sip:@@>",
  "Record-Route: <sip:10.9.0.7;lr>, <sip:198.51.100.7>",
  "Allow: INVITE",
  "Allow: ,,",
  "Replaces: a;to-tag=b;from-tag=c",
  "Refer-To: <sip:x@y?Replaces=%>",
  "Refer-To: <sip:x@y?Replaces=a%3Bto-tag%3Db%3Bfrom-tag%3Dc>",
  "Max-Forwards: x",
  "Content-Encoding: gzip",
  "Reason: SIP;cause=999999",
  "Contact: *",
  "Contact: <tel:1>",
  'Contact: "',
  "Retry-After: soon",
  "Session-Expires: 90",
  "Session-Expires: 90;refresher=uac",
  "Session-Expires: 90;refresher=uas",
  "Session-Expires: 4294967295;refresher=uac",
  "Session-Expires: 1",
  "Session-Expires: ;",
  "Min-SE: 100",
  "Min-SE: 4294967295",
  "Supported: timer",
  "Require: timer",
] as const;
const BODIES = [
  undefined,
  audio("198.51.100.9"),
  audio("10.9.0.9", { direction: "inactive" }),
  "v=0\r\n",
  "\0\xff",
] as const;

type Act = (alice: ScriptedParty, bob: ScriptedParty) => void;

const extra = fc.record({
  headers: fc.array(fc.constantFrom(...HEADERS), { maxLength: 3 }),
  sdp: fc.constantFrom(...BODIES),
});

const act: fc.Arbitrary<{ who: "alice" | "bob"; what: string; run: Act }> = fc
  .record({ who: fc.constantFrom<"alice" | "bob">("alice", "bob"), more: extra })
  .chain(({ who, more }) => {
    const by = (what: string, run: (party: ScriptedParty) => void) => ({
      who,
      what: `${what} ${JSON.stringify(more)}`,
      run: ((alice, bob) => run(who === "alice" ? alice : bob)) as Act,
    });
    return fc.oneof(
      fc.constant(by("invite", (party) => party.invite("4711", more))),
      fc.constant(by("ack", (party) => party.ack(more))),
      fc.constant(by("prack", (party) => party.prack(more))),
      fc.constant(by("cancel", (party) => party.cancel())),
      fc.constantFrom(...METHODS).map((method) => by(method, (party) => party.request(method, more))),
      fc.constantFrom(...STATUSES).map((status) => by(`${status}`, (party) => party.answer(status, more))),
      fc
        .record({ status: fc.constantFrom(...STATUSES), method: fc.constantFrom(...METHODS) })
        .map(({ status, method }) => by(`${status} ${method}`, (party) => party.answer(status, { ...more, method }))),
      fc
        .record({ status: fc.constantFrom(...STATUSES), fork: fc.constantFrom("-a", "-b") })
        .map(({ status, fork }) => by(`${status}${fork}`, (party) => party.answer(status, { ...more, fork }))),
    );
  });

/** The shortest intervals: whoever is not there is found within the time that the test waits, or the call is too long. */
const withTimers: StageOptions = {
  change: (settings) => ({
    ...settings,
    sessionTimer: { seconds: 90, minimumSeconds: 90 },
    limits: { ...settings.limits, callSeconds: 250 },
  }),
};

test("random acts of two parties", () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ act, wait: fc.constantFrom(0, 0, 10, 600, 3_000, 30_000) }), {
        minLength: 3,
        maxLength: 30,
      }),
      fc.boolean(),
      (acts, vanish) => {
        const { stage, alice, bob } = twoSides(withTimers);
        alice.invite("4711");
        for (const { act, wait } of acts) {
          try {
            act.run(alice, bob);
          } catch (error) {
            // A party can only answer what it was asked; everything else is the box falling over.
            if (!/ got no /.test((error as Error).message)) throw error;
          }
          stage.pass(wait);
        }
        if (!vanish) stage.step({ in: "end-calls", cause: "operator" });
        stage.pass(400_000);
        expect(stage.remains()).toEqual(NOTHING);
        expect(stage.factsOf("call.ended")).toHaveLength(stage.factsOf("call.started").length);
      },
    ),
    { numRuns: Number(process.env["RUNS"] ?? 150), endOnFailure: false },
  );
}, 120_000);
