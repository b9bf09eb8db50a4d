/** Offer and answer: RFC 3264 as functions. They judge; the media room acts. */
import { numberIn } from "./parse.ts";
import { isUdptl, profileOf } from "./profile.ts";
import type { Media, Sdp } from "./sdp.ts";

/** Why this answer does not fit that offer; `undefined` when it does. RFC 3264 §6. */
export function answerFault(offer: Pick<Sdp, "media">, answer: Sdp): string | undefined {
  if (answer.media.length !== offer.media.length) {
    return `the answer has ${answer.media.length} m= lines, the offer ${offer.media.length}`;
  }
  for (const [index, answered] of answer.media.entries()) {
    const fault = lineFault(offer.media[index] as Media, answered);
    if (fault !== undefined) return `m= line ${index + 1}: ${fault}`;
  }
  return undefined;
}

function lineFault(offered: Media, answered: Media): string | undefined {
  // A port in answer to port 0 is a fault that harms nobody: the stream stays off whatever the answer says.
  if (answered.port === 0 || offered.port === 0) return undefined;
  if (answered.kind !== offered.kind) return `it answers ${offered.kind} with ${answered.kind}`;
  if (!sameFamily(offered.protocol, answered.protocol)) {
    return `it answers ${offered.protocol} with ${answered.protocol}`;
  }
  return undefined;
}

// Deviation: RFC 3264 §6.1 wants formats of the offer in the answer. Endpoints that answer with another one send it, too,
// and the other side may well play it: refusing would end a call that works without us.

// Deviation: RFC 3264 §6 wants the very protocol back; endpoints answer RTP/AVPF with RTP/AVP, keys with RTP/SAVP, and a
// fingerprint with UDP/TLS/RTP/SAVP, or without it. Whether the protection is enough is the media room's verdict.
const sameFamily = (offered: string, answered: string): boolean =>
  (profileOf(offered) !== undefined && profileOf(answered) !== undefined) ||
  (isUdptl(offered) && isUdptl(answered)) ||
  offered.toLowerCase() === answered.toLowerCase();

/** Why this offer cannot follow what was agreed before; `undefined` when it can. RFC 3264 §8. */
export function reofferFault(agreedLines: number, offer: Sdp): string | undefined {
  if (offer.media.length < agreedLines) {
    return `the new offer has ${offer.media.length} m= lines, there were ${agreedLines}`;
  }
  return undefined;
}

/** Payload types are 0 to 127, each named once. RFC 3550 §5.1, RFC 8866 §5.14. */
export function areRtpFormats(formats: readonly string[]): boolean {
  for (let index = 0; index < formats.length; index++) {
    const format = formats[index] as string;
    if (!isPayloadType(format) || formats.indexOf(format) !== index) return false;
  }
  return formats.length > 0;
}

/** Without leading zeros: two texts are two types. */
const isPayloadType = (format: string): boolean =>
  numberIn(format, 127) >= 0 && (format.length === 1 || format.charCodeAt(0) !== ZERO);

const ZERO = 48;
