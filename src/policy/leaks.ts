/**
 * Free text that crosses must not tell the other side's addresses. We cannot know every name a side has, but we know
 * those in the message at hand and in the realm's settings, and what an address looks like.
 */

import type { RealmSettings } from "../base/index.ts";
import type { Message } from "../message/index.ts";

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

/** Header lines that hold hosts and tokens of the side they came from. */
const TELLING = ["via", "contact", "from", "to", "record-route", "route", "p-asserted-identity", "path"];
/** After the user part of a URI, after the protocol of a Via, in parameters that hold addresses. */
const HOST_IN_VALUE =
  /(?:sips?:(?:[^\s<>@]{0,256}@)?|\/(?:udp|tcp|tls|ws|wss|sctp)\s+|(?:received|maddr)=)(\[[^\]]{2,64}\]|[^\s;,:>?"'[\]@]{1,255})/gi;

/** The names of one side, gathered from one message when first asked for: most messages have no free text. */
export class SideNames {
  readonly #message: Message;
  readonly #from: RealmSettings;
  readonly #shown: ReadonlySet<string>;
  #names: readonly string[] | undefined;

  /** `shown`: names, lower case, that may be seen on the other side. */
  constructor(message: Message, from: RealmSettings, shown: ReadonlySet<string>) {
    this.#message = message;
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
    return this.#names.some((name) => leaksHost(text, name));
  }

  #gather(): readonly string[] {
    const names = new Set<string>();
    const add = (name: string | undefined): void => {
      if (name !== undefined && name.length > 1 && !this.#shown.has(name.toLowerCase())) names.add(name.toLowerCase());
    };
    add(this.#from.domain);
    add(this.#from.advertise);
    const message = this.#message;
    for (const name of TELLING) {
      for (const value of message.headers.rawAll(name)) {
        for (const match of value.matchAll(HOST_IN_VALUE)) add(match[1]);
      }
    }
    if (message.kind === "request") for (const match of message.uri.matchAll(HOST_IN_VALUE)) add(match[1]);
    const callId = message.headers.raw("call-id");
    add(callId);
    for (const part of callId?.split("@") ?? []) add(part);
    return [...names];
  }
}
