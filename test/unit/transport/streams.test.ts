import { expect, test } from "vitest";
import { ALICE, Bench, requestText, responseText, settingsOf, type World } from "./bench.ts";

const PBX = { ip: "10.0.0.9", port: 5080 };
const VIA = "SIP/2.0/TCP 192.0.2.7;branch=z9hG4bKx";

test("two messages cut at every byte come up whole, whichever two pieces they arrive in", () => {
  const first = requestText({ via: VIA, body: "v=0\r\n\r\nINVITE sip:x SIP/2.0\r\n", extra: "X-A: 1" });
  const second = requestText({ via: VIA, method: "MESSAGE", body: "\r\n\r\n" });
  const stream = first + second;
  for (let cut = 0; cut <= stream.length; cut++) {
    const bench = new Bench();
    const connection = bench.accept();
    bench.data(connection, stream.slice(0, cut));
    bench.data(connection, stream.slice(cut));
    expect(bench.up.map(({ message }) => message.text)).toEqual([first, second]);
  }
});

test("two messages, a ping before and between, byte by byte", () => {
  const bench = new Bench();
  const connection = bench.accept();
  for (const byte of `\r\n\r\n${requestText({ via: VIA })}\r\n\r\n${requestText({ via: VIA, body: "x" })}`)
    bench.data(connection, byte);
  expect(bench.up).toHaveLength(2);
  expect(bench.take()).toEqual([
    { out: "write", connection, text: "\r\n" },
    { out: "write", connection, text: "\r\n" },
  ]);
});

test("an answer goes on the same connection, and on a new one to sent-by when that is gone", () => {
  const bench = new Bench();
  const connection = bench.accept();
  bench.data(connection, requestText({ via: "SIP/2.0/TCP a.test:5099;branch=z9hG4bKx" }));
  const { message, hop } = bench.up[0]!;
  expect(bench.transport.sendResponse(hop, message.via, "180", bench.now)).toBe(hop);
  expect(bench.take()).toEqual([{ out: "write", connection, text: "180" }]);

  bench.closed(connection);
  const token = { waiting: true };
  const way = bench.transport.sendResponse(hop, message.via, "200", bench.now, token);
  const [connect] = bench.take();
  expect(connect).toMatchObject({ out: "connect", protocol: "tcp", remote: { ip: ALICE.ip, port: 5099 } });
  bench.connected(way.connection);
  expect(bench.take()).toEqual([{ out: "write", connection: way.connection, text: "200" }]);
});

test("an answer that no connection can carry is told", () => {
  const bench = new Bench();
  const connection = bench.accept();
  bench.data(connection, requestText({ via: VIA }));
  const { message, hop } = bench.up[0]!;
  bench.closed(connection);
  const token = { waiting: true };
  const way = bench.transport.sendResponse(hop, message.via, "200", bench.now, token);
  bench.closed(way.connection, "refused");
  bench.pass(0);
  expect(bench.unreachable).toEqual([{ token, reason: "refused" }]);
});

test("requests wait for the connection and share it: same realm, protocol, address and name", () => {
  const bench = new Bench();
  const tls = { protocol: "tls" as const, remote: ALICE, serverName: "a.test" };
  const first = bench.send(tls);
  const second = bench.send(tls);
  expect(second.hop.connection).toBe(first.hop.connection);
  expect(first.vias).toEqual([{ protocol: "tls", sentBy: "203.0.113.1:5061" }]);
  expect(bench.take()).toEqual([
    {
      out: "connect",
      connection: first.hop.connection,
      realm: "outside",
      protocol: "tls",
      listener: "outside/tls",
      remote: ALICE,
      serverName: "a.test",
    },
  ]);
  bench.connected(first.hop.connection, ["a.test"]);
  expect(bench.take()).toHaveLength(2);

  const others = [
    bench.send({ ...tls, serverName: "b.test" }),
    bench.send({ ...tls, protocol: "tcp" }),
    bench.send({ ...tls, remote: PBX }),
    bench.send({ ...tls, realm: "inside", protocol: "tcp" }),
  ];
  expect(new Set([first, ...others].map(({ hop }) => hop.connection)).size).toBe(5);
});

test("a wanted connection is used while it lives, but not across realms or protocols", () => {
  const bench = new Bench();
  const connection = bench.accept();
  const wanted = { protocol: "tcp" as const, remote: { ip: "192.0.2.99", port: 1 }, connection };
  expect(bench.send(wanted).hop.connection).toBe(connection);
  expect(bench.send({ ...wanted, realm: "inside" }).hop.connection).not.toBe(connection);
  expect(bench.send({ ...wanted, protocol: "tls", serverName: "x" }).hop.connection).not.toBe(connection);
  bench.closed(connection);
  expect(bench.send(wanted).hop.connection).not.toBe(connection);
});

test("RFC 5923: an accepted TLS connection serves our requests only with alias, and for a name its certificate proves", () => {
  const used = (
    via: string,
    tlsNames: readonly string[],
    serverName = "carrier.test",
    listener = "outside/tls",
  ): boolean => {
    const bench = new Bench();
    const connection = bench.accept(ALICE, listener, tlsNames);
    bench.data(connection, requestText({ via }));
    const remote = { ip: ALICE.ip, port: 5061 };
    return bench.send({ protocol: "tls", remote, serverName }).hop.connection === connection;
  };
  const alias = "SIP/2.0/TLS carrier.test;branch=z9hG4bKx;alias";
  expect(used(alias, ["carrier.test"])).toBe(true);
  expect(used(alias, [])).toBe(false);
  expect(used(alias, ["other.test"])).toBe(false);
  expect(used(alias, ["carrier.test"], "other.test")).toBe(false);
  expect(used("SIP/2.0/TLS carrier.test;branch=z9hG4bKx", ["carrier.test"])).toBe(false);
  expect(used("SIP/2.0/TLS victim.test;branch=z9hG4bKx;alias", ["carrier.test"], "victim.test")).toBe(false);
  expect(used(alias, ["carrier.test"], "carrier.test", "outside/tcp")).toBe(false);
});

test("who waits for an answer hears of a failed or lost connection once; who no longer waits does not", () => {
  const bench = new Bench();
  const waiting = { waiting: true };
  const over = { waiting: true };
  const { hop } = bench.send({ realm: "inside", protocol: "tcp", remote: PBX }, 200, waiting);
  bench.send({ realm: "inside", protocol: "tcp", remote: PBX }, 200, over);
  bench.connected(hop.connection);
  over.waiting = false;
  bench.closed(hop.connection, "reset");
  bench.closed(hop.connection, "reset");
  bench.pass(0);
  expect(bench.unreachable).toEqual([{ token: waiting, reason: "reset" }]);
});

test("what is sent again on a connection that is gone is told", () => {
  const bench = new Bench();
  const { hop } = bench.send({ realm: "inside", protocol: "tcp", remote: PBX }, 200, { waiting: false });
  bench.closed(hop.connection);
  const token = { waiting: true };
  bench.transport.resend(hop, "ACK", token, bench.now);
  bench.pass(0);
  expect(bench.unreachable).toMatchObject([{ token }]);
});

test("a connection that does not come up in 5 s has failed, and the next request tries a new one", () => {
  const bench = new Bench();
  const { hop, token } = bench.send({ protocol: "tls", remote: ALICE, serverName: "a.test" });
  bench.take();
  bench.pass(5_000);
  expect(bench.take()).toEqual([{ out: "close", connection: hop.connection, reason: "connect time-out" }]);
  expect(bench.unreachable).toEqual([{ token, reason: "connect time-out" }]);

  const again = bench.send({ protocol: "tls", remote: ALICE, serverName: "a.test" });
  expect(again.hop.connection).not.toBe(hop.connection);
  bench.closed(again.hop.connection, "certificate is for b.test");
  bench.pass(0);
  expect(bench.unreachable.at(-1)).toEqual({ token: again.token, reason: "certificate is for b.test" });
});

test("a large UDP request goes by TCP where that is allowed, and by UDP again once TCP has failed", () => {
  const bench = new Bench();
  const pbx = { realm: "inside", remote: PBX, tcpForLargeRequests: true };
  expect(bench.send(pbx, 1_300).protocol).toBe("udp");
  expect(bench.send({ ...pbx, tcpForLargeRequests: false }, 1_301).protocol).toBe("udp");
  const large = bench.send(pbx, 1_301);
  expect(large.protocol).toBe("tcp");
  expect(large.vias.map(({ protocol }) => protocol)).toEqual(["udp", "tcp"]);
  bench.closed(large.hop.connection, "refused");
  bench.pass(0);
  expect(bench.unreachable).toMatchObject([{ token: large.token }]);
  expect(bench.send(pbx, 1_301).protocol).toBe("udp");
  bench.pass(300_000);
  expect(bench.send(pbx, 1_301).protocol).toBe("tcp");
});

test("without a TCP listener of its own a realm sends large requests by UDP", () => {
  const listeners = settingsOf()
    .realms.get("inside")!
    .listeners.filter(({ protocol }) => protocol === "udp");
  const bench = new Bench(settingsOf({ inside: { listeners } }));
  expect(bench.send({ realm: "inside", remote: PBX, tcpForLargeRequests: true }, 5_000).protocol).toBe("udp");
});

test("limits: connections of one source, of all, and a part that strangers cannot take", () => {
  const bench = new Bench();
  for (let i = 0; i < 4; i++) bench.accept();
  expect(bench.take()).toEqual([]);
  const fifth = bench.accept();
  expect(bench.take()).toEqual([{ out: "close", connection: fifth, reason: "over the limit connectionsPerSource" }]);
  expect(bench.facts()).toMatchObject([{ fact: "connection.refused", source: ALICE.ip }]);
  // 16 in all: 14 for strangers.
  for (let i = 0; i < 10; i++) bench.accept({ ip: `198.51.100.${i}`, port: 1 });
  expect(bench.take()).toEqual([]);
  const stranger = bench.accept({ ip: "198.51.100.99", port: 1 });
  expect(bench.take()).toMatchObject([{ out: "close", connection: stranger }]);
  for (let i = 0; i < 2; i++) bench.accept(PBX, "inside/tcp");
  expect(bench.take()).toEqual([]);
  bench.accept(PBX, "inside/tcp");
  expect(bench.take()).toMatchObject([{ out: "close" }]);
  const { token } = bench.send({ protocol: "tls", remote: ALICE, serverName: "x" });
  bench.pass(0);
  expect(bench.unreachable).toEqual([{ token, reason: "too many connections" }]);
});

test("a source's place is free again when its connection ends; trusted realms have no limit per source", () => {
  const bench = new Bench();
  const first = bench.accept();
  for (let i = 0; i < 3; i++) bench.accept();
  bench.closed(first);
  bench.accept();
  for (let i = 0; i < 8; i++) bench.accept(PBX, "inside/tcp");
  expect(bench.take()).toEqual([]);
});

test("one IPv6 source is a /64", () => {
  const world: World = { limits: { connectionsPerSource: 2 } };
  const bench = new Bench(settingsOf(world));
  for (const ip of ["2001:db8:1:2::1", "2001:db8:1:2:3:4:5:6", "2001:db8:1:3::1"]) bench.accept({ ip, port: 1 });
  expect(bench.take()).toEqual([]);
  bench.accept({ ip: "2001:db8:1:2:ffff::1", port: 1 });
  expect(bench.take()).toMatchObject([{ out: "close" }]);
});

test("a mute connection is closed after 10 s, however often it pings", () => {
  const bench = new Bench();
  const connection = bench.accept();
  for (let i = 0; i < 9; i++) {
    bench.pass(1_000);
    bench.data(connection, "\r\n\r\n");
  }
  bench.take();
  bench.pass(1_000);
  expect(bench.take()).toEqual([{ out: "close", connection, reason: "no first message" }]);
  expect(bench.count("connection.closed no first message")).toBe(1);
  bench.data(connection, requestText({ via: VIA }));
  expect(bench.up).toEqual([]);
});

test("a message that dribbles in is cut off after 32 s; each message has its own 32 s", () => {
  const bench = new Bench();
  const connection = bench.accept();
  const text = requestText({ via: VIA });
  bench.data(connection, text + text.slice(0, 5));
  bench.pass(31_000);
  bench.data(connection, text.slice(5) + text.slice(0, 5));
  expect(bench.up).toHaveLength(2);
  for (let i = 5; i < 36; i++) {
    bench.pass(1_000);
    bench.data(connection, text[i] as string);
  }
  expect(bench.take()).toEqual([]);
  bench.pass(1_000);
  expect(bench.take()).toEqual([{ out: "close", connection, reason: "partial message" }]);
});

test("an idle connection is closed after 10 minutes, unless somebody holds it or it pings", () => {
  const bench = new Bench();
  const connection = bench.accept();
  bench.data(connection, requestText({ via: VIA }));
  bench.pass(590_000);
  bench.data(connection, "\r\n\r\n");
  bench.take();
  bench.pass(590_000);
  expect(bench.take()).toEqual([]);
  bench.transport.hold(connection);
  bench.pass(7_200_000);
  expect(bench.take()).toEqual([]);
  bench.transport.release(connection);
  bench.pass(0);
  expect(bench.take()).toEqual([{ out: "close", connection, reason: "idle" }]);
  expect(bench.agenda.size).toBe(0);
});

test("our own idle connections are pinged; one that answered once must go on answering", () => {
  const bench = new Bench();
  const { hop } = bench.send({ realm: "inside", protocol: "tcp", remote: PBX }, 200, { waiting: false });
  const { connection } = hop;
  bench.connected(connection);
  bench.take();
  const ping = { out: "write", connection, text: "\r\n\r\n" };
  bench.pass(100_000);
  expect(bench.take()).toEqual([ping]);
  bench.pass(20_000); // It may not know what a ping is.
  expect(bench.take()).toEqual([]);
  bench.data(connection, "\r\n");
  bench.pass(80_000);
  expect(bench.take()).toEqual([ping]);
  bench.pass(10_000);
  expect(bench.take()).toEqual([{ out: "close", connection, reason: "no pong" }]);
});

test("a reader that does not read is cut off at 256 KiB", () => {
  const bench = new Bench();
  const token = { waiting: true };
  const { hop } = bench.send({ realm: "inside", protocol: "tcp", remote: PBX }, 200, token);
  bench.connected(hop.connection);
  for (let i = 0; i < 4; i++) {
    bench.transport.resend(hop, "x".repeat(60_000), token, bench.now);
    if (i === 1) bench.transport.handle({ in: "drained", connection: hop.connection, unsentBytes: 100_000 }, bench.now);
  }
  bench.take();
  bench.transport.resend(hop, "x".repeat(60_000), token, bench.now);
  expect(bench.take()).toEqual([{ out: "close", connection: hop.connection, reason: "unsent bytes" }]);
  bench.pass(0);
  expect(bench.unreachable[0]).toEqual({ token, reason: "unsent bytes" });
});

test("a stream without Content-Length cannot go on: an answer, then the end", () => {
  const bench = new Bench();
  const connection = bench.accept();
  bench.data(connection, requestText({ via: VIA }) + requestText({ via: VIA }).replace("Content-Length: 0\r\n", ""));
  expect(bench.up).toHaveLength(1);
  expect(bench.take()).toMatchObject([
    { out: "write", connection, text: expect.stringMatching(/^SIP\/2\.0 400 /) },
    { out: "close", connection, reason: "malformed" },
  ]);
});

test("a whole but malformed message is answered and the stream goes on, five times", () => {
  const bench = new Bench();
  const connection = bench.accept();
  const bad = requestText({ via: VIA }).replace("CSeq: 1 OPTIONS", "CSeq: 1 BYE");
  for (let i = 0; i < 4; i++) bench.data(connection, bad + requestText({ via: VIA }));
  expect(bench.up).toHaveLength(4);
  bench.data(connection, bad + requestText({ via: VIA }));
  expect(bench.up).toHaveLength(4);
  expect(bench.take().at(-1)).toEqual({ out: "close", connection, reason: "malformed" });
});

test("answers on a connection that we opened come up; one for somebody else does not", () => {
  const bench = new Bench();
  const { hop } = bench.send({ realm: "inside", protocol: "tcp", remote: PBX });
  bench.connected(hop.connection);
  bench.data(
    hop.connection,
    responseText("SIP/2.0/TCP 10.0.0.1:5070;branch=z9hG4bKus") +
      responseText("SIP/2.0/TCP 203.0.113.1:5060;branch=z9hG4bKus"),
  );
  expect(bench.up).toHaveLength(1);
  expect(bench.up[0]!.hop).toBe(bench.transport.sendResponse(hop, bench.up[0]!.message.via, "x", bench.now));
});

test("a reload leaves connections in use alone, even those of a listener that is gone", () => {
  const bench = new Bench();
  const connection = bench.accept();
  const listeners = settingsOf()
    .realms.get("outside")!
    .listeners.filter(({ protocol }) => protocol === "udp");
  bench.transport.apply(settingsOf({ outside: { listeners } }), bench.now);
  bench.data(connection, requestText({ via: VIA }));
  const { message, hop } = bench.up[0]!;
  bench.transport.sendResponse(hop, message.via, "200", bench.now);
  expect(bench.take()).toEqual([{ out: "write", connection, text: "200" }]);
  expect(bench.transport.localFor(hop).port).toBe(5060);
  const late = bench.accept();
  expect(bench.take()).toMatchObject([{ out: "close", connection: late }]);
});
