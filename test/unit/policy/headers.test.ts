import { expect, test } from "vitest";
import type { Trust } from "../../../src/base/index.ts";
import { parseMessage } from "../../../src/message/index.ts";
import { crossingHeaders } from "../../../src/policy/index.ts";
import { realm } from "./realms.ts";

test("a phone and a PBX exchange what harms nobody, and no identity", () => {
  const crossed = cross(["Subject: lunch", "Priority: urgent", "P-Asserted-Identity: <sip:bob@pbx.lan>", "X-Tag: 1"]);
  expect(crossed).toEqual(["Subject: lunch", "Priority: urgent"]);
});

test("between trusted realms identities cross under our name", () => {
  const lines = [
    'P-Asserted-Identity: "Bob" <sip:+4930@pbx.lan;user=phone>, <tel:+4930>',
    "Diversion: <sip:+4931@10.0.0.9:5080>;reason=unconditional;counter=1;secret=10.0.0.9",
    "History-Info: <sip:x@10.0.0.9?Reason=SIP%3Bcause%3D302>;index=1.1;foo=bar",
  ];
  expect(cross(lines, { trust: "peer" })).toEqual([
    'P-Asserted-Identity: "Bob" <sip:+4930@sbc.example.test;user=phone>, <tel:+4930>',
    "Diversion: <sip:+4931@sbc.example.test>;reason=unconditional;counter=1",
    "History-Info: <sip:x@sbc.example.test?Reason=SIP%3Bcause%3D302>;index=1.1",
  ]);
});

test.each([
  "P-Asserted-Identity : <sip:boss@sbc.example.test>",
  "p-asserted-identity\t: <sip:boss@sbc.example.test>",
  "P-ASSERTED-IDENTITY: <sip:boss@sbc.example.test>",
  "P-Preferred-Identity: <sip:boss@sbc.example.test>",
  "Remote-Party-ID: <sip:boss@sbc.example.test>",
])("a stranger does not smuggle an identity as %j", (line) => {
  expect(cross([line])).toEqual([]);
});

test.each([
  "Subject: call 10.0.0.9 back",
  "Subject: see [2001:db8::7]",
  "Subject: from PBX.lan with love",
  "Subject: sip:bob@elsewhere.example",
  "Alert-Info: <http://pbx.lan/ring.wav>",
  "Priority: 10.0.0.9",
  "Priority: gold.pbx2.lan",
  "Privacy: id;pbx2.lan",
  "Subject: overflow of pbx2.branch.lan",
  "Call-Info: <http://example.com/photo.jpg>",
  "User-Agent: PBX 4",
  "Replaces: 1@10.0.0.9;to-tag=a;from-tag=b",
  "In-Reply-To: abc@pbx.lan",
])("%j stays on its side", (line) => {
  expect(cross([line])).toEqual([]);
});

test("the operator lets a header in, under one spelling, but not with the other side's host in it", () => {
  const allowHeaders = ["x-account", "p-asserted-identity", "via"];
  expect(cross(["X-ACCOUNT: 42", "P-Asserted-Identity: <sip:a@b>"], { allowHeaders })).toEqual(["X-Account: 42"]);
  expect(cross(["X-Account: 42@pbx.lan"], { allowHeaders })).toEqual([]);
});

test("a Retry-After keeps its seconds and loses its comment", () => {
  expect(cross(["Retry-After: 120 (pbx2 is down) ; duration=3600"])).toEqual(["Retry-After: 120;duration=3600"]);
  expect(cross(["Retry-After: soon"])).toEqual([]);
  expect(cross(['Reason: Q.850;cause=16;text="no route to pbx2.branch.lan"'])).toEqual(["Reason: Q.850;cause=16"]);
});

test("a Reason keeps its cause and loses a text that tells", () => {
  expect(cross(['Reason: Q.850;cause=16;text="released by 10.0.0.9"'])).toEqual(["Reason: Q.850;cause=16"]);
  expect(cross(['Reason: Q.850;cause=16;text="normal"'])[0]).toMatch(/cause=16;text="normal"/);
});

test("a diversion belongs to the beginning of a call", () => {
  expect(cross(["Diversion: <sip:a@pbx.lan>"], { trust: "full", inDialog: true })).toEqual([]);
});

test("a public domain may show", () => {
  const line = "P-Asserted-Identity: <sip:+4930@ims.example.com>";
  expect(cross([line], { trust: "peer", publicDomains: ["ims.example.com"] })).toEqual([line]);
});

test("too long a value and too many lines stay behind", () => {
  expect(cross([`Subject: ${"x".repeat(2_049)}`])).toEqual([]);
  expect(cross(new Array(60).fill("Subject: x"))).toHaveLength(48);
});

interface Circumstances {
  readonly trust?: Trust;
  readonly allowHeaders?: readonly string[];
  readonly publicDomains?: readonly string[];
  readonly inDialog?: boolean;
}

/** What a request from the PBX carries to the outside. */
function cross(lines: readonly string[], given: Circumstances = {}): readonly string[] {
  const message = parseMessage(
    [
      "INVITE sip:+49301@10.0.0.1 SIP/2.0",
      "Via: SIP/2.0/UDP pbx.lan:5080;branch=z9hG4bK1;received=10.0.0.9",
      "Max-Forwards: 70",
      "From: <sip:+4930@pbx.lan>;tag=1",
      "To: <sip:+49301@10.0.0.1>",
      "Call-ID: abc@pbx.lan",
      "CSeq: 1 INVITE",
      "Contact: <sip:+4930@10.0.0.9:5080>",
      ...lines,
      "Content-Length: 0",
      "",
      "",
    ].join("\r\n"),
  );
  const to = realm("outside", {
    trust: given.trust ?? "none",
    allowHeaders: given.allowHeaders ?? [],
    publicDomains: given.publicDomains ?? [],
  });
  return crossingHeaders(message, {
    from: realm("inside"),
    to,
    kind: "request",
    inDialog: given.inDialog ?? false,
  }).map(([name, value]) => `${name}: ${value}`);
}
