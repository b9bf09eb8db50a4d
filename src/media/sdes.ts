/** Keys in descriptions: what we offer, what we take, and what we refuse. RFC 4568 §5 and §7, RFC 8643. */
import { PeerError, type Random, randomBytes, Secret } from "../base/index.ts";
import { type CryptoSuite, type Media, suiteKeyBytes, type UsableCrypto, usableCryptos } from "../sdp/index.ts";
import type { LineSide, OwnKey } from "./line.ts";
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
export function sdesForOffer(media: Media, before: LineSide | undefined, random: Random): KeyPair | undefined {
  const cryptos = usableCryptos(media);
  const picked = cryptos.find((crypto) => sameKey(before?.rx, crypto)) ?? cryptos[0];
  if (picked === undefined) return undefined;
  const rx = sameKey(before?.rx, picked) ? (before as LineSide).rx : keyOf(picked);
  const key = before?.tx?.key.suite === picked.suite ? before.tx.key : freshKey(picked.suite, random);
  return { rx, tx: { tag: picked.tag, name: picked.name, key } };
}

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
export function offeredKeys(before: LineSide | undefined, random: Random): readonly OwnKey[] {
  if (before?.tx !== undefined && before.rx !== undefined) return [before.tx];
  if (before !== undefined && before.offered.length > 0) return before.offered;
  return OFFERED_SUITES.map((suite, index) => ({ tag: index + 1, name: suite, key: freshKey(suite, random) }));
}

const freshKey = (suite: CryptoSuite, random: Random): SrtpKey => ({
  suite,
  key: new Secret(randomBytes(random, suiteKeyBytes[suite])),
});

const keyOf = ({ suite, key, mki }: UsableCrypto): SrtpKey =>
  mki === undefined ? { suite, key } : { suite, key, mki };

const sameKey = (held: SrtpKey | undefined, crypto: UsableCrypto): boolean =>
  held !== undefined &&
  held.suite === crypto.suite &&
  sameBytes(held.mki, crypto.mki) &&
  sameBytes(held.key.reveal(), crypto.key.reveal());

/** Looks at every byte: how long it takes says nothing about where two keys differ. */
function sameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  if (a.length !== b.length) return false;
  let differing = 0;
  for (let i = 0; i < a.length; i++) differing |= (a[i] as number) ^ (b[i] as number);
  return differing === 0;
}
