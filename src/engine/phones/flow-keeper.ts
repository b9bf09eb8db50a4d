/**
 * Keeps the NATs of phones on UDP open, and finds out when one has closed: one OPTIONS or CRLF a flow in its turn, spread
 * over the time so that there is never a wave. RFC 5626 §4.4, §5.4; RFC 5853 §3.3.
 *
 * How long a NAT keeps a way open is learnt from each phone: one that comes by another port of the same address has lost its
 * way, and is asked twice as often from then on, until that has gone well for long.
 *
 * No transaction stands behind an OPTIONS: nothing hangs on a single one, and there may be thousands a second. Only a
 * phone that has answered one is believed to be gone when it answers no more.
 */
import {
  type Agenda,
  backOver,
  type DomainSettings,
  type Hop,
  type Millis,
  type Punctual,
  type Random,
  SECOND,
  type SendToken,
  token,
} from "../../base/index.ts";
import { RequestDraft, type Response } from "../../message/index.ts";
import { type Binding, flowName, type HeldBinding } from "../../registration/index.ts";
import { viaText } from "../../transaction/index.ts";
import type { Transport } from "../../transport/index.ts";

/** Flows whose time has come are looked at together, so often. */
const SLOT: Millis = 100;
/** How long a phone that usually answers has before it is asked again; each time twice as long. */
const ANSWER_LIMIT: Millis = 2 * SECOND;
/** Limit: questions without an answer, after which the flow of a phone that answers is lost. */
const QUESTIONS = 3;
/** Limit: no phone is asked more often than each so many seconds, however soon its NAT forgets. */
const SHORTEST_SILENCE = 5;
/** Intervals in a row that went well, after which they may be longer by this factor again. */
const GONE_WELL = 40;
const LONGER = 1.25;
/** The part of the interval by which a flow may come early. */
const SPREAD = 0.2;
const BRANCH_CHARS = 12;
const NAME_CHARS = 8;

export interface FlowHouse {
  readonly transport: Pick<Transport, "sendRequest" | "keepAlive" | "localFor">;
  readonly random: Random;
  readonly agenda: Pick<Agenda, "watch" | "drop">;
  readonly domain: (name: string) => DomainSettings | undefined;
  /** Nobody answers there any more. */
  readonly lost: (flow: Hop, now: Millis) => void;
}

interface Kept {
  readonly hop: Hop;
  readonly bindings: Set<HeldBinding>;
  slot: number;
  /** Of the question that is open; "": none is. */
  branch: string;
  asked: number;
  answers: boolean;
  seq: number;
  /** Intervals in a row that went well. */
  well: number;
}

export interface FlowCounts {
  readonly flows: number;
  readonly sent: number;
  readonly answered: number;
  readonly lost: number;
}

export class FlowKeeper implements Punctual {
  readonly #house: FlowHouse;
  readonly #flows = new Map<string, Kept>();
  readonly #slots = new Map<number, Kept[]>();
  #firstSlot = Number.POSITIVE_INFINITY;
  #sent = 0;
  #answered = 0;
  #lost = 0;

  constructor(house: FlowHouse) {
    this.#house = house;
  }

  counts(): FlowCounts {
    return { flows: this.#flows.size, sent: this.#sent, answered: this.#answered, lost: this.#lost };
  }

  /** From now on: nothing for a phone that is no further away than it says, or on a connection. */
  keep(binding: HeldBinding, now: Millis): void {
    if (binding.flow.connection !== 0 || !binding.nated) return;
    const domain = this.#house.domain(binding.domain);
    if (domain === undefined || domain.keepalive === "off") return;
    const name = flowName(binding.flow);
    let kept = this.#flows.get(name);
    if (kept === undefined) {
      kept = { hop: binding.flow, bindings: new Set(), slot: 0, branch: "", asked: 0, answers: false, seq: 0, well: 0 };
      this.#flows.set(name, kept);
      // From anywhere in the interval, so that phones that came together do not stay together.
      this.#schedule(kept, now + this.#draw(silenceOf(binding, domain) * SECOND));
    }
    kept.bindings.add(binding);
  }

  /** It is about to be at `next`: by another port of its NAT, which has forgotten the one before. */
  moves(binding: HeldBinding, next: Hop): void {
    const { flow, nated } = binding;
    const domain = this.#house.domain(binding.domain);
    const forgot = nated && flow.connection === 0 && next.connection === 0 && flow.remote.ip === next.remote.ip;
    if (!forgot || domain === undefined || flow.remote.port === next.remote.port) return;
    binding.silence = Math.max(Math.min(SHORTEST_SILENCE, domain.keepaliveSeconds), silenceOf(binding, domain) / 2);
  }

  letGo(binding: HeldBinding): void {
    const name = flowName(binding.flow);
    const kept = this.#flows.get(name);
    if (kept?.bindings.delete(binding) !== true || kept.bindings.size > 0) return;
    this.#flows.delete(name);
    kept.slot = 0; // Its slot forgets it when the time comes.
  }

  /** True: this was the answer to a question of ours. */
  heard(response: Response, hop: Hop, now: Millis): boolean {
    if (response.cseq.method !== "OPTIONS") return false;
    const kept = this.#flows.get(flowName(hop));
    if (kept === undefined || kept.branch === "" || response.branch !== kept.branch) return false;
    this.#answered += 1;
    kept.answers = true;
    this.#rest(kept, now);
    return true;
  }

  nextDeadline(): Millis | undefined {
    return this.#firstSlot === Number.POSITIVE_INFINITY ? undefined : this.#firstSlot * SLOT;
  }

  expire(now: Millis): void {
    const current = Math.floor(now / SLOT);
    while (this.#firstSlot <= current) {
      const slot = this.#firstSlot;
      const due = this.#slots.get(slot) ?? [];
      this.#slots.delete(slot);
      this.#firstSlot = Number.POSITIVE_INFINITY;
      for (const other of this.#slots.keys()) if (other < this.#firstSlot) this.#firstSlot = other;
      for (const kept of due) if (kept.slot === slot) this.#due(kept, now);
    }
  }

  #due(kept: Kept, now: Millis): void {
    const [binding] = kept.bindings;
    const domain = binding === undefined ? undefined : this.#house.domain(binding.domain);
    if (binding === undefined || domain === undefined || domain.keepalive === "off") {
      this.#flows.delete(flowName(kept.hop)); // A reload has taken its reason away.
      return;
    }
    const asks = domain.keepalive === "options";
    if (asks && kept.branch !== "" && kept.answers && kept.asked >= QUESTIONS) return this.#gone(kept, now);
    this.#sent += 1;
    if (domain.keepalive === "crlf") {
      kept.branch = ""; // A reload may have come behind a question: nobody waits for its answer.
      this.#house.transport.keepAlive(kept.hop);
    } else this.#ask(kept, binding, now);
    if (kept.branch !== "" && kept.answers) this.#schedule(kept, now + ANSWER_LIMIT * 2 ** (kept.asked - 1));
    else this.#schedule(kept, this.#next(kept, domain, now));
  }

  #gone(kept: Kept, now: Millis): void {
    this.#lost += 1;
    this.#flows.delete(flowName(kept.hop));
    this.#house.lost(kept.hop, now);
  }

  #ask(kept: Kept, { contact }: Binding, now: Millis): void {
    const { random, transport } = this.#house;
    const destination = backOver(kept.hop);
    const here = transport.localFor(destination);
    kept.branch = `z9hG4bK${token(random, BRANCH_CHARS)}`;
    kept.asked += 1;
    kept.seq += 1;
    const draft = new RequestDraft("OPTIONS", contact)
      .add("Max-Forwards", "70")
      .add("From", `<sip:${here.host}>;tag=${token(random, NAME_CHARS)}`)
      .add("To", `<${contact}>`)
      .add("Call-ID", token(random, BRANCH_CHARS))
      .add("CSeq", `${kept.seq} OPTIONS`);
    transport.sendRequest(
      destination,
      NOBODY,
      ({ protocol, sentBy }) => draft.toTextBy(viaText(protocol, sentBy, kept.branch)),
      now,
    );
  }

  #rest(kept: Kept, now: Millis): void {
    kept.branch = "";
    kept.asked = 0;
    const [binding] = kept.bindings;
    const domain = binding === undefined ? undefined : this.#house.domain(binding.domain);
    if (domain !== undefined) this.#schedule(kept, this.#next(kept, domain, now));
  }

  #next(kept: Kept, domain: DomainSettings, now: Millis): Millis {
    let seconds = domain.keepaliveSeconds;
    kept.well = (kept.well + 1) % GONE_WELL;
    for (const binding of kept.bindings) {
      if (kept.well === 0) binding.silence *= LONGER;
      if (binding.silence >= domain.keepaliveSeconds) binding.silence = 0;
      seconds = Math.min(seconds, silenceOf(binding, domain));
    }
    const interval = seconds * SECOND;
    return now + interval - this.#draw(interval * SPREAD);
  }

  #draw(most: Millis): Millis {
    return (this.#house.random.uint32() / 2 ** 32) * most;
  }

  #schedule(kept: Kept, at: Millis): void {
    const slot = Math.max(1, Math.ceil(at / SLOT));
    if (slot === kept.slot) return;
    kept.slot = slot;
    const others = this.#slots.get(slot);
    if (others === undefined) this.#slots.set(slot, [kept]);
    else others.push(kept);
    if (slot >= this.#firstSlot) return;
    this.#firstSlot = slot;
    this.#house.agenda.watch(this);
  }
}

const NOBODY: SendToken = { waiting: false };

const silenceOf = ({ silence }: HeldBinding, { keepaliveSeconds }: DomainSettings): number =>
  silence === 0 ? keepaliveSeconds : Math.min(silence, keepaliveSeconds);
