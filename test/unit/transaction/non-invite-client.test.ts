import { expect, test } from "vitest";
import { type Event, nonInviteClient } from "../../../src/transaction/non-invite-client.ts";
import { play } from "./diary.ts";

test("a silent server: 11 copies, the pause growing to 4 s, then a time-out at 32 s", () => {
  expect(play(nonInviteClient, { until: 99_999 }).diary).toEqual([
    "0 send request",
    "500 send request",
    "1500 send request",
    "3500 send request",
    "7500 send request",
    "11500 send request",
    "15500 send request",
    "19500 send request",
    "23500 send request",
    "27500 send request",
    "31500 send request",
    "32000 report timeout",
  ]);
});

test("after a 100 copies go every 4 s from the next one on, and the time-out stands", () => {
  const { diary } = play(nonInviteClient, { events: [[600, "1xx"]], until: 99_999 });
  expect(diary.slice(0, 5)).toEqual([
    "0 send request",
    "500 send request",
    "600 pass up",
    "1500 send request",
    "5500 send request",
  ]);
  expect(diary.at(-1)).toBe("32000 report timeout");
});

test("one final response goes up; copies of it are absorbed for 5 s over UDP, over TCP it is over", () => {
  const events: [number, Event][] = [
    [200, "200-699"],
    [700, "200-699"],
  ];
  const udp = play(nonInviteClient, { events, until: 5_199 });
  expect(udp.diary).toEqual(["0 send request", "200 pass up"]);
  expect(udp.state).toBe("completed");
  expect(play(nonInviteClient, { events, until: 5_200 }).state).toBe("terminated");
  expect(play(nonInviteClient, { events, until: 200, reliable: true }).state).toBe("terminated");
});

test("a lost connection is reported once, before and after a 100", () => {
  for (const before of [[], [[5, "1xx"]]] as [number, Event][][]) {
    const { diary, state } = play(nonInviteClient, {
      events: [...before, [10, "unreachable"]],
      until: 99_999,
      reliable: true,
    });
    expect(diary.at(-1)).toBe("10 report unreachable");
    expect(state).toBe("terminated");
  }
});
