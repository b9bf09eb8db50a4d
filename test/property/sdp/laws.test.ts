import fc from "fast-check";
import { expect, test } from "vitest";
import { PeerError } from "../../../src/base/index.ts";
import {
  codecNames,
  formatCrypto,
  formatSdp,
  parseCrypto,
  parseSdp,
  rtcpAttribute,
  usableCryptos,
} from "../../../src/sdp/index.ts";

const runs = { numRuns: 400 };
const token = fc.stringMatching(/^[a-zA-Z0-9.*+-]{1,12}$/);
const value = fc.string({
  unit: fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code)),
  maxLength: 30,
});
const line = value.map((each) => each.replace(/[\r\n]/g, "."));
const attribute = fc.oneof(
  token.map((name) => `a=${name}`),
  fc.tuple(token, line).map(([name, text]) => `a=${name}:${text}`),
);
const connection = fc.constantFrom(
  "c=IN IP4 192.0.2.1",
  "c=IN IP6 2001:db8::9",
  "c=IN IP4 233.252.0.1/1",
  "c=IN IP4 host.example.com",
);
const bandwidth = fc.tuple(token, fc.nat()).map(([type, number]) => `b=${type}:${number}`);
const optional = (each: fc.Arbitrary<string>) => fc.option(each, { nil: undefined });
const media = fc
  .tuple(
    fc.tuple(token, fc.nat(65_535), token, fc.array(token, { minLength: 1, maxLength: 6 })),
    optional(line.map((text) => `i=${text}`)),
    optional(connection),
    fc.array(bandwidth, { maxLength: 2 }),
    fc.array(attribute, { maxLength: 6 }),
  )
  .map(([[kind, port, protocol, formats], title, where, bandwidths, attributes]) => [
    `m=${kind} ${port} ${protocol} ${formats.join(" ")}`,
    title,
    where,
    ...bandwidths,
    ...attributes,
  ]);
const description = fc
  .tuple(
    optional(connection),
    fc.array(bandwidth, { maxLength: 2 }),
    fc.array(attribute, { maxLength: 4 }),
    fc.array(media, { maxLength: 4 }),
  )
  .map(([where, bandwidths, attributes, lines]) =>
    ["v=0", "o=- 1 2 IN IP4 192.0.2.7", "s=-", where, ...bandwidths, "t=0 0", ...attributes, ...lines.flat()]
      .filter((each) => each !== undefined)
      .map((each) => `${each}\r\n`)
      .join(""),
  );

test("what is read is written back the same", () => {
  fc.assert(
    fc.property(description, (text) => {
      expect(formatSdp(parseSdp(text))).toBe(text);
    }),
    runs,
  );
});

test("no bytes do anything but be read or be refused with 400", () => {
  const rubble = fc.string({
    unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
    maxLength: 40,
  });
  const broken = fc
    .tuple(description, fc.nat(), fc.nat(30), rubble)
    .map(([text, at, cut, extra]) => text.slice(0, at % text.length) + extra + text.slice((at % text.length) + cut));
  fc.assert(
    fc.property(fc.oneof(rubble, broken), (text) => {
      try {
        const sdp = parseSdp(text);
        expect(parseSdp(formatSdp(sdp))).toEqual(sdp);
        for (const each of sdp.media) {
          codecNames(each);
          usableCryptos(each);
          rtcpAttribute(each);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(PeerError);
        expect((error as PeerError).status).toBe(400);
      }
    }),
    { numRuns: 2_000 },
  );
});

test("key lines are read and written back the same", () => {
  const key = fc.uint8Array({ minLength: 1, maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString("base64"));
  const lifetime = fc.option(
    fc.oneof(
      fc.integer({ min: 1, max: 48 }).map((power) => `|2^${power}`),
      fc.integer({ min: 1 }).map((n) => `|${n}`),
    ),
    { nil: "" },
  );
  const mki = fc.option(
    fc.tuple(fc.nat(), fc.integer({ min: 4, max: 128 })).map(([number, length]) => `|${number}:${length}`),
    { nil: "" },
  );
  const crypto = fc
    .tuple(fc.nat(999_999_999), token, fc.array(fc.tuple(key, lifetime, mki), { minLength: 1, maxLength: 4 }))
    .map(([tag, suite, keys]) => `${tag} ${suite} ${keys.map((parts) => `inline:${parts.join("")}`).join(";")}`);
  fc.assert(
    fc.property(crypto, (text) => {
      const parsed = parseCrypto(text);
      expect(parsed && formatCrypto(parsed)).toBe(text);
    }),
    runs,
  );
});
