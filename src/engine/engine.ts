/**
 * The whole box as one machine: bytes and events in, bytes and commands out. It owns nothing of the machine it runs on,
 * so a box, its peers and a bad network fit into one process in virtual time (architecture: the engine seam).
 */
import { Agenda, type EndCause, type Fact, type Hash, type Millis, type Random, type Settings } from "../base/index.ts";
import { Calls, productFor } from "../call/index.ts";
import {
  type DtlsFingerprint,
  type MediaNews,
  type MediaOptions,
  MediaSessions,
  type RelayCommand,
  type RelayEvent,
} from "../media/index.ts";
import type { Message, Request, Response } from "../message/index.ts";
import { Accounts, type UserAnswer } from "../registration/index.ts";
import { Routing, type RoutingOutput } from "../routing/index.ts";
import { type ServerTransaction, Transactions } from "../transaction/index.ts";
import { type Hop, Transport, type TransportInput, type TransportOutput } from "../transport/index.ts";
import { PhoneFlow } from "./phones/bindings.ts";
import type { PhoneOutput } from "./phones/house.ts";
import { type KeptLine, Registrar } from "./phones/registrar.ts";
import { Prober } from "./prober.ts";
import { Recorder } from "./recorder.ts";
import { TrunkFlow } from "./trunk.ts";
import { Trunks } from "./trunks.ts";
import type { EngineView } from "./view.ts";

export type EngineInput =
  | TransportInput
  | { readonly in: "relay"; readonly event: RelayEvent }
  /** Nothing but time has passed. */
  | { readonly in: "deadline" }
  | { readonly in: "reload"; readonly settings: Settings }
  /** Refuse new calls from now on. */
  | { readonly in: "shutdown" }
  | { readonly in: "end-calls"; readonly cause: EndCause }
  | { readonly in: "end-call"; readonly call: string }
  /** What was kept of phones over a restart, once, before anything else. */
  | { readonly in: "restore"; readonly lines: readonly KeptLine[]; readonly awayMs: Millis }
  /** The file begins anew: all bindings come out as `keep`. */
  | { readonly in: "keep-all" }
  | { readonly in: "user"; readonly id: number; readonly answer: UserAnswer };

export type EngineOutput = TransportOutput | PhoneOutput | { readonly out: "relay"; readonly command: RelayCommand };

export interface EngineOptions {
  readonly settings: Settings;
  readonly random: Random;
  /** Our version, as User-Agent and Server may show it on trusted sides. */
  readonly version: string;
  /** Hash functions for digest authentication; absent: no challenge is answered. */
  readonly hash?: Hash;
  /** What the relay has counted of one side of a pair so far, for the view of live calls. */
  readonly counters?: MediaOptions["counters"];
  /** Of the certificate that the relay shows in DTLS handshakes; absent: it knows neither these nor ICE. */
  readonly fingerprint?: DtlsFingerprint;
  /** A certificate that nobody has seen yet: see MediaOptions. */
  readonly identity?: MediaOptions["identity"];
}

export class Engine {
  readonly #agenda = new Agenda();
  readonly #transport: Transport;
  readonly #transactions: Transactions;
  readonly #media: MediaSessions;
  readonly #routing: Routing;
  readonly #calls: Calls;
  readonly #prober: Prober;
  readonly #accounts: Accounts;
  readonly #trunks: Trunks;
  /** `undefined`: without hash functions nobody can register. */
  readonly #registrar: Registrar | undefined;
  readonly #recorder: Recorder;
  #realms: ReadonlyMap<string, string>;
  #settings: Settings;
  /** Of the last step. */
  #now: Millis = 0;
  #outputs: EngineOutput[] = [];

  constructor({ settings, random, version, hash, counters, fingerprint, identity }: EngineOptions) {
    const agenda = this.#agenda;
    this.#settings = settings;
    this.#realms = realmsByListener(settings);
    this.#recorder = new Recorder((listener) => this.#realms.get(listener) ?? listener);
    const emit = (output: EngineOutput): void => {
      this.#outputs.push(output);
    };
    const fact = (happened: Fact): void => emit({ out: "fact", fact: happened });

    this.#transport = new Transport({
      settings,
      random,
      emit,
      agenda,
      user: {
        message: (message: Message, hop: Hop, now: Millis) => {
          if (message.kind === "request" && this.#registrar?.quick(message, hop, now)) return;
          this.#transactions.message(message, hop, now);
        },
        unreachable: (token, reason, now) => {
          if (token instanceof TrunkFlow || token instanceof PhoneFlow) token.lost(now);
          else this.#transactions.unreachable(token, reason, now);
        },
        known: (hop, now) => this.#routing.recognise(hop, now) !== undefined || this.#registrar?.knows(hop) === true,
        undelivered: (branch, method, now) => this.#transactions.undelivered(branch, method, now),
      },
    });
    this.#transactions = new Transactions({
      transport: this.#transport,
      random,
      agenda,
      limit: settings.limits.transactions,
      user: {
        request: (request: Request, server: ServerTransaction, hop: Hop, now: Millis) => {
          if (this.#registrar?.takes(request, hop)) this.#registrar.register(request, server, hop, now);
          else this.#calls.request(request, server, hop, now);
        },
        ack: (request: Request, hop: Hop, now: Millis) => this.#calls.ack(request, hop, now),
        strayResponse: (response: Response, hop: Hop, now: Millis) => {
          if (this.#registrar?.heard(response, hop, now) !== true) this.#calls.strayResponse(response, hop, now);
        },
        lateFork: (response: Response, hop: Hop, first: boolean, now: Millis) =>
          this.#calls.lateFork(response, hop, first, now),
      },
    });
    this.#media = new MediaSessions({
      settings,
      random,
      counters,
      fingerprint,
      identity,
      emit: (command) => emit({ out: "relay", command }),
    });
    this.#routing = new Routing({
      settings,
      random,
      agenda,
      emit: (output) => this.#onRouting(output),
    });
    this.#prober = new Prober({
      transport: this.#transport,
      transactions: this.#transactions,
      routing: this.#routing,
      random,
      version,
    });
    this.#accounts = new Accounts({
      settings,
      random,
      hash,
      isAt: (peer, place) => this.#routing.isAt(peer, place),
      fact,
    });
    const product = (realm: string): string | undefined => {
      const found = this.#settings.realms.get(realm);
      return found === undefined ? undefined : productFor(found, version);
    };
    this.#trunks = new Trunks(
      {
        random,
        agenda,
        transport: this.#transport,
        transactions: this.#transactions,
        routing: this.#routing,
        accounts: this.#accounts,
        fact,
        product,
      },
      settings,
    );
    const box = { settings, random, agenda, transport: this.#transport, transactions: this.#transactions };
    if (hash !== undefined)
      this.#registrar = new Registrar({ ...box, hash, routing: this.#routing, fact, emit, product });
    this.#calls = new Calls({
      settings,
      random,
      agenda,
      transactions: this.#transactions,
      transport: this.#transport,
      media: this.#media,
      routing: this.#routing,
      accounts: this.#accounts,
      trunks: this.#trunks,
      phones: this.#registrar?.directory,
      fact,
      version,
    });
  }

  /**
   * One event in, everything that follows from it out, in the order in which it must be done. Deadlines that have come
   * by `now` are honoured first, so that an event never overtakes a timer that was due before it.
   * Throws only by our own mistake; then what was done before it comes out of the next step.
   */
  step(input: EngineInput, now: Millis): readonly EngineOutput[] {
    this.#now = now;
    try {
      this.#agenda.expire(now);
    } finally {
      this.#dispatch(input, now); // Whoever's deadline went wrong: this event is of somebody else.
    }
    const outputs = this.#outputs;
    this.#outputs = [];
    for (const output of outputs) this.#recorder.output(output, now);
    return outputs;
  }

  /** When `step` wants to be called again at the latest; `undefined`: not before the next event. */
  nextDeadline(): Millis | undefined {
    return this.#agenda.nextDeadline();
  }

  /** `now`: the ages are told as of then; without it, as of the last step. */
  view(now: Millis = this.#now): EngineView {
    return {
      status: () => ({
        calls: this.#calls.counts(),
        transactions: this.#transactions.counts(),
        transport: this.#transport.view(),
        media: this.#media.view(),
        trunks: this.#trunks.counts(),
        registrations: this.#registrar?.counts() ?? {},
        timers: this.#agenda.size,
        drops: { ...this.#transport.counters.snapshot(), ...this.#transactions.counters.snapshot() },
      }),
      calls: () => this.#calls.view(now),
      peers: () =>
        this.#routing.view().map((peer) => {
          const registration = this.#trunks.view(peer.name, now);
          return registration === undefined ? peer : { ...peer, registration };
        }),
      registrations: () => this.#registrar?.view(now) ?? [],
      trace: (callIds) => this.#recorder.entries(callIds),
    };
  }

  #dispatch(input: EngineInput, now: Millis): void {
    switch (input.in) {
      case "deadline":
        return;
      case "relay":
        this.#onRelay(input.event, now);
        return;
      case "reload":
        this.#reload(input.settings, now);
        return;
      case "shutdown":
        this.#calls.shutdown();
        this.#trunks.leave(now);
        return;
      case "end-calls":
        this.#calls.endAll(input.cause, now);
        return;
      case "end-call":
        this.#calls.end(input.call, "operator", now);
        return;
      case "restore":
        this.#registrar?.restore(input.lines, input.awayMs, now);
        return;
      case "keep-all":
        this.#registrar?.keepAll(now);
        return;
      case "user":
        this.#registrar?.user(input.id, input.answer, now);
        return;
      default:
        this.#recorder.input(input, now);
        this.#transport.handle(input, now);
    }
  }

  #onRelay(event: RelayEvent, now: Millis): void {
    const news: readonly MediaNews[] = this.#media.handle(event, now);
    for (const item of news) this.#calls.media(item, now);
  }

  #onRouting(output: RoutingOutput): void {
    if (output.out === "fact") {
      const { fact } = output;
      this.#outputs.push(output);
      if (fact.fact === "peer.up") this.#registrar?.peerUp(fact.peer, this.#now);
      if (fact.fact === "peer.down") this.#registrar?.peerDown(fact.peer, this.#now);
      if (fact.fact === "peer.down") this.#trunks.targetDown(fact.peer, fact.target, this.#now);
    } else this.#prober.handle(output, output.now);
  }

  /** A new configuration: what is in use lives on under the old values, what comes next sees the new ones. */
  #reload(settings: Settings, now: Millis): void {
    this.#settings = settings;
    this.#realms = realmsByListener(settings);
    this.#transport.apply(settings, now);
    this.#transactions.setLimit(settings.limits.transactions);
    this.#routing.apply(settings, now);
    this.#media.apply(settings);
    this.#accounts.apply(settings);
    this.#trunks.apply(settings, now);
    this.#registrar?.apply(settings, now);
    this.#calls.apply(settings);
  }
}

const realmsByListener = (settings: Settings): Map<string, string> =>
  new Map(
    [...settings.realms.values()].flatMap(({ listeners }) => listeners.map(({ id, realm }) => [id, realm] as const)),
  );
