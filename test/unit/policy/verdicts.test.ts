import { expect, test } from "vitest";
import type { Protocol } from "../../../src/base/index.ts";
import { accessVerdict, mapStatus, sipsVerdict } from "../../../src/policy/index.ts";
import { realm } from "./realms.ts";

const tlsListener = { id: "t", realm: "inside", protocol: "tls", address: { ip: "10.0.0.1", port: 5061 } } as const;

test("toward TLS every scheme becomes sips", () => {
  for (const requestScheme of ["sip", "sips", "tel"] as const) {
    expect(sipsVerdict({ requestScheme, toRealm: realm("outside"), toProtocol: "tls" })).toEqual({ scheme: "sips" });
  }
});

test.each(["udp", "tcp"] as Protocol[])("sips never leaves over %s unless a trusted realm says so", (toProtocol) => {
  const ask = (toRealm: ReturnType<typeof realm>) => sipsVerdict({ requestScheme: "sips", toRealm, toProtocol });
  expect(ask(realm("inside", { sips: "translate" }))).toEqual({ scheme: "sip" });
  expect(ask(realm("inside", { sips: "translate", trust: "peer" }))).toMatchObject({ refuse: 416 });
  expect(ask(realm("inside"))).toMatchObject({ refuse: 416, warning: { code: 380 } });
  expect(ask(realm("inside", { listeners: [tlsListener] }))).toMatchObject({ refuse: 480, warning: { code: 380 } });
});

test("strangers hear 403 whatever they ask, trusted sources 404, an ACK nothing", () => {
  const none = { trust: "none", recognised: false, routed: false } as const;
  for (const method of ["INVITE", "OPTIONS", "REGISTER", "MESSAGE", "FOO"]) {
    expect(accessVerdict({ ...none, method })).toMatchObject({ verdict: "refuse", status: 403 });
    expect(accessVerdict({ ...none, method, recognised: true })).toMatchObject({ status: 404 });
    expect(accessVerdict({ ...none, method, trust: "full" })).toMatchObject({ status: 404 });
    expect(accessVerdict({ ...none, method, routed: true })).toEqual({ verdict: "serve" });
  }
  expect(accessVerdict({ ...none, method: "ACK" })).toMatchObject({ verdict: "drop" });
});

test.each([
  [180, 180, "Ringing"],
  [198, 183, "Session Progress"],
  [299, 200, "OK"],
  [302, 480, "Temporarily Unavailable"],
  [401, 403, "Forbidden"],
  [407, 403, "Forbidden"],
  [486, 486, "Busy Here"],
  [499, 400, "Bad Request"],
  [503, 500, "Server Internal Error"],
  [603, 603, "Decline"],
  [699, 600, "Busy Everywhere"],
])("a %i of one side is a %i %s on the other", (status, mapped, reason) => {
  expect(mapStatus(status)).toEqual({ status: mapped, reason });
});
