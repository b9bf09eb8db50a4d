/**
 * Two ends of any kind — plain, SDES, DTLS, browser — that keep to RFC 8842 and RFC 8839, hold, restart ICE, take other
 * certificates and roles, answer early, refuse. Each hears a legal history, nothing of one is ever said to the other, and
 * the relay works with what each end itself believes.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { PeerError, type Random, seededRandom } from "../../../src/base/index.ts";
import { type MediaParty, MediaSessions, type RelayCommand, type RelaySide } from "../../../src/media/index.ts";
import { formatFingerprint } from "../../../src/sdp/index.ts";
import { all, DialogHistory, directionsOf, read } from "../../support/offer-answer.ts";
import { FINGERPRINT, makeIdentities, OUR_PRINT, realm, settingsWith } from "../../unit/media/kit.ts";

test("whatever two ends agree on keys and ways: legal, apart, and the relay knows the same", () => {
  fc.assert(
    fc.property(fc.nat(), fc.array(fc.nat(), { maxLength: 25 }), (seed, steps) => {
      const world = new World(seed);
      for (const step of steps) world.step(step);
      expect(world.faults).toEqual([]);
    }),
    { numRuns: 300 },
  );
});

test("the walk reaches what it is meant to reach", () => {
  const reached: Record<string, number> = {};
  for (let seed = 0; seed < 150; seed++) {
    const world = new World(seed);
    for (let step = 0; step < 30; step++) world.step(seed * 1_000 + step);
    expect(world.faults).toEqual([]);
    for (const [what, count] of Object.entries(world.reached)) reached[what] = (reached[what] ?? 0) + count;
  }
  for (const [what, count] of Object.entries(reached)) expect(count, what).toBeGreaterThan(20);
});

type Kind = "plain" | "sdes" | "dtls" | "browser";
type Name = "caller" | "callee";
const other = (name: Name): Name => (name === "caller" ? "callee" : "caller");

/** One end, as it sees itself. */
interface End {
  readonly kind: Kind;
  readonly history: DialogHistory;
  readonly ip: string;
  /** Does it know tls-id? */
  readonly named: boolean;
  /** Octet of which its certificate is all made. */
  certificate: number;
  tlsId: number;
  ice: number;
  direction: string;
  /** What we are in its association, by what it last said and heard; `undefined`: there is none. */
  ours: "active" | "passive" | undefined;
  /** Of our certificate, as it was told. */
  print: string | undefined;
  /** Everything it ever said that nobody else may hear. */
  readonly secrets: string[];
}

interface Pending {
  readonly from: Name;
  readonly said: string;
  readonly onward: string;
  readonly repeated: boolean;
  /** Who offered, as it was before. */
  readonly before: End;
}

const printIn = (text: string): string | undefined => /^a=fingerprint:(.*)\r$/m.exec(text)?.[1];
const KEY = Buffer.alloc(30, 7).toString("base64");

class World {
  readonly reached = {
    offers: 0,
    answers: 0,
    early: 0,
    refused: 0,
    repeats: 0,
    restarts: 0,
    certificates: 0,
    associations: 0,
    active: 0,
    passive: 0,
    ice: 0,
    renewed: 0,
  };
  readonly #media: MediaSessions;
  readonly #ends: Readonly<Record<Name, End>>;
  readonly #faults: string[] = [];
  #relay: [RelaySide, RelaySide] | undefined;
  #pending: Pending | undefined;
  #settled = false;
  #count = 0;

  constructor(seed: number) {
    const random = seededRandom(seed);
    const kinds: readonly Kind[] = ["plain", "sdes", "dtls", "browser"];
    const [one, two] = [pick(random, kinds), pick(random, kinds)];
    const srtp = (kind: Kind) => (kind === "plain" ? "off" : pick(random, ["required", "preferred"] as const));
    const keys = (kind: Kind) =>
      kind === "sdes" ? (["sdes"] as const) : pick(random, [["dtls"], ["dtls", "sdes"], ["sdes", "dtls"]] as const);
    const outside = realm("outside", "198.51.100.1", { srtp: srtp(one), srtpKeys: keys(one) });
    const inside = realm("inside", "10.0.0.1", { srtp: srtp(two), srtpKeys: keys(two) });
    this.#media = new MediaSessions({
      settings: settingsWith([outside, inside]),
      random,
      fingerprint: FINGERPRINT,
      identity: makeIdentities(),
      emit: (command) => this.#follow(command),
    });
    this.#ends = { caller: this.#end(one, "203.0.113.5", random), callee: this.#end(two, "10.0.0.9", random) };
    const party = (name: Name, realmName: string): MediaParty => {
      const { kind, ip } = this.#ends[name];
      const secureSignalling = kind === "sdes";
      return {
        realm: realmName,
        secureSignalling,
        web: kind === "browser",
        family: 4,
        signallingSource: ip,
        nat: false,
      };
    };
    this.#media.open("call", { caller: party("caller", "outside"), callee: party("callee", "inside") });
  }

  get faults(): string[] {
    return [...this.#faults, ...this.#ends.caller.history.faults, ...this.#ends.callee.history.faults];
  }

  step(dice: number): void {
    const random = seededRandom(dice);
    const what = random.uint32() % 10;
    const name = pick(random, ["caller", "callee"] as const);
    if (this.#pending !== undefined) {
      if (what < 8) this.#answer(random);
      else this.#refuse();
    } else if (what === 0 && this.#settled) this.#repeat(name);
    else this.#offer(name, random);
  }

  #end(kind: Kind, ip: string, random: Random): End {
    const named = random.uint32() % 2 === 0;
    const history = new DialogHistory();
    const fresh = { certificate: this.#next(), tlsId: this.#next(), ice: this.#next() };
    return {
      kind,
      history,
      ip,
      named,
      ...fresh,
      direction: "sendrecv",
      ours: undefined,
      print: undefined,
      secrets: [],
    };
  }

  #next(): number {
    this.#count += 1;
    return this.#count;
  }

  #offer(from: Name, random: Random): void {
    const end = this.#ends[from];
    const before = { ...end };
    const roll = (sides: number): boolean => random.uint32() % sides === 0;
    end.direction = pick(random, ["sendrecv", "sendrecv", "sendonly", "inactive"]);
    if (roll(4)) {
      end.ice = this.#next();
      this.reached.restarts++;
    }
    if (roll(5)) {
      end.certificate = this.#next();
      end.tlsId = this.#next();
      end.ice = this.#next(); // RFC 8842 §6.
      this.reached.certificates++;
    }
    const setup = roll(8) && end.kind === "dtls" ? pick(random, ["active", "passive"]) : "actpass";
    const said = this.#describe(end, setup, this.#protocolOf(end), end.direction, end.named, true);
    try {
      const onward = this.#media.offer("call", from, said);
      end.history.theyOffer(said);
      this.#ends[other(from)].history.weOffer(onward);
      this.#apart(onward, from);
      this.#pending = { from, said, onward, repeated: false, before };
      this.reached.offers++;
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      Object.assign(end, before);
      this.#faults.push(`an honest offer was refused: ${error.message}`);
    }
  }

  #repeat(to: Name): void {
    const onward = this.#media.repeat("call", to);
    this.#ends[to].history.weOffer(onward);
    this.#pending = { from: other(to), said: "", onward, repeated: true, before: { ...this.#ends[other(to)] } };
    this.reached.repeats++;
  }

  #refuse(): void {
    const { from, before } = this.#pending as Pending;
    this.#media.withdraw("call", from);
    Object.assign(this.#ends[from], before);
    for (const name of [from, other(from)]) this.#ends[name].history.refuse();
    this.#pending = undefined;
    this.reached.refused++;
    this.#agree();
  }

  #answer(random: Random): void {
    const { from, onward, repeated } = this.#pending as Pending;
    const by = other(from);
    const end = this.#ends[by];
    const [line] = read(onward).sections;
    if (line === undefined) throw new Error("an offer without a line");
    const before = end.ours;
    // It keeps its role while there is an association, and chooses one where there is none.
    const mine = before === undefined ? pick(random, ["active", "passive"] as const) : reversed(before);
    const wanted = directionsOf(line.lines)[0] ?? "sendrecv";
    const direction = pick(random, ANSWERS[wanted] ?? ["inactive"]);
    const named = end.named && all(line.lines, "a=tls-id:").length > 0;
    const text = this.#describe(end, mine, line.protocol, direction, named, false, line.lines);
    try {
      if (random.uint32() % 3 === 0 && !repeated) {
        const early = this.#media.answer("call", by, text, { provisional: true });
        this.#ends[from].history.weAnswer(early, false);
        this.reached.early++;
      }
      const back = this.#media.answer("call", by, text);
      end.history.theyAnswer(text);
      if (!repeated) {
        this.#ends[from].history.weAnswer(back);
        this.#apart(back, by);
        this.#ends[from].ours = roleIn(back) ?? undefined;
        this.#ends[from].print = printIn(back);
      }
      end.ours = text.includes("a=fingerprint") ? reversed(mine) : undefined;
      end.print = printIn(onward);
      this.#settled = true;
      this.#pending = undefined;
      this.reached.answers++;
      this.#agree();
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      this.#faults.push(`an honest answer was refused: ${error.message}`);
      this.#refuse();
    }
  }

  /** What one end said of itself stands nowhere in what the other is told; nor does what the box told the one. */
  #apart(text: string, from: Name): void {
    for (const secret of this.#ends[from].secrets) {
      if (text.includes(secret)) this.#faults.push(`${secret} of the ${from} crossed`);
    }
    const own = this.#ends[other(from)];
    for (const line of text.split("\r\n")) {
      const found = /^a=(?:ice-ufrag|ice-pwd|tls-id):(.*)/.exec(line)?.[1];
      if (found !== undefined && !own.secrets.includes(found)) own.secrets.push(found);
    }
  }

  /** Once all is settled, the relay believes of each end what it believes of itself. */
  #agree(): void {
    if (this.#relay === undefined || !this.#settled) return;
    for (const [index, name] of (["caller", "callee"] as const).entries()) {
      const side = this.#relay[index as 0 | 1];
      const end = this.#ends[name];
      const fault = (what: string): void => void this.#faults.push(`${name} (${end.kind}): ${what}`);
      if (side.dtls !== undefined) {
        this.reached.associations++;
        this.reached[side.dtls.setup]++;
        if (side.rx !== undefined || side.tx !== undefined) fault("two keys");
        if (side.dtls.fingerprints[0]?.value[0] !== end.certificate) fault("another certificate");
        const shown = side.dtls.identity && formatFingerprint(side.dtls.identity.fingerprint);
        if (shown !== undefined) this.reached.renewed++;
        if (end.print !== (shown ?? OUR_PRINT)) fault("shown another certificate than it was told");
        if (end.ours !== side.dtls.setup) fault(`the relay is ${side.dtls.setup}, the end thinks ${end.ours}`);
      } else if (end.kind === "dtls" || end.kind === "browser") fault("no handshake");
      if (side.ice !== undefined) {
        this.reached.ice++;
        if (side.ice.remoteUfrag !== `ufrag${end.ice}`) fault("another ufrag");
        if (side.remote !== undefined) fault("a place beside ICE");
      } else if (end.kind === "browser") fault("no ICE");
    }
  }

  #follow(command: RelayCommand): void {
    if (command.word === "open") this.#relay = [...command.sides];
    else if (command.word === "close") this.#relay = undefined;
    else if (command.word === "change" && this.#relay !== undefined)
      this.#relay[command.side] = { ...this.#relay[command.side], ...command.set } as RelaySide;
  }

  #protocolOf({ kind }: End): string {
    return { plain: "RTP/AVP", sdes: "RTP/SAVP", dtls: "UDP/TLS/RTP/SAVP", browser: "UDP/TLS/RTP/SAVPF" }[kind];
  }

  #describe(
    end: End,
    setup: string,
    protocol: string,
    direction: string,
    named: boolean,
    offer: boolean,
    offered: readonly string[] = [],
  ): string {
    const { kind, ip, certificate, tlsId, ice } = end;
    const browser = kind === "browser";
    const place = browser ? "0.0.0.0" : ip;
    let text = `v=0\r\no=end 9 1 IN IP4 ${ip}\r\ns=-\r\nc=IN IP4 ${place}\r\nt=0 0\r\n`;
    const mid = all(offered, "a=mid:")[0] ?? (offer && browser ? "voice" : undefined);
    if (browser && mid !== undefined) text += `a=group:BUNDLE ${mid}\r\n`;
    text += `m=audio ${browser ? 9 : 4_000} ${protocol} 0 8\r\n`;
    if (mid !== undefined) text += `a=mid:${mid}\r\n`;
    if (browser && (offer || offered.includes("a=rtcp-mux"))) text += "a=rtcp-mux\r\n";
    if (kind === "sdes") text += `a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}\r\n`;
    if (kind === "dtls" || browser) {
      const octet = certificate.toString(16).toUpperCase().padStart(2, "0").slice(-2);
      text += `a=fingerprint:sha-256 ${new Array(32).fill(octet).join(":")}\r\na=setup:${setup}\r\n`;
      if (named) text += `a=tls-id:association-${String(tlsId).padStart(10, "0")}\r\n`;
    }
    if (browser) {
      const secrets = [`ufrag${ice}`, `password-of-this-end-${ice}`.replaceAll("-", "+"), `name${ice}.local`];
      for (const secret of secrets) if (!end.secrets.includes(secret)) end.secrets.push(secret);
      text += `a=ice-ufrag:${secrets[0]}\r\na=ice-pwd:${secrets[1]}\r\n`;
      text += `a=candidate:1 1 udp 2113937151 ${secrets[2]} 51000 typ host\r\n`;
    }
    return `${text}a=${direction}\r\n`;
  }
}

const ANSWERS: Readonly<Record<string, readonly string[]>> = {
  sendrecv: ["sendrecv", "sendrecv", "recvonly", "inactive"],
  sendonly: ["recvonly", "inactive"],
  recvonly: ["sendonly", "inactive"],
  inactive: ["inactive"],
};

const pick = <T>(random: Random, from: readonly T[]): T => from[random.uint32() % from.length] as T;

const reversed = (role: "active" | "passive"): "active" | "passive" => (role === "active" ? "passive" : "active");

const roleIn = (text: string): "active" | "passive" | undefined =>
  /^a=setup:(active|passive)\r$/m.exec(text)?.[1] as "active" | "passive" | undefined;
