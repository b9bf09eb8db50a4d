/** Single values inside bodies, as the other side may read them. */
import type { RealmSettings } from "../base/index.ts";
import type { DialogName } from "../message/index.ts";
import { mentionsAddress, type SideNames } from "./leaks.ts";
import { hideNameAddr } from "./topology.ts";

interface HidingWords {
  readonly to: RealmSettings;
  readonly host: string;
  readonly pseudonym: (text: string) => string;
  readonly dialog: (name: DialogName) => DialogName;
}

const SIP_URI = /^(?:sips?|tel):\S+$/i;
/** RFC 3859, RFC 3860, RFC 6068, RFC 5122: somebody at a domain. */
const PERSON_URI = /^(pres|im|mailto|xmpp):([\w\-.!~*'()&=+$,;/%]+)@([\w.[\]:-]+)$/i;
const URN = /^urn:[\w:\-.+;=%]+$/i;
/** Two labels or more, the last one of letters. */
const HOST_LIKE = /[a-z0-9]\.[a-z0-9-]*[a-z]{2}/i;
/** What an id may look like that nobody needs to hide. */
const HARMLESS_ID = /^[\w+~=-]{1,80}$/;

const FEATURE = /^\+?sip\.[\w-]{1,40}$/;

export class Hider {
  readonly #names: SideNames;
  readonly #words: HidingWords;

  constructor(names: SideNames, words: HidingWords) {
    this.#names = names;
    this.#words = words;
  }

  /** A URI of a person or a device: the user stays, the host is ours. `undefined`: it is none that we can hide. */
  uri(text: string): string | undefined {
    const hidden = this.#hidden(text);
    if (hidden === undefined) return undefined;
    return this.#names.inUri(hidden.replace(this.#words.host, "")) ? undefined : hidden; // Its user part may tell.
  }

  #hidden(text: string): string | undefined {
    if (SIP_URI.test(text)) {
      try {
        return hideNameAddr({ uri: text, params: new Map() }, { to: this.#words.to, host: this.#words.host }).uri;
      } catch {
        return undefined;
      }
    }
    const person = PERSON_URI.exec(text);
    if (person !== null) {
      const [, scheme = "", user = "", host = ""] = person;
      if (mentionsAddress(user)) return undefined;
      const shown = this.#words.to.publicDomains.includes(host.toLowerCase()) ? host : this.#words.host;
      return `${scheme}:${user}@${shown}`;
    }
    return URN.test(text) ? text : undefined;
  }

  /** What people or machines wrote; `undefined` when a word of it may be a place. */
  prose(text: string): string | undefined {
    return this.#names.in(text) || HOST_LIKE.test(text) || text.includes("@") ? undefined : text;
  }

  /** Any value: a URI is hidden, the rest stays when it tells no place. */
  value(text: string): string | undefined {
    return this.uri(text.trim()) ?? this.prose(text);
  }

  /** A name that something has in its document: it must stay the same, and tell nothing. */
  id(text: string): string {
    return HARMLESS_ID.test(text) && !this.#names.inUri(text) ? text : this.pseudonym(text);
  }

  pseudonym(text: string): string {
    return text === "" ? "" : this.#words.pseudonym(text);
  }

  dialog(name: DialogName): DialogName {
    return this.#words.dialog(name);
  }

  /** Names of formats are URIs too, and no places, unless they name the other side itself. */
  namespace(text: string): string | undefined {
    return this.#names.inUri(text) ? undefined : text;
  }

  /** A feature tag with its dots: RFC 3840 §9. */
  feature(text: string): string | undefined {
    return FEATURE.test(text) && !this.#names.inUri(text) ? text : this.prose(text);
  }
}
