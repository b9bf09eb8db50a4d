/** T.38 fax: `m=image` over UDPTL. RFC 3362, ITU-T T.38 Annex D. Its datagrams pass as they are; only the ends read them. */
import { attribute, type Media, type Profile } from "../sdp/index.ts";
import { isBrowser, rulesOf, type Standing } from "./party.ts";

/** Lower case; written as it came: names of attributes are told apart by case, and T.38's by nobody. */
const ATTRIBUTES: ReadonlySet<string> = new Set([
  "t38faxversion",
  "t38maxbitrate",
  "t38faxmaxrate",
  "t38faxfillbitremoval",
  "t38faxtranscodingmmr",
  "t38faxtranscodingjbig",
  "t38faxratemanagement",
  "t38faxmaxbuffer",
  "t38faxmaxdatagram",
  "t38faxmaxifp",
  "t38faxudpec",
  "t38faxudpecdepth",
  "t38faxudpfecmaxspan",
  "t38modemtype",
]);

/** Values are numbers, or words as `transferredTCF` and `t38UDPRedundancy`; flags have none. */
const VALUE = /^ ?[A-Za-z0-9+ -]{1,40}$/;

/** May this attribute of a fax line cross? T38VendorInfo names who made the other side's gateway. */
export const isFaxAttribute = (name: string, value: string | undefined): boolean =>
  ATTRIBUTES.has(name.toLowerCase()) && (value === undefined || VALUE.test(value));

/** Beside the RTP profiles, which know nothing of it. */
export const FAX: Profile = { name: "udptl", secure: false, feedback: false, dtls: false };

export const isFax = ({ kind, protocol, formats }: Media): boolean =>
  kind === "image" && protocol.toLowerCase() === "udptl" && formats.length === 1 && formats[0]?.toLowerCase() === "t38";

/** Is fax carried on this side? It goes in the clear, so where SRTP is required somebody has to want it. */
export const carriesFax = (standing: Standing): boolean =>
  (rulesOf(standing)?.fax ?? (standing.realm.srtp === "required" ? "refuse" : "pass")) === "pass" &&
  !isBrowser(standing);

/** The longest datagram that this end takes, in bytes; 0: it does not say. */
export function maxDatagramOf(media: Media): number {
  for (const name of ["T38FaxMaxDatagram", "t38faxmaxdatagram"]) {
    const value = attribute(media, name)?.trim();
    if (value !== undefined && /^[0-9]{1,5}$/.test(value)) return Math.min(65_535, Number(value));
  }
  return 0;
}
