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
} from "../base/index.ts";
import { type Message, type Request, type RequestDraft, type Response, responseTo } from "../message/index.ts";
import { ClientTransaction, cancelKey, viaText } from "./client.ts";
import type { Home } from "./home.ts";
import { Keys, MAGIC_COOKIE } from "./keys.ts";
import { LingerQueue } from "./linger.ts";
import { T4 } from "./machine.ts";
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

/** Limit: finished transactions that linger, per transaction that may live; beyond, the oldest ends before its time. */
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
  readonly #clients: TextMap<ClientTransaction>;
  readonly #servers: TextMap<ServerTransaction>;
  readonly #serverLimit: number;
  /** Requests outside dialogs, by what is the same whichever way they came. As many as servers at most. */
  readonly #merged: TextMap<ServerTransaction>;
  readonly #long: LingerQueue;
  readonly #short: LingerQueue;
  readonly #lingerLimit: number;
  #limit: number;
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
    this.#lingerLimit = options.limit * LINGERING_PER_LIVE;
    this.#keys = new Keys(options.random);
    this.#clients = new TextMap(this.#keys.seed);
    this.#servers = new TextMap(this.#keys.seed);
    this.#serverLimit = Math.ceil(options.limit * DIALOG_RESERVE) + this.#lingerLimit;
    this.#merged = new TextMap(this.#keys.seed);
    this.#long = new LingerQueue(options.agenda);
    this.#short = new LingerQueue(options.agenda);
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
    const found = this.#clients.get(method === "CANCEL" ? cancelKey(branch) : branch);
    if (found?.method === method) found.unreachable(now);
  }

  /** Sends a request; `draft` has no Via yet. The owner hears nothing before this returns. */
  request(draft: RequestDraft, destination: Destination, owner: ClientOwner, now: Millis): ClientTransaction {
    const transaction = ClientTransaction.toDestination(this.#home, this.#branch(), draft, destination, owner, now);
    this.#clients.set(transaction.key, transaction);
    this.#agenda.watch(transaction);
    return transaction;
  }

  /** The ACK for a 2xx is no transaction: it goes once, and again by the handle for each copy of the 2xx. */
  ack(draft: RequestDraft, destination: Destination, now: Millis): SentAck {
    const branch = this.#branch();
    draft.remove("Via").prepend("Via", "");
    let text = "";
    const { hop } = this.#transport.sendRequest(
      destination,
      NOBODY,
      ({ protocol, sentBy }) => {
        text = draft.set("Via", viaText(protocol, sentBy, branch)).toText();
        return text;
      },
      now,
    );
    return { resend: (at) => this.#transport.resend(hop, text, NOBODY, at) };
  }

  /** The limit after a reload. The tables keep the room that they were built with. */
  setLimit(limit: number): void {
    this.#limit = Math.min(limit, Math.floor(this.#lingerLimit / LINGERING_PER_LIVE));
  }

  counts(): TransactionCounts {
    return {
      client: this.#clients.size - this.#lingeringClients,
      server: this.#servers.size - this.#lingeringServers,
      lingering: this.#lingeringClients + this.#lingeringServers,
    };
  }

  #branch(): string {
    return MAGIC_COOKIE + token(this.#random, BRANCH_LENGTH);
  }

  #response(response: Response, hop: Hop, now: Millis): void {
    const branch = response.branch ?? "";
    const { method } = response.cseq;
    const found = this.#clients.get(method === "CANCEL" ? cancelKey(branch) : branch);
    const transaction = found?.method === method ? found : undefined;
    if (transaction === undefined) {
      this.counters.add("response.stray");
      this.#user.strayResponse(response, hop, now);
    } else if (transaction.hop.realm !== hop.realm) {
      this.counters.add("response.other-realm"); // Whoever guesses a branch of one side from the other gets nowhere.
    } else {
      this.counters.add("response.matched");
      transaction.respond(response, now);
    }
  }

  #request(request: Request, hop: Hop, now: Millis): void {
    const key = this.#keys.server(request, hop.realm);
    const found = this.#servers.get(key);
    if (request.method === "ACK") return this.#ack(request, found, hop, now);
    if (request.method === "CANCEL") return this.#cancel(request, found, hop, now);
    if (found !== undefined) {
      this.counters.add("request.copy");
      return found.again(now);
    }

    const mergeKey = this.#keys.merged(request, hop.realm);
    if (mergeKey !== undefined && this.#merged.has(mergeKey)) {
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

  #overLimit(inDialog: boolean): boolean {
    const live = this.#servers.size - this.#lingeringServers;
    return live >= (inDialog ? this.#limit * DIALOG_RESERVE : this.#limit) || this.#servers.size >= this.#serverLimit;
  }

  #serve(server: ServerTransaction, request: Request, now: Millis): void {
    this.#servers.set(server.key, server);
    if (server.mergeKey !== undefined) this.#merged.set(server.mergeKey, server);
    this.#user.request(request, server, server.hop, now);
    // The machine's first timer; one that was answered at once has found its place already.
    if (server.waiting) this.#agenda.watch(server);
  }

  #ack(ack: Request, found: ServerTransaction | undefined, hop: Hop, now: Millis): void {
    if (found !== undefined) return found.ack(ack, now);
    this.counters.add("ack.unmatched");
    this.#user.ack(ack, hop, now);
  }

  /** RFC 3261 §9.2. Each copy of a CANCEL gets the same answer, so it needs no transaction of its own. */
  #cancel(cancel: Request, found: ServerTransaction | undefined, hop: Hop, now: Millis): void {
    if (found === undefined || found.method !== "INVITE") {
      this.counters.add("cancel.unmatched");
      return this.#refuse(cancel, hop, 481, now);
    }
    this.counters.add("cancel.matched");
    const answer = responseTo(cancel, 200, this.#keys.statelessTag(cancel));
    if (found.to !== undefined) answer.set("To", found.to);
    this.#transport.sendResponse(hop, cancel.via, answer.toText(), now);
    found.cancelled(cancel, now);
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
      settle: (transaction, now) => this.#settle(transaction, now),
      cancel: (invite, text, owner, now) => {
        const cancel = ClientTransaction.onHop(this.#home, invite, "CANCEL", text, owner, now);
        this.#clients.set(cancel.key, cancel);
        this.#agenda.watch(cancel);
      },
      strayResponse: (response, transaction, now) => this.#user.strayResponse(response, transaction.hop, now),
      lateFork: (response, transaction, first, now) => this.#user.lateFork(response, transaction.hop, first, now),
      statelessTag: (request) => this.#keys.statelessTag(request),
      tooShort: () => this.counters.add("request.too-short"),
      passAck: (ack, transaction, now) => this.#user.ack(ack, transaction.hop, now),
    };
  }

  #settle(transaction: ClientTransaction | ServerTransaction, now: Millis): void {
    if (transaction.gone) this.#remove(transaction);
    else if (transaction.lingers) this.#linger(transaction, now);
    else this.#agenda.watch(transaction);
  }

  #linger(transaction: ClientTransaction | ServerTransaction, now: Millis): void {
    if (transaction.place === "lingering") return;
    transaction.place = "lingering";
    this.#agenda.drop(transaction);
    this.#count(transaction, 1);
    // Only a call that was taken must not be offered a second time; after a refusal the caller may try another way in.
    if (transaction instanceof ServerTransaction && transaction.state !== "accepted") this.#unmerge(transaction);
    const forMs = (transaction.nextDeadline() ?? now) - now;
    (forMs > T4 ? this.#long : this.#short).add(transaction);
    if (this.#lingeringClients + this.#lingeringServers > this.#lingerLimit) {
      this.counters.add("linger.shed");
      (this.#long.size > 0 ? this.#long : this.#short).shedOldest();
    }
  }

  #remove(transaction: ClientTransaction | ServerTransaction): void {
    if (transaction.place === "gone") return;
    if (transaction.place === "lingering") this.#count(transaction, -1);
    transaction.place = "gone";
    this.#agenda.drop(transaction);
    if (transaction instanceof ServerTransaction) {
      this.#unmerge(transaction);
      this.#servers.delete(transaction.key);
    } else this.#clients.delete(transaction.key);
  }

  #unmerge(server: ServerTransaction): void {
    if (server.mergeKey === undefined) return;
    this.#merged.delete(server.mergeKey);
    server.mergeKey = undefined;
  }

  #count(transaction: ClientTransaction | ServerTransaction, by: 1 | -1): void {
    if (transaction instanceof ServerTransaction) this.#lingeringServers += by;
    else this.#lingeringClients += by;
  }
}

const NOBODY: SendToken = { waiting: false };
