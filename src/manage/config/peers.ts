/** Peers and routes of the file as settings. */
import {
  familyOf,
  hostText,
  isSecure,
  type PeerSettings,
  REGISTRATION,
  type RealmSettings,
  type RouteSettings,
  type TargetSettings,
} from "../../base/index.ts";
import { readAuth, readRegister } from "./accounts.ts";
import { canonicalIp, familyName, isHostName, Malformed, parseCidr, parseTarget } from "./addresses.ts";
import { didYouMean, type Path, quoted } from "./fault.ts";
import type { Findings } from "./findings.ts";
import { readMediaRules } from "./media-rules.ts";
import { parsePattern } from "./pattern.ts";
import type { ConfigPeer, ConfigRoute } from "./schema.ts";

export type Realms = ReadonlyMap<string, RealmSettings>;

/** `directory`: what paths in it are relative to. */
export function readPeer(
  name: string,
  peer: ConfigPeer,
  realms: Realms,
  directory: string,
  findings: Findings,
): PeerSettings {
  const path: Path = ["peers", name];
  const realm = realms.get(peer.realm);
  if (realm === undefined)
    findings.fault(
      [...path, "realm"],
      `there is no realm ${quoted(peer.realm)}`,
      didYouMean(peer.realm, [...realms.keys()]),
    );

  const targets: TargetSettings[] = [];
  for (const [index, text] of peer.targets.entries()) {
    const at = [...path, "targets", index];
    const target = parseTarget(text);
    if (target instanceof Malformed) findings.fault(at, target.problem, target.remedy);
    else {
      targets.push(target);
      if (realm !== undefined) checkTarget(target, realm, realms, at, findings);
    }
  }
  // RFC 5630 §3.3: a sips address of record promises TLS on every hop.
  const isOpen = targets.some((target) => target.kind === "host" && !isSecure(target.protocol));
  if (isOpen && peer.register?.aor.toLowerCase().startsWith("sips:"))
    findings.fault([...path, "register", "aor"], "a sips: account needs TLS", "write tls: targets, or sip:");
  if (peer.reliable1xx === "off" && (peer.preconditions ?? "off") !== "off")
    findings.warning(
      [...path, "preconditions"],
      'they need reliable 1xx (RFC 3312 §11), and "reliable1xx" is "off"',
      "take one of both out",
    );
  return {
    name,
    realm: peer.realm,
    targets,
    sources: readSources(peer, path, findings),
    options: peer.options,
    maxCalls: peer.maxCalls,
    maxCallsPerSecond: peer.maxCallsPerSecond,
    maxRequestsPerSecond: peer.maxRequestsPerSecond,
    refer: peer.refer,
    tcpForLargeRequests: peer.tcpForLargeRequests ?? false,
    reliable1xx: peer.reliable1xx ?? "pass",
    preconditions: peer.preconditions ?? "off",
    redirects: peer.redirects ?? "refuse",
    responses: readResponses(peer, path, findings),
    diversion: peer.diversion ?? "pass",
    reasons: peer.reason ?? "pass",
    ...(peer.auth !== undefined && { auth: readAuth(peer.auth, [...path, "auth"], directory, findings) }),
    media: readMediaRules(peer.media ?? {}, realm?.media.rules, [...path, "media"], findings),
    ...(peer.register !== undefined && { register: readRegister(peer.register, [...path, "register"], findings) }),
  };
}

/** Statuses that mean something between two neighbours alone: the caller could do nothing with one of ours. */
const BETWEEN_NEIGHBOURS: ReadonlySet<number> = new Set([401, 407, 422, 494]);

function readResponses(peer: ConfigPeer, path: Path, findings: Findings): ReadonlyMap<number, number> {
  const responses = new Map<number, number>();
  for (const [from, to] of Object.entries(peer.responses ?? {})) {
    responses.set(Number(from), to);
    if (BETWEEN_NEIGHBOURS.has(to))
      findings.fault(
        [...path, "responses", from],
        `${to} asks the caller for something that we could not take`,
        "write another status, as in 403",
      );
  }
  return responses;
}

/** We send from a listener, so a target needs one of its protocol and family; and it must not be ourselves. */
function checkTarget(target: TargetSettings, realm: RealmSettings, realms: Realms, at: Path, findings: Findings): void {
  if (target.kind === "uri") return;
  const { protocol, host, port } = target;
  const fitting = realm.listeners.filter((listener) => listener.protocol === protocol);
  if (realm.listeners.length > 0 && fitting.length === 0) {
    findings.fault(at, `realm ${quoted(realm.name)} has no ${protocol}: listener to send from`, "add one there");
    return;
  }
  const ip = canonicalIp(host);
  if (ip === undefined) return;
  const family = familyOf(ip);
  if (fitting.length > 0 && !fitting.some((listener) => familyOf(listener.address.ip) === family))
    findings.fault(
      at,
      `realm ${quoted(realm.name)} has no ${protocol}: listener on ${familyName(family)} to send from`,
      "add one there",
    );
  for (const other of realms.values())
    for (const listener of other.listeners)
      if (listener.protocol === protocol && listener.address.ip === ip && listener.address.port === port)
        findings.fault(at, `${protocol}:${hostText(host)}:${port} is this box itself`, "write the address of the peer");
}

function readSources(peer: ConfigPeer, path: Path, findings: Findings): string[] {
  const sources: string[] = [];
  for (const [index, text] of (peer.sources ?? []).entries()) {
    const cidr = parseCidr(text);
    if (cidr instanceof Malformed) findings.fault([...path, "sources", index], cidr.problem, cidr.remedy);
    else sources.push(cidr);
  }
  return sources;
}

/** Peers of one realm that are recognised by the same address: only one of them ever will be. */
export function warnOfTwins(peers: ReadonlyMap<string, PeerSettings>, findings: Findings): void {
  const owners = new Map<string, string>();
  for (const peer of peers.values()) {
    // The Contact that it registered tells its calls from those of its twin.
    if (peer.register !== undefined && !peer.register.gin) continue;
    const addresses = new Set<string>(peer.sources);
    if (peer.sources.length === 0)
      for (const target of peer.targets) if (target.kind === "host") addresses.add(target.host);
    for (const address of addresses) {
      const key = `${peer.realm} ${address}`;
      const owner = owners.get(key);
      if (owner === undefined) owners.set(key, peer.name);
      else
        findings.warning(
          ["peers", peer.name],
          `requests from ${address} are already taken for those of ${quoted(owner)}`,
          'give the peers different "sources"',
        );
    }
  }
}

export function readRoutes(
  routes: readonly ConfigRoute[],
  peers: ReadonlyMap<string, PeerSettings>,
  realms: Realms,
  phones: boolean,
  findings: Findings,
): RouteSettings[] {
  let catchAll: number | undefined;
  return routes.map((route, index) => {
    const path: Path = ["routes", index];
    if (catchAll !== undefined)
      findings.warning(path, `it is never reached: routes[${catchAll}] takes everything`, "move it up");
    else if (Object.keys(route.when ?? {}).length === 0) catchAll = index;
    return readRoute(route, path, peers, realms, phones, findings);
  });
}

function readRoute(
  route: ConfigRoute,
  path: Path,
  peers: ReadonlyMap<string, PeerSettings>,
  realms: Realms,
  phones: boolean,
  findings: Findings,
): RouteSettings {
  const { from, realm, number, host, method, registered, peerDown } = route.when ?? {};
  const unknownPeer = (at: Path, name: string): void =>
    findings.fault(at, `there is no peer ${quoted(name)}`, didYouMean(name, [...peers.keys()]));
  for (const [index, name] of route.to.entries())
    if (name === REGISTRATION) noPhones(phones, [...path, "to", index], findings);
    else if (!peers.has(name)) unknownPeer([...path, "to", index], name);

  const at = (member: string): Path => [...path, "when", member];
  if (registered !== undefined) noPhones(phones, at("registered"), findings);
  if (peerDown !== undefined) {
    const watched = peers.get(peerDown);
    if (watched === undefined) unknownPeer(at("peerDown"), peerDown);
    else if (watched.options === undefined)
      findings.warning(at("peerDown"), `nobody asks ${quoted(peerDown)} whether it is there`, 'give it "options"');
  }
  const fromPeer = from === undefined ? undefined : peers.get(from);
  if (from !== undefined && fromPeer === undefined) unknownPeer(at("from"), from);
  if (realm !== undefined && !realms.has(realm))
    findings.fault(at("realm"), `there is no realm ${quoted(realm)}`, didYouMean(realm, [...realms.keys()]));
  else if (realm !== undefined && fromPeer !== undefined && fromPeer.realm !== realm)
    findings.fault(
      at("realm"),
      `peer ${quoted(from)} lives in ${quoted(fromPeer.realm)}, so this never holds`,
      "take it out",
    );
  if (host !== undefined && !isHostName(host) && canonicalIp(host) === undefined)
    findings.fault(at("host"), `${quoted(host)} is neither a host name nor an IP address`, "write one of them");

  const pattern = number === undefined ? undefined : parsePattern(number);
  if (pattern instanceof Malformed) findings.fault(at("number"), pattern.problem, pattern.remedy);
  return {
    when: {
      ...(from !== undefined && { from }),
      ...(realm !== undefined && { realm }),
      ...(pattern !== undefined && !(pattern instanceof Malformed) && { number: pattern }),
      ...(host !== undefined && { host: (canonicalIp(host) ?? host).toLowerCase() }),
      ...(method !== undefined && { method }),
      ...(registered !== undefined && { registered }),
      ...(peerDown !== undefined && { peerDown }),
    },
    to: route.to,
  };
}

function noPhones(phones: boolean, path: Path, findings: Findings): void {
  if (!phones) findings.fault(path, "no phone can register here", 'write "registration", or take it out');
}
