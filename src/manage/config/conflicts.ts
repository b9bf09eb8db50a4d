/** Two things that cannot both have the same ports, and ranges that are too small. */
import type { ListenerSettings, PeerSettings, RealmSettings } from "../../base/index.ts";
import { isWildcard, pairsIn } from "./addresses.ts";
import { quoted } from "./fault.ts";
import type { Findings } from "./findings.ts";
import type { Realms } from "./peers.ts";
import type { ConfigFile } from "./schema.ts";

/** Audio and video, each with RTP and RTCP: what one call takes on one side. */
const PORTS_PER_CALL = 4;

export function checkConflicts(
  config: ConfigFile,
  realms: Realms,
  peers: ReadonlyMap<string, PeerSettings>,
  findings: Findings,
): void {
  const all = [...realms.values()];
  checkListeners(config, all, findings);
  for (const [index, realm] of all.entries()) {
    for (const other of all.slice(0, index)) checkRanges(realm, other, findings);
    for (const other of all) checkRangeAndListeners(realm, other, findings);
    checkRoom(realm, config, peers, findings);
  }
}

function checkListeners(config: ConfigFile, realms: readonly RealmSettings[], findings: Findings): void {
  const taken: ListenerSettings[] = [];
  for (const realm of realms)
    for (const listener of realm.listeners) {
      const clash = taken.find((other) => sameSocket(listener, other));
      taken.push(listener);
      if (clash === undefined) continue;
      const written = config.realms[realm.name]?.listen ?? [];
      const index = written.findIndex((text) => listener.id.endsWith(`/${text.toLowerCase()}`));
      findings.fault(
        index < 0 ? ["realms", realm.name, "listen"] : ["realms", realm.name, "listen", index],
        `the port is already taken by ${clash.id}`,
        "give it another port or address",
      );
    }
}

/** All but UDP listen on the same kind of port. A wildcard takes the port on every address. */
function sameSocket(a: ListenerSettings, b: ListenerSettings): boolean {
  if (a.address.port !== b.address.port || (a.protocol === "udp") !== (b.protocol === "udp")) return false;
  return a.address.ip === b.address.ip || isWildcard(a.address.ip) || isWildcard(b.address.ip);
}

function checkRanges(realm: RealmSettings, other: RealmSettings, findings: Findings): void {
  const shared = realm.media.addresses.find((ip) => other.media.addresses.includes(ip));
  if (shared === undefined) return;
  const first = Math.max(realm.media.firstPort, other.media.firstPort);
  const last = Math.min(realm.media.lastPort, other.media.lastPort);
  if (first <= last)
    findings.fault(
      ["realms", realm.name, "media", "ports"],
      `${first}-${last} on ${shared} also belong to realm ${quoted(other.name)}`,
      "write ranges that do not overlap, or another address",
    );
}

function checkRangeAndListeners(realm: RealmSettings, other: RealmSettings, findings: Findings): void {
  const { firstPort, lastPort, addresses } = realm.media;
  for (const { id, protocol, address } of other.listeners)
    if (
      protocol === "udp" &&
      address.port >= firstPort &&
      address.port <= lastPort &&
      (addresses.includes(address.ip) || isWildcard(address.ip))
    )
      findings.fault(
        ["realms", realm.name, "media", "ports"],
        `the range contains the port of the listener ${id}`,
        "write a range without it",
      );
}

function checkRoom(
  realm: RealmSettings,
  config: ConfigFile,
  peers: ReadonlyMap<string, PeerSettings>,
  findings: Findings,
): void {
  const { firstPort, lastPort, addresses } = realm.media;
  if (addresses.length === 0) return; // The address or the range is wrong, which has been said.
  const path = ["realms", realm.name, "media", "ports"];
  const range = `${firstPort}-${lastPort}`;
  const pairs = pairsIn(firstPort, lastPort);
  if (pairs === 0) {
    findings.fault(path, `${range} holds no even port with the odd one above it`, "widen it");
    return;
  }
  const wanted = largestWish(realm, config, peers);
  const held = Math.floor((pairs * 2) / PORTS_PER_CALL);
  if (wanted === undefined || wanted.calls <= held) return;
  const even = firstPort + (firstPort & 1);
  const needed = even + wanted.calls * PORTS_PER_CALL - 1;
  const widen = needed <= 65_535 ? `widen it to ${even}-${needed}` : "widen it";
  findings.fault(
    path,
    `${range} holds ${held} calls but ${wanted.name} is ${wanted.calls}`,
    `${widen} or lower ${wanted.name} to ${held}`,
  );
}

/** The largest number of calls that the operator asks for in a realm; defaults are no wish. */
function largestWish(
  realm: RealmSettings,
  config: ConfigFile,
  peers: ReadonlyMap<string, PeerSettings>,
): { name: string; calls: number } | undefined {
  const wishes = [...peers.values()]
    .filter((peer) => peer.realm === realm.name && peer.maxCalls !== undefined)
    .map((peer) => ({ name: `peers.${peer.name}.maxCalls`, calls: peer.maxCalls as number }));
  if (config.limits?.calls !== undefined) wishes.push({ name: "limits.calls", calls: config.limits.calls });
  return wishes.sort((a, b) => b.calls - a.calls)[0];
}
