import type { Millis, Party } from "../base/index.ts";
import type { MediaView } from "../media/index.ts";

/** One live call, as plain values. */
export interface CallView {
  readonly call: string;
  /** `trying`, `ringing`, `answered` (the caller's ACK is still to come), `up`, `over` (waiting for the last word of a leg). */
  readonly state: string;
  readonly ageMs: Millis;
  /** Since the callee's answer; `undefined` before it. */
  readonly answeredMs: Millis | undefined;
  readonly from: Party;
  readonly to: Party | undefined;
  /** RFC 7989: the UUIDs of both ends, the caller's first; absent when the call has none. */
  readonly sessionId?: string;
  readonly media: MediaView | undefined;
}
