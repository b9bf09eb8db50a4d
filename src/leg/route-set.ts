/** Route sets and where they lead: RFC 3261 §12.1, §12.2.1.1 and §16.12. */
import { PeerError } from "../base/index.ts";
import { type Message, parseUri, RecordRoute } from "../message/index.ts";
import { ROUTE_LIMIT } from "./timing.ts";

/** One hop of a route set. */
export interface RouteHop {
  /** As it stands in Route: `<sip:…;lr>`. */
  readonly text: string;
  readonly uri: string;
}

const NO_ROUTES: readonly RouteHop[] = [];

/**
 * The route set that a dialog-creating message asks for: in order for the one who was called, reversed for the caller.
 * Throws PeerError(400).
 */
export function routeSetOf(message: Message, order: "as written" | "reversed"): readonly RouteHop[] {
  if (!message.headers.has("record-route")) return NO_ROUTES;
  const recorded = message.getAll(RecordRoute);
  if (recorded.length > ROUTE_LIMIT) throw new PeerError(400, `Record-Route: more than ${ROUTE_LIMIT} entries`);
  const hops = recorded.map((entry) => {
    if (!("host" in parseUri(entry.uri))) throw new PeerError(400, "Record-Route: not a SIP URI");
    return { text: RecordRoute.format(entry), uri: entry.uri };
  });
  return order === "reversed" ? hops.reverse() : hops;
}

/** How a request leaves: what its start line and its Route headers say, and which URI is resolved for the next hop. */
export interface Way {
  readonly requestUri: string;
  readonly routes: readonly string[];
  readonly nextHop: string;
}

export function wayTo(target: string, routeSet: readonly RouteHop[]): Way {
  const first = routeSet[0];
  if (first === undefined) return { requestUri: target, routes: [], nextHop: target };
  if (isLoose(first.uri)) {
    return { requestUri: target, routes: routeSet.map((hop) => hop.text), nextHop: first.uri };
  }
  // A strict router of RFC 2543 wants to find itself in the Request-URI, and the target at the end of the list.
  const rest = routeSet.slice(1).map((hop) => hop.text);
  return { requestUri: bareUri(first.uri), routes: [...rest, `<${target}>`], nextHop: first.uri };
}

function isLoose(uri: string): boolean {
  const parsed = parseUri(uri);
  return "host" in parsed && parsed.params.has("lr");
}

/** URI headers and the method parameter have no place in a Request-URI (RFC 3261 §19.1.1). */
function bareUri(uri: string): string {
  const question = uri.indexOf("?");
  const withoutHeaders = question < 0 ? uri : uri.slice(0, question);
  return withoutHeaders.replace(/;method=[^;]*/i, "");
}
