/**
 * Phones whose way to us broke, and that are about to come by another. Calls and subscriptions of such a phone hold its
 * binding; when it is bound anew as the same Contact, it gets the same binding again, so that they find where it is now.
 */
import type { Binding, HeldBinding } from "../../registration/index.ts";

/** Limit: phones that are remembered; the first that went is forgotten, and who is in a call with it cannot end it there. */
const LOST = 4_096;

export class LostPhones {
  readonly #lost = new Map<string, HeldBinding>();

  add(binding: HeldBinding): void {
    const key = keyOf(binding.aor, binding.contact, binding);
    this.#lost.delete(key);
    this.#lost.set(key, binding);
    if (this.#lost.size <= LOST) return;
    for (const first of this.#lost.keys()) {
      this.#lost.delete(first);
      return;
    }
  }

  /** The binding that this Contact was; it is in no book now. */
  take(aor: string, wish: Pick<Binding, "instance" | "regId" | "push"> & { readonly uri: string }) {
    if (this.#lost.size === 0) return undefined;
    const key = keyOf(aor, wish.uri, wish);
    const found = this.#lost.get(key);
    this.#lost.delete(key);
    return found;
  }
}

/** What a phone is known by: its flow of RFC 5626, the token that wakes it, else its Contact. */
function keyOf(aor: string, contact: string, of: Pick<Binding, "instance" | "regId" | "push">): string {
  if (of.regId > 0) return `${aor} ${of.regId} ${of.instance}`;
  return of.push === undefined ? `${aor} <${contact}>` : `${aor} ${of.push.provider} ${of.push.prid}`;
}
