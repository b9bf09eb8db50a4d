import fc from "fast-check";
import { expect, test } from "vitest";
import { parseMessage } from "../../../src/message/index.ts";
import { stampVia } from "../../../src/transport/via-stamp.ts";
import { ALICE, requestText } from "./bench.ts";

const rows: readonly (readonly [via: string, stamped: string])[] = [
  // The source is the sent-by host: nothing to add (RFC 3261 §18.2.1).
  ["SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKx", "SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKx"],
  ["SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKx", "SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKx"],
  // Behind NAT, or by a name.
  ["SIP/2.0/UDP 10.1.1.1:5060;branch=z9hG4bKx", "SIP/2.0/UDP 10.1.1.1:5060;branch=z9hG4bKx;received=192.0.2.7"],
  ["SIP/2.0/UDP alice.test;branch=z9hG4bKx", "SIP/2.0/UDP alice.test;branch=z9hG4bKx;received=192.0.2.7"],
  ["SIP/2.0/UDP 192.0.2.70;branch=z9hG4bKx", "SIP/2.0/UDP 192.0.2.70;branch=z9hG4bKx;received=192.0.2.7"],
  // RFC 3581: both, always.
  [
    "SIP/2.0/UDP 192.0.2.7;rport;branch=z9hG4bKx",
    "SIP/2.0/UDP 192.0.2.7;rport=4242;branch=z9hG4bKx;received=192.0.2.7",
  ],
  [
    "SIP/2.0/UDP 192.0.2.7 ; RPORT ;branch=z9hG4bKx",
    "SIP/2.0/UDP 192.0.2.7 ; RPORT=4242 ;branch=z9hG4bKx;received=192.0.2.7",
  ],
  // What the sender says about himself is not believed.
  [
    "SIP/2.0/UDP x.test;rport=1;received=6.6.6.6;branch=z9hG4bKx",
    "SIP/2.0/UDP x.test;rport=4242;received=192.0.2.7;branch=z9hG4bKx",
  ],
  ["SIP/2.0/UDP x.test;received = 6.6.6.6 ;rport = 9", "SIP/2.0/UDP x.test;received=192.0.2.7 ;rport=4242"],
  // Only the first value, and no look-alikes.
  [
    "SIP/2.0/UDP a.test;branch=z9hG4bKx, SIP/2.0/UDP b.test;rport",
    "SIP/2.0/UDP a.test;branch=z9hG4bKx;received=192.0.2.7, SIP/2.0/UDP b.test;rport",
  ],
  [
    'SIP/2.0/UDP a.test;x=";rport,";rports;branch=1',
    'SIP/2.0/UDP a.test;x=";rport,";rports;branch=1;received=192.0.2.7',
  ],
  // Folded.
  [
    "SIP/2.0/UDP a.test\r\n ;rport;branch=z9hG4bKx",
    "SIP/2.0/UDP a.test\r\n ;rport=4242;branch=z9hG4bKx;received=192.0.2.7",
  ],
];

test.each(rows)("%s", (via, stamped) => {
  expect(stampVia(requestText({ via }), ALICE)).toBe(requestText({ via: stamped }));
});

test("the compact form, any case and space before the colon are found; behind leading empty lines too", () => {
  for (const name of ["v", "V", "vIa", "VIA ", "v\t"]) {
    const text = `\r\n\r\nOPTIONS sip:x SIP/2.0\r\nVary: 1\r\n${name}: SIP/2.0/UDP a.test;rport\r\n\r\n`;
    expect(stampVia(text, ALICE)).toContain(";rport=4242;received=192.0.2.7\r\n");
  }
});

test("IPv6: received has no brackets, the sent-by has", () => {
  const remote = { ip: "2001:db8::5", port: 5060 };
  const own = "SIP/2.0/UDP [2001:db8::5]:5060;branch=z9hG4bKx";
  expect(stampVia(requestText({ via: own }), remote)).toBe(requestText({ via: own }));
  const text = stampVia(requestText({ via: "SIP/2.0/UDP [2001:db8::6];rport" }), remote);
  expect(text).toContain("Via: SIP/2.0/UDP [2001:db8::6];rport=5060;received=2001:db8::5\r\n");
});

test("the parser reads what was stamped, whatever the other parameters are", () => {
  const param = fc.constantFrom(
    "branch=z9hG4bKq",
    "rport",
    "rport=77",
    "received=1.2.3.4",
    "ttl=3",
    'x="a;b,\\"c"',
    "maddr=9.9.9.9",
    "alias",
  );
  const host = fc.constantFrom("192.0.2.7", "10.0.0.1", "a.test", "[2001:db8::9]", "192.0.2.7:5060");
  const space = fc.constantFrom("", " ", "\t", "\r\n ");
  fc.assert(
    fc.property(host, fc.array(param, { maxLength: 6 }), space, (sentBy, params, gap) => {
      const via = `SIP/2.0/UDP ${sentBy}${params.map((each) => `${gap};${gap}${each}`).join("")}`;
      const message = parseMessage(stampVia(requestText({ via }), ALICE));
      const before = parseMessage(requestText({ via }));
      expect(message.via.host).toBe(before.via.host);
      expect(message.via.params.get("branch")).toBe(before.via.params.get("branch"));
      if (before.via.params.has("rport")) expect(message.via.params.get("rport")).toBe("4242");
      const needed =
        before.via.params.has("rport") || before.via.params.has("received") || before.via.host !== ALICE.ip;
      expect(message.via.params.get("received")).toBe(needed ? ALICE.ip : undefined);
    }),
  );
});

test("no text breaks it, and what has no Via stays as it is", () => {
  fc.assert(
    fc.property(
      fc.string({
        unit: fc.constantFrom("v", "via", ":", ";", "rport", "received", "=", '"', "\\", "\r\n", " ", ",", "x"),
      }),
      (text) => {
        const stamped = stampVia(text, ALICE);
        if (!/(^|\n)v(ia)?[ \t]*:/i.test(text)) expect(stamped).toBe(text);
      },
    ),
    { numRuns: 500 },
  );
});
