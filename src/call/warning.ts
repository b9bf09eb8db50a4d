/** Why a description was not acceptable, in the words of RFC 3261 §20.43. */
import type { PeerError } from "../base/index.ts";
import { headersFor } from "./strangers.ts";

const TEXTS: Readonly<Record<number, string>> = {
  301: "Incompatible network address formats",
  302: "Incompatible transport protocol",
  305: "Incompatible media format",
  330: "Multicast not available",
};

/** The headers of a refusal for this reason. `host`: our name on the side that hears of it, as it stands in a URI. */
export function refusalHeaders(error: PeerError, host: string): readonly (readonly [string, string])[] {
  const text = TEXTS[error.warning];
  return text === undefined ? headersFor(error.status) : [["Warning", `${error.warning} ${host} "${text}"`]];
}
