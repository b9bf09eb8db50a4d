/** Payload types: one number for one codec on each leg, whatever the other end calls it. RFC 3264 §5.1 and §6.1. */
import { expect, test } from "vitest";
import type { RelayCommand } from "../../../src/media/index.ts";
import { call, INSIDE, lines, realm, sdp } from "./kit.ts";

const OPEN = realm("outside", "198.51.100.1");
const offer = sdp(
  "203.0.113.5",
  "m=audio 4000 RTP/AVP 96 0 101",
  "a=rtpmap:96 opus/48000/2",
  "a=rtpmap:101 telephone-event/8000",
);
const own = sdp(
  "10.0.0.9",
  "m=audio 7000 RTP/AVP 111 110",
  "a=rtpmap:111 OPUS/48000/2",
  "a=fmtp:111 useinbandfec=1",
  "a=rtpmap:110 telephone-event/8000",
  "a=fmtp:110 0-15",
);

const numbersOf = (commands: RelayCommand[]) =>
  commands.flatMap((command) =>
    command.word === "open"
      ? command.sides.map(({ payloadTypes }) => payloadTypes)
      : command.word === "change" && command.set.payloadTypes !== undefined
        ? [[command.side, command.set.payloadTypes]]
        : [],
  );
const described = (text: string) => [
  lines(text, "m=audio ")[0]?.split(" ").slice(2),
  lines(text, "a=rtpmap:"),
  lines(text, "a=fmtp:"),
];

test("an answer in numbers of its own is told in those of the offer, and the relay renumbers", () => {
  const { media, take } = call([OPEN, INSIDE]);
  media.offer("call", "caller", offer);
  expect(described(media.answer("call", "callee", own))).toEqual([
    ["96", "101"],
    ["96 OPUS/48000/2", "101 telephone-event/8000"],
    ["96 useinbandfec=1", "101 0-15"],
  ]);
  expect(numbersOf(take())).toEqual([
    [
      [111, 96],
      [110, 101],
    ],
    [
      [96, 111],
      [101, 110],
    ],
  ]);
});

test("a refresh keeps the renumbering; an answer in the offer's numbers ends it", () => {
  const { media, take } = call([OPEN, INSIDE]);
  media.offer("call", "caller", offer);
  const told = media.answer("call", "callee", own);
  take();
  media.repeat("call", "caller");
  media.answer("call", "caller", offer);
  media.repeat("call", "callee");
  media.answer("call", "callee", own);
  expect(take()).toEqual([]);
  media.offer("call", "caller", offer);
  expect(media.answer("call", "callee", own)).toBe(told);
  expect(take()).toEqual([]);
  media.offer("call", "caller", offer);
  media.answer("call", "callee", offer.replaceAll("203.0.113.5", "10.0.0.9").replace("4000", "7000"));
  expect(numbersOf(take())).toEqual([
    [0, []],
    [1, []],
  ]);
});

test("what an answer gives a number of the offer keeps it, and nothing that is not clear is renumbered", () => {
  for (const answer of [
    ["m=audio 7000 RTP/AVP 96 101", "a=rtpmap:96 opus/48000/2", "a=rtpmap:101 telephone-event/8000"],
    // A codec that was not offered, one that nobody explains, and one under two numbers.
    ["m=audio 7000 RTP/AVP 0 97", "a=rtpmap:97 iLBC/8000"],
    ["m=audio 7000 RTP/AVP 0 97"],
    ["m=audio 7000 RTP/AVP 111 112", "a=rtpmap:111 opus/48000/2", "a=rtpmap:112 opus/48000/2"],
  ]) {
    const { media, take } = call([OPEN, INSIDE]);
    media.offer("call", "caller", offer);
    const told = media.answer("call", "callee", sdp("10.0.0.9", ...answer));
    expect(`audio ${described(told)[0]}`).toBe(`audio ${answer[0]?.split(" ").slice(3)}`);
    expect(numbersOf(take())).toEqual([[], []]);
  }
});

test("formats that speak of others speak of them by their new numbers", () => {
  const { media } = call([OPEN, INSIDE]);
  const line = (port: number, vp8: number, rtx: number) => [
    `m=video ${port} RTP/AVP ${vp8} ${rtx}`,
    `a=rtpmap:${vp8} VP8/90000`,
    `a=rtpmap:${rtx} rtx/90000`,
    `a=fmtp:${rtx} rtx-time=3000;apt=${vp8}`,
  ];
  media.offer("call", "caller", sdp("203.0.113.5", ...line(4000, 96, 97)));
  const told = media.answer("call", "callee", sdp("10.0.0.9", ...line(7000, 120, 121)));
  expect(lines(told, "a=fmtp:")).toEqual(["97 rtx-time=3000;apt=96"]);
});
