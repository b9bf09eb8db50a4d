/**
 * A box between two scripted parties, in virtual time: real engine, text SIP in and out, no network. What happens is
 * written down as a diary: `200 bob < INVITE` is what the box sent to bob at 200 ms, `250 bob > 180` what bob sent.
 */
import {
  type Fact,
  hostText,
  type Millis,
  type PeerSettings,
  type RealmSettings,
  type Settings,
  seededRandom,
} from "../../src/base/index.ts";
import { Engine, type EngineInput, type EngineOutput } from "../../src/engine/index.ts";
import { machineHash } from "../../src/io/hash.ts";
import type { DtlsFingerprint, RelayCommand } from "../../src/media/index.ts";
import { NO_PACKETS } from "./no-packets.ts";
import { ScriptedParty } from "./scripted-party.ts";
import { boxSettings, byName, peerSettings, realmSettings } from "./settings.ts";

export interface Place {
  readonly realm: "outside" | "inside";
  readonly ip: string;
  readonly port: number;
  /** It speaks TLS: over the connection of this number, or one that the box opens to `port`. */
  readonly tls?: number;
  /** The same over TCP. */
  readonly tcp?: number;
  /** The same over WebSocket, with TLS or without. */
  readonly ws?: number;
  readonly wss?: number;
}

/** Who can stand on a stage: a place to send to, and an ear. */
export interface Actor {
  readonly name: string;
  readonly place: Place;
  took(text: string): void;
}

type Box = Readonly<Record<"outside" | "inside", string>>;

export const BOX: Box = { outside: "203.0.113.1", inside: "10.9.0.1" };

/** `tcp`: every connection is refused, on this stage. */
export interface Target {
  readonly ip: string;
  readonly port: number;
  readonly protocol?: "udp" | "tcp";
}

export interface StageOptions {
  /** Targets of the peer inside; default: one, where bob is. */
  readonly insideTargets?: readonly Target[];
  /** What DNS knows: a name and its address. */
  readonly names?: Readonly<Record<string, string>>;
  readonly change?: (settings: Settings) => Settings;
  readonly seed?: number;
  /** Addresses of the box in place of the usual ones. */
  readonly box?: Partial<Box>;
  /** The relay shakes hands, with this certificate. */
  readonly fingerprint?: DtlsFingerprint;
}

export class Stage {
  readonly engine: Engine;
  readonly settings: Settings;
  readonly diary: string[] = [];
  readonly facts: Fact[] = [];
  readonly relay: RelayCommand[] = [];
  /** What the box wants kept of phones over a restart, by its name. */
  readonly kept = new Map<string, object>();
  /** Phones that the box has had woken. */
  readonly woken: Extract<EngineOutput, { out: "wake" }>[] = [];
  /** Users that the box has asked about. */
  readonly lookUps: Extract<EngineOutput, { out: "look-up" }>[] = [];
  /** All text that the box sent, by realm: for leak checks. */
  readonly sent: Record<"outside" | "inside", string[]> = { outside: [], inside: [] };
  now: Millis = 0;
  /** How a message comes over a connection: in these pieces. */
  cut: (text: string) => readonly string[] = (text) => [text];
  readonly #parties: Actor[] = [];
  readonly #silent = new Set<Actor>();
  /** Who is at the other end of each connection. */
  readonly #wires = new Map<number, Actor>();

  readonly #names: Readonly<Record<string, string>>;

  readonly box: Box;

  constructor(options: StageOptions = {}) {
    this.box = { ...BOX, ...options.box };
    this.#names = options.names ?? {};
    const settings = stageSettings(options);
    const random = seededRandom(options.seed ?? 1);
    const { fingerprint } = options;
    this.engine = new Engine({
      settings,
      random,
      version: "1",
      hash: machineHash,
      ...(fingerprint !== undefined && { fingerprint }),
    });
    this.settings = settings;
    this.#step({ in: "deadline" });
  }

  party(name: string, place: Place): ScriptedParty {
    const party = this.join(new ScriptedParty(this, name, place, hostText(this.box[place.realm])));
    const connection = place.tls ?? place.wss ?? place.ws;
    if (connection !== undefined) this.connect(party, connection);
    return party;
  }

  /** Stands on the stage from now on. It opens a connection of its own only by `connect`. */
  join<One extends Actor>(party: One): One {
    this.#parties.push(party);
    return party;
  }

  /** Somebody else may stand where it stood. */
  leave(party: Actor): void {
    const at = this.#parties.indexOf(party);
    if (at >= 0) this.#parties.splice(at, 1);
  }

  connected(party: Actor): boolean {
    return this.#wiresOf(party).length > 0;
  }

  /** Nothing that is sent to this party arrives any more, and the network says so. */
  unplug(party: Actor): void {
    this.#silent.add(party);
  }

  /** It is there again. */
  plug(party: Actor): void {
    this.#silent.delete(party);
  }

  /** This party opens a connection, TLS or TCP, from a port that it will never listen on. */
  connect(party: Actor, connection: number): void {
    const { realm, ip } = party.place;
    this.#wires.set(connection, party);
    const listener = `${realm}/${streamOf(party.place)}`;
    this.#step({ in: "accepted", connection, listener, remote: { ip, port: 40_000 }, tlsNames: [] });
  }

  /** All connections of this party break. */
  disconnect(party: Actor): void {
    for (const connection of this.#wiresOf(party)) {
      this.#wires.delete(connection);
      this.#step({ in: "closed", connection, reason: "reset" });
    }
  }

  #wiresOf(party: Actor): number[] {
    return [...this.#wires].filter(([, one]) => one === party).map(([connection]) => connection);
  }

  /** A message of a party, at this moment. */
  deliver(party: Actor, text: string): void {
    this.#write(party, ">", text);
    const { realm, ip, port } = party.place;
    const connection = this.#wiresOf(party).at(-1);
    if (connection !== undefined) {
      for (const piece of this.cut(text)) this.#step({ in: "data", connection, text: piece });
      return;
    }
    this.#step({ in: "datagram", listener: `${realm}/udp`, remote: { ip, port }, text });
  }

  step(input: EngineInput): void {
    this.#step(input);
  }

  /** Lets so much time pass, with every deadline of the box in its order. */
  pass(millis: Millis): void {
    const end = this.now + millis;
    for (;;) {
      const next = this.engine.nextDeadline();
      if (next === undefined || next > end) break;
      this.now = Math.max(this.now, next);
      this.#step({ in: "deadline" });
    }
    this.now = end;
    this.#step({ in: "deadline" });
  }

  /** The diary since the last look, and forgets it. `100 Trying` is left out: it belongs to the transactions. */
  look(): string[] {
    const seen = this.diary.filter((line) => !line.endsWith(" 100"));
    this.diary.length = 0;
    return seen;
  }

  factsOf<Name extends Fact["fact"]>(name: Name): Extract<Fact, { fact: Name }>[] {
    return this.facts.filter((fact) => fact.fact === name) as Extract<Fact, { fact: Name }>[];
  }

  /** What must be nothing when every call has ended and every transaction has died out. */
  remains(): Record<string, number> {
    const status = this.engine.view().status();
    const { calls, legs, dialogs, exchanges, subscriptions, subscribers } = status.calls as Record<
      "calls" | "legs" | "dialogs" | "exchanges" | "subscriptions" | "subscribers",
      number
    >;
    const { sessions, pairs } = status.media as { sessions: number; pairs: number };
    const { client, server, lingering } = status.transactions as { client: number; server: number; lingering: number };
    return {
      calls,
      legs,
      dialogs,
      exchanges,
      subscriptions,
      subscribers,
      sessions,
      pairs,
      client,
      server,
      lingering,
      timers: status.timers,
    };
  }

  #step(input: EngineInput): void {
    for (const output of this.engine.step(input, this.now)) this.#take(output);
  }

  #take(output: EngineOutput): void {
    if (output.out === "fact") this.facts.push(output.fact);
    else if (output.out === "relay") this.#command(output.command);
    else if (output.out === "datagram") this.#carry(output.listener, output.remote, output.text);
    else if (output.out === "connect") this.#connect(output);
    else if (output.out === "write") this.#wrote(output.connection, output.text);
    else if (output.out === "ping") this.#pinged(output.connection);
    else if (output.out === "close") this.#closed(output.connection);
    else if (output.out === "resolve") this.#resolve(output);
    else if (output.out === "keep") this.kept.set(output.binding.name, output.binding);
    else if (output.out === "forget") this.kept.delete(output.name);
    else if (output.out === "wake") this.woken.push(output);
    else if (output.out === "look-up") this.lookUps.push(output);
  }

  /** Taken by a party that speaks TLS (or TCP) on the port where it says it is; by nobody else. */
  #connect({ connection, remote, protocol }: Extract<EngineOutput, { out: "connect" }>): void {
    const { ip, port } = remote;
    const party = this.#parties.find(
      ({ place }) => place[protocol] !== undefined && place.ip === ip && place.port === port,
    );
    if (party === undefined || this.#silent.has(party)) {
      return this.#step({ in: "closed", connection, reason: "refused" });
    }
    this.#wires.set(connection, party);
    this.diary.push(`${this.now} ${party.name} < connection`);
    this.#step({ in: "connected", connection, tlsNames: [] });
  }

  #wrote(connection: number, text: string): void {
    const party = this.#wires.get(connection);
    if (party === undefined || !text.includes("SIP/2.0")) return;
    this.sent[party.place.realm].push(text);
    this.#write(party, "<", text);
    party.took(text);
  }

  #pinged(connection: number): void {
    const party = this.#wires.get(connection);
    if (party !== undefined && !this.#silent.has(party)) this.#step({ in: "pong", connection });
  }

  #closed(connection: number): void {
    const party = this.#wires.get(connection);
    if (party !== undefined) this.diary.push(`${this.now} ${party.name} < end of connection`);
    this.#wires.delete(connection);
    this.#step({ in: "closed", connection, reason: "by us" });
  }

  #resolve({ query, type, name }: Extract<EngineOutput, { out: "resolve" }>): void {
    const ip = type === "A" ? this.#names[name] : undefined;
    const records = ip === undefined ? [] : [{ type: "A" as const, ip, ttlSeconds: 60 }];
    this.#step({ in: "resolved", query, records });
  }

  #command(command: RelayCommand): void {
    this.relay.push(command);
    if (command.word === "close") {
      this.#step({ in: "relay", event: { event: "closed", pair: command.pair, counters: [NO_PACKETS, NO_PACKETS] } });
    }
  }

  #carry(listener: string, remote: { ip: string; port: number }, text: string): void {
    const realm = listener.startsWith("outside") ? "outside" : "inside";
    if (remote.ip === this.box[realm]) {
      // A dialog of the box with itself: what a proxy sent back to it.
      return this.#step({ in: "datagram", listener, remote: { ip: this.box[realm], port: 5060 }, text });
    }
    this.sent[realm].push(text);
    const party = this.#parties.find(({ place }) => place.ip === remote.ip && place.port === remote.port);
    if (party === undefined || this.#silent.has(party)) {
      this.diary.push(`${this.now} nobody < ${wordOf(text)}`);
      return;
    }
    this.#write(party, "<", text);
    party.took(text);
  }

  #write(party: Actor, arrow: "<" | ">", text: string): void {
    this.diary.push(`${this.now} ${party.name} ${arrow} ${wordOf(text)}`);
  }
}

const streamOf = ({ tls, ws, wss }: Place): string =>
  tls !== undefined ? "tls" : wss !== undefined ? "wss" : ws !== undefined ? "ws" : "tcp";

/** `INVITE`, `180`, `200 BYE`: the method of a request; status of a response, with the method unless it is INVITE. */
function wordOf(text: string): string {
  const line = text.slice(0, text.indexOf("\r\n"));
  if (!line.startsWith("SIP/2.0")) return line.split(" ")[0] as string;
  const method = /\r\nCSeq: *\d+ (\w+)/i.exec(text)?.[1];
  const status = line.split(" ")[1] as string;
  return method === "INVITE" ? status : `${status} ${method}`;
}

export const ALICE: Place = { realm: "outside", ip: "198.51.100.7", port: 5060 };
export const BOB: Place = { realm: "inside", ip: "10.9.0.7", port: 5060 };

/** The usual cast: alice outside, at the carrier; bob inside, at the PBX. */
export function twoSides(options: StageOptions = {}) {
  const stage = new Stage(options);
  return { stage, alice: stage.party("alice", ALICE), bob: stage.party("bob", BOB) };
}

function stageSettings({ insideTargets = [BOB], change = (same) => same, box }: StageOptions): Settings {
  const peers = [peer("carrier", "outside", [ALICE]), peer("pbx", "inside", insideTargets)];
  const routes = [
    { when: { from: "carrier" }, to: ["pbx"] },
    { when: { from: "pbx" }, to: ["carrier"] },
  ];
  const realms = [realmOf("outside", "none", box), realmOf("inside", "full", box)];
  return change(boxSettings(realms, { name: "stage", peers: byName(peers), routes }));
}

function realmOf(name: "outside" | "inside", trust: "none" | "full", box: Partial<Box> = {}): RealmSettings {
  return realmSettings(name, box[name] ?? BOX[name], { trust, media: { lastPort: 20_099, path: "socket" } });
}

const peer = (name: string, realm: string, targets: readonly Target[]): PeerSettings =>
  peerSettings(name, realm, {
    targets: targets.map(({ ip, port, protocol = "udp" }) => ({ kind: "host", protocol, host: ip, port })),
  });

/** A diary without its times. */
export const words = (diary: readonly string[]): string[] => diary.map((line) => line.slice(line.indexOf(" ") + 1));
