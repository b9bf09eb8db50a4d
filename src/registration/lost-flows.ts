/** Names of bindings that ended while the inside may still ask for them: RFC 5626 §5.3 wants 430 (Flow Failed) for these. */
import type { Millis } from "../base/index.ts";

/** Limit: names that are remembered; the oldest are forgotten, and their askers hear what strangers' names get. */
const NAMES = 10_000;

export class LostFlows {
  /** In the order in which they were lost. */
  readonly #byName = new Map<string, { readonly domain: string; readonly until: Millis }>();

  get size(): number {
    return this.#byName.size;
  }

  /** `until`: as long as the registrar believes in it. */
  add(name: string, domain: string, until: Millis): void {
    this.#byName.delete(name);
    this.#byName.set(name, { domain, until });
    const [oldest] = this.#byName.keys();
    if (this.#byName.size > NAMES && oldest !== undefined) this.#byName.delete(oldest);
  }

  /** It is there again. */
  delete(name: string): void {
    this.#byName.delete(name);
  }

  /** The domain that it was bound in; `undefined`: it was never ours, or nobody can know of it any more. */
  domainOf(name: string, now: Millis): string | undefined {
    const lost = this.#byName.get(name);
    if (lost === undefined) return undefined;
    if (now < lost.until) return lost.domain;
    this.#byName.delete(name);
    return undefined;
  }
}
