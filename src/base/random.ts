/**
 * Dice, as an input. `io` gives one fed by the kernel; tests and the simulation give `seededRandom`, so that a
 * seed replays a run.
 */
export interface Random {
  /** 32 uniform bits as an unsigned integer. */
  uint32(): number;
}

const ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
const CODES = Uint8Array.from(ALPHABET, (char) => char.charCodeAt(0));

/** Where the characters of a token are put together, by its length: so it is made in one piece. */
const DESKS: number[][] = [];
const CHARS_PER_WORD = 5;

/** A token of `length` characters of 6 random bits each, safe in tags, branches and Call-IDs (RFC 3261 §25.1 token). */
export function token(random: Random, length: number): string {
  const codes = (DESKS[length] ??= new Array<number>(length).fill(0));
  for (let i = 0; i < length; i += CHARS_PER_WORD) {
    const bits = random.uint32();
    // "-" and "_" are fine in a token but awkward first in a word; letters and digits are enough there.
    codes[i] = CODES[i === 0 ? (bits & 63) % 62 : bits & 63]!;
    const end = Math.min(length, i + CHARS_PER_WORD);
    for (let j = i + 1, shift = 6; j < end; j++, shift += 6) codes[j] = CODES[(bits >>> shift) & 63]!;
  }
  return String.fromCharCode.apply(undefined, codes);
}

/** A uniform integer in [0, bound). `bound` up to 2^32. */
export function below(random: Random, bound: number): number {
  const limit = 0x1_0000_0000 - (0x1_0000_0000 % bound); // Rejecting the last, short stretch keeps it uniform.
  for (;;) {
    const value = random.uint32();
    if (value < limit) return value % bound;
  }
}

/** `length` random bytes. */
export function randomBytes(random: Random, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i += 4) {
    const word = random.uint32();
    for (let j = 0; j < 4 && i + j < length; j++) bytes[i + j] = (word >>> (8 * j)) & 0xff;
  }
  return bytes;
}

/** sfc32: small, fast, good enough for simulations, never for keys. The same seed gives the same run. */
export function seededRandom(seed: number): Random {
  let a = seed >>> 0;
  let b = 0x9e3779b9;
  let c = 0x243f6a88;
  let counter = 1;
  const uint32 = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    return sum >>> 0;
  };
  for (let i = 0; i < 15; i++) uint32(); // The first outputs still look like the seed.
  return { uint32 };
}
