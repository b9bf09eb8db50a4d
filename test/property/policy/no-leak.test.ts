import fc from "fast-check";
import { expect, test } from "vitest";
import { type DiversionPolicy, PeerError, type ReasonPolicy, type Trust } from "../../../src/base/index.ts";
import { type Message, parseMessage } from "../../../src/message/index.ts";
import {
  ALLOWED_HEADERS_FULL,
  ALLOWED_HEADERS_NONE,
  ALLOWED_HEADERS_PEER,
  contactsToward,
  crossingHeaders,
  reasonHeadersToward,
  reasonToward,
  tellDiversions,
} from "../../../src/policy/index.ts";
import { realm } from "../../unit/policy/realms.ts";

/** What the inside is called and where it is. None of it may show outside, in any case. */
const secrets = ["10.0.0.9", "pbx.lan", "2001:db8::9", "a84b4c76e66710"];

const names = [...ALLOWED_HEADERS_NONE, ...ALLOWED_HEADERS_PEER, ...ALLOWED_HEADERS_FULL].map(({ name }) => name);
const strange = ["P-Asserted-Identity ", "X-Custom", "Contact", "Call-Info", "Server", "subject", "s"];

const piece = fc.oneof(
  fc.constantFrom(...secrets, ...secrets.map((secret) => secret.toUpperCase())),
  fc.constantFrom(
    "<",
    ">",
    '"',
    ";",
    "=",
    ",",
    "@",
    "sip:",
    "tel:",
    "bob",
    "text",
    "cause=16",
    "Q.850",
    " ",
    "[",
    "]",
    ":",
  ),
  fc.constantFrom(
    "?Privacy=history",
    "&Reason=SIP%3Bcause%3D302",
    ">;index=1.1",
    ";mp=1",
    ";cause=302",
    ";counter=3",
    ";q=0.5",
  ),
  fc.constantFrom("<sip:bob@", ">;reason=", '"Bob" ', ";phone-context=", ";user=phone", ";maddr=", "?X=", "urn:", "\\"),
  fc.string({ maxLength: 6 }).map((text) => text.replace(/[^ -~]/g, "")),
);
const line = fc.record({
  name: fc.constantFrom(...names, ...strange),
  value: fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join("")),
});

test("no header carries a host or an address of its side across, at any trust", () => {
  fc.assert(
    fc.property(fc.array(line, { maxLength: 8 }), fc.constantFrom<Trust>("none", "peer", "full"), (lines, trust) => {
      const message = parsed(request(lines.map(({ name, value }) => `${name}: ${value}`)));
      fc.pre(message !== undefined);
      const from = realm("inside");
      const to = realm("outside", { trust, allowHeaders: ["x-custom", "call-info"] });
      const crossed = crossingHeaders(message, { from, to, kind: "request", inDialog: false });
      const text = crossed
        .map(([name, value]) => `${name}: ${value}`)
        .join("\n")
        .toLowerCase();
      for (const secret of secrets) expect(text).not.toContain(secret);
      for (const [name] of crossed) expect([...names, "X-Custom", "Call-Info"]).toContain(name);
    }),
    // Once found: a Call-ID that stood as a word of Privacy.
    { numRuns: 2_000, examples: [[[{ name: "Privacy", value: "A84B4C76E66710" }], "none"]] },
  );
});

test("diversions and causes are told in every form without a host of the other side, whatever they are made of", () => {
  const ours = fc.record({
    name: fc.constantFrom("Diversion", "History-Info", "Reason", "Privacy"),
    value: line.map(({ value }) => value),
  });
  const policies = fc.record({
    diversion: fc.constantFrom<DiversionPolicy>("pass", "diversion", "history-info", "off"),
    reason: fc.constantFrom<ReasonPolicy>("pass", "q850", "sip", "both", "off"),
  });
  fc.assert(
    fc.property(
      fc.array(ours, { maxLength: 6 }),
      fc.constantFrom<Trust>("peer", "full"),
      policies,
      (lines, trust, told) => {
        const message = parsed(request(lines.map(({ name, value }) => `${name}: ${value}`)));
        fc.pre(message !== undefined);
        const sides = { from: realm("inside"), to: realm("outside", { trust }) };
        const crossed = crossingHeaders(message, { ...sides, kind: "request", inDialog: false });
        const moves = [{ uri: "sip:bob@sbc.example.test", status: 302 }];
        const diverted = tellDiversions(crossed, told.diversion, "sip:last@peer.test", moves);
        const causes = diverted.map(([name, value]) => (name === "Reason" ? reasonToward(told.reason, value) : value));
        const refused = reasonHeadersToward(told.reason, diverted, 486).map(([, value]) => value);
        const text = [...causes, ...refused].join("\n").toLowerCase();
        for (const secret of secrets) expect(text).not.toContain(secret);
        for (const value of causes) expect(value).not.toMatch(/[\0-\x1f\x7f]/);
      },
    ),
    { numRuns: 2_000 },
  );
});

test("the Contacts of a 3xx name us and nobody's place, whatever they are made of", () => {
  const place = { host: "203.0.113.1", port: 5060, protocol: "udp" } as const;
  fc.assert(
    fc.property(fc.array(line, { maxLength: 4 }), fc.constantFrom(300, 301, 302), (lines, status) => {
      const contacts = lines.map(({ value }) => `Contact: ${value}`);
      const message = parsed(request(contacts).replace(/^INVITE [^\r]*/, `SIP/2.0 ${status} x`));
      fc.pre(message?.kind === "response");
      const sides = { from: realm("inside"), to: realm("outside") };
      const dialled = { scheme: "sip", host: "x", params: new Map() } as const;
      for (const contact of contactsToward(message, sides, place, dialled)) {
        for (const secret of secrets) expect(contact.toLowerCase()).not.toContain(secret);
        expect(contact).toMatch(/^<sips?:[^@<>"\s]+@203\.0\.113\.1:5060(;user=phone)?>(;q=[\d.]+)?$/);
      }
    }),
    { numRuns: 2_000 },
  );
});

/** Some of it is refused as a whole, which leaks nothing. */
function parsed(text: string): Message | undefined {
  try {
    return parseMessage(text);
  } catch (error) {
    if (error instanceof PeerError) return undefined;
    throw error;
  }
}

const request = (lines: readonly string[]): string =>
  [
    "INVITE sip:+49301@10.0.0.1 SIP/2.0",
    "Via: SIP/2.0/UDP pbx.lan:5080;branch=z9hG4bK1;received=10.0.0.9",
    "Max-Forwards: 70",
    "From: <sip:+4930@pbx.lan>;tag=1",
    "To: <sip:+49301@10.0.0.1>",
    "Call-ID: a84b4c76e66710@pbx.lan",
    "CSeq: 1 INVITE",
    "Contact: <sip:+4930@[2001:db8::9]:5080>",
    ...lines,
    "Content-Length: 0",
    "",
    "",
  ].join("\r\n");
