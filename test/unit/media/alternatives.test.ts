/** One offer for callees of several kinds: each hears its own, and one of them answers. RFC 3261 §16.6. */
import { expect, test } from "vitest";
import type { MediaParty } from "../../../src/media/index.ts";
import { dtlsCall, INSIDE, insideParty, lines, outsideParty, plainAnswer, plainOffer, realm, statusOf } from "./kit.ts";

const OUTSIDE = realm("outside", "198.51.100.1", { srtp: "preferred", srtpKeys: ["sdes", "dtls"] });
const desk: MediaParty = { ...outsideParty, secureSignalling: false };
const browser: MediaParty = { ...outsideParty, web: true };
const parties = { caller: insideParty, callee: desk };

const portsOf = (media: ReturnType<typeof dtlsCall>["media"]): number =>
  [...media.view().portsInUse.values()].reduce((sum, ports) => sum + ports, 0);

test("each kind is told its own ports and its own way to agree on keys; the caller has one name and one voice", () => {
  const { media, take } = dtlsCall([OUTSIDE, INSIDE], parties);
  const plain = media.offer("call", "caller", plainOffer);
  const web = media.alternative("call", browser);
  expect(lines(plain, "a=ice-ufrag:")).toEqual([]);
  expect(lines(web, "a=ice-ufrag:")).toHaveLength(1);
  expect(lines(web, "m=")[0]?.split(" ")[1]).not.toBe(lines(plain, "m=")[0]?.split(" ")[1]);
  expect(take()).toEqual([]);
  media.answer("call", "callee", plainAnswer, { provisional: false, alternative: 0 });
  expect(take().map(({ word }) => word)).toEqual(["open"]);
  expect(portsOf(media)).toBe(4);
});

test("an answer to an offer that was never made, or is no more, changes nothing", () => {
  const { media, take } = dtlsCall([OUTSIDE, INSIDE], parties);
  media.offer("call", "caller", plainOffer);
  media.alternative("call", browser);
  const held = portsOf(media);
  const answer =
    (alternative: number): (() => string) =>
    () =>
      media.answer("call", "callee", plainAnswer, { provisional: true, alternative });
  expect(statusOf(answer(2))).toBe(500);
  media.setParty("call", "callee", desk);
  expect(statusOf(answer(1))).toBe(500);
  media.offer("call", "caller", plainOffer);
  expect(statusOf(answer(1))).toBe(500);
  expect(take()).toEqual([]);
  expect(portsOf(media)).toBeLessThan(held);
  answer(0)();
  expect(take().map(({ word }) => word)).toEqual(["open"]);
});

test("where no port is left for another kind, the first one rings alone, and nothing is lost", () => {
  const narrow = { ...OUTSIDE, media: { ...OUTSIDE.media, lastPort: 20_001 } };
  const { media } = dtlsCall([narrow, INSIDE], parties);
  media.offer("call", "caller", plainOffer);
  const held = portsOf(media);
  expect(statusOf(() => media.alternative("call", browser))).toBe(503);
  expect(portsOf(media)).toBe(held);
  media.answer("call", "callee", plainAnswer);
  media.delete("call");
});

test("once one has answered, or before anybody was asked, there is nothing to be offered once more", () => {
  const { media } = dtlsCall([OUTSIDE, INSIDE], parties);
  expect(statusOf(() => media.alternative("call", browser))).toBe(500);
  media.offer("call", "caller", plainOffer);
  media.answer("call", "callee", plainAnswer);
  expect(statusOf(() => media.alternative("call", browser))).toBe(500);
});
