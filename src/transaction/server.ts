import { type Hop, isReliable, type Millis, type Punctual, type SendToken } from "../base/index.ts";
import { type Request, type ResponseDraft, responseTo, type ViaValue } from "../message/index.ts";
import type { Remains } from "./finished.ts";
import type { Home, Place } from "./home.ts";
import * as Invite from "./invite-server.ts";
import type { Key } from "./keys.ts";
import { Machine } from "./machine.ts";
import * as NonInvite from "./non-invite-server.ts";
import type { ServerOwner } from "./words.ts";

type State = Invite.State | NonInvite.State;
type Event = Invite.Event | NonInvite.Event;
type Effect = Invite.Effect | NonInvite.Effect;

/** One request of somebody else until its copies have died out, with its messages. The machine decides, this does. */
export class ServerTransaction implements Punctual, SendToken {
  readonly method: string;
  readonly hop: Hop;
  /** Where the layer finds it, and where it finds requests that took another way. */
  readonly key: Key;
  mergeKey: Key | undefined;
  /** The layer's note of where it keeps this. */
  place: Place = "live";
  readonly #home: Home;
  #machine: Machine<State, Event, Effect>;
  #owner: ServerOwner | undefined;
  /** Needed for the 100, and by whoever answers; gone once something was sent. */
  #request: Request | undefined;
  #via: ViaValue | undefined;
  /** The last response, for copies of the request. */
  #text = "";
  /** The way the last response went. */
  #responseHop: Hop | undefined;
  /** The To of the last response, with its tag: the answer to a CANCEL has the same. */
  #to: string | undefined;
  #answered = false;
  #ack: Request | undefined;

  constructor(home: Home, key: Key, mergeKey: Key | undefined, request: Request, hop: Hop, now: Millis) {
    this.#home = home;
    this.key = key;
    this.mergeKey = mergeKey;
    this.method = request.method;
    this.hop = hop;
    this.#request = request;
    this.#via = request.via;
    this.#machine = machineFor(request.method, isReliable(hop.protocol));
    this.#machine.start(now);
  }

  get state(): State {
    return this.#machine.state;
  }

  /** A final response has been given. */
  get answered(): boolean {
    return this.#answered;
  }

  get waiting(): boolean {
    return !this.#machine.terminated && !this.#machine.lingers;
  }

  get lingers(): boolean {
    return this.#machine.lingers;
  }

  get gone(): boolean {
    return this.#machine.terminated;
  }

  /** The To of the last response; `undefined` before there is one with a tag. */
  get to(): string | undefined {
    return this.#to;
  }

  setOwner(owner: ServerOwner): void {
    this.#owner = owner;
  }

  /** The owner wants no more news (the 2xx is acknowledged): frees its memory and that of the response. */
  forget(): void {
    this.#owner = undefined;
    if (this.#machine.state !== "accepted") return;
    this.#text = "";
    this.#home.settle(this);
  }

  /** What is left when nobody but the layer waits for anything; `undefined` until then. */
  get remains(): Remains | undefined {
    if (!this.#machine.lingers || this.#owner !== undefined) return undefined;
    const { state } = this.#machine;
    const accepted = state === "accepted";
    if (accepted && this.#text !== "") return undefined; // The leg may send it again.
    return {
      state: accepted
        ? "INVITE server accepted"
        : state === "confirmed"
          ? "INVITE server confirmed"
          : "server completed",
      hop: accepted ? this.hop : this.#responseHop,
      text: this.#text,
      wait: state === "confirmed" ? "short" : "long",
      endAt: this.#machine.nextDeadline() ?? 0,
      winner: undefined,
      late: undefined,
    };
  }

  /**
   * 1xx any number of times, one final response. What RFC 4320 forbids for non-INVITE is not sent: provisional ones,
   * 408 (the transaction ends in silence), and anything after the client has given up.
   */
  respond(draft: ResponseDraft, now: Millis): void {
    const { status } = draft;
    if (this.method !== "INVITE") {
      if (status < 200 || this.#answered) return;
      this.#answered = true;
      if (status === 408) return this.shed();
    } else if (this.#answered) return;

    if (status >= 200) this.#answered = true;
    if (status > 100) this.#to = draft.get("To") ?? this.#to;
    const before = this.#text;
    this.#text = draft.toText();
    if (!this.#step(eventFor(status, this.method), now)) this.#text = before; // Too late for the machine.
    this.#home.settle(this);
  }

  /**
   * One refusal with no transaction behind it (RFC 3261 §8.2.7): nothing is kept, no copy of it follows, and a copy of the
   * request gets the same again. For strangers, who shall not use us to send others more than they send us.
   * Limit: an answer of more than 1.5 times the bytes of its request is not sent.
   */
  refuseOnce(status: number, now: Millis): void {
    const request = this.#request;
    if (this.#answered || request === undefined) return;
    this.#answered = true;
    const text = responseTo(request, status, this.#home.statelessTag(request)).toText();
    if (text.length <= (request.text.length - stampedBytes(request.via)) * AMPLIFICATION)
      this.#home.transport.sendResponse(this.hop, request.via, text, now);
    else this.#home.tooShort();
    this.shed();
  }

  /**
   * The final answer, with no transaction behind it: nothing is kept, and a copy of the request is judged anew. For
   * answers that come out the same each time and change nothing by being given twice (RFC 3261 §8.2.7). False: it was
   * answered already, if only by a 100, so its answer has to be kept.
   */
  answerOnce(make: (tag: string) => ResponseDraft, now: Millis): boolean {
    const request = this.#request;
    if (this.#answered || request === undefined) return false;
    this.#answered = true;
    const text = make(this.#home.statelessTag(request)).toText();
    this.#home.transport.sendResponse(this.hop, request.via, text, now);
    this.shed();
    return true;
  }

  /** Sends the 2xx again: its copies are the leg's until the ACK comes (RFC 3261 §13.3.1.4). */
  resendFinal(now: Millis): void {
    if (this.#machine.state === "accepted" && this.#text !== "") this.#step("send 2xx", now);
  }

  /** A copy of the request. */
  again(now: Millis): void {
    this.#step(this.method === "INVITE" ? "INVITE" : "request", now);
  }

  ack(ack: Request, now: Millis): void {
    this.#ack = ack;
    this.#step("ACK", now);
    this.#ack = undefined;
    this.#home.settle(this);
  }

  /** The owner hears of it once: while an answer is still owed. */
  cancelled(cancel: Request, now: Millis): void {
    if (!this.#answered) this.#owner?.cancelled?.(cancel, now);
  }

  unreachable(now: Millis): void {
    this.#step("unreachable", now);
    this.#home.settle(this);
  }

  nextDeadline(): Millis | undefined {
    return this.#machine.nextDeadline();
  }

  expire(now: Millis): void {
    for (let due = this.#machine.takeDue(now); due !== undefined; due = this.#machine.takeDue(now))
      this.#step(due, now);
    this.#home.settle(this);
  }

  shed(): void {
    this.#machine = GONE;
    this.#home.settle(this);
  }

  /** False when the machine had nothing to do for it. */
  #step(event: Event, now: Millis): boolean {
    const effects = this.#machine.handle(event, now);
    for (const effect of effects) this.#do(effect, now);
    if (!this.waiting) this.#slim();
    return effects.length > 0;
  }

  #do(effect: Effect, now: Millis): void {
    switch (effect) {
      case "send 100":
        if (this.#request === undefined) return;
        this.#text = responseTo(this.#request, 100).toText();
        return this.#send(now);
      case "send response":
        return this.#send(now);
      case "resend response":
        if (this.#responseHop !== undefined) {
          this.#home.transport.resend(this.#responseHop, this.#text, this, now);
        }
        return;
      case "pass ACK up":
        if (this.#ack !== undefined) this.#home.passAck(this.#ack, this, now);
        return;
      case "report ACK":
        if (this.#ack !== undefined) this.#owner?.ack?.(this.#ack, now);
        return;
      case "report no ACK":
        return this.#owner?.failed?.("no-ack", now);
      case "report unreachable":
        return this.#owner?.failed?.("unreachable", now);
      default:
        effect satisfies never;
    }
  }

  #send(now: Millis): void {
    if (this.#via === undefined) return;
    this.#responseHop = this.#home.transport.sendResponse(this.hop, this.#via, this.#text, now, this);
    this.#request = undefined;
  }

  /** Many linger at once: only what the last state needs stays. The Via would keep the whole request alive. */
  #slim(): void {
    this.#via = undefined;
    this.#request = undefined;
    this.#to = undefined;
    const state = this.#machine.state;
    if (state !== "accepted") this.#owner = undefined;
    if (state === "confirmed" || state === "terminated") this.#text = "";
  }
}

const AMPLIFICATION = 1.5;

/** What we have written into the Via ourselves (RFC 3261 §18.2.1, RFC 3581 §4): not the sender's bytes. */
function stampedBytes({ params }: ViaValue): number {
  const received = params.get("received");
  const rport = params.get("rport");
  return (
    (received === undefined ? 0 : ";received=".length + received.length) + (rport === undefined ? 0 : 1 + rport.length)
  );
}

const machineFor = (method: string, reliable: boolean): Machine<State, Event, Effect> =>
  new Machine<State, Event, Effect>(method === "INVITE" ? Invite.inviteServer : NonInvite.nonInviteServer, reliable);

const GONE = machineFor("", true);
GONE.start(0);
GONE.handle("send final", 0);

function eventFor(status: number, method: string): Event {
  if (method !== "INVITE") return "send final";
  if (status < 200) return "send 1xx";
  return status < 300 ? "send 2xx" : "send 3xx-6xx";
}
