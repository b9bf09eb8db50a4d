/**
 * Random offers, answers, refusals, holds, added and removed streams, forks, failovers and rubble, on two calls that
 * share three small realms. After every step the laws below hold.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { PeerError, seededRandom } from "../../../src/base/index.ts";
import {
  type MediaParty,
  MediaSessions,
  type MediaSide,
  type RelayCommand,
  type RelaySide,
} from "../../../src/media/index.ts";
import { counted, crypto, realm, settingsWith } from "../../unit/media/kit.ts";

type Step = readonly [what: number, call: number, side: number, ...details: number[]];
const step: fc.Arbitrary<Step> = fc.tuple(fc.nat(99), fc.nat(1), fc.nat(1), fc.nat(999), fc.nat(999), fc.nat(999));

test("whatever two calls negotiate: nothing leaks, nothing crosses, versions and ports are right", () => {
  fc.assert(
    fc.property(fc.nat(), fc.array(step, { maxLength: 40 }), (seed, steps) => {
      const world = new World(seed);
      for (const each of steps) world.take(each);
      world.end();
    }),
    { numRuns: 400 },
  );
});

test("the walk reaches what it is meant to reach", () => {
  const world = new World(1);
  const random = seededRandom(4);
  const detail = () => random.uint32() % 1_000;
  for (let i = 0; i < 4_000; i++)
    world.take([detail() % 100, detail() % 2, detail() % 2, detail(), detail(), detail()]);
  for (const [what, count] of Object.entries(world.reached)) expect(count, what).toBeGreaterThan(20);
  world.end();
});

const PLACES = {
  outside: { party: { realm: "outside", secureSignalling: true, family: 4, nat: false }, host: "203.0.113." },
  inside: { party: { realm: "inside", secureSignalling: false, family: 4, nat: false }, host: "10.0.0." },
  carrier: { party: { realm: "carrier", secureSignalling: true, family: 4, nat: false }, host: "192.0.2." },
} as const;
type Place = keyof typeof PLACES;

const REALMS = [
  realm("outside", "198.51.100.1", { srtp: "required" }),
  realm("inside", "172.16.0.1"),
  realm("carrier", "198.51.100.2", {
    srtp: "preferred",
    advertise: "198.51.100.3",
    media: {
      addresses: ["198.51.100.2"],
      firstPort: 20_000,
      lastPort: 20_019,
      path: "auto",
      silenceLimitMs: 30_000,
      rules: { codecs: { allow: [], deny: ["pcmu"], order: [] }, ptimeMs: 20, bandwidth: { audio: 64 } },
    },
  }),
];
/** What must never be read on another side. */
const BOX = { outside: ["198.51.100.1"], inside: ["172.16.0.1"], carrier: ["198.51.100.2", "198.51.100.3"] };

interface Peer {
  place: Place;
  /** Keys and addresses it ever said, and keys it was ever told. */
  secrets: Set<string>;
  /** Text by session id and version, as it heard them. */
  heard: Map<string, string>;
  lines: string[];
  key: string;
}

interface Call {
  readonly id: string;
  readonly peers: [Peer, Peer];
  /** Who offered last, and how many m-lines. */
  pending: { from: 0 | 1; lines: string[]; previewed: boolean } | undefined;
  agreedLines: number;
  /** There is something that a refused offer falls back to, its parties included. */
  settled: boolean;
}

class World {
  readonly reached = {
    offers: 0,
    answers: 0,
    previews: 0,
    withdrawals: 0,
    parties: 0,
    refusals: 0,
    closes: 0,
    reopened: 0,
    changes: 0,
    refusedPorts: 0,
  };
  readonly #media: MediaSessions;
  readonly #calls: Call[] = [];
  /** Pairs of the relay, with what they bind. */
  readonly #pairs = new Map<number, { bound: string[]; closing: boolean; sides: RelaySide[] }>();
  readonly #bound = new Set<string>();
  #commands = 0;
  #keys = 0;
  #opened = 0;

  constructor(seed: number) {
    this.#media = new MediaSessions({
      settings: settingsWith(REALMS),
      random: seededRandom(seed),
      emit: (each) => this.#relay(each),
    });
  }

  take([what, call, side, ...details]: Step): void {
    const held = (this.#calls[call] ??= this.#open(details));
    const index = side as 0 | 1;
    if (what < 35) this.#offer(held, index, details);
    else if (what < 75) this.#answer(held, index, details);
    else if (what < 82) this.#withdraw(held, index);
    else if (what < 87) this.#setParty(held, index, details);
    else if (what < 92) this.#letGo();
    else if (what < 96) this.#rubble(held, index, details);
    else if (what < 98) this.#delete(call);
  }

  end(): void {
    this.#delete(0);
    this.#delete(1);
    this.#letGo();
    const { sessions, pairs, portsInUse } = this.#media.view();
    expect([sessions, pairs, ...portsInUse.values()]).toEqual([0, 0, 0, 0, 0]);
    expect(this.#bound.size).toBe(0);
  }

  #open(details: number[]): Call {
    const places: Place[] = ["outside", "inside", "carrier"];
    const first = (details[0] ?? 0) % 3;
    const second = (first + 1 + ((details[1] ?? 0) % 2)) % 3;
    const peers = [first, second].map((at) => this.#peer(places[at] as Place)) as [Peer, Peer];
    const id = `call-${this.#opened++}`;
    this.#media.open(id, { caller: party(peers[0].place), callee: party(peers[1].place) });
    return { id, peers, pending: undefined, agreedLines: 0, settled: false };
  }

  #peer(place: Place): Peer {
    return { place, secrets: new Set(BOX[place]), heard: new Map(), lines: [], key: this.#freshKey() };
  }

  #freshKey(): string {
    return Buffer.from(`key of a peer, number ${String(this.#keys++).padStart(8, "0")}`).toString("base64");
  }

  #offer(call: Call, from: 0 | 1, details: number[]): void {
    const said = this.#describe(call.peers[from], call.agreedLines, details);
    this.#try(() => {
      const text = this.#media.offer(call.id, side(from), said.text);
      if (call.pending?.previewed === true) call.settled = true;
      call.pending = { from, lines: said.lines, previewed: false };
      this.#hear(call, from, text, said.lines.length);
      this.reached.offers++;
    });
  }

  #answer(call: Call, from: 0 | 1, details: number[]): void {
    const { pending } = call;
    if (pending === undefined) return;
    const said = this.#describe(call.peers[from], pending.lines.length, details, pending.lines);
    const provisional = (details[2] ?? 0) % 3 === 0;
    this.#try(() => {
      const text = this.#media.answer(call.id, side(from), said.text, { provisional });
      this.#hear(call, from, text, pending.lines.length);
      call.agreedLines = pending.lines.length;
      if (provisional) {
        pending.previewed = true;
        this.reached.previews++;
      } else {
        call.pending = undefined;
        call.settled = true;
        this.reached.answers++;
      }
    });
  }

  #withdraw(call: Call, from: 0 | 1): void {
    this.#media.withdraw(call.id, side(from));
    // Versions roll back with the offer: what was heard of it is forgotten.
    for (const peer of call.peers) peer.heard.clear();
    if (call.pending?.from !== from) return;
    call.pending = undefined;
    this.reached.withdrawals++;
  }

  #setParty(call: Call, index: 0 | 1, details: number[]): void {
    if (call.settled) return;
    const places = (["outside", "inside", "carrier"] as const).filter(
      (place) => place !== call.peers[1 - index]?.place,
    );
    const peer = this.#peer(places[(details[0] ?? 0) % 2] as Place);
    call.peers[index] = peer;
    this.#media.setParty(call.id, side(index), party(peer.place));
    // Who offers or answers for the old party now is refused or ignored: both are left alone until a new offer.
    call.pending = undefined;
    this.reached.parties++;
  }

  #delete(call: number): void {
    const held = this.#calls[call];
    if (held !== undefined) this.#media.delete(held.id);
    delete this.#calls[call];
  }

  #rubble(call: Call, from: 0 | 1, details: number[]): void {
    const { text } = this.#describe(call.peers[from], 1, details);
    const at = (details[1] ?? 0) % text.length;
    const broken =
      text.slice(0, at) + String.fromCharCode((details[2] ?? 0) % 256) + text.slice(at + ((details[0] ?? 0) % 9));
    this.#try(() => {
      this.#media.offer(call.id, side(from), broken);
      this.#withdraw(call, from);
    });
  }

  /** An operation that throws throws a PeerError, and has changed nothing. */
  #try(operation: () => void): void {
    const before = this.#snapshot();
    try {
      operation();
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      expect([400, 488, 491, 500, 503]).toContain(error.status);
      expect(this.#snapshot()).toBe(before);
      this.reached.refusals++;
      if (error.status === 503) this.reached.refusedPorts++;
    }
  }

  #snapshot(): string {
    const { sessions, pairs, portsInUse } = this.#media.view();
    const views = this.#calls.filter((call) => call !== undefined).map((call) => this.#media.query(call.id));
    return JSON.stringify([sessions, pairs, [...portsInUse], views, this.#commands]);
  }

  /** What one side said reaches the other: as many lines, nothing of the first, and the right version. */
  #hear(call: Call, from: 0 | 1, text: string, lines: number): void {
    const speaker = call.peers[from];
    const listener = call.peers[from === 0 ? 1 : 0];
    expect(text.match(/^m=/gm)?.length ?? 0).toBe(lines);
    for (const secret of speaker.secrets) expect(text).not.toContain(secret);
    for (const [, key = ""] of text.matchAll(/inline:(\S+)/g)) {
      expect(speaker.secrets.has(key)).toBe(false);
      listener.secrets.add(key);
    }
    const [, id = "", version = ""] = /^o=- (\d+) (\d+) /m.exec(text) ?? [];
    for (const [heard, before] of listener.heard) {
      if (heard.startsWith(`${id} `)) expect(heard === `${id} ${version}`).toBe(before === text);
    }
    listener.heard.set(`${id} ${version}`, text);
    const inner = `${speaker.place}-${listener.place}`;
    if (listener.place === "outside") expect(text, inner).not.toMatch(/^m=\w+ [1-9]\d* RTP\/AVP/m);
    if (listener.place === "inside") expect(text, inner).not.toContain("a=crypto");
    if (inner.includes("carrier")) expect(text, inner).not.toMatch(/^m=(audio|video) [1-9]\d* \S+ (\d+ )*0( |$)/m);
  }

  #describe(peer: Peer, least: number, details: number[], answering?: string[]): { text: string; lines: string[] } {
    const [a = 0, b = 0, c = 0] = details;
    const { host } = PLACES[peer.place];
    const ip = c % 11 === 0 ? "0.0.0.0" : `${host}${5 + (b % 3)}`;
    if (a % 5 === 0) peer.key = this.#freshKey();
    if (ip !== "0.0.0.0") peer.secrets.add(ip);
    peer.secrets.add(peer.key);
    const count = answering?.length ?? Math.max(least, 1 + (a % 3));
    const lines = Array.from({ length: count }, (_, index) => {
      const kind = answering?.[index] ?? ["audio", "video", "message", "audio"][(b + index * (c % 4)) % 4] ?? "audio";
      return { kind, off: (a + index * b) % 7 === 0 };
    });
    const direction = ["sendrecv", "sendonly", "recvonly", "inactive", "sendrecv"][b % 5];
    const secure = peer.place === "outside" ? c % 13 !== 0 : peer.place === "carrier" && c % 2 === 0;
    const text = lines.map(({ kind, off }, index) => {
      if (kind === "message") return "m=message 9 TCP/MSRP *\r\n";
      const port = off ? 0 : 4_000 + 10 * index + 2 * (a % 2);
      const mux = c % 3 === 0 ? "a=rtcp-mux\r\n" : "";
      const keys = secure || (peer.place === "carrier" && c % 5 === 0) ? `${crypto(1, peer.key)}\r\n` : "";
      return `m=${kind} ${port} RTP/${secure ? "SAVP" : "AVP"} 0 96\r\n${mux}${keys}a=${direction}\r\na=ssrc:1 cname:user@${ip}\r\n`;
    });
    return {
      text: `v=0\r\no=user 1 1 IN IP4 ${ip}\r\ns=-\r\nc=IN IP4 ${ip}\r\nt=0 0\r\n${text.join("")}`,
      lines: lines.map(({ kind }) => kind),
    };
  }

  /** The relay's side: opened before changed or closed, never two pairs on one port, nothing while closing. */
  #relay(command: RelayCommand): void {
    this.#commands++;
    if (command.word === "open") {
      expect(this.#pairs.has(command.pair)).toBe(false);
      const bound = command.sides.flatMap(({ local }) => [
        `${local.ip} ${local.rtpPort}`,
        `${local.ip} ${local.rtpPort + 1}`,
      ]);
      for (const port of bound) {
        expect(this.#bound.has(port)).toBe(false);
        this.#bound.add(port);
      }
      this.#pairs.set(command.pair, { bound, closing: false, sides: [...command.sides] });
      if ([...this.#pairs.values()].some(({ closing }) => closing)) this.reached.reopened++;
      return;
    }
    const pair = this.#pairs.get(command.pair);
    expect(pair?.closing).toBe(false);
    if (pair === undefined) return;
    if (command.word === "close") {
      pair.closing = true;
      this.reached.closes++;
      return;
    }
    if (command.word === "digit" || command.word === "export") return;
    expect(Object.keys(command.set).length).toBeGreaterThan(0);
    expect(command.set).not.toHaveProperty("local");
    this.reached.changes++;
  }

  #letGo(): void {
    for (const [pair, { bound, closing }] of this.#pairs) {
      if (!closing) continue;
      this.#pairs.delete(pair);
      for (const port of bound) this.#bound.delete(port);
      expect(this.#media.handle({ event: "closed", pair, counters: [counted(1), counted(1)] }, 0).length).toBe(1);
    }
  }
}

const side = (index: 0 | 1): MediaSide => (index === 0 ? "caller" : "callee");

const party = (place: Place): MediaParty => ({ ...PLACES[place].party, signallingSource: `${PLACES[place].host}5` });
