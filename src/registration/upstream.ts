/** How a binding stands with the inside registrar. The figure knows events by name only. */
import type { Millis } from "../base/index.ts";

export type UpstreamState =
  | "held" // The registrar has it, and long enough.
  | "due" // The registrar has it, and the next REGISTER of the phone goes there.
  | "owed" // The registrar is away, or has forgotten: the binding lives by our word until the phone comes again.
  | "gone";

export type UpstreamEvent =
  | "granted"
  | "time to refresh"
  | "registrar lost" // Nobody answers there.
  | "registrar back"
  | "refused" // It will not have the phone any more.
  | "removed";

/** An event without a rule is absorbed. */
export const upstreamFigure: Record<UpstreamState, Partial<Record<UpstreamEvent, UpstreamState>>> = {
  // biome-ignore format: a figure is read as a table.
  held: {
    "granted":         "held",
    "time to refresh": "due",
    "registrar lost":  "owed",
    "refused":         "gone",
    "removed":         "gone",
  },
  // biome-ignore format: a figure is read as a table.
  due: {
    "granted":         "held",
    "registrar lost":  "owed",
    "refused":         "gone",
    "removed":         "gone",
  },
  // biome-ignore format: a figure is read as a table.
  owed: {
    "granted":         "held",
    "refused":         "gone",
    "removed":         "gone",
  },
  gone: {},
};

export class Upstream {
  state: UpstreamState = "held";
  /** Of our own REGISTERs for this binding: they mean nothing to the phone, and its own nothing to the registrar. */
  readonly callId: string;
  readonly fromTag: string;
  seq = 0;
  /** Until when the registrar has granted it. */
  until: Millis = 0;
  /** From when on a refresh of the phone goes there instead of being answered from the cache. */
  refreshAt: Millis = 0;
  /** Values of Route for requests of this phone to its registrar: RFC 3608 §6.1. */
  routes: readonly string[] = [];
  /** The Authorization that the registrar took last, as it came; `undefined`: it asked for none, or we have restarted. */
  credentials: string | undefined;
  /** What is left of `credentials` over a restart: tells the same ones, and no more. */
  proof = "";

  constructor(callId: string, fromTag: string) {
    this.callId = callId;
    this.fromTag = fromTag;
  }

  /** For a binding that is made anew after this one's has ended: the registrar knows it by the same names. */
  alive(): Upstream {
    if (this.state !== "gone") return this;
    const next = new Upstream(this.callId, this.fromTag);
    next.seq = this.seq;
    return next;
  }

  happen(event: UpstreamEvent): void {
    this.state = upstreamFigure[this.state][event] ?? this.state;
  }
}
