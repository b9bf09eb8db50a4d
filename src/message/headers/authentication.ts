/** Challenges and credentials. RFC 3261 §20.7, §20.27, §20.28, §20.44, §25.1; RFC 8760. */
import { malformed } from "../errors.ts";
import type { HeaderField } from "../field.ts";
import { COMMA, EQUALS, QUOTE, quote, skip, skipQuoted, skipSpace, TOKEN, unquote, VALUE } from "../grammar.ts";
import type { ParamMap } from "../params.ts";

export interface Authentication {
  /** As written; compare without regard to case. */
  readonly scheme: string;
  /** Names lower case, values without quotes. */
  readonly params: ParamMap;
}

/** Values here end at a comma, but may hold "=" (base64) beside what other parameters may. */
function bareEnd(text: string, at: number): number {
  while (at < text.length) {
    const next = skip(TOKEN | VALUE, text, at, text.length);
    if (next === at && text.charCodeAt(at) !== EQUALS) break;
    at = next === at ? at + 1 : next;
  }
  return at;
}

function readAuthentication(header: string, text: string): Authentication {
  const schemeEnd = skip(TOKEN, text, 0, text.length);
  const at = skipSpace(text, schemeEnd, text.length);
  if (schemeEnd === 0 || at === schemeEnd) throw malformed(header, "no scheme");
  return { scheme: text.slice(0, schemeEnd), params: readValues(header, text, at) };
}

function readValues(header: string, text: string, at: number): ParamMap {
  const params = new Map<string, string | undefined>();
  for (;;) {
    const nameEnd = skip(TOKEN, text, at, text.length);
    const equals = skipSpace(text, nameEnd, text.length);
    if (nameEnd === at || text.charCodeAt(equals) !== EQUALS) throw malformed(header, "not made of name=value");
    const name = text.slice(at, nameEnd).toLowerCase();
    const start = skipSpace(text, equals + 1, text.length);
    const quoted = text.charCodeAt(start) === QUOTE;
    const end = quoted ? skipQuoted(text, start, text.length) : bareEnd(text, start);
    if (end <= start) throw malformed(header, `no value of ${name.slice(0, 32)}`);
    // Two values of one name would let two readers see two different credentials.
    if (params.has(name)) throw malformed(header, `more than one ${name.slice(0, 32)}`);
    params.set(name, quoted ? unquote(text, start + 1, end - 1) : text.slice(start, end));
    at = skipSpace(text, end, text.length);
    if (at === text.length) return params;
    if (text.charCodeAt(at) !== COMMA) throw malformed(header, "something other than a comma between parameters");
    at = skipSpace(text, at + 1, text.length);
  }
}

/** Never in quotes; every other parameter always is. `qop` is a list in quotes in a challenge, a word in an answer. */
const BARE = new Set(["algorithm", "stale", "nc", "userhash"]);

const format = (bareQop: boolean) => (value: Authentication) =>
  `${value.scheme} ${formatValues(value.params, bareQop)}`;

function formatValues(params: ParamMap, bareQop: boolean): string {
  let text = "";
  for (const [name, param = ""] of params) {
    const bare = BARE.has(name) || (bareQop && name === "qop");
    text += `${text === "" ? "" : ", "}${name}=${bare ? param : quote(param)}`;
  }
  return text;
}

function authenticationField(name: string, bareQop: boolean): HeaderField<Authentication> {
  return { name, parse: (text) => readAuthentication(name, text), format: format(bareQop) };
}

export const WwwAuthenticate = authenticationField("WWW-Authenticate", false);
export const ProxyAuthenticate = authenticationField("Proxy-Authenticate", false);
export const Authorization = authenticationField("Authorization", true);
export const ProxyAuthorization = authenticationField("Proxy-Authorization", true);

/** What a server says of itself and of its next nonce: parameters alone. RFC 3261 §20.6, RFC 7616 §3.5. */
export const AuthenticationInfo: HeaderField<ParamMap> = {
  name: "Authentication-Info",
  parse: (text) => readValues("Authentication-Info", text, 0),
  format: (params) => formatValues(params, true),
};
