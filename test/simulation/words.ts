/** Headers of a call that say something besides: RFC 5009, RFC 5806, RFC 7044, RFC 7989. */
import type { CallerScript, CallerWord } from "./script.ts";

/** The UUID of whoever calls this number: of version 4, as the RFC has it. */
export const uuidOf = (number: string): string => `${number.padStart(12, "0")}4abc8${number.padStart(15, "0")}`;

/** What an INVITE of this script has of them. Their places are the caller's own, and must not cross. */
export function wordsOf({ words }: CallerScript, number: string, host: string): [string, string][] {
  const values: Readonly<Record<CallerWord, string>> = {
    "P-Early-Media": "supported",
    Diversion: `"Desk" <sip:desk@${host}>;reason=no-answer;counter=1;screen=yes`,
    "History-Info": `<sip:desk@${host}?Reason=SIP%3Bcause%3D302>;index=1, <sip:front@${host}>;index=1.1`,
    "Session-ID": `${uuidOf(number)};remote=${"0".repeat(32)}`,
  };
  return words.map((word) => [word, values[word]]);
}
