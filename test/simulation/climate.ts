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
}

const HONEST: readonly Temper[] = ["honest"];
const MUTE: readonly Temper[] = ["honest", "honest", "mute"];
const ALL: readonly Temper[] = ["honest", "honest", "mute", "babbling", "lying"];

export const CLIMATES: readonly Climate[] = [
  { name: "honest neighbours, fair weather", tempers: HONEST, outside: "udp", loss: 0, duplicate: 0, reorder: 0 },
  { name: "honest neighbours, bad weather", tempers: HONEST, outside: "udp", loss: 10, duplicate: 4, reorder: 20 },
  { name: "honest neighbours over TLS", tempers: HONEST, outside: "tls", loss: 10, duplicate: 4, reorder: 20 },
  { name: "some mute", tempers: MUTE, outside: "udp", loss: 10, duplicate: 4, reorder: 20 },
  { name: "all tempers, foul weather", tempers: ALL, outside: "udp", loss: 20, duplicate: 10, reorder: 40 },
  { name: "all tempers over TLS", tempers: ALL, outside: "tls", loss: 10, duplicate: 4, reorder: 20 },
];

export const climateOf = (seed: number): Climate => CLIMATES[seed % CLIMATES.length]!;
