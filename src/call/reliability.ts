/**
 * Which 1xx go to the caller reliably, and what our INVITE says of 100rel (RFC 3262). Each leg is asked for itself; the
 * peers' `reliable1xx` decides where the two differ.
 */
import type { PeerSettings } from "../base/index.ts";
import { type Request, Require, Supported } from "../message/index.ts";
import type { CallStart } from "./call-start.ts";

export type Asked100rel = "none" | "supported" | "required";

/** What the caller's INVITE says of it, as far as its peer's policy lets that count. */
export function asked100rel(request: Request, peer: PeerSettings | undefined): Asked100rel {
  if (peer?.reliable1xx === "off") return "none";
  if (request.lists(Require, "100rel")) return "required";
  return request.lists(Supported, "100rel") ? "supported" : "none";
}

/**
 * How a 1xx goes on to the caller; `came`: it came reliably. The first reliable 1xx to an INVITE without an offer has to
 * bring one (RFC 3262 §5): where the callee's brings none, a caller that takes nothing else gets nothing.
 */
export function passage(start: CallStart, came: boolean): "reliable" | "plain" | "withheld" {
  const { caller100rel, fromPeer } = start;
  if (caller100rel === "none") return "plain";
  if (came) return "reliable";
  if (caller100rel === "required") return start.sdp === undefined ? "withheld" : "reliable";
  return fromPeer?.reliable1xx === "require" && start.sdp !== undefined ? "reliable" : "plain";
}

/**
 * What our INVITE says of it. An offer in a reliable 1xx must be answered in the PRACK, which only a caller with 100rel can
 * do: without an offer of its own our INVITE asks for them only then.
 */
export function asks100rel({ caller100rel, sdp }: CallStart, peer: PeerSettings | undefined): Asked100rel {
  if (peer?.reliable1xx === "off" || (sdp === undefined && caller100rel === "none")) return "none";
  return peer?.reliable1xx === "require" ? "required" : "supported";
}
