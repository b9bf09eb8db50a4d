import { type Uri, unescapeUser } from "../message/index.ts";

/** Limit: a dialled number longer than this matches no route that asks for a number; no number plan comes near it. */
const NUMBER_CHARS = 128;

/**
 * What was dialled: the user part, or the digits of a tel: URI, without parameters and without visual separators where
 * it is a number (RFC 3966 §3). `undefined` when there is none or it is over the limit.
 */
export function numberOf(uri: Uri): string | undefined {
  const text = uri.scheme === "tel" ? uri.number : uri.scheme === "other" ? undefined : uri.user;
  if (text === undefined || text.length > NUMBER_CHARS) return undefined;
  const semicolon = text.indexOf(";");
  const user = unescapeUser(semicolon < 0 ? text : text.slice(0, semicolon));
  return /^\+?[\d\-.()*#a-fA-F]+$/.test(user) && /^\+?[\d(]/.test(user) ? user.replace(/[-.()]/g, "") : user;
}
