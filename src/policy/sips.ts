/** SIP and SIPS across the box: RFC 5630. The scheme promises every hop; a box in the middle must keep or refuse it. */
import { isSecure, type Protocol, type RealmSettings } from "../base/index.ts";

export type SipsVerdict =
  | { readonly scheme: "sip" | "sips" }
  | {
      readonly refuse: 480 | 416;
      /** The reason phrase to answer with. */
      readonly reason: string;
      /** Value of the Warning header's code and text: RFC 5630 §6.1. The agent is the leg's to add. */
      readonly warning: { readonly code: 380; readonly text: string };
    };

const WARNING = { code: 380, text: "SIPS Not Allowed" } as const;
/** The realm has TLS, but not toward this target: RFC 5630 §5.1.1. Another target may do. */
const NOT_THIS_WAY: SipsVerdict = { refuse: 480, reason: "Temporarily Unavailable", warning: WARNING };
/** The realm has no TLS at all, so that no sips: URI is ever served there: RFC 5630 §4, RFC 3261 §8.2.2.1. */
const NOT_AT_ALL: SipsVerdict = { refuse: 416, reason: "Unsupported URI Scheme", warning: WARNING };

const SIP: SipsVerdict = { scheme: "sip" };
const SIPS: SipsVerdict = { scheme: "sips" };

/**
 * Which scheme the request has on the next leg. Toward TLS it is always `sips`. A `sips` request leaves over an insecure
 * hop only where the realm is fully trusted and its operator said `sips: translate`; else the call is refused.
 */
export function sipsVerdict(input: {
  readonly requestScheme: "sip" | "sips" | "tel";
  readonly toRealm: RealmSettings;
  readonly toProtocol: Protocol;
}): SipsVerdict {
  if (isSecure(input.toProtocol)) return SIPS;
  if (input.requestScheme !== "sips") return SIP;
  const realm = input.toRealm;
  if (realm.trust === "full" && realm.sips === "translate") return SIP;
  return realm.listeners.some((listener) => isSecure(listener.protocol)) ? NOT_THIS_WAY : NOT_AT_ALL;
}
