/** Method names. RFC 3261 §7.1 and its extensions. */

const KNOWN = [
  "INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "PRACK", "UPDATE", "REFER", "NOTIFY", "SUBSCRIBE", "INFO",
  "MESSAGE", "PUBLISH",
]; // biome-ignore format: one block, read as a list

/** By length and first letter, which tell them all apart. */
const byShape: string[] = new Array(256).fill("");
const shape = (length: number, first: number): number => ((length << 5) | (first & 31)) & 255;
for (const method of KNOWN) byShape[shape(method.length, method.charCodeAt(0))] = method;

/** The method in the range: one and the same string for each usual one, so that comparing and looking up is cheap. */
export function methodAt(text: string, start: number, end: number): string {
  const known = byShape[shape(end - start, text.charCodeAt(start))]!;
  return known.length === end - start && text.startsWith(known, start) ? known : text.slice(start, end);
}
