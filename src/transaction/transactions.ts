/** The transaction layer: which transaction a message belongs to, and where each waits for its next moment. */
import {
  type Agenda,
  below,
  Counters,
  type Destination,
  type Hop,
  type Millis,
  type Random,
  type SendToken,
  TextMap,
  token,
  tokenHash,
} from "../base/index.ts";
import { type Message, type Request, type RequestDraft, type Response, responseTo } from "../message/index.ts";
import { ClientTransaction, clientKey, eventOf, lateFork, viaText } from "./client.ts";
import { Finished, NONE, type Remains } from "./finished.ts";
import type { Home } from "./home.ts";
import { type Key, Keys, MAGIC_COOKIE } from "./keys.ts";
import { ServerTransaction } from "./server.ts";
import type { ClientOwner, TransactionUser, TransportPort } from "./words.ts";

export type TransactionCounter =
  | "request.new"
  | "request.copy"
  | "request.merged"
  | "request.over-limit"
  /** A stranger's, so short that the answer would have been a gain to him. */
  | "request.too-short"
  | "cancel.matched"
  | "cancel.unmatched"
  | "ack.unmatched"
  | "response.matched"
  | "response.stray"
  | "response.other-realm"
  | "linger.shed";

/** Limit: finished transactions of each table, per transaction that may live; beyond, the oldest ends before its time. */
const LINGERING_PER_LIVE = 8;

/** Limit: requests inside dialogs are still served this far above the limit for new ones: a call must be able to end. */
const DIALOG_RESERVE = 1.25;

/** Retry-After of an overload answer: seconds, at random between these so that the peers do not come back all at once. */
const RETRY_AFTER_SECONDS = [5, 15] as const;

/** Characters after the cookie, of 6 random bits each. */
const BRANCH_LENGTH = 16;

export interface TransactionCounts {
  /** Waiting for an answer, or for one to be acknowledged. */
  readonly client: number;
  readonly server: number;
  /** Finished; they absorb copies for up to 32 s. */
  readonly lingering: number;
}

export interface SentAck {
  /** For each copy of the 2xx (RFC 3261 §13.2.2.4). */
  resend(now: Millis): void;
}

export class Transactions {
  readonly counters = new Counters<TransactionCounter>();
  readonly #transport: TransportPort;
  readonly #random: Random;
  readonly #agenda: Agenda;
  readonly #user: TransactionUser;
  readonly #keys: Keys;
  readonly #home: Home;
  /** Not bounded here: these are our own, one per leg and request. Lingering ones are, below. */
  readonly #clients = new TextMap<ClientTransaction>();
  readonly #servers = new TextMap<ServerTransaction>();
  /** Requests outside dialogs, by what is the same whichever way they came. As many as servers at most. */
  readonly #merged = new TextMap<ServerTransaction>();
  /** What is left of those that ended, by the same keys; a client's by its branch and method. */
  readonly #finishedClients: Finished;
  readonly #finishedServers: Finished;
  readonly #finishedMerged: Finished;
  readonly #mostFinished: number;
  #limit: number;
  /** Over, but still in the tables above, as their owners want news. */
  #lingeringClients = 0;
  #lingeringServers = 0;

  /** `limit`: live server transactions; a request beyond is answered 503 with Retry-After, without a transaction. */
  constructor(options: {
    readonly transport: TransportPort;
    readonly random: Random;
    readonly agenda: Agenda;
    readonly user: TransactionUser;
    readonly limit: number;
  }) {
    this.#transport = options.transport;
    this.#random = options.random;
    this.#agenda = options.agenda;
    this.#user = options.user;
    this.#limit = options.limit;
    this.#keys = new Keys(options.random);
    this.#mostFinished = options.limit * LINGERING_PER_LIVE;
    const finished = (shed: () => void): Finished => new Finished(options.agenda, this.#mostFinished, shed);
    const count = (): void => this.counters.add("linger.shed");
    this.#finishedClients = finished(count);
    this.#finishedServers = finished(count);
    this.#finishedMerged = finished(() => {}); // Each is of a server that counts already.
    this.#home = this.#makeHome();
  }

  /** Plugs in as `TransportUser.message`. */
  message(message: Message, hop: Hop, now: Millis): void {
    if (message.kind === "response") this.#response(message, hop, now);
    else this.#request(message, hop, now);
  }

  /** Plugs in as `TransportUser.unreachable`. */
  unreachable(sent: SendToken, _reason: string, now: Millis): void {
    if (sent instanceof ClientTransaction || sent instanceof ServerTransaction) sent.unreachable(now);
  }

  /** Plugs in as `TransportUser.undelivered`. An INVITE that has got a 1xx goes on. */
  undelivered(branch: string, method: string, now: Millis): void {
    this.#client(branch, method)?.unreachable(now);
  }

  /** Sends a request; `draft` has no Via yet. The owner hears nothing before this returns. */
  request(draft: RequestDraft, destination: Destination, owner: ClientOwner, now: Millis): ClientTransaction {
    const transaction = ClientTransaction.toDestination(this.#home, this.#branch(), draft, destination, owner, now);
    this.#clients.set(transaction.key, transaction, transaction.hash);
    this.#agenda.watch(transaction);
    return transaction;
  }

  /** The ACK for a 2xx is no transaction: it goes once, and again by the handle for each copy of the 2xx. */
  ack(draft: RequestDraft, destination: Destination, now: Millis): SentAck {
    const branch = this.#branch();
    let text = "";
    const { hop } = this.#transport.sendRequest(
      destination,
      NOBODY,
      ({ protocol, sentBy }) => {
        text = draft.toTextBy(viaText(protocol, sentBy, branch));
        return text;
      },
      now,
    );
    return { resend: (at) => this.#transport.resend(hop, text, NOBODY, at) };
  }

  /** The limit after a reload; what is kept of finished ones stays bounded as it was at the start. */
  setLimit(limit: number): void {
    this.#limit = Math.min(limit, Math.floor(this.#mostFinished / LINGERING_PER_LIVE));
  }

  counts(): TransactionCounts {
    return {
      client: this.#clients.size - this.#lingeringClients,
      server: this.#servers.size - this.#lingeringServers,
      lingering:
        this.#lingeringClients + this.#lingeringServers + this.#finishedClients.size + this.#finishedServers.size,
    };
  }

  #branch(): string {
    return MAGIC_COOKIE + token(this.#random, BRANCH_LENGTH);
  }

  #response(response: Response, hop: Hop, now: Millis): void {
    const branch = response.branch ?? "";
    const transaction = this.#client(branch, response.cseq.method);
    if (transaction === undefined) return this.#lateResponse(response, hop, now);
    if (!this.#ofItsRealm(transaction.hop, hop)) return;
    this.counters.add("response.matched");
    transaction.respond(response, now);
  }

  #client(branch: string, method: string): ClientTransaction | undefined {
    const found = this.#clients.get(clientKey(branch, method), tokenHash(branch));
    return found?.method === method ? found : undefined;
  }

  #lateResponse(response: Response, hop: Hop, now: Millis): void {
    const branch = response.branch ?? "";
    const finished = this.#finishedClients;
    const place = finished.find(finishedKey(branch, response.cseq.method), tokenHash(branch));
    if (place === NONE) {
      this.counters.add("response.stray");
      return this.#user.strayResponse(response, hop, now);
    }
    const way = finished.hop(place);
    if (way === undefined || !this.#ofItsRealm(way, hop)) return;
    this.counters.add("response.matched");
    for (const effect of finished.effects(place, eventOf(response.status, response.cseq.method))) {
      if (effect === "resend ACK") this.#transport.resend(way, finished.text(place), NOBODY, now);
      else if (effect === "pass up") this.#lateAccept(response, place, way, now);
    }
  }

  #lateAccept(response: Response, place: number, way: Hop, now: Millis): void {
    const finished = this.#finishedClients;
    const late = lateFork(response, finished.winner(place), finished.late(place));
    if (late === "too many") return;
    if (late === "none") return this.#user.strayResponse(response, way, now);
    if (late.first) finished.addLate(place, late.fork);
    this.#user.lateFork(response, way, late.first, now);
  }

  /** Whoever guesses a branch of one side from the other gets nowhere. */
  #ofItsRealm(way: Hop, hop: Hop): boolean {
    if (way.realm === hop.realm) return true;
    this.counters.add("response.other-realm");
    return false;
  }

  #request(request: Request, hop: Hop, now: Millis): void {
    const key = this.#keys.server(request, hop.realm);
    const found = this.#servers.get(key.text, key.hash);
    const finished = found === undefined ? this.#finishedServers.find(key.text, key.hash) : NONE;
    if (request.method === "ACK") return this.#ack(request, found, finished, hop, now);
    if (request.method === "CANCEL") return this.#cancel(request, found, finished, hop, now);
    if (found !== undefined || finished !== NONE) {
      this.counters.add("request.copy");
      return found === undefined ? this.#again(request, finished, now) : found.again(now);
    }

    const mergeKey = this.#keys.merged(request, hop.realm);
    if (mergeKey !== undefined && this.#isMerged(mergeKey)) {
      this.counters.add("request.merged");
      return this.#refuse(request, hop, 482, now);
    }
    if (this.#overLimit(mergeKey === undefined)) {
      this.counters.add("request.over-limit");
      return this.#refuse(request, hop, 503, now);
    }
    this.counters.add("request.new");
    this.#serve(new ServerTransaction(this.#home, key, mergeKey, request, hop, now), request, now);
  }

  #again({ method }: Request, place: number, now: Millis): void {
    const finished = this.#finishedServers;
    const way = finished.hop(place);
    const text = finished.text(place);
    for (const effect of finished.effects(place, method === "INVITE" ? "INVITE" : "request")) {
      if (effect === "resend response" && way !== undefined && text !== "")
        this.#transport.resend(way, text, NOBODY, now);
    }
  }

  #isMerged({ text, hash }: Key): boolean {
    return this.#merged.has(text, hash) || this.#finishedMerged.find(text, hash) !== NONE;
  }

  #overLimit(inDialog: boolean): boolean {
    const live = this.#servers.size - this.#lingeringServers;
    return live >= (inDialog ? this.#limit * DIALOG_RESERVE : this.#limit);
  }

  #serve(server: ServerTransaction, request: Request, now: Millis): void {
    const { key, mergeKey } = server;
    this.#servers.set(key.text, server, key.hash);
    if (mergeKey !== undefined) this.#merged.set(mergeKey.text, server, mergeKey.hash);
    this.#user.request(request, server, server.hop, now);
    // The machine's first timer; one that was answered at once has found its place already.
    if (server.waiting) this.#agenda.watch(server);
  }

  #ack(ack: Request, found: ServerTransaction | undefined, finished: number, hop: Hop, now: Millis): void {
    if (found !== undefined) return found.ack(ack, now);
    if (finished !== NONE) return this.#ackAgain(ack, finished, now);
    this.counters.add("ack.unmatched");
    this.#user.ack(ack, hop, now);
  }

  #ackAgain(ack: Request, place: number, now: Millis): void {
    const way = this.#finishedServers.hop(place);
    for (const effect of this.#finishedServers.effects(place, "ACK")) {
      if (effect === "pass ACK up" && way !== undefined) this.#user.ack(ack, way, now);
    }
  }

  /** RFC 3261 §9.2. Each copy of a CANCEL gets the same answer, so it needs no transaction of its own. */
  #cancel(cancel: Request, found: ServerTransaction | undefined, finished: number, hop: Hop, now: Millis): void {
    if (found === undefined && finished === NONE) {
      this.counters.add("cancel.unmatched");
      return this.#refuse(cancel, hop, 481, now);
    }
    this.counters.add("cancel.matched");
    const answer = responseTo(cancel, 200, this.#keys.statelessTag(cancel));
    if (found?.to !== undefined) answer.set("To", found.to);
    this.#transport.sendResponse(hop, cancel.via, answer.toText(), now);
    found?.cancelled(cancel, now);
  }

  #refuse(request: Request, hop: Hop, status: number, now: Millis): void {
    const answer = responseTo(request, status, this.#keys.statelessTag(request));
    const [shortest, longest] = RETRY_AFTER_SECONDS;
    if (status === 503) answer.add("Retry-After", String(shortest + below(this.#random, longest - shortest + 1)));
    this.#transport.sendResponse(hop, request.via, answer.toText(), now);
  }

  #makeHome(): Home {
    return {
      transport: this.#transport,
      settle: (transaction) => this.#settle(transaction),
      cancel: (invite, text, owner, now) => {
        const cancel = ClientTransaction.onHop(this.#home, invite, "CANCEL", text, owner, now);
        this.#clients.set(cancel.key, cancel, cancel.hash);
        this.#agenda.watch(cancel);
      },
      strayResponse: (response, transaction, now) => this.#user.strayResponse(response, transaction.hop, now),
      lateFork: (response, transaction, first, now) => this.#user.lateFork(response, transaction.hop, first, now),
      statelessTag: (request) => this.#keys.statelessTag(request),
      tooShort: () => this.counters.add("request.too-short"),
      passAck: (ack, transaction, now) => this.#user.ack(ack, transaction.hop, now),
    };
  }

  #settle(transaction: ClientTransaction | ServerTransaction): void {
    if (transaction.place === "finished" || transaction.place === "gone") return;
    if (transaction.gone) return this.#remove(transaction, "gone");
    if (transaction.lingers && transaction.place === "live") this.#linger(transaction);
    const { remains } = transaction;
    if (remains === undefined) return this.#agenda.watch(transaction);
    if (transaction instanceof ServerTransaction) this.#finishServer(transaction, remains);
    else {
      this.#remove(transaction, "finished");
      const { branch, method, hash } = transaction;
      this.#finishedClients.add(finishedKey(branch, method), hash, remains);
    }
  }

  #finishServer(server: ServerTransaction, remains: Remains): void {
    const { key, mergeKey } = server;
    this.#remove(server, "finished");
    this.#finishedServers.add(key.text, key.hash, remains);
    if (mergeKey !== undefined) this.#finishedMerged.add(mergeKey.text, mergeKey.hash, { ...remains, text: "" });
  }

  #linger(transaction: ClientTransaction | ServerTransaction): void {
    transaction.place = "lingering";
    this.#count(transaction, 1);
    // Only a call that was taken must not be offered a second time; after a refusal the caller may try another way in.
    if (transaction instanceof ServerTransaction && transaction.state !== "accepted") this.#unmerge(transaction);
  }

  #remove(transaction: ClientTransaction | ServerTransaction, place: "finished" | "gone"): void {
    if (transaction.place === "lingering") this.#count(transaction, -1);
    transaction.place = place;
    this.#agenda.drop(transaction);
    if (transaction instanceof ServerTransaction) {
      this.#unmerge(transaction);
      this.#servers.delete(transaction.key.text, transaction.key.hash);
    } else this.#clients.delete(transaction.key, transaction.hash);
  }

  #unmerge(server: ServerTransaction): void {
    const { mergeKey } = server;
    if (mergeKey === undefined) return;
    this.#merged.delete(mergeKey.text, mergeKey.hash);
    server.mergeKey = undefined;
  }

  #count(transaction: ClientTransaction | ServerTransaction, by: 1 | -1): void {
    if (transaction instanceof ServerTransaction) this.#lingeringServers += by;
    else this.#lingeringClients += by;
  }
}

/** A finished client is found by its method, too: who answers another one than was asked has not answered. */
const finishedKey = (branch: string, method: string): string => `${branch} ${method}`;

const NOBODY: SendToken = { waiting: false };
