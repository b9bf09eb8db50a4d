/** One dialog as a simulated phone sees it, early or confirmed. */
import type { Random } from "../../src/base/index.ts";
import type { Habits } from "./script.ts";
import type { Description } from "./sdp-text.ts";
import type { Client } from "./wire.ts";

/** `sent`: our offer waits for its answer; `got`: we owe one. */
export type Exchange = "none" | "sent" | "got" | "stable";

export interface Dialog {
  /** The dice of its call. */
  readonly random: Random;
  readonly number: string;
  readonly habits: Habits;
  readonly callId: string;
  /** From or To with our tag; the tag alone. */
  readonly local: string;
  readonly localTag: string;
  remote: string;
  target: string;
  route: readonly string[];
  cseq: number;
  remoteCseq: number;
  readonly sdp: Description;
  exchange: Exchange;
  /** The SDP that came and that went last, of those that count. */
  theirs: string;
  ours: string;
  state: "early" | "up" | "over";
  /** An INVITE of ours, or of theirs, has no final answer or no ACK yet: a polite phone starts no other. */
  calling: Client | undefined;
  called: boolean;
  /** UPDATE of ours is on its way. */
  updating: boolean;
  /** Whoever was here is not any more. */
  vanished: boolean;
  lastAck: string;
  lastRSeq: number;
  readonly endAt: { bye: number };
}
