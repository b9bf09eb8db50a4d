/**
 * Whatever two phones say to each other before and around the answer, under whatever policy: the box never breaks, each
 * INVITE has one final answer, each PRACK and UPDATE has one, nothing of one side shows on the other, and nothing remains.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { PeerSettings } from "../../../src/base/index.ts";
import { expectNoLeaks } from "../../support/leak-check.ts";
import { audio, headerOf } from "../../support/scripted-party.ts";
import { ALICE, BOB, twoSides } from "../../support/stage.ts";
import { NOTHING } from "../../unit/call/scenes.ts";

const PRECONDITIONS = [
  "",
  "a=curr:qos local none\r\na=curr:qos remote none\r\na=des:qos mandatory local sendrecv\r\na=des:qos none remote sendrecv\r\n",
  "a=curr:qos local sendrecv\r\na=curr:qos remote none\r\na=des:qos mandatory local sendrecv\r\na=des:qos none remote sendrecv\r\n",
  "a=curr:qos e2e send\r\na=des:qos optional e2e sendrecv\r\n",
];
const direction = fc.constantFrom("sendrecv", "sendonly", "recvonly", "inactive");
const session = fc.record({
  direction,
  port: fc.integer({ min: 4000, max: 4010 }),
  preconditions: fc.constantFrom(...PRECONDITIONS),
  version: fc.integer({ min: 1, max: 5 }),
});
const maybeSession = fc.option(session, { nil: undefined });
const fork = fc.constantFrom("", "-a", "-b");
const earlyMedia = fc.constantFrom("", "sendrecv", "sendonly", "inactive", "gated");

const action = fc.oneof(
  fc.record({
    act: fc.constant("1xx" as const),
    status: fc.constantFrom(180, 183, 199),
    fork,
    session: maybeSession,
    rseq: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
    earlyMedia,
  }),
  fc.record({ act: fc.constant("200" as const), fork, session: maybeSession }),
  fc.record({ act: fc.constant("refusal" as const), status: fc.constantFrom(486, 580, 503, 420), fork }),
  fc.record({ act: fc.constant("PRACK" as const), session: maybeSession }),
  fc.record({ act: fc.constant("ACK" as const), session: maybeSession }),
  fc.record({ act: fc.constant("CANCEL" as const) }),
  fc.record({
    act: fc.constantFrom("UPDATE" as const, "INVITE" as const, "BYE" as const, "INFO" as const),
    who: fc.constantFrom("alice" as const, "bob" as const),
    session: maybeSession,
    earlyMedia,
  }),
  fc.record({
    act: fc.constant("answer" as const),
    who: fc.constantFrom("alice" as const, "bob" as const),
    method: fc.constantFrom("UPDATE", "PRACK", "BYE", "CANCEL", "INVITE", "INFO"),
    status: fc.constantFrom(200, 200, 200, 405, 481, 488, 491, 500, 580),
    session: maybeSession,
  }),
  fc.record({ act: fc.constant("time" as const), millis: fc.constantFrom(200, 600, 5_000, 33_000) }),
);

const policy = fc.record({
  reliable1xx: fc.constantFrom("pass" as const, "require" as const, "off" as const),
  preconditions: fc.constantFrom("pass" as const, "require" as const, "off" as const),
});

const script = fc.record({
  carrier: policy,
  pbx: policy,
  session: maybeSession,
  headers: fc.subarray([
    "Supported: 100rel",
    "Require: 100rel",
    "Supported: precondition",
    "Require: precondition",
    "P-Early-Media: supported",
  ]),
  actions: fc.array(action, { maxLength: 14 }),
});

test("random early dialogs", () => {
  fc.assert(
    fc.property(script, ({ carrier, pbx, session: first, headers, actions }) => {
      const policies: Record<string, Partial<PeerSettings>> = { carrier, pbx };
      const { stage, alice, bob } = twoSides({
        change: (settings) => ({
          ...settings,
          peers: new Map([...settings.peers].map(([name, peer]) => [name, { ...peer, ...policies[name] }])),
        }),
      });
      const party = { alice, bob };
      const sdpOf = (ip: string, said: Said | undefined): string | undefined =>
        said === undefined ? undefined : audio(ip, said) + said.preconditions;
      alice.invite("4711", { sdp: sdpOf(ALICE.ip, first), headers });
      for (const one of actions) {
        try {
          switch (one.act) {
            case "1xx": {
              const reliable = one.rseq === undefined ? [] : ["Require: 100rel", `RSeq: ${one.rseq}`];
              const media = one.earlyMedia === "" ? [] : [`P-Early-Media: ${one.earlyMedia}`];
              bob.answer(one.status, {
                fork: one.fork,
                sdp: sdpOf(BOB.ip, one.session),
                headers: [...reliable, ...media],
              });
              break;
            }
            case "200":
              bob.answer(200, { fork: one.fork, sdp: sdpOf(BOB.ip, one.session) });
              break;
            case "refusal":
              bob.answer(one.status, { fork: one.fork });
              break;
            case "PRACK":
              alice.prack({ sdp: sdpOf(ALICE.ip, one.session) });
              break;
            case "ACK":
              alice.ack({ sdp: sdpOf(ALICE.ip, one.session) });
              break;
            case "CANCEL":
              alice.cancel();
              break;
            case "time":
              stage.pass(one.millis);
              break;
            case "answer":
              party[one.who].answer(one.status, {
                method: one.method,
                sdp: sdpOf(party[one.who].place.ip, one.session),
              });
              break;
            default: {
              const media = one.earlyMedia === "" ? [] : [`P-Early-Media: ${one.earlyMedia}`];
              const ip = party[one.who].place.ip;
              party[one.who].request(one.act, { sdp: sdpOf(ip, one.session), headers: media });
            }
          }
        } catch (error) {
          // The phone has nothing to answer yet. What the box throws is another thing.
          if (!/ got no /.test((error as Error).message)) throw error;
        }
      }
      stage.step({ in: "end-calls", cause: "operator" });
      for (const one of [alice, bob]) {
        try {
          one.answer(200, { method: "BYE" });
        } catch {
          // It got none.
        }
      }
      stage.pass(400_000);
      expect(stage.remains()).toEqual(NOTHING);
      expect(stage.factsOf("call.ended")).toHaveLength(stage.factsOf("call.started").length);
      expectNoLeaks(stage);
      expect(twiceAnswered(alice.got)).toEqual([]);
    }),
    { numRuns: Number(process.env.EARLY_RUNS ?? 150) },
  );
});

type Said = { direction: string; port: number; version: number; preconditions: string };

/** Requests that got two final answers which differ. */
function twiceAnswered(got: readonly string[]): string[] {
  const finals = new Map<string, string>();
  const twice: string[] = [];
  for (const text of got) {
    const status = /^SIP\/2\.0 ([2-6]\d\d) /.exec(text)?.[1];
    if (status === undefined) continue;
    if (/CANCEL$/.test(headerOf(text, "CSeq"))) continue; // Once the INVITE is forgotten a second one gets 481.
    const key = `${headerOf(text, "CSeq")} ${headerOf(text, "Via")}`;
    const before = finals.get(key) ?? status;
    finals.set(key, before);
    if (before !== status) twice.push(`${key}: ${before}, then ${status}`);
  }
  return twice;
}
