import { malformed } from "../errors.ts";
import type { HeaderField } from "../field.ts";
import { formatNameAddr, type NameAddr, parseNameAddr, readNameAddr } from "./name-addr.ts";

/** Where its sender wants to be reached; `*` is for REGISTER only. RFC 3261 §20.10, §10.2.2. */
export const Contact: HeaderField<NameAddr | "*"> = {
  name: "Contact",
  compact: "m",
  list: true,
  parse: (text) => (text.charCodeAt(0) === STAR ? readContact(text, 0, text.length) : parseNameAddr("Contact", text)),
  format: (value) => (value === "*" ? "*" : formatNameAddr(value)),
};

const STAR = 0x2a;

/** The value in the range; the `first` one when it is a list. Throws PeerError(400). */
export function readContact(text: string, start: number, end: number, first = false): NameAddr | "*" {
  if (text.charCodeAt(start) === STAR && start < end) {
    if (end - start > 1) throw malformed("Contact", "something behind *");
    return "*";
  }
  return readNameAddr("Contact", text, start, end, first);
}
