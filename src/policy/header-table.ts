/**
 * The headers that may cross from one side to the other, by the lower trust of the two realms. A list of what is allowed,
 * never of what is forbidden: a header that nobody thought of stays where it is.
 */
import type { Trust } from "../base/index.ts";

/**
 * How a value is taken over:
 * `plain`   tokens, numbers, languages and parameters: nothing but their characters passes;
 * `text`    free text: dropped when it names an address, a host or a URI of the other side;
 * `prose`   free text of people: dropped as well when a word of it looks like a host name, known or not;
 * `words`   single words of letters, digits and dashes, by semicolon or comma;
 * `delay`   seconds, with a duration: the comment that may follow is free text, and stays behind (RFC 3261 §20.33);
 * `address` name-addr list: hosts become ours, parameters are cut to those listed;
 * `diversion`, `history`  as address, with what these two say besides (diverted.ts);
 * `reason`  rebuilt from protocol and cause, its text only when harmless (RFC 3326);
 * `urn`     URIs that are names and not places (RFC 7462);
 * `date`    RFC 3261 §20.17.
 */
export type Shape =
  | "plain"
  | "text"
  | "prose"
  | "words"
  | "delay"
  | "address"
  | "diversion"
  | "history"
  | "reason"
  | "urn"
  | "date";

export interface AllowedHeader {
  /** The spelling we write, whatever came. */
  readonly name: string;
  readonly shape: Shape;
  /** Only in requests that begin something. */
  readonly initialOnly?: boolean;
  /** Header parameters that may stay, for `address`. Lower case. */
  readonly params?: readonly string[];
}

/** Between any two realms: nothing that identifies or locates anybody. */
export const ALLOWED_HEADERS_NONE: readonly AllowedHeader[] = [
  { name: "Accept-Language", shape: "plain" },
  { name: "Alert-Info", shape: "urn" },
  { name: "Allow-Events", shape: "plain" },
  { name: "Date", shape: "date" },
  { name: "Event", shape: "plain" },
  { name: "Expires", shape: "plain" },
  { name: "Info-Package", shape: "plain" },
  { name: "Max-Breadth", shape: "plain", initialOnly: true },
  { name: "Min-Expires", shape: "plain" },
  { name: "Priority", shape: "words" },
  { name: "Privacy", shape: "words" },
  { name: "Reason", shape: "reason" },
  { name: "Recv-Info", shape: "plain" },
  { name: "Refer-Sub", shape: "plain" },
  { name: "Retry-After", shape: "delay" },
  { name: "SIP-ETag", shape: "plain" }, // Opaque to all but its server (RFC 3903 §11.3.1); one that tells a place stays.
  { name: "SIP-If-Match", shape: "plain" },
  { name: "Subject", shape: "prose" },
  { name: "Subscription-State", shape: "plain" },
  { name: "Suppress-If-Match", shape: "plain" },
];

/** Between realms that both are at least `peer`: identities too, with hosts hidden. RFC 3325 §5, RFC 5806, RFC 7044. */
export const ALLOWED_HEADERS_PEER: readonly AllowedHeader[] = [
  { name: "Accept-Contact", shape: "text" },
  { name: "Answer-Mode", shape: "plain" },
  {
    name: "Diversion",
    shape: "diversion",
    initialOnly: true,
    params: ["reason", "counter", "limit", "privacy", "screen"],
  },
  { name: "History-Info", shape: "history", initialOnly: true, params: ["index", "rc", "mp", "np"] },
  { name: "Organization", shape: "text" },
  { name: "P-Asserted-Identity", shape: "address", params: [] },
  { name: "P-Asserted-Service", shape: "plain" },
  { name: "P-Early-Media", shape: "plain" },
  { name: "Referred-By", shape: "address", params: [] },
  { name: "Reject-Contact", shape: "text" },
  { name: "Remote-Party-ID", shape: "address", params: ["party", "id-type", "privacy", "screen"] },
  { name: "Reply-To", shape: "address", params: [] },
  { name: "Request-Disposition", shape: "plain" },
  { name: "Resource-Priority", shape: "plain" },
  { name: "User-to-User", shape: "plain" },
];

/** Between realms of `trust: full`. */
export const ALLOWED_HEADERS_FULL: readonly AllowedHeader[] = [
  { name: "Accept-Resource-Priority", shape: "plain" },
  { name: "P-Access-Network-Info", shape: "text" },
];

/**
 * Even `allowHeaders` does not let these cross: the leg makes them anew, they are credentials, or (the identities) only
 * trust may carry them. Lower case.
 */
export const NEVER_CROSS: ReadonlySet<string> = new Set([
  ...["via", "contact", "route", "record-route", "path", "service-route", "call-id", "cseq", "from", "to"],
  ...["max-forwards", "user-agent", "server", "warning", "mime-version", "timestamp"],
  ...["require", "supported", "unsupported", "proxy-require", "allow", "rseq", "rack", "session-expires", "min-se"],
  ...["content-type", "content-length", "content-encoding", "content-disposition", "content-language", "content-id"],
  ...["authorization", "proxy-authorization", "www-authenticate", "proxy-authenticate", "authentication-info"],
  ...["proxy-authentication-info", "refer-to", "replaces", "target-dialog", "join", "in-reply-to", "session-id"],
  ...["p-asserted-identity", "p-preferred-identity", "diversion", "history-info", "remote-party-id"],
  ...["security-client", "security-server", "security-verify", "p-charging-vector", "p-charging-function-addresses"],
]);

const rank: Record<Trust, number> = { none: 0, peer: 1, full: 2 };

const byKey = (...lists: (readonly AllowedHeader[])[]): ReadonlyMap<string, AllowedHeader> =>
  new Map(lists.flat().map((header) => [header.name.toLowerCase(), header]));

const tables: readonly ReadonlyMap<string, AllowedHeader>[] = [
  byKey(ALLOWED_HEADERS_NONE),
  byKey(ALLOWED_HEADERS_NONE, ALLOWED_HEADERS_PEER),
  byKey(ALLOWED_HEADERS_NONE, ALLOWED_HEADERS_PEER, ALLOWED_HEADERS_FULL),
];

/** The table between two realms: the lower trust of both decides. */
export const tableFor = (from: Trust, to: Trust): ReadonlyMap<string, AllowedHeader> =>
  tables[Math.min(rank[from], rank[to])] as ReadonlyMap<string, AllowedHeader>;
