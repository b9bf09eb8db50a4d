/** Tones as proof of sound: written as WAV files for softphones to play, and found again in what they recorded. */
import { readFileSync, writeFileSync } from "node:fs";

const RATE = 8_000;

/** A mono 16-bit WAV file of one sine at a quarter of full scale. */
export function writeTone(file: string, hertz: number, seconds: number): void {
  const samples = new Int16Array(RATE * seconds);
  for (let i = 0; i < samples.length; i++) samples[i] = Math.round(8_192 * Math.sin((2 * Math.PI * hertz * i) / RATE));
  const data = Buffer.from(samples.buffer);
  const head = Buffer.alloc(44);
  head.write("RIFF", 0).toString();
  head.writeUInt32LE(36 + data.length, 4);
  head.write("WAVEfmt ", 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(RATE, 24);
  head.writeUInt32LE(RATE * 2, 28);
  head.writeUInt16LE(2, 32);
  head.writeUInt16LE(16, 34);
  head.write("data", 36);
  head.writeUInt32LE(data.length, 40);
  writeFileSync(file, Buffer.concat([head, data]));
}

export interface Heard {
  /** Seconds of recording. */
  readonly seconds: number;
  /** Share of the recording's energy that is the tone, 0 to 1. */
  readonly share: number;
  /** Root mean square of the samples, full scale 1. */
  readonly loudness: number;
}

/** How much of a recording is a tone of `hertz` (Goertzel over windows of 100 ms). */
export function hear(file: string, hertz: number): Heard {
  const { samples, rate } = readWav(file);
  const window = Math.floor(rate / 10);
  let inTone = 0;
  let energy = 0;
  for (let start = 0; start + window <= samples.length; start += window) {
    const heard = goertzel(samples.subarray(start, start + window), rate, hertz);
    inTone += heard.inTone;
    energy += heard.energy;
  }
  return {
    seconds: samples.length / rate,
    share: energy === 0 ? 0 : inTone / energy,
    loudness: samples.length === 0 ? 0 : Math.sqrt(energy / samples.length),
  };
}

/** For how many seconds of RTP packets of G.711 µ-law (12 bytes of header, in order) hardly anything but this tone sounds. */
export function secondsOfTone(packets: readonly Buffer[], hertz: number): number {
  const samples = Float32Array.from(Buffer.concat(packets.map((packet) => packet.subarray(12))), fromMuLaw);
  const window = RATE / 10;
  let windows = 0;
  for (let start = 0; start + window <= samples.length; start += window) {
    const { inTone, energy } = goertzel(samples.subarray(start, start + window), RATE, hertz);
    if (energy > window * SILENCE && inTone > 0.8 * energy) windows += 1;
  }
  return windows / 10;
}

/** ITU-T G.711: sign, exponent, mantissa, all bits inverted. Full scale 1. */
function fromMuLaw(byte: number): number {
  const bits = ~byte & 0xff;
  const magnitude = (((bits & 15) << 3) + 132) * 2 ** ((bits >> 4) & 7) - 132;
  return (bits & 128 ? -magnitude : magnitude) / 32_768;
}

/** Mean square below which nothing is heard. */
const SILENCE = 1e-5;

/** Energy of the samples, and how much of it is the tone. */
function goertzel(samples: Float32Array, rate: number, hertz: number): { inTone: number; energy: number } {
  const coefficient = 2 * Math.cos((2 * Math.PI * hertz) / rate);
  let s1 = 0;
  let s2 = 0;
  let energy = 0;
  for (const sample of samples) {
    const s0 = sample + coefficient * s1 - s2;
    s2 = s1;
    s1 = s0;
    energy += sample * sample;
  }
  return { inTone: (2 * (s1 * s1 + s2 * s2 - coefficient * s1 * s2)) / samples.length, energy };
}

function readWav(file: string): { samples: Float32Array; rate: number } {
  const bytes = readFileSync(file);
  let rate = RATE;
  let channels = 1;
  let width = 16;
  for (let at = 12; at + 8 <= bytes.length; ) {
    const name = bytes.toString("latin1", at, at + 4);
    // A recorder that was stopped hard leaves a length of 0 in the header: then the rest of the file is the data.
    const said = bytes.readUInt32LE(at + 4);
    if (name === "fmt ") {
      channels = bytes.readUInt16LE(at + 10);
      rate = bytes.readUInt32LE(at + 12);
      width = bytes.readUInt16LE(at + 22);
    }
    if (name === "data") {
      const end = said === 0 ? bytes.length : Math.min(bytes.length, at + 8 + said);
      return { samples: toMono(bytes.subarray(at + 8, end), channels, width), rate };
    }
    at += 8 + said + (said & 1);
  }
  return { samples: new Float32Array(0), rate };
}

function toMono(data: Buffer, channels: number, width: number): Float32Array {
  const step = (width / 8) * channels;
  const samples = new Float32Array(Math.floor(data.length / step));
  for (let i = 0; i < samples.length; i++) {
    samples[i] = width === 32 ? data.readFloatLE(i * step) : data.readInt16LE(i * step) / 32_768;
  }
  return samples;
}
