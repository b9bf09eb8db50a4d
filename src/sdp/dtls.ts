/** DTLS as a description speaks of it: `a=fingerprint` (RFC 8122), `a=setup` (RFC 4145, RFC 5763) and `a=tls-id` (RFC 8842). */
import { attribute } from "./attributes.ts";
import { sdpLimits } from "./limits.ts";
import type { Media, Sdp } from "./sdp.ts";

/** The hash functions that we believe in. RFC 8122 §5 forbids MD2 and MD5; SHA-1 is no longer worth more. */
export type FingerprintHash = "sha-256" | "sha-384" | "sha-512";

export interface Fingerprint {
  readonly hash: FingerprintHash;
  /** As many bytes as the hash function gives. */
  readonly value: Uint8Array;
}

export type Setup = "active" | "passive" | "actpass" | "holdconn";

export interface DtlsWords {
  /** Any of them may match; all are of one hash function, the strongest of those named. Never empty. RFC 8122 §5.1. */
  readonly fingerprints: readonly Fingerprint[];
  /** `undefined`: nothing that can be read. */
  readonly setup: Setup | undefined;
  readonly tlsId: string | undefined;
}

/** What this line says of DTLS, or else its session; `undefined` when neither has a fingerprint that we can check. */
export function dtlsWords(media: Media, session: Sdp): DtlsWords | undefined {
  const own = media.attributes.some(({ name }) => name === "fingerprint");
  const fingerprints = strongest((own ? media : session).attributes);
  if (fingerprints.length === 0) return undefined;
  const tlsId = attribute(media, "tls-id")?.trim();
  return {
    fingerprints,
    setup: setupOf(attribute(media, "setup") ?? attribute(session, "setup")),
    tlsId: tlsId !== undefined && TLS_ID.test(tlsId) ? tlsId : undefined,
  };
}

/** Is there a fingerprint at all, whatever it is worth? */
export const hasFingerprint = (media: Media, session: Sdp): boolean =>
  attribute(media, "fingerprint") !== undefined || attribute(session, "fingerprint") !== undefined;

/** RFC 8842 §4. */
const TLS_ID = /^[A-Za-z0-9+/_-]{20,255}$/;

function setupOf(value: string | undefined): Setup | undefined {
  const word = value?.trim().toLowerCase();
  return word === "active" || word === "passive" || word === "actpass" || word === "holdconn" ? word : undefined;
}

const HASH_BYTES: Readonly<Record<string, number>> = { "sha-256": 32, "sha-384": 48, "sha-512": 64 };

function strongest(attributes: Media["attributes"]): readonly Fingerprint[] {
  let best: Fingerprint[] = [];
  let looked = 0;
  for (const { name, value } of attributes) {
    if (name !== "fingerprint" || value === undefined) continue;
    if (++looked > sdpLimits.fingerprints) break;
    const found = parseFingerprint(value);
    if (found === undefined) continue;
    const most = best[0]?.value.length ?? 0;
    if (found.value.length > most) best = [found];
    else if (found.value.length === most) best.push(found);
  }
  return best;
}

/** `sha-256 12:DF:…`; `undefined` when it is malformed, or of a hash function that we do not take. */
export function parseFingerprint(value: string): Fingerprint | undefined {
  const [name = "", digits = "", ...rest] = value.trim().split(/ +/, 3);
  const hash = name.toLowerCase();
  const bytes = Object.hasOwn(HASH_BYTES, hash) ? (HASH_BYTES[hash] as number) : 0;
  if (bytes === 0 || rest.length > 0 || digits.length !== bytes * 3 - 1 || !HEX_PAIRS.test(digits)) return undefined;
  const octets = Uint8Array.from(digits.split(":"), (pair) => Number.parseInt(pair, 16));
  return { hash: hash as FingerprintHash, value: octets };
}

const HEX_PAIRS = /^[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2})*$/;

/** The value for `a=fingerprint:`. */
export function formatFingerprint({ hash, value }: Fingerprint): string {
  const pairs = Array.from(value, (octet) => octet.toString(16).toUpperCase().padStart(2, "0"));
  return `${hash} ${pairs.join(":")}`;
}

export const sameFingerprints = (some: readonly Fingerprint[], others: readonly Fingerprint[]): boolean =>
  some.length === others.length && some.every((one) => others.some((other) => sameFingerprint(one, other)));

const sameFingerprint = (one: Fingerprint, other: Fingerprint): boolean =>
  one.hash === other.hash && one.value.every((octet, index) => octet === other.value[index]);
