/** Words of DTLS (RFC 8122, RFC 8842) and ICE (RFC 8839) in descriptions: read strictly, and totally. */
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  dtlsWords,
  formatFingerprint,
  iceWords,
  type Media,
  parseCandidate,
  parseFingerprint,
  parseSdp,
  type Sdp,
} from "../../../src/sdp/index.ts";

const hex = (octets: number, octet = "AB"): string => new Array(octets).fill(octet).join(":");

test.each([
  [`sha-256 ${hex(32)}`, "sha-256", 32],
  [`SHA-384 ${hex(48)}`, "sha-384", 48],
  [`sha-512 ${hex(64, "0f")}`, "sha-512", 64],
  [` sha-256  ${hex(32)} `, "sha-256", 32],
])("%s is a fingerprint", (text, hash, octets) => {
  const found = parseFingerprint(text);
  expect([found?.hash, found?.value.length]).toEqual([hash, octets]);
});

test.each([
  `sha-1 ${hex(20)}`,
  `md5 ${hex(16)}`,
  `sha-256 ${hex(31)}`,
  `sha-256 ${hex(33)}`,
  `sha-256 ${hex(32).replaceAll(":", "")}`,
  `sha-256 ${hex(32, "GG")}`,
  `sha-256 ${hex(32)} more`,
  "sha-256",
  `toString ${hex(32)}`,
  "",
])("%s is none that we take", (text) => {
  expect(parseFingerprint(text)).toBeUndefined();
});

test("a fingerprint is written as it is read", () => {
  const octets = fc.uint8Array({ minLength: 32, maxLength: 32 });
  fc.assert(
    fc.property(octets, (value) => {
      expect(parseFingerprint(formatFingerprint({ hash: "sha-256", value }))).toEqual({ hash: "sha-256", value });
    }),
  );
});

test("no more fingerprints are looked at than the limit", () => {
  const many = new Array(8).fill("a=fingerprint:md5 00").concat(`a=fingerprint:sha-256 ${hex(32)}`);
  expect(dtlsWords(...line(...many))).toBeUndefined();
  expect(dtlsWords(...line(...many.slice(1)))?.fingerprints.length).toBe(1);
});

test.each([
  ["a=tls-id:0123456789abcdefghij", "0123456789abcdefghij"],
  ["a=tls-id:0123456789+/-_zyxwvut", "0123456789+/-_zyxwvut"],
  ["a=tls-id:short", undefined],
  [`a=tls-id:${"a".repeat(256)}`, undefined],
  ["a=tls-id:0123456789 0123456789", undefined],
])("%s", (text, id) => {
  expect(dtlsWords(...line(`a=fingerprint:sha-256 ${hex(32)}`, text))?.tlsId).toBe(id);
});

test.each([
  ["1 1 UDP 2130706431 192.0.2.1 4000 typ host", { component: 1, transport: "udp", ip: "192.0.2.1", port: 4000 }],
  [
    "a+/9 2 tcp 1 2001:db8::1 9 typ host tcptype active",
    { component: 2, transport: "tcp", ip: "2001:db8::1", port: 9 },
  ],
  [
    "x 1 udp 1 3b2f.local 5 typ srflx raddr 10.0.0.1 rport 7",
    { component: 1, transport: "udp", ip: "3b2f.local", port: 5 },
  ],
  ["1 0 UDP 1 192.0.2.1 4000 typ host", undefined],
  ["1 257 UDP 1 192.0.2.1 4000 typ host", undefined],
  ["1 1 UDP 0 192.0.2.1 4000 typ host", undefined],
  ["1 1 UDP 2147483648 192.0.2.1 4000 typ host", undefined],
  ["1 1 UDP 1 192.0.2.1 65536 typ host", undefined],
  ["1 1 UDP 1 192.0.2.1 4000 host", undefined],
  ["1 1 UDP 1 a;b 4000 typ host", undefined],
  [`${"f".repeat(33)} 1 UDP 1 192.0.2.1 4000 typ host`, undefined],
])("candidate %s", (text, expected) => {
  expect(parseCandidate(text)).toEqual(expected);
});

test("lines of DTLS and ICE, whatever they say, are words or nothing", () => {
  const name = fc.constantFrom(
    "fingerprint",
    "setup",
    "tls-id",
    "ice-ufrag",
    "ice-pwd",
    "candidate",
    "ice-lite",
    "mid",
  );
  const value = fc.oneof(
    fc.stringMatching(/^[!-~ ]{0,80}$/),
    fc.constantFrom(`sha-256 ${hex(32)}`, "abcd", "a".repeat(24), "1 1 udp 1 192.0.2.1 4000 typ host"),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value), { maxLength: 20 }), (lines) => {
      const [media, session] = line(...lines.map(([one, text]) => `a=${one}:${text}`));
      const ice = iceWords(media, session);
      if (ice !== undefined) expect(ice.ufrag.length >= 4 && ice.password.length >= 22).toBe(true);
      const dtls = dtlsWords(media, session);
      if (dtls !== undefined) expect(new Set(dtls.fingerprints.map(({ hash }) => hash)).size).toBe(1);
    }),
    { numRuns: 500 },
  );
});

function line(...lines: readonly string[]): [Media, Sdp] {
  const head = ["v=0", "o=- 1 1 IN IP4 192.0.2.1", "s=-", "c=IN IP4 192.0.2.1", "t=0 0", "m=audio 4000 RTP/AVP 0"];
  const sdp = parseSdp(`${[...head, ...lines].join("\r\n")}\r\n`);
  return [sdp.media[0] as Media, sdp];
}
