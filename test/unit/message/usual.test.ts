/** What is read the short way, over the bytes, is what the careful way reads; and nothing is left of the text before. */
import { expect, test } from "vitest";
import { Contact, MessageError, type NameAddr, parseMessage, type Request } from "../../../src/message/index.ts";

const LINES = [
  "Via: SIP/2.0/TCP host-1.example.com:65535;branch=z9hG4bKx;rport",
  "Via: SIP/2.0/UDP 192.0.2.7",
  'From: "Alice, \xe9" <sips:alice%20a@example.com;transport=tcp?x=y>;tag=a.b-c',
  "To: Bob B <sip:bob@[2001:db8::1]:5060>;tag=2",
  "Contact: <sip:a@192.0.2.1>;+sip.instance",
  'Call-ID: (a)<b>"c"@192.0.2.1',
  "CSeq: 999999999 X-Method",
  "Max-Forwards: 70",
  "Subject: hello",
  "Content-Length: 4",
];

const text = (lines: readonly string[], uri = "sip:+49(30)1@Sbc.example:5061;user=phone;lr"): string =>
  `X-Method ${uri} SIP/2.0\r\n${lines.join("\r\n")}\r\n\r\nbody`;

/** The same with spaces in places that only the careful way knows. */
const odd = (lines: readonly string[]): string[] => lines.map((line) => line.replace(": ", " :  "));

const seen = (message: string) => {
  const { via, from, to, callId, cseq, body, headers, hasOneVia, requestUri } = parseMessage(message) as Request;
  const values = [via, from, to].map((value) => ({ ...value, params: [...value.params] }));
  const uri = requestUri.scheme === "other" ? requestUri : { ...requestUri, params: [...requestUri.params] };
  return { values, callId, cseq, body, hasOneVia, uri, lines: headers.entries() };
};

test("a message of usual lines and the same with odd spaces read alike", () => {
  expect(seen(text(LINES))).toEqual(seen(text(odd(LINES))));
  for (const line of LINES) {
    const mixed = LINES.map((one) => (one === line ? odd([one])[0]! : one));
    expect(seen(text(mixed))).toEqual(seen(text(LINES)));
  }
});

test("compact names are usual too", () => {
  const compact = LINES.map((line) =>
    line
      .replace("Via", "v")
      .replace("From", "f")
      .replace("To:", "t:")
      .replace("Contact", "m")
      .replace("Call-ID", "i")
      .replace("Content-Length", "l"),
  );
  expect(seen(text(compact))).toEqual(seen(text(LINES)));
});

test("lines far behind in a long header section are read like others", () => {
  for (let filler = 3_500; filler < 4_300; filler += 1) {
    const many = [`X-Filler: ${"x".repeat(filler)}`, ...LINES];
    const read = parseMessage(text(many)) as Request;
    expect(read.callId).toBe('(a)<b>"c"@192.0.2.1');
    expect(read.via.host).toBe("host-1.example.com");
    expect(read.to.params.get("tag")).toBe("2");
    expect(read.body).toBe("body");
  }
});

test("a text that is cut off anywhere is not completed by the one before it", () => {
  const whole = text(LINES);
  const end = whole.indexOf("\r\n\r\n") + 4;
  for (let cut = 0; cut < end; cut++) {
    parseMessage(whole);
    expect(() => parseMessage(whole.slice(0, cut)), `${cut}`).toThrow(MessageError);
  }
});

test("a usual line that is folded is read with its fold, and a second one is refused", () => {
  const folded = LINES.map((line) => (line.startsWith("From") ? `${line}\r\n ;x=y` : line));
  expect((parseMessage(text(folded)) as Request).from.params.get("x")).toBe("y");
  for (const name of ["From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Length"]) {
    const line = LINES.find((one) => one.startsWith(name))!;
    expect(() => parseMessage(text([...LINES, line])), name).toThrow(`more than one ${name}`);
    expect(() => parseMessage(text([...odd([line]), ...LINES])), name).toThrow(`more than one ${name}`);
  }
});

const bad = [
  "Via: SIP/2.0/UDP -a",
  "Via: SIP/2.0/UDP a:0",
  "Via: SIP/2.0/UDP a:65536",
  "Via: SIP/2.0/UDP a;",
  "Via: SIP/2.0/UDP a;b=",
  "From: <sip:>",
  "From: <sip:a@b>;",
  "From: Alice",
  'From: "Alice <sip:a@b>',
  "CSeq: 1",
  "CSeq: x X-Method",
  "Call-ID: a b",
  "Max-Forwards: 256",
  "Content-Length: x",
];

test.each(bad)("refused the short way as the careful way: %s", (line) => {
  const name = line.slice(0, line.indexOf(":"));
  const others = LINES.filter((one) => !one.startsWith(name));
  expect(() => parseMessage(text([line, ...others]))).toThrow(MessageError);
  expect(() => parseMessage(text([...odd([line]), ...others]))).toThrow(MessageError);
});

test("the first Via and Contact count, whichever of them is usual", () => {
  const rest = LINES.filter((line) => !line.startsWith("Contact"));
  const both = (first: string, second: string): string =>
    ((parseMessage(text([first, second, ...rest])) as Request).get(Contact) as NameAddr).uri;
  expect(both("Contact: <sip:1@a>", "Contact: <sip:2@a>")).toBe("sip:1@a");
  expect(both("contact: <sip:1@a>", "Contact: <sip:2@a>")).toBe("sip:1@a");
  expect(both("Contact: <sip:1@a>, <sip:3@a>", "Contact: <sip:2@a>")).toBe("sip:1@a");
  const via = (parseMessage(text(["VIA: SIP/2.0/UDP first", ...LINES])) as Request).via;
  expect(via.host).toBe("first");
});

test("a colon in the value is not the one behind the name, however the name is written", () => {
  const value = "<sip:a:b@c>: d";
  for (const name of ["Subject", "s", "s ", "SUBJECT", "Subject ", "S\t", "Sub", "User-to-User", "X"]) {
    for (const space of ["", " ", "  "]) {
      const read = parseMessage(text([...LINES.slice(0, -2), `${name}:${space}${value}`]));
      expect(read.headers.raw(name.trim()), `${name}:${space}`).toBe(value);
    }
  }
});

test.each([
  ["SIP/2.0 200 OK", 200, "OK"],
  ["SIP/2.0 699 \xe9 x", 699, "\xe9 x"],
  ["SIP/2.0 100 ", 100, ""],
  ["SIP/2.0 183", 183, ""],
  ["SIP/2.0 404 a\tb", 404, "a\tb"],
])("a status line: %s", (line, status, reason) => {
  const message = `${line}\r\n${LINES.join("\r\n")}\r\n\r\nbody`;
  expect(parseMessage(message)).toMatchObject({ kind: "response", status, reason });
});

test.each(["SIP/2.0 99 OK", "SIP/2.0 700 OK", "SIP/2.0 2000 OK", "SIP/2.0 200OK", "SIP/2.0 200 a\rb", "SIP/2.0 20 OK"])(
  "no status line: %s",
  (line) => {
    expect(() => parseMessage(`${line}\r\n${LINES.join("\r\n")}\r\n\r\nbody`)).toThrow(MessageError);
  },
);
