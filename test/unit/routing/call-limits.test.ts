import { expect, test } from "vitest";
import { Agenda, type PeerSettings, seededRandom } from "../../../src/base/index.ts";
import { Routing, type RoutingOutput } from "../../../src/routing/index.ts";
import { peer, settings } from "./peers.ts";

test("the call over maxCalls is refused with a Retry-After and a fact, and a release makes room", () => {
  const carrier = peer("carrier", { maxCalls: 2 });
  const { routing, facts } = make(carrier);
  expect([routing.admit(carrier, 0), routing.admit(carrier, 0)]).toEqual([{ admitted: true }, { admitted: true }]);
  expect(routing.admit(carrier, 0)).toMatchObject({ admitted: false, limit: "maxCalls" });
  expect(facts).toEqual(["peer.limited"]);
  routing.release(carrier);
  expect(routing.admit(carrier, 0)).toEqual({ admitted: true });
  expect(routing.view()[0]).toMatchObject({ calls: 2, refused: 1 });
});

test("maxCallsPerSecond lets a second's worth through at once, then one each 1/n s", () => {
  const carrier = peer("carrier", { maxCallsPerSecond: 10 });
  const { routing } = make(carrier);
  const admitted = (now: number) => routing.admit(carrier, now).admitted;
  expect(new Array(12).fill(0).map(() => admitted(5_000))).toEqual([...new Array(10).fill(true), false, false]);
  expect([admitted(5_099), admitted(5_100), admitted(5_101)]).toEqual([false, true, false]);
  expect(new Array(15).fill(0).filter(() => admitted(60_000))).toHaveLength(10);
});

test("a refused call costs no token, and a rate below one a second saves up", () => {
  const slow = peer("slow", { maxCallsPerSecond: 0.5 });
  const { routing } = make(slow);
  expect([0, 1_000, 1_999, 2_000].map((now) => routing.admit(slow, now).admitted)).toEqual([true, false, false, true]);
});

test("a reload keeps the count and obeys the new limit; a peer that is gone is forgotten with its last call", () => {
  const carrier = peer("carrier", { maxCalls: 5 });
  const { routing } = make(carrier);
  routing.admit(carrier, 0);
  routing.admit(carrier, 0);
  routing.apply(settings([peer("carrier", { maxCalls: 2 })]));
  expect(routing.admit(carrier, 0)).toMatchObject({ limit: "maxCalls" });
  routing.apply(settings([]));
  routing.release(carrier);
  routing.release(carrier);
  expect(() => routing.release(carrier)).not.toThrow();
  routing.apply(settings([carrier]));
  expect(routing.view()[0]).toMatchObject({ calls: 0 });
});

test("a release without a call is our own mistake", () => {
  const carrier = peer("carrier");
  const { routing } = make(carrier);
  routing.admit(carrier, 0);
  routing.release(carrier);
  expect(() => routing.release(carrier)).toThrow(/bug:/);
});

function make(of: PeerSettings) {
  const facts: string[] = [];
  const emit = (output: RoutingOutput): void => {
    if (output.out === "fact") facts.push(output.fact.fact);
  };
  return {
    routing: new Routing({ settings: settings([of]), random: seededRandom(3), emit, agenda: new Agenda() }),
    facts,
  };
}
