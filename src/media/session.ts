/** A media session: what is agreed, what is being negotiated, and what the relay does for it. */
import type { RealmSettings } from "../base/index.ts";
import type { Media, Sdp } from "../sdp/index.ts";
import type { Local, Position } from "./line.ts";
import type { MediaParty, SideIndex } from "./party.ts";
import type { RelaySide, SecuredBy } from "./relay-command.ts";
import type { Voice } from "./voice.ts";

/** One leg as media sees it. It keeps the realm settings that it began with. */
export interface Leg {
  readonly party: MediaParty;
  readonly realm: RealmSettings;
  /** In RTCP toward this leg: random, so that it ties nothing to anybody. RFC 7022 §4.2. */
  readonly cname: string;
  /** Of our certificate: see `Standing` in party.ts. */
  readonly fingerprint: string | undefined;
  /** Which of several kinds of callees it is that ring at once: see `MediaSessions.alternative`. 0: the first. */
  readonly alternative: number;
  readonly voice: Voice;
}

export interface State {
  readonly lines: readonly Position[];
  readonly legs: readonly [Leg, Leg];
}

export interface Pending {
  /** Whose offer it is. */
  readonly from: SideIndex;
  readonly offer: Sdp;
  /** The offer as the other side got it, as far as an answer is judged by it. */
  readonly onward: { readonly media: readonly Media[] };
  /** The lines as offered: each answer begins from these. */
  readonly offered: readonly Position[];
  /** After the latest provisional answer; before one, as offered. */
  state: State;
  answered: boolean;
  /** The answerer was replaced: its answer comes too late. */
  stale: boolean;
  /** Nobody's new offer: the answerer hears once more what it was told. */
  readonly repeated: boolean;
  /** The offer as it came. */
  readonly text: string;
}

export interface Relay {
  readonly pair: number;
  readonly kind: string;
  readonly locals: readonly [Local, Local];
  sides: [RelaySide, RelaySide];
  /** By side: what its handshake agreed on; `undefined`: there was none, or it is still going on. */
  secured: [SecuredBy | undefined, SecuredBy | undefined];
}

/** What may pass on one m-line before the call is answered; forward is from the caller to the callee. RFC 5009. */
export interface Gate {
  readonly forward: boolean;
  readonly backward: boolean;
}

export interface Session {
  readonly id: string;
  /** What the last final answer left; what a refused offer falls back to. */
  settled: State;
  /** A final answer has come. */
  confirmed: boolean;
  /** By position, the last one for all that follow; `undefined`: all are open. */
  gates: readonly Gate[] | undefined;
  pending: Pending | undefined;
  /** The offer under way as each kind of callees got it, `pending` among them; `undefined`: all got the same. */
  alternatives: Pending[] | undefined;
  lastAnswerer: SideIndex | undefined;
  /** What each side said of itself when they agreed last, as it came; "": nothing yet. */
  said: readonly [string, string];
  /** Legs that take their place with the next offer. */
  upcoming: [Leg | undefined, Leg | undefined];
  /** By position. */
  relays: (Relay | undefined)[];
  /** Ports held, less those of pairs that are closing. */
  locals: Local[];
  /** Pairs open or closing. */
  pairs: number;
  deleted: boolean;
}

/** As it stands now, early media included. */
export const currentState = (session: Session): State =>
  session.pending?.answered === true ? session.pending.state : session.settled;
