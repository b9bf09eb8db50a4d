/** One stream at several addresses of different families: `a=altc` of RFC 6947. Whoever does not know it sees `c=` alone. */
import { type Family, PeerError, type RealmSettings } from "../base/index.ts";
import type { Media, Sdp } from "../sdp/index.ts";
import { hasFamily } from "./groups.ts";
import { readIp } from "./ip.ts";

/** `<preference> IP4|IP6 <address> <port>` */
const ALTERNATIVE = /^ *[0-9]{1,5} +IP([46]) +([0-9A-Fa-f.:]{2,45}) +([1-9][0-9]{0,4}) *$/;

/**
 * The line as offered, or at the first of its other addresses whose family this realm has, when its own is of none.
 * Throws PeerError 488 when there is none either.
 */
export function withinReach(media: Media, sdp: Sdp, realm: RealmSettings): Media {
  const connection = media.connection ?? sdp.connection;
  if (connection === undefined || hasFamily(realm, connection.family)) return media;
  const own = readIp(connection.ip);
  // The old ways to hold have no family; what is no address of the family that it claims is judged later.
  if (own === undefined || own.kind === "unspecified" || own.family !== connection.family) return media;
  for (const { name, value } of media.attributes) {
    const [, type, ip = "", port] = (name === "altc" && ALTERNATIVE.exec(value ?? "")) || NONE;
    const family: Family = type === "6" ? 6 : 4;
    if (type === undefined || Number(port) > 65_535 || !hasFamily(realm, family)) continue;
    // What is told of RTCP holds for the address in c=.
    const attributes = media.attributes.filter((each) => each.name !== "rtcp");
    return { ...media, port: Number(port), connection: { ip, family, suffix: "" }, attributes };
  }
  throw new PeerError(488, `no IPv${connection.family} media is carried here`, 301);
}

const NONE: readonly (string | undefined)[] = [];
