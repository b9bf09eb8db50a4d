/** What is wrong with the operator's file, where it stands, and what to do now. */
export type Path = readonly (string | number)[];

export interface Fault {
  /** As the operator named it. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
  readonly path: Path;
  /** What we found and why it cannot work, with the numbers. No secrets. */
  readonly problem: string;
  /** What to do now, as an order. */
  readonly remedy: string;
}

/** `edge.jsonc:12:5: realms.outside.srtp: …; …` */
export const faultText = (fault: Fault): string =>
  `${fault.file}:${fault.line}:${fault.column}: ${pathText(fault.path)}: ${fault.problem}; ${fault.remedy}`;

/** `routes[0].to[1]`; `(file)` for the whole. */
export function pathText(path: Path): string {
  if (path.length === 0) return "(file)";
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (!/^[\w.$-]+$/.test(step)) text += `[${quoted(step)}]`;
    else text += text === "" ? step : `.${step}`;
  }
  return text;
}

/** Operator text in a message: on one line, never longer than a line. */
export function quoted(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= 80 ? text : `${text.slice(0, 77)}…"`;
}

/** `a, b or c` */
export function oneOf(words: readonly unknown[]): string {
  const texts = words.map(String);
  const last = texts.pop() ?? "nothing";
  return texts.length === 0 ? last : `${texts.join(", ")} or ${last}`;
}

/** An order to write the nearest known word, or one of the known ones. */
export function didYouMean(written: string, known: readonly string[]): string {
  const near = nearest(written, known);
  if (near !== undefined) return `did you mean ${quoted(near)}?`;
  if (known.length === 0) return "take it out";
  return known.length <= 20 ? `write ${oneOf(known)}` : `write one of the ${known.length} that exist`;
}

/** The known word that is at most a third of its length away, in edits. */
function nearest(written: string, known: readonly string[]): string | undefined {
  if (written.length > 64) return undefined;
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const word of known) {
    const distance = editDistance(written.toLowerCase(), word.toLowerCase());
    if (distance < bestDistance && distance <= Math.max(1, Math.floor(word.length / 3))) {
      best = word;
      bestDistance = distance;
    }
  }
  return best;
}

/** Insertions, deletions, replacements, and swaps of neighbours. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, beforeLast[j - 2]! + 1);
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}
