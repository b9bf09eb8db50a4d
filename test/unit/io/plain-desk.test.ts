import { expect, test } from "vitest";
import { Secret } from "../../../src/base/index.ts";
import type { RelaySide } from "../../../src/engine/index.ts";
import { DESK_BYTES, PlainDesk } from "../../../src/io/plain-desk.ts";

test("a plain pair lies on the desk as numbers and texts", () => {
  const { desk, words, text } = empty();
  const callee = side({ local: at("2001:db8::1", 30_000), remote: undefined, receive: false, latch: "off" });
  expect(desk.putPair("video", [side({ latchFrom: "198.51.100.7" }), callee])).toBe(true);
  expect(words(0, 16)).toEqual([0, 15, 1, 1, 46, 30_000, 20_000, 20_001, 4_000, 4_001, 9, 11, 12, 5, 1, 0]);
  expect([text(64, 9), text(112, 11), text(160, 12), text(208, 5)]).toEqual([
    "192.0.2.1",
    "203.0.113.9",
    "198.51.100.7",
    "cname",
  ]);
  expect(text(272, 2)).toBe("\x08\x00");
  expect(words(84 + 1, 3)).toEqual([8, 0, 0]);
  expect(text(336 + 64, 11)).toBe("2001:db8::1");
});

test("what a change does not carry is not left over from before", () => {
  const { desk, words } = empty();
  expect(desk.putPair("audio", [side({}), side({})])).toBe(true);
  expect(desk.putChange({ receive: true, silenceLimitMs: 5_000 })).toBe(true);
  expect(words(0, 6)).toEqual([(1 << 5) | (1 << 8), 4, 0, 0, 0, 5_000]);
  expect(words(13, 2)).toEqual([0, 0]);
  // Present though undefined: there is no remote any more.
  expect(desk.putChange({ remote: undefined, latch: "source", latchFrom: undefined, relatch: true })).toBe(true);
  expect(words(0, 4)).toEqual([0b111 | (1 << 11), 0, 0, 2]);
  expect(desk.putChange({})).toBe(true);
  expect(words(0, 2)).toEqual([0, 0]);
});

test.each([
  ["keys", { rx: { suite: "AES_CM_128_HMAC_SHA1_80", key: new Secret(new Uint8Array(30)) } }],
  ["digits", { digits: { events: [[101, 8_000]], take: true, insert: false } }],
  ["a bundle", { bundle: { pair: 1, mid: "", midId: 0, payloadTypes: [] } }],
  ["a name that is too long", { cname: "x".repeat(65) }],
  ["an address that is too long", { remote: at("x".repeat(49), 1) }],
  ["too many renumberings", { payloadTypes: Array.from({ length: 33 }, () => [1, 2] as const) }],
  ["a payload type that is none", { payloadTypes: [[128, 0]] as const }],
] as [string, Partial<RelaySide>][])("%s: said in objects", (_what, more) => {
  const { desk } = empty();
  expect(desk.putPair("audio", [side({}), side(more)])).toBe(false);
  expect(desk.putChange(more)).toBe(false);
});

test("that keys are gone is said in objects, too", () => {
  expect(empty().desk.putChange({ receive: true, rx: undefined })).toBe(false);
});

function at(ip: string, rtpPort: number): RelaySide["local"] {
  return { ip, rtpPort, rtcpPort: rtpPort + 1 };
}

const side = (more: Partial<RelaySide>): RelaySide => ({
  local: at("192.0.2.1", 20_000),
  remote: at("203.0.113.9", 4_000),
  latch: "signalled",
  latchFrom: undefined,
  rx: undefined,
  tx: undefined,
  ice: undefined,
  dtls: undefined,
  dscp: 46,
  receive: true,
  send: true,
  cname: "cname",
  silenceLimitMs: 30_000,
  payloadTypes: [[8, 0]],
  digits: undefined,
  reports: false,
  maxDatagram: 0,
  bundle: undefined,
  ...more,
});

function empty() {
  const bytes = new Uint8Array(DESK_BYTES);
  const all = new Uint32Array(bytes.buffer);
  return {
    desk: new PlainDesk(bytes),
    words: (first: number, count: number): number[] => [...all.subarray(first, first + count)],
    text: (first: number, count: number): string => String.fromCharCode(...bytes.subarray(first, first + count)),
  };
}
