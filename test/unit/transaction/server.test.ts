import { expect, test } from "vitest";
import { type Request, responseTo } from "../../../src/message/index.ts";
import type { ServerTransaction } from "../../../src/transaction/index.ts";
import { asResponse, Bench, HOP, incoming, TCP_HOP } from "./wire.ts";

test("a request goes up once, however often it comes; its copies get the answer again", () => {
  const bench = new Bench();
  bench.receive(incoming({ method: "OPTIONS" }));
  bench.receive(incoming({ method: "OPTIONS" }));
  expect(bench.up).toEqual(["OPTIONS"]);
  answer(bench, 200);
  const [sent] = bench.wire.take() as [string];
  bench.receive(incoming({ method: "OPTIONS" }));
  expect(bench.wire.take()).toEqual([sent]);
  bench.pass(32_100); // A little longer than it must: many end together.
  expect(bench.layer.counts()).toEqual({ client: 0, server: 0, lingering: 0 });
  expect(bench.agenda.size).toBe(0);
});

test("copies over TCP after the answer are new requests: nothing is doubled there", () => {
  const bench = new Bench();
  bench.receive(incoming({ method: "OPTIONS" }), TCP_HOP);
  answer(bench, 200);
  expect(bench.layer.counts()).toEqual({ client: 0, server: 0, lingering: 0 });
});

test("100 Trying after 200 ms, with no tag, unless something was said before", () => {
  const slow = new Bench();
  slow.receive(incoming());
  slow.pass(199);
  expect(slow.wire.take()).toEqual([]);
  slow.pass(1);
  const [trying] = slow.wire.take() as [string];
  expect(asResponse(trying).status).toBe(100);
  expect(asResponse(trying).toTag).toBeUndefined();

  const quick = new Bench();
  quick.receive(incoming());
  answer(quick, 180);
  quick.pass(1_000);
  expect(quick.wire.lines()).toEqual(["SIP/2.0 180 Ringing"]);
});

test("ACK for a refusal ends its copies and never goes up as a request", () => {
  const bench = new Bench();
  bench.receive(incoming());
  const acks: string[] = [];
  bench.servers[0]?.server.setOwner({ ack: (ack) => acks.push(ack.method) });
  answer(bench, 486);
  bench.receive(incoming({ method: "ACK", toTag: "t" }));
  bench.wire.take();
  bench.pass(10_000);
  expect(bench.wire.take()).toEqual([]);
  expect(bench.up).toEqual(["INVITE"]);
  expect(acks).toEqual(["ACK"]);
});

test("ACK for a 2xx goes up, on its own branch as on the INVITE's", () => {
  const bench = new Bench();
  bench.receive(incoming());
  answer(bench, 200);
  bench.receive(incoming({ method: "ACK", toTag: "t", branch: "z9hG4bKother" }));
  bench.receive(incoming({ method: "ACK", toTag: "t" }));
  expect(bench.up).toEqual(["INVITE", "ACK", "ACK"]);
});

test("the leg sends its 2xx again as often as it likes; after forget() there is none", () => {
  const bench = new Bench();
  bench.receive(incoming());
  answer(bench, 200);
  const [sent] = bench.wire.take() as [string];
  const { server } = last(bench);
  server.resendFinal(bench.now);
  expect(bench.wire.take()).toEqual([sent]);
  server.forget();
  server.resendFinal(bench.now);
  bench.receive(incoming());
  expect(bench.wire.take()).toEqual([]);
  expect(bench.up).toEqual(["INVITE"]);
});

test("CANCEL: 200 from the layer with the INVITE's tag, the owner told once, 487 by the owner", () => {
  const bench = new Bench();
  bench.receive(incoming());
  const cancels: string[] = [];
  last(bench).server.setOwner({ cancelled: (cancel) => cancels.push(cancel.method) });
  answer(bench, 180);
  bench.receive(incoming({ method: "CANCEL" }));
  const [, ok] = bench.wire.take() as [string, string];
  expect(asResponse(ok)).toMatchObject({ status: 200, toTag: "t", cseq: { method: "CANCEL" } });
  answer(bench, 487);
  bench.receive(incoming({ method: "CANCEL" }));
  expect(bench.wire.lines()).toEqual(["SIP/2.0 487 Request Terminated", "SIP/2.0 200 OK"]);
  expect(cancels).toEqual(["CANCEL"]);
  expect(bench.up).toEqual(["INVITE"]);
});

test("CANCEL for nothing, for another realm's INVITE or for no INVITE: 481, the same to each copy", () => {
  const bench = new Bench();
  bench.receive(incoming({ method: "OPTIONS", branch: "z9hG4bKo" }));
  bench.receive(incoming({ callId: "x" }), { ...HOP, realm: "outside" });
  for (const branch of ["z9hG4bKabc", "z9hG4bKo", "z9hG4bKnone"]) {
    bench.receive(incoming({ method: "CANCEL", branch }));
    bench.receive(incoming({ method: "CANCEL", branch }));
    const [first, second] = bench.wire.take() as [string, string];
    expect(asResponse(first).status).toBe(481);
    expect(second).toBe(first);
  }
});

test("CANCEL after the answer changes nothing", () => {
  const bench = new Bench();
  bench.receive(incoming());
  const cancels: string[] = [];
  last(bench).server.setOwner({ cancelled: () => cancels.push("!") });
  answer(bench, 200);
  bench.wire.take();
  bench.receive(incoming({ method: "CANCEL" }));
  expect(bench.wire.lines()).toEqual(["SIP/2.0 200 OK"]);
  expect(cancels).toEqual([]);
});

test("the same request by another way is merged: 482; inside a dialog, or once refused, it is not", () => {
  const bench = new Bench();
  bench.receive(incoming());
  bench.receive(incoming({ branch: "z9hG4bKway2" }));
  expect(bench.wire.lines()).toEqual(["SIP/2.0 482 Loop Detected"]);
  bench.receive(incoming({ branch: "z9hG4bKd1", toTag: "t", callId: "d" }));
  bench.receive(incoming({ branch: "z9hG4bKd2", toTag: "t", callId: "d" }));
  expect(bench.up).toEqual(["INVITE", "INVITE", "INVITE"]);

  const refused = new Bench();
  refused.receive(incoming());
  answer(refused, 503);
  refused.receive(incoming({ method: "ACK", toTag: "t" }));
  refused.receive(incoming({ branch: "z9hG4bKagain" }));
  expect(refused.up).toEqual(["INVITE", "INVITE"]);

  const taken = new Bench();
  taken.receive(incoming());
  answer(taken, 200);
  taken.wire.take();
  taken.receive(incoming({ branch: "z9hG4bKlate" }));
  expect(taken.wire.lines()).toEqual(["SIP/2.0 482 Loop Detected"]);
});

test("two clients may choose the same branch: sent-by tells them apart", () => {
  const bench = new Bench();
  bench.receive(incoming({ callId: "a" }));
  bench.receive(incoming({ callId: "b", sentBy: "10.0.0.8" }));
  bench.receive(incoming({ callId: "c", sentBy: "10.0.0.9:5099" }));
  expect(bench.up).toEqual(["INVITE", "INVITE", "INVITE"]);
});

test("RFC 2543 clients, with any branch or none: copies, ACK and CANCEL find their INVITE", () => {
  for (const branch of ["", "1", "z9hG4bK"]) {
    const bench = new Bench();
    bench.receive(incoming({ branch }));
    bench.receive(incoming({ branch }));
    expect(bench.up).toEqual(["INVITE"]);
    bench.receive(incoming({ branch, method: "CANCEL" }));
    expect(bench.wire.lines()).toEqual(["SIP/2.0 200 OK"]);
    answer(bench, 487);
    bench.receive(incoming({ branch, method: "ACK", toTag: "t" }));
    expect(last(bench).server.state).toBe("confirmed");
    bench.receive(incoming({ branch, cseq: 2 }));
    expect(bench.up).toEqual(["INVITE", "INVITE"]);
  }
});

test("at the limit: 503 with Retry-After and nothing kept; requests in dialogs are still served a while", () => {
  const bench = new Bench({ limit: 4 });
  for (let i = 0; i < 4; i++) bench.receive(incoming({ branch: `z9hG4bK${i}x`, callId: `${i}` }));
  bench.receive(incoming({ branch: "z9hG4bKover", callId: "over" }));
  const [refusal] = bench.wire.take() as [string];
  expect(asResponse(refusal).status).toBe(503);
  const seconds = Number(asResponse(refusal).headers.raw("Retry-After"));
  expect(seconds).toBeGreaterThanOrEqual(5);
  expect(seconds).toBeLessThanOrEqual(15);
  expect(bench.layer.counts().server).toBe(4);

  bench.receive(incoming({ method: "BYE", branch: "z9hG4bKbye", callId: "0", toTag: "t" }));
  expect(bench.up.at(-1)).toBe("BYE");
  bench.receive(incoming({ method: "BYE", branch: "z9hG4bKbye2", callId: "1", toTag: "t" }));
  expect(bench.wire.lines()).toEqual(["SIP/2.0 503 Service Unavailable"]);
});

test("lingering transactions are bounded: the oldest gives way", () => {
  const bench = new Bench({
    limit: 10,
    onRequest: (request, server, now) => server.respond(responseTo(request, 200, "t"), now),
  });
  for (let i = 0; i < 200; i++) bench.receive(incoming({ method: "OPTIONS", branch: `z9hG4bK${i}x`, callId: `${i}` }));
  expect(bench.layer.counts()).toEqual({ client: 0, server: 0, lingering: 80 });
  expect(bench.layer.counters.get("linger.shed")).toBe(120);
  bench.pass(33_000);
  expect(bench.layer.counts().lingering).toBe(0);
});

test("monstrous branches are told apart without being kept", () => {
  const bench = new Bench();
  const long = `z9hG4bK${"x".repeat(7_000)}`;
  for (const tail of ["a", "b", "a"]) bench.receive(incoming({ branch: long + tail, callId: tail }));
  expect(bench.up).toEqual(["INVITE", "INVITE"]);
  for (const { server } of bench.servers) expect(server.key.text.length).toBeLessThan(256);
});

test("RFC 4320: no 1xx and no 408 to a non-INVITE request", () => {
  const bench = new Bench();
  bench.receive(incoming({ method: "OPTIONS" }));
  answer(bench, 180);
  answer(bench, 408);
  expect(bench.wire.take()).toEqual([]);
  expect(bench.layer.counts().server).toBe(0);
});

test("only the first final answer counts", () => {
  const bench = new Bench();
  bench.receive(incoming());
  answer(bench, 486);
  answer(bench, 200);
  answer(bench, 180);
  expect(bench.wire.lines()).toEqual(["SIP/2.0 486 Busy Here"]);
  expect(last(bench).server.answered).toBe(true);
});

test("owners hear of a missing ACK and of a response that cannot be delivered", () => {
  const bench = new Bench();
  bench.receive(incoming());
  const news: string[] = [];
  last(bench).server.setOwner({ failed: (cause) => news.push(cause) });
  answer(bench, 500);
  bench.layer.unreachable(last(bench).server, "gone", bench.now);
  bench.pass(32_000);
  expect(news).toEqual(["unreachable", "no-ack"]);
  expect(bench.layer.counts()).toEqual({ client: 0, server: 0, lingering: 0 });
});

const last = (bench: Bench): { request: Request; server: ServerTransaction } => {
  const entry = bench.servers.at(-1);
  if (entry === undefined) throw new Error("no request has come up");
  return entry;
};

function answer(bench: Bench, status: number): void {
  const { request, server } = last(bench);
  server.respond(responseTo(request, status, "t"), bench.now);
}
