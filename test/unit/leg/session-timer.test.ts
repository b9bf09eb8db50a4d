/** The figure of the session timer in virtual time: RFC 4028 §7.2, §9, §10. */
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type SessionEvent,
  type SessionRule,
  type SessionState,
  SessionTimer,
  sessionFigure,
} from "../../../src/leg/session-timer.ts";

type Act = SessionEvent | "agreed ours" | "agreed theirs" | `${"refused" | "not now"} ${number}`;

test("ours: a refresh after half of the interval, each answer begins it anew", () => {
  const refreshed: [number, Act][] = [
    [0, "agreed ours"],
    [900_200, "agreed ours"],
    [1_800_300, "agreed ours"],
  ];
  expect(play(1_800_000, refreshed, 2_500_000)).toEqual(["900000 send refresh", "1800200 send refresh"]);
});

test("theirs: nothing for 32 s less than the interval, then it is over, once", () => {
  expect(play(1_800_000, [[0, "agreed theirs"]], 9_000_000)).toEqual(["1768000 report expired"]);
});

test("a short interval ends a third of it early", () => {
  expect(play(90_000, [[0, "agreed theirs"]], 200_000)).toEqual(["60000 report expired"]);
});

test("a refresh that nobody answers ends it", () => {
  const acts: [number, Act][] = [
    [0, "agreed ours"],
    [932_000, "lost"],
  ];
  expect(play(1_800_000, acts, 4_000_000)).toEqual(["900000 send refresh", "932000 report expired"]);
});

test("a refused refresh is tried again, but the interval goes on: only a 2xx begins it anew", () => {
  const acts: [number, Act][] = [
    [0, "agreed ours"],
    [900_100, "refused 300000"],
    [1_200_200, "refused 300000"],
    [1_500_300, "refused 300000"],
  ];
  expect(play(1_800_000, acts, 4_000_000)).toEqual([
    "900000 send refresh",
    "1200100 send refresh",
    "1500200 send refresh",
    "1768000 report expired",
  ]);
});

test("the other end's refresh while ours is under way settles it: no second one goes out", () => {
  const acts: [number, Act][] = [
    [0, "agreed ours"],
    [900_100, "agreed theirs"],
    [900_200, "refused 2000"],
  ];
  expect(play(1_800_000, acts, 2_000_000)).toEqual(["900000 send refresh"]);
});

test("after its end a session is silent", () => {
  const acts: [number, Act][] = [
    [0, "agreed ours"],
    [10, "end"],
    [20, "agreed ours"],
    [30, "lost"],
  ];
  expect(play(1_800_000, acts, 9_000_000)).toEqual([]);
});

test("whatever happens, it expires at most once, and each state but `off` and `over` has a timer that ends it", () => {
  const events = ["agreed ours", "agreed theirs", "refresh", "expiry", "not now", "refused", "lost", "end"] as const;
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...events), { maxLength: 30 }), (happened) => {
      let state: SessionState = "off";
      let expired = 0;
      for (const event of happened) {
        const rule: SessionRule | undefined = sessionFigure[state][event];
        if (rule === undefined) continue;
        state = rule[0];
        if (rule.includes("report expired")) expired++;
      }
      expect(expired).toBeLessThanOrEqual(1);
      if (state !== "off" && state !== "over") expect(sessionFigure[state].expiry?.[0]).toBe("over");
    }),
  );
});

/** What comes out, with its time. `acts` are in order of time. */
function play(interval: number, acts: readonly (readonly [number, Act])[], until: number): string[] {
  const timer = new SessionTimer();
  const diary: string[] = [];
  const expireUpTo = (limit: number): void => {
    for (let next = timer.timers.next(); next !== undefined && next <= limit; next = timer.timers.next()) {
      const due = timer.timers.takeDue(next);
      if (due !== undefined) for (const effect of timer.handle(due)) diary.push(`${next} ${effect}`);
    }
  };
  for (const [at, act] of acts) {
    expireUpTo(at);
    const [word, who = "", wait] = act.split(/ (?=\d|ours|theirs)/);
    if (act === "agreed ours" || act === "agreed theirs") timer.agreed(who as "ours" | "theirs", interval, at);
    else if (/\d$/.test(act)) timer.later(word as "refused" | "not now", Number(wait ?? who), at);
    else for (const effect of timer.handle(act as SessionEvent)) diary.push(`${at} ${effect}`);
  }
  expireUpTo(until);
  return diary;
}
