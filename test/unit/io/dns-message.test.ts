/** What an answer says to a question, and that hostile bytes say nothing. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Question, questionBytes, readAnswer } from "../../../src/io/dns/message.ts";
import {
  a,
  alias,
  NXDOMAIN,
  nameBytes,
  naptr,
  OK,
  type RecordText,
  recordBytes,
  reply,
  SERVFAIL,
  soa,
  srv,
  TRUNCATED,
  TYPE,
  words,
} from "./name-server.ts";

const ID = 4_711;
const pbx: Question = { type: "A", name: "pbx.test" };

test("each type comes whole, with its own time to live", () => {
  expect(read(pbx, OK, [a("pbx.test", "192.0.2.7", 17)])).toEqual({
    says: "records",
    records: [{ type: "A", ttlSeconds: 17, ip: "192.0.2.7" }],
  });
  const six = { name: "PBX.test", type: TYPE.AAAA, ttl: 18, data: Buffer.from(`20010db8${"0".repeat(22)}09`, "hex") };
  expect(read({ type: "AAAA", name: "pbx.test." }, OK, [six])).toEqual({
    says: "records",
    records: [{ type: "AAAA", ttlSeconds: 18, ip: "2001:db8::9" }],
  });
  expect(read({ type: "SRV", name: "_sip._udp.test" }, OK, [srv("_sip._udp.test", 5_060, "pbx.test", 19)])).toEqual({
    says: "records",
    records: [{ type: "SRV", ttlSeconds: 19, priority: 1, weight: 2, port: 5_060, target: "pbx.test" }],
  });
  expect(read({ type: "NAPTR", name: "test" }, OK, [naptr("test", "_sip._udp.test", 20)])).toMatchObject({
    records: [
      {
        ttlSeconds: 20,
        order: 10,
        preference: 20,
        flags: "s",
        service: "SIP+D2U",
        regexp: "",
        replacement: "_sip._udp.test",
      },
    ],
  });
});

test("a name written as a pointer to the question is read", () => {
  const pointing = Buffer.concat([words(0xc00c, TYPE.A, 1, 0, 60, 4), Buffer.from([192, 0, 2, 7])]);
  expect(read(pbx, OK, [pointing])).toMatchObject({ records: [{ ip: "192.0.2.7", ttlSeconds: 60 }] });
});

test("aliases are followed, and the shortest time to live of the chain counts", () => {
  const chain = [alias("pbx.test", "a.test", 30), a("b.test", "192.0.2.7", 300), alias("a.test", "b.test", 90)];
  expect(read(pbx, OK, chain)).toMatchObject({ records: [{ ttlSeconds: 30 }] });
  expect(read(pbx, OK, chain.slice(0, 1))).toEqual({ says: "alias", name: "a.test", seconds: 30 });
});

test("aliases in a circle, too many of them, or one to no name fail", () => {
  const endless = { says: "failure", reason: "aliases without end" };
  expect(read(pbx, OK, [alias("pbx.test", "a.test"), alias("a.test", "pbx.test")])).toEqual(endless);
  const links = (count: number): RecordText[] =>
    Array.from({ length: count }, (_, i) => alias(i === 0 ? "pbx.test" : `n${i}.test`, `n${i + 1}.test`));
  expect(read(pbx, OK, [...links(8), a("n8.test", "192.0.2.7")])).toMatchObject({ says: "records" });
  expect(read(pbx, OK, [...links(9), a("n9.test", "192.0.2.7")])).toEqual(endless);
  expect(read(pbx, OK, [alias("pbx.test", "a b.test")])).toEqual({ says: "failure", reason: "alias of no name" });
});

test("records of names that nobody asked for are not taken", () => {
  expect(read(pbx, OK, [a("bank.test", "192.0.2.66")])).toEqual({ says: "nothing", seconds: undefined });
  expect(read(pbx, OK, [a("bank.test", "192.0.2.66"), a("pbx.test", "192.0.2.7")])).toMatchObject({
    records: [{ ip: "192.0.2.7" }],
  });
});

test("nothing there: for as long as the zone's SOA and its minimum say, whichever is shorter", () => {
  expect(read(pbx, NXDOMAIN, [], [soa("test", 900, 120)])).toEqual({ says: "nothing", seconds: 120 });
  expect(read(pbx, OK, [], [soa("test", 60, 120)])).toEqual({ says: "nothing", seconds: 60 });
  expect(read(pbx, OK, [alias("pbx.test", "a.test", 30)], [soa("test", 60, 120)])).toEqual({
    says: "nothing",
    seconds: 30,
  });
  expect(read(pbx, NXDOMAIN)).toEqual({ says: "nothing", seconds: undefined });
  // The SOA of a zone that the name is not in says nothing of it.
  expect(read(pbx, NXDOMAIN, [], [soa("bx.test", 900, 120)])).toEqual({ says: "nothing", seconds: undefined });
});

test("a time to live of more than 31 bits counts as none", () => {
  expect(read(pbx, OK, [a("pbx.test", "192.0.2.7", 2 ** 31)])).toMatchObject({ records: [{ ttlSeconds: 0 }] });
  expect(read(pbx, OK, [a("pbx.test", "192.0.2.7", 2 ** 31 - 1)])).toMatchObject({
    records: [{ ttlSeconds: 2 ** 31 - 1 }],
  });
});

test("a server that cannot tell says so; one that knows nobody to ask cannot tell either", () => {
  expect(read(pbx, SERVFAIL)).toEqual({ says: "failure", reason: "SERVFAIL" });
  expect(read(pbx, 0x818b)).toEqual({ says: "failure", reason: "rcode 11" });
  expect(read(pbx, 0x8000)).toEqual({ says: "failure", reason: "no recursion" });
  expect(readAnswer(words(ID, 0x8181, 0, 0, 0, 0), ID, pbx)).toEqual({ says: "failure", reason: "FORMERR" });
  expect(read(pbx, TRUNCATED)).toEqual({ says: "truncated" });
});

test("another number, another question, a question: strays", () => {
  const asked = askedOf(pbx);
  const answer = [a("pbx.test", "192.0.2.7")];
  expect(readAnswer(reply({ ...asked, id: ID + 1 }, OK, answer), ID, pbx)).toEqual({ says: "stray" });
  expect(readAnswer(reply(askedOf({ type: "A", name: "pbx2.test" }), OK, answer), ID, pbx)).toEqual({ says: "stray" });
  expect(readAnswer(reply(askedOf({ type: "AAAA", name: "pbx.test" }), OK, answer), ID, pbx)).toEqual({
    says: "stray",
  });
  expect(readAnswer(questionBytes(ID, pbx, true), ID, pbx)).toEqual({ says: "stray" });
  expect(readAnswer(words(ID, OK, 0, 0, 0, 0), ID, pbx)).toEqual({ says: "stray" });
  expect(readAnswer(Buffer.alloc(0), ID, pbx)).toEqual({ says: "stray" });
});

test("pointers in a loop, forward, or beyond the end; data of another length; a record that leaves the message", () => {
  const malformed = { says: "failure", reason: "malformed" };
  const answersAt = 12 + askedOf(pbx).question.length;
  const pointer = (to: number): Buffer => words(0xc000 | to);
  const tail = words(TYPE.A, 1, 0, 60, 4, 0xc000, 0x0207);
  expect(read(pbx, OK, [Buffer.concat([pointer(answersAt), tail])])).toEqual(malformed);
  expect(read(pbx, OK, [Buffer.concat([pointer(answersAt + 4), pointer(answersAt), tail])])).toEqual(malformed);
  expect(read(pbx, OK, [Buffer.concat([pointer(0x3fff), tail])])).toEqual(malformed);
  expect(read(pbx, OK, [{ ...a("pbx.test", "192.0.2.7"), data: Buffer.from([192, 0, 2]) }])).toEqual(malformed);
  expect(read(pbx, OK, [{ ...a("pbx.test", "192.0.2.7"), data: Buffer.alloc(5) }])).toEqual(malformed);
  expect(read(pbx, OK, [recordBytes(a("pbx.test", "192.0.2.7")).subarray(0, -1)])).toEqual(malformed);
  const naptrOf = (data: Buffer): unknown =>
    read({ type: "NAPTR", name: "test" }, OK, [{ name: "test", type: TYPE.NAPTR, ttl: 1, data }]);
  expect(naptrOf(words(10, 20))).toEqual(malformed);
  expect(naptrOf(Buffer.concat([words(10, 20), Buffer.from([255, 1])]))).toEqual(malformed);
  expect(
    read({ type: "SRV", name: "test" }, OK, [{ name: "test", type: TYPE.SRV, ttl: 1, data: words(1, 2) }]),
  ).toEqual(malformed);
});

test("no more records are walked than the limit", () => {
  const others = Array.from({ length: 127 }, (_, i) => a(`n${i}.test`, "192.0.2.66"));
  const last = a("pbx.test", "192.0.2.7");
  expect(read(pbx, OK, [...others, last])).toMatchObject({ says: "records" });
  expect(read(pbx, OK, [...others, a("x.test", "192.0.2.66"), last])).toMatchObject({ says: "nothing" });
  expect(readAnswer(Buffer.concat([words(ID, OK, 1, 65_535, 0, 0), askedOf(pbx).question]), ID, pbx)).toMatchObject({
    says: "failure",
  });
});

test("an answer over 8 KiB is a failure, and names that point to and fro to the last take no time", () => {
  const asked = reply(askedOf(pbx), OK, [a("pbx.test", "192.0.2.7")]);
  const filled = (bytes: number): Buffer => Buffer.concat([asked, Buffer.alloc(bytes - asked.length)]);
  expect(readAnswer(filled(8_192), ID, pbx)).toMatchObject({ says: "records" });
  expect(readAnswer(filled(8_193), ID, pbx)).toEqual({ says: "failure", reason: "too long" });

  const head = Buffer.concat([words(ID, OK, 1, 65_535, 0, 0), askedOf(pbx).question]);
  const ladderAt = head.length + 11;
  const steps = 3_300;
  const ladder = words(...Array.from({ length: steps }, (_, i) => 0xc000 | (i === 0 ? 12 : ladderAt + 2 * (i - 1))));
  const top = 0xc000 | (ladderAt + 2 * (steps - 1));
  const one = words(top, TYPE.CNAME, 1, 0, 60, 2, top);
  const bytes = Buffer.concat([
    head,
    Buffer.from([0]),
    words(16, 1, 0, 60, ladder.length),
    ladder,
    ...Array(90).fill(one),
  ]);
  expect(bytes.length).toBeLessThan(8_192);
  const before = process.cpuUsage();
  expect(readAnswer(bytes, ID, pbx)).toMatchObject({ says: "failure" });
  expect(process.cpuUsage(before).user).toBeLessThan(1_000_000); // In microseconds, with room for a slow machine.
});

test("whatever the bytes, there is one verdict and no exception; what is said keeps its form", () => {
  const good = reply(askedOf(pbx), OK, [alias("pbx.test", "a.test"), a("a.test", "192.0.2.7")], [soa("test", 60, 120)]);
  const change = fc.record({ at: fc.nat(good.length - 1), to: fc.nat(255) });
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), fc.nat(good.length), (changes, cut) => {
      const bytes = Buffer.from(good.subarray(0, cut === 0 ? undefined : cut));
      for (const { at, to } of changes) if (at < bytes.length) bytes[at] = to;
      const verdict = readAnswer(bytes, ID, pbx);
      if (verdict.says !== "records") return;
      for (const one of verdict.records) {
        expect(one.type === "A" && /^\d+\.\d+\.\d+\.\d+$/.test(one.ip)).toBe(true);
        expect(one.ttlSeconds).toBeLessThan(2 ** 31);
      }
    }),
    { numRuns: 3_000 },
  );
});

function read(
  question: Question,
  flags: number,
  answers: readonly (RecordText | Buffer)[] = [],
  authorities: readonly RecordText[] = [],
): unknown {
  return readAnswer(reply(askedOf(question), flags, answers, authorities), ID, question);
}

/** The question as its answer repeats it. */
function askedOf({ type, name }: Question): { id: number; question: Buffer } {
  return { id: ID, question: Buffer.concat([nameBytes(name), words(TYPE[type], 1)]) };
}
