import type { Millis, Random } from "../../src/base/index.ts";
import type { CalleeScript, Change, Temper, TimerTaste } from "./script.ts";
import type { SdpTaste } from "./sdp-text.ts";
import type { Sip } from "./sip-text.ts";

/** One dialog as this phone sees it. */
export interface Dialog {
  /** The dice of its call. */
  readonly random: Random;
  readonly role: "caller" | "callee";
  readonly temper: Temper;
  readonly callId: string;
  readonly local: string;
  remote: string;
  target: string;
  route: readonly string[];
  cseq: number;
  inviteCseq: number;
  sdpVersion: number;
  readonly taste: SdpTaste;
  answered: boolean;
  ended: boolean;
  /** An INVITE of ours or theirs is under way: a polite phone starts no other. */
  busy: boolean;
  readonly timer: TimerTaste;
  readonly takesUpdate: boolean;
  readonly vanishAfter: Millis | undefined;
  /** Whoever was here is not any more. */
  vanished: boolean;
  readonly changes: readonly Change[];
  readonly byeAfter: Millis | undefined;
  lastAck: string;
}

export interface Ringing {
  readonly invite: Sip;
  readonly script: CalleeScript;
  readonly dialog: Dialog;
  rseq: number;
  pracked: boolean;
  final: boolean;
  acked: boolean;
}
