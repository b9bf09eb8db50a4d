/** The arithmetic against the examples of the RFCs. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Hash } from "../../../src/base/index.ts";
import { machineHash } from "../../../src/io/hash.ts";
import { hashOf } from "../../../src/registration/digest.ts";
import { type Algorithm, digestOf, ha1Of, sameDigest } from "../../../src/registration/index.ts";

const VECTORS = join(import.meta.dirname, "../../../../shared/testdata/digest-vectors/rfc7616-section-3.9.txt");

test("RFC 7616 §3.9: each Authorization of the examples has the response that we compute", () => {
  const blocks = examples();
  expect(blocks.map(({ algorithm }) => algorithm)).toEqual(["MD5", "SHA-256", "SHA-512-256", "SHA-512-256"]);
  for (const value of blocks) {
    const jason = value["realm"] === "api@example.org";
    const user = jason ? Buffer.from("Jäsøn Doe", "utf8").toString("latin1") : "Mufasa";
    const password = jason ? "Secret, or not?" : "Circle of Life";
    const algorithm = value["algorithm"] as Algorithm;
    // This example of the RFC was made with SHA-512 cut off at 256 bits, which SHA-512-256 (FIPS 180-4) is not.
    const hash: Hash = jason ? (_, text) => cutOff(text) : machineHash;
    const ha1 = ha1Of(hash, hashOf(algorithm), user, value["realm"] ?? "", password);
    const { nonce = "", cnonce = "", nc = "", uri = "" } = value;
    const input = { algorithm, ha1, nonce, cnonce, nc, uri, method: "GET", body: "", qop: "auth" as const };
    expect(digestOf(hash, input)).toBe(value["response"]);
  }
});

test("RFC 2617 §3.5: MD5 and auth", () => {
  const ha1 = ha1Of(machineHash, "MD5", "Mufasa", "testrealm@host.com", "Circle Of Life");
  expect(ha1).toBe("939e7578ed9e3c518a452acee763bce9");
  const input = {
    algorithm: "MD5" as const,
    ha1,
    nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
    method: "GET",
    uri: "/dir/index.html",
    body: "",
    qop: "auth" as const,
    nc: "00000001",
    cnonce: "0a4f113b",
  };
  expect(digestOf(machineHash, input)).toBe("6629fae49393a05397450978507c4ef1");
});

test("FIPS 180-4: the hash functions are the ones that they are called", () => {
  expect(machineHash("MD5", "")).toBe("d41d8cd98f00b204e9800998ecf8427e");
  // RFC 8760 §2.6: what a message without a body counts as.
  expect(machineHash("SHA-256", "")).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  expect(machineHash("SHA-512-256", "abc")).toBe("53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23");
  expect(machineHash("MD5", "\xe4")).not.toBe(machineHash("MD5", "\xc3\xa4"));
});

test("two digests are the same only when they are", () => {
  expect(sameDigest("abc", "abc")).toBe(true);
  for (const other of ["abd", "ab", "abcd", "", "bbc"]) expect(sameDigest("abc", other)).toBe(false);
  expect(sameDigest("", "")).toBe(true);
});

const cutOff = (text: string): string => createHash("sha512").update(text, "latin1").digest("hex").slice(0, 64);

/** The values of the Authorization headers, lines joined as they are folded there. */
function examples(): Record<string, string>[] {
  const text = readFileSync(VECTORS, "latin1").replace(/\n {10}(?=\S)/g, "");
  return [...text.matchAll(/Authorization: Digest((?:\n {7}.*|.*,)+)/g)].map(([, block = ""]) =>
    Object.fromEntries([...block.matchAll(/([\w*]+)=(?:"([^"]*)"|([^\s,]+))/g)].map(([, n, q, b]) => [n, q ?? b])),
  );
}
