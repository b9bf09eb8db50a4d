import { expect, test } from "vitest";
import type { RelayCommand, RelaySide } from "../../../src/media/index.ts";
import {
  bench,
  call,
  crypto,
  INSIDE,
  insideParty,
  lines,
  outsideParty,
  plainAnswer,
  plainOffer,
  portsInUse,
  realm,
  sdp,
  secureOffer,
  shape,
  statusOf,
} from "./kit.ts";

test("an SRTP call from outside: the inside sees plain RTP and nothing of the caller", () => {
  const { media } = call();
  const onward = media.offer(
    "call",
    "caller",
    sdp(
      "203.0.113.5",
      "a=tool:Phone 1.0",
      "a=ice-ufrag:abcd",
      "a=group:BUNDLE 0",
      "m=audio 4000 RTP/SAVP 0 101",
      "i=alice's voice",
      "b=AS:80",
      "b=X-secret:1",
      "a=rtpmap:0 PCMU/8000",
      "a=rtpmap:101 telephone-event/8000",
      "a=fmtp:101 0-15",
      "a=ptime:20",
      "a=rtcp-fb:* nack",
      "a=rtcp:4001 IN IP4 203.0.113.5",
      "a=candidate:1 1 UDP 2113667327 203.0.113.5 4000 typ host",
      "a=fingerprint:sha-1 42:89",
      "a=setup:actpass",
      "a=ssrc:1399694169 cname:alice@203.0.113.5",
      "a=msid:stream track",
      "a=x-vendor:203.0.113.5",
      crypto(1),
    ),
  );
  expect(shape(onward)).toEqual([
    "v=0",
    "o=- ID 1 IN IP4 10.0.0.1",
    "s=-",
    "c=IN IP4 10.0.0.1",
    "t=0 0",
    "m=audio PORT RTP/AVP 0 101",
    "b=AS:80",
    "a=rtpmap:0 PCMU/8000",
    "a=rtpmap:101 telephone-event/8000",
    "a=fmtp:101 0-15",
    "a=ptime:20",
    "a=rtcp:PORT",
    "a=sendrecv",
  ]);

  const answer = media.answer("call", "callee", sdp("10.0.0.9", "m=audio 7000 RTP/AVP 0"));
  expect(shape(answer)).toEqual([
    "v=0",
    "o=- ID 1 IN IP4 198.51.100.1",
    "s=-",
    "c=IN IP4 198.51.100.1",
    "t=0 0",
    "m=audio PORT RTP/SAVP 0",
    "a=rtcp:PORT",
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:KEY",
    "a=sendrecv",
  ]);
});

test("the relay is opened once, with the answer, as both sides agreed", () => {
  const { media, take } = call();
  const onward = media.offer("call", "caller", secureOffer);
  expect(take()).toEqual([]);
  const answer = media.answer("call", "callee", plainAnswer);

  const [{ sides, pair, kind }] = take() as [Extract<RelayCommand, { word: "open" }>];
  expect([pair, kind]).toEqual([0, "audio"]);
  const port = (text: string) => Number(lines(text, "m=audio ")[0]?.split(" ")[0]);
  expect(sides[0]).toMatchObject({
    local: { ip: "198.51.100.1", rtpPort: port(answer), rtcpPort: port(answer) + 1 },
    remote: { ip: "203.0.113.5", rtpPort: 4000, rtcpPort: 4001 },
    latch: "signalled",
    dscp: 46,
    receive: true,
    send: true,
    silenceLimitMs: 30_000,
  });
  expect(sides[1]).toMatchObject({
    local: { ip: "10.0.0.1", rtpPort: port(onward) },
    remote: { ip: "10.0.0.9", rtpPort: 7000, rtcpPort: 7001 },
    rx: undefined,
    tx: undefined,
  });
  expect(keyText(sides[0].rx)).toBe("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd");
  expect(answer).toContain(`inline:${keyText(sides[0].tx)}`);
  expect(sides[0].cname).not.toBe(sides[1].cname);
  expect(port(answer) % 2).toBe(0);
});

test("a late offer goes the other way through the same words", () => {
  const { media, take } = call();
  const onward = media.offer("call", "callee", plainOffer);
  expect(lines(onward, "m=")[0]).toMatch(/^audio \d+ RTP\/SAVP 0 8$/);
  const answer = media.answer("call", "caller", sdp("203.0.113.5", "m=audio 4000 RTP/SAVP 0", crypto(1)));
  expect(lines(answer, "m=")[0]).toMatch(/^audio \d+ RTP\/AVP 0$/);
  expect(take()).toMatchObject([
    { word: "open", sides: [{ rx: { suite: "AES_CM_128_HMAC_SHA1_80" } }, { rx: undefined }] },
  ]);
});

test("the same description said again keeps its version; a changed one counts one up", () => {
  const { media } = call();
  const version = (text: string) => lines(text, "o=- ")[0]?.split(" ").slice(0, 2);
  const first = media.offer("call", "caller", secureOffer);
  const firstAnswer = media.answer("call", "callee", plainAnswer);
  const second = media.offer("call", "caller", secureOffer);
  expect(second).toBe(first);
  expect(media.answer("call", "callee", plainAnswer)).toBe(firstAnswer);
  const held = media.offer("call", "caller", sdp("203.0.113.5", "m=audio 4000 RTP/SAVP 0 8", "a=sendonly", crypto(1)));
  expect(version(held)).toEqual([version(first)?.[0], "2"]);
  expect(version(firstAnswer)?.[0]).not.toBe(version(first)?.[0]);
});

test("profiles with feedback stay so, and only they carry rtcp-fb", () => {
  const { media } = call();
  const feedback = ["m=video 4000 RTP/SAVPF 96", "a=rtcp-fb:96 nack pli", "a=extmap:1 urn:x", crypto(1)];
  expect(shape(media.offer("call", "caller", sdp("203.0.113.5", ...feedback)))).toEqual(
    expect.arrayContaining(["m=video PORT RTP/AVPF 96", "a=rtcp-fb:96 nack pli", "a=extmap:1 urn:x"]),
  );
  const taken = ["a=rtcp-fb:96 nack pli", "a=rtcp-fb:96 ccm fir", "a=extmap:1/sendonly urn:x", "a=extmap:2 urn:y"];
  const answer = shape(media.answer("call", "callee", sdp("10.0.0.9", "m=video 7000 RTP/AVPF 96", ...taken)));
  expect(answer).toEqual(expect.arrayContaining(["m=video PORT RTP/SAVPF 96", "a=rtcp-fb:96 nack pli"]));
  // Whoever answers with more than it was offered is not believed: RFC 8285 §6, RFC 4585 §4.2.
  expect(answer.filter((line) => /fb|extmap/.test(line))).toEqual([
    "a=rtcp-fb:96 nack pli",
    "a=extmap:1/sendonly urn:x",
  ]);
});

test("video is marked as video, other streams as other", () => {
  const { media, take } = call([INSIDE], { caller: insideParty, callee: insideParty });
  const streams = (port: number) =>
    sdp("10.0.0.9", `m=video ${port} RTP/AVP 96`, `m=text ${port + 2} RTP/AVP 98`, `m=audio ${port + 4} RTP/AVP 0`);
  media.offer("call", "caller", streams(4000));
  media.answer("call", "callee", streams(5000));
  const opened = take() as Extract<RelayCommand, { word: "open" }>[];
  expect(opened.map(({ kind, sides }) => [kind, sides[0].dscp, sides[1].dscp])).toEqual([
    ["video", 34, 34],
    ["other", 10, 10],
    ["audio", 46, 46],
  ]);
});

test("streams that we cannot carry keep their place with port 0, on both sides", () => {
  const { media, take } = call();
  const onward = media.offer(
    "call",
    "caller",
    sdp(
      "203.0.113.5",
      "m=message 9 TCP/MSRP *",
      "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
      "m=audio 4000 RTP/SAVP 0",
      crypto(1),
      "m=application 5000 UDP/BFCP *",
      "m=audio 4002/2 RTP/SAVP 0",
      "m=audio 4004 UDP/TLS/RTP/SAVPF 0",
    ),
  );
  const positions = ["message 0", "application 0", "audio PORT", "application 0", "audio 0", "audio 0"];
  const kinds = (text: string) =>
    shape(text)
      .filter((line) => line.startsWith("m="))
      .map((line) => line.slice(2).split(" ").slice(0, 2).join(" "));
  expect(kinds(onward)).toEqual(positions);
  const answer = media.answer(
    "call",
    "callee",
    sdp(
      "10.0.0.9",
      "m=message 0 TCP/MSRP *",
      "m=application 0 UDP/DTLS/SCTP x",
      "m=audio 7000 RTP/AVP 0",
      "m=application 0 UDP/BFCP *",
      "m=audio 0 RTP/AVP 0",
      "m=audio 0 x 0",
    ),
  );
  expect(kinds(answer)).toEqual(positions);
  expect(take().map(({ word }) => word)).toEqual(["open"]);
});

test("an offer of which nothing can be carried is refused, one without streams is not", () => {
  const { media } = call();
  expect(statusOf(() => media.offer("call", "caller", sdp("203.0.113.5", "m=message 9 TCP/MSRP *")))).toBe(488);
  expect(lines(media.offer("call", "caller", sdp("203.0.113.5")), "m=")).toEqual([]);
  expect(lines(media.answer("call", "callee", sdp("10.0.0.9")), "c=")).toEqual(["IN IP4 198.51.100.1"]);
});

test("a declined stream is declined to the offerer, and its ports are free", () => {
  const made = call();
  made.media.offer(
    "call",
    "caller",
    sdp("203.0.113.5", "m=audio 4000 RTP/SAVP 0", crypto(1), "m=video 4002 RTP/SAVP 96", crypto(1)),
  );
  expect(portsInUse(made)).toEqual({ outside: 4, inside: 4 });
  const answer = made.media.answer("call", "callee", sdp("10.0.0.9", "m=audio 7000 RTP/AVP 0", "m=video 0 RTP/AVP 96"));
  expect(lines(answer, "m=video ")).toEqual(["0 RTP/SAVP 96"]);
  expect(portsInUse(made)).toEqual({ outside: 2, inside: 2 });
  expect(made.take().length).toBe(1);
});

test("rtcp-mux is agreed on each leg by itself", () => {
  const { media, take } = call();
  const onward = media.offer("call", "caller", sdp("203.0.113.5", "m=audio 4000 RTP/SAVP 0", "a=rtcp-mux", crypto(1)));
  expect(shape(onward)).toEqual(expect.arrayContaining(["a=rtcp:PORT", "a=rtcp-mux"]));
  const answer = media.answer("call", "callee", sdp("10.0.0.9", "m=audio 7000 RTP/AVP 0", "a=rtcp:7777"));
  expect(shape(answer)).toEqual(expect.arrayContaining(["a=rtcp-mux"]));
  expect(shape(answer)).not.toContain("a=rtcp:PORT");
  const [{ sides }] = take() as [Extract<RelayCommand, { word: "open" }>];
  expect(sides.map(({ local, remote }) => [local.rtcpPort - local.rtpPort, remote?.rtcpPort])).toEqual([
    [0, 4000],
    [1, 7777],
  ]);
});

test("the advertised address stands in SDP, the real one at the relay", () => {
  const nat = realm("outside", "192.168.1.2", { srtp: "required", advertise: "198.51.100.77" });
  const { media, take } = call([nat, INSIDE]);
  media.offer("call", "caller", secureOffer);
  const answer = media.answer("call", "callee", plainAnswer);
  expect([lines(answer, "c="), lines(answer, "o=")[0]?.split(" ").at(-1)]).toEqual([
    ["IN IP4 198.51.100.77"],
    "198.51.100.77",
  ]);
  expect(take()).toMatchObject([{ sides: [{ local: { ip: "192.168.1.2" } }, {}] }]);
});

test("IPv6 outside meets IPv4 inside", () => {
  const dual = {
    ...realm("outside", "198.51.100.1"),
    media: { ...INSIDE.media, addresses: ["198.51.100.1", "2001:db8::1"] },
  };
  const six = { ...outsideParty, family: 6 as const, signallingSource: "2001:db8:1::5" };
  const { media, take } = call([dual, INSIDE], { caller: six, callee: insideParty });
  const onward = media.offer("call", "caller", sdp("2001:DB8:1:0:0:0:0:5", "m=audio 4000 RTP/AVP 0"));
  expect(lines(onward, "c=")).toEqual(["IN IP4 10.0.0.1"]);
  const answer = media.answer("call", "callee", sdp("10.0.0.9", "m=audio 7000 RTP/AVP 0"));
  expect(lines(answer, "c=")).toEqual(["IN IP6 2001:db8::1"]);
  expect(take()).toMatchObject([{ sides: [{ local: { ip: "2001:db8::1" }, remote: { ip: "2001:db8:1::5" } }, {}] }]);

  media.open("back", { caller: insideParty, callee: six });
  expect(lines(media.offer("back", "caller", plainOffer), "c=")).toEqual(["IN IP6 2001:db8::1"]);
  expect(statusOf(() => media.answer("back", "callee", sdp("203.0.113.5", "m=audio 4000 RTP/AVP 0")))).toBe(488);
  expect(statusOf(() => media.answer("back", "callee", sdp("2001:db8:1::5", "m=audio 4000 RTP/AVP 0")))).toBe("done");
});

test("a family that the realm has not is refused from its own side", () => {
  const { media } = call([INSIDE], { caller: insideParty, callee: insideParty });
  expect(statusOf(() => media.offer("call", "caller", sdp("2001:db8::5", "m=audio 4000 RTP/AVP 0")))).toBe(488);
});

test("what stands can be asked for, without keys", () => {
  const { media } = call();
  media.offer(
    "call",
    "caller",
    sdp("203.0.113.5", "m=audio 4000 RTP/SAVP 96 0", "a=rtpmap:96 opus/48000/2", crypto(5)),
  );
  expect(media.query("call").streams).toEqual([]);
  media.answer(
    "call",
    "callee",
    sdp("10.0.0.9", "m=audio 7000 RTP/AVP 96 0", "a=rtpmap:96 opus/48000/2", "a=recvonly"),
  );
  expect(media.query("call").streams).toMatchObject([
    {
      stream: 0,
      kind: "audio",
      caller: {
        codecs: ["opus", "PCMU"],
        profile: "RTP/SAVP",
        suite: "AES_CM_128_HMAC_SHA1_80",
        remote: "203.0.113.5:4000",
        direction: "sendrecv",
      },
      callee: {
        codecs: ["opus", "PCMU"],
        profile: "RTP/AVP",
        suite: undefined,
        remote: "10.0.0.9:7000",
        direction: "recvonly",
      },
    },
  ]);
  expect(JSON.stringify(media.query("call"))).not.toContain("AAEC");
});

test("offers and answers out of turn are refused, and change nothing", () => {
  const { media } = call();
  expect(statusOf(() => media.offer("unknown", "caller", secureOffer))).toBe(500);
  expect(statusOf(() => media.answer("call", "callee", plainAnswer))).toBe(500);
  expect(statusOf(() => media.open("call", { caller: outsideParty, callee: insideParty }))).toBe(500);
  media.offer("call", "caller", secureOffer);
  expect(statusOf(() => media.offer("call", "callee", plainOffer))).toBe(491);
  expect(statusOf(() => media.answer("call", "caller", secureOffer))).toBe(500);
  const answer = media.answer("call", "callee", plainAnswer);
  expect(media.answer("call", "callee", plainAnswer)).toBe(answer);
});

test("an answer that does not fit the offer is refused, and a better one may follow", () => {
  const { media, commands } = call();
  media.offer("call", "caller", secureOffer);
  for (const wrong of [
    sdp("10.0.0.9"),
    sdp("10.0.0.9", "m=video 7000 RTP/AVP 0"),
    sdp("10.0.0.9", "m=audio 7000 RTP/SAVP 0", crypto(1)),
    sdp("10.0.0.9", "m=audio 7000 RTP/AVP 0 4294967296"),
  ]) {
    expect(
      statusOf(() => media.answer("call", "callee", wrong)),
      wrong,
    ).toBe(488);
  }
  expect(statusOf(() => media.answer("call", "callee", "v=0\r\n"))).toBe(400);
  expect(commands).toEqual([]);
  expect(statusOf(() => media.answer("call", "callee", plainAnswer))).toBe("done");
});

test("a session of a realm that is gone cannot be opened", () => {
  const { media } = bench();
  expect(statusOf(() => media.open("x", { caller: { ...insideParty, realm: "gone" }, callee: insideParty }))).toBe(500);
});

const keyText = (key: RelaySide["rx"]): string => Buffer.from(key?.key.reveal() ?? []).toString("base64");
