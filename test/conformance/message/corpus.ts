/** Messages of the shared test data, and how printed ones become what was on the wire. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Message, MessageError, parseMessage } from "../../../src/message/index.ts";

const DATA = join(import.meta.dirname, "../../../../shared/testdata");

export interface Sample {
  /** Path below the set. */
  readonly name: string;
  readonly text: string;
}

/** All files below `set` whose names `wanted` takes, as latin1, in order of their names. */
export function samples(set: string, wanted: RegExp): readonly Sample[] {
  return readdirSync(join(DATA, set), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && wanted.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((path) => ({ name: path.slice(join(DATA, set).length + 1), text: readFileSync(path, "latin1") }));
}

export const dataPath = (name: string): string => join(DATA, name);

/**
 * A message as printed in a text, as it was on the wire: line ends are CRLF, the empty line behind the headers is
 * there, and Content-Length is the length of the body that was printed.
 */
export function asSent(printed: string): string {
  let text = (/\r\n/.test(printed) ? printed : printed.replace(/\n/g, "\r\n")).replace(/^(\r\n)+/, "");
  if (!text.includes("\r\n\r\n")) text = `${text.replace(/(\r\n)?$/, "\r\n")}\r\n`;
  const head = text.slice(0, text.indexOf("\r\n\r\n") + 4);
  const body = text.slice(head.length);
  return head.replace(/^(Content-Length|l)[ \t]*:.*$/im, `$1: ${body.length}`) + body;
}

/** What `parseMessage` says: the message, or the error that it documents. Any other error fails the test. */
export function verdict(text: string): Message | MessageError {
  try {
    return parseMessage(text);
  } catch (error) {
    if (error instanceof MessageError) return error;
    throw error;
  }
}
