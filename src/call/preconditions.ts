/**
 * Preconditions of a call (RFC 3312, RFC 4032): they cross where the peers of both sides have them. Where the caller's peer
 * alone has, the box answers as an end that has all its resources, and keeps from the caller that the callee rings or has
 * answered until the caller's own are there, too (RFC 3312 §6). What the descriptions say is written in the media room.
 */
import type { PeerSettings } from "../base/index.ts";
import type { Parcel } from "../leg/index.ts";
import { type Message, Require, Supported } from "../message/index.ts";
import { parseSdp, preconditionsMet } from "../sdp/index.ts";
import type { Call } from "./call.ts";

export const hasPreconditions = (peer: PeerSettings | undefined): boolean =>
  peer !== undefined && peer.preconditions !== "off";

/** Is what one side says of preconditions the other one's business? */
export const bothWait = (call: Call): boolean =>
  hasPreconditions(call.start.fromPeer) && hasPreconditions(call.calleePeer);

type Tags = Parcel["headers"];
const NO_TAGS: Tags = [];
const REQUIRED: Tags = [["Require", "precondition"]];
const SUPPORTED: Tags = [["Supported", "precondition"]];

/** The option tag of a message, for its counterpart on the other leg. RFC 3312 §11. */
export function preconditionTag(message: Message): Tags {
  if (message.lists(Require, "precondition")) return REQUIRED;
  return message.lists(Supported, "precondition") ? SUPPORTED : NO_TAGS;
}

/** The option tag of our INVITE to `peer`: the caller's, or our own where the policy asks for one. */
export function preconditionTagTo(call: Call, peer: PeerSettings | undefined): Tags {
  if (!hasPreconditions(peer)) return NO_TAGS;
  const theirs = hasPreconditions(call.start.fromPeer) ? preconditionTag(call.start.request) : NO_TAGS;
  return theirs.length === 0 && peer?.preconditions === "require" ? REQUIRED : theirs;
}

/** A 580 to somebody who asked for no preconditions: what was offered is not acceptable over there, as it seems to him. */
export const toldStatus = (status: number, both: boolean): number => (status === 580 && !both ? 488 : status);

/** A caller whose preconditions the box answers, until they are met. */
export class Waiting {
  readonly #call: Call;
  /** The 1xx that says that the callee rings, kept back. */
  #ringing: ((now: number) => void) | undefined;
  #met: boolean;

  /** `offer`: the caller's first. */
  constructor(call: Call, offer: string) {
    this.#call = call;
    this.#met = isMet(offer);
  }

  /** Does the box answer for the callee, which the caller must not hear of yet? */
  get keeps(): boolean {
    return !this.#met && !bothWait(this.#call);
  }

  keep(ringing: (now: number) => void): void {
    this.#ringing = ringing;
  }

  /** The caller's next offer was answered. */
  offered(sdp: string, now: number): void {
    if (this.#met || !isMet(sdp)) return;
    this.#met = true;
    const ringing = this.#ringing;
    this.#ringing = undefined;
    ringing?.(now);
    this.#call.caller.inviteServer?.unblock(now);
  }
}

function isMet(sdp: string): boolean {
  if (!sdp.includes("\na=des:")) return true;
  try {
    return parseSdp(sdp).media.every(({ port, attributes }) => port === 0 || preconditionsMet(attributes));
  } catch {
    return true; // It gets its refusal elsewhere.
  }
}
