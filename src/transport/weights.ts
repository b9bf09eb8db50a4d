import { below, type Random } from "../base/index.ts";

/** What RFC 2782 orders by. */
export interface Weighted {
  readonly priority: number;
  readonly weight: number;
}

/**
 * Servers in the order to try them: lower priorities first, and by lot within one priority, so that each comes first
 * as often as its weight says. RFC 2782 "Usage rules".
 */
export function orderServers<T extends Weighted>(servers: readonly T[], random: Random): T[] {
  const ordered: T[] = [];
  const priorities = [...new Set(servers.map((server) => server.priority))].sort((a, b) => a - b);
  for (const priority of priorities) {
    // Weight 0 stands first, so that it has a small chance too: it wins when the lot is 0.
    const left = servers
      .filter((server) => server.priority === priority)
      .sort((a, b) => +(a.weight > 0) - +(b.weight > 0));
    while (left.length > 0) ordered.push(...left.splice(draw(left, random), 1));
  }
  return ordered;
}

function draw(servers: readonly Weighted[], random: Random): number {
  const total = servers.reduce((sum, server) => sum + server.weight, 0);
  const lot = below(random, total + 1);
  let sum = 0;
  for (let i = 0; i < servers.length; i++) {
    sum += (servers[i] as Weighted).weight;
    if (sum >= lot) return i;
  }
  return servers.length - 1;
}
