/** Looks at every byte that the box sends: nothing of one side may appear on the other. */
import type { Box } from "./settings.ts";

type Side = "outside" | "inside";

export class Leaks {
  readonly #box: Box;
  /** Call-IDs, tags, branches and keys that were seen, with the side on which the box sent them. */
  readonly #owner = new Map<string, Side>();

  constructor(box: Box) {
    this.#box = box;
  }

  /** What is wrong with `text`, which the box just sent to `side`. */
  sent(side: Side, text: string): string[] {
    const other: Side = side === "outside" ? "inside" : "outside";
    const found: string[] = [];
    const words = this.#box[other].words.exec(text);
    if (words !== null) found.push(`"${words[0]}" of the ${other} side in ${firstLine(text)}`);
    for (const match of text.matchAll(IDENTIFIERS)) {
      const value = match[1] ?? match[2] ?? match[3] ?? match[4] ?? "";
      const owner = this.#owner.get(value);
      if (owner === undefined) this.#owner.set(value, side);
      else if (owner !== side) found.push(`identifier ${value} of the ${other} side in ${firstLine(text)}`);
    }
    return found;
  }
}

const IDENTIFIERS = /\r\nCall-ID: *([^\r\n]+)|;tag=([^;\r\n>]+)|branch=([^;,\r\n]+)|inline:([A-Za-z0-9+/=]+)/gi;
const firstLine = (text: string): string => text.slice(0, text.indexOf("\r\n"));
