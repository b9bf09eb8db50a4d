/** What the operator says of requests outside of calls. */
import { expect, test } from "vitest";
import { faultText, readSettings } from "../../../src/manage/index.ts";

test("bounds have defaults; methods of no RFC are refused unless the realm passes them; a peer may ask as fast as it likes", () => {
  const { limits, realms, peers } = settings("");
  expect(limits).toMatchObject({ subscriptions: 10_000, subscriptionsPerSource: 1_000 });
  expect(realms.get("a")?.otherMethods).toBe("refuse");
  expect(peers.get("p")?.maxRequestsPerSecond).toBeUndefined();
});

test("each can be said", () => {
  const { limits, realms, peers } = settings(
    '"limits": { "subscriptions": 0, "subscriptionsPerSource": 5 },',
    "pass",
    2.5,
  );
  expect(limits).toMatchObject({ subscriptions: 0, subscriptionsPerSource: 5 });
  expect(realms.get("a")?.otherMethods).toBe("pass");
  expect(peers.get("p")?.maxRequestsPerSecond).toBe(2.5);
});

test("what cannot be is a fault with a place", () => {
  expect(faults(read('"limits": { "subscriptions": -1 },'))).toEqual([
    "x.jsonc:1:32: limits.subscriptions: -1 is out of range; write 0 to 1000000",
  ]);
  expect(faults(read("", "forward"))[0]).toMatch(/realms\.a\.otherMethods: "forward" .*refuse/);
  expect(faults(read("", "pass", 0))[0]).toMatch(/peers\.p\.maxRequestsPerSecond: 0 /);
});

function settings(...wishes: Parameters<typeof read>) {
  const loaded = read(...wishes);
  if (!loaded.ok) throw new Error(faults(loaded).join("\n"));
  return loaded.settings;
}

const faults = (loaded: ReturnType<typeof read>): string[] => (loaded.ok ? [] : loaded.faults.map(faultText));

/** 2026 in milliseconds: no certificate is looked at. */
const read = (members: string, otherMethods?: string, perSecond?: number) =>
  readSettings(
    "x.jsonc",
    `{ ${members} "realms": { "a": { "trust": "full", "listen": ["udp:127.0.0.1:5060"], ${otherMethods === undefined ? "" : `"otherMethods": "${otherMethods}",`} "media": { "address": "127.0.0.1", "ports": "20000-59999" }, "srtp": "off" } }, "peers": { "p": { "realm": "a", "targets": ["udp:127.0.0.9:5060"] ${perSecond === undefined ? "" : `, "maxRequestsPerSecond": ${perSecond}`} } } }`,
    1_790_000_000_000,
  );
