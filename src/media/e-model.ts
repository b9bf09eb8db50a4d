/**
 * How a conversation sounds, by the E-model of ITU-T G.107 (2015) with its default values: a rating R of 0 to 100, and the
 * mean opinion (MOS) that goes with it. What differs from call to call are codec, loss and delay; everything that a packet
 * does not show (noise, loudness, echo) is taken as the defaults have it.
 */

export interface Way {
  /** As in rtpmap, in any case; one that nobody has measured counts as a good one of its kind. */
  readonly codec: string;
  /** 0 to 1. */
  readonly loss: number;
  /** How many packets are lost in a row, on average, to how many would be by chance; 1: by chance. G.107 §7.1.3. */
  readonly burstRatio: number;
  /** From mouth to ear, in milliseconds. */
  readonly delayMs: number;
}

/** Equipment impairment without loss (Ie), and how well loss is borne (Bpl). */
type Equipment = readonly [impairment: number, robustness: number];

/** ITU-T G.113 Appendix I; with packet loss concealment, as phones have it. */
const MEASURED: ReadonlyMap<string, Equipment> = new Map([
  ["pcmu", [0, 25.1]],
  ["pcma", [0, 25.1]],
  ["g729", [11, 19]],
  ["g723", [15, 16.1]],
  ["gsm-efr", [5, 10]],
  ["amr", [5, 10]],
  ["g728", [7, 17]],
  ["g726-32", [7, 25.1]],
  ["g726-40", [2, 25.1]],
]);

/** No figure of ITU-T: wideband codecs are not worse than G.711 to an ear that knows G.711 alone. */
const ESTIMATED: ReadonlyMap<string, Equipment> = new Map([
  ["gsm", [20, 10]],
  ["ilbc", [11, 32]],
  ["speex", [11, 20]],
  ["g722", [0, 20]],
  ["opus", [0, 20]],
  ["amr-wb", [0, 15]],
  ["evs", [0, 20]],
]);
const UNKNOWN: Equipment = [5, 15];

/** Default values of G.107 Table 2 that stand in the formulas below. */
const CIRCUIT = { slr: 8, rlr: 2, telr: 65, wepl: 110, noise: -61.18 } as const;
/** §7.2 and §7.3 with all defaults: signal to noise, less what comes with the voice itself. */
const NOISE_RATIO = 15 - 1.5 * (CIRCUIT.slr + CIRCUIT.noise);
const WITH_THE_VOICE = 1.41;

/** The rating R, 0 to 100. G.107 §7.1. */
export function ratingOf({ codec, loss, burstRatio, delayMs }: Way): number {
  const name = codec.toLowerCase();
  const [impairment, robustness] = MEASURED.get(name) ?? ESTIMATED.get(name) ?? UNKNOWN;
  const percent = clamp(loss, 0, 1) * 100;
  const equipment = impairment + ((95 - impairment) * percent) / (percent / Math.max(1, burstRatio) + robustness);
  return clamp(NOISE_RATIO - WITH_THE_VOICE - delayImpairment(Math.max(0, delayMs)) - equipment, 0, 100);
}

/** The mean opinion, 1 to 4.5. G.107 Annex B. */
export function opinionOf(rating: number): number {
  if (rating <= 0) return 1;
  if (rating >= 100) return 4.5;
  return Math.max(1, 1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6);
}

/** Talker echo, listener echo, and that it is long in itself. §7.4, with Ta = T and Tr = 2T. */
function delayImpairment(ms: number): number {
  return talkerEcho(ms) + listenerEcho(2 * ms) + longWay(ms);
}

function talkerEcho(ms: number): number {
  if (ms < 1) return 0;
  const { telr, noise, rlr } = CIRCUIT;
  const loudness = telr - 40 * Math.log10((1 + ms / 10) / (1 + ms / 150)) + 6 * Math.exp(-0.3 * ms * ms);
  const distance = -1.5 * (noise - rlr) - (80 + 2.5 * (loudness - 14));
  return (distance / 2 + Math.sqrt((distance * distance) / 4 + 100) - 1) * (1 - Math.exp(-ms));
}

function listenerEcho(ms: number): number {
  const distance = NOISE_RATIO - 10.5 * (CIRCUIT.wepl + 7) * (ms + 1) ** -0.25;
  return distance / 2 + Math.sqrt((distance * distance) / 4 + 169);
}

function longWay(ms: number): number {
  if (ms <= 100) return 0;
  const x = Math.log2(ms / 100);
  return 25 * ((1 + x ** 6) ** (1 / 6) - 3 * (1 + (x / 3) ** 6) ** (1 / 6) + 2);
}

const clamp = (value: number, least: number, most: number): number => Math.min(most, Math.max(least, value));
