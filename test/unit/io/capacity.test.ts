import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { capacityOf, capacityWarning, descriptorLimit } from "../../../src/io/capacity.ts";
import { boxSettings, byName, peerSettings, realmSettings } from "../../support/settings.ts";

const realm = (name: string, ip: string, firstPort: number, lastPort: number) =>
  realmSettings(name, ip, { media: { firstPort, lastPort } });
const settings = (lastPort = 29_999, maxCalls?: number) =>
  boxSettings([realm("outside", "192.0.2.1", 20_000, 29_999), realm("inside", "192.0.2.2", 20_000, lastPort)], {
    peers: byName([peerSettings("pbx", "inside", { targets: [], ...(maxCalls !== undefined && { maxCalls }) })]),
  });
const limits = { descriptors: 524_288, open: 40, pairs: 20_000 };

test("the scarcest realm says how many calls the ports allow", () => {
  expect(capacityOf(settings(), limits)).toMatchObject({ calls: 5_000, limitedBy: "ports", byPorts: 5_000 });
  expect(capacityOf(settings(20_099), limits)).toMatchObject({ calls: 50, limitedBy: "ports" });
  expect(capacityOf(boxSettings([realm("alone", "192.0.2.1", 20_001, 20_100)]), limits).byPorts).toBe(24);
});

test("four sockets a call, of nine tenths of the descriptors, less those that are open", () => {
  const few = capacityOf(settings(), { ...limits, descriptors: 10_240 });
  expect(few).toMatchObject({ calls: Math.floor((10_240 - 1_024 - 40) / 4), limitedBy: "descriptors" });
  expect(capacityOf(settings(), { ...limits, descriptors: 16 }).calls).toBe(0);
  expect(capacityOf(settings(), { ...limits, pairs: 100 })).toMatchObject({ calls: 100, limitedBy: "relay" });
});

test("a peer that may have more calls than the machine allows is worth a warning that says what to do", () => {
  const wished = settings(29_999, 4_000);
  const few = capacityOf(wished, { ...limits, descriptors: 10_240 });
  expect(capacityWarning(wished, few)).toMatchObject({
    wanted: "peers.pbx.maxCalls",
    calls: 4_000,
    allowed: few.calls,
    limitedBy: "descriptors",
    remedy: expect.stringContaining("10240"),
  });
  expect(capacityWarning(wished, capacityOf(wished, limits))).toBeUndefined();
  expect(capacityWarning(settings(), few)).toBeUndefined();
});

test("the kernel tells how many descriptors this process may have", () => {
  expect(descriptorLimit()).toBeGreaterThan(readdirSync("/proc/self/fd").length);
});
