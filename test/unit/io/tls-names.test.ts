import { expect, test } from "vitest";
import { askedFor, belongsTo, namesAskedBy, sipIdentities } from "../../../src/io/tls-names.ts";

const certificate = (subjectAltName: string | undefined, subject = "O=Example\nCN=common.example.com") => ({
  subject,
  subjectAltName,
});

test.each([
  ["URI:sip:example.com", ["example.com"]],
  ["URI:SIP:Example.COM;transport=tls", ["example.com"]],
  ["DNS:sbc.example.com, URI:sip:example.com", ["example.com"]], // A URI leaves no room for DNS names.
  ["DNS:a.example.com, DNS:B.example.com.", ["a.example.com", "b.example.com"]],
  ["URI:sip:alice@example.com, DNS:example.org", ["example.org"]], // A user is not a domain.
  ["URI:sips:example.com", []],
  ["URI:https://example.com", []],
  ["IP Address:192.0.2.1", []],
  ['DNS:"a.example.com\\u002c DNS:evil.example.com"', ["a.example.com, dns:evil.example.com"]],
  ['URI:"sip:a.example.com, URI:sip:evil.example.com"', ["a.example.com, uri"]],
  [undefined, ["common.example.com"]],
])("identities of a certificate for %s", (alternatives, identities) => {
  expect(sipIdentities(certificate(alternatives))).toEqual(identities);
});

test("a common name counts only without a subjectAltName, and only as a DNS name", () => {
  expect(sipIdentities(certificate("email:a@example.com"))).toEqual([]);
  expect(sipIdentities(certificate(undefined, "CN=Our Example"))).toEqual([]);
  expect(sipIdentities(certificate(undefined, "CN=192.0.2.1"))).toEqual([]);
});

test.each([
  ["DNS:example.com", "EXAMPLE.com.", true],
  ["DNS:example.com", "sip.example.com", false],
  ["DNS:sip.example.com", "example.com", false],
  ["DNS:*.example.com", "sip.example.com", false],
  ["DNS:*.example.com", "*.example.com", true],
  ["DNS:sip.example.com, URI:sip:example.com", "sip.example.com", false],
  ["IP Address:192.0.2.1", "192.0.2.1", true],
  ["DNS:192.0.2.1", "192.0.2.1", false],
  ["IP Address:2001:DB8:0:0:0:0:0:1", "2001:db8::1", true],
])("%s belongs to %s: %s", (alternatives, name, verdict) => {
  expect(belongsTo(certificate(alternatives), name)).toBe(verdict);
});

test.each([
  ["DNS:*.example.com", "sbc.Example.com.", true],
  ["DNS:*.example.com", "example.com", false],
  ["DNS:*.example.com", "a.sbc.example.com", false],
  ["DNS:*", "localhost", false],
  ["URI:sip:*.example.com", "example.com", false],
  ["DNS:Sbc.example.com", "sbc.example.com", true],
  ["DNS:pbx.example.com, URI:sip:example.com", "pbx.example.com", true], // A browser asks for the DNS name.
  ["DNS:pbx.example.com, URI:sip:example.com", "example.com", true],
  ["DNS:pbx.example.com", "sbc.example.com", false],
  [undefined, "common.example.com", true],
  [undefined, "sbc.example.com", false],
])("a certificate for %s is shown to who asks for %s: %s", (alternatives, name, gets) => {
  const names = namesAskedBy(certificate(alternatives));
  expect(askedFor(new Map(names.map((each) => [each, true])), name) ?? false).toBe(gets);
});
