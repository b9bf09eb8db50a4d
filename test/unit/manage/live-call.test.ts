import { expect, test } from "vitest";
import { callsText, liveCall } from "../../../src/manage/index.ts";

const end = {
  codecs: ["PCMU", "telephone-event"],
  profile: "RTP/AVP",
  direction: "sendrecv",
  rtcpMux: false,
  keys: "none",
  ice: false,
} as const;
const view = {
  call: "abc",
  state: "up",
  ageMs: 61_400,
  answeredMs: 60_000,
  from: { realm: "outside", peer: "carrier", user: "100\x1b[2J", callId: "x", remote: "192.0.2.1:5061" },
  to: { realm: "inside", peer: undefined, user: "", callId: "", remote: "" },
  media: {
    session: "abc",
    streams: [
      {
        stream: 0,
        kind: "audio",
        caller: { ...end, local: "a", remote: "b", suite: "AES_CM_128_HMAC_SHA1_80", keys: "sdes" },
        callee: { ...end, local: "c", remote: undefined, suite: undefined },
      },
    ],
  },
} as const;

test("machines get every member, with an id, a time of day and the path of the media", () => {
  const call = liveCall(view, Date.parse("2030-01-01T00:01:01.400Z"));
  expect(call).toMatchObject({ id: "abc", call: "abc", since: "2030-01-01T00:00:00.000Z", from: view.from });
  expect(call.media?.streams[0]).toMatchObject({ path: "socket", caller: { suite: "AES_CM_128_HMAC_SHA1_80" } });
  expect(liveCall({ ...view, media: undefined }, 61_400)).toMatchObject({ media: undefined });
});

test("a stream has the path of both its directions, or is mixed", () => {
  const [stream] = view.media.streams;
  const pathOf = (caller: "socket" | "xdp" | undefined, callee: "socket" | "xdp" | undefined) => {
    const on = (end: typeof stream.caller | typeof stream.callee, path: "socket" | "xdp" | undefined) => ({
      ...end,
      ...(path && { path }),
    });
    const media = {
      ...view.media,
      streams: [{ ...stream, caller: on(stream.caller, caller), callee: on(stream.callee, callee) }],
    };
    return liveCall({ ...view, media }, 61_400).media?.streams[0];
  };
  expect(pathOf("xdp", "xdp")).toMatchObject({ path: "xdp" });
  expect(pathOf("xdp", "socket")).toMatchObject({ path: "mixed" });
  expect(pathOf(undefined, undefined)).toMatchObject({ path: "socket" });
});

test("people get a line a call; nothing of it steers their terminal", () => {
  const [head, line, rest] = callsText([liveCall(view, 61_400)]).split("\n");
  expect(head).toMatch(/^id {3}state {2}seconds {2}from +to +media$/);
  expect(line).toMatch(/^abc {2}up +61 +100\?\[2J carrier\/outside 192\.0\.2\.1:5061 +\? stranger\/inside +audio /);
  expect(line).toContain("audio PCMU+telephone-event SRTP AES_CM_128_HMAC_SHA1_80 <-> PCMU+telephone-event RTP");
  expect(rest).toBe("");
  expect(callsText([])).toBe("no calls\n");
});
