import fc from "fast-check";
import { expect, test } from "vitest";
import { ContentType, parseMessage } from "../../../src/message/index.ts";
import { bodyAcross, CARRIED_TYPES } from "../../../src/policy/index.ts";
import { realm } from "../../unit/policy/realms.ts";

/** What the inside is called and where it is. None of it may show outside, in any case. */
const secrets = ["10.0.0.9", "pbx.lan", "2001:db8::9", "a84b4c76e66710"];

const rewritten = CARRIED_TYPES.filter(
  (type) => /xml$|summary|cpim|sipfrag/.test(type) && !/kpml|composing|media_control/.test(type),
);

const piece = fc.oneof(
  fc.constantFrom(...secrets, ...secrets.map((secret) => secret.toUpperCase())),
  fc.constantFrom(
    "<a>",
    "</a>",
    "<a ",
    "/>",
    ">",
    '"',
    "'",
    "=",
    "&amp;",
    "&#49;",
    "&#x31;",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
  ),
  fc.constantFrom(
    "<contact>",
    "</contact>",
    ' id="',
    ' uri="',
    ' call-id="',
    ' xmlns="',
    "sip:bob@",
    "pres:bob@",
    "tel:",
    "urn:x:",
    "http://",
  ),
  fc.constantFrom(
    "\r\n",
    "\r\n\r\n",
    "From: <",
    "Messages-Waiting: yes",
    "Message-Account: ",
    "Voice-Message: 1/2",
    "SIP/2.0 200 ",
    ";",
    "@",
    ":",
    " ",
  ),
  fc.string({ maxLength: 6 }).map((text) => text.replace(/[^ -~]/g, "")),
);

/** Well-formed, so that most of them are read to the end. */
const text = fc
  .array(
    fc.oneof(
      fc.constantFrom(...secrets, "sip:bob@", "pres:", "tel:+49", "open", " ", "@", "&amp;"),
      fc.stringMatching(/^[a-z:@.]{0,4}$/),
    ),
    { maxLength: 4 },
  )
  .map((parts) => parts.join(""));
const document = fc
  .array(
    fc.record({
      element: fc.constantFrom("dialog", "contact", "note", "identity", "hop"),
      name: fc.constantFrom("id", "call-id", "entity", "uri", "xmlns:x", "display"),
      value: text,
      inner: text,
    }),
    { maxLength: 6 },
  )
  .map(
    (elements) =>
      `<presence>${elements.map(({ element, name, value, inner }) => `<${element} ${name}="${value}">${inner}</${element}>`).join("")}</presence>`,
  );

test("no body carries an address, a host or a Call-ID of its side across, and every body is read to an end", () => {
  let crossed = 0;
  fc.assert(
    fc.property(
      fc.constantFrom(...rewritten),
      fc.oneof(
        fc.array(piece, { maxLength: 24 }).map((parts) => parts.join("")),
        document,
      ),
      (type, body) => {
        const carried = bodyAcross(message, ContentType.parse(type), body, context);
        if (carried === undefined) return;
        crossed += 1;
        for (const secret of secrets) expect(judged(type, carried.body)).not.toContain(secret);
      },
    ),
    { numRuns: 5_000 },
  );
  expect(crossed).toBeGreaterThan(500);
});

test("what has crossed once crosses again unchanged but for its names", () => {
  fc.assert(
    fc.property(document, (body) => {
      const once = bodyAcross(message, ContentType.parse("application/pidf+xml"), body, context)?.body;
      if (once === undefined) return;
      const twice = bodyAcross(message, ContentType.parse("application/pidf+xml"), once, context)?.body;
      expect(twice).toBe(once);
    }),
  );
});

/** What people write to each other inside CPIM is theirs. */
const judged = (type: string, body: string): string =>
  (type === "message/cpim" ? body.split("\r\n\r\n", 2).join() : body).toLowerCase();

const message = parseMessage(
  "NOTIFY sip:x@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP pbx.lan;branch=z9hG4bK1\r\nFrom: <sip:200@pbx.lan>;tag=1\r\nTo: <sip:x@y>;tag=2\r\nCall-ID: a84b4c76e66710\r\nCSeq: 1 NOTIFY\r\nContact: <sip:10.0.0.9>\r\nContent-Length: 0\r\n\r\n",
);

const context = {
  from: realm("inside"),
  to: realm("outside"),
  host: "sbc.example.test",
  pseudonym: (text: string) => (text.startsWith("~") ? text : "~n"),
  dialog: () => ({ callId: "~d", toTag: "~d", fromTag: "~d" }),
};
