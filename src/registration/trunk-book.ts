/** What calls want to know of our registrations at peers. The engine keeps the book. */
import type { Destination, Hop } from "../base/index.ts";
import type { Uri } from "../message/index.ts";

export interface TrunkBook {
  /** Values of Route for a request to this peer that goes there: RFC 3608 §6.1. */
  routesTo(peer: string, destination: Destination): readonly string[];
  /** The host that our account at this peer lives under; `undefined`: we do not register there. */
  domainAt(peer: string): string | undefined;
  /**
   * A request for a Contact that we registered, from the peer where we did: that peer, and who is meant.
   * `undefined`: it is for no such Contact, or from somebody else.
   */
  calledAt(uri: Uri, hop: Hop): { readonly peer: string; readonly uri: Uri } | undefined;
}
