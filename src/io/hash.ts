import { hash as digest } from "node:crypto";
import type { Hash, HashName } from "../base/index.ts";

const NAMES: Readonly<Record<HashName, string>> = { MD5: "md5", "SHA-256": "sha256", "SHA-512-256": "sha512-256" };

/** The machine's hash functions. MD5 only proves a password to those who know nothing better (RFC 8760 §3). */
export const machineHash: Hash = (name, text) => digest(NAMES[name], Buffer.from(text, "latin1"), "hex");
