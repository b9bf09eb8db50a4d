import { expect, test } from "vitest";
import { type Event, inviteClient } from "../../../src/transaction/invite-client.ts";
import { play } from "./diary.ts";

test("a silent callee: INVITE goes out 7 times in 32 s, then the caller is told", () => {
  const { diary, state } = play(inviteClient, { until: 100_000 });
  expect(diary).toEqual([
    "0 send INVITE",
    "500 send INVITE",
    "1500 send INVITE",
    "3500 send INVITE",
    "7500 send INVITE",
    "15500 send INVITE",
    "31500 send INVITE",
    "32000 report timeout",
  ]);
  expect(state).toBe("terminated");
});

test("over TCP a silent callee gets one INVITE", () => {
  expect(play(inviteClient, { until: 100_000, reliable: true }).diary).toEqual([
    "0 send INVITE",
    "32000 report timeout",
  ]);
});

test("a ringing callee: nothing is resent and nothing times out for five minutes", () => {
  const { diary, state } = play(inviteClient, { events: [[300, "1xx"]], until: 300_000 });
  expect(diary).toEqual(["0 send INVITE", "300 pass up"]);
  expect(state).toBe("proceeding");
});

test("a busy callee: one answer goes up, each resent 486 is ACKed, silence after 32 s", () => {
  const events: [number, Event][] = [
    [100, "1xx"],
    [200, "3xx-6xx"],
    [700, "3xx-6xx"],
    [40_000, "3xx-6xx"],
  ];
  const { diary, state } = play(inviteClient, { events, until: 60_000 });
  expect(diary).toEqual(["0 send INVITE", "100 pass up", "200 send ACK", "200 pass up", "700 resend ACK"]);
  expect(state).toBe("terminated");
});

test("over TCP a refused call is over at once", () => {
  const { diary, state } = play(inviteClient, { events: [[200, "3xx-6xx"]], until: 201, reliable: true });
  expect(diary).toEqual(["0 send INVITE", "200 send ACK", "200 pass up"]);
  expect(state).toBe("terminated");
});

test("an answered call: copies and forks of the 2xx go up for 32 s, on either transport; a late 1xx or 486 does not", () => {
  const events: [number, Event][] = [
    [200, "2xx"],
    [300, "1xx"],
    [400, "3xx-6xx"],
    [700, "2xx"],
    [32_100, "2xx"],
    [32_300, "2xx"],
  ];
  for (const reliable of [false, true]) {
    const { diary, state } = play(inviteClient, { events, until: 40_000, reliable });
    expect(diary).toEqual(["0 send INVITE", "200 pass up", "700 pass up", "32100 pass up"]);
    expect(state).toBe("terminated");
  }
});

test("no way to the callee: told once; while it rings a lost connection says nothing", () => {
  expect(
    play(inviteClient, {
      events: [
        [10, "unreachable"],
        [20, "unreachable"],
      ],
      until: 99_999,
    }).diary,
  ).toEqual(["0 send INVITE", "10 report unreachable"]);
  expect(
    play(inviteClient, {
      events: [
        [10, "1xx"],
        [20, "unreachable"],
      ],
      until: 99_999,
    }).state,
  ).toBe("proceeding");
});

test("a callee that only ever says 1xx is cancelled after five minutes, and forgotten 64*T1 later", () => {
  const events: [number, Event][] = [
    [100, "1xx"],
    [200_000, "1xx"],
  ];
  const { diary, state } = play(inviteClient, { events, until: 999_999 });
  expect(diary).toEqual([
    "0 send INVITE",
    "100 pass up",
    "200000 pass up",
    "300100 send CANCEL",
    "332100 report timeout",
  ]);
  expect(state).toBe("terminated");
});

test("CANCEL: nothing before the first 1xx, then 64*T1 for the final response", () => {
  const events: [number, Event][] = [
    [100, "cancel"],
    [200, "1xx"],
    [200, "cancel"],
    [250, "1xx"],
  ];
  const { diary, state } = play(inviteClient, { events, until: 99_999 });
  expect(diary).toEqual(["0 send INVITE", "200 pass up", "200 send CANCEL", "250 pass up", "32200 report timeout"]);
  expect(state).toBe("terminated");
});

test("CANCEL and answer cross: the 2xx goes up all the same", () => {
  const events: [number, Event][] = [
    [200, "1xx"],
    [210, "cancel"],
    [220, "2xx"],
  ];
  const { diary, state } = play(inviteClient, { events, until: 1_000 });
  expect(diary).toEqual(["0 send INVITE", "200 pass up", "210 send CANCEL", "220 pass up"]);
  expect(state).toBe("accepted");
});
