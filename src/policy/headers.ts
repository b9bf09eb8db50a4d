/** Which headers of a message cross to the other leg, and how they read there. */
import { PeerError, type RealmSettings } from "../base/index.ts";
import {
  type HeaderField,
  type Message,
  type NameAddr,
  PAssertedIdentity,
  Reason,
  type ReasonValue,
  splitList,
} from "../message/index.ts";
import { isQ850Cause } from "./causes.ts";
import { cleanDiversion, cleanHistory } from "./diverted.ts";
import { type AllowedHeader, NEVER_CROSS, tableFor } from "./header-table.ts";
import { SideNames } from "./leaks.ts";
import { hideNameAddr, ourHost } from "./topology.ts";

export interface Crossing {
  readonly from: RealmSettings;
  readonly to: RealmSettings;
  readonly kind: "request" | "response";
  readonly inDialog: boolean;
  /** Our name on the `to` side; `ourHost(to)` when absent. */
  readonly host?: string;
}

/** Limit: header lines that cross in one message. The rest stays behind: no honest phone sends as many. */
const CROSSING_LINES = 48;
/** Limit: characters of one crossing value. A longer one stays behind. */
const CROSSING_VALUE_CHARS = 2_048;

const TOKEN = /^[a-z0-9\-.!%*_+`'~]+$/;
const PLAIN = /^[\w\-.!%*+`'~ ,;=:"/()]*$/;
/** Words that name nobody, and are nearly all that `plain` headers ever say: they need no closer look. */
const EVERYDAY = /^(?:\d{1,10}|[a-z]{2}(?:-[a-z]{2})?|emergency|urgent|normal|non-urgent|id|none|true|false|refer)$/i;
const WORDS = /^[\w-]{1,40}(?:[;,] ?[\w-]{1,40}){0,9}$/;
/** RFC 3323 §4.2, RFC 3325 §9.3, RFC 7044 §10.1; RFC 3261 §20.26, RFC 7090 §5: these mean the same whatever a host is called. */
const REGISTERED =
  /^(?:(?:header|session|user|none|critical|id|history|emergency|urgent|normal|non-urgent|psap-callback)(?:\s*[;,]\s*(?=\w)|\s*$))+$/i;
const DELAY = /^(\d{1,10})\s*(?:\([^()]*\))?\s*(;\s*duration\s*=\s*\d{1,10})?/i;
/** Two labels or more, the last one of letters: `pbx7.corp.lan`, and also `e.g.this`, which costs little. */
const HOST_LIKE = /[a-z0-9]\.[a-z0-9-]*[a-z]{2}/i;
const DATE = /^[A-Za-z]{3}, \d{1,2} [A-Za-z]{3} \d{4} \d{2}:\d{2}:\d{2} GMT$/;
const URN = /^<urn:[a-z0-9:\-._]+>(;[a-z0-9\-_=]+)*$/i;
const CONTROL = /[\0-\x08\x0a-\x1f\x7f]/;

/**
 * The end-to-end headers that may cross, in their order, rebuilt: names in our spelling (so that no smuggled spelling
 * of a name survives), values without anything that locates the other side. What does not fit its shape stays behind;
 * nothing throws.
 */
export function crossingHeaders(
  message: Message,
  crossing: Crossing,
): readonly (readonly [name: string, value: string])[] {
  const { from, to } = crossing;
  const table = tableFor(from.trust, to.trust);
  const headers: (readonly [string, string])[] = [];
  let names: SideNames | undefined;
  // Of nearly all lines there is nothing more to know than that they stay.
  const lines = message.headers.entries((key) => table.has(key) || to.allowHeaders.includes(key));
  for (const { key, value } of lines) {
    const allowed = table.get(key) ?? extra(key, to);
    if (allowed === undefined) continue;
    if (allowed.initialOnly && (crossing.inDialog || crossing.kind === "response")) continue;
    if (value.length > CROSSING_VALUE_CHARS || CONTROL.test(value)) continue;
    if (headers.length >= CROSSING_LINES) break;
    names ??= new SideNames(message, message.headers.entries(), from, shownNames(crossing));
    const text = rebuild(allowed, value, names, crossing, message);
    if (text !== undefined && text !== "") headers.push([allowed.name, text]);
  }
  return headers;
}

/** A header the operator lets into this realm: as free text, under its canonical name. */
function extra(key: string, to: RealmSettings): AllowedHeader | undefined {
  if (to.allowHeaders.length === 0 || !to.allowHeaders.includes(key)) return undefined;
  if (NEVER_CROSS.has(key) || !TOKEN.test(key)) return undefined;
  return { name: key.replace(/(^|-)([a-z])/g, (part) => part.toUpperCase()), shape: "text" };
}

const shownNames = ({ to, host }: Crossing): ReadonlySet<string> =>
  new Set([...to.publicDomains, (host ?? ourHost(to)).toLowerCase(), "anonymous.invalid"]);

function rebuild(
  allowed: AllowedHeader,
  value: string,
  names: SideNames,
  crossing: Crossing,
  message: Message,
): string | undefined {
  switch (allowed.shape) {
    case "plain":
      return EVERYDAY.test(value) || (PLAIN.test(value) && !names.in(value)) ? value : undefined;
    case "words":
      return WORDS.test(value) && (REGISTERED.test(value) || !names.in(value)) ? value : undefined;
    case "delay":
      return delayOf(value);
    case "prose":
      return names.in(value) || HOST_LIKE.test(value) ? undefined : value;
    case "date":
      return DATE.test(value) ? value : undefined;
    case "urn":
      return URN.test(value) && !names.in(value) ? value : undefined;
    case "text":
      return names.in(value) ? undefined : value;
    case "reason":
      return each(Reason, value, (reason) => cleanReason(reason, names));
    case "address":
      return each(ADDRESS, value, (address) => hide(address, allowed, names, crossing));
    case "diversion":
    case "history": {
      const clean = allowed.shape === "history" ? cleanHistory : cleanDiversion;
      const shown = (address: NameAddr): NameAddr => hide(address, allowed, names, crossing);
      return each(ADDRESS, value, (address) => clean(address, message, crossing.to.trust, shown));
    }
  }
}

/** Every header whose values are name-addr reads alike: RFC 3261 §25.1. */
const ADDRESS: HeaderField<NameAddr> = PAssertedIdentity;

/** The usual identity: digits hide no host, and need no closer look. */
const NUMBER_URI = /^(?:sips?:\+?\d{1,40}@|tel:\+?\d{1,40}$)/;

/** Throws when the user part itself tells: then nothing of the value is fit to cross. */
function hide(address: NameAddr, allowed: AllowedHeader, names: SideNames, crossing: Crossing): NameAddr {
  const { to } = crossing;
  const host = crossing.host ?? ourHost(to);
  const hidden = hideNameAddr(address, { to, host, params: allowed.params ?? [] });
  const { display, ...rest } = hidden;
  if (display === undefined && hidden.params.size === 0 && NUMBER_URI.test(hidden.uri)) return hidden;
  const value = display === undefined || names.in(display) ? rest : hidden;
  if (names.inUri(ADDRESS.format({ ...value, uri: value.uri.replace(host, "") }))) {
    throw new PeerError(400, `${allowed.name}: its user part names a host`);
  }
  return value;
}

function delayOf(value: string): string | undefined {
  const found = DELAY.exec(value);
  return found === null ? undefined : `${found[1]}${(found[2] ?? "").replace(/\s/g, "")}`;
}

/** Protocol and cause, and the text when it is harmless. */
function cleanReason({ protocol, cause, text }: ReasonValue, names: SideNames): ReasonValue {
  if (names.in(protocol)) throw new PeerError(400, "Reason: its protocol names a host");
  if (protocol.toUpperCase() === "Q.850" && !isQ850Cause(cause)) throw new PeerError(400, "Reason: no cause of Q.850");
  return {
    protocol,
    ...(cause === undefined ? {} : { cause }),
    ...(text === undefined || names.in(text) || HOST_LIKE.test(text) ? {} : { text }),
  };
}

/** Rebuilds a comma list value by value. A value that cannot be read stays behind, the others cross. */
function each<T>(field: HeaderField<T>, line: string, change: (value: T) => T): string {
  const kept: string[] = [];
  for (const part of splitList(line)) {
    try {
      kept.push(field.format(change(field.parse(part))));
    } catch {
      // What we cannot read we cannot clean.
    }
  }
  return kept.join(", ");
}
