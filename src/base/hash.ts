/**
 * FNV-1a over the characters, 32 bits. For tags and keys that must come out the same again, from a random `seed` so
 * that nobody outside can aim at a collision; not for anything secret.
 */
export function hash32(text: string, seed: number): number {
  let hash = (seed ^ 0x811c9dc5) | 0;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0;
}

/** Characters of a token that its hash takes. */
const HASHED_CHARS = 5;

/** Of a token that our own dice made: the last characters tell it apart as well as all. 32 bits, signed. */
export function tokenHash(token: string): number {
  let hash = 0;
  for (let i = Math.max(0, token.length - HASHED_CHARS); i < token.length; i++)
    hash = Math.imul(hash ^ token.charCodeAt(i), 0x01000193);
  return hash ^ (hash >>> 15);
}

/** Hash functions of digest authentication (RFC 7616 §6.1), as they are called there. */
export type HashName = "MD5" | "SHA-256" | "SHA-512-256";

/** Hash functions, as an input: `text` is bytes, one char each; the result is lower-case hex. `io` gives the machine's. */
export type Hash = (name: HashName, text: string) => string;
