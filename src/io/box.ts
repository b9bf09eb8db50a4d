/** A running box: engine, sockets, relay, control socket and log, from its configuration to its end. */
import { readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Party, Settings } from "../base/index.ts";
import { Engine, type PhoneOutput, type TraceEntry } from "../engine/index.ts";
import {
  type Control,
  type ControlledBox,
  type DiffAnswer,
  differences,
  faultText,
  type Log,
  liveCall,
  loadSettings,
  type ReloadAnswer,
  serveControl,
  touched,
} from "../manage/index.ts";
import { type Capacity, capacityOf, capacityWarning, descriptorLimit } from "./capacity.ts";
import { machineHash } from "./hash.ts";
import { kernelAddresses, kernelLines, ringAddresses } from "./kernel-paths.ts";
import { KernelRandom } from "./kernel-random.ts";
import { EngineLoop } from "./loop.ts";
import { Pauses } from "./pauses.ts";
import { PhoneServices } from "./phone-services.ts";
import { RegistrationsFile } from "./registrations.ts";
import { DEFAULT_MAX_PAIRS, type Relay, startRelay } from "./relay.ts";
import { type Reservation, reservePorts } from "./reserved-ports.ts";

/** How often a box that is going down looks whether its last calls are gone. */
const LOOK_MS = 50;
/** Limit: how long calls and media may take to end once they are told to; then we leave without. */
const FAREWELL_LIMIT_MS = 3_000;
/** Limit: how long our last requests may wait for an answer: enough for one that was lost to be sent again. */
const LAST_ANSWERS_LIMIT_MS = 1_000;

export interface BoxOptions {
  /** The configuration as the operator named it; reloads read it again. */
  readonly file: string;
  readonly settings: Settings;
  readonly version: string;
  readonly log: Log;
}

export class Box implements ControlledBox {
  readonly #options: BoxOptions;
  readonly #log: Log;
  readonly #engine: Engine;
  readonly #relay: Relay;
  readonly #loop: EngineLoop;
  readonly #pauses = new Pauses();
  readonly #services: PhoneServices;
  #registrations: RegistrationsFile | undefined;
  #settings: Settings;
  #control: Control | undefined;
  #state: "starting" | "running" | "draining" | "stopped" = "starting";
  #descriptorsAtStart = 0;
  #stopping: Promise<void> | undefined;
  #isHurried = false;
  #reservation: Reservation;
  /** Reloads follow one another: two at once could undo each other's sockets. */
  #reloading: Promise<unknown> = Promise.resolve();

  /** Throws when there is no relay for this machine. */
  constructor(options: BoxOptions) {
    const { settings, version, log } = options;
    this.#options = options;
    this.#log = log;
    this.#settings = settings;
    // Before the relay, which looks once at what the kernel may hand to others.
    this.#reservation = reservePorts(mediaPorts(settings));
    try {
      this.#relay = startRelay({
        kernelAddresses: kernelAddresses(settings),
        ringAddresses: ringAddresses(settings),
        onEvents: (events) => this.#loop.relayEvents(events),
      });
    } catch (error) {
      this.#reservation.release();
      throw error;
    }
    this.#engine = new Engine({
      settings,
      random: new KernelRandom(),
      version,
      hash: machineHash,
      fingerprint: this.#relay.fingerprint,
      identity: () => this.#relay.freshIdentity(),
      counters: (pair, side) => this.#relay.counters(pair, side),
    });
    const failed = (reason: string): void => log.fact({ fact: "registrations.failed", reason });
    this.#services = new PhoneServices((input) => this.#loop.input(input), failed);
    this.#loop = new EngineLoop({
      engine: this.#engine,
      settings,
      relay: this.#relay,
      phones: { handle: (output) => this.#onPhones(output) },
      fact: (fact) => log.fact(fact),
      bug: (error, at) => log.bug(error, at),
    });
  }

  /** Rejects with a ListenError or a ControlError, and then nothing of it is left. */
  async start(): Promise<void> {
    try {
      await this.#loop.start();
      this.#control = await serveControl(this.#settings.control, this);
    } catch (error) {
      this.#loop.close();
      this.#reservation.release();
      throw error;
    }
    this.#restoreRegistrations();
    this.#state = "running";
    this.#descriptorsAtStart = readdirSync("/proc/self/fd").length;
    this.#pauses.start();
    if (this.#reservation.warning !== undefined) this.#log.line("warn", this.#reservation.warning);
    for (const { level, ...line } of kernelLines(this.#settings, this.#relay))
      this.#log.line(level, "media path", line);
    if (this.#relay.socketsProblem !== "")
      this.#log.line("info", "media ports hold sockets from the start", { reason: this.#relay.socketsProblem });
    const beyond = capacityWarning(this.#settings, this.#capacity());
    if (beyond !== undefined) this.#log.line("warn", "fewer calls than configured", beyond);
    this.#log.line("info", "ready", {
      name: this.#settings.name,
      version: this.#options.version,
      pid: process.pid,
      listeners: [...this.#settings.realms.values()].flatMap((realm) => realm.listeners.map(({ id }) => id)),
      control: this.#settings.control,
      relay: this.#relay.path,
    });
  }

  /**
   * Refuses new calls, lets the others end for `drainSeconds`, ends the rest, and releases everything. Asked again
   * meanwhile, it waits no longer for calls to end by themselves.
   */
  stop(): Promise<void> {
    if (this.#stopping === undefined) this.#stopping = this.#stop();
    else this.#isHurried = true;
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#state = "draining";
    this.#log.line("info", "stopping", { drainSeconds: this.#settings.drainSeconds, calls: this.#liveCalls() });
    this.#loop.refuseNewCalls();
    await until(() => this.#isHurried || this.#liveCalls() === 0, this.#settings.drainSeconds * 1_000);
    this.#loop.endCalls("shutdown");
    await until(() => this.#isQuiet(), FAREWELL_LIMIT_MS);
    await until(() => this.#asked() === 0, LAST_ANSWERS_LIMIT_MS);
    this.#registrations?.close();
    this.#loop.close();
    this.#reservation.release();
    this.#pauses.stop();
    await this.#control?.close();
    this.#state = "stopped";
    this.#log.line("info", "stopped");
  }

  status(): object {
    return {
      name: this.#settings.name,
      version: this.#options.version,
      state: this.#state,
      pid: process.pid,
      uptimeSeconds: Math.round(process.uptime()),
      configuration: this.#options.file,
      ...this.#engine.view().status(),
      pauses: this.#pauses.view(),
      memoryBytes: process.memoryUsage.rss(),
      relay: this.#relay.path,
      rings: this.#relay.ringCounters(),
      capacity: this.#capacity(),
      io: this.#loop.view(),
    };
  }

  #capacity(): Capacity {
    const [descriptors, open] = [descriptorLimit(), this.#descriptorsAtStart];
    return capacityOf(this.#settings, { descriptors, open, pairs: DEFAULT_MAX_PAIRS });
  }

  calls(): readonly object[] {
    const wallMs = Date.now();
    return this.#engine
      .view(performance.now())
      .calls()
      .map((view) => liveCall(view, wallMs));
  }

  peers(): readonly object[] {
    return this.#engine.view(performance.now()).peers();
  }

  registrations(): readonly object[] {
    return this.#engine.view(performance.now()).registrations();
  }

  trace(call: string | undefined): readonly TraceEntry[] {
    if (call === undefined) return this.#engine.view().trace();
    const view = this.#engine
      .view()
      .calls()
      .find((live) => live.call === call);
    const callIds = [view?.from.callId ?? call, view?.to?.callId].filter((id) => id !== undefined);
    return this.#engine.view().trace(new Set(callIds));
  }

  endCall(call: string): boolean {
    const isLive = this.#engine
      .view()
      .calls()
      .some((live) => live.call === call);
    if (!isLive) return false;
    this.#loop.input({ in: "end-call", call });
    return true;
  }

  reload(): Promise<ReloadAnswer> {
    // Whatever goes wrong is an answer: the next reload comes after this one, not instead of it.
    const next = this.#reloading.then(() => this.#reload()).catch((error) => this.#reject([(error as Error).message]));
    this.#reloading = next;
    return next;
  }

  diff(file: string): DiffAnswer {
    const loaded = loadSettings(file, Date.now());
    if (!loaded.ok) return { ok: false, faults: loaded.faults.map(faultText) };
    const changes = differences(this.#settings, loaded.settings);
    const { realms, peers } = touched(changes);
    const isTouched = (party: Pick<Party, "realm" | "peer"> | undefined): boolean =>
      party !== undefined && (realms.has(party.realm) || peers.has(party.peer ?? ""));
    const calls = this.#engine
      .view()
      .calls()
      .filter(({ from, to }) => isTouched(from) || isTouched(to));
    const inRealms = [...this.#settings.peers.values()].filter(({ realm }) => realms.has(realm));
    return {
      ok: true,
      changes,
      calls: calls.map(({ call }) => call),
      peers: [...new Set([...peers, ...inRealms.map(({ name }) => name)])],
    };
  }

  async #reload(): Promise<ReloadAnswer> {
    if (this.#state !== "running") return { ok: false, faults: [`the box is ${this.#state}`] };
    const loaded = loadSettings(this.#options.file, Date.now());
    const warnings = loaded.warnings.map(faultText);
    if (!loaded.ok) return this.#reject(loaded.faults.map(faultText));
    const changes = differences(this.#settings, loaded.settings);
    // First, so that flows which the engine takes back to the sockets are not offered to the kernel again.
    this.#relay.setKernelAddresses(kernelAddresses(loaded.settings), ringAddresses(loaded.settings));
    try {
      await this.#loop.reload(loaded.settings);
    } catch (error) {
      this.#relay.setKernelAddresses(kernelAddresses(this.#settings), ringAddresses(this.#settings));
      return this.#reject([(error as Error).message]);
    }
    // The socket that answers this very request stays until the next start.
    const kept = this.#settings.registration?.file;
    this.#settings = { ...loaded.settings, control: this.#settings.control };
    this.#moveRegistrations(kept);
    this.#reservation.release();
    this.#reservation = reservePorts(mediaPorts(this.#settings));
    for (const warning of warnings) this.#log.line("warn", "configuration", { warning });
    this.#log.fact({ fact: "settings.applied", changes: changes.map(({ path }) => path) });
    return { ok: true, changes, warnings };
  }

  #reject(faults: readonly string[]): ReloadAnswer {
    for (const reason of faults) this.#log.fact({ fact: "settings.rejected", reason });
    return { ok: false, faults };
  }

  #onPhones(output: PhoneOutput): void {
    if (output.out === "look-up") this.#services.lookUp(output);
    else if (output.out === "wake") this.#services.wake(output);
    else this.#registrations?.handle(output);
  }

  /** Before the box says that it is ready: the phones of before the restart are where they were. */
  #restoreRegistrations(): void {
    const kept = this.#registrationsFile();
    if (kept === undefined) return;
    const { lines, awayMs } = kept.read(Date.now());
    if (lines.length > 0) this.#loop.input({ in: "restore", lines, awayMs });
    this.#registrations = kept;
    kept.start();
  }

  /** A reload has named another file: what stands goes there from now on. */
  #moveRegistrations(before: string | undefined): void {
    if (this.#settings.registration?.file === before) return;
    this.#registrations?.close();
    this.#registrations = this.#registrationsFile();
    this.#registrations?.start();
  }

  #registrationsFile(): RegistrationsFile | undefined {
    const file = this.#settings.registration?.file;
    if (file === undefined) return undefined;
    const failed = (reason: string): void => this.#log.fact({ fact: "registrations.failed", reason });
    return new RegistrationsFile({ file, failed, askAll: () => this.#loop.input({ in: "keep-all" }) });
  }

  #liveCalls(): number {
    return this.#engine.view().calls().length;
  }

  /** No call and no media are left: every `call.ended` is written. */
  #isQuiet(): boolean {
    const { calls, media } = this.#engine.view().status();
    return this.#liveCalls() === 0 && count(calls, "calls") + count(media, "sessions") + count(media, "pairs") === 0;
  }

  /** Requests of ours that wait for their answer: BYEs, and health checks of peers that may be dead. */
  #asked(): number {
    return count(this.#engine.view().status().transactions, "client");
  }
}

const count = (view: object, name: string): number => Number((view as Record<string, unknown>)[name] ?? 0);

async function until(holds: () => boolean, limitMs: number): Promise<void> {
  const end = performance.now() + limitMs;
  while (!holds() && performance.now() < end) await sleep(LOOK_MS);
}

const mediaPorts = (settings: Settings): { first: number; last: number }[] =>
  [...settings.realms.values()].map(({ media }) => ({ first: media.firstPort, last: media.lastPort }));
