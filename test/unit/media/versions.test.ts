/** One number for one description, on each leg: RFC 3264 §8. */
import { expect, test } from "vitest";
import { call, INSIDE, insideParty, lines, realm, sdp } from "./kit.ts";

const OPEN = realm("outside", "198.51.100.1");
const caller = (...more: string[]) => sdp("203.0.113.5", "m=audio 4000 RTP/AVP 8", ...more);
const callee = (...more: string[]) => sdp("10.0.0.9", "m=audio 7000 RTP/AVP 8", ...more);
const origin = (text: string) => lines(text, "o=- ")[0]?.split(" ") ?? [];
const version = (text: string) => Number(origin(text)[1]);

test("what was refused keeps its number: whatever is said next gets the one after it", () => {
  const { media } = call([OPEN, INSIDE]);
  media.offer("call", "caller", caller());
  media.answer("call", "callee", callee());
  const refused = media.offer("call", "caller", caller("a=sendonly"));
  media.withdraw("call", "caller");
  const other = media.offer("call", "caller", caller("a=inactive"));
  expect([version(refused), version(other)]).toEqual([2, 3]);
  media.answer("call", "callee", callee("a=inactive"));
  expect(media.offer("call", "caller", caller("a=inactive"))).toBe(other);
});

test("a refresh after a refused offer says again what stands, under a new number", () => {
  const { media } = call([OPEN, INSIDE]);
  const first = media.offer("call", "caller", caller());
  media.answer("call", "callee", callee());
  media.offer("call", "caller", caller("m=video 4002 RTP/AVP 96"));
  media.withdraw("call", "caller");
  const again = media.repeat("call", "callee");
  expect(again).toBe(first.replace(/^(o=- \d+) 1 /m, "$1 3 "));
  media.answer("call", "callee", callee());
  expect(media.repeat("call", "callee")).toBe(again);
});

test("an early answer to a refused offer used up a number toward the offerer, too", () => {
  const { media } = call([OPEN, INSIDE]);
  media.offer("call", "caller", caller());
  media.answer("call", "callee", callee());
  media.offer("call", "caller", caller("a=sendonly"));
  const early = media.answer("call", "callee", callee("a=recvonly"), { provisional: true });
  media.withdraw("call", "caller");
  const offer = media.offer("call", "callee", callee("a=inactive"));
  expect([version(early), version(offer)]).toEqual([2, 3]);
});

test("an answer that is told while another fork is followed uses up its number", () => {
  const { media } = call([OPEN, INSIDE]);
  media.offer("call", "caller", caller());
  const followed = media.answer("call", "callee", callee(), { provisional: true, dialog: "a" });
  const told = media.answer("call", "callee", callee("a=sendonly"), { provisional: true, dialog: "b", aside: true });
  const next = media.answer("call", "callee", callee("a=inactive"), { provisional: true, dialog: "a" });
  expect([followed, told, next].map(version)).toEqual([1, 2, 3]);
});

test("the address in o= stays when media moves to the other family", () => {
  const media6 = { ...INSIDE.media, addresses: ["10.0.0.1", "2001:db8::1"] };
  const made = call([OPEN, realm("inside", "10.0.0.1", { media: media6 })]).media;
  made.offer("call", "caller", caller());
  made.answer("call", "callee", callee());
  made.offer("call", "callee", sdp("2001:db8::9", "m=audio 7000 RTP/AVP 8"));
  made.answer("call", "caller", caller());
  const told = made.offer("call", "caller", caller("a=sendonly"));
  expect([lines(told, "c="), origin(told).slice(1)]).toEqual([["IN IP6 2001:db8::1"], ["3", "IN", "IP4", "10.0.0.1"]]);
});

test("an answer repeats the time of its offer; an offer of ours has none", () => {
  const { media } = call([OPEN, INSIDE], { caller: insideParty, callee: insideParty });
  const offer = callee().replace("t=0 0", "t=2873397496 2873404696");
  expect(lines(media.offer("call", "caller", offer), "t=")).toEqual(["0 0"]);
  expect(lines(media.answer("call", "callee", callee()), "t=")).toEqual(["2873397496 2873404696"]);
});
