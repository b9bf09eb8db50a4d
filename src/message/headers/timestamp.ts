import { malformed } from "../errors.ts";
import type { HeaderField } from "../field.ts";

/** When the client sent the request, in its own seconds, and what the server waited. RFC 3261 §20.38. */
export interface TimestampValue {
  /** As written: it goes back byte by byte. */
  readonly sent: string;
  readonly delay?: string;
}

export const Timestamp: HeaderField<TimestampValue> = {
  name: "Timestamp",
  parse(text) {
    const match = /^(\d{1,20}(?:\.\d{0,20})?)(?:[ \t]+(\d{0,20}(?:\.\d{0,20})?))?$/.exec(text);
    if (match === null) throw malformed("Timestamp", "not one or two decimal numbers");
    const [, sent = "", delay] = match;
    return delay === undefined ? { sent } : { sent, delay };
  },
  format: ({ sent, delay }) => (delay === undefined ? sent : `${sent} ${delay}`),
};
