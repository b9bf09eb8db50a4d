import type { HeaderField } from "../field.ts";
import { formatParams, type ParamMap } from "../params.ts";
import { readWorded } from "./words.ts";

/** How a body is to be taken. RFC 3261 §20.11, RFC 5621 §4. */
export interface Disposition {
  /** Lower case: `session`, `render` … */
  readonly type: string;
  /** `handling` is `required` unless it says `optional`. */
  readonly params: ParamMap;
}

export const ContentDisposition: HeaderField<Disposition> = {
  name: "Content-Disposition",
  parse(text) {
    const { word, params } = readWorded("Content-Disposition", text);
    return { type: word.toLowerCase(), params };
  },
  format: ({ type, params }) => type + formatParams(params),
};
