/** Bodies of several parts. RFC 5621 §3, RFC 2046 §5.1. */
import { PeerError } from "../base/index.ts";
import { malformed } from "./errors.ts";
import { HeaderIndex, type Headers } from "./headers.ts";
import { limits } from "./limits.ts";

export interface Part {
  readonly headers: Headers;
  readonly body: string;
}

/**
 * The parts between the delimiters; preamble and epilogue are left out. One search goes through the body once.
 * Throws PeerError(400) when the boundary is none, the body is not closed by it, or there are too many parts.
 */
export function parseMultipart(body: string, boundary: string): readonly Part[] {
  checkBoundary(boundary);
  const delimiter = `\r\n--${boundary}`;
  const parts: Part[] = [];
  // The first delimiter may open the body; from there on each belongs to the line break before it.
  let at = body.startsWith(`--${boundary}`) ? boundary.length + 2 : after(body.indexOf(delimiter), delimiter);
  for (;;) {
    if (at < 0) throw malformed("multipart", "its boundary does not stand in the body");
    if (body.startsWith("--", at)) return parts;
    const start = body.indexOf("\r\n", at);
    if (start < 0 || !/^[ \t]*$/.test(body.slice(at, start))) throw malformed("multipart", "a broken delimiter");
    // The line break of the delimiter may be the one that opens the next, when the part is empty.
    const end = body.indexOf(delimiter, start);
    if (end < 0) throw malformed("multipart", "not closed by its boundary");
    if (parts.length === limits.parts) throw malformed("multipart", `more than ${limits.parts} parts`);
    parts.push(readPart(body.slice(start + 2, Math.max(end, start + 2)), end < start + 2));
    at = end + delimiter.length;
  }
}

const after = (found: number, what: string): number => (found < 0 ? -1 : found + what.length);

function readPart(text: string, empty: boolean): Part {
  // A part without headers begins with the empty line; one without a body may end with its headers.
  const whole = empty ? "\r\n" : text.startsWith("\r\n") || text.includes("\r\n\r\n") ? text : `${text}\r\n\r\n`;
  const headers = new HeaderIndex(whole, 0);
  if (headers.problem !== undefined) throw new PeerError(400, `multipart: ${headers.problem}`);
  return { headers, body: whole.slice(headers.bodyStart) };
}

function checkBoundary(boundary: string): void {
  if (!/^[0-9A-Za-z'()+_,\-./:=? ]*[0-9A-Za-z'()+_,\-./:=?]$/.test(boundary) || boundary.length > limits.boundaryBytes)
    throw malformed("multipart", "no valid boundary");
}

/** The other way. Throws a bug error when a part holds the boundary: the caller makes another one up. */
export function formatMultipart(
  parts: readonly { readonly headers: readonly (readonly [name: string, value: string])[]; readonly body: string }[],
  boundary: string,
): string {
  checkBoundary(boundary);
  let text = "";
  for (const { headers, body } of parts) {
    if (`\r\n${body}`.includes(`\r\n--${boundary}`)) throw new Error("bug: a part holds the boundary");
    text += `--${boundary}\r\n`;
    for (const [name, value] of headers) text += `${name}: ${value}\r\n`;
    text += `\r\n${body}\r\n`;
  }
  return `${text}--${boundary}--\r\n`;
}
