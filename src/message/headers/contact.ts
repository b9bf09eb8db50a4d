import { malformed } from "../errors.ts";
import type { HeaderField } from "../field.ts";
import { formatNameAddr, type NameAddr, readNameAddr } from "./name-addr.ts";

/** Where its sender wants to be reached; `*` is for REGISTER only. RFC 3261 §20.10, §10.2.2. */
export const Contact: HeaderField<NameAddr | "*"> = {
  name: "Contact",
  compact: "m",
  list: true,
  parse: (text) => readContact(text, 0, text.length),
  format: (value) => (value === "*" ? "*" : formatNameAddr(value)),
};

/** The value in the range; the `first` one when it is a list. Throws PeerError(400). */
export function readContact(text: string, start: number, end: number, first = false): NameAddr | "*" {
  if (text.charCodeAt(start) === 0x2a && start < end) {
    if (end - start > 1) throw malformed("Contact", "something behind *");
    return "*";
  }
  return readNameAddr("Contact", text, start, end, first);
}
