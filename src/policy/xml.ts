/**
 * XML that crosses: read strictly, rewritten value by value, written anew. Small on purpose: no DTD, no entities of
 * the document's own, nothing that is fetched. Strings are bytes of UTF-8; no other encoding is read.
 */

export interface XmlAttribute {
  /** As written, prefix included. */
  readonly name: string;
  readonly value: string;
}

export interface XmlRules {
  /**
   * The attributes that an element keeps; `undefined`: it stays behind with all that it holds. `name` is the local name,
   * in lower case.
   */
  element(name: string, attributes: readonly XmlAttribute[]): readonly XmlAttribute[] | undefined;
  /** What stands in an element, as one piece between two tags. */
  text(value: string, element: string): string;
}

/** Limit: elements within elements. A document that goes deeper is not read. */
const DEPTH = 32;
/** Limit: elements of one document. */
const ELEMENTS = 8_192;
/** Limit: attributes of one element. */
const ATTRIBUTES = 64;

/** Deviation: XML lets names hold dots; no format that we carry has one, and with them a name could be a host's. */
const NAME = /[A-Za-z_][\w-]*(?::[A-Za-z_][\w-]*)?/y;
const SPACE = /[ \t\r\n]*/y;
const VALUE = /"[^"<]*"|'[^'<]*'/y;
const TEXT = /[^<]+/y;
const BLANK = /^[ \t\r\n]*$/;

/** The document as the other side may see it; `undefined` when it is none that we can read. */
export function rewriteXml(document: string, rules: XmlRules): string | undefined {
  try {
    return new Rewriter(document, rules).run();
  } catch (error) {
    if (error instanceof Unreadable) return undefined;
    throw error;
  }
}

class Unreadable extends Error {}

class Rewriter {
  readonly #source: string;
  readonly #rules: XmlRules;
  readonly #open: string[] = [];
  #at = 0;
  #elements = 0;
  #roots = 0;
  /** How deep we stand when what is inside stays behind; 0: it does not. */
  #hidden = 0;
  #out: string[] = [];
  /** Between two tags, whatever comments and sections it was written in: what is torn apart there would come out whole. */
  #piece = "";

  constructor(source: string, rules: XmlRules) {
    this.#source = source;
    this.#rules = rules;
  }

  run(): string {
    const source = this.#source;
    if (source.startsWith("\xef\xbb\xbf")) this.#at = 3;
    while (this.#at < source.length) {
      if (source.charCodeAt(this.#at) !== LESS) this.#text(this.#take(TEXT));
      else if (source.startsWith("</", this.#at)) this.#end();
      else if (source.startsWith("<!--", this.#at)) this.#skipTo("-->", 4);
      else if (source.startsWith("<![CDATA[", this.#at)) this.#cdata();
      else if (source.startsWith("<?", this.#at)) this.#skipTo("?>", 2);
      else this.#start();
    }
    if (this.#open.length > 0 || this.#roots !== 1) throw new Unreadable();
    return `<?xml version="1.0" encoding="UTF-8"?>\r\n${this.#out.join("")}`;
  }

  #start(): void {
    this.#flush();
    this.#at += 1;
    const name = this.#take(NAME);
    if (++this.#elements > ELEMENTS || this.#open.length >= DEPTH) throw new Unreadable();
    if (this.#open.length === 0 && ++this.#roots > 1) throw new Unreadable();
    const attributes = this.#attributes();
    const empty = this.#source.startsWith("/>", this.#at);
    if (!empty && this.#source.charCodeAt(this.#at) !== GREATER) throw new Unreadable();
    this.#at += empty ? 2 : 1;
    if (this.#hidden === 0) this.#write(name, attributes, empty);
    if (!empty) this.#open.push(name);
  }

  #write(name: string, attributes: readonly XmlAttribute[], empty: boolean): void {
    const kept = this.#rules.element(localName(name), attributes);
    if (kept === undefined) {
      if (this.#open.length === 0) throw new Unreadable(); // Nothing of it may cross.
      if (!empty) this.#hidden = this.#open.length + 1;
      return;
    }
    const written = kept.map((one) => ` ${one.name}="${escaped(one.value)}"`).join("");
    this.#out.push(`<${name}${written}${empty ? "/>" : ">"}`);
  }

  #attributes(): readonly XmlAttribute[] {
    const found: XmlAttribute[] = [];
    for (;;) {
      const space = this.#take(SPACE);
      const next = this.#source.charCodeAt(this.#at);
      if (next === GREATER || next === SLASH) return found;
      if (space === "" || found.length >= ATTRIBUTES) throw new Unreadable();
      const name = this.#take(NAME);
      this.#take(SPACE);
      if (this.#source.charCodeAt(this.#at) !== EQUALS) throw new Unreadable();
      this.#at += 1;
      this.#take(SPACE);
      const value = decoded(this.#take(VALUE).slice(1, -1)).replace(/[\t\r\n]/g, " ");
      if (found.some((one) => one.name === name)) throw new Unreadable();
      found.push({ name, value });
    }
  }

  #end(): void {
    this.#flush();
    this.#at += 2;
    const name = this.#take(NAME);
    this.#take(SPACE);
    if (this.#source.charCodeAt(this.#at) !== GREATER || this.#open.pop() !== name) throw new Unreadable();
    this.#at += 1;
    if (this.#hidden === 0) this.#out.push(`</${name}>`);
    else if (this.#open.length < this.#hidden) this.#hidden = 0;
  }

  #text(raw: string): void {
    const text = decoded(raw);
    if (this.#open.length === 0) {
      if (!BLANK.test(text)) throw new Unreadable();
      return;
    }
    if (this.#hidden === 0) this.#piece += text;
  }

  #flush(): void {
    const piece = this.#piece;
    if (piece === "") return;
    this.#piece = "";
    const element = this.#open.at(-1) ?? "";
    this.#out.push(BLANK.test(piece) ? piece : escaped(this.#rules.text(piece, localName(element))));
  }

  #cdata(): void {
    const start = this.#at + 9;
    const end = this.#source.indexOf("]]>", start);
    if (end < 0 || this.#open.length === 0) throw new Unreadable();
    this.#at = end + 3;
    if (this.#hidden === 0) this.#piece += this.#source.slice(start, end);
  }

  #skipTo(end: string, from: number): void {
    const found = this.#source.indexOf(end, this.#at + from);
    if (found < 0) throw new Unreadable();
    this.#at = found + end.length;
  }

  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#source);
    if (found === null) throw new Unreadable();
    this.#at = pattern.lastIndex;
    return found[0];
  }
}

const LESS = 0x3c;
const GREATER = 0x3e;
const SLASH = 0x2f;
const EQUALS = 0x3d;

const localName = (name: string): string => name.slice(name.indexOf(":") + 1).toLowerCase();

const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

function decoded(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(/&(?:#(\d{1,7})|#x([0-9A-Fa-f]{1,6})|([a-z]{2,4}));|&/g, (_, decimal, hex, name) => {
    if (decimal !== undefined) return utf8(Number(decimal));
    if (hex !== undefined) return utf8(Number.parseInt(hex, 16));
    const known = name === undefined ? undefined : ENTITIES[name];
    if (known === undefined) throw new Unreadable();
    return known;
  });
}

/** A character as the bytes that stand for it. XML 1.0 §2.2 says which there are. */
function utf8(code: number): string {
  const control = code < 0x20 && code !== 9 && code !== 10 && code !== 13;
  if (control || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) throw new Unreadable();
  if (code < 0x80) return String.fromCharCode(code);
  const tail = (shift: number): number => 0x80 | ((code >> shift) & 0x3f);
  if (code < 0x800) return String.fromCharCode(0xc0 | (code >> 6), tail(0));
  if (code < 0x10000) return String.fromCharCode(0xe0 | (code >> 12), tail(6), tail(0));
  return String.fromCharCode(0xf0 | (code >> 18), tail(12), tail(6), tail(0));
}

const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (char) =>
    char === "&" ? "&amp;" : char === "<" ? "&lt;" : char === ">" ? "&gt;" : "&quot;",
  );
