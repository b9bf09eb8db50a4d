/** Method names. RFC 3261 §7.1 and its extensions. */

const KNOWN = [
  "INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "PRACK", "UPDATE", "REFER", "NOTIFY", "SUBSCRIBE", "INFO",
  "MESSAGE", "PUBLISH",
]; // biome-ignore format: one block, read as a list

/** By length and first letter, which tell them all apart. */
const byShape: string[] = new Array(256).fill("");
const shape = (length: number, first: number): number => ((length << 5) | (first & 31)) & 255;
const bytesByShape: Uint8Array[] = new Array(256).fill(new Uint8Array());
for (const method of KNOWN) {
  const at = shape(method.length, method.charCodeAt(0));
  byShape[at] = method;
  bytesByShape[at] = Uint8Array.from(method, (char) => char.charCodeAt(0));
}

/** The method in the range: one and the same string for each usual one, so that comparing and looking up is cheap. */
export function methodAt(text: string, start: number, end: number): string {
  const known = byShape[shape(end - start, text.charCodeAt(start))]!;
  return known.length === end - start && text.startsWith(known, start) ? known : text.slice(start, end);
}

/** The same for bytes; `undefined` when they are no usual one. */
export function methodOf(bytes: Uint8Array, start: number, end: number): string | undefined {
  const at = shape(end - start, bytes[start]!);
  const known = bytesByShape[at]!;
  if (known.length !== end - start) return undefined;
  for (let i = 0; i < known.length; i++) if (known[i] !== bytes[start + i]) return undefined;
  return byShape[at];
}
