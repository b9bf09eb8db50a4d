/**
 * Patterns of routes run on what strangers dial, so a pattern must not be able to hang the box. JavaScript's engine
 * backtracks: time explodes when a repeated group can match the same text in several ways, and grows by a power with
 * each unbounded repetition. Such patterns are refused; what is left can be written for every dial plan we know.
 */
import { Malformed } from "./addresses.ts";

/** Limit: unbounded repetitions (`*`, `+`, `{n,}`, or a bound over 32) in one pattern. A pattern with more is refused. */
const MAX_REPETITIONS = 3;
const LARGE_BOUND = 32;

export function parsePattern(text: string): RegExp | Malformed {
  let pattern: RegExp;
  try {
    pattern = new RegExp(text, "u");
  } catch (error) {
    const why = (error as Error).message.replace(/^Invalid regular expression: /, "").replace(/^\/.*\/u?: /s, "");
    return new Malformed(`not a regular expression: ${why}`, "correct it; a backslash is written \\\\ in JSON");
  }
  return new Scan(text).verdict() ?? pattern;
}

interface Group {
  /** Something in it can match texts of different lengths. */
  elastic: boolean;
  alternatives: boolean;
}

/** One pass over a pattern that is known to compile. */
class Scan {
  readonly #text: string;
  #at = 0;
  #repetitions = 0;

  constructor(text: string) {
    this.#text = text;
  }

  verdict(): Malformed | undefined {
    const open: Group[] = [{ elastic: false, alternatives: false }];
    while (this.#at < this.#text.length) {
      const here = open.at(-1) as Group;
      const char = this.#text[this.#at++];
      if (char === "(") {
        if (/^\?(?:[=!]|<[=!])/.test(this.#text.slice(this.#at, this.#at + 3)))
          return new Malformed("the pattern looks ahead or behind", "write it without (?= (?! (?<= and (?<!");
        if (this.#text[this.#at] === "?") this.#at = groupBody(this.#text, this.#at);
        open.push({ elastic: false, alternatives: false });
      } else if (char === "|") here.alternatives = true;
      else if (char === "^" || char === "$") continue;
      else {
        const group = char === ")" ? open.pop() : undefined;
        if (char === "\\" && /[1-9k]/.test(this.#text[this.#at] ?? ""))
          return new Malformed("the pattern refers back to a group", "write it without \\1 and \\k");
        if (char === "\\") this.#at = afterEscape(this.#text, this.#at);
        if (char === "[") this.#at = afterClass(this.#text, this.#at);
        const fault = this.#repeat(group, open.at(-1) as Group);
        if (fault !== undefined) return fault;
      }
    }
    return undefined;
  }

  /** Reads the repetition, if any, of the atom (or of `group`) that has just ended inside `outer`. */
  #repeat(group: Group | undefined, outer: Group): Malformed | undefined {
    const match = /^(?:[*+?]|\{(\d+)(,(\d*))?\})\??/.exec(this.#text.slice(this.#at));
    if (match === null) {
      if (group?.elastic || group?.alternatives) outer.elastic = true;
      return undefined;
    }
    this.#at += match[0].length;
    const sign = match[0][0];
    const low = sign === "{" ? Number(match[1]) : sign === "+" ? 1 : 0;
    const high =
      sign === "?" ? 1 : sign !== "{" || match[3] === "" ? Infinity : match[2] === undefined ? low : Number(match[3]);
    if (high > 1 && (group?.elastic || group?.alternatives))
      return new Malformed(
        "the pattern repeats a group that can match in several ways, which can take for ever",
        "repeat single characters or classes such as [0-9]+ instead",
      );
    if (high > LARGE_BOUND && ++this.#repetitions > MAX_REPETITIONS)
      return new Malformed(`the pattern has more than ${MAX_REPETITIONS} unbounded repetitions`, "simplify it");
    if (low !== high || group?.elastic || group?.alternatives) outer.elastic = true;
    return undefined;
  }
}

/** Past `?:` or `?<name>`. */
function groupBody(text: string, at: number): number {
  if (text[at + 1] === "<") return text.indexOf(">", at) + 1;
  return text.indexOf(":", at) + 1;
}

/** Past the escaped character; `\u{…}` and `\p{…}` are one. */
function afterEscape(text: string, at: number): number {
  return /[upP]/.test(text[at] ?? "") && text[at + 1] === "{" ? text.indexOf("}", at) + 1 : at + 1;
}

function afterClass(text: string, at: number): number {
  let end = at;
  while (end < text.length && text[end] !== "]") end += text[end] === "\\" ? 2 : 1;
  return end + 1;
}
