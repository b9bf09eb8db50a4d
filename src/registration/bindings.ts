/**
 * Which phone is where: the bindings of addresses of record to contacts, each with the flow that it is reached by.
 * RFC 3261 §10, RFC 3327 (path), RFC 5626 (instance, reg-id, flow), RFC 5627 (GRUU), RFC 8599 (push).
 *
 * A binding is found in three ways only: by its address of record, by our own name of it (what the inside knows), and
 * by its flow. Nothing of one address of record ever leads to a contact of another.
 */
import type { Hop, Millis } from "../base/index.ts";

/** What a phone wants to be woken by: RFC 8599 §4.1. Taken from its Contact, and told to nobody but the push service. */
export interface PushParams {
  readonly provider: string;
  readonly param: string | undefined;
  readonly prid: string;
}

export interface Binding {
  /** Our own name of it. Cannot be guessed; told to no phone. */
  readonly name: string;
  /**
   * The user part of the Contact that the inside knows: its flow token. The binding's own name, unless it is one of several
   * flows of one instance: these are one Contact inside, and which of them is used is ours to choose (RFC 5626 §7).
   */
  readonly inside: string;
  /** `sip:alice@example.test`: canonical, see `aorOf`. */
  readonly aor: string;
  /** The configured domain that it belongs to. */
  readonly domain: string;
  /** The Contact URI as the phone wrote it: goes back to that phone alone. */
  readonly contact: string;
  /** Where its REGISTER came from, and how it is reached: the very connection, or the UDP remote (RFC 5626 §5.3). */
  readonly flow: Hop;
  /** The phone is not where its Contact or Via says: RFC 3581 §1. */
  readonly nated: boolean;
  /** `+sip.instance`, without its quotes; `undefined`: the phone named none. */
  readonly instance: string | undefined;
  /** `reg-id`, from 1; 0: no outbound flow of RFC 5626. */
  readonly regId: number;
  /** Values of Route that lead to the phone (from Path, the nearest to us first); mostly none. */
  readonly path: readonly string[];
  /** In thousandths: 0 to 1000. RFC 3261 §10.2.1.2. */
  readonly q: number;
  /** Call-ID and CSeq of the REGISTER that was taken last: RFC 3261 §10.3. */
  readonly callId: string;
  readonly seq: number;
  /** Legs of calls that the phone is in: they hear of it when its flow is another. */
  followers?: Set<{ phoneMoved(): void }> | undefined;
  /** When the phone's own grant ends. */
  readonly expiresAt: Millis;
  readonly push: PushParams | undefined;
  /** GRUUs as the inside registrar gave them (RFC 5627): quoted to the phone as they came. */
  readonly gruu: { readonly public: string | undefined; readonly temporary: string | undefined } | undefined;
}

/** The name of a flow: two messages of one flow have the same, and no others. */
export const flowName = ({ connection, listener, remote }: Hop): string =>
  connection !== 0 ? `#${connection}` : `${listener} ${remote.ip} ${remote.port}`;
