import { expect, test } from "vitest";
import {
  Allow,
  Contact,
  limits,
  MessageError,
  parseMessage,
  type Request,
  responseTo,
  UserAgent,
} from "../../../src/message/index.ts";
import { leastCpuMs } from "../../support/cpu-time.ts";

test("a request gives its values, and its text is what came", () => {
  const text = request(
    "Contact: <sip:a@192.0.2.1>, <sip:a@192.0.2.2>;q=0.5\r\nAllow: INVITE, ACK\r\nAllow: BYE",
    "body",
  );
  const read = parseMessage(text) as Request;
  expect(read).toMatchObject({
    kind: "request",
    method: "INVITE",
    uri: "sip:b@c",
    callId: "c@192.0.2.1",
    body: "body",
  });
  expect(read).toMatchObject({ branch: "z9hG4bKx", fromTag: "a", toTag: undefined, text });
  expect(read.requestUri).toMatchObject({ scheme: "sip", user: "b", host: "c" });
  expect(read.getAll(Contact).map((contact) => contact !== "*" && contact.uri)).toEqual([
    "sip:a@192.0.2.1",
    "sip:a@192.0.2.2",
  ]);
  expect(read.getAll(Allow)).toEqual(["INVITE", "ACK", "BYE"]);
  expect(read.get(UserAgent)).toBeUndefined();
});

const refused: [string, string, number][] = [
  ["no Via", request("").replace(/Via.*\r\n/, ""), 400],
  ["no CSeq", request("").replace(/CSeq.*\r\n/, ""), 400],
  ["two From", request("f: <sip:x@y>"), 400],
  ["Max-Forwards 256", request("Max-Forwards: 256"), 400],
  ["CSeq 2^31", request("").replace("CSeq: 1", "CSeq: 2147483648"), 400],
  ["NUL in a header", request("X: a\0b"), 400],
  ["NUL outside quotes", request('X: "a" \\\0'), 400],
  ["CR alone in a core header", request("").replace("Call-ID: c", "Call-ID: c\rX"), 400],
  ["LF alone", request("X: a\nY: b"), 400],
  ["a line that begins with a colon is no core header, a line without one none at all", request("nonsense"), 400],
  ["SIP/2.1", request("").replace("SIP/2.0\r\n", "SIP/2.1\r\n"), 505],
  ["a Request-URI over its limit", request("").replace("sip:b@c", `sip:${"b".repeat(limits.uriBytes)}@c`), 414],
  ["a From URI over its limit", request("").replace("sip:a@c", `sip:${"a".repeat(limits.uriBytes)}@c`), 400],
  ["a Request-URI whose host is over its limit", request("").replace("sip:b@c", `sip:b@${"c".repeat(256)}`), 400],
  ["an unbracketed IPv6 host", request("").replace("sip:b@c", "sip:2001:db8::1"), 400],
  ["a message over its limit", request("", "x".repeat(limits.messageBytes)), 413],
  ["a header line over its limit", request(`X: ${"x".repeat(limits.lineBytes)}`), 400],
  ["more header lines than the limit", request("X: y\r\n".repeat(limits.headerLines).slice(0, -2)), 400],
  ["more Via lines than the limit", request("Via: SIP/2.0/UDP h\r\n".repeat(limits.viaCount).slice(0, -2)), 400],
  ["a body that is cut short", request("l: 9").replace(/Content-Length.*\r\n/, ""), 400],
];

for (const [what, text, status] of refused) {
  test(`refused with ${status}: ${what}`, () => {
    const error = refusal(text);
    expect(error.status, error.message).toBe(status);
  });
}

test("a request with too many header lines can be answered by those within the limit", () => {
  const { answerTo } = refusal(request("X: y\r\n".repeat(limits.headerLines).slice(0, -2)));
  expect(answerTo).toMatchObject({ method: "INVITE", callId: "c@192.0.2.1", fromTag: "a" });
});

test("a version in small letters is the same version", () => {
  expect(parseMessage(request("").replace("SIP/2.0\r\n", "sip/2.0\r\n")).kind).toBe("request");
});

test("a datagram's bytes behind Content-Length are left out, and a body without one goes to the end", () => {
  expect(parseMessage(`${request("", "abc")}def`).body).toBe("abc");
  expect(parseMessage(`${request("").replace(/Content-Length.*\r\n/, "")}def`).body).toBe("def");
});

test("an answer to a broken request copies what is there; an ACK gets none", () => {
  const error = refusal(request("Max-Forwards: x"));
  expect(responseTo(error.answerTo!, error.status, "t").toText()).toBe(
    "SIP/2.0 400 Bad Request\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\nFrom: <sip:a@c>;tag=a\r\n" +
      "To: <sip:b@c>;tag=t\r\nCall-ID: c@192.0.2.1\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
  );
  expect(refusal(request("Max-Forwards: x").replaceAll("INVITE", "ACK")).answerTo).toBeUndefined();
});

test("a response with a Contact that cannot be read is not lost for it", () => {
  const text = request("Contact: %").replace("INVITE sip:b@c SIP/2.0", "SIP/2.0 200 OK");
  expect(parseMessage(text)).toMatchObject({ kind: "response", status: 200, reason: "OK" });
  expect(() => parseMessage(text).get(Contact)).toThrow("Contact");
});

test("names that are no names exist for nobody", () => {
  const read = parseMessage(request("X\x01Y: a\r\nP Asserted: b\r\nSubject: c"));
  expect(read.headers.entries().map((line) => line.key)).not.toContain("x\x01y");
  expect(read.headers.raw("Subject")).toBe("c");
  expect(read.headers.raw("s")).toBe("c");
});

test("a CR alone in a header that nobody must read never begins a line elsewhere", () => {
  expect(parseMessage(request("X: a\rVia: b")).headers.raw("X")).toBe("a Via: b");
});

test("hostile texts of full size cost little time", () => {
  const room = limits.lineBytes - 20;
  const hostile = [
    `Contact: ${"<".repeat(room)}`,
    `Contact: ${'"'.repeat(room)}`,
    `Contact: <sip:a@b>${";a".repeat(room / 2 - 10)}`,
    `Contact: <sip:a@b>${", <sip:a@b>".repeat(500)}`,
    `X: ${'"\\\0'.repeat(room / 3)}`,
    ...Array.from({ length: 6 }, () => `Y: ${", ".repeat(room / 2)}`),
  ];
  const readAll = (): void => {
    for (const line of hostile) {
      for (let i = 0; i < 5; i++) {
        try {
          const read = parseMessage(request(line));
          read.headers.entries();
          read.getAll(Contact);
        } catch (error) {
          expect((error as MessageError).status).toBe(400);
        }
      }
    }
  };
  expect(leastCpuMs(1_500, readAll)).toBeLessThan(1_500);
});

function request(lines: string, body = ""): string {
  return (
    "INVITE sip:b@c SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\nFrom: <sip:a@c>;tag=a\r\nTo: <sip:b@c>\r\n" +
    `Call-ID: c@192.0.2.1\r\nCSeq: 1 INVITE\r\n${lines === "" ? "" : `${lines}\r\n`}Content-Length: ${body.length}\r\n\r\n${body}`
  );
}

function refusal(text: string): MessageError {
  try {
    parseMessage(text);
  } catch (error) {
    if (error instanceof MessageError) return error;
    throw error;
  }
  throw new Error("it was accepted");
}
