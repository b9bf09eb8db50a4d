/**
 * Keeps the kernel from handing our media ports to other programs as ephemeral ones: a port that is announced in SDP and
 * then taken would end the call that it was promised to. The kernel's list is merged with ours, and put back at the end
 * when nobody else has changed it meanwhile. Without the right to write it, we say so and go on.
 */
import { readFileSync, writeFileSync } from "node:fs";

const RESERVED = "/proc/sys/net/ipv4/ip_local_reserved_ports"; // IPv6 uses the same list.
const EPHEMERAL = "/proc/sys/net/ipv4/ip_local_port_range";

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

export interface Reservation {
  /** What the log should say, when ports stay at risk. */
  readonly warning: string | undefined;
  release(): void;
}

/** Files are parameters for the tests. */
export function reservePorts(
  ranges: readonly PortRange[],
  files = { reserved: RESERVED, ephemeral: EPHEMERAL },
): Reservation {
  const kept: Reservation = { warning: undefined, release: () => {} };
  try {
    const [low = 0, high = 0] = readFileSync(files.ephemeral, "utf8").trim().split(/\s+/).map(Number);
    const before = readFileSync(files.reserved, "utf8").trim();
    const wanted = ranges.filter(({ first, last }) => first <= high && last >= low);
    const missing = wanted.filter((range) => !covered(range, parse(before)));
    if (missing.length === 0) return kept;
    return write(files.reserved, before, missing);
  } catch {
    return kept; // No such list on this kernel, or none that we may read.
  }
}

function write(file: string, before: string, missing: readonly PortRange[]): Reservation {
  const text = [before, ...missing.map(({ first, last }) => `${first}-${last}`)]
    .filter((part) => part !== "")
    .join(",");
  try {
    writeFileSync(file, text);
  } catch {
    const names = missing.map(({ first, last }) => `${first}-${last}`).join(", ");
    const warning = `media ports ${names} are among the kernel's ephemeral ones: another program may take one; reserve them in net.ipv4.ip_local_reserved_ports`;
    return { warning, release: () => {} };
  }
  const written = readFileSync(file, "utf8");
  return {
    warning: undefined,
    release: () => {
      try {
        if (readFileSync(file, "utf8") === written) writeFileSync(file, before === "" ? "\n" : before);
      } catch {
        // The list is not worth a failure at the end.
      }
    },
  };
}

function parse(list: string): PortRange[] {
  return list
    .split(",")
    .filter((part) => part !== "")
    .map((part) => {
      const [first = 0, last = first] = part.split("-").map(Number);
      return { first, last };
    });
}

const covered = ({ first, last }: PortRange, held: readonly PortRange[]): boolean =>
  held.some((range) => range.first <= first && range.last >= last);
