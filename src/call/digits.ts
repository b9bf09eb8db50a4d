/**
 * Digits that cross as INFO (application/dtmf-relay, application/dtmf) on one side of a call and as RFC 4733 events on the
 * other. Which side has which is told by `dtmf` of its realm or peer. A call that has no such side never comes here.
 */
import { digitOfEvent, eventOfDigit, type Millis, PeerError, type Side } from "../base/index.ts";
import { type Dialog, type Leg, type LegClient, NOTHING, type Parcel, type ServerTransaction } from "../leg/index.ts";
import type { MediaNews } from "../media/index.ts";
import { ContentType, INITIAL_MAX_FORWARDS, type Request, type Response } from "../message/index.ts";
import type { Call } from "./call.ts";
import { reply } from "./replies.ts";

/** Limit: digits that wait for the answer to the INFO before them; those beyond are lost. */
const WAITING_LIMIT = 64;
const RELAY = "application/dtmf-relay";
/** How long a digit is that says nothing of it, in milliseconds. */
const USUAL_MS = 160;
const LONGEST_MS = 6_000;

/** One digit as a body tells it. */
export interface InfoDigit {
  /** RFC 4733 §3.2: 0 to 16. */
  readonly event: number;
  readonly durationMs: number;
}

/** `undefined`: it tells no digit. */
export function digitIn(request: Request): InfoDigit | undefined {
  if (request.body === "" || request.body.length > 256) return undefined;
  let type: string;
  try {
    const read = request.get(ContentType);
    type = `${read?.type}/${read?.subtype}`;
  } catch (error) {
    if (error instanceof PeerError) return undefined;
    throw error;
  }
  if (type === RELAY) return digitOf(/^\s*Signal\s*=\s*(\S+)/im.exec(request.body)?.[1], request.body);
  if (type === "application/dtmf") return digitOf(/^\s*(?:d\s*=\s*)?(\S)\s*$/i.exec(request.body)?.[1], "");
  return undefined;
}

function digitOf(signal: string | undefined, body: string): InfoDigit | undefined {
  const event = signal === undefined ? -1 : eventOf(signal);
  if (event < 0) return undefined;
  const told = Number(/^\s*Duration\s*=\s*([0-9]{1,6})\s*$/im.exec(body)?.[1] ?? USUAL_MS);
  return { event, durationMs: Math.min(LONGEST_MS, told) };
}

/** The digit, or its number: some say 10 for *. */
function eventOf(signal: string): number {
  if (signal.length === 1) return eventOfDigit(signal);
  const number = /^1[0-6]$/.test(signal) ? Number(signal) : -1;
  return signal.toLowerCase() === "hf" || signal.toLowerCase() === "flash" ? 16 : number;
}

/** An INFO whose digit the other side gets as an RFC 4733 event, and its answer. False: it crosses like any other. */
export function playsInfo(
  call: Call,
  dialog: Dialog,
  twin: Dialog,
  request: Request,
  server: ServerTransaction,
  now: Millis,
): boolean {
  const { media } = call.house;
  const facts = media.digitFacts(call.id, dialog.leg.side);
  if (facts === "off" && !media.mayPlay(call.id, twin.leg.side)) return false;
  if (request.headers.has("info-package")) return false;
  const digit = digitIn(request);
  if (digit === undefined) return false;
  tell(call, dialog.leg.side, "info", digit, now);
  if (!media.play(call.id, twin.leg.side, digit)) return false;
  reply(request, server, dialog, 200, NOTHING, now);
  return true;
}

/** A digit that the relay heard. */
export function heardDigit(call: Call, news: Extract<MediaNews, { news: "digit" }>, now: Millis): void {
  const { side, digit: event, durationMs } = news;
  const digit = { event, durationMs };
  tell(call, side, "rfc4733", digit, now);
  if (!news.taken || call.state === "over") return;
  call.digits ??= new DigitInfos(call);
  call.digits.send(side, digit, now);
}

function tell(call: Call, side: Side, via: "rfc4733" | "info", { event, durationMs }: InfoDigit, now: Millis): void {
  const facts = call.house.media.digitFacts(call.id, side);
  if (facts === "off") return;
  const fact = { fact: "media.digit", call: call.id, side, via, durationMs } as const;
  call.house.fact(facts === "digits" ? { ...fact, digit: digitOfEvent(event) } : fact, now);
}

/** INFO of ours, one after the other: digits are in order, and UDP is not. */
export class DigitInfos implements LegClient {
  readonly #call: Call;
  readonly #waiting: { readonly from: Side; readonly digit: InfoDigit }[] = [];
  /** The leg that has not answered yet. */
  #asked: Leg | undefined;

  constructor(call: Call) {
    this.#call = call;
  }

  send(from: Side, digit: InfoDigit, now: Millis): void {
    if (this.#waiting.length >= WAITING_LIMIT) return;
    this.#waiting.push({ from, digit });
    this.#next(now);
  }

  response(response: Response, _transaction: unknown, now: Millis): void {
    if (response.status < 200) return;
    const asked = this.#asked;
    this.#asked = undefined;
    if (response.status === 481) this.#call.lost(481, now, asked);
    this.#next(now);
  }

  failed(cause: "timeout" | "unreachable", _transaction: unknown, now: Millis): void {
    const asked = this.#asked;
    this.#asked = undefined;
    if (cause === "unreachable") this.#call.lost(503, now, asked);
    this.#next(now);
  }

  #next(now: Millis): void {
    for (;;) {
      if (this.#asked !== undefined || this.#call.state === "over") return;
      const next = this.#waiting.shift();
      if (next === undefined) return;
      const from = next.from === "caller" ? this.#call.caller : this.#call.callee;
      const dialog = from?.dialogs.find(({ twin }) => twin !== undefined)?.twin;
      // One that cannot take INFO has no other way to hear it.
      if (dialog === undefined || !dialog.allowsMethod("INFO")) continue;
      this.#asked = dialog.leg;
      dialog.leg.send(dialog, "INFO", parcelOf(next.digit), this, INITIAL_MAX_FORWARDS, now);
    }
  }
}

const parcelOf = ({ event, durationMs }: InfoDigit): Parcel => ({
  headers: [],
  type: RELAY,
  body: `Signal=${digitOfEvent(event)}\r\nDuration=${Math.max(1, durationMs)}\r\n`,
});
