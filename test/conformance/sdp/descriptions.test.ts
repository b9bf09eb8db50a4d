/** Session descriptions that others wrote: each is read and written back, or refused for a reason that stands here. */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { PeerError } from "../../../src/base/index.ts";
import { formatSdp, parseSdp, usableCryptos } from "../../../src/sdp/index.ts";

const root = new URL("../../../../shared/testdata/", import.meta.url);
const folders = ["sdp", "fuzz-seeds/pjsip-sdp", "fuzz-seeds/pjsip-sdes", "fuzz-seeds/janus-sdp_fuzzer"];

/** Comments of another program's examples, m= lines without a session, and fuzzers' rubble. */
const refused: Readonly<Record<string, string>> = {
  "mozilla-03.sdp": "SDP: it does not begin with v=0",
  "mozilla-08.sdp": "SDP: it does not begin with v=0",
  "mozilla-11.sdp": "SDP: it does not begin with v=0",
  "sofia-message-1.sdp": "SDP: it does not begin with v=0",
  "sofia-message-6.sdp": "SDP: no o= line",
  "teams-fragment-01.sdp": "SDP: it does not begin with v=0",
  "teams-fragment-02.sdp": "SDP: it does not begin with v=0",
  "teams-fragment-03.sdp": "SDP: it does not begin with v=0",
  "sdp_fuzzer-timeout-26f23f1364a16565e2f339c3297f71c275b6b0cf": "SDP: 1046271 bytes are more than 65536",
  "sdp_fuzzer-timeout-80e8c427e72e9f33f02c8a088caab69d9d97702c": "SDP: it does not begin with v=0",
  "unittest-6.sdp": "SDP: it does not begin with v=0",
  "unittest-7.sdp": "SDP: it does not begin with v=0",
};

/** Lines in an order that RFC 8866 §5 does not know, or missing ones: read, and written back in order. */
const reordered: ReadonlySet<string> = new Set([
  "sdp-transform-extmap-encrypt.sdp",
  "sdp-transform-invalid.sdp",
  "sdp-transform-mediaclk-avbtp.sdp",
  "sdp-transform-mediaclk-ptp-v2-w-rate.sdp",
  "sdp-transform-normal.sdp",
  "sdp-transform-onvif.sdp",
  "sdp-transform-sctp-dtls-26.sdp",
  "sdp-transform-tcp-active.sdp",
  "sdp-transform-ts-refclk-media.sdp",
  "sdp-transform-ts-refclk-sess.sdp",
]);

const files = folders.flatMap((folder) =>
  readdirSync(new URL(`${folder}/`, root))
    .filter((name) => name !== "SOURCE.md")
    .map((name) => ({ name, text: readFileSync(new URL(`${folder}/${name}`, root), "latin1") })),
);

test("there are descriptions to read", () => {
  expect(files.length).toBeGreaterThan(130);
});

test.each(files.filter(({ name }) => !(name in refused)))("$name is read, and written back", ({ name, text }) => {
  const sdp = parseSdp(text);
  const written = formatSdp(sdp);
  expect(parseSdp(written)).toEqual(sdp);
  // Two-line fragments of an RFC lack nearly everything; what they have comes first.
  const whole = /^s=/m.test(text) && !reordered.has(name);
  if (whole) expect(written).toBe(text.replace(/\r?\n/g, "\r\n"));
});

test.each(Object.entries(refused))("%s is refused: %s", (name, reason) => {
  const file = files.find((each) => each.name === name);
  expect(() => parseSdp(file?.text ?? "")).toThrow(new PeerError(400, reason));
});

test("of the key lines in pjsip's seeds, these can be used", () => {
  const usable: Record<string, string[]> = {};
  for (const { name, text } of files.filter((file) => file.name.startsWith("seed-crypto-"))) {
    const media = parseSdp(text).media.at(0);
    usable[name.slice(12, -4)] =
      media === undefined ? [] : usableCryptos(media).map((line) => `${line.tag} ${line.suite}`);
  }
  // Most seeds hold 28 bytes where AES_CM_128 needs 30, or 50 where AES_256_CM needs 46.
  expect(usable).toEqual({
    aes128: [],
    "duplicate-tags": [],
    "invalid-base64": [],
    "large-tag": [],
    "leading-zero-tag": [],
    "lifetime-mki": [],
    "missing-components": [],
    "missing-method": [],
    "multiple-tags": [],
    "non-decimal-tag": [],
    "session-params": [],
    "short-key": [],
    "unsupported-suite": [],
  });
});
