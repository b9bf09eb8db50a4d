/**
 * Hosts as network namespaces: `PREFIX-out` (outside), `PREFIX-box` and `PREFIX-in` (inside), joined by veth pairs.
 * The box does not forward: only Sallyport carries anything between the other two.
 */
import { run } from "./child.ts";

export interface Hosts {
  readonly outside: string;
  readonly box: string;
  readonly inside: string;
  readonly ip: {
    readonly outside: string;
    readonly boxOutside: string;
    readonly boxInside: string;
    readonly inside: string;
  };
  readonly ip6: Hosts["ip"];
  /** Interfaces of the box, for captures. */
  readonly interfaces: { readonly outside: string; readonly inside: string };
  remove(): void;
}

/** `prefix`: at most 8 characters, its own for each test file. `net`: the second byte of the addresses, likewise. */
export function makeHosts(prefix: string, net: number): Hosts {
  const names = { outside: `${prefix}-out`, box: `${prefix}-box`, inside: `${prefix}-in` };
  const remove = (): void => {
    for (const name of Object.values(names)) unlessAbsent(() => run("ip", ["netns", "del", name]));
  };
  remove(); // A test that was killed may have left them.
  for (const name of Object.values(names)) {
    run("ip", ["netns", "add", name]);
    run("ip", ["-n", name, "link", "set", "lo", "up"]);
  }
  const ip = addresses((side, host) => `10.${net}.${side}.${host}`);
  const ip6 = addresses((side, host) => `fd00:${net}:${side}::${host}`);
  const interfaces = { outside: `${prefix}o`, inside: `${prefix}i` };
  join(names.outside, "eth0", ip.outside, ip6.outside, names.box, interfaces.outside, ip.boxOutside, ip6.boxOutside);
  join(names.inside, "eth0", ip.inside, ip6.inside, names.box, interfaces.inside, ip.boxInside, ip6.boxInside);
  run("sysctl", ["-qw", "net.ipv4.ip_forward=0", "net.ipv6.conf.all.forwarding=0"], { netns: names.box });
  return { ...names, ip, ip6, interfaces, remove };
}

function addresses(address: (side: number, host: number) => string): Hosts["ip"] {
  return { outside: address(1, 2), boxOutside: address(1, 1), boxInside: address(2, 1), inside: address(2, 2) };
}

function join(
  a: string,
  ifA: string,
  ipA: string,
  ip6A: string,
  b: string,
  ifB: string,
  ipB: string,
  ip6B: string,
): void {
  run("ip", ["link", "add", ifA, "netns", a, "type", "veth", "peer", "name", ifB, "netns", b]);
  for (const [netns, name, ip, ip6] of [[a, ifA, ipA, ip6A] as const, [b, ifB, ipB, ip6B] as const]) {
    run("ip", ["-n", netns, "addr", "add", `${ip}/24`, "dev", name]);
    run("ip", ["-n", netns, "addr", "add", `${ip6}/64`, "dev", name, "nodad"]);
    run("ip", ["-n", netns, "link", "set", name, "up"]);
  }
}

function unlessAbsent(action: () => void): void {
  try {
    action();
  } catch {
    // It was not there.
  }
}
