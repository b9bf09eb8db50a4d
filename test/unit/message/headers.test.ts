import { expect, test } from "vitest";
import * as message from "../../../src/message/index.ts";
import { formatMultipart, type HeaderField, limits, parseMultipart } from "../../../src/message/index.ts";

/** Field, text, value, and the text it is written as when that differs. */
const good: [HeaderField<never>, string, unknown, string?][] = [
  [field("SessionExpires"), "1800;refresher=UAS", { seconds: 1800, refresher: "uas" }, "1800;refresher=uas"],
  [field("MinSE"), "90", 90],
  [field("RAck"), "776656 1 INVITE", { rseq: 776656, cseq: 1, method: "INVITE" }],
  [field("RSeq"), "4294967295", 4294967295],
  [
    field("Replaces"),
    "a@b;to-tag=1;from-tag=2;early-only",
    { callId: "a@b", toTag: "1", fromTag: "2", earlyOnly: true },
  ],
  [field("TargetDialog"), "a@b;local-tag=1;remote-tag=2", { callId: "a@b", toTag: "1", fromTag: "2" }],
  [field("Reason"), 'Q.850;cause=16;text="Terminated"', { protocol: "Q.850", cause: 16, text: "Terminated" }],
  [field("RetryAfter"), "120 (I'm in a meeting);duration=60", 120, "120"],
  [field("Privacy"), "id; header", ["id", "header"], "id;header"],
  [field("Timestamp"), "54.21 0.5", { sent: "54.21", delay: "0.5" }],
  [field("Warning"), '307 isi.edu "Session \\"x\\""', { code: 307, agent: "isi.edu", text: 'Session "x"' }],
  [field("SessionId"), `${"a".repeat(32)};remote=${"0".repeat(32)}`, { local: "a".repeat(32), remote: "0".repeat(32) }],
  [field("MaxForwards"), "0070", 70, "70"],
];

for (const [header, text, value, written = text] of good) {
  test(`${header.name}: ${text}`, () => {
    expect(header.parse(text)).toEqual(value);
    expect(header.format(value as never)).toBe(written);
  });
}

const bad: [string, ...string[]][] = [
  ["SessionExpires", "", "x", "-1", "1800;"],
  ["RAck", "1 INVITE", "1 2", "1 2 INVITE x", "4294967296 1 INVITE"],
  ["Replaces", "a@b", "a@b;to-tag=1", ";to-tag=1;from-tag=2"],
  ["Reason", "", "SIP;cause=x", "SIP;cause=99999"],
  ["Warning", "307", '307 a "b', "99 a b"],
  ["SessionId", "abc", `${"a".repeat(33)}`],
  ["Require", "a b", "", "(x)"],
  ["CSeq", "1", "INVITE", "1 ", "-1 INVITE", "1 IN VITE", "2147483648 INVITE"],
  [
    "Via",
    "SIP/2.0/UDP",
    "SIP/2.0/UDP ",
    "SIP/2.0/UDP a:0",
    "SIP/2.0/UDP a:65536",
    "SIP/2.0/UDP a;;b",
    "SIP/3.0/UDP a",
    "SIP/2.0/UDP a, ",
  ],
  [
    "From",
    "",
    "<>",
    "<sip:a",
    "sip:a?b",
    '"a',
    "a, b <sip:c@d>",
    "<sip:a@b>;",
    "<sip:a@b>, <sip:c@d>",
    "<sip:a b>",
    "alice",
  ],
  ["Contact", "", "%", "**", "* "],
  ["Authorization", "Digest", "Digest a", "Digest a=", 'Digest a="b', 'Digest a="b" c="d"', "Digest a=1, a=2"],
  ["ContentType", "application", "application/", "/sdp", "application/sdp;;"],
];

for (const [name, ...texts] of bad) {
  for (const text of texts) test(`${name} refuses "${text}"`, () => expect(() => field(name).parse(text)).toThrow());
}

test("a challenge is read and written with its quotes where they belong", () => {
  const text = 'Digest realm="a.example", nonce="x==", qop="auth,auth-int", algorithm=SHA-256, stale=false';
  const challenge = message.WwwAuthenticate.parse(text);
  expect(challenge.params.get("qop")).toBe("auth,auth-int");
  expect(message.WwwAuthenticate.format(challenge)).toBe(text);
  const credentials = 'Digest username="b", nc=00000001, qop=auth, response="6629"';
  expect(message.Authorization.format(message.Authorization.parse(credentials))).toBe(credentials);
});

test("a multipart body gives its parts, binary ones too, and is written back", () => {
  const parts = [
    { headers: [["Content-Type", "application/sdp"]] as const, body: "v=0\r\n" },
    { headers: [] as const, body: "\0\r\n--other\r\n" },
    { headers: [] as const, body: "" },
  ];
  const text = formatMultipart(parts, "b1");
  const read = parseMultipart(`preamble\r\n${text}epilogue`, "b1");
  expect(read.map((part) => part.body)).toEqual(parts.map((part) => part.body));
  expect(read[0]?.headers.raw("content-type")).toBe("application/sdp");
});

test("a multipart body that is not closed, has too many parts or no valid boundary is refused", () => {
  expect(() => parseMultipart("--b\r\n\r\nx", "b")).toThrow("boundary");
  expect(() => parseMultipart("x", "b")).toThrow("boundary");
  expect(() => parseMultipart("--b\r\n\r\nx\r\n".repeat(limits.parts + 1) + "--b--", "b")).toThrow("parts");
  expect(() => parseMultipart("", "x".repeat(71))).toThrow("boundary");
  expect(() => parseMultipart("", "")).toThrow("boundary");
});

function field(name: string): HeaderField<never> {
  return (message as unknown as Record<string, HeaderField<never>>)[name] as HeaderField<never>;
}
