/** T.38 by UDPTL: offers, the change from sound to fax and back, and who refuses it. RFC 3362, ITU-T T.38 Annex D. */
import { expect, test } from "vitest";
import type { MediaRules } from "../../../src/base/index.ts";
import {
  type Bench,
  call,
  INSIDE,
  insideParty,
  lines,
  OUTSIDE,
  realm,
  sdp,
  secureOffer,
  shape,
  statusOf,
} from "./kit.ts";

const LEFT = realm("left", "198.51.100.1");
const RIGHT = realm("right", "10.0.0.1");
const caller = {
  realm: "left",
  secureSignalling: false,
  family: 4,
  signallingSource: "203.0.113.5",
  nat: false,
} as const;
const callee = { ...insideParty, realm: "right" };

const T38 = ["a=T38FaxVersion:0", "a=T38MaxBitRate:14400", "a=T38FaxRateManagement:transferredTCF"];
const FAX = [...T38, "a=T38FaxMaxBuffer:262", "a=T38FaxMaxDatagram:300", "a=T38FaxUdpEC:t38UDPRedundancy"];

const audioOf = (ip: string, port: number): string => sdp(ip, `m=audio ${port} RTP/AVP 0 8`);
const faxOf = (ip: string, port: number, ...attributes: string[]): string =>
  sdp(ip, `m=image ${port} udptl t38`, ...(attributes.length === 0 ? FAX : attributes));

function talking(rules: { left?: MediaRules; right?: MediaRules } = {}): Bench {
  const made = call([LEFT, RIGHT], {
    caller: { ...caller, rules: rules.left },
    callee: { ...callee, rules: rules.right },
  } as Parameters<typeof call>[1]);
  made.media.offer("call", "caller", audioOf("203.0.113.5", 4_000));
  made.media.answer("call", "callee", audioOf("10.0.0.9", 7_000));
  made.take();
  return made;
}

test("sound becomes fax: new ports on both sides, T.38's attributes cross, nothing of RTP stands there", () => {
  const { media, take } = talking();
  const offer = media.offer("call", "callee", faxOf("10.0.0.9", 7_100));
  expect(shape(offer).slice(4)).toEqual(["t=0 0", "m=image PORT udptl t38", ...FAX]);
  const answer = media.answer("call", "caller", faxOf("203.0.113.5", 4_100));
  expect(shape(answer).slice(4)).toEqual(["t=0 0", "m=image PORT udptl t38", ...FAX]);
  const [closed, opened, ...rest] = take();
  expect(rest).toEqual([]);
  expect(closed).toMatchObject({ word: "close" });
  if (opened?.word !== "open") throw new Error("no pair for the fax");
  expect(opened.kind).toBe("udptl");
  for (const [index, port] of [4_100, 7_100].entries()) {
    const side = opened.sides[index]!;
    expect(side.local.rtcpPort).toBe(side.local.rtpPort);
    expect(side.remote).toMatchObject({ rtpPort: port, rtcpPort: port });
    expect(side).toMatchObject({ latch: "signalled", maxDatagram: 300, silenceLimitMs: 0, send: true, receive: true });
    expect(side).toMatchObject({ rx: undefined, tx: undefined, reports: false, dscp: LEFT.dscp.audio });
  }
});

test("and sound again: the m-line is one, its ports are other ones each time", () => {
  const made = talking();
  const { media } = made;
  const ports = [audioOf("203.0.113.5", 4_000)].map(
    () => lines(media.offer("call", "callee", faxOf("10.0.0.9", 7_100)), "m=")[0],
  );
  media.answer("call", "caller", faxOf("203.0.113.5", 4_100));
  ports.push(lines(media.offer("call", "caller", audioOf("203.0.113.5", 4_000)), "m=")[0]);
  media.answer("call", "callee", audioOf("10.0.0.9", 7_000));
  expect(new Set(ports).size).toBe(2);
  const kinds = made.take().flatMap((command) => (command.word === "open" ? [command.kind] : []));
  expect(kinds).toEqual(["udptl", "audio"]);
  media.delete("call");
  made.relayLetsGo();
  expect(media.view()).toMatchObject({ pairs: 0 });
});

test("sound and fax in one offer: the one that the answer takes has a pair, the other has port 0", () => {
  const { media, take } = talking();
  const both = sdp("10.0.0.9", "m=audio 7000 RTP/AVP 0 8", "m=image 7100 udptl t38", ...FAX);
  expect(lines(media.offer("call", "callee", both), "m=").map((line) => line.split(" ")[2])).toEqual([
    "RTP/AVP",
    "udptl",
  ]);
  const answer = sdp("203.0.113.5", "m=audio 0 RTP/AVP 0", "m=image 4100 udptl t38", ...T38);
  expect(lines(media.answer("call", "caller", answer), "m=")).toEqual([
    "audio 0 RTP/AVP 0",
    expect.stringMatching(/^image [1-9]\d* udptl t38$/),
  ]);
  expect(take().map(({ word }) => word)).toEqual(["close", "open"]);
});

test("a refused fax leaves the sound as it was", () => {
  const { media, take } = talking();
  media.offer("call", "callee", faxOf("10.0.0.9", 7_100));
  media.withdraw("call", "callee");
  expect(take()).toEqual([]);
  expect(media.query("call").streams.map(({ kind }) => kind)).toEqual(["audio"]);
});

test("a fax that an answer declines by port 0 ends the stream, and no more", () => {
  const { media, take } = talking();
  media.offer("call", "callee", faxOf("10.0.0.9", 7_100));
  expect(media.answer("call", "caller", sdp("203.0.113.5", "m=image 0 udptl t38"))).toContain("m=image 0 udptl t38");
  expect(take().map(({ word }) => word)).toEqual(["close"]);
});

test("either side's rules refuse fax: alone it gets 488, beside sound it gets port 0", () => {
  for (const rules of [{ left: { fax: "refuse" } }, { right: { fax: "refuse" } }] as const) {
    const { media } = talking(rules);
    expect(statusOf(() => media.offer("call", "callee", faxOf("10.0.0.9", 7_100)))).toBe(488);
    const both = sdp("10.0.0.9", "m=audio 7000 RTP/AVP 0", "m=image 7100 udptl t38", ...FAX);
    expect(lines(media.offer("call", "callee", both), "m=")[1]).toBe("image 0 udptl t38");
  }
});

test("where SRTP is required fax goes in the clear only if somebody wants it", () => {
  const refused = call();
  refused.media.offer("call", "caller", secureOffer);
  refused.media.answer("call", "callee", audioOf("10.0.0.9", 7_000));
  expect(statusOf(() => refused.media.offer("call", "callee", faxOf("10.0.0.9", 7_100)))).toBe(488);
  const wanted = call([{ ...OUTSIDE, media: { ...OUTSIDE.media, rules: { fax: "pass" } } }, INSIDE]);
  wanted.media.offer("call", "caller", secureOffer);
  wanted.media.answer("call", "callee", audioOf("10.0.0.9", 7_000));
  const offer = wanted.media.offer("call", "callee", faxOf("10.0.0.9", 7_100));
  expect(offer).toContain(" udptl t38");
  expect(offer).not.toContain("crypto");
});

test("T.38's attributes cross by a list: names and values of others, and of vendors, stay behind", () => {
  const { media } = talking();
  const told = media.offer(
    "call",
    "callee",
    faxOf(
      "10.0.0.9",
      7_100,
      "a=T38FaxFillBitRemoval",
      "a=t38faxversion:3",
      "a=T38VendorInfo:0 0 37",
      "a=T38FaxUdpEC:a@10.0.0.9",
      "a=X-pbx:10.0.0.9",
      "a=rtpmap:0 PCMU/8000",
      "a=sendonly",
    ),
  );
  expect(shape(told).slice(6)).toEqual(["a=T38FaxFillBitRemoval", "a=t38faxversion:3", "a=sendonly"]);
});

test.each([
  ["m=image 7100 RTP/AVP 98", "RTP under image"],
  ["m=image 7100 udptl t38 t38", "a format twice"],
  ["m=audio 7100 udptl t38", "fax under audio"],
  ["m=image 7100 tcp t38", "T.38 over TCP"],
  ["m=image 7100/2 udptl t38", "two ports"],
])("%s (%s) is not carried", (line) => {
  const { media } = talking();
  expect(statusOf(() => media.offer("call", "callee", sdp("10.0.0.9", line)))).toBe(488);
});

test("protocol and format are told apart by no case, and an answer may say them in another", () => {
  const { media } = talking();
  const offer = media.offer("call", "callee", sdp("10.0.0.9", "m=image 7100 UDPTL T38", ...T38));
  expect(lines(offer, "m=")[0]).toMatch(/^image \d+ udptl T38$/);
  expect(statusOf(() => media.answer("call", "caller", faxOf("203.0.113.5", 4_100)))).toBe("done");
});

test("hold of a fax by 0.0.0.0, and fax of a phone behind NAT, go as they do with sound", () => {
  const { media, take } = talking();
  media.offer("call", "caller", faxOf("192.168.1.5", 4_100));
  media.answer("call", "callee", faxOf("10.0.0.9", 7_100));
  const opened = take().find((command) => command.word === "open");
  if (opened?.word !== "open") throw new Error("no pair for the fax");
  expect(opened.sides[0]).toMatchObject({ latch: "source", latchFrom: "203.0.113.5" });
});
