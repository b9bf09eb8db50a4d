/**
 * Binds the words of the media room to the addon's packet threads. It alone knows the addon: were the relay moved to
 * a process of its own, this file would change and no other. Who opens and closes: whoever calls `startRelay` stops it;
 * pairs are the media room's.
 */
import type { NativeEvent, NativeRelay, NativeSide, NativeSrtpKey } from "../../native/addon/relay.d.ts";
import type { RelayChange, RelayCommand, RelayEvent, RelaySide, SideCounters, SrtpKey } from "../engine/index.ts";
import { loadAddon } from "./addon.ts";

export interface RelayOptions {
  /** CPU cores, one packet thread each. Default []: one thread, placed by the kernel. */
  readonly cores?: readonly number[];
  /** Limit: pairs at once; an `open` beyond fails. Default 20 000. */
  readonly maxPairs?: number;
  readonly port?: "auto" | "io_uring" | "epoll";
  onEvents(events: readonly RelayEvent[]): void;
}

const DEFAULT_MAX_PAIRS = 20_000;
/** A command that found the queue to the packet threads full is tried again this much later. */
const RETRY_MS = 1;

/** Throws when there is no addon for this machine, or when `io_uring` was asked for and is forbidden here. */
export function startRelay(options: RelayOptions): Relay {
  return new Relay(options);
}

export class Relay {
  readonly #native: NativeRelay;
  readonly #words: BigUint64Array;
  readonly #wordsPerSide: number;
  readonly #names: readonly string[];
  readonly #onEvents: RelayOptions["onEvents"];
  /** Limit: grows by what callers post while the queue stands full; media opens at most maxPairs, so it is bounded by that. */
  #waiting: RelayCommand[] = [];
  #retry: NodeJS.Timeout | undefined;
  #wake: NodeJS.Immediate | undefined;
  #stopped = false;

  constructor(options: RelayOptions) {
    this.#onEvents = options.onEvents;
    this.#native = loadAddon().startRelay({
      cores: options.cores ?? [],
      maxPairs: options.maxPairs ?? DEFAULT_MAX_PAIRS,
      port: options.port ?? "auto",
      onEvents: (batch) => {
        if (!this.#stopped) this.#onEvents(batch.map((event) => this.#translate(event)));
      },
    });
    this.#names = this.#native.counterNames;
    this.#wordsPerSide = this.#names.length;
    this.#words = new BigUint64Array(this.#native.counters);
  }

  /** What carries the packets: `io_uring`, or `epoll` where the kernel forbids it. */
  get path(): "io_uring" | "epoll" {
    return this.#native.port;
  }

  /** Queues a command for its packet thread, in order. A wrong value throws TypeError and changes nothing. */
  handle(command: RelayCommand): void {
    if (this.#stopped) return;
    // Commands of one turn wake the packet threads once.
    this.#wake ??= setImmediate(() => {
      this.#wake = undefined;
      this.#native.wake();
    });
    if (this.#waiting.length === 0 && this.#post(command)) return;
    this.#waiting.push(command);
    this.#retry ??= setTimeout(() => this.#postWaiting(), RETRY_MS);
  }

  /** The live counters of one side, read without a call. */
  counters(pair: number, side: 0 | 1): SideCounters {
    const at = (pair * 2 + side) * this.#wordsPerSide;
    const read: Record<string, number> = {};
    for (let i = 0; i < this.#wordsPerSide; i += 1) {
      const name = this.#names[i]!;
      if (name !== "") read[name] = Number(this.#words[at + i]); // Words without a name fill up the cache line.
    }
    const { jitterUs = 0, ...rest } = read;
    return { ...rest, jitterMs: jitterUs / 1_000 } as unknown as SideCounters;
  }

  /** Ends the packet threads and closes every socket. No event comes afterwards. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    clearTimeout(this.#retry);
    clearImmediate(this.#wake);
    this.#native.stop();
  }

  #postWaiting(): void {
    this.#retry = undefined;
    const posted = this.#waiting.findIndex((command) => !this.#post(command));
    this.#native.wake();
    this.#waiting = posted < 0 ? [] : this.#waiting.slice(posted);
    if (this.#waiting.length > 0) this.#retry = setTimeout(() => this.#postWaiting(), RETRY_MS);
  }

  #post(command: RelayCommand): boolean {
    switch (command.word) {
      case "open":
        return this.#native.open(command.pair, command.kind, sideOf(command.sides[0]), sideOf(command.sides[1]));
      case "change":
        return this.#native.change(command.pair, command.side, changeOf(command.set));
      case "close":
        return this.#native.close(command.pair);
    }
  }

  #translate(event: NativeEvent): RelayEvent {
    const { pair, side } = event;
    switch (event.event) {
      case "latched":
        return { event: "latched", pair, side, ip: event.ip, port: event.port };
      case "failed":
        return { event: "failed", pair, side, reason: event.reason };
      case "closed":
        return { event: "closed", pair, counters: [this.counters(pair, 0), this.counters(pair, 1)] };
      default:
        return { event: event.event, pair, side };
    }
  }
}

const keyOf = (key: SrtpKey | undefined): NativeSrtpKey | undefined => key && { ...key, key: key.key.reveal() };

const sideOf = (side: RelaySide): NativeSide => ({ ...side, rx: keyOf(side.rx), tx: keyOf(side.tx) });

/** A member that is present though `undefined` says something (plain RTP, no remote): presence must survive. */
function changeOf(set: RelayChange): Partial<NativeSide> & { relatch?: true } {
  const { rx, tx, ...rest } = set;
  return {
    ...rest,
    ...("rx" in set ? { rx: keyOf(rx) } : {}),
    ...("tx" in set ? { tx: keyOf(tx) } : {}),
  };
}
