import { expect, test } from "vitest";
import { parseUri } from "../../../src/message/index.ts";
import { hideNameAddr, requestUriFor } from "../../../src/policy/index.ts";
import { realm } from "./realms.ts";

test.each([
  ["sip:+4930@10.0.0.9:5080;transport=tcp;user=phone?X=1", "sip:+4930@sbc.example.test;user=phone"],
  ["sips:alice:secret@pbx.lan", "sips:alice@sbc.example.test"],
  ["sip:pbx.lan;maddr=10.0.0.9;lr", "sip:sbc.example.test"],
  ["sip:anonymous@anonymous.invalid", "sip:anonymous@anonymous.invalid"],
  ["sip:bob@shown.example.com:5062", "sip:bob@shown.example.com"],
  ["sip:22;phone-context=pbx.lan@10.0.0.9", "sip:22@sbc.example.test"],
  ["sip:22;phone-context=+49@10.0.0.9", "sip:22;phone-context=+49@sbc.example.test"],
  ["tel:+4930", "tel:+4930"],
  ["tel:22;phone-context=pbx.lan", "tel:22"],
  ["urn:service:sos", "urn:service:sos"],
  ["http://pbx.lan/bob", "sip:sbc.example.test"],
])("%s reads %s on the other side", (uri, hidden) => {
  expect(hide(uri).uri).toBe(hidden);
});

test("no tag is ever copied, and a display name that tells an address goes", () => {
  expect([...hide("sip:a@pbx.lan", "Alice").params]).toEqual([]);
  expect(hide("sip:a@pbx.lan", "Alice").display).toBe("Alice");
  expect(hide("sip:a@pbx.lan", "a@PBX.lan").display).toBeUndefined();
  expect(hide("sip:a@pbx.lan", "a on 10.0.0.9").display).toBeUndefined();
});

test("the To of a request to a peer names the peer", () => {
  const context = { to: realm("outside"), host: "sbc.example.test", peerHost: "carrier.example" };
  expect(hideNameAddr({ uri: "sip:1@10.0.0.1", params: new Map() }, context).uri).toBe("sip:1@carrier.example");
});

test.each([
  ["sip:+4930@sbc.example.test;transport=tls;user=phone", 5060, "sip:+4930@10.0.0.9:5060;user=phone"],
  ["sips:bob:pw@sbc.example.test?Replaces=x", undefined, "sip:bob@10.0.0.9"],
  ["tel:+49-30;isub=1", 5080, "sip:+49-30;isub=1@10.0.0.9:5080;user=phone"],
  ["sip:sbc.example.test", 5080, "sip:10.0.0.9:5080"],
])("a request for %s goes to port %s as %s", (uri, port, expected) => {
  expect(requestUriFor(parseUri(uri), { host: "10.0.0.9", port, scheme: "sip" })).toBe(expected);
});

test("an IPv6 target stands in brackets, given with or without", () => {
  const uri = parseUri("sip:bob@x.example");
  for (const host of ["2001:db8::9", "[2001:db8::9]"]) {
    expect(requestUriFor(uri, { host, port: 5060, scheme: "sips" })).toBe("sips:bob@[2001:db8::9]:5060");
  }
});

test("a scheme we cannot route is refused with 416", () => {
  expect(() => requestUriFor(parseUri("mailto:bob@x.example"), { host: "h", scheme: "sip" })).toThrow(
    expect.objectContaining({ status: 416 }),
  );
});

function hide(uri: string, display?: string) {
  const params = new Map([["tag", "1928"]]);
  const value = display === undefined ? { uri, params } : { display, uri, params };
  const to = realm("outside", { publicDomains: ["shown.example.com"] });
  return hideNameAddr(value, { to, host: "sbc.example.test" });
}
