/**
 * What the native relay costs by itself: cryptography a relayed packet beside the bare library and beside OpenSSL EVP with
 * contexts kept per key, and CPU and memory of twenty thousand open calls. The programs do the measuring (native/crypto/bench,
 * native/io/bench), interleaved and as medians; here they are run and their lines taken. Where
 * descriptors are too few for so many, fewer calls are opened, and `opened` tells how many.
 */
import { execFileSync } from "node:child_process";
import type { Bench, BenchLine } from "./bench.ts";

const RUNS = String(Number(process.env["ROUNDS"] ?? 5));
const CALLS = String(Number(process.env["CALLS"] ?? 20_000));
const SUITES = ["AES_CM_128_HMAC_SHA1_80", "AES_256_CM_HMAC_SHA1_80", "AEAD_AES_128_GCM", "AEAD_AES_256_GCM"];

const programs = [
  {
    path: "crypto/bench/srtp_bench",
    words: [RUNS],
    names: SUITES.flatMap((suite) => [`media.crypto.${suite}.bare`, `media.crypto.${suite}`]),
  },
  {
    path: "io/calls_bench",
    words: [CALLS, RUNS],
    names: ["media.memory", "media.memory.both", "media.open", "media.open.sockets"],
  },
];

export const bench: Bench = {
  names: programs.flatMap(({ names }) => names),

  async run(wanted, report) {
    for (const { path, words, names } of programs) {
      if (!names.some(wanted)) continue;
      const program = new URL(`../../build/native/${path}`, import.meta.url).pathname;
      const out = execFileSync(program, words, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
      for (const text of out.trim().split("\n")) {
        const line = JSON.parse(text) as BenchLine;
        if (wanted(line.bench)) report(line);
      }
    }
  },
};
