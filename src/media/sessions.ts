/**
 * The media of all calls, by the four words of rtpengine's NG protocol: offer, answer, delete, query. Pure: it keeps
 * books of ports, keys and descriptions, and tells the relay what to do.
 *
 * An operation that throws has changed nothing. Offer and answer are RFC 3264's, with one offer under way at a time
 * (491 otherwise, RFC 3261 §14.1).
 */
import {
  type DigitFacts,
  type Family,
  type MediaEnds,
  type MediaPath,
  type Millis,
  PeerError,
  type Random,
  type Settings,
  TextMap,
  token,
} from "../base/index.ts";
import { type Fingerprint, formatFingerprint, parseSdp, type Sdp } from "../sdp/index.ts";
import { applyAnswer } from "./answer.ts";
import { mediaLimits } from "./limits.ts";
import type { Local } from "./line.ts";
import { bodyWithLines } from "./lines-off.ts";
import { type MediaNews, newsOf } from "./news.ts";
import { applyOffer, type Offered, withVoice } from "./offer.ts";
import { indexOf, type MediaParty, type MediaSide, otherSide, rulesOf, type SideIndex } from "./party.ts";
import { PortBooks } from "./port-books.ts";
import type { Digit, DtlsIdentity, RelayCommand, RelayEvent, SideCounters } from "./relay-command.ts";
import { Relays } from "./relays.ts";
import { type OwnPorts, ownPorts } from "./remote.ts";
import { asOffer, renewedKeys, repetition, withKeys } from "./repeat.ts";
import { currentState, type Gate, type Leg, type Pending, type Session, type State } from "./session.ts";
import { type Standing, standingOf } from "./standing.ts";
import { type MediaView, mediaEnds, mediaView } from "./view.ts";
import { carriedOn, newVoice, type Spoken, say, spokenBy, unsaid } from "./voice.ts";

export interface MediaOptions {
  readonly settings: Settings;
  readonly random: Random;
  readonly emit: (command: RelayCommand) => void;
  /** What the relay has counted of one side of a pair so far; absent: nobody can ask it. */
  readonly counters?: ((pair: number, side: 0 | 1) => SideCounters) | undefined;
  /** Pairs that the relay has. Default `mediaLimits.pairs`. */
  readonly maxPairs?: number;
  /** Of the certificate that the relay shows in handshakes; absent: it knows neither handshakes nor ICE. */
  readonly fingerprint?: Fingerprint | undefined;
  /** A certificate that nobody has seen yet, for an association that follows another one; absent: all show that one. */
  readonly identity?: (() => DtlsIdentity | undefined) | undefined;
}

export interface AnswerOptions {
  /** Another answer follows: of this dialog, or of another fork. */
  readonly provisional: boolean;
  /** To tag of the answerer's dialog. The latest provisional answer holds, whatever its dialog. */
  readonly dialog?: string;
  /** Only what the other side would be told: the relay goes on with the answer that it follows. */
  readonly aside?: boolean;
  /** Which of the offers it answers that were made for callees of several kinds; absent: the one that is followed. */
  readonly alternative?: number;
}

export class MediaSessions {
  readonly #random: Random;
  readonly #fingerprint: string | undefined;
  readonly #identity: MediaOptions["identity"];
  readonly #books: PortBooks;
  readonly #relays: Relays;
  readonly #counters: MediaOptions["counters"];
  readonly #emit: MediaOptions["emit"];
  readonly #sessions = new TextMap<Session>();
  #settings: Settings;
  #own: readonly OwnPorts[];

  constructor({ settings, random, emit, maxPairs, counters, fingerprint, identity }: MediaOptions) {
    this.#counters = counters;
    this.#emit = emit;
    this.#random = random;
    this.#fingerprint = fingerprint && formatFingerprint(fingerprint);
    this.#identity = identity;
    this.#settings = settings;
    this.#books = new PortBooks(random);
    this.#own = this.#ownPorts(settings);
    this.#books.apply(settings);
    this.#relays = new Relays(emit, this.#books, maxPairs ?? mediaLimits.pairs);
  }

  /** Takes no ports yet. Throws PeerError 503 at the limit of sessions. */
  open(session: string, parties: { caller: MediaParty; callee: MediaParty }): void {
    if (this.#sessions.has(session)) throw new PeerError(500, "the media session is open already");
    const legs = [this.#newLeg(parties.caller), this.#newLeg(parties.callee)] as const;
    const opened: Session = {
      id: session,
      settled: { lines: [], legs },
      confirmed: false,
      gates: undefined,
      pending: undefined,
      alternatives: undefined,
      lastAnswerer: undefined,
      said: NOTHING_SAID,
      upcoming: [undefined, undefined],
      relays: [],
      locals: [],
      pairs: 0,
      deleted: false,
    };
    if (this.#sessions.size >= mediaLimits.sessions) throw new PeerError(503, "too many media sessions");
    this.#sessions.set(session, opened);
  }

  /**
   * Another party takes that side with the next offer: a failover before the answer, a transfer after it. It gets
   * nothing that its forerunner knew: new ports, keys, CNAME and session id. What the other side was told stays.
   */
  setParty(session: string, side: MediaSide, party: MediaParty): void {
    const held = this.#get(session);
    const index = indexOf(side);
    const leg = this.#newLeg(party);
    held.upcoming[index] = leg;
    if (held.pending !== undefined && held.pending.from !== index) {
      held.pending.stale = true;
      held.alternatives = undefined;
    }
    if (held.settled.lines.length === 0) held.settled = { lines: [], legs: replaced(held.settled.legs, index, leg) };
  }

  /**
   * A phone has shown that it is in another place than before: by asking for a change of its call from there, or by its
   * password, with which it has registered from there.
   */
  moved(session: string, side: MediaSide, source: string): void {
    const held = this.#sessions.get(session);
    const index = indexOf(side);
    const party = held === undefined ? undefined : (held.upcoming[index] ?? held.settled.legs[index]).party;
    if (held === undefined || party?.nat !== true) return;
    const { signallingSource: was } = party;
    (party as { signallingSource: string }).signallingSource = source; // The same party, elsewhere.
    this.#relays.moved(held, index, was, source);
  }

  /** The offer for the other side. Throws PeerError 400, 488, 491 or 503. */
  offer(session: string, from: MediaSide, sdp: string): string {
    const held = this.#get(session);
    const index = indexOf(from);
    const { pending } = held;
    if (pending !== undefined && pending.from !== index && !pending.answered) {
      throw new PeerError(491, "an offer of the other side is under way");
    }
    const parsed = parseSdp(sdp);
    const base = pending?.state ?? held.settled;
    const legs = [held.upcoming[0] ?? base.legs[0], held.upcoming[1] ?? base.legs[1]] as const;
    const offered = this.#describe(held, index, base, legs, parsed);
    // An offer after an early answer stands on that answer (RFC 3311 §5.1): this is what a refusal falls back to.
    if (pending?.answered === true && !pending.stale) held.settled = pending.state;
    held.pending = pendingOf(index, parsed, offered, sdp);
    held.alternatives = undefined;
    held.upcoming = [undefined, undefined];
    if (pending !== undefined) this.#sweep(held);
    return offered.text;
  }

  /**
   * The offer under way once more, as a callee of another kind gets it: phones of several kinds ring at once. Each kind has
   * ports and keys of its own, on both sides, until one of them answers; the first of these is alternative 1. Throws
   * PeerError 488, 500 or 503.
   */
  alternative(session: string, party: MediaParty): string {
    const held = this.#get(session);
    const { pending } = held;
    if (pending === undefined || pending.answered || pending.stale || held.confirmed)
      throw new PeerError(500, "no offer is under way");
    const { from, offer, state, text } = pending;
    const all = held.alternatives ?? [pending];
    const leg = this.#newLeg(party, all.length);
    const legs = replaced(state.legs, otherSide(from), leg);
    const offered = this.#describe(held, from, { lines: NO_LINES, legs }, legs, offer);
    held.alternatives = [...all, pendingOf(from, offer, offered, text)];
    return offered.text;
  }

  /** The answer for the other side. Throws PeerError 400, 488 or 503. */
  answer(session: string, from: MediaSide, sdp: string, options?: AnswerOptions): string {
    const held = this.#get(session);
    const index = indexOf(from);
    const followed = held.pending;
    // An answer said again after it was final changes nothing. RFC 6337 §3.1.
    if (followed === undefined && held.lastAnswerer === index) return held.settled.legs[otherSide(index)].voice.text;
    const pending = answeredIn(held, index, options?.alternative);
    if (followed === undefined || pending === undefined || pending.from === index || pending.stale)
      throw new PeerError(500, "no offer is under way");
    if (pending !== followed) pending.state = heardBy(pending, followed);

    const { state: answered, text } = applyAnswer(pending, parseSdp(sdp), this.#own);
    // What the other side would hear of a repeated offer is not said to it.
    const legs = pending.repeated
      ? withVoice(held.settled.legs, index, pending.state.legs[index].voice)
      : answered.legs;
    const state = { lines: answered.lines, legs };
    if (this.#relays.wouldMoveHalf(held, state))
      throw new PeerError(488, "it bundles otherwise than an earlier answer");
    if (!this.#relays.suffice(held, state)) throw new PeerError(503, "no relay pair is free");
    // What rings with other ports than those that are open is not heard before it is answered.
    const other = pending !== followed && followed.answered && options?.provisional === true;
    if (options?.aside === true || other) {
      followed.state = { lines: followed.state.lines, legs: spoilt(followed.state.legs, answered.legs) };
      return text;
    }
    held.pending = pending;
    if (options?.provisional === true) this.#preview(held, pending, state);
    else this.#settle(held, state, index, sdp);
    return text;
  }

  /**
   * What this side was told last, to be offered to it once more as it is (RFC 4028 §7.4: the same `o=`). `answer` then
   * takes what it says; the other side is told nothing of it. `renew`: with new keys, where ours come to their end. Throws
   * PeerError 491 when another offer is under way.
   */
  repeat(session: string, to: MediaSide, renew = false): string {
    const held = this.#get(session);
    const { settled } = held;
    const index = indexOf(to);
    if (held.pending !== undefined) throw new PeerError(491, "another offer is under way");
    if (!held.confirmed) throw new PeerError(500, "nothing is agreed yet");
    const { voice } = settled.legs[index];
    const { lines } = voice;
    const keys = renew ? renewedKeys(settled, index, this.#random) : [];
    const body = withKeys(bodyWithLines(voice.body, settled.lines.length, lines), keys);
    const again = say(voice, voice.ip, asOffer(body), lines);
    const said = again === voice ? settled : { lines: settled.lines, legs: withVoice(settled.legs, index, again) };
    // New keys that are refused were never agreed: then the old ones are what was told.
    if (!renew) held.settled = said;
    held.pending = repetition(said, index, parseSdp(again.text), keys);
    return again.text;
  }

  /** What may pass before the call is answered, by m-line; `undefined`: everything. It stands until it is said again. */
  gate(session: string, gates: readonly Gate[] | undefined): void {
    const held = this.#get(session);
    held.gates = gates;
    const state = currentState(held);
    if (state.lines.length > 0) this.#relays.follow(held, state);
  }

  /** What may be told of the digits of that side. */
  digitFacts(session: string, side: MediaSide): DigitFacts {
    const held = this.#sessions.get(session);
    return held === undefined ? "off" : (rulesOf(held.settled.legs[indexOf(side)])?.digitFacts ?? "off");
  }

  /** Can a digit be played to that side, and is it to be? */
  mayPlay(session: string, side: MediaSide): boolean {
    const held = this.#sessions.get(session);
    return held !== undefined && playable(held, indexOf(side)) !== undefined;
  }

  /** A digit for that side's ear, as an RFC 4733 event. False: it takes none. */
  play(session: string, side: MediaSide, { event, durationMs }: Pick<Digit, "event" | "durationMs">): boolean {
    const held = this.#sessions.get(session);
    const found = held === undefined ? undefined : playable(held, indexOf(side));
    if (found === undefined) return false;
    this.#emit({ word: "digit", pair: found.pair, side: indexOf(side), digit: { event, durationMs, ...found.by } });
    return true;
  }

  /** A side as it stands, to be carried on in another session; `undefined`: nothing is agreed. */
  standing(session: string, side: MediaSide): Standing | undefined {
    const held = this.#sessions.get(session);
    return held?.confirmed === true ? standingOf(held, indexOf(side)) : undefined;
  }

  /** How far we have spoken to that side by now; `undefined`: there is no such session. */
  spoken(session: string, side: MediaSide): Spoken | undefined {
    const held = this.#sessions.get(session);
    return held === undefined ? undefined : spokenBy((held.pending?.state ?? held.settled).legs[indexOf(side)].voice);
  }

  /**
   * That side has heard so much from us already, in another session: what it is told from now on is a later version of the
   * same, with no fewer m-lines (RFC 3264 §8). What was said to it in this session, if not later than that, it will not hear.
   */
  carryOn(session: string, side: MediaSide, voice: Spoken): void {
    const held = this.#get(session);
    const index = indexOf(side);
    for (const state of [held.settled, held.pending?.state]) {
      const leg = state?.legs[index];
      if (state === undefined || leg === undefined) continue;
      const later = carriedOn(leg.voice, voice);
      const legs = withVoice(state.legs, index, later);
      if (state === held.settled) held.settled = { lines: state.lines, legs };
      else if (held.pending !== undefined) held.pending.state = { lines: state.lines, legs };
    }
  }

  /** That side's offer was refused: everything but version numbers is again as it was before it, early media included. */
  withdraw(session: string, from: MediaSide): void {
    const held = this.#sessions.get(session);
    if (held?.pending?.from !== indexOf(from)) return;
    const { legs } = held.pending.state;
    held.pending = undefined;
    held.alternatives = undefined;
    held.settled = { lines: held.settled.lines, legs: spoilt(held.settled.legs, legs) };
    this.#relays.follow(held, held.settled);
    this.#sweep(held);
  }

  /** `closed` news follow, one for each stream that the relay served: their number is returned. */
  delete(session: string): number {
    const held = this.#sessions.get(session);
    if (held === undefined) return 0;
    this.#sessions.delete(session);
    held.deleted = true;
    held.pending = undefined;
    held.alternatives = undefined;
    held.settled = { lines: [], legs: held.settled.legs };
    this.#relays.closeAll(held);
    this.#sweep(held);
    return held.pairs;
  }

  /** What was agreed, by stream, for whoever needs no more of the view than this. */
  ends(session: string): readonly MediaEnds[] {
    const held = this.#sessions.get(session);
    return held === undefined ? [] : mediaEnds(held);
  }

  /** An unknown session has no streams. `live`: with what was counted so far. */
  query(session: string, live = false): MediaView {
    const held = this.#sessions.get(session);
    if (held === undefined) return { session, streams: [] };
    const counters = this.#counters;
    return mediaView(
      held,
      live && counters !== undefined ? (pair) => [counters(pair, 0), counters(pair, 1)] : undefined,
    );
  }

  handle(event: RelayEvent, _now: Millis): readonly MediaNews[] {
    return newsOf(event, this.#relays);
  }

  /** New sessions and parties get the new settings; live legs keep theirs, but for the path of a realm that leaves the kernel. */
  apply(settings: Settings): void {
    const left = [...this.#settings.realms.values()].filter(
      ({ name, media }) => inKernel(media.path) && !inKernel(settings.realms.get(name)?.media.path),
    );
    if (left.length > 0) this.#relays.lookAgain(new Set(left.map(({ name }) => name)));
    this.#settings = settings;
    this.#own = this.#ownPorts(settings);
    this.#books.apply(settings);
  }

  /** `portsInUse` counts ports, by realm; those of closing pairs until the relay has let go. */
  view(): { sessions: number; portsInUse: ReadonlyMap<string, number>; pairs: number } {
    return { sessions: this.#sessions.size, portsInUse: this.#books.inUse(), pairs: this.#relays.size };
  }

  #ownPorts(settings: Settings): OwnPorts[] {
    return ownPorts(settings, (ip, port) => this.#books.isOut(ip, port));
  }

  #preview(held: Session, pending: Pending, state: State): void {
    pending.state = state;
    pending.answered = true;
    // Where a call is up its media goes on as it is until the answer is final.
    if (!held.confirmed) this.#relays.follow(held, state);
  }

  #settle(held: Session, state: State, answerer: SideIndex, sdp: string): void {
    const offered = held.pending?.repeated === false ? held.pending.text : held.said[otherSide(answerer)];
    held.said = answerer === 0 ? [sdp, offered] : [offered, sdp];
    held.settled = state;
    held.confirmed = true;
    held.pending = undefined;
    held.alternatives = undefined;
    held.lastAnswerer = answerer;
    this.#relays.follow(held, state);
    this.#sweep(held);
  }

  /** Gives back the ports that nothing refers to any more. */
  #sweep(held: Session): void {
    if (held.locals.length === 0) return;
    const { alternatives, pending, settled, relays } = held;
    const kept: Local[] = [];
    for (const local of held.locals) {
      const used =
        holds(settled, local) ||
        (pending !== undefined && isOffered(pending, local)) ||
        alternatives?.some((one) => isOffered(one, local)) ||
        relays.some((relay) => relay?.locals.includes(local));
      if (used) kept.push(local);
      else this.#books.release(local);
    }
    held.locals = kept;
  }

  /** Throws PeerError, and no port is taken then. */
  #describe(held: Session, from: SideIndex, base: State, legs: readonly [Leg, Leg], offer: Sdp): Offered {
    const reserved: Local[] = [];
    let taken: [DtlsIdentity | undefined, DtlsIdentity | undefined] | undefined;
    const identity = (side: SideIndex): DtlsIdentity | undefined => {
      taken ??= [undefined, undefined];
      taken[side] ??= this.#identity?.();
      return taken[side];
    };
    const reserve = (leg: Leg, family: Family | undefined): Local => {
      const local = this.#books.reserve(leg, family);
      reserved.push(local);
      return local;
    };
    try {
      const offered = applyOffer(
        { session: held, from, base, legs, random: this.#random, own: this.#own, identity, reserve },
        offer,
      );
      for (const local of reserved) held.locals.push(local);
      return offered;
    } catch (error) {
      for (const local of reserved) this.#books.release(local);
      throw error;
    }
  }

  #get(session: string): Session {
    const held = this.#sessions.get(session);
    if (held === undefined) throw new PeerError(500, "no such media session");
    return held;
  }

  #newLeg(party: MediaParty, alternative = 0): Leg {
    const realm = this.#settings.realms.get(party.realm);
    if (realm === undefined) throw new PeerError(500, "no such realm");
    const fingerprint = this.#fingerprint;
    return { party, realm, cname: token(this.#random, 16), fingerprint, alternative, voice: newVoice(this.#random) };
  }
}

/** The first line of sound whose other end takes telephone-event from us. */
function playable(held: Session, side: SideIndex) {
  for (const [index, line] of currentState(held).lines.entries()) {
    const relay = held.relays[index];
    const plays = line?.sides[side].plays;
    if (relay === undefined || plays === undefined || relay.sides[side].digits?.insert !== true) continue;
    return { pair: relay.pair, by: { payloadType: plays[0], clockHz: plays[1] } };
  }
  return undefined;
}

const inKernel = (path: MediaPath | undefined): boolean => path === "auto" || path === "xdp";

const NOTHING_SAID: readonly [string, string] = ["", ""];

const NO_LINES: State["lines"] = [];

const pendingOf = (from: SideIndex, offer: Sdp, { onward, state }: Offered, text: string): Pending => ({
  from,
  offer,
  onward,
  offered: state.lines,
  state,
  answered: false,
  stale: false,
  repeated: false,
  text,
});

/** The offer that an answer of this side is for. */
function answeredIn({ alternatives, pending }: Session, side: SideIndex, at: number | undefined): Pending | undefined {
  if (at === undefined || alternatives === undefined) {
    return at === undefined || pending?.state.legs[side].alternative === at ? pending : undefined;
  }
  return alternatives[at];
}

/** The offerer has one voice, whichever of the offers it hears answers to. */
function heardBy({ from, state }: Pending, followed: Pending): State {
  return { lines: state.lines, legs: withVoice(state.legs, from, followed.state.legs[from].voice) };
}

const isOffered = ({ offered, state }: Pending, local: Local): boolean =>
  holds(state, local) || holdsIn(offered, local);

const holds = (state: State, local: Local): boolean => holdsIn(state.lines, local);

const holdsIn = (lines: State["lines"], local: Local): boolean =>
  lines.some((line) => line !== undefined && (line.sides[0].local === local || line.sides[1].local === local));

/** Both legs as they stood, but for the numbers of what they heard since. */
function spoilt(standing: State["legs"], refused: State["legs"]): State["legs"] {
  const first = withVoice(standing, 0, unsaid(standing[0].voice, refused[0].voice));
  return withVoice(first, 1, unsaid(standing[1].voice, refused[1].voice));
}

const replaced = (legs: readonly [Leg, Leg], index: SideIndex, leg: Leg): readonly [Leg, Leg] =>
  index === 0 ? [leg, legs[1]] : [legs[0], leg];
