/** Header fields that are free text, comments and all: nothing in the box acts on what they say. */
import type { HeaderField } from "../field.ts";

function textField(name: string, compact?: string): HeaderField<string> {
  return { name, ...(compact === undefined ? {} : { compact }), parse: (text) => text, format: (value) => value };
}

export const UserAgent = textField("User-Agent");
export const Server = textField("Server");
export const Subject = textField("Subject", "s");
export const Organization = textField("Organization");
/** RFC 3261 §20.26: `emergency`, `urgent`, `normal`, `non-urgent` or another word. */
export const Priority = textField("Priority");
/** RFC 3261 §20.17. A date that cannot be read harms nobody: RFC 4475 §3.1.2.12. */
export const SipDate = textField("Date");
/** RFC 7433: opaque, with its encoding parameter. */
export const UserToUser = textField("User-to-User");
/** RFC 3903. */
export const SipETag = textField("SIP-ETag");
export const SipIfMatch = textField("SIP-If-Match");
/** RFC 4488: `true` or `false`. */
export const ReferSub = textField("Refer-Sub");
