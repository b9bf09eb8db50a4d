/** Are the TLS files there, do they fit each other, and are they valid now? */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import type { CertificateFiles, TlsSettings } from "../../base/index.ts";
import type { Path } from "./fault.ts";
import type { Findings } from "./findings.ts";

/** Limit: a TLS file over this is refused unread. In bytes. */
const MAX_PEM_BYTES = 4 * 1_024 * 1_024;
const DAY_MS = 86_400_000;
/** A certificate that ends sooner than this is worth a warning. */
const ENDS_SOON_MS = 14 * DAY_MS;

/** `wallMs`: milliseconds since 1970. Reports faults below `path`. */
export function checkTlsFiles(files: TlsSettings, path: Path, wallMs: number, findings: Findings): void {
  checkPair(files, path, wallMs, findings);
  for (const [index, other] of (files.others ?? []).entries())
    checkPair(other, [...path, "others", index], wallMs, findings);
  if (files.ca !== undefined) readCertificates(files.ca, [...path, "ca"], findings);
}

function checkPair(files: CertificateFiles, path: Path, wallMs: number, findings: Findings): void {
  const leaf = checkCertificate(files.certificate, [...path, "certificate"], wallMs, findings);
  const key = checkKey(files.key, [...path, "key"], findings);
  if (leaf !== undefined && key !== undefined && !leaf.checkPrivateKey(key))
    findings.fault(
      [...path, "key"],
      `${files.key} is not the key of ${files.certificate}`,
      "name the key it was made with",
    );
}

function checkCertificate(file: string, path: Path, wallMs: number, findings: Findings): X509Certificate | undefined {
  const leaf = readCertificates(file, path, findings)?.[0];
  if (leaf === undefined) return undefined;
  const from = Date.parse(leaf.validFrom);
  const to = Date.parse(leaf.validTo);
  if (wallMs < from)
    findings.fault(path, `the certificate is not valid before ${day(from)}`, "wait, set the clock, or name another");
  else if (wallMs > to) findings.fault(path, `the certificate expired on ${day(to)}`, "renew it");
  else if (wallMs > to - ENDS_SOON_MS) findings.warning(path, `the certificate expires on ${day(to)}`, "renew it");
  return leaf;
}

function readCertificates(file: string, path: Path, findings: Findings): readonly X509Certificate[] | undefined {
  const pem = readFile(file, path, findings);
  if (pem === undefined) return undefined;
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) {
    findings.fault(path, `${file} has no PEM certificate`, "name a file that begins with -----BEGIN CERTIFICATE-----");
    return undefined;
  }
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch {
    findings.fault(path, `${file} has a certificate that cannot be read`, "make the file again");
    return undefined;
  }
}

function checkKey(file: string, path: Path, findings: Findings): KeyObject | undefined {
  const pem = readFile(file, path, findings);
  if (pem === undefined) return undefined;
  try {
    if ((statSync(file).mode & 0o007) !== 0)
      findings.warning(path, `every user of this machine may read ${file}`, "run chmod o= on it");
    return createPrivateKey(pem);
  } catch {
    const isEncrypted = /ENCRYPTED/.test(pem);
    findings.fault(
      path,
      isEncrypted ? `${file} is encrypted` : `${file} has no PEM private key`,
      isEncrypted
        ? "decrypt it, and guard the file by its mode"
        : "name a file that begins with -----BEGIN PRIVATE KEY-----",
    );
    return undefined;
  }
}

function readFile(file: string, path: Path, findings: Findings): string | undefined {
  try {
    const { size } = statSync(file);
    if (size <= MAX_PEM_BYTES) return readFileSync(file, "latin1");
    findings.fault(path, `${file} has ${size} bytes`, "name a PEM file");
  } catch (error) {
    findings.fault(path, `${file} ${fileTrouble(error)}`, "make it, name another, or run make build for test files");
  }
  return undefined;
}

/** The trouble with a file, in words. */
export function fileTrouble(error: unknown): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case "ENOENT":
      return "does not exist";
    case "EACCES":
    case "EPERM":
      return "may not be read by this user";
    case "EISDIR":
      return "is a directory";
    default:
      return `cannot be read (${(error as NodeJS.ErrnoException).code ?? "error"})`;
  }
}

const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
