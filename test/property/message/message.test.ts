import fc from "fast-check";
import { expect, test } from "vitest";
import { PeerError } from "../../../src/base/index.ts";
import * as message from "../../../src/message/index.ts";
import {
  Contact,
  CSeq,
  escapeUser,
  From,
  formatNameAddr,
  formatUri,
  type HeaderField,
  MessageError,
  type NameAddr,
  parseMessage,
  parseUri,
  Reason,
  Replaces,
  RequestDraft,
  responseTo,
  type SipUri,
  StreamFramer,
  sameUri,
  unescapeUser,
  Via,
  type ViaValue,
  Warning,
} from "../../../src/message/index.ts";

const RUNS = { numRuns: 300 };

test("no text makes the parser throw anything but a MessageError, and what it accepts reads without surprise", () => {
  fc.assert(
    fc.property(fc.oneof(bytes(400), almostSip(), fc.string({ unit: "binary", maxLength: 200 })), (text) => {
      const read = tryRead(() => parseMessage(text), MessageError);
      if (read === undefined) return;
      for (const field of fields()) tryRead(() => read.getAll(field), PeerError);
      for (const { name, value } of read.headers.entries()) {
        expect(value).not.toMatch(/[\r\n]/);
        expect(read.headers.rawAll(name)).toContain(value);
      }
    }),
    { numRuns: 1_200 },
  );
});

test("whatever is refused with an answer can be answered, and the answer holds no line of the sender's making", () => {
  fc.assert(
    fc.property(almostSip(), (text) => {
      const error = refusal(text);
      if (error?.answerTo === undefined) return;
      const answer = responseTo(error.answerTo, error.status, "t").toText();
      for (const line of answer.slice(0, -4).split("\r\n")) expect(line).not.toMatch(/[\r\n]/);
      expect(answer.startsWith(`SIP/2.0 ${error.status} `)).toBe(true);
    }),
    { numRuns: 800 },
  );
});

test("no text makes a header field or the URI parser throw anything but a PeerError", () => {
  fc.assert(
    fc.property(fc.oneof(bytes(60), almostValue()), (text) => {
      for (const field of fields()) tryRead(() => field.parse(text), PeerError);
      tryRead(() => parseUri(text), PeerError);
      tryRead(() => message.parseMultipart(text, "b"), PeerError);
    }),
    { numRuns: 800 },
  );
});

test("what a field accepts, it writes so that it reads as the same again", () => {
  fc.assert(
    fc.property(fc.oneof(almostValue(), token()), (text) => {
      for (const field of fields()) {
        const value = tryRead(() => field.parse(text), PeerError);
        if (value === undefined) continue;
        const written = field.format(value);
        expect(plain(field.parse(written)), `${field.name}: ${text} -> ${written}`).toEqual(plain(value));
      }
      const uri = tryRead(() => parseUri(text), PeerError);
      if (uri !== undefined) expect(sameUri(parseUri(formatUri(uri)), uri)).toBe(true);
    }),
    { numRuns: 1_200 },
  );
});

test("a draft comes back as it was written, header by header, in order", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(unknownName(), lineText()), { maxLength: 12 }), bytes(100), (extra, body) => {
      const draft = new RequestDraft("INVITE", "sip:bob@example.com")
        .add("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx")
        .add("From", "<sip:alice@example.com>;tag=a")
        .add("To", "<sip:bob@example.com>")
        .add("Call-ID", "c@192.0.2.1")
        .add("CSeq", "1 INVITE");
      for (const [name, value] of extra) draft.add(name, value);
      draft.body = body;
      const text = draft.toText();
      const read = parseMessage(text);
      expect(read.text).toBe(text);
      expect(read.body).toBe(body);
      const lines = read.headers.entries().slice(5, -1);
      expect(lines.map(({ name, value }) => [name, value])).toEqual(extra.map(([name, value]) => [name, value]));
    }),
    RUNS,
  );
});

test("a name means the same in any case, with white space before its colon and with folds behind it", () => {
  const space = fc.constantFrom("", " ", "\t", " \t ");
  const fold = fc.constantFrom("", " ", "\r\n ", "\r\n\t ", " \r\n \r\n ");
  const names = fc.constantFrom("From", "f", "Subject", "s", "X-Smuggled", "P-Asserted-Identity", "User-Agent");
  fc.assert(
    fc.property(names, space, fold, fc.infiniteStream(fc.boolean()), (name, before, after, upper) => {
      const spelt = [...name].map((char) => (upper.next().value ? char.toUpperCase() : char.toLowerCase())).join("");
      const value = "<sip:alice@example.com>;tag=a";
      const from = /^f/i.test(name) ? "" : `From: ${value}\r\n`;
      const text = `OPTIONS sip:b@c SIP/2.0\r\n${CORE}${from}${spelt}${before}:${after}${value}\r\n\r\n`;
      const read = parseMessage(text);
      expect(read.headers.raw(name)).toBe(value);
      expect(read.headers.raw(name.toUpperCase())).toBe(value);
      expect(read.headers.rawAll(name)).toEqual([value]);
      expect(read.fromTag).toBe("a");
    }),
    RUNS,
  );
});

test("the short way and the careful way read a Via and a name-addr alike", () => {
  fc.assert(
    fc.property(via(), nameAddr(), (viaValue, address) => {
      const text = Via.format(viaValue);
      expect(plain(Via.parse(text))).toEqual(plain(Via.parse(text.replace("SIP/2.0/", "SIP / 2.0 / "))));
      const line = formatNameAddr(address);
      // A space behind the angle bracket's parameters is what the short way does not know.
      const name = address.display === undefined ? "" : `${message.quote(address.display)} `;
      const careful = `${name}<${address.uri}> ${message.formatParams(address.params)}`;
      expect(plain(From.parse(line))).toEqual(plain(From.parse(careful)));
    }),
    RUNS,
  );
});

test("Via, name-addr, CSeq and others: parse after format is the identity", () => {
  same(Via, via());
  same(From, nameAddr());
  same(Contact, nameAddr());
  same(CSeq, fc.record({ number: fc.integer({ min: 0, max: 2 ** 31 - 1 }), method: token() }));
  same(Replaces, fc.record({ callId: token(), toTag: token(), fromTag: token() }));
  same(Reason, fc.record({ protocol: token(), cause: fc.integer({ min: 0, max: 999 }), text: lineText() }));
  same(Warning, fc.record({ code: fc.integer({ min: 100, max: 999 }), agent: token(), text: lineText() }));
});

test("URIs: parse after format is the identity, and a user part survives its escapes", () => {
  fc.assert(
    fc.property(sipUri(), bytes(20), (uri, user) => {
      expect(plain(parseUri(formatUri(uri)))).toEqual(plain(uri));
      expect(sameUri(parseUri(formatUri(uri)), uri)).toBe(true);
      expect(unescapeUser(escapeUser(user))).toBe(user);
      if (user === "") return;
      expect(parseUri(`sip:${escapeUser(user)}@example.com`)).toMatchObject({ user: escapeUser(user) });
    }),
    RUNS,
  );
});

test("a stream cut anywhere gives the frames of the stream in one piece", () => {
  const frame = fc.tuple(fc.constantFrom("", "\r\n\r\n"), bytes(30)).map(([before, body]) => before + request(body));
  fc.assert(
    fc.property(fc.array(frame, { minLength: 1, maxLength: 4 }), fc.array(fc.nat(400)), (frames, cuts) => {
      const stream = frames.join("");
      const whole = texts(new StreamFramer().push(stream));
      const framer = new StreamFramer();
      const marks = [0, ...cuts.filter((cut) => cut < stream.length).sort((a, b) => a - b), stream.length];
      const pieces = marks.slice(1).map((mark, i) => stream.slice(marks[i], mark));
      expect(texts(pieces.flatMap((piece) => [...framer.push(piece)]))).toEqual(whole);
      expect(whole).toEqual(frames.map((text) => text.replace(/^\r\n\r\n/, "")));
      expect(framer.buffered).toBe(0);
    }),
    RUNS,
  );
});

test("no bytes make a framer throw anything but a PeerError, nor hold more than one message may have", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(bytes(80), almostSip()), { maxLength: 6 }), (pieces) => {
      const framer = new StreamFramer({ messageBytes: 500 });
      for (const piece of pieces) {
        if (tryRead(() => framer.push(piece), PeerError) === undefined) break;
        expect(framer.buffered).toBeLessThanOrEqual(500);
      }
    }),
    { numRuns: 500 },
  );
});

const CORE = "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\nTo: <sip:b@c>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n";

const request = (body: string): string =>
  `OPTIONS sip:b@c SIP/2.0\r\n${CORE}From: <sip:a@c>;tag=a\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

const texts = (frames: readonly string[]): string[] => frames.filter((frame) => frame !== "ping" && frame !== "pong");

const fields = (): HeaderField<unknown>[] =>
  (Object.values(message) as unknown[]).filter((value): value is HeaderField<unknown> => {
    return typeof value === "object" && value !== null && "parse" in value && "format" in value;
  });

function same<T>(field: HeaderField<T>, values: fc.Arbitrary<T>): void {
  fc.assert(
    fc.property(values, (value) => {
      expect(plain(field.parse(field.format(value)))).toEqual(plain(value));
    }),
    RUNS,
  );
}

function tryRead<T>(read: () => T, expected: new (...args: never[]) => Error): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof expected)) throw error;
    return undefined;
  }
}

function refusal(text: string): MessageError | undefined {
  try {
    parseMessage(text);
    return undefined;
  } catch (error) {
    return error as MessageError;
  }
}

/** Maps as lists, and views as what they show. */
function plain(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(plain);
  if (Symbol.iterator in value) return [...(value as Iterable<unknown>)];
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}

function bytes(maxLength: number): fc.Arbitrary<string> {
  return fc.uint8Array({ maxLength }).map((array) => String.fromCharCode(...array));
}

function token(): fc.Arbitrary<string> {
  return fc.stringMatching(/^[A-Za-z0-9\-.!%*_+`'~]{1,12}$/);
}

function unknownName(): fc.Arbitrary<string> {
  return fc.stringMatching(/^X-[A-Za-z0-9_.!~]{1,8}$/);
}

/** Anything that fits on a line, with no white space at its ends. */
function lineText(): fc.Arbitrary<string> {
  return bytes(30).map((text) => text.replace(/[\0\r\n]/g, "").replace(/^[ \t]+|[ \t]+$/g, ""));
}

function params(): fc.Arbitrary<ReadonlyMap<string, string | undefined>> {
  const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,7}$/);
  return fc
    .array(fc.tuple(name, fc.option(lineText(), { nil: undefined })), { maxLength: 4 })
    .map((list) => new Map(list));
}

function host(): fc.Arbitrary<string> {
  return fc.oneof(
    fc.constantFrom("192.0.2.1", "2001:db8::1", "::1", "::ffff:192.0.2.1"),
    fc.domain().map((name) => name.toLowerCase()),
  );
}

const port = (): fc.Arbitrary<{ port?: number }> =>
  fc
    .option(fc.integer({ min: 1, max: 65_535 }), { nil: undefined })
    .map((number) => (number === undefined ? {} : { port: number }));

function via(): fc.Arbitrary<ViaValue> {
  const protocol = fc.constantFrom("UDP", "TCP", "TLS", "SCTP", "WSS");
  return fc.tuple(protocol, host(), port(), params()).map(([name, where, number, more]) => ({
    protocol: name,
    host: where,
    ...number,
    params: more,
  }));
}

function sipUri(): fc.Arbitrary<SipUri> {
  const user = fc.option(
    bytes(10)
      .filter((text) => text !== "")
      .map(escapeUser),
    { nil: undefined },
  );
  const value = fc.stringMatching(/^[a-z0-9.-]{1,8}$/);
  const uriParams = fc.array(fc.tuple(fc.stringMatching(/^[a-z]{1,6}$/), fc.option(value, { nil: undefined })), {
    maxLength: 3,
  });
  return fc
    .tuple(fc.constantFrom("sip" as const, "sips" as const), user, host(), port(), uriParams)
    .map(([scheme, name, where, number, list]) => ({
      scheme,
      ...(name === undefined ? {} : { user: name }),
      host: where,
      ...number,
      params: new Map(list),
    }));
}

function nameAddr(): fc.Arbitrary<NameAddr> {
  const display = fc.option(
    lineText().filter((text) => text !== ""),
    { nil: undefined },
  );
  return fc.tuple(display, sipUri(), params()).map(([name, uri, more]) => ({
    ...(name === undefined ? {} : { display: name }),
    uri: formatUri(uri),
    params: more,
  }));
}

/** A value made of the pieces that values are made of. */
function almostValue(): fc.Arbitrary<string> {
  const piece = fc.constantFrom(
    ...'<>"\\;,:=@?%[]()/ \t*.',
    "sip:",
    "sips:",
    "tel:+1-2",
    "alice",
    "example.com",
    "[2001:db8::1]",
    "192.0.2.1",
    "5060",
    ";tag=",
    ";lr",
    "%41",
    "%zz",
    "SIP/2.0/UDP ",
    "Digest ",
    'a="b"',
    "1 INVITE",
    "399 a ",
    "\0",
    "\r\n ",
    "\xe9",
  );
  return fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(""));
}

/** A message made of the pieces that messages are made of, some of them wrong. */
function almostSip(): fc.Arbitrary<string> {
  const start = fc.constantFrom(
    "INVITE sip:b@c SIP/2.0",
    "SIP/2.0 200 OK",
    "ACK sip:b@c SIP/2.0",
    "X <> SIP/7.0",
    "INVITE",
    "",
  );
  const line = fc.oneof(
    fc.constantFrom(
      "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx",
      "v : SIP/2.0/TCP [::1]:5060",
      "Via: SIP/3.0/UDP h;;",
      "From: <sip:a@c>;tag=a",
      "f\t:\r\n sip:a@c",
      "To: <sip:b@c>",
      'To: "x <sip:b@c>',
      "Call-ID: c",
      "CSeq: 1 INVITE",
      "CSeq: 99999999999 INVITE",
      "Content-Length: 3",
      "l: -1",
      "Max-Forwards: 70",
      " folded",
      "no colon",
      "X-\x01: y",
    ),
    fc
      .tuple(fc.constantFrom("From", "Contact", "Via", "X", "Allow"), almostValue())
      .map(([name, value]) => `${name}: ${value}`),
  );
  const end = fc.constantFrom("\r\n", "\n", "\r", "\r\n\r\n");
  const usual = { weight: 20, arbitrary: fc.constant("\r\n") };
  const lines = fc.array(fc.tuple(line, fc.oneof(usual, { weight: 1, arbitrary: end })), { maxLength: 10 });
  return fc
    .tuple(start, lines, fc.constantFrom("\r\n", "", "\n"), bytes(6))
    .map(([first, rest, close, body]) => `${first}\r\n${rest.map((pair) => pair.join("")).join("")}${close}${body}`);
}
