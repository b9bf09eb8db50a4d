/**
 * Binds the words of the media room to the addon's packet threads. It alone knows the addon: were the relay moved to
 * a process of its own, this file would change and no other. Who opens and closes: whoever calls `startRelay` stops it;
 * pairs are the media room's.
 */
import type {
  NativeDtlsAssociation,
  NativeDtlsKeys,
  NativeDtlsMaster,
  NativeEvent,
  NativeIceCredentials,
  NativeKernelPath,
  NativeRelay,
  NativeSide,
  NativeSrtpKey,
} from "../../native/addon/relay.d.ts";
import { type Millis, Secret } from "../base/index.ts";
import type {
  DtlsAssociation,
  DtlsFingerprint,
  DtlsIdentity,
  DtlsKeys,
  DtlsMaster,
  FlowPath,
  IceCredentials,
  RelayChange,
  RelayCommand,
  RelayEvent,
  RelaySide,
  SecuredBy,
  SideCounters,
  SrtpKey,
} from "../engine/index.ts";
import { loadAddon } from "./addon.ts";
import { PlainDesk } from "./plain-desk.ts";

export interface RelayOptions {
  /** CPU cores, one packet thread each. Default []: one thread, placed by the kernel. */
  readonly cores?: readonly number[];
  /** Limit: pairs at once; an `open` beyond fails. Default 20 000. */
  readonly maxPairs?: number;
  readonly port?: "auto" | "io_uring" | "epoll";
  /** Media addresses whose flows the kernel may forward. Default: none. */
  readonly kernelAddresses?: readonly string[];
  /** Media addresses whose packets come and go by AF_XDP. Default: none. */
  readonly ringAddresses?: readonly string[];
  /** RTP packets a second accepted from one side, by kind of stream; 0: any number. Default: PACKET_LIMITS. */
  readonly packetLimits?: PacketLimits;
  onEvents(events: readonly RelayEvent[]): void;
}

export interface PacketLimits {
  readonly audio: number;
  /** Video and anything else. */
  readonly other: number;
}

export const DEFAULT_MAX_PAIRS = 20_000;
/**
 * Limit: voice has 50 packets a second, with frames of 2.5 ms 400, and after a gap in the network some come at once;
 * video of 100 Mbit/s has 10 000. More is an attack or a fault, and is dropped.
 */
const PACKET_LIMITS: PacketLimits = { audio: 2_000, other: 20_000 };
/** As the words of the counters number them. */
const PATHS: readonly FlowPath[] = ["socket", "xdp", "af_xdp"];
/**
 * Commands of this long wake the packet threads once, for a wake-up costs, and so would a timer: the first turn after the
 * least wakes them, and a timer after the most, if no turn came. A socket that waits for its thread loses nothing.
 */
const WAKE_GATHER_MS = { least: 3, most: 6 };
/** A command that found the queue to the packet threads full is tried again this much later. */
const RETRY_MS = 1;

/** Throws when there is no addon for this machine, or when `io_uring` was asked for and is forbidden here. */
export function startRelay(options: RelayOptions): Relay {
  return new Relay(options);
}

export class Relay {
  readonly #native: NativeRelay;
  /** Halves of the 64-bit words, the low one first: a BigInt for each word costs more than the sum. */
  readonly #halves: Uint32Array;
  readonly #wordsPerSide: number;
  readonly #at: Readonly<Record<CounterWord, number>>;
  readonly #onEvents: RelayOptions["onEvents"];
  readonly #desk: PlainDesk;
  /** Limit: grows by what callers post while the queue stands full; media opens at most maxPairs, so it is bounded by that. */
  #waiting: RelayCommand[] = [];
  #retry: NodeJS.Timeout | undefined;
  #wake: NodeJS.Timeout | undefined;
  /** Endless while nothing is queued. */
  #wakeFrom: Millis = Number.POSITIVE_INFINITY;
  #stopped = false;

  constructor(options: RelayOptions) {
    this.#onEvents = options.onEvents;
    this.#native = loadAddon().startRelay({
      cores: options.cores ?? [],
      maxPairs: options.maxPairs ?? DEFAULT_MAX_PAIRS,
      port: options.port ?? "auto",
      kernelAddresses: options.kernelAddresses ?? [],
      ringAddresses: options.ringAddresses ?? [],
      packetLimits: options.packetLimits ?? PACKET_LIMITS,
      onEvents: (batch) => {
        if (!this.#stopped) this.#onEvents(batch.map((event) => this.#translate(event)));
      },
    });
    this.#wordsPerSide = this.#native.counterNames.length;
    this.#at = placesOf(this.#native.counterNames);
    this.#halves = this.#native.counters;
    this.#desk = new PlainDesk(this.#native.plainDesk);
  }

  /** What carries the packets: `io_uring`, or `epoll` where the kernel forbids it. */
  get path(): "io_uring" | "epoll" {
    return this.#native.port;
  }

  /** Of the certificate we show in DTLS handshakes: another one each time the box starts. */
  get fingerprint(): DtlsFingerprint {
    return this.#native.fingerprint;
  }

  /** A certificate that nobody has seen yet, with its key; `undefined` when none can be made. */
  freshIdentity(): DtlsIdentity | undefined {
    const made = this.#stopped ? undefined : this.#native.freshIdentity();
    return made && { ...made, key: new Secret(made.key) };
  }

  /** "": a media port gets its socket with its first packet; else why each has one from the moment it opens. */
  get socketsProblem(): string {
    return this.#native.socketsProblem;
  }

  /** Why the kernel forwards nothing at all; "" when it may, or was not asked to. */
  get kernelProblem(): string {
    return this.#native.kernelProblem;
  }

  /** What became of each address that was given. */
  kernelPaths(): readonly NativeKernelPath[] {
    return this.#native.kernelPaths();
  }

  /** What went by AF_XDP rings and what could not: sent, received, lost to a full ring, without a frame. Empty: no rings. */
  ringCounters(): Readonly<Record<string, number>> {
    const queues = this.#stopped ? 0 : this.#native.kernelPaths().reduce((sum, path) => sum + path.rings, 0);
    return queues === 0 ? {} : { queues, ...this.#native.ringCounters() };
  }

  /** Other addresses; flows that the kernel has already stay there until something about them changes. */
  setKernelAddresses(addresses: readonly string[], ringAddresses: readonly string[]): void {
    if (!this.#stopped) this.#native.setKernelAddresses(addresses, ringAddresses);
  }

  /** Queues a command for its packet thread, in order. A wrong value throws TypeError and changes nothing. */
  handle(command: RelayCommand): void {
    if (this.#stopped) return;
    if (this.#wake === undefined) this.#gather();
    if (this.#waiting.length === 0 && this.#post(command)) return;
    this.#waiting.push(command);
    this.#retry ??= setTimeout(() => this.#postWaiting(), RETRY_MS);
  }

  /** The end of a turn, at which the packet threads may hear of what was queued. */
  endTurn(now: Millis): void {
    if (now < this.#wakeFrom) return;
    clearTimeout(this.#wake);
    this.#wakeThreads();
  }

  /** The live counters of one side, read without a call. */
  counters(pair: number, side: 0 | 1): SideCounters {
    const first = (pair * 2 + side) * this.#wordsPerSide;
    const at = this.#at;
    return {
      packets: this.#word(first + at.packets),
      bytes: this.#word(first + at.bytes),
      lost: this.#word(first + at.lost),
      jitterMs: this.#word(first + at.jitterUs) / 1_000,
      rtcpPackets: this.#word(first + at.rtcpPackets),
      sent: this.#word(first + at.sent),
      sentBytes: this.#word(first + at.sentBytes),
      droppedStranger: this.#word(first + at.droppedStranger),
      droppedAuth: this.#word(first + at.droppedAuth),
      droppedReplay: this.#word(first + at.droppedReplay),
      droppedMalformed: this.#word(first + at.droppedMalformed),
      droppedUnsent: this.#word(first + at.droppedUnsent),
      droppedPoliced: this.#word(first + at.droppedPoliced),
      lossBursts: this.#word(first + at.lossBursts),
      rttMs: this.#word(first + at.rttUs) / 1_000,
      reports: this.#word(first + at.reports),
      reportedLost: this.#word(first + at.reportedLost),
      reportedJitterMs: this.#word(first + at.reportedJitterUs) / 1_000,
      reportedMos: this.#word(first + at.reportedMos),
      digits: this.#word(first + at.digits),
      made: this.#word(first + at.made),
      taken: this.#word(first + at.taken),
      path: PATHS[this.#word(first + at.path)] ?? "socket",
    };
  }

  /** Ends the packet threads and closes every socket. No event comes afterwards. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#wakeFrom = Number.POSITIVE_INFINITY;
    clearTimeout(this.#retry);
    clearTimeout(this.#wake);
    this.#native.stop();
  }

  /** A packet thread may be counting: a high half that moved meanwhile does not belong to the low one. */
  #word(at: number): number {
    const halves = this.#halves;
    let high = halves[at * 2 + 1] as number;
    for (;;) {
      const low = halves[at * 2] as number;
      const again = halves[at * 2 + 1] as number;
      if (again === high) return high * 2 ** 32 + low;
      high = again;
    }
  }

  #gather(): void {
    this.#wakeFrom = performance.now() + WAKE_GATHER_MS.least;
    this.#wake = setTimeout(this.#wakeThreads, WAKE_GATHER_MS.most);
  }

  readonly #wakeThreads = (): void => {
    this.#wake = undefined;
    this.#wakeFrom = Number.POSITIVE_INFINITY;
    this.#native.wake();
  };

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
        if (command.resumes === undefined && this.#desk.putPair(command.kind, command.sides)) {
          return this.#native.openPlain(command.pair);
        }
        return this.#native.open(
          command.pair,
          command.kind,
          sideOf(command.sides[0]),
          sideOf(command.sides[1]),
          command.resumes,
        );
      case "export":
        return this.#native.export(command.pair);
      case "change":
        if (this.#desk.putChange(command.set)) return this.#native.changePlain(command.pair, command.side);
        return this.#native.change(command.pair, command.side, changeOf(command.set));
      case "digit":
        return this.#native.digit(command.pair, command.side, command.digit);
      case "close":
        return this.#native.close(command.pair);
    }
  }

  #translate(event: NativeEvent): RelayEvent {
    const { pair, side } = event;
    switch (event.event) {
      case "latched":
        return { event: "latched", pair, side, ip: event.ip ?? "", port: event.port ?? 0 };
      case "secured":
        return { event: "secured", pair, side, suite: event.suite as SecuredBy };
      case "exported":
        return { event: "exported", pair, state: event.state, reason: event.reason ?? "", keys: keysOf(event.keys) };
      case "failed":
        return { event: "failed", pair, side, reason: event.reason ?? "" };
      case "digit":
        return { event: "digit", pair, side, digit: event.digit ?? 0, durationMs: event.durationMs ?? 0 };
      case "keyLifetime":
        return { event: "keyLifetime", pair, side, whose: event.whose ?? "ours", packetsLeft: event.packetsLeft ?? 0 };
      case "closed":
        return { event: "closed", pair, counters: [this.counters(pair, 0), this.counters(pair, 1)] };
      default:
        return { event: event.event, pair, side };
    }
  }
}

type Times = "jitterMs" | "rttMs" | "reportedJitterMs";
type CounterWord = Exclude<keyof SideCounters, Times> | "jitterUs" | "rttUs" | "reportedJitterUs";

/** Where each word stands among those of a side. Literal members: as they are read at the end of every call. */
function placesOf(names: readonly string[]): Readonly<Record<CounterWord, number>> {
  const place = (name: CounterWord): number => {
    const at = names.indexOf(name);
    if (at < 0) throw new Error(`the addon does not count ${name}`);
    return at;
  };
  return {
    packets: place("packets"),
    bytes: place("bytes"),
    lost: place("lost"),
    jitterUs: place("jitterUs"),
    rtcpPackets: place("rtcpPackets"),
    sent: place("sent"),
    sentBytes: place("sentBytes"),
    droppedStranger: place("droppedStranger"),
    droppedAuth: place("droppedAuth"),
    droppedReplay: place("droppedReplay"),
    droppedMalformed: place("droppedMalformed"),
    droppedUnsent: place("droppedUnsent"),
    droppedPoliced: place("droppedPoliced"),
    lossBursts: place("lossBursts"),
    rttUs: place("rttUs"),
    reports: place("reports"),
    reportedLost: place("reportedLost"),
    reportedJitterUs: place("reportedJitterUs"),
    reportedMos: place("reportedMos"),
    digits: place("digits"),
    made: place("made"),
    taken: place("taken"),
    path: place("path"),
  };
}

function keyOf(key: SrtpKey | undefined): NativeSrtpKey | undefined {
  if (key === undefined) return undefined;
  const { others, ...rest } = key;
  const own = { ...rest, key: key.key.reveal() };
  if (others === undefined) return own;
  return { ...own, others: others.map((other) => ({ ...other, key: other.key.reveal() })) };
}

const iceOf = (ice: IceCredentials | undefined): NativeIceCredentials | undefined =>
  ice && { ...ice, localPassword: ice.localPassword.reveal(), remotePassword: ice.remotePassword.reveal() };

function dtlsOf(dtls: DtlsAssociation | undefined): NativeDtlsAssociation | undefined {
  if (dtls === undefined) return undefined;
  const { identity, keys, ...rest } = dtls;
  if (identity === undefined && keys === undefined) return rest;
  return {
    ...rest,
    ...(identity && { identity: { ...identity, key: identity.key.reveal() } }),
    ...(keys && {
      keys: { done: keys.done, rtp: revealed(keys.rtp), ...(keys.rtcp && { rtcp: revealed(keys.rtcp) }) },
    }),
  };
}

const revealed = ({ suite, rx, tx }: DtlsMaster): NativeDtlsMaster => ({ suite, rx: rx.reveal(), tx: tx.reveal() });

const hidden = ({ suite, rx, tx }: NativeDtlsMaster): DtlsMaster => ({
  suite,
  rx: new Secret(rx),
  tx: new Secret(tx),
});

function keysOf(sides: NativeEvent["keys"]): [DtlsKeys | undefined, DtlsKeys | undefined] {
  const of = (keys: NativeDtlsKeys | undefined): DtlsKeys | undefined =>
    keys && { done: keys.done, rtp: hidden(keys.rtp), ...(keys.rtcp && { rtcp: hidden(keys.rtcp) }) };
  return [of(sides?.[0]), of(sides?.[1])];
}

const sideOf = (side: RelaySide): NativeSide => ({
  ...side,
  rx: keyOf(side.rx),
  tx: keyOf(side.tx),
  ice: iceOf(side.ice),
  dtls: dtlsOf(side.dtls),
});

/** A member that is present though `undefined` says something (plain RTP, no remote): presence must survive. */
function changeOf(set: RelayChange): Partial<NativeSide> & { relatch?: true } {
  const { rx, tx, ice, dtls, ...rest } = set;
  return {
    ...rest,
    ...("rx" in set ? { rx: keyOf(rx) } : {}),
    ...("tx" in set ? { tx: keyOf(tx) } : {}),
    ...("ice" in set ? { ice: iceOf(ice) } : {}),
    ...("dtls" in set ? { dtls: dtlsOf(dtls) } : {}),
  };
}
