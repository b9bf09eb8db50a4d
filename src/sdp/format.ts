/** Values to session description text, in the order of RFC 8866 §5, with CRLF. */
import type { Attribute, Bandwidth, Connection, Line, Media, Origin, Sdp } from "./sdp.ts";

export function formatSdp(sdp: Sdp): string {
  let text = `v=0\r\n${formatOrigin(sdp.origin)}s=${sdp.name}\r\n`;
  text += formatLines(sdp.others, true);
  if (sdp.connection !== undefined) text += formatConnection(sdp.connection);
  text += formatBandwidths(sdp.bandwidths);
  for (const time of sdp.times) {
    text += `t=${time.start} ${time.stop}\r\n`;
    for (const repeat of time.repeats) text += `r=${repeat}\r\n`;
  }
  text += formatLines(sdp.others, false) + formatAttributes(sdp.attributes);
  for (const media of sdp.media) text += formatMedia(media);
  return text;
}

export function formatMedia(media: Media): string {
  const ports = media.portCount === 1 ? `${media.port}` : `${media.port}/${media.portCount}`;
  let text = `m=${media.kind} ${ports} ${media.protocol}`;
  for (const format of media.formats) text += ` ${format}`;
  text += "\r\n";
  if (media.title !== undefined) text += `i=${media.title}\r\n`;
  if (media.connection !== undefined) text += formatConnection(media.connection);
  for (const { type, value } of media.others) if (type === "c") text += `c=${value}\r\n`;
  text += formatBandwidths(media.bandwidths);
  for (const { type, value } of media.others) if (type !== "c") text += `${type}=${value}\r\n`;
  return text + formatAttributes(media.attributes);
}

export const formatOrigin = (origin: Origin): string =>
  `o=${origin.username} ${origin.sessionId} ${origin.version} IN IP${origin.family} ${origin.ip}\r\n`;

export const formatConnection = (connection: Connection): string =>
  `c=IN IP${connection.family} ${connection.ip}${connection.suffix}\r\n`;

export function formatBandwidths(bandwidths: readonly Bandwidth[]): string {
  let text = "";
  for (const { type, value } of bandwidths) text += `b=${type}:${value}\r\n`;
  return text;
}

function formatAttributes(attributes: readonly Attribute[]): string {
  let text = "";
  for (const { name, value } of attributes) text += value === undefined ? `a=${name}\r\n` : `a=${name}:${value}\r\n`;
  return text;
}

/** `i= u= e= p=` stand before `c=`, everything else after `t=`. */
function formatLines(lines: readonly Line[], before: boolean): string {
  let text = "";
  for (const { type, value } of lines) if (BEFORE.includes(type) === before) text += `${type}=${value}\r\n`;
  return text;
}

const BEFORE = "iuep";
