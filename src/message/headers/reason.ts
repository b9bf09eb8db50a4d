import { malformed } from "../errors.ts";
import type { HeaderField } from "../field.ts";
import { quote, readNumber } from "../grammar.ts";
import { readWorded } from "./words.ts";

/** Why a request or response was sent. RFC 3326. */
export interface ReasonValue {
  /** `SIP`, `Q.850` … as written. */
  readonly protocol: string;
  readonly cause?: number;
  readonly text?: string;
}

const LARGEST_CAUSE = 65_535;

export const Reason: HeaderField<ReasonValue> = {
  name: "Reason",
  list: true,
  parse(value) {
    const { word, params } = readWorded("Reason", value);
    const digits = params.get("cause");
    const cause = digits === undefined ? undefined : readNumber(digits, 0, digits.length, LARGEST_CAUSE + 1);
    if (cause !== undefined && (cause < 0 || cause > LARGEST_CAUSE)) throw malformed("Reason", "no valid cause");
    const text = params.get("text");
    return {
      protocol: word,
      ...(cause === undefined ? {} : { cause }),
      ...(text === undefined ? {} : { text }),
    };
  },
  format: ({ protocol, cause, text }) =>
    `${protocol}${cause === undefined ? "" : `;cause=${cause}`}${text === undefined ? "" : `;text=${quote(text)}`}`,
};
