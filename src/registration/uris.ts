import { PeerError } from "../base/index.ts";
import { parseUri, type SipUri } from "../message/index.ts";

/** `undefined`: no SIP URI, or none at all. For texts that no parser has seen yet. */
export function sipUriIn(text: string): SipUri | undefined {
  try {
    const uri = parseUri(text);
    return "host" in uri ? uri : undefined;
  } catch (error) {
    if (error instanceof PeerError) return undefined;
    throw error;
  }
}
