/**
 * A home behind a symmetric NAT: the host `outside` becomes its router, and phones live behind it, each in a namespace of
 * its own. Every mapping gets a port at random, for one destination alone, and is soon forgotten.
 */
import { run } from "./child.ts";
import type { Hosts } from "./network-namespaces.ts";

export interface Home {
  /** One namespace a phone, with `eth0`. */
  readonly phones: readonly { readonly netns: string; readonly ip: string }[];
  /** The router forgets all mappings at once, as at a restart. */
  reboot(): void;
  remove(): void;
}

export interface NatTimes {
  /** Seconds after which a mapping that nobody answered is forgotten; and one that has carried both ways. */
  readonly oneWay: number;
  readonly bothWays: number;
}

export function homeBehind(hosts: Hosts, prefix: string, count: number, times: NatTimes): Home {
  const router = hosts.outside;
  const phones = Array.from({ length: count }, (_, i) => ({ netns: `${prefix}-p${i}`, ip: `192.168.77.${i + 2}` }));
  const remove = (): void => {
    for (const { netns } of phones) {
      try {
        run("ip", ["netns", "del", netns]);
      } catch {
        // It was not there.
      }
    }
  };
  remove();
  run("ip", ["-n", router, "link", "add", "lan", "type", "bridge"]);
  run("ip", ["-n", router, "addr", "add", "192.168.77.1/24", "dev", "lan"]);
  run("ip", ["-n", router, "link", "set", "lan", "up"]);
  for (const [i, { netns, ip }] of phones.entries()) {
    run("ip", ["netns", "add", netns]);
    run("ip", ["-n", netns, "link", "set", "lo", "up"]);
    run("ip", ["link", "add", "eth0", "netns", netns, "type", "veth", "peer", "name", `lan${i}`, "netns", router]);
    run("ip", ["-n", router, "link", "set", `lan${i}`, "master", "lan", "up"]);
    run("ip", ["-n", netns, "addr", "add", `${ip}/24`, "dev", "eth0"]);
    run("ip", ["-n", netns, "link", "set", "eth0", "up"]);
    run("ip", ["-n", netns, "route", "add", "default", "via", "192.168.77.1"]);
  }
  const rules = `table ip home {
    chain out { type nat hook postrouting priority 100; oifname "eth0" masquerade random; }
    chain lan { type filter hook forward priority 0; iifname "eth0" oifname "lan" ct state new drop; }
  }`;
  run("nft", ["-f", "-"], { netns: router, input: rules });
  const settings = [
    "net.ipv4.ip_forward=1",
    `net.netfilter.nf_conntrack_udp_timeout=${times.oneWay}`,
    `net.netfilter.nf_conntrack_udp_timeout_stream=${times.bothWays}`,
  ];
  run("sysctl", ["-qw", ...settings], { netns: router });
  const reboot = (): void => {
    // Masqueraded mappings end with the interface that they go out by.
    run("ip", ["-n", router, "link", "set", "eth0", "down"]);
    run("ip", ["-n", router, "link", "set", "eth0", "up"]);
  };
  return { phones, reboot, remove };
}
