import { expect, test } from "vitest";
import { kernelAddresses, kernelLines, ringAddresses } from "../../../src/io/kernel-paths.ts";
import { boxSettings, realmSettings } from "../../support/settings.ts";

const realm = (name: string, ip: string, path: "auto" | "socket" | "af_xdp" | "xdp") =>
  realmSettings(name, ip, { media: { path } });
const native = (ip: string) => ({
  ip,
  interface: "eth0",
  mode: "native" as const,
  reason: "",
  rings: 0,
  zeroCopy: false,
});

test("the kernel is asked for addresses of auto and xdp realms, once each, and never for loopback", () => {
  const settings = boxSettings([
    realm("a", "192.0.2.1", "auto"),
    realm("b", "192.0.2.2", "xdp"),
    realm("c", "192.0.2.3", "socket"),
    realm("d", "127.0.0.1", "auto"),
    realm("e", "::1", "xdp"),
    realm("f", "192.0.2.1", "auto"),
  ]);
  expect(kernelAddresses(settings)).toEqual(["192.0.2.1", "192.0.2.2"]);
});

test("the log says what came of each address; only a path asked for by name is worth a warning", () => {
  const settings = boxSettings([
    realm("a", "192.0.2.1", "auto"),
    realm("b", "192.0.2.2", "xdp"),
    realm("c", "192.0.2.3", "socket"),
    realm("d", "127.0.0.1", "auto"),
    realm("e", "127.0.0.2", "xdp"),
  ]);
  expect(kernelLines(settings, { kernelPaths: () => [native("192.0.2.1")], kernelProblem: "" })).toEqual([
    { level: "info", realm: "a", address: "192.0.2.1", path: "xdp", mode: "native", interface: "eth0" },
    { level: "warn", realm: "b", address: "192.0.2.2", path: "socket", reason: "not attached yet" },
    { level: "warn", realm: "e", address: "127.0.0.2", path: "socket", reason: "a loopback address" },
  ]);
  const [first] = kernelLines(settings, { kernelPaths: () => [], kernelProblem: "Operation not permitted" });
  expect(first).toEqual({
    level: "info",
    realm: "a",
    address: "192.0.2.1",
    path: "socket",
    reason: "Operation not permitted",
  });
});

test("rings are asked for where af_xdp is, and the log says whether packets are copied", () => {
  const settings = boxSettings([
    realm("a", "192.0.2.1", "af_xdp"),
    realm("b", "192.0.2.2", "auto"),
    realm("c", "127.0.0.1", "af_xdp"),
  ]);
  expect(ringAddresses(settings)).toEqual(["192.0.2.1"]);
  const ringed = { ...native("192.0.2.1"), rings: 2 };
  expect(kernelLines(settings, { kernelPaths: () => [ringed, native("192.0.2.2")], kernelProblem: "" })).toEqual([
    { level: "info", realm: "a", address: "192.0.2.1", path: "af_xdp", mode: "copy", interface: "eth0" },
    { level: "info", realm: "b", address: "192.0.2.2", path: "xdp", mode: "native", interface: "eth0" },
    { level: "warn", realm: "c", address: "127.0.0.1", path: "socket", reason: "a loopback address" },
  ]);
});
