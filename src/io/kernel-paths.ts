/** Which media addresses the kernel may forward for, and what the log says came of it. */
import type { Settings } from "../base/index.ts";
import type { Relay } from "./relay.ts";

/** `auto` asks for the kernel where it gains something: on loopback it gains nothing. */
export function kernelAddresses(settings: Settings): string[] {
  const wanted = [...settings.realms.values()].filter(({ media }) => media.path === "auto" || media.path === "xdp");
  const addresses = wanted.flatMap(({ media }) => media.addresses.filter((ip) => !isLoopback(ip)));
  return [...new Set(addresses)];
}

/** Rings are for who asks for them by name. */
export function ringAddresses(settings: Settings): string[] {
  const wanted = [...settings.realms.values()].filter(({ media }) => media.path === "af_xdp");
  const addresses = wanted.flatMap(({ media }) => media.addresses.filter((ip) => !isLoopback(ip)));
  return [...new Set(addresses)];
}

export interface KernelLine {
  readonly level: "info" | "warn";
  readonly [more: string]: string;
}

/** A line an address. Where `xdp` was asked for by name and is not to be had, that is a warning; the sockets work either way. */
export function kernelLines(settings: Settings, relay: Pick<Relay, "kernelPaths" | "kernelProblem">): KernelLine[] {
  const paths = new Map(relay.kernelPaths().map((path) => [path.ip, path]));
  const lines: KernelLine[] = [];
  for (const { name: realm, media } of settings.realms.values()) {
    if (media.path === "socket") continue;
    for (const address of media.addresses) {
      const found = paths.get(address);
      if (media.path === "af_xdp" && found !== undefined && found.rings > 0) {
        const mode = found.zeroCopy ? "zero-copy" : "copy";
        lines.push({ level: "info", realm, address, path: "af_xdp", mode, interface: found.interface });
        continue;
      }
      if (media.path !== "af_xdp" && found !== undefined && found.mode !== "none") {
        lines.push({ level: "info", realm, address, path: "xdp", mode: found.mode, interface: found.interface });
        continue;
      }
      if (isLoopback(address) && media.path === "auto") continue;
      const reason = isLoopback(address)
        ? "a loopback address"
        : found?.reason || relay.kernelProblem || "not attached yet";
      lines.push({ level: media.path === "auto" ? "info" : "warn", realm, address, path: "socket", reason });
    }
  }
  return lines;
}

const isLoopback = (ip: string): boolean => ip === "::1" || ip.startsWith("127.");
