/**
 * Two ends that keep to RFC 3264, and change their minds about everything it lets them: holds of every kind, streams added,
 * switched off and put in an old place, addresses, codecs, names, refusals, refreshes. What the box says to each of them is a
 * legal history too.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { type MediaRules, PeerError, type Random, seededRandom } from "../../../src/base/index.ts";
import { MediaSessions } from "../../../src/media/index.ts";
import { all, DialogHistory, directionsOf, read } from "../../support/offer-answer.ts";
import { INSIDE, insideParty, OUTSIDE, outsideParty, realm, settingsWith } from "../../unit/media/kit.ts";

const KEY = Buffer.alloc(30, 7).toString("base64");

test("whatever two honest ends negotiate, each hears a legal history", () => {
  fc.assert(
    fc.property(fc.nat(), fc.array(fc.nat(), { maxLength: 30 }), (seed, steps) => {
      const world = new World(seed);
      for (const step of steps) world.step(step);
      expect(world.faults).toEqual([]);
    }),
    { numRuns: 300 },
  );
});

test("the walk reaches what it is meant to reach", () => {
  const reached: Record<string, number> = {};
  for (let seed = 0; seed < 100; seed++) {
    const world = new World(seed);
    for (let step = 0; step < 40; step++) world.step(seed * 1_000 + step);
    expect(world.faults).toEqual([]);
    for (const [what, count] of Object.entries(world.reached)) reached[what] = (reached[what] ?? 0) + count;
  }
  for (const [what, count] of Object.entries(reached)) expect(count, what).toBeGreaterThan(20);
});

type Name = "caller" | "callee";
const other = (name: Name): Name => (name === "caller" ? "callee" : "caller");

/** A stream as one end sees it. */
interface Stream {
  kind: string;
  on: boolean;
  port: number;
  formats: string[];
  direction: string;
  mid: string | undefined;
  held: boolean;
}

interface End {
  readonly history: DialogHistory;
  readonly secure: boolean;
  ip: string;
  streams: Stream[];
}

/** Numbers of codecs are the same for both ends, as an answer should have them (RFC 3264 §6.1). */
const CODECS: Readonly<Record<string, readonly string[]>> = {
  audio: ["0", "8", "96 opus/48000/2", "97 iLBC/8000", "101 telephone-event/8000"],
  video: ["34", "98 VP8/90000", "99 H264/90000"],
  text: ["110 t140/1000"],
};

const RULES: readonly (MediaRules | undefined)[] = [
  undefined,
  undefined,
  { codecs: { allow: [], deny: ["pcma", "vp8"], order: ["ilbc"] } },
  { codecs: { allow: ["pcmu", "opus", "video/*"], deny: [], order: [] }, ptimeMs: 30, bandwidth: { audio: 64 } },
];

class World {
  readonly reached = {
    offers: 0,
    answers: 0,
    early: 0,
    refusedByBox: 0,
    refused: 0,
    repeats: 0,
    holds: 0,
    added: 0,
    removed: 0,
    reused: 0,
    renumbered: 0,
  };
  readonly #media: MediaSessions;
  readonly #ends: Readonly<Record<Name, End>>;
  #pending: { from: Name; text: string; onward: string; repeated: boolean } | undefined;
  #settled = false;
  #ports = 4_000;

  constructor(seed: number) {
    const random = seededRandom(seed);
    const rules = (): MediaRules | undefined => pick(random, RULES);
    const dual = random.uint32() % 2 === 0 ? ["198.51.100.1", "2001:db8::1"] : ["198.51.100.1"];
    const secure = random.uint32() % 2 === 0;
    const outside = realm("outside", "198.51.100.1", {
      ...(secure ? { srtp: OUTSIDE.srtp } : {}),
      media: { ...INSIDE.media, lastPort: 20_999, addresses: dual, rules: rules() },
    });
    const inside = realm("inside", "10.0.0.1", { media: { ...INSIDE.media, lastPort: 20_999, rules: rules() } });
    this.#media = new MediaSessions({ settings: settingsWith([outside, inside]), random, emit: () => {} });
    this.#media.open("call", { caller: outsideParty, callee: insideParty });
    this.#ends = {
      caller: { history: new DialogHistory(), secure, ip: "203.0.113.5", streams: [] },
      callee: { history: new DialogHistory(), secure: false, ip: "10.0.0.9", streams: [] },
    };
  }

  get faults(): string[] {
    return [...this.#ends.caller.history.faults, ...this.#ends.callee.history.faults];
  }

  step(dice: number): void {
    const random = seededRandom(dice);
    const what = random.uint32() % 10;
    if (this.#pending === undefined) {
      if (what === 0 && this.#settled) this.#repeat(pick(random, ["caller", "callee"] as const));
      else this.#offer(pick(random, ["caller", "callee"] as const), random);
    } else if (what < 7) this.#answer(random);
    else this.#refuse();
  }

  #offer(from: Name, random: Random): void {
    const end = this.#ends[from];
    const before = end.streams.map((stream) => ({ ...stream }));
    this.#change(end, random);
    const text = this.#describe(end, random);
    try {
      const onward = this.#media.offer("call", from, text);
      end.history.theyOffer(text);
      this.#ends[other(from)].history.weOffer(onward);
      this.#pending = { from, text, onward, repeated: false };
      this.reached.offers++;
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      end.streams = before;
      this.reached.refusedByBox++;
    }
  }

  #repeat(to: Name): void {
    const onward = this.#media.repeat("call", to);
    this.#ends[to].history.weOffer(onward);
    this.#pending = { from: other(to), text: "", onward, repeated: true };
    this.reached.repeats++;
  }

  #refuse(): void {
    const { from } = this.#pending as { from: Name };
    this.#media.withdraw("call", from);
    this.#ends[from].history.refuse();
    this.#ends[other(from)].history.refuse();
    this.#pending = undefined;
    this.reached.refused++;
  }

  #answer(random: Random): void {
    const { from, onward, repeated } = this.#pending as { from: Name; onward: string; repeated: boolean };
    const by = other(from);
    const text = this.#answerTo(this.#ends[by], onward, random);
    try {
      if (random.uint32() % 3 === 0 && !repeated) {
        this.#ends[from].history.weAnswer(this.#media.answer("call", by, text, { provisional: true }), false);
        this.reached.early++;
      }
      const back = this.#media.answer("call", by, text);
      this.#ends[by].history.theyAnswer(text);
      if (!repeated) this.#ends[from].history.weAnswer(back);
      this.#learn(this.#ends[by], text);
      if (!repeated) this.#follow(this.#ends[from], back);
      this.#settled = true;
      this.#pending = undefined;
      this.reached.answers++;
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      this.#refuse();
    }
  }

  /** New wishes of an end that is about to offer. */
  #change(end: End, random: Random): void {
    const roll = (sides: number): boolean => random.uint32() % sides === 0;
    if (roll(6))
      end.ip =
        end.secure || end.ip.startsWith("10.")
          ? end.ip.replace(/\d+$/, String(5 + (dice(random) % 9)))
          : pick(random, ["203.0.113.5", "2001:db8:1::5"]);
    for (const stream of end.streams) {
      if (!stream.on) {
        if (!roll(4)) continue;
        Object.assign(stream, this.#fresh(random));
        this.reached.reused++;
      } else if (end.streams.length > 1 && roll(6)) {
        stream.on = false;
        this.reached.removed++;
      } else {
        stream.direction = pick(random, ["sendrecv", "sendrecv", "sendonly", "recvonly", "inactive"]);
        stream.held = roll(8);
        if (stream.direction !== "sendrecv" || stream.held) this.reached.holds++;
        if (roll(5)) stream.port = this.#ports += 2;
        if (roll(4)) stream.formats = some(random, CODECS[stream.kind] ?? ["*"]);
      }
    }
    while (end.streams.length === 0 || (end.streams.length < 5 && roll(4))) {
      end.streams.push(this.#fresh(random));
      this.reached.added++;
    }
  }

  #fresh(random: Random): Stream {
    const kind = pick(random, ["audio", "audio", "audio", "video", "text", "message"]);
    const formats = some(random, CODECS[kind] ?? ["*"]);
    const mid = random.uint32() % 2 === 0 ? `${kind}-${dice(random) % 90}-${this.#ports}` : undefined;
    return { kind, on: true, port: (this.#ports += 2), formats, direction: "sendrecv", mid, held: false };
  }

  #describe(end: End, random: Random): string {
    const named = end.streams.filter(({ on, mid }) => on && mid !== undefined).map(({ mid }) => mid);
    const group = named.length > 1 ? pick(random, ["", "BUNDLE", "LS"]) : "";
    const groups = group === "" ? "" : `a=group:${group} ${named.join(" ")}\r\n`;
    return `${head(end.ip)}${groups}${end.streams.map((stream) => line(stream, end.secure, random)).join("")}`;
  }

  /** A legal answer: takes or declines each line, keeps numbers, names and directions. */
  #answerTo(end: End, offer: string, random: Random): string {
    const { session, sections } = read(offer);
    let text = head(/^c=IN IP6/m.test(offer) ? "2001:db8:1::5" : end.ip.includes(":") ? "203.0.113.5" : end.ip);
    const takes = sections.map(({ port, kind }) => port !== 0 && (kind === "audio" || dice(random) % 4 > 0));
    const taken = sections.filter((_, index) => takes[index]).flatMap(({ lines }) => all(lines, "a=mid:"));
    for (const group of all(session, "a=group:LS")) {
      text += `a=group:LS${group
        .split(" ")
        .filter((tag) => taken.includes(tag))
        .map((tag) => ` ${tag}`)
        .join("")}\r\n`;
    }
    for (const [index, { kind, protocol, formats, lines }] of sections.entries()) {
      const mid = all(lines, "a=mid:")
        .map((name) => `a=mid:${name}\r\n`)
        .join("");
      if (takes[index] !== true) {
        text += `m=${kind} 0 ${protocol} ${formats[0]}\r\n${mid}`;
        continue;
      }
      const kept = some(random, formats);
      const maps = lines.filter((each) => kept.some((format) => each.startsWith(`a=rtpmap:${format} `)));
      const crypto =
        lines.find((each) => each.startsWith("a=crypto:")) === undefined
          ? ""
          : `a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}\r\n`;
      const wanted = directionsOf(lines)[0] ?? "sendrecv";
      const direction = pick(random, ANSWERS[wanted] ?? ["inactive"]);
      const mux = lines.includes("a=rtcp-mux") && dice(random) % 2 === 0 ? "a=rtcp-mux\r\n" : "";
      // Legal, if not as it should be: the same codecs under numbers of its own.
      const own = dice(random) % 4 === 0 && kept.every((format) => Number(format) < 102);
      const numbered = (format: string): string => (own && Number(format) > 95 ? String(Number(format) + 10) : format);
      if (own) this.reached.renumbered++;
      const told = maps.map((map) => map.replace(/\d+/, numbered)).map((map) => `${map}\r\n`);
      text += `m=${kind} ${7_000 + 2 * index} ${protocol} ${kept.map(numbered).join(" ")}\r\n${mid}${told.join("")}${mux}${crypto}a=${direction}\r\n`;
    }
    return text;
  }

  /** After its own answer an end has the streams that it described. */
  #learn(end: End, text: string): void {
    for (const [index, { kind, port, formats, lines }] of read(text).sections.entries()) {
      const mid = all(lines, "a=mid:")[0];
      const maps = all(lines, "a=rtpmap:");
      const known = formats.map((format) => maps.find((map) => map.startsWith(`${format} `)) ?? format);
      end.streams[index] = { kind, on: port !== 0, port, formats: known, direction: "sendrecv", mid, held: false };
    }
  }

  /** What was declined is off. */
  #follow(end: End, answer: string): void {
    for (const [index, { port }] of read(answer).sections.entries()) {
      const stream = end.streams[index];
      if (stream !== undefined && port === 0) stream.on = false;
    }
  }
}

const ANSWERS: Readonly<Record<string, readonly string[]>> = {
  sendrecv: ["sendrecv", "sendrecv", "sendonly", "recvonly", "inactive"],
  sendonly: ["recvonly", "inactive"],
  recvonly: ["sendonly", "inactive"],
  inactive: ["inactive"],
};

const dice = (random: Random): number => random.uint32();
const pick = <T>(random: Random, from: readonly T[]): T => from[dice(random) % from.length] as T;

/** At least one, in order. */
function some<T>(random: Random, from: readonly T[]): T[] {
  const kept = from.filter(() => dice(random) % 3 > 0);
  return kept.length > 0 ? kept : [from[0] as T];
}

const typed = (ip: string): string => `IN IP${ip.includes(":") ? 6 : 4} ${ip}`;

const head = (ip: string): string => `v=0\r\no=end 9 1 ${typed(ip)}\r\ns=-\r\nc=${typed(ip)}\r\nt=0 0\r\n`;

function line({ kind, on, port, formats, direction, mid, held }: Stream, secure: boolean, random: Random): string {
  const protocol = kind === "message" ? "TCP/MSRP" : secure ? "RTP/SAVP" : "RTP/AVP";
  const numbers = formats.map((format) => format.split(" ")[0]).join(" ");
  let text = `m=${kind} ${on ? port : 0} ${protocol} ${numbers}\r\n`;
  if (held) text += pick(random, ["c=IN IP4 0.0.0.0\r\n", "c=IN IP6 gone.invalid\r\n"]);
  if (mid !== undefined) text += `a=mid:${mid}\r\n`;
  for (const format of formats) if (format.includes(" ")) text += `a=rtpmap:${format}\r\n`;
  if (dice(random) % 3 === 0) text += "a=rtcp-mux\r\n";
  if (secure) text += `a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}\r\n`;
  return `${text}a=${direction}\r\n`;
}
