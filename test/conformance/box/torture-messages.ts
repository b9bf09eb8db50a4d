/** The torture messages of RFC 4475, from the archive in its appendix and from the shared test data. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { type Sample, samples } from "../message/corpus.ts";

const RFC = join(import.meta.dirname, "../../../../shared/rfc/rfc4475.txt");
const BLOCK = 512;

/** Every message of the archive, and of the shared set, once each. */
export function tortureMessages(): readonly Sample[] {
  const found = new Map(samples("sip-torture-rfc4475", /\.dat$/).map((sample) => [sample.name, sample]));
  if (existsSync(RFC)) for (const sample of archive(readFileSync(RFC, "latin1"))) found.set(sample.name, sample);
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** RFC 4475 §A.1: base64 lines without blanks between two marks, of a gzipped tar. */
function archive(rfc: string): Sample[] {
  const from = rfc.lastIndexOf("-- BEGIN MESSAGE ARCHIVE --");
  const lines = rfc.slice(from, rfc.lastIndexOf("-- END MESSAGE ARCHIVE --")).split("\n");
  const base64 = lines.filter((line) => /^\s*\S+\s*$/.test(line)).join("");
  return files(gunzipSync(Buffer.from(base64, "base64")));
}

/** A tar file: a header block with name and octal size, then the content in whole blocks. */
function files(tar: Buffer): Sample[] {
  const found: Sample[] = [];
  for (let at = 0; at + BLOCK <= tar.length && tar[at] !== 0; ) {
    const name = tar.toString("latin1", at, at + 100).replace(/\0.*$/s, "");
    const size = Number.parseInt(tar.toString("latin1", at + 124, at + 136), 8);
    if (name.endsWith(".dat")) found.push({ name, text: tar.toString("latin1", at + BLOCK, at + BLOCK + size) });
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
  return found;
}
