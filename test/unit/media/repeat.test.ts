/** The offer that repeats what a side was told: RFC 4028 §7.4. */
import { expect, test } from "vitest";
import {
  type Bench,
  call,
  crypto,
  insideParty,
  KEY_A,
  KEY_B,
  lines,
  outsideParty,
  plainAnswer,
  plainOffer,
  sdp,
  secureOffer,
  statusOf,
} from "./kit.ts";

const secureAnswer = (key = KEY_A, port = 4000): string =>
  sdp("203.0.113.5", `m=audio ${port} RTP/SAVP 8`, crypto(1, key));

/** SRTP outside, plain inside; the commands so far are forgotten. */
function talking(): Bench & { readonly told: { caller: string; callee: string } } {
  const made = call();
  const callee = made.media.offer("call", "caller", secureOffer);
  const caller = made.media.answer("call", "callee", plainAnswer);
  made.commands.length = 0;
  return { ...made, told: { caller, callee } };
}

test("each side hears what it heard before, to the letter, and the same answer changes nothing", () => {
  const { media, take, told } = talking();
  expect(media.repeat("call", "caller")).toBe(told.caller);
  media.answer("call", "caller", secureAnswer());
  expect(media.repeat("call", "callee")).toBe(told.callee);
  media.answer("call", "callee", plainAnswer);
  expect(media.repeat("call", "caller")).toBe(told.caller);
  media.answer("call", "caller", secureAnswer());
  expect(take()).toEqual([]);
});

test("a new key in the answer is taken, ours stays", () => {
  const { media, take, told } = talking();
  media.repeat("call", "caller");
  media.answer("call", "caller", secureAnswer(KEY_B));
  const [command, ...more] = take();
  expect(more).toEqual([]);
  expect(command).toMatchObject({ word: "change", side: 0, set: { rx: expect.anything() } });
  expect(command).not.toHaveProperty("set.tx");
  expect(media.repeat("call", "caller")).toBe(told.caller);
});

test("a repetition with new keys: the old one goes on until the answer, and is never offered again", () => {
  const { media, take, told } = talking();
  const renewed = media.repeat("call", "caller", true);
  const [line, ...others] = lines(renewed, "a=crypto:");
  expect(others).toEqual([]);
  expect(line).not.toBe(lines(told.caller, "a=crypto:")[0]);
  expect(renewed.replace(/a=crypto:.*/, "").replace(/ 2 IN/, " 1 IN")).toBe(told.caller.replace(/a=crypto:.*/, ""));
  expect(take()).toEqual([]);
  media.answer("call", "caller", secureAnswer(KEY_B));
  const [command] = take();
  expect(command).toMatchObject({ word: "change", side: 0, set: { rx: expect.anything(), tx: expect.anything() } });
  expect(media.repeat("call", "caller")).toBe(renewed);
  media.withdraw("call", "callee");
  // Refused: what was agreed is what is repeated, under a later version.
  const third = media.repeat("call", "caller", true);
  media.withdraw("call", "callee");
  const fourth = media.repeat("call", "caller");
  expect(lines(fourth, "a=crypto:")).toEqual(lines(renewed, "a=crypto:"));
  expect(lines(third, "a=crypto:")).not.toEqual(lines(renewed, "a=crypto:"));
  expect([lines(third, "o=- ")[0], lines(fourth, "o=- ")[0]].map((o) => o?.split(" ")[1])).toEqual(["3", "4"]);
  expect(take()).toEqual([]);
  // Of a side that was offered every suite the one that was agreed is renewed.
  const other = call(undefined, { caller: insideParty, callee: outsideParty });
  other.media.offer("call", "caller", plainOffer);
  other.media.answer("call", "callee", sdp("203.0.113.5", "m=audio 4000 RTP/SAVP 8", crypto(1)));
  other.take();
  expect(lines(other.media.repeat("call", "callee", true), "a=crypto:").length).toBe(1);
  other.media.answer("call", "callee", sdp("203.0.113.5", "m=audio 4000 RTP/SAVP 8", crypto(1)));
  expect(other.take()).toMatchObject([{ word: "change", side: 1, set: { tx: { suite: "AES_CM_128_HMAC_SHA1_80" } } }]);
});

test("the answerer moved: media follows, and the other side's next description has the next version", () => {
  const { media, take } = talking();
  media.repeat("call", "caller");
  media.answer("call", "caller", secureAnswer(KEY_A, 4500));
  expect(take()).toMatchObject([{ word: "change", side: 0, set: { remote: { rtpPort: 4500 } } }]);
  const onward = media.offer("call", "caller", sdp("203.0.113.5", "m=audio 4500 RTP/SAVP 8", crypto(1), "a=sendonly"));
  expect(lines(onward, "o=- ")[0]).toMatch(/^\d+ 2 /);
});

test("no repetition while an offer is under way, nor before anything is agreed", () => {
  const early = call();
  early.media.offer("call", "caller", secureOffer);
  expect(statusOf(() => early.media.repeat("call", "callee"))).toBe(491);
  const { media } = talking();
  media.offer("call", "caller", secureOffer);
  expect(statusOf(() => media.repeat("call", "callee"))).toBe(491);
  expect(statusOf(() => media.repeat("another", "callee"))).toBe(500);
});

test("a repetition that is refused leaves everything as it was", () => {
  const { media, take, told } = talking();
  media.repeat("call", "caller");
  expect(statusOf(() => media.offer("call", "caller", secureOffer))).toBe(491);
  media.withdraw("call", "callee");
  expect(take()).toEqual([]);
  expect(media.repeat("call", "caller")).toBe(told.caller);
});

test("an answer that would be plain where SRTP is required is refused, and SRTP goes on", () => {
  const { media, take } = talking();
  media.repeat("call", "caller");
  expect(statusOf(() => media.answer("call", "caller", sdp("203.0.113.5", "m=audio 4000 RTP/AVP 8")))).toBe(488);
  media.withdraw("call", "callee");
  expect(take()).toEqual([]);
});
