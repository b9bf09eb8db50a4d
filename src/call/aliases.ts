/**
 * Words that stand on one side for names of the other: ids, Call-IDs and tags inside bodies. They are drawn by lot, so they
 * tell nothing; they stay the same for as long as they are in use, and come home as what they meant.
 */
import { type Random, token } from "../base/index.ts";
import type { DialogName } from "../message/index.ts";

/** Limit: names that are remembered; the one that was not used for longest is forgotten, and drawn anew when it returns. */
const REMEMBERED = 20_000;

/** Limit: characters of a name that is remembered. A longer one gets another word each time: nothing honest has one. */
const NAME_LIMIT = 256;

const ALIAS_CHARS = 20;

interface Meaning {
  readonly key: string;
  readonly realm: string;
  readonly text: string;
}

export class Aliases {
  readonly #random: Random;
  readonly #limit: number;
  /** Oldest use first. */
  readonly #aliases = new Map<string, string>();
  readonly #meanings = new Map<string, Meaning>();

  constructor(random: Random, limit = REMEMBERED) {
    this.#random = random;
    this.#limit = limit;
  }

  get size(): number {
    return this.#aliases.size;
  }

  /** What `text` of the realm `from` is called in the realm `to`. */
  across(text: string, from: string, to: string): string {
    const home = this.meaning(text, to);
    return home ?? this.#aliasOf(text, from);
  }

  /** What was so called toward others, when it is of this realm. */
  meaning(alias: string, realm: string): string | undefined {
    const meant = this.#meanings.get(alias);
    return meant?.realm === realm ? meant.text : undefined;
  }

  /** A dialog that somebody of another realm told of, by the name that it was told under here. */
  dialog({ callId, toTag, fromTag }: DialogName): { readonly realm: string; readonly name: DialogName } | undefined {
    const call = this.#meanings.get(callId);
    const to = this.#meanings.get(toTag);
    const from = this.#meanings.get(fromTag);
    if (call === undefined || to?.realm !== call.realm || from?.realm !== call.realm) return undefined;
    return { realm: call.realm, name: { callId: call.text, toTag: to.text, fromTag: from.text } };
  }

  #aliasOf(text: string, realm: string): string {
    if (text.length > NAME_LIMIT) return token(this.#random, ALIAS_CHARS);
    const key = `${realm} ${text}`;
    const known = this.#aliases.get(key);
    this.#aliases.delete(key);
    const alias = known ?? token(this.#random, ALIAS_CHARS);
    this.#aliases.set(key, alias);
    this.#meanings.set(alias, { key, realm, text });
    if (this.#aliases.size > this.#limit) this.#forgetOldest();
    return alias;
  }

  #forgetOldest(): void {
    for (const [key, alias] of this.#aliases) {
      this.#aliases.delete(key);
      this.#meanings.delete(alias);
      return;
    }
  }
}
