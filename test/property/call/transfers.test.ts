/**
 * Transfers in any order of events: whatever the four do, and however late, nothing is left behind, nothing crosses that
 * tells of the other side, and every call and every transfer is told to have ended once.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { audio, type ScriptedParty } from "../../support/scripted-party.ts";
import { consulting, countedCalls, mayHaveLeaked, replacesOf, talking } from "../../unit/call/executed.ts";
import { NOTHING } from "../../unit/call/scenes.ts";

type Name = "alice" | "bob" | "carol" | "desk";
type Act =
  | { readonly act: "refer"; readonly who: "alice" | "bob"; readonly how: "blind" | "attended" | "silent" }
  | { readonly act: "answer"; readonly who: Name; readonly method: string; readonly status: number }
  | { readonly act: "ask"; readonly who: Name; readonly method: "BYE" | "INVITE" | "INFO" | "UPDATE" | "SUBSCRIBE" }
  | { readonly act: "ack"; readonly who: Name }
  | { readonly act: "wait"; readonly ms: number }
  | { readonly act: "end"; readonly call: number };

const NAMES: readonly Name[] = ["alice", "bob", "carol", "desk"];
const name = fc.constantFrom(...NAMES);

const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      act: fc.constant("refer" as const),
      who: fc.constantFrom("bob" as const, "bob" as const, "alice" as const),
      how: fc.constantFrom("blind" as const, "attended" as const, "silent" as const),
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      act: fc.constant("answer" as const),
      who: name,
      method: fc.constantFrom("INVITE", "INVITE", "INVITE", "NOTIFY", "BYE", "CANCEL", "INFO", "UPDATE"),
      status: fc.constantFrom(200, 200, 200, 200, 180, 481, 486, 488, 491, 487),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      act: fc.constant("ask" as const),
      who: name,
      method: fc.constantFrom(
        "BYE" as const,
        "BYE" as const,
        "INVITE" as const,
        "INFO" as const,
        "UPDATE" as const,
        "SUBSCRIBE" as const,
      ),
    }),
  },
  { weight: 2, arbitrary: fc.record({ act: fc.constant("ack" as const), who: name }) },
  {
    weight: 2,
    arbitrary: fc.record({
      act: fc.constant("wait" as const),
      ms: fc.constantFrom(0, 50, 600, 4_200, 33_000, 182_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ act: fc.constant("end" as const), call: fc.nat(3) }) },
);

/** How it should go; of this most is kept, and anything may come in between. */
const course = (how: "blind" | "attended" | "silent"): Act[] => [
  { act: "refer", who: "bob", how },
  { act: "answer", who: "bob", method: "NOTIFY", status: 200 },
  { act: "answer", who: "carol", method: "INVITE", status: 180 },
  { act: "answer", who: "carol", method: "INVITE", status: 200 },
  { act: "answer", who: "alice", method: "INVITE", status: 200 },
  { act: "answer", who: "bob", method: "NOTIFY", status: 200 },
  { act: "ask", who: "bob", method: "BYE" },
];

const script = fc
  .tuple(
    fc.constantFrom("blind" as const, "attended" as const, "silent" as const),
    fc.array(fc.tuple(fc.nat(9), fc.array(act, { maxLength: 2 })), { minLength: 7, maxLength: 7 }),
    fc.array(act, { maxLength: 6 }),
  )
  .map(([how, between, after]): readonly Act[] => [
    ...course(how).flatMap((step, index) => {
      const [luck, others] = between[index] as [number, Act[]];
      return luck === 0 ? others : luck > 5 ? [step] : [...others, step];
    }),
    ...after,
  ]);

test.each([1, 2, 3, 4])("any script of a transfer ends, and leaves nothing (%i)", (turn) => {
  const seen = { joined: 0, failed: 0 };
  const { seed = 0 } = fc.readConfigureGlobal();
  fc.assert(
    fc.property(fc.boolean(), script, (second, acts) => {
      const outcome = play(second, acts);
      seen.joined += outcome.joined;
      seen.failed += outcome.failed;
    }),
    { seed: seed + turn, numRuns: 120 },
  );
  // Else the scripts were too tame, or too wild, to prove anything.
  expect(seen.joined).toBeGreaterThan(15);
  expect(seen.failed).toBeGreaterThan(15);
});

function play(second: boolean, script: readonly Act[]): { joined: number; failed: number } {
  const first = talking();
  const cast = second ? consulting(first) : { ...first, desk: first.dave };
  const { stage } = cast;
  const answered = new Map<string, number>();
  let version = 10;

  const answer = (party: ScriptedParty, method: string, status: number): boolean => {
    const requests = party.got.filter((text) => text.startsWith(`${method} `));
    const key = `${party.name} ${method}`;
    if (requests.length === 0 || answered.get(key) === requests.length) return false;
    if (status >= 200) answered.set(key, requests.length);
    const described = (method === "INVITE" && status === 200) || (method === "UPDATE" && status === 200);
    party.answer(status, { method, ...(described ? { sdp: sdpOf(party, ++version) } : {}) });
    return true;
  };
  const run = (one: Act): void => {
    if (one.act === "wait") return stage.pass(one.ms);
    if (one.act === "end") {
      const call = stage.factsOf("call.started")[one.call]?.call;
      return call === undefined ? undefined : stage.step({ in: "end-call", call });
    }
    const party = cast[one.who];
    if (one.act === "answer") answer(party, one.method, one.status);
    else if (one.act === "ack") party.ack();
    else if (one.act === "refer") {
      const replaces = one.how === "attended" && second ? `?Replaces=${encodeURIComponent(replacesOf(cast.desk))}` : "";
      const silent = one.how === "silent" ? ["Refer-Sub: false"] : [];
      party.request("REFER", { headers: [`Refer-To: <sip:555@10.9.0.1${replaces}>`, ...silent] });
    } else if (one.method === "INVITE" || one.method === "UPDATE") {
      party.request(one.method, { sdp: sdpOf(party, ++version) });
    } else if (one.method === "SUBSCRIBE") party.request("SUBSCRIBE", { headers: ["Event: refer", "Expires: 60"] });
    else party.request(one.method);
  };
  for (const one of script) {
    try {
      run(one);
    } catch (error) {
      if (!/ got no /.test(String(error))) throw error; // Nothing to answer, or to acknowledge: the script is random.
    }
  }

  stage.step({ in: "end-calls", cause: "operator" });
  stage.pass(400_000);
  expect(stage.remains()).toEqual(NOTHING);
  expect(countedCalls(stage)).toEqual([]);
  expect(mayHaveLeaked(stage)).toEqual([]);
  const ids = (fact: "call.started" | "call.ended"): string[] =>
    stage
      .factsOf(fact)
      .map(({ call }) => call)
      .sort();
  expect(ids("call.ended")).toEqual(ids("call.started"));
  const accepted = cast.stage.diary.filter((line) => /< 20[02] REFER$/.test(line)).length;
  const transfers = stage.factsOf("call.transferred");
  expect(transfers).toHaveLength(accepted);
  const joined = transfers.filter(({ status }) => status === 200).length;
  return { joined, failed: transfers.length - joined };
}

const PORTS: Readonly<Record<string, number>> = { alice: 4000, bob: 6000, carol: 7000, desk: 6100 };
const sdpOf = ({ name, place }: ScriptedParty, version: number): string =>
  audio(place.ip, { port: PORTS[name] ?? 7100, version });
