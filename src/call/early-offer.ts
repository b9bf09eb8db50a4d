/**
 * Offers in UPDATE: which may go on, and which the box answers itself because the other side cannot be asked before the
 * call is answered. RFC 3311 §5, RFC 6337 §4.
 */
import { PeerError } from "../base/index.ts";
import type { Dialog, Exchange } from "../leg/index.ts";
import { direction, parseSdp } from "../sdp/index.ts";
import type { Call } from "./call.ts";

export type OfferVerdict =
  | "pass"
  | "here" // The box answers, with what the other side said last.
  | "as re-INVITE"
  | "glare" // 491: an offer of ours is under way on that dialog.
  | "later"; // 500 and Retry-After.

/** By what is under way on the dialog that the offer came on, and then on its twin. */
const figure: Record<Exchange, OfferVerdict | Record<Exchange, readonly [early: OfferVerdict, up: OfferVerdict]>> = {
  none: "later",
  theirs: "later", // RFC 3311 §5.2: their own offer has no answer yet.
  ours: "glare",
  settled: {
    none: ["later", "later"],
    theirs: ["later", "later"],
    ours: ["here", "later"], // The answer that this side has was a plain one over there: it still binds nobody.
    settled: ["pass", "pass"],
  },
};

/** What becomes of an offer that came in an UPDATE in `dialog`. */
export function offerVerdict(call: Call, dialog: Dialog, twin: Dialog): OfferVerdict {
  const { leg } = dialog;
  const early = call.state === "setup";
  const first = figure[dialog.exchange];
  if (typeof first === "string") return first;
  if (!early && leg.inviteServer?.pending) return "later"; // Their own re-INVITE, which waits for an offer.
  if (!early && (leg.reinvite?.pending || leg.inviteServer?.awaitingAck) && leg.state === "up") return "glare";
  // An answer in a reliable 1xx that no PRACK has confirmed: RFC 3311 §5.1 lets neither end go on from there.
  const ofCaller = leg.side === "caller" ? dialog : twin;
  const unsettled = early || ofCaller.leg.state === "answering";
  if (unsettled && ofCaller.leg.inviteServer?.describing(ofCaller)) return "later";
  const verdict = first[twin.exchange][early ? 0 : 1];
  if (verdict !== "pass" || twin.allowsMethod("UPDATE")) return verdict;
  if (early) return "here";
  return twin.leg.idle ? "as re-INVITE" : "later";
}

/**
 * The answer of the box itself to a caller's offer, when it moves or narrows the media but asks for no other direction:
 * then the callee need not know. `undefined`: that is not so, or the callee has said nothing yet.
 */
export function answerHere(call: Call, dialog: Dialog, sdp: string): string | undefined {
  const { twin } = dialog;
  const before = dialog.earlyRemote ?? call.start.sdp;
  if (call.state !== "setup" || dialog.leg.side !== "caller") return undefined;
  if (twin?.earlyRemote === undefined || before === undefined) return undefined;
  const { media } = call.house;
  let offered = false;
  try {
    if (!sameDirections(before, sdp)) return undefined;
    media.offer(call.id, "caller", sdp);
    offered = true;
    const answer = media.answer(call.id, "callee", twin.earlyRemote, { provisional: true, ...from(twin) });
    dialog.earlyRemote = sdp;
    twin.earlyLocal = answer;
    return answer;
  } catch (error) {
    if (!(error instanceof PeerError)) throw error;
    if (offered) restoreEarly(call, dialog);
    return undefined;
  }
}

/**
 * A new offer came to nothing before the call was answered: the first one, and what `ofCaller`'s fork said to it, stand
 * again, so that the 2xx has something to settle.
 */
export function restoreEarly(call: Call, ofCaller: Dialog): void {
  const offer = ofCaller.earlyRemote ?? call.start.sdp;
  const { twin } = ofCaller;
  if (call.state === "over" || call.settled || offer === undefined) return;
  const { media } = call.house;
  try {
    media.offer(call.id, "caller", offer);
    if (twin?.earlyRemote === undefined) return;
    const provisional = call.state === "setup"; // Else the 2xx came in the meantime, and counts on it.
    media.answer(call.id, "callee", twin.earlyRemote, { provisional, ...from(twin) });
    call.settled = !provisional;
  } catch (error) {
    if (!(error instanceof PeerError)) throw error; // The 2xx will find nothing to settle, and end the call.
  }
}

const from = ({ alternative, localTag }: Dialog) => ({ alternative, dialog: localTag });

function sameDirections(before: string, now: string): boolean {
  const [old, fresh] = [parseSdp(before), parseSdp(now)];
  return (
    old.media.length === fresh.media.length &&
    old.media.every((media, index) => {
      const other = fresh.media[index];
      return (
        other !== undefined &&
        media.kind === other.kind &&
        (media.port === 0) === (other.port === 0) &&
        direction(media, old) === direction(other, fresh)
      );
    })
  );
}
