/** The users of a domain: a file of digests, one a line, as htdigest writes it and a little more. */
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import type { HashName, UserTable } from "../../base/index.ts";
import { fileTrouble } from "./certificates.ts";
import { type Path, quoted } from "./fault.ts";
import type { Findings } from "./findings.ts";

/** Limit: a file over this is refused unread. In bytes. */
const MAX_USERS_BYTES = 64 * 1_024 * 1_024;
/** Limit: lines of one file that are found wrong and told; the others mostly are so in the same way. */
const MAX_LINE_FAULTS = 5;

const HASHES: readonly HashName[] = ["MD5", "SHA-256", "SHA-512-256"];
/** `user:realm:digest` (MD5) or `user:realm:algorithm:digest`. A user and a realm have no colon (RFC 7616 §3.4.2). */
const LINE = /^([^:]{1,256}):([^:]{1,256}):(?:(MD5|SHA-256|SHA-512-256):)?([0-9A-Fa-f]{32}|[0-9A-Fa-f]{64})$/;

/** By user: digests in the order of HASHES, each in hex or empty. Bytes, one char each, as they come over the wire. */
export class DigestTable implements UserTable {
  readonly #digests = new Map<string, string[]>();
  readonly #seal: string;

  constructor(seal: string) {
    this.#seal = seal;
  }

  get size(): number {
    return this.#digests.size;
  }

  add(user: string, name: HashName, digest: string): void {
    let digests = this.#digests.get(user);
    if (digests === undefined) this.#digests.set(user, (digests = ["", "", ""]));
    digests[HASHES.indexOf(name)] = digest.toLowerCase();
  }

  ha1(user: string, name: HashName): string | undefined {
    return this.#digests.get(user)?.[HASHES.indexOf(name)] || undefined;
  }

  /** Hash functions that every user has a digest of. */
  common(): readonly HashName[] {
    const all = [...this.#digests.values()];
    return HASHES.filter((_, index) => all.every((digests) => digests[index] !== ""));
  }

  toString(): string {
    return this.#seal;
  }
}

/** `realm`: lines of others are passed over. An unreadable file is a fault, and gives an empty table. */
export function readUsers(file: string, realm: string, path: Path, findings: Findings): DigestTable {
  const text = readFileText(file, path, findings);
  const table = new DigestTable(createHash("sha256").update(text).digest("hex"));
  let faults = 0;
  for (const [index, written] of text.split("\n").entries()) {
    const line = written.trimEnd();
    if (line === "" || line.startsWith("#")) continue;
    const [, user, place, name = "MD5", digest = ""] = LINE.exec(line) ?? [];
    if (user === undefined || digest.length !== (name === "MD5" ? 32 : 64)) {
      // The line itself is not shown: somebody may have written a password there.
      if (++faults <= MAX_LINE_FAULTS)
        findings.fault(path, `line ${index + 1} of ${file} is no user`, "write user:realm:algorithm:digest");
    } else if (place === realm) table.add(user, name as HashName, digest);
  }
  if (table.size === 0 && faults === 0 && text !== "")
    findings.warning(path, `${file} has nobody of the realm ${quoted(realm)}`, "add a line, or mend digestRealm");
  return table;
}

function readFileText(file: string, path: Path, findings: Findings): string {
  try {
    const { size, mode } = statSync(file);
    if (size > MAX_USERS_BYTES) {
      findings.fault(path, `${file} has ${size} bytes`, `keep it under ${MAX_USERS_BYTES}`);
      return "";
    }
    if ((mode & 0o007) !== 0)
      findings.warning(path, `every user of this machine may read ${file}`, "run chmod o= on it");
    return readFileSync(file, "latin1");
  } catch (error) {
    findings.fault(path, `${file} ${fileTrouble(error)}`, "make it, or name another");
    return "";
  }
}
