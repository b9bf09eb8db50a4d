/** What RFC 7118 makes of the transport: whole frames, one way back, and pings that find the dead. */
import { expect, test } from "vitest";
import { backOver } from "../../../src/base/index.ts";
import { ALICE, Bench, requestText, settingsOf } from "./bench.ts";

const VIA = "SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bKasudf";
const REQUEST = requestText({ via: VIA });

const ws = ({ trust = "none" as const, messagesPerSource = 0 } = {}) =>
  new Bench(
    settingsOf({
      outside: {
        trust,
        listeners: [
          { id: "outside/ws", realm: "outside", protocol: "ws", address: { ip: "203.0.113.1", port: 8_080 } },
          { id: "outside/wss", realm: "outside", protocol: "wss", address: { ip: "203.0.113.1", port: 8_443 } },
        ],
      },
      limits: { messagesPerSource },
    }),
  );

test("a frame is a message: without Content-Length, with any end of it, and never half of one", () => {
  const bench = ws();
  const connection = bench.accept(ALICE, "outside/wss");
  bench.data(connection, REQUEST);
  bench.data(connection, requestText({ via: VIA, body: "hello" }).replace(/Content-Length.*\r\n/, ""));
  bench.data(connection, REQUEST.slice(0, 60));
  bench.data(connection, REQUEST.slice(60));
  expect(bench.up.map(({ message }) => message.body)).toEqual(["", "hello"]);
  expect(bench.up[0]?.hop).toMatchObject({ protocol: "wss", connection });
  expect(bench.count("bad.400")).toBe(2);
});

test("CRLFs are keepalives: RFC 7118 §6", () => {
  const bench = ws();
  const connection = bench.accept(ALICE, "outside/ws");
  bench.data(connection, "\r\n\r\n");
  bench.data(connection, "\r\n");
  bench.data(connection, "");
  expect(bench.take()).toEqual([{ out: "write", connection, text: "\r\n" }]);
});

test("answers and requests go back over the connection while it is there, and nowhere when it is not", () => {
  const bench = ws();
  const connection = bench.accept(ALICE, "outside/wss");
  bench.data(connection, REQUEST);
  const { message, hop } = bench.up[0]!;
  bench.transport.sendResponse(hop, message.via, "180", bench.now);
  const sent = bench.send(backOver(hop));
  expect(sent.vias).toEqual([{ protocol: "wss", sentBy: "203.0.113.1:8443" }]);
  expect(bench.take().map(({ out }) => out)).toEqual(["write", "write"]);

  bench.closed(connection);
  const token = { waiting: true };
  bench.transport.sendResponse(hop, message.via, "200", bench.now, token);
  const late = bench.send(backOver(hop));
  bench.pass(1);
  expect(bench.take()).toEqual([]);
  expect(bench.unreachable.map(({ token: one }) => one)).toEqual([sent.token, token, late.token]);
  expect(bench.unreachable.at(-1)?.reason).toBe("its flow is gone");
});

test("an end that is silent for half a minute is pinged, and closed when no pong comes", () => {
  const bench = ws();
  const connection = bench.accept(ALICE, "outside/ws");
  bench.data(connection, REQUEST);
  bench.pass(30_000);
  expect(bench.take()).toEqual([{ out: "ping", connection }]);
  bench.transport.handle({ in: "pong", connection }, bench.now);
  bench.pass(3_600_000 - 30_000);
  expect(bench.take().filter(({ out }) => out === "ping")).toHaveLength(1);
  expect(bench.count("connection.closed no pong")).toBe(1);
});

test("an end that answers pings stays, whoever it is, once it has said something; a mute one goes after a minute", () => {
  const bench = ws();
  const spoke = bench.accept(ALICE, "outside/ws");
  bench.accept(ALICE, "outside/ws");
  bench.data(spoke, REQUEST);
  const closed: number[] = [];
  for (let second = 0; second < 3_600; second++) {
    bench.pass(1_000);
    for (const output of bench.take()) {
      if (output.out === "ping") bench.transport.handle({ in: "pong", connection: output.connection }, bench.now);
      if (output.out === "close") closed.push(second);
    }
  }
  expect(closed).toEqual([59]);
  expect(bench.transport.view().connections).toBe(1);
});

test("sips and ws mean wss, sip and ws mean ws; their usual ports are those of the web", () => {
  const bench = ws();
  const found: unknown[] = [];
  for (const uri of ["sip:192.0.2.9;transport=ws", "sips:192.0.2.9;transport=ws", "sip:192.0.2.9:8088;transport=WS"])
    bench.transport.resolve({ realm: "outside", uri }, (places) => found.push(...places), bench.now);
  expect(found).toMatchObject([
    { protocol: "ws", remote: { port: 80 } },
    { protocol: "wss", remote: { port: 443 } },
    { protocol: "ws", remote: { port: 8_088 } },
  ]);
});

test("a stranger over its rate: datagrams are dropped unread, a connection is closed", () => {
  const bench = ws({ messagesPerSource: 5 });
  const connection = bench.accept(ALICE, "outside/ws");
  for (let i = 0; i < 25; i++) bench.data(connection, REQUEST);
  expect(bench.up).toHaveLength(20);
  expect(bench.count("connection.closed over rate")).toBe(1);
  expect(bench.facts()).toEqual([{ fact: "source.limited", realm: "outside", source: ALICE.ip }]);
});
