/** A call that the box makes for a transfer: nobody has called, and its caller may still belong to another call. */
import type { Millis, PeerSettings, RealmSettings } from "../base/index.ts";
import type { Dialog, Leg } from "../leg/index.ts";
import type { Spoken, Standing } from "../media/index.ts";

export interface Introduction {
  /** Whose limits the call counts against until it has a caller of its own: the peer of the one who refers. */
  readonly charged: PeerSettings | undefined;
  /** The far end of the referrer's other call, to be asked instead of anybody on a route. */
  readonly reunion: Reunion | undefined;
  /** The caller's side of the media, how far we have spoken to it by now. */
  voice(): Spoken;
  /** A 1xx of the target. */
  progress(status: number, now: Millis): void;
  /** The target has answered, or changed over. */
  answered(target: Dialog, now: Millis): void;
  /** Somebody of another call has changed over, but there is nothing any more to change over to. */
  restore(dialog: Dialog, now: Millis): void;
  /** Somebody of another call would not change over. `dead`: it will not go on where it was, either. */
  stayed(dialog: Dialog, status: number, dead: boolean, now: Millis): void;
  /** The call has ended, answered or not. */
  over(status: number, now: Millis): void;
}

/** Somebody who is in a call already. */
export interface Reunion {
  readonly leg: Leg;
  readonly dialog: Dialog;
  readonly realm: RealmSettings;
  readonly peer: PeerSettings | undefined;
  readonly standing: Standing;
  /** What it was told when it was asked to change over. */
  told: Spoken | undefined;
}
