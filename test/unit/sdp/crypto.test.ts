import { inspect } from "node:util";
import { expect, test } from "vitest";
import {
  formatCrypto,
  type Media,
  parseCrypto,
  parseSdp,
  suiteKeyBytes,
  usableCryptos,
} from "../../../src/sdp/index.ts";

const key30 = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
const base64 = (bytes: number): string => Buffer.alloc(bytes, 7).toString("base64");

test("a key line says tag, suite, key, lifetime and MKI", () => {
  const line = parseCrypto(`1 AES_CM_128_HMAC_SHA1_80 inline:${key30}|2^20|1:4 WSH=128`);
  expect(line).toMatchObject({ tag: 1, suite: "AES_CM_128_HMAC_SHA1_80", sessionParams: ["WSH=128"] });
  expect(Buffer.from(line?.keys[0]?.key.reveal() ?? []).toString("base64")).toBe(key30);
  expect(line?.keys[0]?.lifetime).toBe("2^20");
  expect(line?.keys[0]?.mki).toEqual(Uint8Array.of(0, 0, 0, 1));
});

test("what is read is written back the same", () => {
  for (const value of [
    `1 AES_CM_128_HMAC_SHA1_80 inline:${key30}`,
    `0 AES_CM_128_HMAC_SHA1_32 inline:${key30}|1000`,
    `999999999 F8_128_HMAC_SHA1_80 inline:${key30}|2^31|18446744073709551615:8;inline:${base64(30)}|2:8 KDR=1 FEC_ORDER=FEC_SRTP`,
    `7 AEAD_AES_128_GCM inline:${base64(28)}|1:128`,
    `7 X inline:${base64(1)}`,
  ]) {
    const line = parseCrypto(value);
    expect(line && formatCrypto(line)).toBe(value);
  }
});

test.each([
  "",
  "1",
  "1 AES_CM_128_HMAC_SHA1_80",
  `x AES_CM_128_HMAC_SHA1_80 inline:${key30}`,
  `01 AES_CM_128_HMAC_SHA1_80 inline:${key30}`,
  `1000000000 AES_CM_128_HMAC_SHA1_80 inline:${key30}`,
  `1 AES_CM_128_HMAC_SHA1_80 ${key30}`,
  "1 AES_CM_128_HMAC_SHA1_80 inline:",
  "1 AES_CM_128_HMAC_SHA1_80 inline:A",
  "1 AES_CM_128_HMAC_SHA1_80 inline:AA*A",
  `1 AES_CM_128_HMAC_SHA1_80 inline:${key30}|0`,
  `1 AES_CM_128_HMAC_SHA1_80 inline:${key30}|2^49`,
  `1 AES_CM_128_HMAC_SHA1_80 inline:${key30}|1:0`,
  `1 AES_CM_128_HMAC_SHA1_80 inline:${key30}|1:129`,
  `1 AES_CM_128_HMAC_SHA1_80 inline:${key30}|256:1`,
  `1 AES_CM_128_HMAC_SHA1_80 inline:${key30}|01:1`,
  `1 AES_CM_128_HMAC_SHA1_80 inline:${key30}|1:4|2^20`,
  `1 AES_CM_128_HMAC_SHA1_80 inline:${key30};`,
])("malformed: %s", (value) => {
  expect(parseCrypto(value)).toBeUndefined();
});

test("keys of every suite are usable when they have its length, padded or not", () => {
  const suites = Object.entries(suiteKeyBytes);
  const lines = suites.flatMap(([suite, bytes], index) => [
    `${2 * index + 1} ${suite} inline:${base64(bytes)}`,
    `${2 * index + 2} ${suite} inline:${base64(bytes).replaceAll("=", "")}`,
  ]);
  expect(usableCryptos(media(lines)).map(({ suite }) => suite)).toEqual(suites.flatMap(([suite]) => [suite, suite]));
});

test("the draft spelling of the long suites is understood, and kept for the answer", () => {
  expect(usableCryptos(media([`1 AES_CM_256_HMAC_SHA1_80 inline:${base64(46)}`]))).toMatchObject([
    { name: "AES_CM_256_HMAC_SHA1_80", suite: "AES_256_CM_HMAC_SHA1_80" },
  ]);
});

test("lines that we cannot honour are passed over, and the next is taken", () => {
  const usable = usableCryptos(
    media([
      `1 F8_128_HMAC_SHA1_80 inline:${key30}`,
      `2 AES_CM_128_HMAC_SHA1_80 inline:${base64(29)}`,
      `3 AES_CM_128_HMAC_SHA1_80 inline:${key30} UNENCRYPTED_SRTP`,
      `4 AES_CM_128_HMAC_SHA1_80 inline:${key30} UNENCRYPTED_SRTCP`,
      `5 AES_CM_128_HMAC_SHA1_80 inline:${key30} UNAUTHENTICATED_SRTP`,
      `6 AES_CM_128_HMAC_SHA1_80 inline:${key30} KDR=4`,
      `7 AES_CM_128_HMAC_SHA1_80 inline:${key30} SOMETHING=new`,
      `8 AES_CM_128_HMAC_SHA1_80 inline:${key30}|1:4;inline:${base64(30)}|1:4`,
      `11 AES_CM_128_HMAC_SHA1_80 inline:${key30}|1:4;inline:${base64(30)}|2:1`,
      `12 AES_CM_128_HMAC_SHA1_80 inline:${key30}|1:4;inline:${base64(29)}|2:4`,
      `13 AES_CM_128_HMAC_SHA1_80 inline:${key30};inline:${base64(30)}`,
      `14 AES_CM_128_HMAC_SHA1_80 ${Array.from({ length: 9 }, (_, i) => `inline:${key30}|${i}:4`).join(";")}`,
      "constructor inline:x",
      `9 constructor inline:${key30}`,
      `10 AES_CM_128_HMAC_SHA1_32 inline:${key30} WSH=64 -SOMETHING=optional`,
      `10 AES_CM_128_HMAC_SHA1_80 inline:${key30}`,
    ]),
  );
  expect(usable.map(({ tag, suite }) => [tag, suite])).toEqual([[10, "AES_CM_128_HMAC_SHA1_32"]]);
});

test("several keys are told apart by identifiers of one length; the least lifetime counts", () => {
  const line = `1 AES_CM_128_HMAC_SHA1_80 inline:${key30}|2^31|1:4;inline:${base64(30)}|1000|2:4;inline:${key30}|3:4`;
  const [usable] = usableCryptos(media([line]));
  expect(usable).toMatchObject({ mki: Uint8Array.of(0, 0, 0, 1), lifetimePackets: 1_000 });
  expect(usable?.others.map(({ mki, key }) => [mki[3], key.reveal().length])).toEqual([
    [2, 30],
    [3, 30],
  ]);
  expect(usableCryptos(media([`1 AES_CM_128_HMAC_SHA1_80 inline:${key30}`]))).toMatchObject([
    { others: [], lifetimePackets: undefined },
  ]);
});

test("a key never prints", () => {
  const line = parseCrypto(`1 AES_CM_128_HMAC_SHA1_80 inline:${key30}`);
  for (const printed of [JSON.stringify(line), inspect(line, { depth: 9 }), `${line?.keys[0]?.key}`]) {
    expect(printed).not.toContain(key30.slice(0, 8));
    expect(printed).toContain("•••");
  }
});

function media(cryptos: string[]): Media {
  const lines = cryptos.map((value) => `a=crypto:${value}\r\n`).join("");
  const sdp = parseSdp(`v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/SAVP 0\r\n${lines}`);
  return sdp.media[0] as Media;
}
