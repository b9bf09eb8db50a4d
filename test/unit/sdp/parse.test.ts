import { expect, test } from "vitest";
import { PeerError } from "../../../src/base/index.ts";
import { formatSdp, parseSdp, sdpLimits } from "../../../src/sdp/index.ts";

test("a description is read line by line", () => {
  const sdp = parseSdp(
    text(
      "v=0",
      "o=alice 2890844526 2890844527 IN IP4 atlanta.example.com",
      "s=A talk",
      "i=about this",
      "u=http://example.com/",
      "e=alice@example.com",
      "c=IN IP4 192.0.2.1",
      "b=AS:128",
      "t=3034423619 3042462419",
      "r=604800 3600 0 90000",
      "z=2882844526 -1h",
      "k=prompt",
      "a=recvonly",
      "m=audio 49170/2 RTP/AVP 0 96",
      "i=the voice",
      "c=IN IP6 2001:db8::1",
      "b=TIAS:64000",
      "a=rtpmap:96 opus/48000/2",
      "a=sendrecv",
      "m=video 0 RTP/AVP 31",
    ),
  );
  expect(sdp.origin).toEqual({
    username: "alice",
    sessionId: "2890844526",
    version: "2890844527",
    ip: "atlanta.example.com",
    family: 4,
  });
  expect(sdp.name).toBe("A talk");
  expect(sdp.connection).toEqual({ ip: "192.0.2.1", family: 4, suffix: "" });
  expect(sdp.times).toEqual([{ start: "3034423619", stop: "3042462419", repeats: ["604800 3600 0 90000"] }]);
  expect(sdp.others.map((line) => line.type).join("")).toBe("iuezk");
  expect(sdp.media.map(({ kind, port, portCount }) => [kind, port, portCount])).toEqual([
    ["audio", 49_170, 2],
    ["video", 0, 1],
  ]);
  expect(sdp.media[0]).toMatchObject({
    title: "the voice",
    formats: ["0", "96"],
    connection: { ip: "2001:db8::1", family: 6 },
    bandwidths: [{ type: "TIAS", value: "64000" }],
    attributes: [
      { name: "rtpmap", value: "96 opus/48000/2" },
      { name: "sendrecv", value: undefined },
    ],
  });
});

test("what comes in order goes out the same, byte for byte", () => {
  const whole = text(
    "v=0",
    "o=- 1 2 IN IP6 2001:db8::1",
    "s= ",
    "i=x",
    "c=IN IP4 233.252.0.1/127/3",
    "b=AS:1",
    "t=0 0",
    "t=5 6",
    "r=1 1 0",
    "k=clear:x",
    "a=tool:x 1",
    "m=message 7 TCP/MSRP *",
    "c=IN IP4 233.252.0.2/127",
    "c=IN IP4 233.252.0.3/127",
    "k=prompt",
    "a=path:msrp://x;tcp",
    "m=audio 0 RTP/AVP",
  );
  expect(formatSdp(parseSdp(whole))).toBe(whole);
});

test("LF alone, spaces at the end, a missing s= or t= and empty lines at the end do no harm", () => {
  const sdp = parseSdp("v=0\no=- 1 1 IN IP4 192.0.2.1 \nc=IN IP4 192.0.2.1  \nm=audio  4000 RTP/AVP 0 \n\n\r\n");
  expect(formatSdp(sdp)).toBe(
    text("v=0", "o=- 1 1 IN IP4 192.0.2.1", "s=-", "c=IN IP4 192.0.2.1", "t=0 0", "m=audio 4000 RTP/AVP 0"),
  );
});

test("the last line needs no end", () => {
  expect(parseSdp("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\na=inactive").attributes).toEqual([
    { name: "inactive", value: undefined },
  ]);
});

const head = ["v=0", "o=- 1 1 IN IP4 192.0.2.1", "s=-", "c=IN IP4 192.0.2.1", "t=0 0"];

test.each([
  ["nothing", ""],
  ["another version", text("v=1", ...head.slice(1))],
  ["a NUL in an attribute name (ES2018-02)", text(...head, "m=audio 1 RTP/AVP 0", "a=fmtp\0:101 0-16")],
  ["a CR inside a line", text(...head, "a=x\ry")],
  ["a kind of 1 kB (ES2020-03)", text(...head, `m=${"A".repeat(1_024)} 1 RTP/AVP 0`)],
  ["a format of 1 kB", text(...head, `m=audio 1 RTP/AVP ${"9".repeat(1_024)}`)],
  ["port 65536", text(...head, "m=audio 65536 RTP/AVP 0")],
  ["port -1", text(...head, "m=audio -1 RTP/AVP 0")],
  ["port 4294967296", text(...head, "m=audio 4294967296 RTP/AVP 0")],
  ["0 ports", text(...head, "m=audio 4000/0 RTP/AVP 0")],
  ["no format for an open port", text(...head, "m=audio 4000 RTP/AVP")],
  ["no protocol", text(...head, "m=audio 4000")],
  ["a bracket in m=", text(...head, "m=audio 4000 RTP/AVP <0>")],
  ["no o=", text("v=0", "s=-", "t=0 0")],
  ["o= with five fields", text("v=0", "o=- 1 1 IN IP4")],
  ["o= with a word for a number", text("v=0", "o=- one 1 IN IP4 192.0.2.1")],
  ["o= with a version of 21 digits", text("v=0", `o=- 1 ${"1".repeat(21)} IN IP4 192.0.2.1`)],
  ["o= of another network", text("v=0", "o=- 1 1 ATM NSAP 47")],
  ["two o=", text(...head, head[1] ?? "")],
  ["c= without address", text(...head.slice(0, 3), "c=IN IP4 ")],
  ["c= of address type IP5", text(...head.slice(0, 3), "c=IN IP5 192.0.2.1")],
  ["c= with a markup address", text(...head.slice(0, 3), "c=IN IP4 <script>")],
  ["c= with a host name of 256 bytes", text(...head.slice(0, 3), `c=IN IP4 ${"a".repeat(256)}`)],
  ["two c= for the session", text(...head, "c=IN IP4 192.0.2.2")],
  ["a line without =", text(...head, "audio")],
  ["a line of one byte", text(...head, "a")],
  ["an upper-case type", text(...head, "M=audio 1 RTP/AVP 0")],
  ["an attribute without a name", text(...head, "a=:x")],
  ["an empty attribute", text(...head, "a=")],
  ["an empty line in the middle", text(...head, "", "a=x")],
  ["t= after m=", text(...head, "m=audio 1 RTP/AVP 0", "t=0 0")],
  ["r= before t=", text("v=0", "o=- 1 1 IN IP4 192.0.2.1", "r=1 1")],
  ["t= with words", text("v=0", "o=- 1 1 IN IP4 192.0.2.1", "t=now then")],
  ["b= without a colon", text(...head, "b=128")],
])("%s is refused with 400", (_what, wrong) => {
  expect(() => parseSdp(wrong)).toThrow(PeerError);
  expect(() => parseSdp(wrong)).toThrow(/^SDP: /);
});

test("each limit holds: at it the description is read, one beyond it is refused", () => {
  const fits: Record<string, (extra: number) => string> = {
    mediaLines: (extra) => text(...head, ...Array(sdpLimits.mediaLines + extra).fill("m=audio 0 RTP/AVP 0")),
    formats: (extra) => text(...head, `m=audio 1 RTP/AVP${" 0".repeat(sdpLimits.formats + extra)}`),
    lineBytes: (extra) => text(...head, `a=${"x".repeat(sdpLimits.lineBytes - 2 + extra)}`),
    lines: (extra) => text(...head, ...Array(sdpLimits.lines - 4 + extra).fill("a=x")),
    wordBytes: (extra) => text(...head, `m=${"x".repeat(sdpLimits.wordBytes + extra)} 0 RTP/AVP 0`),
  };
  for (const [limit, make] of Object.entries(fits)) {
    expect(() => parseSdp(make(0)), limit).not.toThrow();
    expect(() => parseSdp(make(1)), limit).toThrow(/more than/);
  }
  expect(() => parseSdp(text(...head, ...Array(9).fill(`a=${"x".repeat(8_000)}`)))).toThrow(/more than 65536/);
});

function text(...lines: string[]): string {
  return lines.map((line) => `${line}\r\n`).join("");
}
