/** Bodies on their way from a PBX inside to somebody outside. */
import { expect, test } from "vitest";
import type { Trust } from "../../../src/base/index.ts";
import { ContentType, type DialogName, type Message, parseMessage } from "../../../src/message/index.ts";
import { bodyAcross } from "../../../src/policy/index.ts";
import { samples } from "../../conformance/message/corpus.ts";
import { leastCpuMs } from "../../support/cpu-time.ts";
import { realm } from "./realms.ts";

test("dialogs: hosts are ours, ids and names of dialogs are new and stay the same (RFC 4235)", () => {
  const crossed = cross("application/dialog-info+xml", DIALOGS);
  expect(crossed).toBe(
    xml(
      '<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="1" state="full" entity="sip:200@sbc.example.test">' +
        '<dialog id="~as7d900as8" call-id="~a84b4c76e66710" local-tag="~1928301774" remote-tag="~456887766" direction="initiator">' +
        '<state event="1xx">early</state>' +
        '<local><identity display="Anna">sip:200@sbc.example.test</identity>' +
        '<target uri="sip:200@sbc.example.test"><param pname="+sip.rendering" pval="no"/></target></local>' +
        "<remote><identity>sip:bob@sbc.example.test</identity></remote></dialog></dialog-info>",
    ),
  );
  expect(cross("application/dialog-info+xml", DIALOGS)).toBe(crossed);
});

test("a dialog that is one of ours gets the name that it is known by", () => {
  const named: DialogName[] = [];
  const crossed = cross("application/dialog-info+xml", DIALOGS, {
    dialog: (name) => {
      named.push(name);
      return { callId: "alias", toTag: "alias", fromTag: "alias" };
    },
  });
  expect(named).toEqual([{ callId: "a84b4c76e66710", toTag: "1928301774", fromTag: "456887766" }]);
  expect(crossed).toContain('call-id="alias" local-tag="alias" remote-tag="alias"');
});

test("presence: entity, contacts and notes tell no place (RFC 3863)", () => {
  const crossed = cross(
    "application/pidf+xml",
    '<?xml version="1.0"?><!-- made at pbx.lan -->\n<p:presence xmlns:p="urn:ietf:params:xml:ns:pidf" entity="pres:anna@pbx.lan">' +
      '<p:tuple id="t1@10.0.0.9"><p:status><p:basic>open</p:basic></p:status>' +
      '<p:contact priority="0.8">sip:anna@10.0.0.9:5060;transport=tcp</p:contact>' +
      "<p:note>in a meeting &amp; away</p:note><p:note>ask srv7.corp.lan</p:note>" +
      "<p:timestamp>2026-11-22T20:20:20Z</p:timestamp></p:tuple></p:presence>",
  );
  expect(crossed).toBe(
    xml(
      '<p:presence xmlns:p="urn:ietf:params:xml:ns:pidf" entity="pres:anna@sbc.example.test">' +
        '<p:tuple id="~t1@10.0.0.9"><p:status><p:basic>open</p:basic></p:status>'.replace("t1@10.0.0.9", "hidden") +
        '<p:contact priority="0.8">sip:anna@sbc.example.test</p:contact>' +
        "<p:note>in a meeting &amp; away</p:note><p:note></p:note>" +
        "<p:timestamp>2026-11-22T20:20:20Z</p:timestamp></p:tuple></p:presence>",
    ),
  );
});

test("registrations: contacts, received addresses, Call-IDs and software (RFC 3680)", () => {
  const crossed = cross(
    "application/reginfo+xml",
    '<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" version="0" state="full">' +
      '<registration aor="sip:anna@pbx.lan" id="as9" state="active">' +
      '<contact id="76" state="active" event="registered" callid="a84b4c76e66710@10.0.0.9" cseq="3" received="sip:10.0.0.9:5062">' +
      "<uri>sip:anna@10.0.0.9</uri><user-agent>Phone 7 at pbx.lan</user-agent></contact></registration></reginfo>",
  );
  expect(crossed).toContain('<registration aor="sip:anna@sbc.example.test" id="as9" state="active">');
  expect(crossed).toContain("<uri>sip:anna@sbc.example.test</uri></contact>");
  expect(crossed).not.toMatch(/10\.0\.0|a84b|pbx|Phone/);
});

test.each([
  ["a DTD", '<!DOCTYPE a [<!ENTITY x "10.0.0.9">]><a>&x;</a>'],
  ["an entity of its own", "<a>&x;</a>"],
  ["two roots", "<a/><b/>"],
  ["no end", "<a><b></a>"],
  ["text outside", "<a/>10.0.0.9"],
  ["an attribute twice", '<a b="1" b="2"/>'],
  ["UTF-16", "\xff\xfe<\0a\0/\0>\0"],
  ["too deep", `${"<a>".repeat(33)}${"</a>".repeat(33)}`],
  ["too many elements", `<a>${"<b/>".repeat(8_192)}</a>`],
  ["a character that is none", "<a>&#0;</a>"],
  ["nothing", ""],
])("a document with %s is not carried", (_, document) => {
  expect(cross("application/pidf+xml", document)).toBeUndefined();
});

test("characters by number become what they stand for, and what was escaped stays so", () => {
  expect(cross("application/pidf+xml", "<a b='&#228;&lt;'>&#x20AC;&gt;<![CDATA[<&]]></a>")).toBe(
    xml('<a b="\xc3\xa4&lt;">\xe2\x82\xac&gt;&lt;&amp;</a>'),
  );
});

test("waiting messages: counts cross, the account with our host, single messages not at all (RFC 3842 §5.2)", () => {
  const body =
    "Messages-Waiting: yes\r\nMessage-Account: sip:anna@pbx.lan\r\nVoice-Message: 4/8 (1/2)\r\nFax-Message: 1/0\r\nX: 10.0.0.9\r\n\r\n" +
    "To: <anna@pbx.lan>\r\nFrom: <bob@10.0.0.9>\r\nVoice-Message: 9/9\r\n";
  expect(cross("application/simple-message-summary", body)).toBe(
    "Messages-Waiting: yes\r\nMessage-Account: sip:anna@sbc.example.test\r\nVoice-Message: 4/8 (1/2)\r\nFax-Message: 1/0\r\n",
  );
  expect(cross("application/simple-message-summary", "Voice-Message: 1/1\r\n")).toBeUndefined();
});

test("a line of blanks without end costs no more than its length", () => {
  const line = `Voice-Message: 1/2${" ".repeat(60_000)}x\r\n`;
  const take = (): void =>
    expect(cross("application/simple-message-summary", `${line}Messages-Waiting: no\r\n`)).toBe(
      "Messages-Waiting: no\r\n",
    );
  expect(leastCpuMs(1_000, take)).toBeLessThan(1_000);
});

test("a message that names more hosts than any does tells of places, whatever its text says", () => {
  const note = "<presence><note>see you</note></presence>";
  expect(cross("application/pidf+xml", note)).toContain("see you");
  const many = Array.from({ length: 200 }, (_, i) => `<sip:a@h${i}.lan>`).join(", ");
  const naming = parseMessage(MESSAGE.replace("Contact: <sip:10.0.0.9>", `Path: ${many}`));
  expect(cross("application/pidf+xml", note, {}, naming)).not.toContain("see you");
});

test.each(["10.0.<!-- x -->0.9", "10.0.<![CDATA[0.9]]>", "pbx<?x?>.lan"])("a place that is torn apart: %s", (place) => {
  expect(cross("application/pidf+xml", `<presence><note>${place}</note></presence>`)).toBe(
    xml("<presence><note></note></presence>"),
  );
});

const notifies = samples("call-flows/rfc3842", /NOTIFY\.sip$/).filter(({ text }) => text.startsWith("NOTIFY"));

test.each(notifies)("RFC 3842 $name", ({ text }) => {
  const printed = text.slice(text.indexOf("Messages-Waiting")).replace(/\r?\n/g, "\r\n");
  const crossed = cross("application/simple-message-summary", printed) ?? "";
  expect(crossed).toMatch(/^Messages-Waiting: (yes|no)\r\n/);
  expect(crossed).toContain("Message-Account: sip:alice@sbc.example.test\r\n");
  expect(crossed).toContain(/Voice-Message:[^\r\n]*/.exec(printed)?.[0]);
  expect(crossed).not.toMatch(/vmail|example\.com/);
});

test("there are examples of RFC 3842", () => expect(notifies.length).toBeGreaterThan(3));

test("an unknown type crosses between realms of full trust alone, and a known one that cannot be read not even there", () => {
  const secret = "at 10.0.0.9";
  expect(cross("application/x-vendor", secret)).toBeUndefined();
  expect(cross("application/x-vendor", secret, { trust: "peer" })).toBeUndefined();
  expect(cross("application/x-vendor", secret, { trust: "full" })).toBe(secret);
  expect(cross("application/pidf+xml", secret, { trust: "full" })).toBeUndefined();
  expect(cross("multipart/mixed", secret, { trust: "full" })).toBe(secret);
});

test("sipfrag crosses as its status line alone, with our phrase", () => {
  expect(cross("message/sipfrag", "SIP/2.0 486 Busy at pbx.lan\r\nContact: <sip:10.0.0.9>\r\n")).toBe(
    "SIP/2.0 486 Busy Here\r\n",
  );
});

test("notifications of messages inside CPIM (RFC 5438)", () => {
  const text = [
    "From: <im:anna@pbx.lan>",
    "NS: imdn <urn:ietf:params:imdn>",
    "imdn.Message-ID: 34jk324j@10.0.0.9",
    "",
    "Content-type: message/imdn+xml",
    "",
    "<imdn xmlns='urn:ietf:params:xml:ns:imdn'><message-id>34jk324j@10.0.0.9</message-id><recipient-uri>im:anna@pbx.lan</recipient-uri></imdn>",
  ].join("\r\n");
  const crossed = cross("message/cpim", text) ?? "";
  expect(crossed).toContain("imdn.Message-ID: ~hidden\r\n");
  expect(crossed).toContain("<message-id>~hidden</message-id><recipient-uri>im:anna@sbc.example.test</recipient-uri>");
  expect(cross("message/cpim", text.replace("message/imdn+xml", "application/x-vendor"))).toBeUndefined();
  expect(cross("message/cpim", "From: <im:a@b>")).toBeUndefined();
});

const DIALOGS = `<?xml version="1.0" encoding="UTF-8"?>
<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="1" state="full" entity="sip:200@pbx.lan">
<dialog id="as7d900as8" call-id="a84b4c76e66710" local-tag="1928301774" remote-tag="456887766" direction="initiator">
<state event="1xx">early</state>
<local><identity display="Anna">sip:200@pbx.lan</identity><target uri="sip:200@10.0.0.9:5062"><param pname="+sip.rendering" pval="no"/></target>
<session-description type="application/sdp">c=IN IP4 10.0.0.9</session-description></local>
<remote><identity>sip:bob@srv.corp.lan</identity><route-set><hop>sip:10.0.0.9;lr</hop></route-set></remote>
</dialog></dialog-info>`.replaceAll("\n", "");

const xml = (document: string): string => `<?xml version="1.0" encoding="UTF-8"?>\r\n${document}`;

const MESSAGE =
  "NOTIFY sip:x@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP pbx.lan;branch=z9hG4bK1\r\nFrom: <sip:200@pbx.lan>;tag=1\r\nTo: <sip:x@y>;tag=2\r\nCall-ID: n1\r\nCSeq: 1 NOTIFY\r\nContact: <sip:10.0.0.9>\r\nContent-Length: 0\r\n\r\n";
const message: Message = parseMessage(MESSAGE);

function cross(
  type: string,
  body: string,
  { trust = "none", dialog }: { readonly trust?: Trust; readonly dialog?: (name: DialogName) => DialogName } = {},
  holder: Message = message,
): string | undefined {
  const pseudonym = (text: string): string => (text.includes("@") ? "~hidden" : `~${text}`);
  const from = realm("inside");
  const to = realm("outside", { trust });
  return bodyAcross(holder, ContentType.parse(type), body, {
    from,
    to,
    host: "sbc.example.test",
    pseudonym,
    dialog:
      dialog ??
      (({ callId, toTag, fromTag }) => ({ callId: `~${callId}`, toTag: `~${toTag}`, fromTag: `~${fromTag}` })),
  })?.body;
}
