/** What of a message of one leg goes into its counterpart on the other. */
import { PeerError, type RealmSettings } from "../base/index.ts";
import type { Parcel } from "../leg/index.ts";
import type { Message } from "../message/index.ts";
import { crossingHeaders } from "../policy/index.ts";
import { contentOf } from "./bodies.ts";
import { bodyOf, type Crossway, eventBodyOf } from "./carried-body.ts";
import type { CallHouse } from "./house.ts";
import { preconditionTag } from "./preconditions.ts";

export interface Direction {
  readonly from: RealmSettings;
  readonly to: RealmSettings;
  /** Both sides have them: the option tag crosses as well. */
  readonly preconditions?: boolean;
  /** What stands for the hosts of identities, where it is not our name on that side. */
  readonly host?: string | undefined;
}

/** The end-to-end headers, and an SDP body of our own making when there is one. */
export function parcelOf(
  message: Message,
  { from, to, preconditions, host }: Direction,
  inDialog: boolean,
  sdp: string | undefined,
): Parcel {
  const named = host === undefined ? undefined : { host };
  const end = crossingHeaders(message, { from, to, kind: message.kind, inDialog, ...named });
  const headers = preconditions === true ? [...preconditionTag(message), ...end] : end;
  return sdp === undefined ? { headers, body: "", type: undefined } : { headers, body: sdp, type: "application/sdp" };
}

/**
 * As parcelOf, with a body that is no SDP: descriptions have an exchange of their own, and stay behind here. Throws
 * PeerError(400), PeerError(415) for a request whose body may not cross. A response crosses without it: nobody is there to
 * be refused.
 */
export function otherParcelOf(house: CallHouse, message: Message, way: Crossway): Parcel {
  const parcel = parcelOf(message, way, true, undefined);
  if (message.body === "" || describes(message)) return parcel;
  const event = message.kind === "response" || message.method === "NOTIFY";
  const body = event ? eventBodyOf(house, message, way) : bodyOf(house, message, way);
  return body === undefined ? parcel : { headers: parcel.headers, ...body };
}

/** Has it a session description? A response that cannot be read has none. */
export function describes(message: Message): boolean {
  try {
    return contentOf(message).sdp !== undefined;
  } catch (error) {
    if (message.kind === "response" && error instanceof PeerError) return false;
    throw error;
  }
}

export const sdpParcel = (sdp: string | undefined): Parcel =>
  sdp === undefined ? { headers: [], body: "", type: undefined } : { headers: [], body: sdp, type: "application/sdp" };
