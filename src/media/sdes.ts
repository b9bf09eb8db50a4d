/** Keys in descriptions: what we offer, what we take, and what we refuse. RFC 4568 §5 and §7, RFC 8643. */
import { PeerError, type Random, randomBytes, Secret, type SrtpRekey } from "../base/index.ts";
import {
  type CryptoSuite,
  formatCrypto,
  type Media,
  suiteKeyBytes,
  type UsableCrypto,
  usableCryptos,
} from "../sdp/index.ts";
import type { LineSide, OwnKey } from "./line.ts";
import { rulesOf, type Standing } from "./party.ts";
import type { SrtpKey } from "./relay-command.ts";

/** In our order of preference. The first is the one that every SRTP phone has; short tags come last. */
const OFFERED_SUITES: readonly CryptoSuite[] = [
  "AES_CM_128_HMAC_SHA1_80",
  "AES_256_CM_HMAC_SHA1_80",
  "AEAD_AES_128_GCM",
  "AEAD_AES_256_GCM",
  "AES_CM_128_HMAC_SHA1_32",
  "AES_256_CM_HMAC_SHA1_32",
];

export interface KeyPair {
  readonly rx: SrtpKey | undefined;
  readonly tx: OwnKey | undefined;
}

/** `undefined`: no key that we can use is offered. Keys that stood before and are offered still live on, with ours. */
export function sdesForOffer(
  media: Media,
  standing: Standing,
  before: LineSide | undefined,
  random: Random,
): KeyPair | undefined {
  const cryptos = usableCryptos(media);
  const known = cryptos.find((crypto) => sameKey(before?.rx, crypto));
  const picked = known ?? cryptos[0];
  if (picked === undefined) return undefined;
  const rx = known === undefined ? keyOf(picked) : before?.rx;
  const own = before?.tx?.key;
  const keeps = rekeyOf(standing) === "keep";
  // Who begins its counters anew with a new key expects it of ours, too; under a key that was used that may not be.
  const stays =
    own !== undefined && own.suite === picked.suite && (known !== undefined || keeps || before?.rx === undefined);
  const key = stays ? own : freshKey(picked.suite, random, standing, own !== undefined && keeps);
  return { rx, tx: { tag: picked.tag, name: picked.name, key } };
}

/**
 * How a peer reads a new key: RFC 4568 §7.1.4, a new context with rollover counters of 0, as Microsoft Teams does and most
 * phones; or RFC 3711 §3.3.1, where they go on. What it sends is heard in either way.
 */
const rekeyOf = (standing: Standing): SrtpRekey => rulesOf(standing)?.srtpRekey ?? "reset";

/** `before`: the other side's key after an earlier answer. Throws PeerError 488. */
export function sdesForAnswer(media: Media, offered: readonly OwnKey[], before: SrtpKey | undefined): KeyPair {
  for (const crypto of usableCryptos(media)) {
    const own = offered.find(({ tag, key }) => tag === crypto.tag && key.suite === crypto.suite);
    if (own !== undefined) return { rx: sameKey(before, crypto) ? before : keyOf(crypto), tx: own };
  }
  // RFC 8643 §3.2: a failed key agreement fails the stream; plain RTP is not the way out.
  throw new PeerError(488, "the answer takes none of the keys that were offered");
}

/** The key that stands, or else one for each suite. */
export function offeredKeys(standing: Standing, before: LineSide | undefined, random: Random): readonly OwnKey[] {
  if (before?.tx !== undefined && before.rx !== undefined) return [before.tx];
  if (before !== undefined && before.offered.length > 0) return before.offered;
  return OFFERED_SUITES.map((suite, index) => ({
    tag: index + 1,
    name: suite,
    key: freshKey(suite, random, standing),
  }));
}

/** A new key in place of one that comes to its end. */
export const renewedKey = (old: OwnKey, standing: Standing, random: Random): OwnKey => ({
  ...old,
  key: freshKey(old.key.suite, random, standing, rekeyOf(standing) === "keep"),
});

function freshKey(suite: CryptoSuite, random: Random, standing: Standing, keepsRollover = false): SrtpKey {
  const key = new Secret(randomBytes(random, suiteKeyBytes[suite]));
  const power = rulesOf(standing)?.srtpLifetime;
  if (power === undefined && !keepsRollover) return { suite, key };
  return {
    suite,
    key,
    ...(power === undefined ? {} : { lifetimePackets: 2 ** power }),
    ...(keepsRollover ? { keepsRollover } : {}),
  };
}

/** The value of our line, with `|2^n` where the key is good for so many packets only. */
export function cryptoText({ tag, name, key: { key, lifetimePackets } }: OwnKey): string {
  const lifetime = lifetimePackets === undefined ? undefined : `2^${Math.log2(lifetimePackets)}`;
  return formatCrypto({ tag, suite: name, keys: [{ key, lifetime, mki: undefined }], sessionParams: [] });
}

const keyOf = ({ suite, key, mki, others, lifetimePackets }: UsableCrypto): SrtpKey => ({
  suite,
  key,
  ...(mki === undefined ? {} : { mki }),
  ...(others.length === 0 ? {} : { others }),
  ...(lifetimePackets === undefined ? {} : { lifetimePackets }),
});

const sameKey = (held: SrtpKey | undefined, crypto: UsableCrypto): boolean =>
  held !== undefined &&
  held.suite === crypto.suite &&
  sameBytes(held.mki, crypto.mki) &&
  sameBytes(held.key.reveal(), crypto.key.reveal()) &&
  held.lifetimePackets === crypto.lifetimePackets &&
  (held.others?.length ?? 0) === crypto.others.length &&
  crypto.others.every(({ key, mki }, index) => {
    const other = held.others?.[index];
    return other !== undefined && sameBytes(other.mki, mki) && sameBytes(other.key.reveal(), key.reveal());
  });

/** Looks at every byte: how long it takes says nothing about where two keys differ. */
function sameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  if (a.length !== b.length) return false;
  let differing = 0;
  for (let i = 0; i < a.length; i++) differing |= (a[i] as number) ^ (b[i] as number);
  return differing === 0;
}
