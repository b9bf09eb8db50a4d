/** Who is it that speaks to us? By certificate, by the address of a target, or by a configured range. */
import { isSecure, type PeerSettings, type Protocol, type Settings } from "../base/index.ts";
import { parseUri } from "../message/index.ts";
import { type Cidr, canonicalIp, cidrContains, type IpWords, parseCidr, parseIp } from "./cidr.ts";

interface RealmIndex {
  readonly byAddress: Map<string, PeerSettings>;
  /** Longest prefix first. */
  readonly byRange: { readonly cidr: Cidr; readonly peer: PeerSettings }[];
  /** Lower-case host names of targets. */
  readonly byName: Map<string, PeerSettings>;
  readonly mutualTls: boolean;
}

/** The part of a hop that tells who is there. */
export interface Caller {
  readonly realm: string;
  readonly remote: { readonly ip: string };
  readonly protocol: Protocol;
  readonly tlsNames: readonly string[];
}

export class Recognition {
  readonly #realms = new Map<string, RealmIndex>();

  /** `resolved`: the addresses that the names in a peer's targets stand for, as far as they are known. */
  constructor(settings: Settings, resolved: (peer: PeerSettings) => readonly string[]) {
    for (const realm of settings.realms.values()) {
      const mutualTls = realm.tls?.verify === "mutual";
      this.#realms.set(realm.name, { byAddress: new Map(), byRange: [], byName: new Map(), mutualTls });
    }
    for (const peer of settings.peers.values()) {
      const index = this.#realms.get(peer.realm);
      if (index !== undefined) add(index, peer, resolved(peer));
    }
    for (const index of this.#realms.values()) index.byRange.sort((a, b) => b.cidr.bits - a.cidr.bits);
  }

  peerOf(caller: Caller): PeerSettings | undefined {
    const index = this.#realms.get(caller.realm);
    if (index === undefined) return undefined;
    if (index.mutualTls && isSecure(caller.protocol)) return byCertificate(index, caller);
    return byAddress(index, caller.remote.ip);
  }
}

/**
 * Is this peer there, whoever else may be? For what we send: several accounts may live at one address, and requests of a
 * peer with `sources` come from elsewhere than its targets are.
 */
export function isAt(peer: PeerSettings, place: Standing, resolved: readonly string[]): boolean {
  if (place.realm !== peer.realm) return false;
  const names = namesOf(peer);
  if (place.tlsNames?.some((name) => names.includes(name.toLowerCase())) === true) return true;
  const ip = canonicalIp(place.remote.ip);
  if ([...hostsOf(peer), ...resolved].some((host) => canonicalIp(host) === ip)) return true;
  return isInSources(peer, place);
}

export function isInSources(peer: PeerSettings, { realm, remote }: Standing): boolean {
  const words = realm === peer.realm ? parseIp(remote.ip) : undefined;
  return words !== undefined && peer.sources.some((text) => contains(text, words));
}

/** A hop or a destination. */
export interface Standing {
  readonly realm: string;
  readonly remote: { readonly ip: string };
  readonly tlsNames?: readonly string[];
}

function contains(range: string, words: IpWords): boolean {
  const cidr = parseCidr(range);
  return cidr !== undefined && cidrContains(cidr, words);
}

/** The certificate decides; only a peer that has no name in the configuration is told by its address. */
function byCertificate(index: RealmIndex, caller: Caller): PeerSettings | undefined {
  for (const name of caller.tlsNames) {
    const peer = index.byName.get(name.toLowerCase());
    if (peer !== undefined) return peer;
  }
  const peer = byAddress(index, caller.remote.ip);
  return peer !== undefined && namesOf(peer).length === 0 ? peer : undefined;
}

function byAddress(index: RealmIndex, ip: string): PeerSettings | undefined {
  const exact = index.byAddress.get(ip.includes(":") ? canonicalIp(ip) : ip);
  if (exact !== undefined || index.byRange.length === 0) return exact;
  const words: IpWords | undefined = parseIp(ip);
  if (words === undefined) return undefined;
  for (const { cidr, peer } of index.byRange) if (cidrContains(cidr, words)) return peer;
  return undefined;
}

/** The peer that is configured first keeps an address that two of them name. */
function add(index: RealmIndex, peer: PeerSettings, resolved: readonly string[]): void {
  for (const name of namesOf(peer)) if (!index.byName.has(name)) index.byName.set(name, peer);
  if (peer.sources.length > 0) {
    for (const text of peer.sources) {
      const cidr = parseCidr(text);
      if (cidr !== undefined) index.byRange.push({ cidr, peer });
    }
    return;
  }
  for (const address of [...hostsOf(peer).filter(isIp), ...resolved]) {
    const key = canonicalIp(address);
    if (!index.byAddress.has(key)) index.byAddress.set(key, peer);
  }
}

const isIp = (host: string): boolean => parseIp(host) !== undefined;

const namesOf = (peer: PeerSettings): readonly string[] => hostsOf(peer).filter((host) => !isIp(host));

const hostsOf = (peer: PeerSettings): readonly string[] =>
  peer.targets.map((target) => {
    if (target.kind === "host") return target.host.toLowerCase();
    const uri = parseUri(target.uri);
    return uri.scheme === "sip" || uri.scheme === "sips" ? uri.host : "";
  });
