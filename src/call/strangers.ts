/** Requests outside of any dialog that make no call, and the answers the box gives for itself. */
import type { Millis, PeerSettings, RealmSettings } from "../base/index.ts";
import { ALLOW, type ServerTransaction } from "../leg/index.ts";
import { ProxyRequire, type Request, Require, responseTo } from "../message/index.ts";
import { ACCEPT } from "./bodies.ts";
import { productFor } from "./house.ts";

/** Extensions that a peer may require of us. */
const UNDERSTOOD: ReadonlySet<string> = new Set(["100rel", "replaces", "norefersub", "precondition", "sdp-anat"]);
const WITH_TIMERS: ReadonlySet<string> = new Set([...UNDERSTOOD, "timer"]);

/** Methods that live inside dialogs only: without one there is nothing they could mean (RFC 3261 §12.2.2). */
const INSIDE_ONLY: ReadonlySet<string> = new Set(["BYE", "INFO", "UPDATE", "PRACK", "NOTIFY"]);

type ExtraHeaders = readonly (readonly [string, string])[];

export function respond(
  request: Request,
  server: ServerTransaction,
  status: number,
  tag: string,
  now: Millis,
  headers: ExtraHeaders = [],
  phrase?: string,
): void {
  const draft = responseTo(request, status, tag, phrase);
  for (const [name, value] of headers) draft.add(name, value);
  server.respond(draft, now);
}

/** Methods that the box takes outside of dialogs. */
export const ALLOW_OUTSIDE = `${ALLOW}, PUBLISH`;

/** What comes with a refusal of `method` by its status: RFC 3261 §8.2.2, §21.4. */
export function headersFor(status: number, method = ""): ExtraHeaders {
  if (status === 405) return [["Allow", without(ALLOW_OUTSIDE, method)]];
  if (status === 415) {
    return [
      ["Accept", ACCEPT],
      ["Accept-Encoding", "identity"],
    ];
  }
  return [];
}

const without = (list: string, word: string): string =>
  list
    .split(", ")
    .filter((one) => one !== word)
    .join(", ");

/** Extensions that are required and that we do not know, or not with this peer; `undefined`: none. RFC 3261 §8.2.2.3. */
export function unsupportedIn(
  request: Request,
  timers: boolean,
  peer: PeerSettings | undefined,
  preconditions = peer !== undefined && peer.preconditions !== "off",
): string | undefined {
  const { headers } = request;
  if (!headers.has("require") && !headers.has("proxy-require")) return undefined;
  const understood = timers ? WITH_TIMERS : UNDERSTOOD;
  const unknown = [...request.getAll(Require), ...request.getAll(ProxyRequire)].filter(
    (option) => !understood.has(option.toLowerCase()) || !allowedWith(peer, preconditions, option.toLowerCase()),
  );
  return unknown.length === 0 ? undefined : unknown.join(", ");
}

const allowedWith = (peer: PeerSettings | undefined, preconditions: boolean, option: string): boolean =>
  option === "100rel" ? peer?.reliable1xx !== "off" : option !== "precondition" || preconditions;

/** OPTIONS to the box: what it can do, whoever stands behind it (RFC 3261 §11.2). */
export function answerOptions(
  request: Request,
  server: ServerTransaction,
  realm: RealmSettings,
  version: string,
  timers: boolean,
  tag: string,
  now: Millis,
): void {
  const headers: (readonly [string, string])[] = [
    ["Allow", ALLOW_OUTSIDE],
    ["Accept", ACCEPT],
    ["Accept-Encoding", "identity"],
    ["Supported", timers ? "100rel, replaces, timer" : "100rel, replaces"],
  ];
  const product = productFor(realm, version);
  if (product !== undefined) headers.push(["Server", product]);
  respond(request, server, 200, tag, now, headers);
}

/** The answer to a method that starts nothing here: 481 for those that need a dialog, 405 for the others. */
export const statusOutside = (method: string): 405 | 481 => (INSIDE_ONLY.has(method) ? 481 : 405);
