/** Kinds of worlds. The number of a world tells which kind it is, so that the number alone replays it. */
import type { Temper } from "./script.ts";

export interface Climate {
  readonly name: string;
  readonly tempers: readonly Temper[];
  readonly outside: "udp" | "tls";
  /** The worst that may be, in percent of all datagrams. */
  readonly loss: number;
  readonly duplicate: number;
  readonly reorder: number;
  /** Targets of the peer inside: the one that is there alone, or behind others. */
  readonly targets: "one" | "a dead one first" | "by name";
  /** Who makes a transfer: whoever is asked by REFER, or the box. */
  readonly refer: "pass" | "execute" | "assist";
  /** What the box does with a 3xx. */
  readonly redirects: "refuse" | "follow";
  /** Who refuses a call with 401 or 407 says how to prove who we are. */
  readonly challenges: boolean;
  /** Which peers have preconditions (RFC 3312), or ask for them whoever calls. */
  readonly preconditions: "neither" | "both" | "outside" | "inside" | "inside requires";
  /** Is the carrier believed, in identities and early media? */
  readonly trusted: boolean;
  /** In which form both peers are told of diversions (RFC 7544). */
  readonly diversion: "pass" | "diversion" | "history-info";
  /** The PBX and the box speak IPv6 with each other. */
  readonly insideIs6: boolean;
  /** The box registers at the carrier, all its numbers at once (RFC 6140). */
  readonly registers: boolean;
  /** What may happen to the whole world. */
  readonly happenings: readonly ("end calls" | "shut down" | "reload" | "reset" | "lose media")[];
}

const HONEST: readonly Temper[] = ["honest"];
const SLOW: readonly Temper[] = ["honest", "slow"];
const MUTE: readonly Temper[] = ["honest", "honest", "mute"];
const ALL: readonly Temper[] = ["honest", "honest", "slow", "mute", "babbling", "lying"];

const FAIR = { loss: 0, duplicate: 0, reorder: 0 };
const BAD = { loss: 10, duplicate: 4, reorder: 20 };
const FOUL = { loss: 20, duplicate: 10, reorder: 40 };
const USUAL = {
  targets: "one",
  refer: "pass",
  redirects: "refuse",
  challenges: false,
  preconditions: "neither",
  trusted: false,
  diversion: "pass",
  insideIs6: false,
  registers: false,
  happenings: ["lose media"],
} as const;

export const CLIMATES: readonly Climate[] = [
  { name: "honest neighbours, fair weather", ...USUAL, ...FAIR, tempers: HONEST, outside: "udp", happenings: [] },
  { name: "honest and slow neighbours, bad weather", ...USUAL, ...BAD, tempers: SLOW, outside: "udp" },
  {
    name: "honest neighbours over TLS that breaks, a registered trunk",
    ...USUAL,
    registers: true,
    ...BAD,
    tempers: SLOW,
    outside: "tls",
    happenings: ["reset", "lose media", "reload"],
  },
  {
    name: "some mute, several targets",
    ...USUAL,
    ...BAD,
    tempers: MUTE,
    outside: "udp",
    targets: "a dead one first",
    happenings: ["end calls", "lose media"],
  },
  {
    name: "all tempers, foul weather, names that do not always resolve",
    ...USUAL,
    ...FOUL,
    tempers: ALL,
    outside: "udp",
    targets: "by name",
    happenings: ["end calls", "lose media", "reload"],
  },
  {
    name: "all tempers over TLS that breaks",
    ...USUAL,
    ...BAD,
    tempers: ALL,
    outside: "tls",
    happenings: ["reset", "lose media", "end calls", "shut down"],
  },
  { name: "honest neighbours over TLS, fair weather", ...USUAL, ...FAIR, tempers: SLOW, outside: "tls" },
  { name: "transfers by the box, fair weather", ...USUAL, ...FAIR, tempers: HONEST, outside: "udp", refer: "execute" },
  {
    name: "transfers by the box, all tempers, bad weather",
    ...USUAL,
    ...BAD,
    tempers: ALL,
    outside: "udp",
    refer: "execute",
    happenings: ["lose media", "end calls", "shut down"],
  },
  {
    name: "transfers by the box where it must, redirections followed, credentials asked for, fair weather",
    ...USUAL,
    ...FAIR,
    tempers: HONEST,
    outside: "udp",
    refer: "assist",
    redirects: "follow",
    challenges: true,
    happenings: [],
  },
  {
    name: "redirections followed and credentials asked for, all tempers, bad weather",
    ...USUAL,
    ...BAD,
    tempers: ALL,
    outside: "udp",
    targets: "a dead one first",
    refer: "assist",
    redirects: "follow",
    challenges: true,
    happenings: ["lose media", "end calls", "reload"],
  },
  {
    name: "both sides have preconditions, and trust each other, fair weather",
    ...USUAL,
    ...FAIR,
    tempers: HONEST,
    outside: "udp",
    preconditions: "both",
    trusted: true,
    happenings: [],
  },
  {
    name: "preconditions outside alone, diversions told as history, a registered trunk, honest and slow, bad weather",
    ...USUAL,
    registers: true,
    ...BAD,
    tempers: SLOW,
    outside: "udp",
    preconditions: "outside",
    trusted: true,
    diversion: "history-info",
  },
  {
    name: "preconditions inside alone, IPv6 there, history told as diversions, fair weather",
    ...USUAL,
    insideIs6: true,
    ...FAIR,
    tempers: HONEST,
    outside: "udp",
    preconditions: "inside",
    trusted: true,
    diversion: "diversion",
    happenings: [],
  },
  {
    name: "preconditions asked for inside, IPv6 there, all tempers, bad weather",
    ...USUAL,
    insideIs6: true,
    ...BAD,
    tempers: ALL,
    outside: "udp",
    preconditions: "inside requires",
    trusted: true,
    happenings: ["lose media", "end calls"],
  },
];

export const climateOf = (seed: number): Climate => CLIMATES[seed % CLIMATES.length]!;
