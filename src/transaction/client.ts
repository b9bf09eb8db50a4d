import {
  assert,
  type Destination,
  type Hop,
  hash32,
  isReliable,
  type Millis,
  type Protocol,
  type Punctual,
  type SendToken,
  tokenHash,
} from "../base/index.ts";
import { INITIAL_MAX_FORWARDS, parseMessage, type Request, RequestDraft, type Response } from "../message/index.ts";
import type { Remains } from "./finished.ts";
import type { Home, Place } from "./home.ts";
import * as Invite from "./invite-client.ts";
import { Machine } from "./machine.ts";
import * as NonInvite from "./non-invite-client.ts";
import type { ClientOwner } from "./words.ts";

type State = Invite.State | NonInvite.State;
type Event = Invite.Event | NonInvite.Event;
type Effect = Invite.Effect | NonInvite.Effect;

/** Limit: forks that answer after the end of the call; the 2xx of those beyond are dropped, and their own timer ends them. */
const LATE_FORK_LIMIT = 12;

/** One request of ours until its last answer, with its messages. The machine decides, this does. */
export class ClientTransaction implements Punctual, SendToken {
  readonly branch: string;
  readonly method: string;
  /** Where the layer finds it. A CANCEL shares its branch with its INVITE, and the hash. */
  readonly key: string;
  readonly hash: number;
  /** The layer's note of where it keeps this. */
  place: Place = "live";
  readonly #home: Home;
  #machine: Machine<State, Event, Effect>;
  #owner: ClientOwner | undefined;
  #hop: Hop;
  /** What would be sent again: the request, later the ACK for a non-2xx; empty when nothing would. */
  #text = "";
  /** Kept only while a large request may have to fall back from TCP to UDP. */
  #fallback: { readonly draft: RequestDraft; readonly destination: Destination } | undefined;
  /** Wanted before the first response came: RFC 3261 §9.1 makes it wait for one. */
  #cancelHeaders: readonly (readonly [string, string])[] | undefined;
  /** Of an INVITE that went on a stream, for its CANCEL and for the ACK of its refusal. */
  #destination: Destination | undefined;
  #response: Response | undefined;
  /** Who answered, when its owner has gone, and who did so after that: as numbers, since many linger. */
  #winner: number | undefined;
  #late: readonly number[] | undefined;
  #now: Millis = 0;

  /** A request to a destination: the transport picks the connection and, for large ones, the protocol. */
  static toDestination(
    home: Home,
    branch: string,
    draft: RequestDraft,
    destination: Destination,
    owner: ClientOwner,
    now: Millis,
  ): ClientTransaction {
    const transaction = new ClientTransaction(home, branch, draft.method, owner, NOWHERE);
    transaction.#send(draft, destination, now);
    return transaction;
  }

  /** A request whose text stands, on the hop of another one: CANCEL. */
  static onHop(home: Home, invite: ClientTransaction, method: string, text: string, owner: ClientOwner, now: Millis) {
    const transaction = new ClientTransaction(home, invite.branch, method, owner, invite.hop);
    transaction.#text = text;
    transaction.#begin(invite.hop.protocol, now);
    transaction.#destination = invite.#destination;
    transaction.#follow(now);
    return transaction;
  }

  private constructor(home: Home, branch: string, method: string, owner: ClientOwner, hop: Hop) {
    this.#home = home;
    this.branch = branch;
    this.method = method;
    this.key = clientKey(branch, method);
    this.hash = tokenHash(branch);
    this.#owner = owner;
    this.#hop = hop;
    this.#machine = machineFor(method, true);
  }

  get hop(): Hop {
    return this.#hop;
  }

  get state(): State {
    return this.#machine.state;
  }

  /** A final response is still awaited. */
  get waiting(): boolean {
    return !this.#machine.lingers && !this.#machine.terminated;
  }

  get lingers(): boolean {
    return this.#machine.lingers;
  }

  get gone(): boolean {
    return this.#machine.terminated;
  }

  /**
   * Sends CANCEL with these headers besides the copied ones (Reason: RFC 3326), now or after the first 1xx; nothing
   * once a final response is here. The INVITE still ends by its own final response, or by `failed("timeout")` when
   * none comes for 64*T1 after the CANCEL.
   */
  cancel(headers: readonly (readonly [string, string])[], now: Millis): void {
    if (this.method !== "INVITE" || !this.waiting || this.#cancelHeaders !== undefined) return;
    this.#cancelHeaders = headers;
    this.handle("cancel", now);
  }

  /** The owner wants no more news: a later 2xx goes up as a stray response, and the owner's memory is freed. */
  forget(): void {
    this.#letGo(undefined);
  }

  /** As `forget`, of an INVITE whose answer came from this fork: late answers of others go up as such. */
  settled(toTag: string | undefined): void {
    this.#letGo(forkOf(toTag));
  }

  /** What is left when nobody but the layer waits for anything; `undefined` until then. */
  get remains(): Remains | undefined {
    if (!this.#machine.lingers || this.#owner !== undefined) return undefined;
    const invite = this.method === "INVITE";
    const accepted = this.#machine.state === "accepted";
    return {
      state: accepted ? "INVITE client accepted" : invite ? "INVITE client completed" : "client completed",
      hop: this.#hop,
      text: this.#text,
      wait: invite ? "long" : "short",
      endAt: this.#machine.nextDeadline() ?? 0,
      winner: this.#winner,
      late: this.#late,
    };
  }

  respond(response: Response, now: Millis): void {
    this.#response = response;
    this.handle(eventOf(response.status, this.method), now);
    this.#response = undefined;
    // A CANCEL that was waiting for the first 1xx can go now.
    if (this.#cancelHeaders !== undefined && this.#machine.state === "proceeding") this.handle("cancel", now);
  }

  unreachable(now: Millis): void {
    const fallback = this.#fallback;
    if (fallback !== undefined && this.waiting) {
      // RFC 3261 §18.1.1: the other end takes no TCP, so the large request goes in a datagram after all.
      this.#send(fallback.draft, { ...fallback.destination, tcpForLargeRequests: false }, now);
      this.#home.settle(this);
      return;
    }
    this.handle("unreachable", now);
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

  handle(event: Event, now: Millis): void {
    this.#step(event, now);
    this.#home.settle(this);
  }

  #send(draft: RequestDraft, destination: Destination, now: Millis): void {
    const sent = this.#home.transport.sendRequest(
      destination,
      this,
      (via) => {
        this.#text = draft.toTextBy(viaText(via.protocol, via.sentBy, this.branch));
        return this.#text;
      },
      now,
    );
    const switched = destination.protocol === "udp" && sent.protocol !== "udp";
    this.#fallback = switched ? { draft, destination } : undefined;
    this.#hop = sent.hop;
    if (this.method === "INVITE" && isReliable(sent.protocol)) {
      this.#destination = switched ? { ...destination, protocol: sent.protocol } : destination;
    } else this.#destination = undefined;
    this.#begin(sent.protocol, now);
  }

  /** What follows an INVITE goes where it went; its stream may have broken since, and then on a new one (RFC 3261 §18.4). */
  #follow(now: Millis): void {
    const { transport } = this.#home;
    if (this.#destination === undefined) return transport.resend(this.#hop, this.#text, this, now);
    transport.sendRequest(this.#destination, this, () => this.#text, now);
  }

  #begin(protocol: Protocol, now: Millis): void {
    this.#machine = machineFor(this.method, isReliable(protocol));
    this.#machine.start(now); // Its one effect, to send, has been done: the transport had to choose first.
  }

  #step(event: Event, now: Millis): void {
    const effects = this.#machine.handle(event, now);
    if (effects.length === 0) return;
    this.#now = now;
    for (const effect of effects) this.#do(effect);
    if (!this.waiting) this.#slim();
  }

  #do(effect: Effect): void {
    const now = this.#now;
    switch (effect) {
      case "send INVITE":
      case "send request":
      case "resend ACK":
        return this.#home.transport.resend(this.#hop, this.#text, this, now);
      case "send ACK":
        assert(this.#response !== undefined, "an ACK answers a response");
        this.#text = ackText(this.#text, this.#response);
        return this.#follow(now);
      case "send CANCEL":
        return this.#home.cancel(this, cancelText(this.#text, this.#cancelHeaders ?? []), CANCEL_OWNER, now);
      case "pass up":
        return this.#passUp(now);
      case "report timeout":
        return this.#owner?.failed("timeout", this, now);
      case "report unreachable":
        return this.#owner?.failed("unreachable", this, now);
      default:
        effect satisfies never;
    }
  }

  #letGo(winner: number | undefined): void {
    this.#owner = undefined;
    this.#winner = winner;
    if (this.#machine.lingers) this.#home.settle(this);
  }

  #passUp(now: Millis): void {
    const response = this.#response;
    assert(response !== undefined, "only a response is passed up");
    if (this.#owner !== undefined) this.#owner.response(response, this, now);
    else if (this.method === "INVITE") this.#passUpLate(response, now);
  }

  #passUpLate(response: Response, now: Millis): void {
    const late = lateFork(response, this.#winner, this.#late ?? []);
    if (late === "too many") return;
    if (late === "none") return this.#home.strayResponse(response, this, now);
    if (late.first) this.#late = [...(this.#late ?? []), late.fork];
    this.#home.lateFork(response, this, late.first, now);
  }

  /** Many linger at once: only what the last state needs stays. */
  #slim(): void {
    this.#fallback = undefined;
    this.#destination = undefined;
    this.#cancelHeaders = undefined;
    const state = this.#machine.state;
    if (state !== "accepted") this.#owner = undefined;
    if (state !== "completed" || this.method !== "INVITE") this.#text = "";
  }
}

/**
 * What a 2xx is that comes when the owner of its INVITE has gone: a late fork's, for the first time or again, or "none":
 * there was no other one who answered. `late`: those known so far.
 */
export function lateFork(
  response: Response,
  winner: number | undefined,
  late: readonly number[],
): { readonly fork: number; readonly first: boolean } | "none" | "too many" {
  const fork = forkOf(response.toTag);
  if (winner === undefined || winner === fork) return "none";
  if (late.includes(fork)) return { fork, first: false };
  return late.length === LATE_FORK_LIMIT ? "too many" : { fork, first: true };
}

/** A number for a To tag: strings of a message would keep all of it. Who makes two alike harms himself alone. */
const forkOf = (toTag: string | undefined): number => hash32(toTag ?? "", 0);

export const clientKey = (branch: string, method: string): string =>
  method === "CANCEL" ? `${branch} CANCEL` : branch;

/** `rport`: RFC 3581 §3. `alias`: the other end may send its requests on this connection, RFC 5923 §5. */
export function viaText(protocol: Protocol, sentBy: string, branch: string): string {
  if (protocol === "udp") return `SIP/2.0/UDP ${sentBy};branch=${branch};rport`;
  if (protocol === "tcp") return `SIP/2.0/TCP ${sentBy};branch=${branch};rport`;
  if (protocol === "tls") return `SIP/2.0/TLS ${sentBy};branch=${branch};rport;alias`;
  return `SIP/2.0/${protocol === "ws" ? "WS" : "WSS"} ${sentBy};branch=${branch};rport`;
}

const NOWHERE: Hop = {
  realm: "",
  listener: "",
  protocol: "udp",
  remote: { ip: "", port: 0 },
  connection: 0,
  tlsNames: [],
};

const CANCEL_OWNER: ClientOwner = { response() {}, failed() {} };

const machineFor = (method: string, reliable: boolean): Machine<State, Event, Effect> =>
  new Machine<State, Event, Effect>(method === "INVITE" ? Invite.inviteClient : NonInvite.nonInviteClient, reliable);

const GONE = machineFor("", true);
GONE.start(0);
GONE.handle("unreachable", 0);

export function eventOf(status: number, method: string): "1xx" | "2xx" | "3xx-6xx" | "200-699" {
  if (status < 200) return "1xx";
  if (method !== "INVITE") return "200-699";
  return status < 300 ? "2xx" : "3xx-6xx";
}

/** RFC 3261 §17.1.1.3: everything as in the INVITE, but the To of the response; with its credentials (§22.1). */
function ackText(inviteText: string, response: Response): string {
  const draft = likeInvite(inviteText, "ACK", response.headers.raw("To"));
  const id = draft.get("Session-ID");
  if (id !== undefined) draft.set("Session-ID", answeredId(id, response));
  if (!inviteText.includes("uthorization: ")) return draft.toText();
  const { headers } = parseMessage(inviteText);
  for (const name of ["Authorization", "Proxy-Authorization"]) {
    for (const value of headers.rawAll(name)) draft.add(name, value);
  }
  return draft.toText();
}

/** RFC 7989 §10.8.1: whoever answered is known now. */
function answeredId(id: string, response: Response): string {
  const told = /^[0-9a-f]{32}/.exec(response.headers.raw("session-id") ?? "")?.[0];
  return told === undefined || !id.includes(";remote=") ? id : `${id.slice(0, id.indexOf(";"))};remote=${told}`;
}

/** RFC 3261 §9.1: everything as in the INVITE. */
function cancelText(inviteText: string, headers: readonly (readonly [string, string])[]): string {
  const draft = likeInvite(inviteText, "CANCEL", undefined);
  for (const [name, value] of headers) draft.add(name, value);
  return draft.toText();
}

function likeInvite(inviteText: string, method: string, to: string | undefined): RequestDraft {
  // Read back from our own text: so nothing else needs to be kept for the one call in some that needs it.
  const invite = parseMessage(inviteText) as Request;
  const { headers } = invite;
  const copy = (name: string): string => headers.raw(name) ?? "";
  const draft = new RequestDraft(method, invite.uri).add("Via", copy("Via"));
  for (const route of headers.rawAll("Route")) draft.add("Route", route);
  draft
    .add("Max-Forwards", String(INITIAL_MAX_FORWARDS))
    .add("From", copy("From"))
    .add("To", to ?? copy("To"))
    .add("Call-ID", copy("Call-ID"))
    .add("CSeq", `${Number.parseInt(copy("CSeq"), 10)} ${method}`);
  return headers.has("session-id") ? draft.add("Session-ID", copy("Session-ID")) : draft; // RFC 7989 §7.
}
