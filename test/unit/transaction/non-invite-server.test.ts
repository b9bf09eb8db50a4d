import { expect, test } from "vitest";
import { type Event, nonInviteServer } from "../../../src/transaction/non-invite-server.ts";
import { play } from "./diary.ts";

test("each copy of the request gets the final response again for 32 s over UDP, over TCP it is over", () => {
  const events: [number, Event][] = [
    [10, "request"],
    [100, "send final"],
    [500, "request"],
    [600, "send final"],
    [32_000, "request"],
    [32_101, "request"],
  ];
  expect(play(nonInviteServer, { events, until: 99_999 })).toEqual({
    diary: ["100 send response", "500 resend response", "32000 resend response"],
    state: "terminated",
  });
  expect(play(nonInviteServer, { events, until: 100, reliable: true }).state).toBe("terminated");
});

test("a slow owner: 100 when the client's copies come every 4 s, silence after its time-out (RFC 4320)", () => {
  const events: [number, Event][] = [
    [3_400, "request"],
    [7_500, "request"],
    [33_000, "send final"],
  ];
  expect(play(nonInviteServer, { events, until: 99_999 })).toEqual({
    diary: ["3500 send 100", "7500 resend response"],
    state: "terminated",
  });
});

test("a response that cannot be delivered is reported and ends nothing", () => {
  const events: [number, Event][] = [
    [100, "send final"],
    [200, "unreachable"],
    [500, "request"],
  ];
  expect(play(nonInviteServer, { events, until: 1_000 }).diary).toEqual([
    "100 send response",
    "200 report unreachable",
    "500 resend response",
  ]);
});
