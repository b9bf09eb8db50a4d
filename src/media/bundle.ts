/**
 * BUNDLE (RFC 9143): one transport for several lines of a leg. Lines of one bundle have one `Local`, and of the relay's pairs
 * the first that was opened with it is the one whose sockets they share. What says how a transport is reached and secured
 * stands in one line of the group, the tagged one; here the others get it too, so that each can be read as if it were alone.
 */
import { type Attribute, hasAttribute, type Media, profileOf, type Sdp } from "../sdp/index.ts";
import { type Group, midOf } from "./groups.ts";
import type { LineSide, Local, Position } from "./line.ts";
import type { SideIndex } from "./party.ts";

/** The name of a line inside of its packets: RFC 9143 §15.2. */
export const MID_URI = "urn:ietf:params:rtp-hdrext:sdes:mid";

/** A description whose bundles are taken apart. */
export interface Unbundled {
  readonly sdp: Sdp;
  /** By line: the number of the line that is tagged in its bundle; `undefined`: it stands alone. */
  readonly tagged: readonly (number | undefined)[];
}

const isBundle = ({ semantics }: Group): boolean => semantics === "BUNDLE";

/** `may`: may this line be in a bundle? An answer cannot take more into it than was offered. */
export function unbundled(groups: readonly Group[], sdp: Sdp, may?: (index: number) => boolean): Unbundled {
  if (!groups.some(isBundle)) return { sdp, tagged: NONE };
  const tagged = new Array<number | undefined>(sdp.media.length).fill(undefined);
  const media = [...sdp.media];
  for (const group of groups) {
    if (!isBundle(group)) continue;
    const lines = placesOf(group, sdp).filter((index) => tagged[index] === undefined && (may?.(index) ?? true));
    const first = lines.find((index) => isStream(sdp.media[index] as Media));
    const head = sdp.media[first ?? -1];
    // RFC 9143 §9.3 bundles RTP with its RTCP or not at all.
    if (first === undefined || head === undefined || !hasAttribute(head, "rtcp-mux")) continue;
    tagged[first] = first;
    const taken: Media[] = [head];
    for (const index of lines) {
      const line = sdp.media[index] as Media;
      if (index === first || profileOf(line.protocol) === undefined) continue;
      const whole = joined(line, head);
      if (whole === undefined || (stands(line, head) && collides(whole, taken))) continue;
      tagged[index] = first;
      media[index] = whole;
      taken.push(whole);
    }
  }
  return { sdp: { ...sdp, media }, tagged };
}

const NONE: readonly undefined[] = [];

function placesOf({ tags }: Group, { media }: Sdp): readonly number[] {
  return tags.map((tag) => media.findIndex((line) => midOf(line) === tag)).filter((index) => index >= 0);
}

const isStream = ({ port, protocol }: Media): boolean => port !== 0 && profileOf(protocol) !== undefined;

/** Has it ports of its own, which it could have alone? RFC 9143 §7.2. */
const stands = ({ port }: Media, head: Media): boolean => port !== 0 && port !== head.port;

/** What says how a transport is reached and secured, by what belongs together: RFC 8859's IDENTICAL and TRANSPORT. */
const TRANSPORT: readonly (readonly string[])[] = [
  ["ice-ufrag", "ice-pwd", "candidate", "end-of-candidates", "ice-mismatch"],
  ["fingerprint"],
  ["setup"],
  ["tls-id"],
  ["crypto"],
  ["rtcp-mux"],
  ["rtcp-mux-only"],
  ["rtcp"],
];

/** The line with all that it has by its group. `undefined`: it has not joined it. */
function joined(line: Media, head: Media): Media | undefined {
  const own = stands(line, head);
  if (own && !hasAttribute(line, "rtcp-mux")) return undefined;
  if (line.port === 0 && !hasAttribute(line, "bundle-only")) return undefined;
  const attributes: Attribute[] = [...line.attributes];
  for (const names of TRANSPORT) {
    if (names.some((name) => hasAttribute(line, name))) continue;
    for (const each of head.attributes) if (names.includes(each.name)) attributes.push(each);
  }
  if (line.port !== 0) return { ...line, attributes };
  return { ...line, attributes, port: head.port, connection: head.connection };
}

/** Whose packets they are could not be told: RFC 9143 §9.1, §9.2. */
function collides(line: Media, others: readonly Media[]): boolean {
  if (midExtension(line) !== 0 && others.every((other) => midExtension(other) !== 0)) return false;
  return others.some(({ formats }) => formats.some((format) => line.formats.includes(format)));
}

/** The number of the header extension that names lines; 0: the line does without. Limit: RFC 8285 §4.2 ends at 14. */
export function midExtension({ attributes }: Media): number {
  for (const { name, value } of attributes) {
    if (name !== "extmap" || value === undefined) continue;
    const [number = "", uri] = value.trim().split(/ +/, 3);
    if (uri === MID_URI) return extensionNumber(number);
  }
  return 0;
}

/** 0: none that can be used. */
function extensionNumber(text: string): number {
  const id = /^([0-9]{1,2})(?:\/[a-z]+)?$/.exec(text)?.[1];
  return id !== undefined && Number(id) <= 14 ? Number(id) : 0;
}

/** Numbers of header extensions, with what they stand for. */
function extensionsOf({ attributes }: Media): readonly (readonly [number: string, uri: string])[] {
  const found: [string, string][] = [];
  for (const { name, value } of attributes) {
    if (name !== "extmap" || value === undefined) continue;
    const [number = "", uri = ""] = value.trim().split(/ +/, 3);
    found.push([number.replace(/\/.*/, ""), uri]);
  }
  return found;
}

/**
 * May `line` be offered in one bundle with these? Their payload types must differ, since not everybody tells lines by name,
 * and numbers of extensions must mean the same (RFC 9143 §9.1, RFC 8285 §5).
 */
export function fitsTogether(line: Media, others: readonly Media[]): boolean {
  const extensions = extensionsOf(line);
  return others.every(
    (other) =>
      !other.formats.some((format) => line.formats.includes(format)) &&
      extensionsOf(other).every(([id, uri]) => extensions.every(([own, mine]) => own !== id || mine === uri)),
  );
}

/** A number for the names of lines that none of them has for something else; 0: there is none. `before`: agreed. */
export function freeExtension(lines: readonly Media[], before: number): number {
  const taken = new Set<string>();
  for (const line of lines) for (const [id, uri] of extensionsOf(line)) if (uri !== MID_URI) taken.add(id);
  if (before !== 0 && !taken.has(String(before))) return before;
  for (let id = 1; id <= 14; id++) if (!taken.has(String(id))) return id;
  return 0;
}

export const payloadTypesOf = (...lines: readonly Media[]): readonly number[] => [
  ...new Set(lines.flatMap(({ formats }) => formats.map(Number))),
];

/** Every line of a bundle has the transport of the one that leads it. */
export function led(side: LineSide, lead: LineSide): LineSide {
  const { local, remote, ice, dtls, rx, tx, offered } = lead;
  return { ...side, local, remote, ice, dtls, rx, tx, offered, mux: true, bundled: true };
}

export const withSide = (line: NonNullable<Position>, index: SideIndex, side: LineSide): NonNullable<Position> => ({
  ...line,
  sides: index === 0 ? [side, line.sides[1]] : [line.sides[0], side],
});

/** How many lines of that side stand on these ports. */
export function sharers(lines: readonly Position[], index: SideIndex, local: Local): number {
  let count = 0;
  for (const line of lines) if (line?.sides[index].local === local) count++;
  return count;
}

/**
 * Lines that cannot stay where they are take those with them that share a transport with them, on either side: the relay
 * opens other pairs for them, and a transport lives and dies with its pair. `fits`: by line.
 */
export function fitTogether(lines: readonly Position[], fits: boolean[]): void {
  for (let changed = true; changed; ) {
    changed = false;
    for (const [index, line] of lines.entries()) {
      if (line === undefined || fits[index] === true) continue;
      for (const [other, neighbour] of lines.entries()) {
        if (neighbour === undefined || fits[other] !== true || !shares(line.sides, neighbour.sides)) continue;
        fits[other] = false;
        changed = true;
      }
    }
  }
}

const shares = (one: readonly LineSide[], other: readonly LineSide[]): boolean =>
  one.some((side, index) => side.bundled && side.local === other[index]?.local);

/**
 * The `a=group:BUNDLE` lines of an offer of ours: lines that share a transport already are one group, the first of those
 * takes the new ones. What is agreed stands first, so that it stays what leads. `before`: what is agreed.
 */
export function bundlesOnward(lines: readonly Position[], before: readonly Position[], to: SideIndex): string {
  const groups = new Map<Local | undefined, string[]>();
  const fresh: string[] = [];
  for (const [index, line] of lines.entries()) {
    const side = line?.sides[to];
    if (side?.bundled !== true || side.mid === undefined) continue;
    const was = before[index]?.sides[to];
    if (was?.bundled !== true || was.local !== side.local) fresh.push(side.mid);
    else groups.set(side.local, [...(groups.get(side.local) ?? []), side.mid]);
  }
  const [first, ...others] = groups.values();
  const tags = [[...(first ?? []), ...fresh], ...others].filter((each) => each.length > 0);
  return tags.map((each) => `a=group:BUNDLE ${each.join(" ")}\r\n`).join("");
}

/** Is this line bundled with one that stands before it in the same description? Then that one speaks for both. */
export function isLed(lines: readonly Position[], index: number, to: SideIndex): boolean {
  const side = lines[index]?.sides[to];
  if (side?.bundled !== true) return false;
  return lines.some((line, other) => other < index && line?.sides[to].local === side.local);
}
