/** How many calls the limits of the machine and of the configuration allow. */
import { readFileSync } from "node:fs";
import type { Settings } from "../base/index.ts";

/** Sockets of a call with one stream: RTP and RTCP on both legs. Where a leg shares one port for both it takes one less. */
const SOCKETS_A_CALL = 4;
/** Of all descriptors, beside those that are open at the start: connections of TLS and WebSocket, files. */
const KEPT_SHARE = 0.1;

export interface Capacity {
  /** Of one stream each, with ports of their own for RTCP. */
  readonly calls: number;
  /** What would be short first. */
  readonly limitedBy: "ports" | "descriptors" | "relay";
  /** Calls by each alone. */
  readonly byPorts: number;
  readonly byDescriptors: number;
  readonly byRelay: number;
  /** Descriptors that the process may have. */
  readonly descriptors: number;
}

/** `descriptors`: that the process may have; `open`: that it has before the first call; `pairs`: of the relay. */
export function capacityOf(settings: Settings, limits: { descriptors: number; open: number; pairs: number }): Capacity {
  const kept = limits.open + Math.ceil(limits.descriptors * KEPT_SHARE);
  const by = {
    ports: callsByPorts(settings),
    descriptors: Math.max(0, Math.floor((limits.descriptors - kept) / SOCKETS_A_CALL)),
    relay: limits.pairs,
  };
  const words = ["ports", "descriptors", "relay"] as const;
  const limitedBy = words.reduce((least, word) => (by[word] < by[least] ? word : least));
  return {
    calls: by[limitedBy],
    limitedBy,
    byPorts: by.ports,
    byDescriptors: by.descriptors,
    byRelay: by.relay,
    descriptors: limits.descriptors,
  };
}

/** What the operator has asked for and the machine does not allow, as a line of the log; `undefined`: nothing. */
export function capacityWarning(
  settings: Settings,
  capacity: Capacity,
): { readonly [word: string]: unknown } | undefined {
  const wishes = [...settings.peers.values()].flatMap(({ name, maxCalls }) =>
    maxCalls === undefined ? [] : [{ name: `peers.${name}.maxCalls`, calls: maxCalls }],
  );
  const largest = wishes.sort((a, b) => b.calls - a.calls)[0];
  const { calls, limitedBy, descriptors } = capacity;
  // Ports are the configuration's own, and judged where it is read.
  if (largest === undefined || limitedBy === "ports" || largest.calls <= calls) return undefined;
  const remedy =
    limitedBy === "descriptors"
      ? `raise the limit of descriptors (LimitNOFILE, ulimit -n) from ${descriptors} or lower ${largest.name} to ${calls}`
      : `lower ${largest.name} to ${calls}`;
  return { wanted: largest.name, calls: largest.calls, allowed: calls, limitedBy, remedy };
}

/** Limit of this process, as the kernel tells it. */
export function descriptorLimit(): number {
  const found = /^Max open files +(\d+|unlimited)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
  return found === undefined || found === "unlimited" ? Number.MAX_SAFE_INTEGER : Number(found);
}

/** A call has a stream in each of two realms; where there is one realm alone, both are there. */
function callsByPorts(settings: Settings): number {
  const streams = [...settings.realms.values()].map(({ media }) => {
    const even = media.firstPort + (media.firstPort & 1);
    return Math.max(0, Math.floor((media.lastPort + 1 - even) / 2)) * media.addresses.length;
  });
  const all = streams.reduce((sum, one) => sum + one, 0);
  return streams.length < 2 ? Math.floor(all / 2) : Math.min(Math.floor(all / 2), all - Math.max(...streams));
}
