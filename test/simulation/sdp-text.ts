/** Session descriptions as a simulated phone writes them, full of things that must not cross the box. RFC 3264, RFC 4568. */
import { below, type Random, randomBytes } from "../../src/base/index.ts";

export type Direction = "sendrecv" | "sendonly" | "recvonly" | "inactive";

interface Line {
  readonly kind: string;
  readonly port: number;
  live: boolean;
}

export interface SdpPlace {
  readonly mark: string;
  readonly ip: string;
  readonly srtp: boolean;
}

/** What an offer says that has to wait for its own side (RFC 3312 §5), and what one says when it is there. */
const AWAITED = "a=curr:qos local none";
const RESERVED = "a=curr:qos local sendrecv";
const WANTED = ["a=curr:qos remote none", "a=des:qos mandatory local sendrecv", "a=des:qos none remote sendrecv"];

/** Does its writer wait for resources of its own? */
export const awaits = (sdp: string): boolean => sdp.includes(AWAITED) && sdp.includes("a=des:qos mandatory local");
/** Does it say of itself that it has them? */
export const hasReserved = (sdp: string): boolean => sdp.includes(RESERVED);

/** What one phone offers and answers in one dialog. */
export class Description {
  /** What this phone wants; an answer may have less. */
  wish: Direction = "sendrecv";
  /** Hold as RFC 2543 had it: c=0.0.0.0. */
  byNull = false;
  /** Are its own there? `undefined`: it asks for none. RFC 3312. */
  reserved: boolean | undefined;
  readonly #place: SdpPlace;
  readonly #random: Random;
  readonly #port: number;
  readonly #key: string;
  readonly #origin: string;
  #version: number;
  #lines: Line[];
  #last = "";

  constructor(place: SdpPlace, random: Random, from?: Description) {
    this.#place = place;
    this.#random = random;
    this.#port = 2_000 + 2 * below(random, 10_000);
    this.#key = Buffer.from(randomBytes(random, 30)).toString("base64");
    this.#origin = from !== undefined ? from.#origin : `${place.mark} ${below(random, 1_000_000_000)}`;
    this.#version = from === undefined ? 1 : from.#version;
    this.#lines = from?.lines.map((line) => ({ ...line })) ?? [{ kind: "audio", port: this.#port, live: true }];
    this.#last = from === undefined ? "" : from.#last;
    this.reserved = from?.reserved;
  }

  get lines(): readonly Line[] {
    return this.#lines;
  }

  /** What was so before an offer that was refused. */
  rollback(): () => void {
    const lines = this.#lines.map((line) => ({ ...line }));
    const { wish, byNull, reserved } = this;
    return () => {
      this.#lines = lines;
      this.wish = wish;
      this.byNull = byNull;
      this.reserved = reserved;
    };
  }

  setVideo(on: boolean): void {
    const video = this.#lines.find(({ kind }) => kind === "video");
    if (video !== undefined) video.live = on;
    else if (on) this.#lines.push({ kind: "video", port: this.#port + 2 * this.#lines.length, live: true });
  }

  offer(): string {
    const { srtp } = this.#place;
    const profile = srtp ? "RTP/SAVP" : "RTP/AVP";
    const parts = this.#lines.map((line) => {
      const formats = line.kind === "audio" ? "0 8 101" : "96";
      if (!line.live) return `m=${line.kind} 0 ${profile} ${formats}`;
      return this.#stream(line, `${profile} ${formats}`, this.byNull ? "by null" : this.wish, 1, this.#asked());
    });
    return this.#write(parts);
  }

  answer(offer: string): string {
    const before = this.#lines;
    this.#lines = [];
    const session = directionOf(offer.split(/\r\nm=/)[0] ?? "");
    const parts = sectionsOf(offer).map((section, index) => {
      const [kind = "audio", port = "0", profile = "RTP/AVP", ...formats] = section.split("\r\n")[0]!.split(" ");
      const live = port !== "0" && (kind === "audio" || kind === "video");
      const line = { kind, port: before[index]?.port ?? this.#port + 2 * index, live };
      this.#lines.push(line);
      if (!live) return `m=${kind} 0 ${profile} ${formats[0]}`;
      const tag = Number(/a=crypto:(\d+) /.exec(section)?.[1] ?? 0);
      const direction = answerTo(directionOf(section) ?? session ?? "sendrecv", this.wish);
      return this.#stream(line, `${profile} ${formats.join(" ")}`, direction, tag, readyFor(section));
    });
    return this.#write(parts);
  }

  #asked(): readonly string[] {
    return this.reserved === undefined ? [] : [this.reserved ? RESERVED : AWAITED, ...WANTED];
  }

  #stream(
    { kind, port }: Line,
    rest: string,
    direction: Direction | "by null",
    cryptoTag: number,
    preconditions: readonly string[],
  ): string {
    const { ip, srtp, mark } = this.#place;
    const lines = [`m=${kind} ${port} ${rest}`];
    if (direction === "by null") lines.push(`c=${typed(ip.includes(":") ? "::" : "0.0.0.0")}`);
    if (kind === "audio") lines.push("a=rtpmap:0 PCMU/8000", "a=rtpmap:101 telephone-event/8000");
    if (srtp && cryptoTag > 0) lines.push(`a=crypto:${cryptoTag} AES_CM_128_HMAC_SHA1_80 inline:${this.#key}`);
    lines.push(`a=rtcp:${port + 1} ${typed(ip)}`, `a=candidate:1 1 UDP 2130706431 ${ip} ${port} typ host`);
    lines.push(`a=ssrc:${below(this.#random, 4)} cname:${mark}`);
    if (direction !== "by null") lines.push(`a=${direction}`);
    lines.push(...preconditions);
    return lines.join("\r\n");
  }

  /** RFC 3264 §8: the version grows by one with each change. */
  #write(parts: readonly string[]): string {
    const { ip, mark } = this.#place;
    const rest = [`s=${mark} talk`, `c=${typed(ip)}`, "t=0 0", `a=tool:${mark}`, ...parts].join("\r\n");
    if (rest !== this.#last) this.#version += 1;
    this.#last = rest;
    return `v=0\r\no=${this.#origin} ${this.#version} ${typed(ip)}\r\n${rest}\r\n`;
  }
}

export const sectionsOf = (sdp: string): string[] => sdp.split(/\r\nm=/).slice(1);

const typed = (ip: string): string => `IN ${ip.includes(":") ? "IP6" : "IP4"} ${ip}`;

/** Does it name no place where its writer hears, as holds of RFC 2543 do? */
export const hasNoPlace = (section: string): boolean =>
  section.includes("\nc=IN IP4 0.0.0.0\r") || section.includes("\nc=IN IP6 ::\r");

/** What a section says of its direction; `undefined`: nothing. */
export function directionOf(section: string): Direction | undefined {
  if (hasNoPlace(section) && !/a=inactive/.test(section)) return "sendonly";
  return /a=(sendrecv|sendonly|recvonly|inactive)/.exec(section)?.[1] as Direction | undefined;
}

/** RFC 3312 §5: an end that has all it needs says so, and wants to hear of what the other one still lacks. */
function readyFor(section: string): readonly string[] {
  if (!section.includes("a=des:qos")) return [];
  const theirs = /a=curr:qos local (\w+)/.exec(section)?.[1] ?? "none";
  return [
    RESERVED,
    `a=curr:qos remote ${theirs}`,
    "a=des:qos none local sendrecv",
    "a=des:qos mandatory remote sendrecv",
    ...(theirs === "none" ? ["a=conf:qos remote sendrecv"] : []),
  ];
}

/** RFC 3264 §6.1: nothing is sent that the other end does not want, and the other way round. */
function answerTo(offered: Direction, wish: Direction): Direction {
  const send = (offered === "sendrecv" || offered === "recvonly") && (wish === "sendrecv" || wish === "sendonly");
  const receive = (offered === "sendrecv" || offered === "sendonly") && (wish === "sendrecv" || wish === "recvonly");
  return send ? (receive ? "sendrecv" : "sendonly") : receive ? "recvonly" : "inactive";
}
