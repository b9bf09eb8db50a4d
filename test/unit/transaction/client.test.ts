import { expect, test } from "vitest";
import { parseMessage, type Request } from "../../../src/message/index.ts";
import type { ClientOwner, ClientTransaction } from "../../../src/transaction/index.ts";
import { Bench, DESTINATION, draft, HOP, startLine, TCP_HOP } from "./wire.ts";

test("a request gets a Via of ours on top; its copies are the same bytes", () => {
  const { bench } = begin("OPTIONS");
  bench.pass(500);
  const [first, second] = bench.wire.take() as [string, string];
  expect(first).toMatch(
    /^OPTIONS sip:bob@10\.0\.0\.9 SIP\/2\.0\r\nVia: SIP\/2\.0\/UDP 10\.0\.0\.1:5070;branch=z9hG4bK[\w-]{16};rport\r\n/,
  );
  expect(second).toBe(first);
});

test("branches differ", () => {
  const bench = new Bench();
  const owner: ClientOwner = { response() {}, failed() {} };
  const branches = new Set<string>();
  for (let i = 0; i < 1_000; i++) branches.add(bench.layer.request(draft("OPTIONS"), DESTINATION, owner, 0).branch);
  expect(branches.size).toBe(1_000);
});

test("a refused INVITE: the ACK goes on the same branch with the To of the answer and the routes of the INVITE", () => {
  const { bench, news } = begin("INVITE", [
    ["Route", "<sip:p1;lr>"],
    ["Route", "<sip:p2;lr>"],
  ]);
  const [invite] = bench.wire.take() as [string];
  bench.answer(486, invite);
  const [ack] = bench.wire.take() as [string];
  const sent = parseMessage(ack) as Request;
  const original = parseMessage(invite) as Request;
  expect(sent.method).toBe("ACK");
  expect(sent.uri).toBe(original.uri);
  expect(sent.headers.raw("Via")).toBe(original.headers.raw("Via"));
  expect(sent.headers.rawAll("Route")).toEqual(["<sip:p1;lr>", "<sip:p2;lr>"]);
  expect(sent.headers.raw("To")).toBe("<sip:bob@10.0.0.9>;tag=b");
  expect(sent.headers.raw("CSeq")).toBe("1 ACK");
  expect(news).toEqual(["486"]);

  bench.answer(486, invite);
  expect(bench.wire.take()).toEqual([ack]);
  expect(news).toEqual(["486"]);
  bench.pass(40_000);
  expect(bench.layer.counts()).toEqual({ client: 0, server: 0, lingering: 0 });
});

test("a 2xx and its copies go up until 32 s later; then they are strays", () => {
  const { bench, news } = begin("INVITE");
  const [invite] = bench.wire.take() as [string];
  bench.answer(180, invite);
  bench.answer(200, invite);
  bench.pass(500);
  bench.answer(200, invite, HOP, "fork");
  expect(news).toEqual(["180", "200", "200"]);
  expect(bench.layer.counts()).toEqual({ client: 0, server: 0, lingering: 1 });
  bench.pass(32_000);
  bench.answer(200, invite);
  expect(bench.up).toEqual(["stray 200"]);
  expect(bench.agenda.size).toBe(0);
});

test("an owner that has forgotten its call hears no more; the 2xx is a stray", () => {
  const { bench, news, transaction } = begin("INVITE");
  const [invite] = bench.wire.take() as [string];
  bench.answer(200, invite);
  transaction.forget();
  bench.answer(200, invite);
  expect(news).toEqual(["200"]);
  expect(bench.up).toEqual(["stray 200"]);
});

test("an owner that has its answer and goes: a 2xx of the same fork is a stray, that of another comes late, and its copy", () => {
  const { bench, news, transaction } = begin("INVITE");
  const [invite] = bench.wire.take() as [string];
  bench.answer(200, invite);
  transaction.settled("b");
  bench.answer(200, invite);
  bench.answer(200, invite, undefined, "c");
  bench.answer(200, invite, undefined, "c");
  expect(news).toEqual(["200"]);
  expect(bench.up).toEqual(["stray 200", "late 200", "copy of late 200"]);
});

test("CANCEL waits for the first 1xx, copies what it must from the INVITE, and goes once", () => {
  const { bench, transaction } = begin("INVITE", [["Route", "<sip:p1;lr>"]]);
  const [invite] = bench.wire.take() as [string];
  transaction.cancel([["Reason", "SIP;cause=200"]], bench.now);
  transaction.cancel([], bench.now);
  expect(bench.wire.take()).toEqual([]);
  bench.answer(100, invite);
  const sent = bench.wire.take().map((text) => parseMessage(text) as Request);
  expect(sent.map(({ method }) => method)).toEqual(["CANCEL"]);
  const [cancel] = sent as [Request];
  const original = parseMessage(invite) as Request;
  expect(cancel.headers.raw("Via")).toBe(original.headers.raw("Via"));
  expect(cancel.headers.raw("Route")).toBe("<sip:p1;lr>");
  expect(cancel.headers.raw("To")).toBe("<sip:bob@10.0.0.9>");
  expect(cancel.headers.raw("CSeq")).toBe("1 CANCEL");
  expect(cancel.headers.raw("Reason")).toBe("SIP;cause=200");
  bench.answer(180, invite);
  expect(bench.wire.take()).toEqual([]);
});

test("the answer to a CANCEL ends the CANCEL, and the 487 the INVITE", () => {
  const { bench, transaction, news } = begin("INVITE");
  const [invite] = bench.wire.take() as [string];
  bench.answer(180, invite);
  transaction.cancel([], bench.now);
  const [cancel] = bench.wire.take() as [string];
  bench.answer(200, cancel);
  bench.answer(487, invite);
  expect(news).toEqual(["180", "487"]);
  expect(bench.wire.lines()).toEqual(["ACK sip:bob@10.0.0.9 SIP/2.0"]);
  bench.pass(40_000);
  expect(bench.layer.counts()).toEqual({ client: 0, server: 0, lingering: 0 });
});

test("a CANCEL that nobody obeys: the INVITE times out 32 s later, and what comes then is a stray", () => {
  const { bench, transaction, news } = begin("INVITE");
  const [invite] = bench.wire.take() as [string];
  bench.answer(180, invite);
  transaction.cancel([], bench.now);
  bench.pass(32_000);
  expect(news).toEqual(["180", "timeout"]);
  bench.answer(200, invite);
  expect(bench.up).toEqual(["stray 200"]);
});

test("nobody cancels what is over, or what is no INVITE", () => {
  const over = begin("INVITE");
  over.bench.answer(200, over.bench.wire.take()[0] as string);
  over.transaction.cancel([], over.bench.now);
  expect(over.bench.wire.take()).toEqual([]);
  const options = begin("OPTIONS");
  options.bench.answer(100, options.bench.wire.take()[0] as string);
  options.transaction.cancel([], options.bench.now);
  expect(options.bench.wire.take()).toEqual([]);
});

test("a response from another realm, of another method or with an unknown branch touches nothing", () => {
  const { bench, news } = begin("INVITE");
  const [invite] = bench.wire.take() as [string];
  bench.answer(200, invite, { ...HOP, realm: "outside" });
  bench.answer(200, invite.replace("INVITE sip", "BYE sip").replace("1 INVITE", "1 BYE"));
  bench.answer(200, invite.replace("branch=z9hG4bK", "branch=z9hG4bKx"));
  expect(news).toEqual([]);
  expect(bench.up).toEqual(["stray 200", "stray 200"]);
  expect(bench.layer.counters.get("response.other-realm")).toBe(1);
});

test("a lost connection is told while an answer is awaited, once", () => {
  const { bench, news, transaction } = begin("BYE");
  expect(transaction.waiting).toBe(true);
  bench.layer.unreachable(transaction, "gone", bench.now);
  expect(transaction.waiting).toBe(false);
  bench.layer.unreachable(transaction, "gone", bench.now);
  expect(news).toEqual(["unreachable"]);
  expect(bench.layer.counts().client).toBe(0);
});

test("ICMP: a request that found nobody is told; an INVITE that has got a 1xx goes on, as does another method's", () => {
  const branchOf = (text: string): string => /branch=([^;\r]+)/.exec(text)?.[1] ?? "";
  const fresh = begin("INVITE");
  const [invite] = fresh.bench.wire.take() as [string];
  fresh.bench.layer.undelivered(branchOf(invite), "BYE", fresh.bench.now);
  fresh.bench.layer.undelivered("z9hG4bKguessed", "INVITE", fresh.bench.now);
  expect(fresh.news).toEqual([]);
  fresh.bench.layer.undelivered(branchOf(invite), "INVITE", fresh.bench.now);
  expect(fresh.news).toEqual(["unreachable"]);

  const rung = begin("INVITE");
  const [other] = rung.bench.wire.take() as [string];
  rung.bench.answer(180, other);
  rung.bench.layer.undelivered(branchOf(other), "INVITE", rung.bench.now);
  expect(rung.news).toEqual(["180"]);
});

test("a large request whose TCP connection fails goes in a datagram after all, with UDP in its Via and UDP's copies", () => {
  const bench = new Bench();
  bench.wire.largeBytes = 100;
  const news: string[] = [];
  const transaction = bench.layer.request(
    draft("INVITE"),
    { ...DESTINATION, tcpForLargeRequests: true },
    owner(news),
    bench.now,
  );
  expect(transaction.hop).toBe(TCP_HOP);
  expect(bench.wire.take()[0]).toContain("Via: SIP/2.0/TCP ");
  bench.pass(2_000);
  expect(bench.wire.take()).toEqual([]);

  bench.layer.unreachable(transaction, "refused", bench.now);
  expect(transaction.hop).toBe(HOP);
  const [udp] = bench.wire.take() as [string];
  expect(udp).toContain("Via: SIP/2.0/UDP ");
  expect(udp.match(/^Via:/gm)).toHaveLength(1);
  bench.pass(500);
  expect(bench.wire.take()).toEqual([udp]);
  bench.answer(200, udp);
  expect(news).toEqual(["200"]);
});

test("the ACK for a 2xx is sent and resent as it was, with a branch of its own", () => {
  const bench = new Bench();
  const ack = bench.layer.ack(draft("ACK"), DESTINATION, bench.now);
  ack.resend(bench.now);
  const [first, second] = bench.wire.take() as [string, string];
  expect(startLine(first)).toBe("ACK sip:bob@10.0.0.9 SIP/2.0");
  expect(second).toBe(first);
  expect(bench.layer.counts().client).toBe(0);
});

function begin(method: string, lines: readonly (readonly [string, string])[] = []) {
  const bench = new Bench();
  const news: string[] = [];
  const transaction: ClientTransaction = bench.layer.request(draft(method, lines), DESTINATION, owner(news), bench.now);
  return { bench, news, transaction };
}

function owner(news: string[]): ClientOwner {
  return {
    response: (response) => news.push(String(response.status)),
    failed: (cause) => news.push(cause),
  };
}
