/** Reading a value that is a first word and parameters: `word;name=value`. */
import { malformed } from "../errors.ts";
import { skip, skipSpace, TOKEN } from "../grammar.ts";
import { type ParamMap, readParams } from "../params.ts";

export interface Worded {
  readonly word: string;
  readonly params: ParamMap;
}

/** Throws PeerError(400) when the first word is missing or what follows it is not made of parameters. */
export function readWorded(header: string, text: string, kind: number = TOKEN): Worded {
  const end = skip(kind, text, 0, text.length);
  if (end === 0) throw malformed(header, "no first word");
  const params = readParams(text, skipSpace(text, end, text.length), text.length);
  if (params === undefined) throw malformed(header, "broken parameters");
  return { word: text.slice(0, end), params };
}
