/** Nothing of one side may show on the other: who wrote which host, Call-ID, tag and branch first. */
import type { LadderParty } from "./party.ts";

const HOSTS =
  /\b(?:2001(?::[0-9a-f]{0,4}){2,7}|\d{1,3}(?:\.\d{1,3}){3}|[a-z][\w-]*(?:\.[\w-]+)*\.(?:com|org|net|test))\b/gi;
const IDENTIFIERS = /\r\nCall-ID: *([^\r\n]+)|;tag=([^;\r\n>]+)|branch=([^;,\r\n]+)/gi;

export class LadderLeaks {
  readonly #hosts = { outside: new Set<string>(), inside: new Set<string>() };
  readonly #identifiers = new Map<string, string>();

  /** The box's own address on a side is a secret of that side, too. */
  constructor(box: Readonly<Record<"outside" | "inside", string>>) {
    this.#hosts.outside.add(box.outside);
    this.#hosts.inside.add(box.inside);
  }

  /** A party wrote this, or the box to it: from now on this party knows what stands there. */
  wrote(party: LadderParty, text: string): void {
    for (const [host] of text.matchAll(HOSTS)) this.#hosts[party.place.realm].add(host.toLowerCase());
    for (const id of identifiersOf(text)) if (!this.#identifiers.has(id)) this.#identifiers.set(id, party.name);
  }

  /** What the box told this party and should not have. */
  sent(party: LadderParty, text: string): string[] {
    const { realm } = party.place;
    const other = this.#hosts[realm === "outside" ? "inside" : "outside"];
    const found: string[] = [];
    for (const [host] of text.matchAll(HOSTS)) {
      const name = host.toLowerCase();
      if (other.has(name) && !this.#hosts[realm].has(name)) found.push(`leak: ${host} shown to ${party.name}`);
    }
    for (const id of identifiersOf(text)) {
      const owner = this.#identifiers.get(id);
      if (owner === undefined) this.#identifiers.set(id, party.name);
      else if (owner !== party.name) found.push(`leak: identifier ${id} of ${owner}'s leg shown to ${party.name}`);
    }
    return found;
  }
}

const identifiersOf = (text: string): string[] =>
  [...text.matchAll(IDENTIFIERS)].map((match) => match[1] ?? match[2] ?? match[3] ?? "");
