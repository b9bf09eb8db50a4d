/**
 * What the whole box says to the torture messages: the answer that their sections ask of a user agent which is a B2BUA
 * and no registrar. Whatever comes, it must not throw, and an hour later nothing may be left of it.
 */
import { expect, test } from "vitest";
import { asSent, samples } from "../message/corpus.ts";
import { tortureMessages } from "./torture-messages.ts";
import { type Said, VirtualBox } from "./virtual-box.ts";

interface Row {
  readonly section: string;
  /** The final status; or nothing at all; or an INVITE to the other side. */
  readonly verdict: number | "silence" | "forwarded";
  readonly why: string;
  /** What the answer, or the forwarded INVITE, must hold beside. */
  readonly holds?: RegExp;
  readonly lacks?: RegExp;
}

const NO_REGISTRAR = "a registration, and no registrar here";
const ALLOW = /\r\nAllow: .*INVITE/;

const rfc4475: Record<string, Row> = {
  "wsinv.dat": { section: "3.1.1.1", verdict: 481, why: "read to the end: its To has a tag of no dialog" },
  "intmeth.dat": { section: "3.1.1.2", verdict: 405, why: "a method nobody knows", holds: ALLOW },
  "esc01.dat": {
    section: "3.1.1.3",
    verdict: "forwarded",
    why: "escapes in the user part mean what they meant",
    holds: /^INVITE sip:sips%3Auser%40example\.com@/,
  },
  "escnull.dat": { section: "3.1.1.4", verdict: 405, why: NO_REGISTRAR, holds: ALLOW },
  "esc02.dat": { section: "3.1.1.5", verdict: 405, why: "RE%47IST%45R is not REGISTER", holds: ALLOW },
  "lwsdisp.dat": { section: "3.1.1.6", verdict: 200, why: "no blank is needed before <" },
  "longreq.dat": {
    section: "3.1.1.7",
    verdict: "forwarded",
    why: "long is not wrong",
    lacks: /sip33\.example\.com|unknownheader/i,
  },
  "dblreq.dat": { section: "3.1.1.8", verdict: 405, why: `${NO_REGISTRAR}; the octets behind it are no message` },
  "semiuri.dat": { section: "3.1.1.9", verdict: 200, why: "semicolons may stand in a user part" },
  "transports.dat": { section: "3.1.1.10", verdict: 200, why: "unknown transports below the top Via harm nobody" },
  "mpart01.dat": {
    section: "3.1.1.11",
    verdict: 415,
    why: "a MESSAGE whose signed parts cannot be rewritten",
    holds: /\r\nAccept: .*text\/plain/,
  },
  "unreason.dat": { section: "3.1.1.12", verdict: "silence", why: "a response to nobody" },
  "noreason.dat": { section: "3.1.1.13", verdict: "silence", why: "a response to nobody" },
  "badinv01.dat": { section: "3.1.2.1", verdict: 400, why: "separators without anything between" },
  "clerr.dat": { section: "3.1.2.2", verdict: 400, why: "Content-Length beyond the datagram" },
  "ncl.dat": { section: "3.1.2.3", verdict: 400, why: "a negative Content-Length" },
  "scalar02.dat": { section: "3.1.2.4", verdict: 400, why: "CSeq too large" },
  "scalarlg.dat": { section: "3.1.2.5", verdict: "silence", why: "a response with numbers too large is dropped" },
  "quotbal.dat": { section: "3.1.2.6", verdict: 400, why: "an open quotation mark" },
  "ltgtruri.dat": { section: "3.1.2.7", verdict: 400, why: "brackets around the Request-URI" },
  "lwsruri.dat": { section: "3.1.2.8", verdict: 400, why: "a blank inside the Request-URI" },
  "lwsstart.dat": { section: "3.1.2.9", verdict: 400, why: "two blanks in the start line" },
  "trws.dat": { section: "3.1.2.10", verdict: 400, why: "blanks behind the version" },
  "escruri.dat": { section: "3.1.2.11", verdict: 400, why: "headers in the Request-URI, one of them Route" },
  "baddate.dat": { section: "3.1.2.12", verdict: "forwarded", why: "a bad Date is left behind", lacks: /\r\nDate:/ },
  "regbadct.dat": { section: "3.1.2.13", verdict: 400, why: "nobody can tell the URI's headers from the Contact's" },
  "badaspec.dat": { section: "3.1.2.14", verdict: 400, why: "blanks inside an addr-spec" },
  "baddn.dat": { section: "3.1.2.15", verdict: 400, why: "a display name that is no token" },
  "badvers.dat": { section: "3.1.2.16", verdict: 505, why: "SIP/7.0" },
  "mismatch01.dat": { section: "3.1.2.17", verdict: 400, why: "CSeq names another method" },
  "mismatch02.dat": { section: "3.1.2.18", verdict: 400, why: "CSeq names another method; 501 would do, too" },
  "bigcode.dat": { section: "3.1.2.19", verdict: "silence", why: "a response with a code too large is dropped" },
  "badbranch.dat": { section: "3.2.1", verdict: 200, why: "a bare cookie is matched as RFC 2543 does" },
  "insuf.dat": { section: "3.3.1", verdict: 400, why: "no From, To or Call-ID; answered with what there is" },
  "unkscm.dat": { section: "3.3.2", verdict: 416, why: "an unknown URI scheme" },
  "novelsc.dat": { section: "3.3.3", verdict: 416, why: "a scheme that SIP does not speak" },
  "unksm2.dat": { section: "3.3.4", verdict: 405, why: NO_REGISTRAR, holds: ALLOW },
  "bext01.dat": {
    section: "3.3.5",
    verdict: 420,
    why: "extensions that nobody supports are named",
    holds: /\r\nUnsupported: nothingSupportsThis, nothingSupportsThisEither/,
  },
  "invut.dat": {
    section: "3.3.6",
    verdict: 415,
    why: "a body that could not be carried on",
    holds: /\r\nAccept: application\/sdp/,
  },
  "regaut01.dat": { section: "3.3.7", verdict: 405, why: NO_REGISTRAR, holds: ALLOW },
  "multi01.dat": { section: "3.3.8", verdict: 400, why: "two values where one must be" },
  "mcl01.dat": { section: "3.3.9", verdict: 400, why: "two Content-Lengths" },
  "bcast.dat": { section: "3.3.10", verdict: "silence", why: "a response to nobody goes to no broadcast address" },
  "zeromf.dat": { section: "3.3.11", verdict: 200, why: "an endpoint answers OPTIONS whatever Max-Forwards says" },
  "cparam01.dat": { section: "3.3.12", verdict: 405, why: NO_REGISTRAR, holds: ALLOW },
  "cparam02.dat": { section: "3.3.13", verdict: 405, why: NO_REGISTRAR, holds: ALLOW },
  "regescrt.dat": { section: "3.3.14", verdict: 405, why: NO_REGISTRAR, holds: ALLOW },
  "sdp01.dat": { section: "3.3.15", verdict: "forwarded", why: "406 may be said; we ask the callee all the same" },
  "inv2543.dat": {
    section: "3.4.1",
    verdict: "forwarded",
    why: "legal in RFC 2543, which knew no branch, no tags and no need of Contact",
    holds: /\r\nMax-Forwards: 69\r\n/,
  },
  "test.dat": { section: "-", verdict: "silence", why: "no version and no Via: not SIP" },
};

const rfc5118: Record<string, Row> = {
  "msg01.sip": { section: "4.1", verdict: 405, why: `${NO_REGISTRAR}; the IPv6 references are good` },
  "msg02.sip": { section: "4.2", verdict: 400, why: "an IPv6 address without brackets" },
  "msg03.sip": { section: "4.3", verdict: 405, why: `${NO_REGISTRAR}; 5070 belongs to the address` },
  "msg04.sip": { section: "4.4", verdict: 405, why: `${NO_REGISTRAR}; 5070 is the port` },
  "msg05.sip": { section: "4.5", verdict: "silence", why: "printed up to its Via: nobody to answer" },
  "msg06.sip": { section: "4.5", verdict: "silence", why: "printed up to its Via: nobody to answer" },
  "msg07.sip": { section: "4.6", verdict: "forwarded", why: "two streams, each with its own address" },
  "msg08.sip": { section: "4.7", verdict: 400, why: "printed up to its second Via: From is missing" },
  "msg09.sip": { section: "4.8", verdict: "forwarded", why: "IPv4 and IPv6 in one description" },
  "msg10.sip": { section: "4.9", verdict: 488, why: "well-formed, but media to a mapped address is refused here" },
  "msg11.sip": { section: "4.10", verdict: 200, why: "three colons, as the old grammar let one write" },
  "msg12.sip": { section: "4.10", verdict: 200, why: "the same address with two colons" },
};

const STRANGER = { ip: "192.0.2.66", port: 5060 };

function judge(text: string, row: Row): void {
  const box = new VirtualBox();
  const said = [...box.hear("outside", text), ...box.pass(1_000)];
  const answers = said.filter(({ side, text }) => side === "outside" && !text.startsWith("SIP/2.0 100 "));
  const inside = said.filter(({ side }) => side === "inside");
  const found = inside[0] ?? answers[0];
  expect(verdictOf(answers, inside)).toBe(row.verdict);
  if (row.holds !== undefined) expect(found?.text).toMatch(row.holds);
  if (row.lacks !== undefined) expect(found?.text).not.toMatch(row.lacks);
  expect(box.leftovers()).toEqual([]);
}

function verdictOf(answers: readonly Said[], inside: readonly Said[]): Row["verdict"] {
  if (inside.length > 0) return inside.every(({ text }) => text.startsWith("INVITE ")) ? "forwarded" : -1;
  const [first] = answers;
  if (first === undefined) return "silence";
  expect(new Set(answers.map(({ text }) => text)).size, "one answer, whatever its copies").toBe(1);
  return Number(first.text.split(" ")[1]);
}

/** A stranger learns as little as may be, and nobody inside hears of him. */
function judgeFromStranger(text: string): void {
  const box = new VirtualBox();
  const said = [...box.hear("outside", text, STRANGER), ...box.pass(100_000)];
  expect(said.filter(({ side }) => side === "inside")).toEqual([]);
  expect(said.length, "answered once, for it cannot be known who asked").toBeLessThanOrEqual(1);
  const first = said[0]?.text ?? "";
  expect(first).toMatch(/^(?:SIP\/2\.0 (?:400|403|481|505) |$)/);
  expect(first.length).toBeLessThanOrEqual(1.5 * text.length);
  expect(box.leftovers()).toEqual([]);
}

const sets = [
  { rfc: 4475, rows: rfc4475, messages: tortureMessages() },
  // The set warns that printed lengths may be wrong: the header is corrected, so that the addresses are what counts.
  {
    rfc: 5118,
    rows: rfc5118,
    messages: samples("sip-torture-rfc5118", /\.sip$/).map(({ name, text }) => ({ name, text: asSent(text) })),
  },
];

for (const { rfc, rows, messages } of sets) {
  for (const { name, text } of messages) {
    const row = rows[name];
    test(`RFC ${rfc} §${row?.section} ${name}: ${row?.verdict}, ${row?.why}`, () => {
      expect(row, "every message of the set has its row").toBeDefined();
      judge(text, row as Row);
    });
    test(`RFC ${rfc} ${name} from a stranger: nothing goes inside`, () => judgeFromStranger(text));
  }
}

test.each([
  ["OPTIONS", false],
  ["INVITE", false],
  ["OPTIONS", true],
  ["INVITE", true],
])("a stranger's %s is answered when that is no gain to him (padded: %s)", (method, padded) => {
  const lines = [
    `${method} sip:a@b SIP/2.0`,
    "v:SIP/2.0/UDP h;branch=z9hG4bKb;rport",
    "f:<sip:a@b>;tag=1",
    "t:<sip:a@b>",
    "i:2",
    `CSeq:1 ${method}`,
    ...(padded ? ["m:<sip:a@b>", `s:${"x".repeat(100)}`] : []),
  ];
  const said = new VirtualBox().hear("outside", `${lines.join("\r\n")}\r\n\r\n`, STRANGER);
  expect(said).toHaveLength(padded ? 1 : 0);
});

test("the same messages one after the other leave nothing in one box", () => {
  const box = new VirtualBox();
  for (const { messages } of sets) for (const { text } of messages) box.hear("outside", text);
  expect(box.leftovers()).toEqual([]);
});

test("the control: while a call is being set up, something is there", () => {
  const box = new VirtualBox();
  const invite = tortureMessages().find(({ name }) => name === "longreq.dat");
  box.hear("outside", invite?.text ?? "");
  expect(box.held()).toContain("/calls/calls 1");
  expect(box.leftovers()).toEqual([]);
});
