/** Our accounts at peers: from the file and the files that it names to settings. */
import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { type AuthSettings, type HashName, type RegisterSettings, Secret } from "../../base/index.ts";
import { canonicalIp, isHostName } from "./addresses.ts";
import { fileTrouble } from "./certificates.ts";
import { type Path, quoted } from "./fault.ts";
import type { Findings } from "./findings.ts";
import type { ConfigPeer } from "./schema.ts";

type ConfigRegister = NonNullable<ConfigPeer["register"]>;
type ConfigAuth = NonNullable<ConfigPeer["auth"]>;

/** Limit: a password file over this is refused unread. In bytes. */
const MAX_PASSWORD_BYTES = 4_096;
const HASHES: readonly HashName[] = ["MD5", "SHA-256", "SHA-512-256"];

/** `directory`: what paths are relative to. */
export function readAuth(auth: ConfigAuth, path: Path, directory: string, findings: Findings): AuthSettings {
  const ha1 = new Map<HashName, Secret<string>>();
  for (const name of HASHES) {
    const digest = auth.ha1?.[name];
    if (digest !== undefined) ha1.set(name, new Secret(digest.toLowerCase()));
  }
  const hashes = auth.algorithms ?? HASHES;
  checkWays(auth, ha1, hashes, path, findings);
  const fromFile =
    auth.passwordFile === undefined
      ? undefined
      : readPassword(resolve(directory, auth.passwordFile), [...path, "passwordFile"], findings);
  const password = auth.password ?? fromFile;
  return {
    user: bytesOf(auth.user),
    realm: auth.realm === undefined ? undefined : bytesOf(auth.realm),
    password: password === undefined ? undefined : new Secret(bytesOf(password)),
    ha1,
    hashes,
  };
}

const DEFAULT_REGISTER_SECONDS = 600;

export function readRegister(register: ConfigRegister, path: Path, findings: Findings): RegisterSettings {
  const [, scheme = "sip", user = "", host = ""] = ADDRESS_OF_RECORD.exec(register.aor) ?? [];
  if (host === "" || (canonicalIp(host) === undefined && !isHostName(host)))
    findings.fault(
      [...path, "aor"],
      `${quoted(register.aor)} is no address of record`,
      "write it as in sip:12345@carrier.example.com",
    );
  const gin = register.gin ?? false;
  if (gin && register.contactUser !== undefined)
    findings.fault([...path, "contactUser"], "with gin the numbers are the users", "take one of both out");
  return {
    aor: `${scheme.toLowerCase()}:${user}@${host.toLowerCase()}`,
    scheme: scheme.toLowerCase() === "sips" ? "sips" : "sip",
    user,
    host: host.toLowerCase(),
    contactUser: register.contactUser ?? user,
    everySeconds: register.everySeconds ?? DEFAULT_REGISTER_SECONDS,
    gin,
  };
}

/** RFC 3261 §10.3: no parameters, no port, no password. */
const ADDRESS_OF_RECORD = /^(sips?):([A-Za-z0-9\-_.!~*'()&=+$,;?/%]+)@([A-Za-z0-9.-]+)$/i;

/** One way to prove who we are: not none, and not two that may contradict each other. */
function checkWays(
  auth: ConfigAuth,
  ha1: ReadonlyMap<HashName, unknown>,
  hashes: readonly HashName[],
  path: Path,
  findings: Findings,
): void {
  const given = (["password", "passwordFile", "ha1"] as const).filter((name) => auth[name] !== undefined);
  const [first, second] = given;
  if (first === undefined)
    findings.fault(path, "there is nothing to prove the user by", "write password, passwordFile or ha1");
  if (second !== undefined) findings.fault([...path, second], `${first} is there as well`, "keep one of them");
  if (auth.ha1 === undefined) return;
  if (auth.realm === undefined || auth.realm === "*")
    findings.fault([...path, "ha1"], "a digest is good for one realm only", "write that realm");
  if (!hashes.some((name) => ha1.has(name)))
    findings.fault([...path, "ha1"], "it has none of the algorithms that may be used", "write one of theirs");
}

function readPassword(file: string, path: Path, findings: Findings): string | undefined {
  try {
    const { size, mode } = statSync(file);
    if (size > MAX_PASSWORD_BYTES) {
      findings.fault(path, `${file} has ${size} bytes`, "name a file with one line");
      return undefined;
    }
    if ((mode & 0o007) !== 0)
      findings.warning(path, `every user of this machine may read ${file}`, "run chmod o= on it");
    const [line = ""] = readFileSync(file, "utf8").split(/\r?\n/);
    if (line === "") findings.fault(path, `the first line of ${file} is empty`, "write the password there");
    return line === "" ? undefined : line;
  } catch (error) {
    findings.fault(path, `${file} ${fileTrouble(error)}`, "make it, or name another");
    return undefined;
  }
}

/** As UTF-8, one char a byte: so texts go into a digest and over the wire (RFC 7616 §4). */
const bytesOf = (text: string): string => Buffer.from(text, "utf8").toString("latin1");
