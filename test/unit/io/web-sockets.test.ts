/** WebSockets against the library's own client and against bytes written by hand: RFC 6455, RFC 7118. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect as connectTcp, type Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { type ClientOptions, WebSocket, WebSocketServer } from "ws";
import { open, start, tls } from "./loop-box.ts";

const OFFER = [
  "GET / HTTP/1.1",
  "Host: sbc.example.test",
  "Upgrade: websocket",
  "Connection: Upgrade",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Protocol: sip",
  "Sec-WebSocket-Version: 13",
];

describe("the handshake", () => {
  test("of RFC 7118 §4.1 is answered with the key and the subprotocol of the RFC", async () => {
    const { port } = await start({ protocol: "ws" });
    const answer = await asked(port, [...OFFER, "Origin: http://www.example.com"]);
    expect(answer).toMatch(/^HTTP\/1\.1 101 /);
    expect(answer).toContain("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n");
    expect(answer).toContain("\r\nSec-WebSocket-Protocol: sip\r\n");
  });

  test.each([
    ["no subprotocol", OFFER.filter((line) => !line.includes("Protocol")), "400 Bad Request"],
    ["another subprotocol", OFFER.map((line) => line.replace("sip", "msrp")), "400 Bad Request"],
    ["no upgrade: a browser that was sent here", OFFER.slice(0, 2), "426 Upgrade Required"],
    ["an upgrade to something else", OFFER.map((line) => line.replace("websocket", "h2c")), "400 Bad Request"],
    ["no key", OFFER.filter((line) => !line.includes("Key")), "400 Bad Request"],
    ["another version", OFFER.map((line) => line.replace("13", "7")), "400 Bad Request"],
    ["headers without end", [...OFFER, `Cookie: ${"x".repeat(10_000)}`], "431 Request Header Fields Too Large"],
    ["SIP without WebSocket", ["OPTIONS sip:a@b SIP/2.0", "Via: SIP/2.0/TCP 192.0.2.1"], "400 Bad Request"],
  ])("with $0 gets $2", async (_name, lines, status) => {
    const box = await start({ protocol: "ws" });
    expect(await asked(box.port, lines, true)).toMatch(new RegExp(`^HTTP/1\\.1 ${status}\r\n`));
    expect(box.inputs("accepted")).toEqual([]);
  });

  test.each([
    ["https://phone.example.com", true],
    ["https://Phone.example.COM", true],
    ["https://phone.example.com.evil.example", false],
    ["http://phone.example.com", false],
    [undefined, false],
  ])("from the origin %s, when one is allowed: %s", async (origin, welcome) => {
    const box = await start({ protocol: "ws", origins: ["https://phone.example.com"] });
    const answer = await asked(box.port, [...OFFER, ...(origin === undefined ? [] : [`Origin: ${origin}`])], !welcome);
    expect(answer).toMatch(welcome ? /^HTTP\/1\.1 101 / : /^HTTP\/1\.1 403 Forbidden\r\n/);
    const refused = box.facts().filter(({ fact }) => fact === "connection.refused");
    expect(refused.length).toBe(welcome ? 0 : 1);
  });

  test("counts against the connections of its source until it is done, and is cut beyond them", async () => {
    const box = await start({ protocol: "ws", trust: "none", connectionsPerSource: 2 });
    const idle = [connectTcp(box.port, "127.0.0.1"), connectTcp(box.port, "127.0.0.1")];
    for (const socket of idle) {
      open.push({ close: () => socket.destroy() });
      await once(socket, "connect");
    }
    const third = connectTcp(box.port, "127.0.0.1");
    await once(third, "close");
    expect(box.facts()).toMatchObject([{ fact: "connection.refused" }]);
  });
});

describe("frames", () => {
  test("text and bytes are messages alike; what is UTF-8 comes back as text, anything else as bytes", async () => {
    const { port } = await start({ protocol: "ws" });
    const client = await opened(`ws://127.0.0.1:${port}`);
    const messages = told(client, 3);
    client.send("grüße");
    client.send(Buffer.from("bytes"), { binary: true });
    client.send(Buffer.from([0x41, 0xff, 0xfe]), { binary: true });
    expect(await messages).toEqual([
      [Buffer.from("grüße"), false],
      [Buffer.from("bytes"), false],
      [Buffer.from([0x41, 0xff, 0xfe]), true],
    ]);
  });

  test("a message in many frames is one message; two in one segment are two", async () => {
    const box = await start({ protocol: "ws" });
    const client = await opened(`ws://127.0.0.1:${box.port}`);
    client.send("OPT", { fin: false });
    client.send("ION", { fin: false });
    client.send("S", { fin: true });
    client.send("one");
    client.send("two");
    await box.until("data", 3);
    expect(box.inputs("data").map(({ text }) => text)).toEqual(["OPTIONS", "one", "two"]);
  });

  test.each([
    ["a message of more than 64 KiB", (client: WebSocket) => client.send("x".repeat(65_537)), 1009],
    [
      "a message in thousands of frames",
      (client: WebSocket) => {
        for (let i = 0; i < 2_000; i++) client.send("x", { fin: false });
      },
      1008,
    ],
  ])("%s ends the connection", async (_name, act, code) => {
    const box = await start({ protocol: "ws" });
    const client = await opened(`ws://127.0.0.1:${box.port}`);
    const closed = once(client, "close");
    act(client);
    expect((await closed)[0]).toBe(code);
    await box.until("closed");
    expect(box.inputs("data")).toEqual([]);
  });

  test("frames that are not masked, or text that is no UTF-8, end the connection", async () => {
    for (const frame of [Buffer.from([0x81, 0x01, 0x41]), Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0xff])]) {
      const box = await start({ protocol: "ws" });
      const socket = await raw(box.port, OFFER);
      socket.write(frame);
      await box.until("closed");
      expect(box.inputs("data")).toEqual([]);
    }
  });

  test("compression is not taken", async () => {
    const { port } = await start({ protocol: "ws" });
    const client = await opened(`ws://127.0.0.1:${port}`, { perMessageDeflate: true });
    expect(client.extensions).toBe("");
  });
});

describe("life and end", () => {
  test("a ping of the engine brings the pong of the other end; a ping of the other end is answered", async () => {
    const box = await start({ protocol: "ws" });
    const client = await opened(`ws://127.0.0.1:${box.port}`);
    await box.until("accepted");
    const { connection } = box.inputs("accepted")[0]!;
    box.run({ out: "ping", connection });
    await box.until("pong");
    expect(box.inputs("pong")).toEqual([{ in: "pong", connection }]);
    client.ping("are you there");
    const [payload] = await once(client, "pong");
    expect(String(payload)).toBe("are you there");
  });

  test("the engine's close is told to the other end, after what was written before", async () => {
    const { port } = await start({ protocol: "ws", closeAfterAnswer: true });
    const client = await opened(`ws://127.0.0.1:${port}`);
    const messages = told(client, 1);
    const closed = once(client, "close");
    client.send("last words");
    expect(String((await messages)[0]?.[0])).toBe("last words");
    expect((await closed)[0]).toBe(1001);
  });

  test("from an end that takes nothing no more is read until it takes what it was told", async () => {
    const box = await start({ protocol: "ws" });
    const client = await opened(`ws://127.0.0.1:${box.port}`);
    client.pause();
    const big = Buffer.alloc(60_000, 0x78);
    for (let i = 0; i < MANY; i++) client.send(big);
    expect(await still(() => box.inputs("data").length)).toBeLessThan(MANY);
    client.resume();
    await box.until("data", MANY);
  });
});

test("over TLS, with the certificate of the realm", async () => {
  const box = await start({ protocol: "wss" });
  const client = await opened(`wss://127.0.0.1:${box.port}`, {
    ca: readFileSync(tls.ca),
    headers: { Host: "sbc.example.test" },
    checkServerIdentity: () => undefined as never,
  });
  const messages = told(client, 1);
  client.send("over TLS");
  expect(String((await messages)[0]?.[0])).toBe("over TLS");
  expect(box.inputs("accepted")).toMatchObject([{ listener: `outside/wss:127.0.0.1:${box.port}`, tlsNames: [] }]);
});

describe("one that the box opens", () => {
  test("asks for the subprotocol and carries messages both ways", async () => {
    const box = await start({ protocol: "ws" });
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
    open.push(server);
    await once(server, "listening");
    const arrived = once(server, "connection");
    box.run(box.connect(7, "ws", (server.address() as { port: number }).port));
    const [web, request] = (await arrived) as [WebSocket, { headers: Record<string, string> }];
    expect(request.headers["sec-websocket-protocol"]).toBe("sip");
    await box.until("connected");
    web.send("hello");
    await box.until("data");
    expect(box.inputs("data")).toEqual([{ in: "data", connection: 7, text: "hello" }]);
    const [answer] = await once(web, "message");
    expect(String(answer)).toBe("hello");
    web.terminate();
    await box.until("closed");
  });

  test("fails where nobody speaks SIP over WebSocket", async () => {
    const box = await start({ protocol: "ws" });
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0, handleProtocols: () => false });
    open.push(server);
    await once(server, "listening");
    box.run(box.connect(7, "ws", (server.address() as { port: number }).port));
    await box.until("closed");
    expect(box.inputs("connected")).toEqual([]);
  });
});

/** Of 60 kB each: more than the kernel holds for both ends. */
const MANY = 800;

// — Helpers

/** What a number comes to rest at. */
async function still(read: () => number): Promise<number> {
  let before = -1;
  for (let now = read(); now === 0 || now !== before; now = read()) {
    before = now;
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  return before;
}

async function opened(url: string, options: ClientOptions = {}): Promise<WebSocket> {
  const client = new WebSocket(url, "sip", { perMessageDeflate: false, ...options });
  client.on("error", () => {});
  open.push({ close: () => client.terminate() });
  await once(client, "open");
  return client;
}

/** The next so many messages. */
function told(client: WebSocket, count: number): Promise<[Buffer, boolean][]> {
  const messages: [Buffer, boolean][] = [];
  return new Promise((resolve) => {
    client.on("message", (bytes: Buffer, isBinary) => {
      if (messages.push([bytes, isBinary]) === count) resolve(messages);
    });
  });
}

async function raw(port: number, lines: readonly string[]): Promise<Socket> {
  const socket = connectTcp(port, "127.0.0.1");
  socket.on("error", () => {});
  open.push({ close: () => socket.destroy() });
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  await once(socket, "data");
  return socket;
}

/** The answer to these lines; `toEnd`: until the box closes the connection. */
async function asked(port: number, lines: readonly string[], toEnd = false): Promise<string> {
  const socket = connectTcp(port, "127.0.0.1");
  open.push({ close: () => socket.destroy() });
  socket.on("error", () => {});
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  let got = "";
  const ended = once(socket, "close");
  socket.on("data", (bytes) => {
    got += bytes.toString("latin1");
  });
  if (toEnd) await ended;
  else while (!got.includes("\r\n\r\n")) await once(socket, "data");
  return got;
}
