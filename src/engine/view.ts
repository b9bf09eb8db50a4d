import type { CallView } from "../call/index.ts";
import type { PeerView } from "../routing/index.ts";
import type { RegistrationsView } from "./phones/view.ts";
import type { TraceEntry } from "./recorder.ts";
import type { TrunkView } from "./trunk.ts";

/** What is going on, as plain values for the control socket. Every part is made when asked for. */
export interface EngineView {
  status(): StatusView;
  calls(): readonly CallView[];
  peers(): readonly (PeerView & { readonly registration?: TrunkView })[];
  registrations(): readonly RegistrationsView[];
  /** The last messages on every wire, or those of some Call-IDs only, oldest first. */
  trace(callIds?: ReadonlySet<string>): readonly TraceEntry[];
}

export interface StatusView {
  readonly calls: object;
  readonly transactions: object;
  readonly transport: object;
  readonly media: object;
  /** Our registrations at peers: how many, and how many of them hold. */
  readonly trunks: object;
  /** Phones: bindings, REGISTERs by how they were answered, and registrars that are away. */
  readonly registrations: object;
  /** Owners of deadlines. Zero when nothing is going on, but for health checks and idle connections. */
  readonly timers: number;
  /** What was dropped or refused below the calls, by reason. */
  readonly drops: Readonly<Record<string, number>>;
}
