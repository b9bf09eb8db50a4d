/** Holds a message of the box against what the ladder says about it. */
import { bodyOf, headersOf } from "../scripted-party.ts";
import type { Arrow } from "./format.ts";
import type { MessageText } from "./message-text.ts";

/** What differs from the `sip` block and the words of the arrow. */
export function differences(text: string, arrow: Arrow, wanted: MessageText | undefined): string[] {
  return [
    ...descriptionOf(text, arrow),
    ...(wanted === undefined ? [] : [...headOf(text, wanted), ...linesOf(text, wanted)]),
  ];
}

function descriptionOf(text: string, { sdp }: Arrow): string[] {
  if (sdp === undefined) return [];
  const body = bodyOf(text);
  const has = /^Content-Type: *application\/sdp/im.test(text) && body.startsWith("v=0");
  if (sdp === "no-sdp") return has ? ["a description that should not be there"] : [];
  if (!has) return ["a description is missing"];
  const [, wanted] = sdp.split(":");
  const direction = /^a=(sendrecv|sendonly|recvonly|inactive)\r$/m.exec(body)?.[1] ?? "sendrecv";
  return wanted === undefined || wanted === direction ? [] : [`${direction} instead of ${wanted}`];
}

function headOf(text: string, { start, headers }: MessageText): string[] {
  const line = text.slice(0, text.indexOf("\r\n"));
  const found = start === undefined || fits(line, start) ? [] : [`"${line}" instead of "${start}"`];
  for (const [name, pattern] of headers) {
    const values = headersOf(text, name);
    if (pattern === "(absent)") {
      if (values.length > 0) found.push(`${name}: ${values[0]} should not be there`);
    } else if (!values.some((value) => fits(value, pattern))) {
      found.push(`${name}: "${values.join('", "') || "(absent)"}" instead of "${pattern}"`);
    }
  }
  return found;
}

/** Each line of the block's body, in this order; others may stand between them. */
function linesOf(text: string, { body }: MessageText): string[] {
  if (body === undefined) return [];
  const lines = bodyOf(text).split("\r\n");
  let at = 0;
  for (const pattern of body.split("\r\n").filter((line) => line !== "")) {
    const found = lines.findIndex((line, i) => i >= at && fits(line, pattern));
    if (found < 0) return [`no line "${pattern}" in its place in the body`];
    at = found + 1;
  }
  return [];
}

/** `*` stands for anything. */
export function fits(value: string, pattern: string): boolean {
  const literal = pattern.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${literal.join(".*")}$`, "s").test(value);
}
