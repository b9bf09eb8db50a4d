/**
 * Free text that crosses must not tell the other side's addresses. We cannot know every name a side has, but we know
 * those in the message at hand and in the realm's settings, and what an address looks like.
 */

import type { RealmSettings } from "../base/index.ts";
import type { HeaderLine, Message } from "../message/index.ts";

const IPV4 = /(?<!\d)\d{1,3}(?:\.\d{1,3}){3}(?!\d)/;
/** Compressed, or at least six groups (so that MAC addresses count, and times of day do not). */
const IPV6 = /[0-9a-f]::|::[0-9a-f]|(?:[0-9a-f]{1,4}:){5,7}[0-9a-f]{1,4}/i;
const URL_LIKE = /\bsips?:|:\/\/|\b(?:mailto|im|pres|xmpp|tel):/i;

/** An IP address in any usual text form. */
export const mentionsAddress = (text: string): boolean => IPV4.test(text) || IPV6.test(text);

/** A URI with an authority, which says where something is. */
export const mentionsUri = (text: string): boolean => URL_LIKE.test(text);

/**
 * Does `text` hold `host`? `host` in lower case. A name of one short label must stand as a word of its own (a box called
 * `box` would swallow half the language), any other counts wherever it stands.
 */
export function leaksHost(text: string, host: string): boolean {
  const lower = text.toLowerCase();
  if (host.length >= SURELY_A_NAME || host.includes(".") || host.includes(":")) return lower.includes(host);
  for (let at = lower.indexOf(host); at >= 0; at = lower.indexOf(host, at + 1)) {
    if (!isWordChar(lower.charCodeAt(at - 1)) && !isWordChar(lower.charCodeAt(at + host.length))) return true;
  }
  return false;
}

/** A label of this length is hardly an everyday word. */
const SURELY_A_NAME = 12;

const isWordChar = (code: number): boolean =>
  (code >= 0x30 && code <= 0x39) || (code >= 0x61 && code <= 0x7a) || code === 0x2d || code === 0x5f;

/** Header lines that hold hosts of the side they came from. */
const TELLING: ReadonlySet<string> = new Set([
  ...["via", "contact", "from", "to", "record-route", "route", "p-asserted-identity", "path"],
]);

/** Limit: names of one message. With more of them any text may be one, and counts as telling. */
const NAMES = 128;

/** The names of one side, gathered from one message when first asked for: most messages have no free text. */
export class SideNames {
  readonly #message: Message;
  readonly #lines: readonly HeaderLine[];
  readonly #from: RealmSettings;
  readonly #shown: ReadonlySet<string>;
  #names: readonly string[] | undefined;

  /** `lines`: those of the message. `shown`: names, lower case, that may be seen on the other side. */
  constructor(message: Message, lines: readonly HeaderLine[], from: RealmSettings, shown: ReadonlySet<string>) {
    this.#message = message;
    this.#lines = lines;
    this.#from = from;
    this.#shown = shown;
  }

  /** Does `text` tell where the other side is, or carry a URI that might? */
  in(text: string): boolean {
    return mentionsUri(text) || this.inUri(text);
  }

  /** The same for text that is a URI by its nature. */
  inUri(text: string): boolean {
    if (mentionsAddress(text)) return true;
    this.#names ??= this.#gather();
    if (this.#names.length > NAMES) return true;
    for (const name of this.#names) if (leaksHost(text, name)) return true;
    return false;
  }

  #gather(): readonly string[] {
    const names = new Set<string>();
    const add = (name: string): void => {
      if (name.length > 1 && !this.#shown.has(name)) names.add(name);
    };
    if (this.#from.domain !== undefined) add(this.#from.domain.toLowerCase());
    if (this.#from.advertise !== undefined) add(this.#from.advertise);
    if (this.#message.kind === "request") hostsOfUris(this.#message.uri.toLowerCase(), add);
    for (const { key, value } of this.#lines) {
      if (key === "call-id") for (const part of value.toLowerCase().split("@")) add(part);
      else if (!TELLING.has(key)) continue;
      else if (key === "via") hostsOfVia(value.toLowerCase(), add);
      else hostsOfUris(value.toLowerCase(), add);
    }
    return [...names];
  }
}

/** What follows each `@`, each scheme without a user, and each `maddr`. Finds too much rather than too little. */
function hostsOfUris(lower: string, add: (host: string) => void): void {
  for (let at = lower.indexOf("@"); at >= 0; at = lower.indexOf("@", at + 1)) add(hostAt(lower, at + 1));
  for (let at = lower.indexOf("sip"); at >= 0; at = lower.indexOf("sip", at + 3)) {
    const colon = lower.charCodeAt(at + 3) === 0x73 ? at + 4 : at + 3; // sips
    if (lower.charCodeAt(colon) !== 0x3a) continue;
    // Where an @ follows in the same URI, this is a user, and the host was seen above.
    const end = lower.slice(colon).search(/[@>\s,;?]/);
    if (end < 0 || lower.charCodeAt(colon + end) !== AT) add(hostAt(lower, colon + 1));
  }
  afterParam(lower, "maddr=", add);
}

const AT = 0x40;

function hostsOfVia(lower: string, add: (host: string) => void): void {
  for (let at = lower.indexOf("sip"); at >= 0; at = lower.indexOf("sip", at + 3)) {
    const blank = lower.indexOf(" ", at);
    if (blank > 0) add(hostAt(lower, blank + 1));
  }
  afterParam(lower, "received=", add);
  afterParam(lower, "maddr=", add);
}

function afterParam(lower: string, name: string, add: (host: string) => void): void {
  for (let at = lower.indexOf(name); at >= 0; at = lower.indexOf(name, at + name.length)) {
    add(hostAt(lower, at + name.length));
  }
}

/** Up to the first character that no host holds; an IPv6 reference without its brackets. */
function hostAt(text: string, start: number): string {
  if (text.charCodeAt(start) === 0x5b) {
    const close = text.indexOf("]", start);
    return close < 0 ? "" : text.slice(start + 1, close);
  }
  let end = start;
  while (end < text.length && isHostChar(text.charCodeAt(end))) end++;
  return text.slice(start, end);
}

const isHostChar = (code: number): boolean => isWordChar(code) || code === 0x2e;
