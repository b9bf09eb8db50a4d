/**
 * The B2BUA: takes every request that is not the engine's own, keeps the map of dialogs, and starts a call for each
 * INVITE outside of one.
 */
import type { Agenda, EndCause, Fact, Millis, Party, Random, Settings } from "../base/index.ts";
import type { Hop, ServerTransaction, Transactions } from "../leg/index.ts";
import type { MediaNews, MediaSessions, MediaView } from "../media/index.ts";
import type { Request, Response } from "../message/index.ts";
import type { Routing } from "../routing/index.ts";
import type { CallTransport } from "./call-transport.ts";

export interface CallsOptions {
  readonly settings: Settings;
  readonly random: Random;
  readonly agenda: Agenda;
  readonly transactions: Transactions;
  readonly transport: CallTransport;
  readonly media: MediaSessions;
  readonly routing: Routing;
  readonly fact: (fact: Fact, now: Millis) => void;
  /** As User-Agent and Server show it on trusted sides. */
  readonly version: string;
}

/** One live call, as plain values. */
export interface CallView {
  readonly call: string;
  /** Name of the joint state: `trying`, `ringing`, `answering`, `up`, `cancelling`, `ending`. */
  readonly state: string;
  readonly ageMs: Millis;
  /** Since the callee's answer; `undefined` before it. */
  readonly answeredMs: Millis | undefined;
  readonly from: Party;
  readonly to: Party | undefined;
  readonly media: MediaView | undefined;
}

export interface CallCounts {
  readonly calls: number;
  readonly legs: number;
  readonly dialogs: number;
}

export class Calls {
  constructor(_options: CallsOptions) {}
  request(_request: Request, _server: ServerTransaction, _hop: Hop, _now: Millis): void {}
  ack(_request: Request, _hop: Hop, _now: Millis): void {}
  strayResponse(_response: Response, _hop: Hop, _now: Millis): void {}
  media(_news: MediaNews, _now: Millis): void {}
  shutdown(_now: Millis): void {}
  endAll(_cause: EndCause, _now: Millis): void {}
  end(_call: string, _cause: EndCause, _now: Millis): boolean {
    return false;
  }
  apply(_settings: Settings): void {}
  view(): readonly CallView[] {
    return [];
  }
  counts(): CallCounts {
    return { calls: 0, legs: 0, dialogs: 0 };
  }
}
