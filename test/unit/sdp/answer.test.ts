import { expect, test } from "vitest";
import {
  answerDirection,
  answerFault,
  areRtpFormats,
  attribute,
  codecNames,
  type Direction,
  direction,
  type Media,
  parseSdp,
  profileName,
  profileOf,
  reofferFault,
  reversed,
  rtcpAttribute,
  type Sdp,
} from "../../../src/sdp/index.ts";

const offer = sdp("m=audio 4000 RTP/AVP 0 8", "m=video 0 RTP/AVP 31", "m=application 5000 UDP/BFCP *");

test.each([
  [["m=audio 5000 RTP/AVP 8", "m=video 0 RTP/AVP 31", "m=application 0 UDP/BFCP *"], undefined],
  [["m=audio 0 RTP/AVP 8", "m=video 0 RTP/AVP 31", "m=application 7 UDP/BFCP *"], undefined],
  [["m=audio 5000 RTP/AVP 99 0", "m=video 9 RTP/AVP 31", "m=application 0 x y"], undefined],
  [["m=audio 5000 RTP/SAVP 0", "m=video 0 RTP/AVP 31", "m=application 0 x y"], undefined],
  // Not in the offer, but that is what this endpoint will send: the other side decides whether it can play it.
  [["m=audio 5000 RTP/AVP 9", "m=video 0 RTP/AVP 31", "m=application 0 x y"], undefined],
  [["m=audio 5000 RTP/AVP 8"], "the answer has 1 m= lines, the offer 3"],
  [["m=video 5000 RTP/AVP 8", "m=video 0 RTP/AVP 31", "m=x 0 x y"], "m= line 1: it answers audio with video"],
  [["m=audio 5000 UDP/BFCP 8", "m=video 0 x 1", "m=x 0 x y"], "m= line 1: it answers RTP/AVP with UDP/BFCP"],
  // How it is protected is another question.
  [["m=audio 5000 UDP/TLS/RTP/SAVP 8", "m=v 0 x 1", "m=x 0 x y"], undefined],
])("%j: %s", (lines, fault) => {
  expect(answerFault(offer, sdp(...lines))).toBe(fault);
});

test("a new offer keeps the m= lines there were, and may add some", () => {
  expect(reofferFault(3, offer)).toBeUndefined();
  expect(reofferFault(2, offer)).toBeUndefined();
  expect(reofferFault(4, offer)).toBe("the new offer has 3 m= lines, there were 4");
});

test("directions pair as RFC 3264 §6.1 has it", () => {
  const all: Direction[] = ["sendrecv", "sendonly", "recvonly", "inactive"];
  expect(all.map(reversed)).toEqual(["sendrecv", "recvonly", "sendonly", "inactive"]);
  expect(all.map((wanted) => answerDirection("sendrecv", wanted))).toEqual(all);
  expect(all.map((wanted) => answerDirection("sendonly", wanted))).toEqual([
    "recvonly",
    "inactive",
    "recvonly",
    "inactive",
  ]);
  expect(all.map((wanted) => answerDirection("recvonly", wanted))).toEqual([
    "sendonly",
    "sendonly",
    "inactive",
    "inactive",
  ]);
  expect(all.map((wanted) => answerDirection("inactive", wanted))).toEqual(all.map(() => "inactive"));
});

test("a direction stands at the line, or at the session, or is sendrecv", () => {
  const session = sdp("a=sendonly", "m=audio 1 RTP/AVP 0", "m=audio 1 RTP/AVP 0", "a=inactive");
  expect(session.media.map((media) => direction(media, session))).toEqual(["sendonly", "inactive"]);
  expect(direction(offer.media[0] as Media, offer)).toBe("sendrecv");
});

test("RTP formats are payload types, each once", () => {
  expect(areRtpFormats(["0", "8", "127"])).toBe(true);
  for (const wrong of [[], ["128"], ["4294967296"], ["-1"], ["00"], ["*"], ["0", "0"], ["1e1"]]) {
    expect(areRtpFormats(wrong), wrong.join()).toBe(false);
  }
});

test("codecs have the names of their rtpmap, or of RFC 3551", () => {
  const session = sdp(
    "m=audio 1 RTP/AVP 8 96 97 101 33",
    "a=rtpmap:96 opus/48000/2",
    "a=rtpmap:97",
    "a=rtpmap:101 telephone-event/8000",
  );
  expect(codecNames(session.media[0] as Media)).toEqual(["PCMA", "opus", "97", "telephone-event", "MP2T"]);
});

test("of two rtpmap lines of a format the first counts, and a format is not another that begins alike", () => {
  const session = sdp(
    "m=audio 1 RTP/AVP 9 96",
    "a=rtpmap:96 opus/48000/2",
    "a=rtpmap:96 L16/8000",
    "a=rtpmap: 9  AMR/8000",
  );
  expect(codecNames(session.media[0] as Media)).toEqual(["AMR", "opus"]);
});

test("a=rtcp is read as RFC 3605 has it, and counts as absent otherwise", () => {
  const rtcp = (value: string) => rtcpAttribute(sdp("m=audio 1 RTP/AVP 0", `a=rtcp:${value}`).media[0] as Media);
  expect(rtcp("53020")).toEqual({ port: 53_020, ip: undefined, family: undefined });
  expect(rtcp("53020 IN IP6 2001:db8::1")).toEqual({ port: 53_020, ip: "2001:db8::1", family: 6 });
  for (const wrong of ["", "x", "65536", "1 IN IP7 X", "1 IN IP4", "1 IN IP4 a b"])
    expect(rtcp(wrong), wrong).toBeUndefined();
});

test("profiles pair up, in any case of letters", () => {
  expect(profileOf("rtp/savpf")).toMatchObject({ name: "RTP/SAVPF", secure: true, feedback: true, dtls: false });
  expect(profileOf("UDP/TLS/RTP/SAVPF")?.dtls).toBe(true);
  expect(profileOf("TCP/MSRP")).toBeUndefined();
  expect([
    profileName(false, false),
    profileName(false, true),
    profileName(true, false),
    profileName(true, true),
  ]).toEqual(["RTP/AVP", "RTP/AVPF", "RTP/SAVP", "RTP/SAVPF"]);
});

test("an attribute without a value is there, and empty", () => {
  const media = sdp("m=audio 1 RTP/AVP 0", "a=rtcp-mux", "a=mid:1", "a=mid:2").media[0] as Media;
  expect([attribute(media, "rtcp-mux"), attribute(media, "mid"), attribute(media, "ptime")]).toEqual([
    "",
    "1",
    undefined,
  ]);
});

function sdp(...lines: string[]): Sdp {
  return parseSdp(["v=0", "o=- 1 1 IN IP4 192.0.2.1", "s=-", "t=0 0", ...lines].join("\r\n"));
}
