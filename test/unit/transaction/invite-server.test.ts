import { expect, test } from "vitest";
import { type Event, inviteServer } from "../../../src/transaction/invite-server.ts";
import { play } from "./diary.ts";

test("whoever is slow to answer has a 100 sent for him after 200 ms", () => {
  expect(play(inviteServer, { until: 10_000 })).toEqual({ diary: ["200 send 100"], state: "proceeding" });
  expect(play(inviteServer, { events: [[150, "send 1xx"]], until: 10_000 }).diary).toEqual(["150 send response"]);
});

test("a copy of the INVITE gets the last provisional response again, and nothing while there is none", () => {
  const events: [number, Event][] = [
    [50, "INVITE"],
    [150, "send 1xx"],
    [500, "INVITE"],
  ];
  expect(play(inviteServer, { events, until: 10_000 }).diary).toEqual(["150 send response", "500 resend response"]);
});

test("a refusal without ACK is resent until 32 s, then the owner is told", () => {
  const { diary, state } = play(inviteServer, { events: [[100, "send 3xx-6xx"]], until: 99_999 });
  expect(diary).toEqual([
    "100 send response",
    "600 resend response",
    "1600 resend response",
    "3600 resend response",
    "7600 resend response",
    "11600 resend response",
    "15600 resend response",
    "19600 resend response",
    "23600 resend response",
    "27600 resend response",
    "31600 resend response",
    "32100 report no ACK",
  ]);
  expect(state).toBe("terminated");
});

test("over TCP a refusal goes once, and the missing ACK is reported all the same", () => {
  const { diary } = play(inviteServer, { events: [[100, "send 3xx-6xx"]], until: 99_999, reliable: true });
  expect(diary).toEqual(["100 send response", "32100 report no ACK"]);
});

test("the ACK stops the copies; what comes in the next 5 s is absorbed", () => {
  const events: [number, Event][] = [
    [100, "send 3xx-6xx"],
    [200, "INVITE"],
    [300, "ACK"],
    [400, "ACK"],
    [500, "INVITE"],
  ];
  const { diary, state } = play(inviteServer, { events, until: 5_299 });
  expect(diary).toEqual(["100 send response", "200 resend response", "300 report ACK"]);
  expect(state).toBe("confirmed");
  expect(play(inviteServer, { events, until: 5_300 }).state).toBe("terminated");
  expect(play(inviteServer, { events, until: 300, reliable: true }).state).toBe("terminated");
});

test("after a 2xx copies of the INVITE are absorbed, the leg's copies go out and ACKs go up, for 32 s", () => {
  const events: [number, Event][] = [
    [100, "send 2xx"],
    [200, "INVITE"],
    [600, "send 2xx"],
    [700, "ACK"],
    [800, "send 3xx-6xx"],
    [32_099, "ACK"],
    [32_101, "ACK"],
  ];
  for (const reliable of [false, true]) {
    expect(play(inviteServer, { events, until: 99_999, reliable })).toEqual({
      diary: ["100 send response", "600 resend response", "700 pass ACK up", "32099 pass ACK up"],
      state: "terminated",
    });
  }
});

test("a response that cannot be delivered is reported and ends nothing (RFC 6026)", () => {
  for (const sent of ["send 1xx", "send 2xx", "send 3xx-6xx"] as const) {
    const { diary, state } = play(inviteServer, {
      events: [
        [10, sent],
        [20, "unreachable"],
      ],
      until: 100,
    });
    expect(diary).toEqual(["10 send response", "20 report unreachable"]);
    expect(state).not.toBe("terminated");
  }
});
