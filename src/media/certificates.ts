/**
 * Which certificate of ours an association shows. A leg's first ones show the relay's own. One that follows shows a new one:
 * RFC 8842 §3.1 counts another tls-id for a new association, but ends that know no tls-id, browsers among them, shake hands
 * again only for another fingerprint.
 */
import { type LineDtls, showing } from "./association.ts";
import type { OfferContext } from "./offer.ts";
import type { SideIndex } from "./party.ts";
import type { DtlsIdentity } from "./relay-command.ts";
import { isCertified } from "./voice.ts";

/** `dtls` of that line with the certificate it is to show, if it is not `before`, which has one already. */
export function certified(
  context: OfferContext,
  side: SideIndex,
  index: number,
  before: LineDtls | undefined,
  dtls: LineDtls | undefined,
): LineDtls | undefined {
  if (dtls === undefined || dtls.tlsId === before?.tlsId) return dtls;
  return showing(dtls, identityFor(context, side, index));
}

function identityFor(
  { base, identity, legs, session }: OfferContext,
  side: SideIndex,
  index: number,
): DtlsIdentity | undefined {
  const { party, voice } = legs[side];
  if (party.shaken !== true && !isCertified(voice)) return undefined;
  if (session.upcoming[side] === undefined && base.lines[index]?.sides[side].dtls === undefined) {
    // A line that comes to others: nobody has shaken hands on it, and it may be bundled with them.
    const other = base.lines.find((line) => line?.sides[side].dtls !== undefined);
    if (other !== undefined) return other.sides[side].dtls?.identity;
  }
  return identity(side);
}
