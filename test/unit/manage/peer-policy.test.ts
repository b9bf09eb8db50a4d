/** What the operator may say of a peer's redirects, refusals, causes, diversions and early dialogs, and of a realm's Session-ID. */
import { expect, test } from "vitest";
import { faultText, readSettings } from "../../../src/manage/index.ts";

test("unless the operator says otherwise 3xx are not for the caller, and all else crosses as it came", () => {
  const { settings } = good("", "");
  expect(settings.peers.get("pbx")).toMatchObject({
    redirects: "refuse",
    responses: new Map(),
    diversion: "pass",
    reasons: "pass",
    reliable1xx: "pass",
    preconditions: "off",
  });
  expect(settings.realms.get("a")).toMatchObject({ sessionId: "pass" });
});

test("every word is taken", () => {
  const { settings } = good(
    `, "redirects": "follow", "responses": { "486": 603, "503": 480 }, "diversion": "history-info", "reason": "both", "reliable1xx": "require", "preconditions": "require"`,
    `, "sessionId": "create"`,
  );
  expect(settings.peers.get("pbx")).toMatchObject({
    redirects: "follow",
    responses: new Map([
      [486, 603],
      [503, 480],
    ]),
    diversion: "history-info",
    reasons: "both",
    reliable1xx: "require",
    preconditions: "require",
  });
  expect(settings.realms.get("a")).toMatchObject({ sessionId: "create" });
});

test.each([
  [`, "responses": { "486": 407 }`, /peers\.pbx\.responses\.486: 407 asks the caller .*; write another status/],
  [`, "responses": { "302": 480 }`, /peers\.pbx\.responses/],
  [`, "responses": { "486": 200 }`, /peers\.pbx\.responses\.486: 200 is out of range; write 400 to 699/],
  [`, "redirects": "folow"`, /peers\.pbx\.redirects: .*did you mean "follow"/],
  [`, "reason": "isup"`, /peers\.pbx\.reason: /],
  [`, "reliable1xx": "of"`, /peers\.pbx\.reliable1xx: .*did you mean "off"/],
  [`, "preconditions": "on"`, /peers\.pbx\.preconditions: /],
  [`, "diversion": true`, /peers\.pbx\.diversion: /],
])("%s is a fault with its place", (members, fault) => {
  const loaded = read(members, "");
  expect(loaded.ok).toBe(false);
  if (!loaded.ok) expect(loaded.faults.map(faultText).join("\n")).toMatch(fault);
});

test("preconditions without reliable 1xx are worth a warning", () => {
  const warnings = (members: string) => good(members, "").warnings.map(faultText).join("\n");
  expect(warnings(`, "reliable1xx": "off", "preconditions": "require"`)).toMatch(
    /peers\.pbx\.preconditions: they need/,
  );
  expect(warnings(`, "reliable1xx": "off", "preconditions": "off"`)).toBe("");
  expect(warnings(`, "preconditions": "require"`)).toBe("");
});

test("a limit of one source above that of all is worth a warning", () => {
  const warnings = (limits: string) =>
    good("", "", `, "limits": { ${limits} }`).warnings.map(({ path }) => path.join("."));
  expect(warnings(`"subscriptions": 10, "subscriptionsPerSource": 11`)).toEqual(["limits.subscriptionsPerSource"]);
  expect(warnings(`"connections": 10, "connectionsPerSource": 11`)).toEqual(["limits.connectionsPerSource"]);
  expect(warnings(`"subscriptions": 10, "subscriptionsPerSource": 10, "connections": 10`)).toEqual([]);
});

function good(peer: string, realm: string, more = "") {
  const loaded = read(peer, realm, more);
  if (!loaded.ok) throw new Error(loaded.faults.map(faultText).join("\n"));
  return loaded;
}

/** 2026 in milliseconds: no certificate is looked at. */
const read = (peer: string, realm: string, more = "") =>
  readSettings(
    "x.jsonc",
    `{ "realms": { "a": { "trust": "full", "listen": ["udp:127.0.0.1:5060"], "media": { "address": "127.0.0.1", "ports": "20000-59999" }, "srtp": "off"${realm} } },
       "peers": { "pbx": { "realm": "a", "targets": ["udp:127.0.0.1:5080"]${peer} } }${more} }`,
    1_790_000_000_000,
  );
