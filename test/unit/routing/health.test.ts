import { expect, test } from "vitest";
import { Agenda, type PeerSettings, seededRandom } from "../../../src/base/index.ts";
import { Routing, type RoutingOutput, type TargetState } from "../../../src/routing/index.ts";
import { peer, settings } from "./peers.ts";

const two = (set: Partial<PeerSettings> = {}): PeerSettings =>
  peer("pbx", {
    targets: [
      { kind: "host", protocol: "udp", host: "10.0.0.9", port: 5080 },
      { kind: "host", protocol: "tcp", host: "10.0.0.10", port: 5080 },
    ],
    ...set,
  });

test("a target that a call could not reach goes last for 30 s, with a fact", () => {
  const box = make(two());
  expect(box.order(1_000)).toEqual(["udp:10.0.0.9:5080", "tcp:10.0.0.10:5080"]);
  box.routing.outcome(box.first(), "unreachable", undefined, 1_000);
  expect(box.order(30_999)).toEqual(["tcp:10.0.0.10:5080", "udp:10.0.0.9:5080"]);
  expect(box.order(31_000)).toEqual(["udp:10.0.0.9:5080", "tcp:10.0.0.10:5080"]);
  expect(box.facts).toEqual(["peer.down udp:10.0.0.9:5080"]);
});

test("when all are dead all are tried, in order", () => {
  const box = make(two());
  for (const target of box.routing.targets(box.peer, 0)) box.routing.outcome(target, "timeout", undefined, 1_000);
  expect(box.order(2_000)).toEqual(["udp:10.0.0.9:5080", "tcp:10.0.0.10:5080"]);
});

test("a 503 is obeyed for as long as it says, but never beyond 300 s, and an answer ends it", () => {
  const box = make(two());
  const first = box.first();
  box.routing.outcome(first, "503", 60, 1_000);
  expect([first.healthy(60_999), first.healthy(61_000)]).toEqual([false, true]);
  box.routing.outcome(first, "503", 86_400, 1_000);
  expect([first.healthy(300_999), first.healthy(301_000)]).toEqual([false, true]);
  box.routing.outcome(first, "answered", undefined, 2_000);
  expect(first.healthy(2_000)).toBe(true);
  expect(box.facts).toEqual([]);
});

test("OPTIONS go out once a round, faster while the target is dead", () => {
  const box = make(peer("pbx", { options: { everySeconds: 30 } }));
  const asked = box.runUntil(100_000, (at) => (at < 40_000 ? "down" : "up"));
  expect(asked[0]).toBeLessThanOrEqual(1_001);
  const gaps = asked.slice(1).map((at, i) => at - (asked[i] as number));
  expect(gaps).toEqual([10_000, 10_000, 10_000, 10_000, 30_000]);
  expect(box.facts).toEqual(["peer.down udp:10.0.0.9:5080", "peer.up udp:10.0.0.9:5080"]);
});

test("with OPTIONS a dead target stays last until they are answered", () => {
  const box = make(two({ options: { everySeconds: 60 } }));
  const first = box.first();
  box.routing.outcome(first, "timeout", undefined, 5_000);
  expect(first.healthy(3_600_000)).toBe(false);
  box.routing.probed(first, "up", "answered 200", 20_000);
  expect(first.healthy(20_000)).toBe(true);
});

test("a name is looked up at once and every minute; an address never", () => {
  const named = make(peer("pbx", { targets: [{ kind: "uri", uri: "sip:pbx.example" }] }));
  named.runUntil(150_000, () => "up");
  expect(named.looks).toEqual([0, 60_000, 120_000]);
  const numbered = make(peer("pbx", { targets: [{ kind: "uri", uri: "sip:10.0.0.9" }] }));
  numbered.runUntil(150_000, () => "up");
  expect(numbered.looks).toEqual([]);
  expect(numbered.agenda.size).toBe(0);
});

test("a reload keeps the health of what stays and asks no more after what is gone", () => {
  const box = make(two({ options: { everySeconds: 30 } }));
  const first = box.first();
  box.routing.probed(first, "down", "silence", 1_000);
  const kept = peer("pbx", { targets: [first.settings], options: { everySeconds: 30 } });
  box.routing.apply(settings([kept]), 2_000);
  expect(box.routing.targets(kept, 2_000)).toEqual([first]);
  expect(box.routing.view(2_000)[0]?.targets).toMatchObject([{ state: "down", reason: "silence" }]);
  expect(box.agenda.size).toBe(1);
  box.routing.apply(settings([peer("pbx", { targets: [first.settings] })]), 3_000);
  expect(box.agenda.size).toBe(0);
});

function make(of: PeerSettings) {
  const agenda = new Agenda();
  const facts: string[] = [];
  const looks: number[] = [];
  const probes: { target: TargetState; now: number }[] = [];
  const emit = (output: RoutingOutput): void => {
    if (output.out === "probe") probes.push(output);
    else if (output.out === "resolve") looks.push(output.now);
    else if ("target" in output.fact) facts.push(`${output.fact.fact} ${output.fact.target}`);
  };
  const routing = new Routing({ settings: settings([of]), random: seededRandom(7), emit, agenda });
  return {
    routing,
    agenda,
    facts,
    looks,
    peer: of,
    first: () => routing.targets(of, 0)[0] as TargetState,
    order: (now: number) => routing.targets(of, now).map(({ id }) => id),
    /** Lets time pass; every OPTIONS is answered at once. Returns when they went out. */
    runUntil(end: number, answer: (at: number) => "up" | "down"): number[] {
      const asked: number[] = [];
      for (let at = agenda.nextDeadline(); at !== undefined && at <= end; at = agenda.nextDeadline()) {
        agenda.expire(at);
        for (const { target, now } of probes.splice(0)) {
          asked.push(now);
          routing.probed(target, answer(now), "test", now);
        }
      }
      return asked;
    },
  };
}
