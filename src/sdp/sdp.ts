/** A session description as values. RFC 8866 §5. Texts are binary strings, as they stood on the wire. */
import type { Family } from "../base/index.ts";

export interface Sdp {
  readonly origin: Origin;
  /** `s=`; "-" or " " when there is none to tell. */
  readonly name: string;
  readonly connection: Connection | undefined;
  readonly bandwidths: readonly Bandwidth[];
  readonly times: readonly Time[];
  readonly attributes: readonly Attribute[];
  /** Lines that mean nothing to a call (`i= u= e= p= z= k=`, and unknown letters), in order. */
  readonly others: readonly Line[];
  readonly media: readonly Media[];
}

export interface Origin {
  readonly username: string;
  /** Digits: up to 20 of them, so a string. */
  readonly sessionId: string;
  readonly version: string;
  /** An IP address or a host name: it identifies, nothing is ever sent there. */
  readonly ip: string;
  readonly family: Family;
}

export interface Connection {
  /** As written: an IP address or a host name. */
  readonly ip: string;
  readonly family: Family;
  /** What follows the address of a multicast group, with its "/"; "" for unicast. */
  readonly suffix: string;
}

export interface Bandwidth {
  readonly type: string;
  readonly value: string;
}

export interface Time {
  readonly start: string;
  readonly stop: string;
  /** The `r=` lines that belong to it. */
  readonly repeats: readonly string[];
}

export interface Attribute {
  readonly name: string;
  readonly value?: string | undefined;
}

export interface Line {
  readonly type: string;
  readonly value: string;
}

export interface Media {
  /** `audio`, `video`, `text`, `application`, `image`, `message`, or any other token. */
  readonly kind: string;
  /** 0: declined, or switched off. */
  readonly port: number;
  /** 1 unless the `m=` line said otherwise. */
  readonly portCount: number;
  readonly protocol: string;
  /** Payload types where `protocol` is an RTP profile. May be empty when `port` is 0. */
  readonly formats: readonly string[];
  readonly title: string | undefined;
  readonly connection: Connection | undefined;
  readonly bandwidths: readonly Bandwidth[];
  readonly attributes: readonly Attribute[];
  readonly others: readonly Line[];
}
