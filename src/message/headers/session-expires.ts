import { malformed } from "../errors.ts";
import type { HeaderField } from "../field.ts";
import { readNumber } from "../grammar.ts";
import { limits } from "../limits.ts";
import { readWorded } from "./words.ts";

/** How long the call lives without a refresh, and who refreshes. RFC 4028 §4. */
export interface SessionInterval {
  readonly seconds: number;
  readonly refresher?: "uac" | "uas";
}

export const SessionExpires: HeaderField<SessionInterval> = {
  name: "Session-Expires",
  compact: "x",
  parse(text) {
    const { word, params } = readWorded("Session-Expires", text);
    const seconds = secondsOf("Session-Expires", word);
    const refresher = params.get("refresher")?.toLowerCase();
    return refresher === "uac" || refresher === "uas" ? { seconds, refresher } : { seconds };
  },
  format: ({ seconds, refresher }) => (refresher === undefined ? `${seconds}` : `${seconds};refresher=${refresher}`),
};

/** The shortest interval that an element takes, in seconds. RFC 4028 §5. */
export const MinSE: HeaderField<number> = {
  name: "Min-SE",
  parse: (text) => secondsOf("Min-SE", readWorded("Min-SE", text).word),
  format: (seconds) => `${seconds}`,
};

function secondsOf(header: string, word: string): number {
  const seconds = readNumber(word, 0, word.length, limits.deltaSeconds);
  if (seconds < 0) throw malformed(header, "not a number of seconds");
  return seconds;
}
