import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from "node:tls";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import type { Fact, Protocol, Settings, StreamProtocol } from "../../../src/base/index.ts";
import type { EngineInput, EngineOutput } from "../../../src/engine/index.ts";
import { EngineLoop } from "../../../src/io/loop.ts";
import { readSettings } from "../../../src/manage/index.ts";
import { makeTestTls, type TestTls } from "../manage/test-tls.ts";
import { freePort } from "./free-port.ts";

export let tls: TestTls;
export let otherTls: TestTls;
beforeAll(() => {
  tls = makeTestTls();
  otherTls = makeTestTls();
});
afterAll(() => {
  tls.remove();
  otherTls.remove();
});

/** Closed after each test, last first. */
export const open: { close(): unknown }[] = [];
afterEach(() => {
  for (const thing of open.splice(0).reverse()) thing.close();
});

export interface StartOptions {
  readonly protocol: Protocol;
  readonly port?: number;
  readonly verify?: "none" | "server" | "mutual";
  readonly files?: TestTls;
  readonly dscp?: string;
  readonly connections?: number;
  readonly connectionsPerSource?: number;
  readonly origins?: readonly string[];
  readonly trust?: "none" | "full";
  readonly answer?: (text: string) => string;
  readonly closeAfterAnswer?: boolean;
}

/** A box whose engine answers every datagram and every piece of stream with `answer`, by default the same text. */
export async function start(options: StartOptions) {
  const port = options.port ?? (await freePort(options.protocol === "udp" ? "udp" : "tcp"));
  const answer = options.answer ?? ((text: string) => text);
  const seen: EngineInput[] = [];
  const facts: Fact[] = [];
  const wakers: (() => void)[] = [];
  let next: readonly EngineOutput[] = [];
  const box = {
    port,
    deadline: undefined as number | undefined,
    onDeadline: () => {},
    bugs: [] as string[],
    facts: () => facts,
    inputs: <I extends EngineInput["in"]>(word: I) =>
      seen.filter((input): input is Extract<EngineInput, { in: I }> => input.in === word),
    /** Waits for an input. */
    until: async (word: EngineInput["in"], count = 1) => {
      while (box.inputs(word).length < count) await new Promise<void>((resolve) => wakers.push(resolve));
    },
    /** What comes out of the next step that follows from no bytes. */
    leave: (...outputs: EngineOutput[]) => {
      next = outputs;
    },
    /** Lets the engine want something. */
    run: (...outputs: EngineOutput[]) => {
      next = outputs;
      loop.input({ in: "deadline" });
    },
    connect: (connection: number, protocol: StreamProtocol, remote: number, serverName?: string): EngineOutput => ({
      out: "connect",
      connection,
      realm: "outside",
      protocol,
      listener: `outside/${options.protocol}:127.0.0.1:${port}`,
      remote: { ip: "127.0.0.1", port: remote },
      serverName,
    }),
    get loop() {
      return loop;
    },
  };
  const respond = (input: EngineInput): readonly EngineOutput[] => {
    if (input.in === "datagram") {
      const { listener, remote, text } = input;
      return [{ out: "datagram", listener, remote, text: answer(text) }];
    }
    if (input.in === "data") {
      const { connection } = input;
      const write = { out: "write", connection, text: answer(input.text) } as const;
      return options.closeAfterAnswer ? [write, { out: "close", connection, reason: "" }] : [write];
    }
    if (input.in !== "deadline") return [];
    if (box.deadline !== undefined && box.deadline <= performance.now()) box.onDeadline();
    const outputs = next;
    next = [];
    return outputs;
  };
  const loop = new EngineLoop({
    engine: {
      step: (input) => {
        seen.push(input);
        for (const wake of wakers.splice(0)) wake();
        return respond(input);
      },
      nextDeadline: () => box.deadline,
    },
    settings: settings({ ...options, port }),
    relay: undefined,
    fact: (fact) => facts.push(fact),
    bug: (error) => box.bugs.push((error as Error).message),
  });
  await loop.start();
  open.push(loop);
  return box;
}

export function settings({
  protocol,
  port,
  verify,
  files = tls,
  dscp = "CS3",
  connections = 100,
  connectionsPerSource = 100,
  origins,
  trust = "full",
}: StartOptions): Settings {
  const text = JSON.stringify({
    realms: {
      outside: {
        trust,
        listen: [`${protocol}:127.0.0.1:${port}`],
        ...(origins !== undefined && { origins }),
        ...((protocol === "tls" || protocol === "wss") && {
          tls: { certificate: files.certificate, key: files.key, ca: files.ca, verify: verify ?? "none" },
        }),
        media: { address: "127.0.0.1", ports: "20000-20999" },
        srtp: "off",
        dscp: { signalling: dscp },
      },
    },
    limits: { connections, connectionsPerSource },
  });
  const loaded = readSettings(
    "/etc/test.jsonc",
    text.replace(/"ports":"[^"]*"/, '"ports":"1024-1099"'),
    Date.now() + 60_000,
  );
  if (!loaded.ok) throw new Error(loaded.faults.map(({ problem }) => problem).join("; "));
  return loaded.settings;
}

/** The same with its listener in another realm or on another address. */
export function moved(from: Settings, realm: string, ip: string): Settings {
  const outside = from.realms.get("outside")!;
  const { protocol, address } = outside.listeners[0]!;
  const id = `${realm}/${protocol}:${ip}:${address.port}`;
  const listeners = [{ id, realm, protocol, address: { ip, port: address.port } }];
  return { ...from, realms: new Map([[realm, { ...outside, name: realm, listeners }]]) };
}

export async function connected(port: number, more: object = {}): Promise<TLSSocket> {
  const client = connectTls({
    host: "127.0.0.1",
    port,
    ca: [readFileSync(tls.ca), readFileSync(otherTls.ca)],
    servername: "sbc.example.test",
    ...more,
  });
  open.push({ close: () => client.destroy() });
  await once(client, "secureConnect");
  return client;
}

export async function tlsServer(files: TestTls): Promise<number> {
  const server = createTlsServer({ cert: readFileSync(files.certificate), key: readFileSync(files.key) });
  server.on("tlsClientError", () => {});
  server.on("secureConnection", (socket) => socket.on("error", () => {}));
  await once(server.listen(0, "127.0.0.1"), "listening");
  open.push(server);
  return (server.address() as { port: number }).port;
}

/** Waits until `text` has come, whole. */
export async function arrived(socket: Socket, text: string): Promise<void> {
  let got = "";
  while (got.length < text.length) {
    const [bytes] = await once(socket, "data");
    got += (bytes as Buffer).toString("latin1");
  }
  expect(got).toBe(text);
}
