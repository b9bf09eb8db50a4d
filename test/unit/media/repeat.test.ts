/** The offer that repeats what a side was told: RFC 4028 §7.4. */
import { expect, test } from "vitest";
import { type Bench, call, crypto, KEY_A, KEY_B, lines, plainAnswer, sdp, secureOffer, statusOf } from "./kit.ts";

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
