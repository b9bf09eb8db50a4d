/**
 * Calls that come back to us. A proxy sends our own INVITE on, and its tags tell (RFC 5393 §4); behind another B2BUA
 * nothing of it is left but who calls whom, the hops that are gone, and Session-ID when the ends give one (RFC 7989).
 */
import type { PeerSettings, RealmSettings } from "../base/index.ts";
import { parseUri, type Request, type Uri } from "../message/index.ts";
import { userOf } from "../policy/index.ts";
import type { Call } from "./call.ts";
import type { CallStart } from "./call-start.ts";

/** Limit: how far an INVITE that came back to us is followed to the calls it came from. Beyond it Max-Forwards rules. */
const SPIRAL_LIMIT = 70;

/**
 * An INVITE with fewer hops left than this has come further than calls do. From here on it is looked for among those
 * that came before it; calls that begin nearby cost nothing.
 */
const SUSPECT_FORWARDS = 50;

/** Limit: INVITEs that are remembered for this; beyond it the oldest is forgotten, and Max-Forwards rules. */
const SUSPECTS = 1_000;

/** A spiral comes back with another user or from elsewhere; a loop with all that routing goes by unchanged. RFC 5393. */
export function isEcho(
  cameFrom: Call | undefined,
  uri: Uri,
  fromPeer: PeerSettings | undefined,
  realm: RealmSettings,
): boolean {
  let call = cameFrom;
  for (let depth = 0; call !== undefined && depth < SPIRAL_LIMIT; depth++) {
    const { start } = call;
    const same = start.realm.name === realm.name && start.fromPeer?.name === fromPeer?.name;
    if (same && userOf(start.uri) === userOf(uri)) return true;
    call = start.cameFrom;
  }
  return false;
}

export class Loops {
  readonly #underWay: (call: string) => boolean;
  readonly #suspects = new Map<string, { readonly call: string; readonly forwards: number }>();

  /** `underWay`: is this call still looking for somebody who answers? */
  constructor(underWay: (call: string) => boolean) {
    this.#underWay = underWay;
  }

  get size(): number {
    return this.#suspects.size;
  }

  /**
   * Is this the INVITE of a call that is under way, come back with fewer hops left? Two calls of one caller to one callee
   * are not: the hops they have left are the same, or the first of them has ended or is answered.
   */
  returned(start: CallStart): boolean {
    const marked = start.request.headers.has("session-id");
    if (start.maxForwards >= SUSPECT_FORWARDS && !marked) return false;
    const key = keyOf(start, marked);
    const before = this.#suspects.get(key);
    if (before !== undefined && this.#underWay(before.call)) return start.maxForwards < before.forwards;
    this.#suspects.delete(key);
    this.#forgetOld();
    this.#suspects.set(key, { call: start.id, forwards: start.maxForwards });
    return false;
  }

  /** Those at the front came first: two are looked at for each that joins, so that what has ended does not pile up. */
  #forgetOld(): void {
    let looked = 0;
    for (const [key, { call }] of this.#suspects) {
      if (looked++ === 2) return;
      if (!this.#underWay(call) || this.#suspects.size >= SUSPECTS) this.#suspects.delete(key);
    }
  }
}

/** Who calls whom from where. The UUID of the caller's end is his alone; else his user part has to do. */
function keyOf({ request, realm, fromPeer, uri }: CallStart, marked: boolean): string {
  const uuid = marked ? /^[0-9a-f]{32}/i.exec(request.headers.raw("session-id") ?? "")?.[0] : undefined;
  return `${realm.name} ${fromPeer?.name ?? ""} ${uuid ?? callerOf(request)} ${userOf(uri)}`;
}

const callerOf = (request: Request): string => userOf(parseUri(request.from.uri));
