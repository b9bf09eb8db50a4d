/**
 * Joins the engine to the machine: what happens outside becomes an input, what the engine wants becomes bytes, timers
 * and commands. Inputs of one turn of the event loop are stepped one after the other and their bytes leave together.
 */
import { performance } from "node:perf_hooks";
import {
  type EndCause,
  type Fact,
  type ListenerSettings,
  type Millis,
  type Settings,
  sameAddress,
} from "../base/index.ts";
import type { Engine, EngineInput, EngineOutput, PhoneOutput } from "../engine/index.ts";
import { Listeners } from "./listeners.ts";
import { Names } from "./names.ts";
import type { Relay } from "./relay.ts";
import { reasonOf, Streams } from "./streams.ts";
import type { UdpDatagram } from "./udp-native.ts";

/** What the loop needs of the engine; tests give a smaller one. */
export type EnginePort = Pick<Engine, "step" | "nextDeadline">;
export type RelayPort = Pick<Relay, "handle" | "endTurn" | "stop">;

export interface LoopOptions {
  readonly engine: EnginePort;
  readonly settings: Settings;
  /** Started by the caller, who passes its events to `relayEvents`; the loop stops it at the end. */
  readonly relay: RelayPort | undefined;
  /** What is done for phones outside of the engine; absent: nothing. */
  readonly phones?: { handle(output: PhoneOutput): void } | undefined;
  /** Every fact, of the engine and of the sockets. */
  fact(fact: Fact): void;
  /** Our own mistake: the engine threw at an input, or an output could not be carried out. Must not throw. The box goes on, for the sake of the calls that it did not concern. */
  bug(error: unknown, at: EngineInput["in"] | EngineOutput["out"]): void;
}

/**
 * How late a deadline may be met, in milliseconds. Longer than the beat on which busy listeners are read (native/addon/beat.h):
 * so the next turn comes before.
 */
const DEADLINE_SLACK_MS = 5;
/** Limit: setTimeout takes no more; a later deadline is looked at again then. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export class EngineLoop {
  readonly #engine: EnginePort;
  readonly #relay: RelayPort | undefined;
  readonly #options: LoopOptions;
  readonly #listeners: Listeners;
  readonly #streams: Streams;
  readonly #names: Names;
  /** Inputs that arose while the engine was at work. Only outputs of one step can make them, so it stays short. */
  readonly #waiting: EngineInput[] = [];
  #settings: Settings;
  #isStepping = false;
  #isClosed = false;
  #turn: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  #armedFor: Millis = Number.POSITIVE_INFINITY;
  #bugs = 0;

  constructor(options: LoopOptions) {
    this.#options = options;
    this.#engine = options.engine;
    this.#relay = options.relay;
    this.#settings = options.settings;
    const user = {
      input: (input: EngineInput) => this.input(input),
      fact: (fact: Fact) => options.fact(fact),
      datagrams: (listener: ListenerSettings, batch: readonly UdpDatagram[]) => this.#datagrams(listener, batch),
    };
    this.#listeners = new Listeners(options.settings, user);
    this.#streams = new Streams(options.settings, this.#listeners.identity, user);
    this.#names = new Names((answer) => this.input(answer));
  }

  /** Opens every listener. Rejects with a ListenError, and then none is open. */
  async start(): Promise<void> {
    await this.#listeners.apply(this.#settings, this.#streams);
    this.input({ in: "deadline" }); // Whatever the engine wants to do at once.
  }

  /** A new configuration: sockets first, for they may fail; rejects then, and nothing has changed. */
  async reload(settings: Settings): Promise<void> {
    await this.#listeners.apply(settings, this.#streams);
    this.#settings = settings;
    this.#streams.apply(settings);
    this.#names.refresh();
    this.input({ in: "reload", settings });
  }

  /** An event from outside. Never throws. Bytes that follow from it leave at the end of this turn of the event loop. */
  input(input: EngineInput): void {
    if (this.#take(input)) this.#turn ??= setImmediate(this.#endTurn);
  }

  /** False: the input waits for the step that is under way, whose turn has its end before it. */
  #take(input: EngineInput): boolean {
    if (this.#isClosed) return false;
    if (this.#isStepping) {
      this.#waiting.push(input);
      return false;
    }
    this.#isStepping = true;
    this.#step(input);
    while (this.#waiting.length > 0) this.#step(this.#waiting.shift() as EngineInput);
    this.#isStepping = false;
    return true;
  }

  relayEvents(events: readonly Extract<EngineInput, { in: "relay" }>["event"][]): void {
    for (const event of events) this.#take({ in: "relay", event });
    this.#endTurn();
  }

  refuseNewCalls(): void {
    this.input({ in: "shutdown" });
  }

  endCalls(cause: EndCause): void {
    this.input({ in: "end-calls", cause });
  }

  /** Sends what is waiting, then closes every socket and stops the relay. */
  close(): void {
    if (this.#isClosed) return;
    this.#endTurn();
    this.#isClosed = true;
    clearTimeout(this.#timer);
    if (this.#turn !== undefined) clearImmediate(this.#turn);
    this.#names.close();
    this.#streams.closeAll();
    this.#listeners.close();
    this.#relay?.stop();
  }

  view(): object {
    return { bugs: this.#bugs, connections: this.#streams.size, listeners: this.#listeners.view() };
  }

  #datagrams(listener: ListenerSettings, batch: readonly UdpDatagram[]): void {
    const { id } = listener;
    // Bursts come from few neighbours: one address object serves them all.
    let remote = { ip: "", port: 0 };
    for (const { ip, port, text } of batch) {
      if (!sameAddress(remote, { ip, port })) remote = { ip, port };
      this.#take({ in: "datagram", listener: id, remote, text });
    }
    this.#endTurn();
  }

  /** The barrier: a mistake of ours costs what it concerns, never the other calls. */
  #step(input: EngineInput): void {
    let outputs: readonly EngineOutput[] = [];
    try {
      outputs = this.#engine.step(input, performance.now());
    } catch (error) {
      this.#bug(error, input.in);
      // What the engine did before it threw is still to come, and must: other calls' messages are among it.
      if (this.#waiting.length === 0 && input.in !== "deadline") this.#waiting.push({ in: "deadline" });
    }
    for (const output of outputs) {
      try {
        this.#execute(output);
      } catch (error) {
        this.#bug(error, output.out);
      }
    }
  }

  #bug(error: unknown, at: EngineInput["in"] | EngineOutput["out"]): void {
    this.#bugs += 1;
    this.#options.bug(error, at);
  }

  #execute(output: EngineOutput): void {
    switch (output.out) {
      case "datagram":
        this.#listeners.sendDatagram(output.listener, output.remote.ip, output.remote.port, output.text);
        return;
      case "write":
        this.#streams.write(output.connection, output.text);
        return;
      case "ping":
        this.#streams.ping(output.connection);
        return;
      case "relay":
        this.#command(output.command);
        return;
      case "fact":
        this.#options.fact(output.fact);
        return;
      case "connect":
        this.#streams.connect(output);
        return;
      case "close":
        this.#streams.close(output.connection);
        return;
      case "resolve":
        this.#names.ask(output);
        return;
      case "keep":
      case "forget":
      case "look-up":
      case "wake":
        this.#options.phones?.handle(output);
        return;
      default:
        output satisfies never;
    }
  }

  /** A command that the relay cannot take fails its pair, as if a port had not been free. */
  #command(command: Extract<EngineOutput, { out: "relay" }>["command"]): void {
    try {
      if (this.#relay === undefined) throw new Error("there is no media relay");
      this.#relay.handle(command);
    } catch (error) {
      if (command.word === "close") return;
      const side = command.word === "change" ? command.side : 0;
      this.input({ in: "relay", event: { event: "failed", pair: command.pair, side, reason: reasonOf(error) } });
    }
  }

  readonly #endTurn = (): void => {
    if (this.#isClosed) return;
    if (this.#turn !== undefined) clearImmediate(this.#turn);
    this.#turn = undefined;
    const now = performance.now();
    const at = this.#engine.nextDeadline();
    if (at !== undefined && at <= now) this.#take({ in: "deadline" });
    this.#streams.flush();
    this.#listeners.flush();
    this.#relay?.endTurn(now);
    this.#arm(now);
  };

  /**
   * One timer for all deadlines, and no timer where there are turns enough: each turn also does what has become due, so
   * a busy box wakes up for messages alone.
   */
  #arm(now: Millis): void {
    const at = this.#engine.nextDeadline() ?? Number.POSITIVE_INFINITY;
    if (at >= this.#armedFor && this.#armedFor > now) return; // It comes early, which costs a look.
    clearTimeout(this.#timer);
    this.#armedFor = at;
    if (at === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(this.#ring, Math.min(Math.ceil(at - now) + DEADLINE_SLACK_MS, MAX_TIMER_MS));
  }

  readonly #ring = (): void => {
    this.#armedFor = Number.POSITIVE_INFINITY;
    this.#endTurn();
  };
}
