/** What of a message of one leg goes into its counterpart on the other. */
import type { RealmSettings } from "../base/index.ts";
import type { Parcel } from "../leg/index.ts";
import type { Message } from "../message/index.ts";
import { crossingHeaders } from "../policy/index.ts";
import { crossingBody } from "./bodies.ts";

export interface Direction {
  readonly from: RealmSettings;
  readonly to: RealmSettings;
}

/** The end-to-end headers, and an SDP body of our own making when there is one. */
export function parcelOf(
  message: Message,
  { from, to }: Direction,
  inDialog: boolean,
  sdp: string | undefined,
): Parcel {
  const headers = crossingHeaders(message, { from, to, kind: message.kind, inDialog });
  return sdp === undefined ? { headers, body: "", type: undefined } : { headers, body: sdp, type: "application/sdp" };
}

/** As parcelOf, with a body that is no SDP. Throws PeerError(415) when the body may not cross. */
export function otherParcelOf(
  message: Message,
  direction: Direction,
  other: { readonly type: string; readonly body: string } | undefined,
): Parcel {
  const parcel = parcelOf(message, direction, true, undefined);
  return other === undefined ? parcel : { headers: parcel.headers, ...crossingBody(other) };
}

export const sdpParcel = (sdp: string | undefined): Parcel =>
  sdp === undefined ? { headers: [], body: "", type: undefined } : { headers: [], body: sdp, type: "application/sdp" };
