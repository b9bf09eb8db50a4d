/** Attacks over TCP and TLS: lying lengths, parsers fed in pieces, connections that end at once, are slow, or say nothing. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type Place, statusOf } from "../../support/sip-party.ts";
import { Siege, STRANGER, type Status } from "./siege.ts";

/** Limit that the box is given for these tests. */
const PER_SOURCE = 20;
const MEGABYTE = 1024 * 1024;

let siege: Siege;
const sockets = new Set<Socket>();
beforeAll(async () => {
  siege = await Siege.start("streams", { limits: { connections: 200, connectionsPerSource: PER_SOURCE } });
});
afterAll(async () => {
  await siege.stop();
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  await siege.alive();
  await siege.box.until<Status>("/status", ({ io }) => io.connections === 0, 5_000);
});

// ---- lengths

const lengths = [
  "4294967328", // 2^32 + 32
  "18446744073709551648", // 2^64 + 32
  "-1",
  "+5",
  "0x10",
  "1e3",
  "",
  "5, 5",
  "5\r\nContent-Length: 6",
  "5\r\nl: 5",
  "99999999999999999999999999999999999999",
];

test.each(lengths)("Content-Length: %j never makes two messages of one", async (length) => {
  const line = await dial(siege.outside);
  const smuggled = siege.stranger.request("OPTIONS", siege.outside, { callId: `smuggled-${Math.random()}` });
  const outer = siege.stranger.request("OPTIONS", siege.outside).replace("Via: SIP/2.0/UDP", "Via: SIP/2.0/TCP");
  line.socket.write(outer.replace("Content-Length: 0", `Content-Length: ${length}`) + smuggled);
  await line.closed;
  expect(line.text()).not.toContain("smuggled");
});

test("the control: two messages with honest lengths are two", async () => {
  const line = await dial(siege.outside);
  const ask = (callId: string): string =>
    siege.stranger.request("OPTIONS", siege.outside, { callId }).replace("/UDP", "/TCP");
  line.socket.write(ask("first-of-two") + ask("second-of-two"));
  await line.until(/second-of-two/);
  expect(line.text()).toContain("first-of-two");
});

test("ten connections that promise much and send much hold no memory", async () => {
  const before = (await siege.status()).memoryBytes;
  const lines = await Promise.all(Array.from({ length: 10 }, () => dial(siege.outside)));
  for (const { socket } of lines) {
    socket.write(
      siege.stranger.request("OPTIONS", siege.outside).replace("Content-Length: 0", "Content-Length: 65000"),
    );
    for (let i = 0; i < 64; i++) socket.write(Buffer.alloc(64 * 1024, "a"));
  }
  await Promise.all(lines.map(({ closed }) => closed));
  expect((await siege.status()).memoryBytes - before).toBeLessThan(40 * MEGABYTE);
});

// ---- parsers

const streams: readonly (readonly [string, Buffer])[] = [
  ["headers without end", Buffer.from(`OPTIONS sip:a@b SIP/2.0\r\n${"X: y\r\n".repeat(100_000)}`)],
  ["a line without end", Buffer.alloc(MEGABYTE, "A")],
  ["nothing but NULs", Buffer.alloc(MEGABYTE)],
  ["every byte there is", Buffer.from(Array.from({ length: 65_536 }, (_, i) => (i * 167) & 255))],
  ["HTTP", Buffer.from("GET / HTTP/1.1\r\nHost: a\r\n\r\n")],
  ["a TLS hello", Buffer.from("16030100510100004d0303", "hex")],
  [
    "a Contact that is a percent sign",
    Buffer.from(
      "REGISTER sip:a SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKp\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: percent\r\nCSeq: 1 REGISTER\r\nContact: %\r\nContent-Length: 0\r\n\r\n".repeat(
        5,
      ),
    ),
  ],
  [
    "responses to nobody, then noise",
    Buffer.from(
      `${"SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\nCall-ID: stray\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n".repeat(200)}\0\0\0\0\r\n\r\n`,
    ),
  ],
];

test.each(streams)("%s over TCP ends the connection", async (_what, bytes) => {
  const line = await dial(siege.outside);
  line.socket.write(bytes);
  line.socket.end();
  await line.closed;
});

test("a call whose every message comes byte by byte is a call", async () => {
  const line = await dial(siege.inside, siege.pbx.place.ip);
  const text = siege.pbx.request("OPTIONS", siege.inside, { callId: "byte-by-byte" }).replace("/UDP", "/TCP");
  line.socket.setNoDelay(true);
  for (const byte of text) line.socket.write(byte);
  await line.until(/^SIP\/2\.0 200 /m);
});

test("a thousand keepalives are not answered a thousandfold", async () => {
  const line = await dial(siege.outside);
  line.socket.write("\r\n\r\n".repeat(1_000));
  await line.until(/\r\n/);
  expect(line.text().length).toBeLessThanOrEqual(4_000);
});

// ---- connections that end at once

test("500 connections that ask and are cut at once: every descriptor comes back", async () => {
  const before = siege.descriptors();
  for (let round = 0; round < 50; round++) {
    await Promise.all(
      Array.from({ length: 10 }, async () => {
        const { socket } = await dial(siege.outside);
        socket.write(siege.stranger.request("INVITE", siege.outside, { body: "x" }).replace("/UDP", "/TCP"));
        socket.resetAndDestroy();
      }),
    );
  }
  await siege.box.until<Status>("/status", ({ io }) => io.connections === 0);
  expect(siege.descriptors()).toBeLessThanOrEqual(before + 3);
});

test("calls set up over TCP by the PBX and cut in the middle are cleared in time", async () => {
  siege.carrier.answers = () => ({ status: "180 Ringing" });
  for (let i = 0; i < 20; i++) {
    const line = await dial(siege.inside, siege.pbx.place.ip);
    const invite = siege.pbx.request("INVITE", siege.inside, { body: siege.pbx.sdp, callId: `cut-${i}` });
    line.socket.write(invite.replace("/UDP", "/TCP"));
    await line.until(/180 Ringing/);
    line.socket.resetAndDestroy();
  }
  // Ringing goes on until somebody ends it; here the operator does, and nobody may be left waiting for a lost connection.
  siege.carrier.answers = (request) => ({ status: request.startsWith("CANCEL") ? "200 OK" : "487 Request Terminated" });
  for (const { call } of await siege.box.get<{ call: string }[]>("/calls")) await siege.box.remove(`/calls/${call}`);
  expect(await siege.box.get("/calls")).toEqual([]);
  siege.carrier.answers = (request) => ({
    status: "200 OK",
    ...(request.startsWith("INVITE") && { body: siege.carrier.sdp }),
  });
});

// ---- slow and idle ones

test("connections beyond the limit of a source are refused, others are served meanwhile", async () => {
  const mine = await Promise.all(
    Array.from({ length: PER_SOURCE * 3 }, () => dial(siege.outside).catch(() => undefined)),
  );
  await siege.box.until<Status>("/status", ({ io }) => io.connections <= PER_SOURCE);
  await Promise.any(mine.filter((line) => line !== undefined).map(({ closed }) => closed));
  const other = await dial(siege.outside, siege.carrier.place.ip);
  other.socket.write(siege.carrier.request("OPTIONS", siege.outside).replace("/UDP", "/TCP"));
  await other.until(/^SIP\/2\.0 200 /m);
});

test("TLS handshakes beyond the limit of a source are cut off, and another source shakes hands meanwhile", async () => {
  const mine = await Promise.all(Array.from({ length: PER_SOURCE * 3 }, () => dial(siege.tls)));
  for (const { socket } of mine) socket.write(Buffer.from("160301", "hex"));
  await Promise.any(mine.map(({ closed }) => closed));
  const below = await dial(siege.tls, siege.carrier.place.ip);
  const tls = connectTls({ socket: below.socket, rejectUnauthorized: false });
  sockets.add(tls);
  await once(tls, "secureConnect");
  tls.write(siege.carrier.request("OPTIONS", siege.tls).replace("/UDP", "/TLS"));
  const [answer] = (await once(tls, "data")) as [Buffer];
  expect(statusOf(answer.toString("latin1"))).toBe(200);
  expect(mine.filter(({ socket }) => !socket.destroyed).length).toBeLessThanOrEqual(PER_SOURCE);
});

test("silent, slow and half-shaken connections are closed within 35 s, and OPTIONS are answered at once all the while", async () => {
  const silent = await Promise.all(Array.from({ length: 5 }, () => dial(siege.outside)));
  const dripping = await Promise.all(Array.from({ length: 5 }, () => dial(siege.outside)));
  const shaking = await Promise.all(Array.from({ length: 5 }, () => dial(siege.tls)));
  const hello = Buffer.from("1603010200010001fc0303", "hex");
  const text = siege.stranger.request("OPTIONS", siege.outside, { headers: [`Subject: ${"s".repeat(500)}`] });
  let dripped = 0;
  const drip = setInterval(() => {
    for (const { socket } of dripping) socket.write(text[dripped] ?? "");
    for (const { socket } of shaking) socket.write(hello.subarray(dripped, dripped + 1));
    dripped += 1;
  }, 500);
  const from = performance.now();
  let slowest = 0;
  const watch = (async () => {
    while (performance.now() - from < 20_000) {
      const asked = performance.now();
      expect(statusOf(await siege.carrier.ask(siege.carrier.request("OPTIONS", siege.outside), siege.outside))).toBe(
        200,
      );
      slowest = Math.max(slowest, performance.now() - asked);
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
  })();
  await Promise.all([...silent, ...dripping, ...shaking].map(({ closed }) => closed));
  clearInterval(drip);
  expect(performance.now() - from).toBeLessThan(35_000);
  await watch;
  expect(slowest).toBeLessThan(200);
});

test("a reader that takes nothing is cut off, and holds no memory", async () => {
  const line = await dial(siege.outside);
  line.socket.pause();
  const text = siege.stranger
    .request("OPTIONS", siege.outside, { headers: [`X: ${"x".repeat(300)}`] })
    .replace("/UDP", "/TCP");
  const before = (await siege.status()).memoryBytes;
  for (let i = 0; i < 20_000 && !line.socket.destroyed; i++) {
    const each = text.replace(/branch=\S+?;/, `branch=z9hG4bKstuck${i};`).replace(/Call-ID: \S+/, `Call-ID: stuck${i}`);
    if (!line.socket.write(each)) await Promise.race([once(line.socket, "drain"), line.closed, late(2_000)]);
  }
  expect((await siege.status()).memoryBytes - before).toBeLessThan(100 * MEGABYTE);
});

test("TLS that is renegotiated, resumed, or no TLS at all ends, and the next handshake succeeds", async () => {
  for (let i = 0; i < 10; i++) {
    const line = await dial(siege.tls);
    line.socket.end("no TLS at all\r\n\r\n");
    await line.closed;
  }
  const below = await dial(siege.tls);
  const tls = connectTls({ socket: below.socket, rejectUnauthorized: false });
  sockets.add(tls);
  await once(tls, "secureConnect");
  tls.write(siege.stranger.request("OPTIONS", siege.tls).replace("/UDP", "/TLS"));
  const [answer] = (await once(tls, "data")) as [Buffer];
  expect(statusOf(answer.toString("latin1"))).toBe(403);
});

interface Line {
  readonly socket: Socket;
  /** When the box has ended it. */
  readonly closed: Promise<void>;
  text(): string;
  until(pattern: RegExp): Promise<void>;
}

async function dial({ ip, port }: Place, localAddress = STRANGER): Promise<Line> {
  const socket = connect({ host: ip, port, localAddress });
  sockets.add(socket);
  let text = "";
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.on("error", () => {});
  await Promise.race([once(socket, "connect"), closed]);
  socket.on("data", (bytes) => {
    text += bytes.toString("latin1");
  });
  const until = async (pattern: RegExp): Promise<void> => {
    const deadline = performance.now() + 2_000;
    while (!pattern.test(text)) {
      if (socket.destroyed || performance.now() > deadline)
        throw new Error(`waited in vain for ${pattern}; got ${text}`);
      await Promise.race([once(socket, "data"), closed, late(2_000)]);
    }
  };
  return { socket, closed, text: () => text, until };
}

const late = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
