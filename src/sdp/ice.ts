/** ICE as a description speaks of it: RFC 8839. Only what an agent needs that never sends a check of its own. */
import { attribute, hasAttribute } from "./attributes.ts";
import { sdpLimits } from "./limits.ts";
import { numberIn } from "./parse.ts";
import type { Media, Sdp } from "./sdp.ts";

export interface IceCredentials {
  readonly ufrag: string;
  readonly password: string;
}

export interface IceWords extends IceCredentials {
  /** It sends no checks either: then there is nothing to wait for. RFC 8445 §2.5. */
  readonly lite: boolean;
  /** It found that somebody on the way changed our addresses, or we find so of its own: ICE is off. RFC 8839 §3.1. */
  readonly mismatch: boolean;
}

/** What this line says of ICE, with its session; `undefined` when there is nothing, or nothing that can be read. */
export function iceWords(media: Media, session: Sdp): IceWords | undefined {
  const ufrag = attribute(media, "ice-ufrag") ?? attribute(session, "ice-ufrag");
  if (ufrag === undefined) return undefined;
  const password = attribute(media, "ice-pwd") ?? attribute(session, "ice-pwd") ?? "";
  if (!UFRAG.test(ufrag) || !PASSWORD.test(password)) return undefined;
  return {
    ufrag,
    password,
    lite: hasAttribute(session, "ice-lite"),
    mismatch: hasAttribute(media, "ice-mismatch") || !namesItsDefault(media, session),
  };
}

const UFRAG = /^[A-Za-z0-9+/]{4,256}$/;
const PASSWORD = /^[A-Za-z0-9+/]{22,256}$/;

export interface Candidate {
  readonly component: number;
  /** Lower case: `udp`, `tcp`. */
  readonly transport: string;
  /** As written: an IP address, or a name such as `….local` (mDNS). */
  readonly ip: string;
  readonly port: number;
}

const FOUNDATION = /^[A-Za-z0-9+/]{1,32}$/;
const CANDIDATE_ADDRESS = /^[0-9A-Za-z.:_-]{1,255}$/;

/** The value of `a=candidate:`; `undefined` when it is malformed. RFC 8839 §5.1. */
export function parseCandidate(value: string): Candidate | undefined {
  const [foundation = "", id = "", transport = "", priority = "", ip = "", to = "", typ, type = ""] = value
    .trim()
    .split(/ +/, 8);
  const component = numberIn(id, 256);
  const port = numberIn(to, 65_535);
  if (!FOUNDATION.test(foundation) || component < 1 || port < 0 || numberIn(priority, 0x7fff_ffff) < 1)
    return undefined;
  if (!CANDIDATE_ADDRESS.test(ip) || transport === "" || typ !== "typ" || type === "") return undefined;
  return { component, transport: transport.toLowerCase(), ip, port };
}

/**
 * The address of `c=` and `m=` must be one of the candidates, or a middle box that knows no ICE has put its own there
 * (RFC 8839 §4.2.5). Port 9, no address and a name say that the candidates alone count; so does a line that has none yet
 * (RFC 8840 §4.1.1).
 */
function namesItsDefault(media: Media, session: Sdp): boolean {
  const ip = (media.connection ?? session.connection)?.ip.toLowerCase();
  if (ip === undefined || media.port === 9 || ip === "0.0.0.0" || ip === "::" || !/^[0-9a-f.:]+$/.test(ip)) return true;
  let looked = 0;
  for (const { name, value } of media.attributes) {
    if (name !== "candidate" || value === undefined) continue;
    if (++looked > sdpLimits.candidates) return true; // What we do not look at may be the one.
    const found = parseCandidate(value);
    if (found?.component === 1 && found.port === media.port && found.ip.toLowerCase() === ip) return true;
  }
  return looked === 0;
}
