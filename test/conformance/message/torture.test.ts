/**
 * The messages of RFC 4475 and RFC 5118, each with the verdict that its section demands, as far as the message room
 * decides. Where a layer above decides, the message must parse and show that layer what it needs: `shows` says what,
 * `above` which layer acts on it.
 */
import { expect, test } from "vitest";
import {
  Authorization,
  Contact,
  ContentType,
  Expires,
  MaxForwards,
  type Message,
  MessageError,
  NO_PARAMS,
  ProxyRequire,
  parseMultipart,
  parseUri,
  type Request,
  Require,
  Route,
  StreamFramer,
  sameUri,
  Via,
} from "../../../src/message/index.ts";
import { asSent, samples, verdict } from "./corpus.ts";

interface Row {
  /** Section of the RFC. */
  readonly section: string;
  readonly verdict: "accepted" | 400 | 505;
  /** A refusal that can be sent: Via and the rest are usable. */
  readonly answerable?: boolean;
  readonly above?: string;
  readonly shows?: (message: Message) => void;
}

const uriOf = (message: Message): string => (message as Request).uri;

const rfc4475: Record<string, Row> = {
  "wsinv.dat": {
    section: "3.1.1.1",
    verdict: "accepted",
    shows: (message) => {
      expect(message.to.params.get("tag")).toBe("1918181833n");
      expect(message.from.display).toBe('J Rosenberg \\"');
      expect(message.cseq).toEqual({ number: 9, method: "INVITE" });
      expect(message.get(MaxForwards)).toBe(68);
      expect(message.getAll(Via).map((via) => `${via.protocol} ${via.host} ${via.params.get("branch")}`)).toEqual([
        "UDP 192.0.2.2 390skdjuw",
        "TCP spindle.example.com z9hG4bK9ikj8",
        "UDP 192.168.255.111 z9hG4bK30239",
      ]);
      expect(message.headers.raw("Subject")).toBe("");
      expect(message.headers.raw("NewFangledHeader")).toBe("newfangled value continued newfangled value");
      expect(message.headers.raw("UnknownHeaderWithUnusualValue")).toBe(";;,,;;,;");
      const contact = message.get(Contact);
      expect(contact).toMatchObject({ display: 'Quoted string ""', uri: "sip:jdrosen@example.com" });
      expect([...(contact === "*" ? NO_PARAMS : (contact?.params ?? NO_PARAMS))]).toEqual([
        ["newparam", "newvalue"],
        ["secondparam", undefined],
        ["q", "0.33"],
      ]);
      expect(message.get(Route)?.uri).toBe("sip:services.example.com;lr;unknownwith=value;unknown-no-value");
    },
  },
  "intmeth.dat": {
    section: "3.1.1.2",
    verdict: "accepted",
    shows: (message) => {
      expect((message as Request).method).toBe("!interesting-Method0123456789_*+`.%indeed'~");
      expect(message.to.display).toBe("BEL:\x07 NUL:\0 DEL:\x7f");
      expect(message.from.params.get("tag")).toBe("_token~1'+`*%!-.");
      expect(message.headers.raw("extensionHeader-!.%*+_`'~")).toBe("\xef\xbb\xbf\xe5\xa4\xa7\xe5\x81\x9c\xe9\x9b\xbb");
      expect(parseUri(uriOf(message))).toMatchObject({ host: "example.com" });
    },
  },
  "esc01.dat": {
    section: "3.1.1.3",
    verdict: "accepted",
    shows: (message) => {
      expect(parseUri(uriOf(message))).toMatchObject({ user: "sips%3Auser%40example.com", host: "example.net" });
      expect(sameUri(parseUri(message.to.uri), parseUri("sip:user@example.com"))).toBe(true);
      const contact = message.get(Contact);
      const uri = parseUri(contact === "*" || contact === undefined ? "" : contact.uri);
      expect(uri).toMatchObject({ user: "cal%6Cer" });
      expect(uri.scheme === "sip" && [...uri.params]).toEqual([
        ["lr", undefined],
        ["name", "v%61lue%25%34%31"],
      ]);
    },
  },
  "escnull.dat": {
    section: "3.1.1.4",
    verdict: "accepted",
    shows: (message) => {
      const contacts = message.getAll(Contact).map((contact) => parseUri(contact === "*" ? "" : contact.uri));
      expect(contacts.map((uri) => uri.scheme === "sip" && uri.user)).toEqual(["%00", "%00%00"]);
      expect(sameUri(contacts[0]!, contacts[1]!)).toBe(false);
    },
  },
  "esc02.dat": {
    section: "3.1.1.5",
    verdict: "accepted",
    above: "transaction: 501 or 405, since RE%47IST%45R is not REGISTER",
    shows: (message) => {
      expect((message as Request).method).toBe("RE%47IST%45R");
      expect(message.from.display).toBe("%Z%45");
      expect(message.getAll(Contact)).toHaveLength(2); // C%6Fntact is another header.
      expect(message.headers.raw("C%6Fntact")).toBe("<sip:alias2@host2.example.com>");
    },
  },
  "lwsdisp.dat": {
    section: "3.1.1.6",
    verdict: "accepted",
    shows: (message) => expect(message.from).toMatchObject({ display: "caller", uri: "sip:caller@example.com" }),
  },
  "longreq.dat": {
    section: "3.1.1.7",
    verdict: "accepted",
    shows: (message) => {
      expect(message.getAll(Via)).toHaveLength(34);
      expect(message.via.host).toBe("sip33.example.com");
      expect(message.callId).toHaveLength(141);
    },
  },
  "dblreq.dat": {
    section: "3.1.1.8",
    verdict: "accepted",
    shows: (message) => {
      expect((message as Request).method).toBe("REGISTER");
      expect(message.body).toBe(""); // What follows the first message in the datagram is no part of it.
      expect(message.text).not.toContain("joe@example.com");
    },
  },
  "semiuri.dat": {
    section: "3.1.1.9",
    verdict: "accepted",
    shows: (message) =>
      expect(parseUri(uriOf(message))).toMatchObject({
        user: "user;par=u%40example.net",
        host: "example.com",
        params: NO_PARAMS,
      }),
  },
  "transports.dat": {
    section: "3.1.1.10",
    verdict: "accepted",
    shows: (message) =>
      expect(message.getAll(Via).map((via) => via.protocol)).toEqual(["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]),
  },
  "mpart01.dat": {
    section: "3.1.1.11",
    verdict: "accepted",
    shows: (message) => {
      const type = message.get(ContentType);
      const parts = parseMultipart(message.body, type?.params.get("boundary") ?? "");
      expect(parts.map((part) => part.headers.raw("Content-Type"))).toEqual(["text/plain", "application/octet-stream"]);
      expect(parts[0]?.body).toBe("Hello");
      expect(parts[1]?.body).toContain("\0");
    },
  },
  "unreason.dat": {
    section: "3.1.1.12",
    verdict: "accepted",
    shows: (message) => expect(message.kind === "response" && message.reason).toContain("= 2**3 * 5**2 \xd0\xbd"),
  },
  "noreason.dat": {
    section: "3.1.1.13",
    verdict: "accepted",
    shows: (message) => expect(message).toMatchObject({ status: 100, reason: "" }),
  },
  "badinv01.dat": { section: "3.1.2.1", verdict: 400, answerable: true },
  "clerr.dat": { section: "3.1.2.2", verdict: 400, answerable: true },
  "ncl.dat": { section: "3.1.2.3", verdict: 400, answerable: true },
  "scalar02.dat": { section: "3.1.2.4", verdict: 400, answerable: true },
  "scalarlg.dat": { section: "3.1.2.5", verdict: 400, answerable: false }, // A response: dropped.
  "quotbal.dat": { section: "3.1.2.6", verdict: 400, answerable: true },
  "ltgtruri.dat": { section: "3.1.2.7", verdict: 400, answerable: true },
  "lwsruri.dat": { section: "3.1.2.8", verdict: 400, answerable: true },
  "lwsstart.dat": { section: "3.1.2.9", verdict: 400, answerable: true },
  "trws.dat": { section: "3.1.2.10", verdict: 400, answerable: true },
  "escruri.dat": { section: "3.1.2.11", verdict: 400, answerable: true },
  "baddate.dat": {
    section: "3.1.2.12",
    verdict: "accepted", // The section lets an element that does not need the date ignore it.
    shows: (message) => expect(message.headers.raw("Date")).toBe("Fri, 01 Jan 2010 16:00:00 EST"),
  },
  "regbadct.dat": { section: "3.1.2.13", verdict: 400, answerable: true },
  "badaspec.dat": { section: "3.1.2.14", verdict: 400, answerable: true },
  "baddn.dat": { section: "3.1.2.15", verdict: 400, answerable: true },
  "badvers.dat": { section: "3.1.2.16", verdict: 505, answerable: true },
  "mismatch01.dat": { section: "3.1.2.17", verdict: 400, answerable: true },
  "mismatch02.dat": { section: "3.1.2.18", verdict: 400, answerable: true },
  "bigcode.dat": { section: "3.1.2.19", verdict: 400, answerable: false }, // A response: dropped.
  "badbranch.dat": {
    section: "3.2.1",
    verdict: "accepted",
    above: "transaction: a branch that is the cookie alone is matched as RFC 2543 does",
    shows: (message) => expect(message.branch).toBe("z9hG4bK"),
  },
  "insuf.dat": { section: "3.3.1", verdict: 400, answerable: true },
  "unkscm.dat": {
    section: "3.3.2",
    verdict: "accepted",
    above: "call: 416",
    shows: (message) => expect((message as Request).requestUri.scheme).toBe("other"),
  },
  "novelsc.dat": {
    section: "3.3.3",
    verdict: "accepted",
    above: "call: 416",
    shows: (message) => expect((message as Request).requestUri.scheme).toBe("other"),
  },
  "unksm2.dat": {
    section: "3.3.4",
    verdict: "accepted",
    above: "registration: 400; calls do not look at the scheme of From",
    shows: (message) => {
      expect(parseUri(message.to.uri)).toEqual({ scheme: "other", text: "isbn:2983792873" });
      expect(message.get(Contact)).toMatchObject({ uri: "name:John_Smith" });
    },
  },
  "bext01.dat": {
    section: "3.3.5",
    verdict: "accepted",
    above: "leg: 420 with Unsupported",
    shows: (message) => {
      expect(message.getAll(Require)).toEqual(["nothingSupportsThis", "nothingSupportsThisEither"]);
      expect(message.getAll(ProxyRequire)).toEqual(["noProxiesSupportThis", "norDoAnyProxiesSupportThis"]);
    },
  },
  "invut.dat": {
    section: "3.3.6",
    verdict: "accepted",
    above: "call: 415 with Accept",
    shows: (message) => expect(message.get(ContentType)).toMatchObject({ subtype: "unknownformat" }),
  },
  "regaut01.dat": {
    section: "3.3.7",
    verdict: "accepted",
    above: "registration: credentials of an unknown scheme are no credentials, 401",
    shows: (message) => expect(message.get(Authorization)?.scheme).toBe("NoOneKnowsThisScheme"),
  },
  "multi01.dat": { section: "3.3.8", verdict: 400, answerable: true },
  "mcl01.dat": { section: "3.3.9", verdict: 400, answerable: true },
  "bcast.dat": {
    section: "3.3.10",
    verdict: "accepted",
    above: "transaction: it matches nothing and is dropped",
    shows: (message) => expect(message.getAll(Via)[1]?.host).toBe("255.255.255.255"),
  },
  "zeromf.dat": {
    section: "3.3.11",
    verdict: "accepted",
    above: "call: 483 for what would be forwarded, an answer to OPTIONS for the box itself",
    shows: (message) => expect(message.get(MaxForwards)).toBe(0),
  },
  "cparam01.dat": {
    section: "3.3.12",
    verdict: "accepted",
    shows: (message) => expect(message.get(Contact)).toMatchObject({ uri: "sip:+19725552222@gw1.example.net" }),
  },
  "cparam02.dat": {
    section: "3.3.13",
    verdict: "accepted",
    shows: (message) =>
      expect(message.get(Contact)).toMatchObject({ uri: "sip:+19725552222@gw1.example.net;unknownparam" }),
  },
  "regescrt.dat": {
    section: "3.3.14",
    verdict: "accepted",
    shows: (message) => {
      const contact = message.get(Contact);
      const uri = parseUri(contact === "*" || contact === undefined ? "" : contact.uri);
      expect(uri).toMatchObject({ headers: "Route=%3Csip:sip.example.com%3E" });
    },
  },
  "sdp01.dat": {
    section: "3.3.15",
    verdict: "accepted",
    above: "call: the offer is answered, or 406",
    shows: (message) => expect(message.headers.raw("Accept")).toBe("text/nobodyKnowsThis"),
  },
  "inv2543.dat": {
    section: "3.4.1",
    verdict: "accepted",
    shows: (message) => {
      expect(message.fromTag).toBeUndefined();
      expect(message.get(MaxForwards)).toBeUndefined();
      expect(message.body).toContain("m=audio 49217");
    },
  },
  // In the archive, not in the text: no SIP version, no Via, and a line without a colon.
  "test.dat": { section: "-", verdict: 400, answerable: false },
};

/** By what they are, since the files bear numbers only. Some are cut short by the page they were printed on. */
const rfc5118: Record<string, Row> = {
  "msg01.sip": {
    section: "4.1",
    verdict: "accepted",
    shows: (message) => {
      expect(parseUri(uriOf(message))).toMatchObject({ host: "2001:db8::10" });
      expect(message.via).toMatchObject({ host: "2001:db8::9:1" });
    },
  },
  "msg02.sip": { section: "4.2", verdict: 400, answerable: true },
  "msg03.sip": {
    section: "4.3",
    verdict: "accepted",
    shows: (message) => {
      expect(parseUri(uriOf(message))).toMatchObject({ host: "2001:db8::10:5070" });
      expect(parseUri(uriOf(message))).not.toHaveProperty("port");
    },
  },
  "msg04.sip": {
    section: "4.4",
    verdict: "accepted",
    shows: (message) => expect(parseUri(uriOf(message))).toMatchObject({ host: "2001:db8::10", port: 5070 }),
  },
  "msg05.sip": { section: "4.5", verdict: 400, answerable: false }, // Printed up to its Via.
  "msg06.sip": { section: "4.5", verdict: 400, answerable: false }, // Printed up to its Via.
  "msg07.sip": { section: "4.6", verdict: "accepted" },
  "msg08.sip": { section: "4.7", verdict: 400, answerable: true }, // Printed up to its second Via.
  "msg09.sip": { section: "4.8", verdict: "accepted" },
  "msg10.sip": {
    section: "4.9",
    verdict: "accepted",
    shows: (message) =>
      expect(message.getAll(Via).map((via) => via.host)).toEqual(["::ffff:192.0.2.10", "::ffff:192.0.2.2"]),
  },
  "msg11.sip": {
    section: "4.10",
    verdict: "accepted",
    shows: (message) => expect(parseUri(uriOf(message))).toMatchObject({ host: "2001:db8::192.0.2.1" }),
  },
  "msg12.sip": {
    section: "4.10",
    verdict: "accepted",
    shows: (message) => expect(parseUri(uriOf(message))).toMatchObject({ host: "2001:db8::192.0.2.1" }),
  },
};

function judge(text: string, row: Row): void {
  const found = verdict(text);
  if (found instanceof MessageError) {
    expect(found.status, found.message).toBe(row.verdict);
    expect(found.answerTo !== undefined).toBe(row.answerable);
    return;
  }
  expect(row.verdict).toBe("accepted");
  row.shows?.(found);
}

for (const { name, text } of samples("sip-torture-rfc4475", /\.dat$/)) {
  const row = rfc4475[name];
  test(`RFC 4475 §${row?.section} ${name}: ${row?.verdict}`, () => {
    expect(row, "every message of the set has its row").toBeDefined();
    judge(text, row!);
  });
}

for (const { name, text } of samples("sip-torture-rfc5118", /\.sip$/)) {
  const row = rfc5118[name];
  test(`RFC 5118 §${row?.section} ${name}: ${row?.verdict}`, () => {
    expect(row, "every message of the set has its row").toBeDefined();
    // The set warns that printed lengths may be wrong: the header is corrected, so that the addresses are what counts.
    judge(asSent(text), row!);
  });
}

test("RFC 5118 §4.5: received is taken with and without brackets", () => {
  for (const received of ["[2001:db8::9:255]", "2001:db8::9:255"]) {
    const via = Via.parse(`SIP/2.0/UDP [2001:db8::9:1];received=${received};branch=z9hG4bKas3-111`);
    expect(via.params.get("received")).toBe(received);
    expect(via.params.get("branch")).toBe("z9hG4bKas3-111");
  }
});

test("RFC 4475 §3.1.2.4: Expires that is too large is taken as the largest", () => {
  expect(Expires.parse(`1${"0".repeat(100)}`)).toBe(2 ** 32 - 1);
});

test("on a stream an extra request in the bytes is a message of its own", () => {
  const [double] = samples("sip-torture-rfc4475", /^dblreq\.dat$/);
  const frames = new StreamFramer().push(double?.text ?? "").filter((frame) => frame.length > 4);
  expect(frames.map((frame) => frame.split(" ", 1)[0])).toEqual(["REGISTER", "INVITE"]);
});
