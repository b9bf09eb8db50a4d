import { malformed } from "../errors.ts";
import type { HeaderField } from "../field.ts";
import { QUOTE, quote, readNumber, SP, skipQuoted, unquote } from "../grammar.ts";

/** RFC 3261 §20.43: `399 agent "text"`. */
export interface WarningValue {
  /** 100 to 999. */
  readonly code: number;
  readonly agent: string;
  readonly text: string;
}

export const Warning: HeaderField<WarningValue> = {
  name: "Warning",
  list: true,
  parse(text) {
    const code = readNumber(text, 0, 3, 1_000);
    const agentEnd = text.indexOf(" ", 4);
    const start = agentEnd + 1;
    if (code < 100 || text.charCodeAt(3) !== SP || agentEnd < 5) throw malformed("Warning", "no code and agent");
    if (text.charCodeAt(start) !== QUOTE || skipQuoted(text, start, text.length) !== text.length)
      throw malformed("Warning", "no quoted text");
    return { code, agent: text.slice(4, agentEnd), text: unquote(text, start + 1, text.length - 1) };
  },
  format: ({ code, agent, text }) => `${code} ${agent} ${quote(text)}`,
};
