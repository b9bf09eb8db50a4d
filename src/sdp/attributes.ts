/** What the attributes of a description say. A malformed one counts as absent: each reader says what then holds. */
import type { Family } from "../base/index.ts";
import { type Direction, directionNames } from "./direction.ts";
import { numberIn } from "./parse.ts";
import type { Attribute, Media, Sdp } from "./sdp.ts";

/** Anything with attributes: a description or one of its `m=` lines. */
export interface Described {
  readonly attributes: readonly Attribute[];
}

/** The value of the first attribute of that name; "" when it has none; `undefined` when it is absent. */
export function attribute(described: Described, name: string): string | undefined {
  for (const each of described.attributes) if (each.name === name) return each.value ?? "";
  return undefined;
}

export const hasAttribute = (described: Described, name: string): boolean => attribute(described, name) !== undefined;

/** `sendrecv` unless the line, or else the session, says otherwise. RFC 3264 §5.1, RFC 8866 §6.7. */
export const direction = (media: Media, session: Sdp): Direction =>
  ownDirection(media) ?? ownDirection(session) ?? "sendrecv";

function ownDirection(described: Described): Direction | undefined {
  for (const { name, value } of described.attributes) {
    if (value === undefined && directionNames.has(name)) return name as Direction;
  }
  return undefined;
}

/** Where RTCP goes when it is not the port after RTP's. RFC 3605. */
export interface RtcpAttribute {
  readonly port: number;
  readonly ip: string | undefined;
  readonly family: Family | undefined;
}

export function rtcpAttribute(media: Media): RtcpAttribute | undefined {
  const value = attribute(media, "rtcp");
  if (value === undefined) return undefined;
  const [port = "", network, type, ip, ...rest] = value.trim().split(" ");
  const number = numberIn(port, 65_535);
  if (number < 0 || rest.length > 0) return undefined;
  if (network === undefined) return { port: number, ip: undefined, family: undefined };
  if (network !== "IN" || (type !== "IP4" && type !== "IP6") || ip === undefined) return undefined;
  return { port: number, ip, family: type === "IP4" ? 4 : 6 };
}
