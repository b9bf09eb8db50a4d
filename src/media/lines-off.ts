/** m-lines that stand for nothing: a new offer may not have fewer than there were (RFC 3264 §8). */
import type { Media, Sdp } from "../sdp/index.ts";

const OFF: Media = {
  kind: "audio",
  port: 0,
  portCount: 1,
  protocol: "RTP/AVP",
  formats: ["0"],
  title: undefined,
  connection: undefined,
  bandwidths: [],
  attributes: [],
  others: [],
};

/** The same description with so many m-lines at least. */
export function withLines(sdp: Sdp, lines: number): Sdp {
  const lacking = lines - sdp.media.length;
  return lacking <= 0 ? sdp : { ...sdp, media: [...sdp.media, ...new Array<Media>(lacking).fill(OFF)] };
}

/** As `withLines`, for everything of a description after its `o=`, which has `present` of them. */
export const bodyWithLines = (body: string, present: number, lines: number): string =>
  present >= lines ? body : body + "m=audio 0 RTP/AVP 0\r\n".repeat(lines - present);
