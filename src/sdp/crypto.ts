/** `a=crypto` lines: RFC 4568 §9, with the suites of RFC 6188 and RFC 7714. */
import { Secret } from "../base/index.ts";
import { decodeBase64, encodeBase64 } from "./base64.ts";
import { sdpLimits } from "./limits.ts";
import { numberIn } from "./parse.ts";
import type { Media } from "./sdp.ts";

export type CryptoSuite =
  | "AES_CM_128_HMAC_SHA1_80"
  | "AES_CM_128_HMAC_SHA1_32"
  | "AES_192_CM_HMAC_SHA1_80"
  | "AES_192_CM_HMAC_SHA1_32"
  | "AES_256_CM_HMAC_SHA1_80"
  | "AES_256_CM_HMAC_SHA1_32"
  | "AEAD_AES_128_GCM"
  | "AEAD_AES_256_GCM";

/** Bytes of master key and master salt together. RFC 4568 §6.2, RFC 6188 §3, RFC 7714 §12. */
export const suiteKeyBytes: Readonly<Record<CryptoSuite, number>> = {
  AES_CM_128_HMAC_SHA1_80: 30,
  AES_CM_128_HMAC_SHA1_32: 30,
  AES_192_CM_HMAC_SHA1_80: 38,
  AES_192_CM_HMAC_SHA1_32: 38,
  AES_256_CM_HMAC_SHA1_80: 46,
  AES_256_CM_HMAC_SHA1_32: 46,
  AEAD_AES_128_GCM: 28,
  AEAD_AES_256_GCM: 44,
};

const SUITES: ReadonlyMap<string, CryptoSuite> = new Map(
  (Object.keys(suiteKeyBytes) as CryptoSuite[]).map((suite) => [suite, suite]),
);

/** The suite of that name. Phones also write the long ones with the number last, as drafts once did. */
export function suiteNamed(name: string): CryptoSuite | undefined {
  const known = SUITES.get(name);
  if (known !== undefined) return known;
  const draft = /^AES_CM_(192|256)_HMAC_SHA1_(32|80)$/.exec(name);
  return draft === null ? undefined : (`AES_${draft[1]}_CM_HMAC_SHA1_${draft[2]}` as CryptoSuite);
}

/** One line, grammar only: the suite may be unknown to us and the keys of any length. */
export interface CryptoLine {
  /** 0 to 999 999 999. */
  readonly tag: number;
  readonly suite: string;
  readonly keys: readonly CryptoKey[];
  readonly sessionParams: readonly string[];
}

export interface CryptoKey {
  /** Master key, then master salt. */
  readonly key: Secret<Uint8Array>;
  /** `2^n` or a number of packets, as written. */
  readonly lifetime: string | undefined;
  readonly mki: Uint8Array | undefined;
}

/** The value of `a=crypto:`; `undefined` when it is malformed. */
export function parseCrypto(value: string): CryptoLine | undefined {
  const [tagText = "", suite = "", keyParams = "", ...sessionParams] = value.trim().split(/[ \t]+/, 16);
  const tag =
    tagText.length > 9 || (tagText.length > 1 && tagText.startsWith("0")) ? -1 : numberIn(tagText, 999_999_999);
  if (tag < 0 || suite === "" || keyParams === "") return undefined;
  const keys: CryptoKey[] = [];
  for (const param of keyParams.split(";", 17)) {
    const key = parseKey(param);
    if (key === undefined) return undefined;
    keys.push(key);
  }
  return { tag, suite, keys, sessionParams };
}

function parseKey(param: string): CryptoKey | undefined {
  if (param.slice(0, 7).toLowerCase() !== "inline:") return undefined;
  const [keyText = "", ...rest] = param.slice(7).split("|", 4);
  const key = decodeBase64(keyText);
  if (key === undefined || key.length === 0 || rest.length > 2) return undefined;
  let lifetime: string | undefined;
  let mki: Uint8Array | undefined;
  for (const [index, part] of rest.entries()) {
    if (part.includes(":")) {
      mki = index === rest.length - 1 ? parseMki(part) : undefined;
      if (mki === undefined) return undefined;
    } else {
      if (index !== 0 || !isLifetime(part)) return undefined;
      lifetime = part;
    }
  }
  return { key: new Secret(key), lifetime, mki };
}

/** In packets: at most 2^48, the SRTP limit. RFC 3711 §9.2. */
function isLifetime(text: string): boolean {
  const power = text.startsWith("2^") ? numberIn(text.slice(2), 48) : -1;
  return power > 0 || (/^[1-9][0-9]{0,14}$/.test(text) && Number(text) <= 2 ** 48);
}

/** `value:length`: the number in that many bytes, most significant first. */
function parseMki(text: string): Uint8Array | undefined {
  const colon = text.indexOf(":");
  const length = numberIn(text.slice(colon + 1), 128);
  const digits = text.slice(0, colon);
  if (length < 1 || !/^(0|[1-9][0-9]{0,19})$/.test(digits)) return undefined;
  let value = BigInt(digits);
  const bytes = new Uint8Array(length);
  for (let i = length - 1; i >= 0 && value > 0n; i--) {
    bytes[i] = Number(value & 0xffn);
    value >>= 8n;
  }
  return value === 0n ? bytes : undefined;
}

/** The value for `a=crypto:`. The one place where a key becomes text. */
export function formatCrypto(line: CryptoLine): string {
  const keys = line.keys.map(({ key, lifetime, mki }) => {
    let text = `inline:${encodeBase64(key.reveal())}`;
    if (lifetime !== undefined) text += `|${lifetime}`;
    if (mki !== undefined) text += `|${mkiNumber(mki)}:${mki.length}`;
    return text;
  });
  return [`${line.tag} ${line.suite} ${keys.join(";")}`, ...line.sessionParams].join(" ");
}

function mkiNumber(mki: Uint8Array): bigint {
  let value = 0n;
  for (const byte of mki) value = (value << 8n) | BigInt(byte);
  return value;
}

/** A line that we can work with: a suite we have, keys of its length, no parameters that change SRTP. */
export interface UsableCrypto {
  readonly tag: number;
  /** As the peer wrote it: an answer repeats it. */
  readonly name: string;
  readonly suite: CryptoSuite;
  readonly key: Secret<Uint8Array>;
  readonly mki: Uint8Array | undefined;
  /** What it may go over to; each with an MKI as long as `mki`, and no two alike. */
  readonly others: readonly { readonly key: Secret<Uint8Array>; readonly mki: Uint8Array }[];
  /** The least of its keys', in packets; `undefined`: it says none. */
  readonly lifetimePackets: number | undefined;
}

/** In the peer's order of preference. Malformed, unknown and unusable lines, and tags seen before, are left out. */
export function usableCryptos(media: Media): UsableCrypto[] {
  const usable: UsableCrypto[] = [];
  const tags: number[] = [];
  for (const { name, value } of media.attributes) {
    if (name !== "crypto" || value === undefined) continue;
    if (tags.length === sdpLimits.cryptoLines) break;
    const line = parseCrypto(value);
    if (line === undefined || tags.includes(line.tag)) continue;
    tags.push(line.tag);
    const found = asUsable(line);
    if (found !== undefined) usable.push(found);
  }
  return usable;
}

/** Limit: keys of one line; a line with more is passed over. */
const KEYS_OF_A_LINE = 8;

function asUsable(line: CryptoLine): UsableCrypto | undefined {
  const suite = suiteNamed(line.suite);
  const [first, ...rest] = line.keys;
  if (suite === undefined || first === undefined || line.keys.length > KEYS_OF_A_LINE) return undefined;
  if (line.keys.some(({ key }) => key.reveal().length !== suiteKeyBytes[suite])) return undefined;
  if (!line.sessionParams.every(isHarmless)) return undefined;
  const others: { key: Secret<Uint8Array>; mki: Uint8Array }[] = [];
  const names = new Set([String(first.mki)]);
  for (const { key, mki } of rest) {
    // RFC 4568 §6.1: several keys are told apart by MKIs of one length.
    if (mki === undefined || mki.length !== first.mki?.length || names.has(String(mki))) return undefined;
    names.add(String(mki));
    others.push({ key, mki });
  }
  const lifetimes = line.keys.flatMap(({ lifetime }) => (lifetime === undefined ? [] : [packetsOf(lifetime)]));
  const lifetimePackets = lifetimes.length === 0 ? undefined : Math.min(...lifetimes);
  const name = line.suite === suite ? suite : line.suite;
  return { tag: line.tag, name, suite, key: first.key, mki: first.mki, others, lifetimePackets };
}

const packetsOf = (lifetime: string): number =>
  lifetime.startsWith("2^") ? 2 ** Number(lifetime.slice(2)) : Number(lifetime);

/**
 * WSH only advises, and "-" marks what may be ignored (RFC 4568 §6.3.7). Everything else changes the packets (KDR, FEC,
 * UNENCRYPTED_*) or drops protection that we insist on (UNAUTHENTICATED_SRTP).
 */
const isHarmless = (param: string): boolean => /^WSH=[0-9]{2,4}$/.test(param) || param.startsWith("-");
