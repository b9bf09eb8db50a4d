/** Names of lines and their groups: RFC 5888, BUNDLE (RFC 9143), ANAT (RFC 4091) and altc (RFC 6947). */
import { expect, test } from "vitest";
import { call, INSIDE, insideParty, lines, outsideParty, realm, sdp, shape, statusOf } from "./kit.ts";

const OPEN = realm("outside", "198.51.100.1");
const offer = (...more: string[]) => sdp("203.0.113.5", ...more);
const answer = (...more: string[]) => sdp("10.0.0.9", ...more);
const names = (text: string) => lines(text, "a=mid:");
const groups = (text: string) => lines(text, "a=group:");
const ports = (text: string) => lines(text, "m=").map((line) => line.split(" ")[1] !== "0");

const bundled = [
  "a=group:BUNDLE voice picture",
  "m=audio 4000 RTP/AVP 0",
  "a=mid:voice",
  "a=rtcp-mux",
  "a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid",
  "a=extmap:2 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
  "m=video 4002 RTP/AVP 96",
  "a=mid:picture",
  "a=rtcp-mux",
];

test("a bundle of one leg: one port for its lines there, ports for each line on the other, names of its own on each", () => {
  const { media, take } = call([OPEN, INSIDE]);
  const onward = media.offer("call", "caller", offer(...bundled));
  expect([groups(onward), names(onward), ports(onward)]).toEqual([[], ["0", "1"], [true, true]]);
  expect(lines(onward, "a=extmap:")).toEqual(["2 urn:ietf:params:rtp-hdrext:ssrc-audio-level"]);
  const back = media.answer(
    "call",
    "callee",
    answer("m=audio 7000 RTP/AVP 0", "a=mid:0", "m=video 7002 RTP/AVP 96", "a=mid:1"),
  );
  expect([groups(back), names(back), ports(back)]).toEqual([
    ["BUNDLE voice picture"],
    ["voice", "picture"],
    [true, true],
  ]);
  expect(take().length).toBe(2);
  expect(new Set(lines(back, "m=").map((line) => line.split(" ")[1])).size).toBe(1);
  expect(new Set(lines(onward, "m=").map((line) => line.split(" ")[1])).size).toBe(2);
});

test("a bundle-only line stands on the first one's ports, and crosses as any other; declined, it keeps its name", () => {
  const { media } = call([OPEN, INSIDE]);
  const only = ["m=video 0 RTP/AVP 96", "a=mid:picture", "a=bundle-only"];
  const onward = media.offer("call", "caller", offer(...bundled.slice(0, 4), ...only));
  expect(ports(onward)).toEqual([true, true]);
  const back = media.answer("call", "callee", answer("m=audio 7000 RTP/AVP 0", "m=video 0 RTP/AVP 96"));
  expect([groups(back), names(back), ports(back)]).toEqual([["BUNDLE voice"], ["voice", "picture"], [true, false]]);
  expect(back).not.toContain("bundle-only");
});

test("an answerer that knows no names does not take the offerer's away, nor change them", () => {
  const { media } = call([OPEN, INSIDE]);
  media.offer("call", "caller", offer("m=audio 4000 RTP/AVP 0", "a=mid:voice"));
  expect(names(media.answer("call", "callee", answer("m=audio 7000 RTP/AVP 0", "a=mid:else")))).toEqual(["voice"]);
});

test("re-offers of either side use the names that each leg knows", () => {
  const { media } = call([OPEN, INSIDE]);
  media.offer("call", "caller", offer(...bundled));
  media.answer("call", "callee", answer("m=audio 7000 RTP/AVP 0", "m=video 7002 RTP/AVP 96"));
  const back = media.offer("call", "callee", answer("m=audio 7000 RTP/AVP 0", "m=video 7002 RTP/AVP 96"));
  expect(names(back)).toEqual(["voice", "picture"]);
  media.answer("call", "caller", offer(...bundled.slice(1)));
  const third = ["m=audio 7004 RTP/AVP 0", "a=mid:voice"];
  const more = media.offer("call", "callee", answer("m=audio 7000 RTP/AVP 0", "m=video 7002 RTP/AVP 96", ...third));
  expect(names(more)).toEqual(["voice", "picture", "2"]);
});

test("a line that is new gets a name that no other line of the leg has", () => {
  const { media } = call([OPEN, INSIDE]);
  media.offer("call", "caller", offer("m=audio 4000 RTP/AVP 0", "a=mid:1"));
  media.answer("call", "callee", answer("m=audio 7000 RTP/AVP 0"));
  const back = media.offer(
    "call",
    "callee",
    answer("m=audio 7000 RTP/AVP 0", "m=video 7002 RTP/AVP 96", "a=mid:picture"),
  );
  expect(names(back)).toEqual(["1", "1+"]);
});

test("lip synchronisation crosses in the other leg's names, and only as far as it was taken up", () => {
  const { media } = call([OPEN, INSIDE]);
  const streams = ["m=audio 4000 RTP/AVP 0", "a=mid:voice", "m=video 4002 RTP/AVP 96", "a=mid:picture"];
  const onward = media.offer("call", "caller", offer("a=group:LS voice picture", ...streams));
  expect(groups(onward)).toEqual(["LS 0 1"]);
  const taken = ["m=audio 7000 RTP/AVP 0", "a=mid:0", "m=video 7002 RTP/AVP 96", "a=mid:1"];
  expect(groups(media.answer("call", "callee", answer("a=group:LS 0 1", ...taken)))).toEqual(["LS voice picture"]);

  media.offer("call", "caller", offer("a=group:LS voice picture", ...streams));
  const declined = ["m=audio 7000 RTP/AVP 0", "a=mid:0", "m=video 0 RTP/AVP 96", "a=mid:1"];
  expect(groups(media.answer("call", "callee", answer("a=group:LS 0", ...declined)))).toEqual(["LS voice"]);

  media.offer("call", "caller", offer("a=group:LS voice picture", ...streams));
  expect(groups(media.answer("call", "callee", answer(...taken)))).toEqual([]);
});

test("groups beyond the limit are as if they were not there", () => {
  const { media } = call([OPEN, INSIDE]);
  const many = Array.from({ length: 40 }, () => "a=group:LS voice");
  const text = offer(...many, "m=audio 4000 RTP/AVP 0", "a=mid:voice");
  expect(groups(media.offer("call", "caller", text)).length).toBe(16);
  const long = offer(`a=group:LS${" x".repeat(64)} voice`, "m=audio 4000 RTP/AVP 0", "a=mid:voice");
  expect(groups(media.offer("call", "caller", long))).toEqual([]);
});

const dual = { ...INSIDE.media, addresses: ["198.51.100.1", "2001:db8::1"] };
const anat = [
  "a=group:ANAT 1 2",
  "m=audio 25000 RTP/AVP 0",
  "c=IN IP6 2001:db8:1::5",
  "a=mid:1",
  "m=audio 22334 RTP/AVP 0",
  "a=mid:2",
];

test.each([
  ["both families", { media: dual }, [true, false], "1", "IN IP6 2001:db8::1"],
  ["IPv4 alone", {}, [false, true], "2", "IN IP4 198.51.100.1"],
])("of alternative addresses one is taken: a realm with %s", (_realm, changes, kept, name, address) => {
  const outside = realm("outside", "198.51.100.1", changes);
  const { media, take } = call([outside, INSIDE]);
  const onward = media.offer("call", "caller", offer(...anat));
  expect([ports(onward), groups(onward)]).toEqual([kept, []]);
  const back = media.answer("call", "callee", answer(...kept.map((taken) => `m=audio ${taken ? 7000 : 0} RTP/AVP 0`)));
  expect([ports(back), groups(back), names(back)]).toEqual([kept, [`ANAT ${name}`], ["1", "2"]]);
  expect(back).toContain(`c=${address}`);
  expect(take().length).toBe(1);
});

test("the address of c= is taken while the realm can reach it, another one (altc) only when it cannot", () => {
  const six = ["m=audio 4000 RTP/AVP 0", "c=IN IP6 2001:db8:1::5", "a=rtcp:4999"];
  const both = [...six, "a=altc:1 IP6 2001:db8:1::5 4000", "a=altc:2 IP4 203.0.113.5 4444"];
  const plain = call([OPEN, INSIDE]);
  const onward = plain.media.offer("call", "caller", offer(...both));
  expect(onward).not.toContain("altc");
  expect(shape(plain.media.answer("call", "callee", answer("m=audio 7000 RTP/AVP 0")))).toContain(
    "c=IN IP4 198.51.100.1",
  );
  expect(plain.take()).toMatchObject([
    { sides: [{ remote: { ip: "203.0.113.5", rtpPort: 4444, rtcpPort: 4445 } }, {}] },
  ]);

  const wide = call([realm("outside", "198.51.100.1", { media: dual }), INSIDE]);
  wide.media.offer("call", "caller", offer(...both));
  wide.media.answer("call", "callee", answer("m=audio 7000 RTP/AVP 0"));
  expect(wide.take()).toMatchObject([
    { sides: [{ remote: { ip: "2001:db8:1::5", rtpPort: 4000, rtcpPort: 4999 } }, {}] },
  ]);

  const alone = call([OPEN, INSIDE]).media;
  expect(statusOf(() => alone.offer("call", "caller", offer(...six)))).toBe(488);
  expect(statusOf(() => alone.offer("call", "caller", offer(...six, "a=altc:1 IP4 127.0.0.1 80")))).toBe(488);
});

test("without an address the stream is held, in IPv6 words as well", () => {
  for (const nowhere of ["IN IP6 ::", "IN IP6 gone.invalid", "IN IP4 0.0.0.0"]) {
    const { media, take } = call([OPEN, INSIDE], { caller: outsideParty, callee: insideParty });
    media.offer("call", "caller", offer("m=audio 4000 RTP/AVP 0"));
    media.answer("call", "callee", answer("m=audio 7000 RTP/AVP 0"));
    take();
    const held = media.offer("call", "caller", offer("m=audio 4000 RTP/AVP 0", `c=${nowhere}`));
    expect(lines(held, "a=").at(-1)).toBe("sendonly");
    media.answer("call", "callee", answer("m=audio 7000 RTP/AVP 0", "a=recvonly"));
    expect(take()).toMatchObject([
      { side: 0, set: { receive: true, send: false } },
      { side: 1, set: { receive: false, send: true } },
    ]);
  }
});

test("rtcp-mux-only gets its one port, even where there were two", () => {
  const { media, take } = call([OPEN, INSIDE]);
  media.offer("call", "caller", offer("m=audio 4000 RTP/AVP 0"));
  media.answer("call", "callee", answer("m=audio 7000 RTP/AVP 0"));
  take();
  media.offer("call", "caller", offer("m=audio 4000 RTP/AVP 0", "a=rtcp-mux", "a=rtcp-mux-only"));
  expect(media.answer("call", "callee", answer("m=audio 7000 RTP/AVP 0"))).toContain("a=rtcp-mux\r\n");
  const [closed, opened] = take();
  expect(closed?.word).toBe("close");
  expect(opened?.word === "open" && opened.sides[0].local.rtcpPort - opened.sides[0].local.rtpPort).toBe(0);
});

test("streams beyond the limit are declined, the others go on", () => {
  const wide = { ...INSIDE.media, lastPort: 20_199 };
  const { media } = call([
    realm("outside", "198.51.100.1", { media: wide }),
    realm("inside", "10.0.0.1", { media: wide }),
  ]);
  const many = Array.from({ length: 18 }, (_, index) => `m=audio ${4_000 + 2 * index} RTP/AVP 0`);
  const kept = ports(media.offer("call", "caller", offer(...many)));
  expect(kept.filter((carried) => carried).length).toBe(16);
  expect(kept.slice(16)).toEqual([false, false]);
});
