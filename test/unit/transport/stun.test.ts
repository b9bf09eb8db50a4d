/** STUN on the SIP port, by the vectors of RFC 5769 where they fit, and by what a hostile client may send. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { stunAnswer } from "../../../src/transport/stun.ts";
import { ALICE, Bench } from "./bench.ts";

const HEAD = "\x21\x12\xa4\x42";
const ID = "\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae";
const request = (attributes = ""): string =>
  `\0\x01${String.fromCharCode(attributes.length >> 8, attributes.length & 0xff)}${HEAD}${ID}${attributes}`;

const bytes = (text: string | undefined): string => Buffer.from(text ?? "", "latin1").toString("hex");

test("a phone is told its address as RFC 5769 §2.2 writes it", () => {
  const answer = stunAnswer(request(), { ip: "192.0.2.1", port: 32_853 });
  expect(bytes(answer)).toBe("0101000c2112a442b7e7a701bc34d686fa87dfae002000080001a147e112a643");
});

test("and an IPv6 one as §2.3 does", () => {
  const answer = stunAnswer(request(), { ip: "2001:db8:1234:5678:11:2233:4455:6677", port: 32_853 });
  expect(bytes(answer)).toBe(
    "010100182112a442b7e7a701bc34d686fa87dfae002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9",
  );
});

test("what may be passed over is; what must be understood is named in a 420", () => {
  const software = "\x80\x22\0\x04test";
  expect(bytes(stunAnswer(request(software), ALICE)).slice(0, 4)).toBe("0101");
  const refused = bytes(stunAnswer(request(`\0\x03\0\x04\0\0\0\x02${software}`), ALICE));
  expect(refused).toBe("011100102112a442b7e7a701bc34d686fa87dfae0009000400000414000a000200030000");
});

test.each([
  ["without the cookie", request().replace(HEAD, "\0\0\0\0")],
  ["a length that is not its own", request().replace("\0\x01\0\0", "\0\x01\0\x04")],
  ["an attribute longer than the message", request("\x80\x22\0\x09test")],
  ["a response", request().replace("\0\x01", "\x01\x01")],
  ["an indication", request().replace("\0\x01", "\0\x11")],
])("%s gets nothing", (_name, text) => {
  expect(stunAnswer(text, ALICE)).toBe(undefined);
});

test("any bytes get at most an answer of less than twice their length", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), fc.boolean(), (tail, framed) => {
      const raw = Buffer.from(tail).toString("latin1");
      const text = framed ? request(raw.slice(0, raw.length & ~3)) : raw;
      const answer = stunAnswer(text, { ip: "2001:db8::1", port: 5060 });
      return answer === undefined || answer.length <= 2 * text.length + 4;
    }),
  );
});

test("on the wire: the answer goes where the request came from, and nothing goes up", () => {
  const bench = new Bench();
  bench.datagram(request());
  bench.datagram("\0\x01\0\0garbage");
  expect(bench.up).toEqual([]);
  expect(bench.outputs).toMatchObject([{ out: "datagram", remote: ALICE, listener: "outside/udp" }]);
  expect(bench.transport.counters.get("datagram.stun-answered")).toBe(1);
  expect(bench.transport.counters.get("datagram.not-sip")).toBe(1);
});
