import { malformed } from "../errors.ts";
import type { HeaderField } from "../field.ts";
import { isToken, readNumber } from "../grammar.ts";
import { limits } from "../limits.ts";

/** Which reliable provisional response a PRACK is for. RFC 3262 §7.2. */
export interface RAckValue {
  readonly rseq: number;
  /** The CSeq of the INVITE. */
  readonly cseq: number;
  readonly method: string;
}

const RSEQ_END = 2 ** 32;

export const RAck: HeaderField<RAckValue> = {
  name: "RAck",
  parse(text) {
    const [first = "", second = "", method = "", ...more] = text.split(/[ \t]+/, 4);
    const rseq = readNumber(first, 0, first.length, RSEQ_END);
    const cseq = readNumber(second, 0, second.length, limits.cseqNumber);
    if (rseq < 0 || rseq === RSEQ_END || cseq < 0 || cseq === limits.cseqNumber)
      throw malformed("RAck", "not two numbers in range");
    if (!isToken(method) || more.length > 0) throw malformed("RAck", "no method at its end");
    return { rseq, cseq, method };
  },
  format: ({ rseq, cseq, method }) => `${rseq} ${cseq} ${method}`,
};
