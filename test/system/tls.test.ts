/** TLS of the running box: who may come in, certificates that change under way, and readers that do not read. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Box, makeFolder } from "../support/box.ts";
import { Authority, type Identity } from "../support/certificates.ts";
import { SipParty } from "../support/sip-party.ts";
import { freePort } from "../unit/io/free-port.ts";

const folder = makeFolder("tls");
const ours = new Authority(folder, "ours");
const CARRIER = "carrier.example.test";
const SBC = "sbc.example.test";
const TENANT = "tenant.example.test";

let box: Box;
let pbx: SipParty;
let port: number;

beforeAll(async () => {
  pbx = await SipParty.start("127.0.0.1");
  port = await freePort("tcp");
  install(ours.issue(SBC));
  install(ours.issue(TENANT), "tenant");
  box = await Box.start(folder, {
    name: "tls",
    realms: {
      outside: {
        trust: "none",
        listen: [`tls:127.0.0.1:${port}`],
        tls: {
          ...{ certificate: "sbc.crt", key: "sbc.key", ca: "ours.pem", verify: "mutual" },
          others: [{ certificate: "tenant.crt", key: "tenant.key" }],
        },
        media: { address: "127.0.0.1", ports: "23000-23099" },
        srtp: "off",
      },
      inside: {
        trust: "full",
        listen: [`udp:127.0.0.1:${await freePort("udp")}`],
        media: { address: "127.0.0.1", ports: "23100-23199" },
        srtp: "off",
      },
    },
    peers: {
      carrier: { realm: "outside", targets: [`tls:${CARRIER}:5061`] },
      pbx: { realm: "inside", targets: [`udp:127.0.0.1:${pbx.place.port}`] },
    },
    limits: { calls: 10 },
    routes: [{ when: { from: "carrier" }, to: ["pbx"] }],
  });
}, 60_000);

afterAll(async () => {
  await box?.stop();
  pbx?.close();
  rmSync(folder, { recursive: true, force: true });
});

test("mutual: the certificate tells who calls, whatever the address", async () => {
  const carrier = await Client.open(ours.issue(CARRIER));
  carrier.send("INVITE", 1);
  expect(await carrier.final()).toMatch(/^SIP\/2.0 200 /);
  expect(pbx.received.filter((text) => text.startsWith("INVITE "))).toHaveLength(1);
  carrier.close();

  // The authority vouches for it, but no peer has that name.
  const other = await Client.open(ours.issue("other.example.test"));
  other.send("INVITE", 1);
  expect(await other.final()).toMatch(/^SIP\/2.0 (403|404) /);
  expect(pbx.received.filter((text) => text.startsWith("INVITE "))).toHaveLength(1);
  other.close();
});

test("mutual: without a certificate, or with one of another authority, nobody gets a word in", async () => {
  const theirs = new Authority(folder, "theirs");
  for (const stranger of [undefined, theirs.issue(CARRIER)]) {
    const client = await Client.open(stranger).catch((error: Error) => error);
    if (client instanceof Client) {
      client.send("OPTIONS", 1);
      await expect(client.final()).rejects.toThrow("closed");
    }
  }
  await box.fact("tls.failed", 2);
});

test("SIGHUP with a new certificate: new connections see it, those that are up go on", async () => {
  const identity = ours.issue(CARRIER);
  const before = await Client.open(identity);
  install(ours.issue(SBC));
  box.child.process.kill("SIGHUP");
  await box.child.line(/settings\.applied/);
  const after = await Client.open(identity);
  expect(after.fingerprint).not.toBe(before.fingerprint);
  for (const client of [before, after]) {
    client.send("OPTIONS", 1);
    expect(await client.final()).toMatch(/^SIP\/2.0 200 /);
    client.close();
  }
});

test("a client that asks for another of our names is shown the certificate of that name", async () => {
  const identity = ours.issue(CARRIER);
  const shown = async (name?: string): Promise<string> => {
    const client = await Client.open(identity, name);
    client.send("OPTIONS", 1);
    expect(await client.final()).toMatch(/^SIP\/2.0 200 /);
    const { subject } = client;
    client.close();
    return subject;
  };
  expect(await shown(TENANT)).toBe(TENANT);
  for (const name of [undefined, SBC, "nobody.example.test"]) expect(await shown(name)).toBe(SBC);
});

test("SIGHUP with a certificate that does not fit its key: refused, and the old one serves on", async () => {
  const identity = ours.issue(CARRIER);
  const before = await Client.open(identity);
  writeFileSync(join(folder, "sbc.crt"), ours.issue(SBC).cert);
  box.child.process.kill("SIGHUP");
  await box.child.line(/settings\.rejected/);
  const after = await Client.open(identity);
  expect(after.fingerprint).toBe(before.fingerprint);
  for (const client of [before, after]) client.close();
});

test("a burst of requests is answered whole; who does not read waits, alone, and loses nothing", async () => {
  const identity = ours.issue(CARRIER);
  const lazy = await Client.open(identity);
  lazy.stopReading();
  const REQUESTS = 30_000;
  for (let seq = 1; seq <= REQUESTS; seq++) lazy.send("OPTIONS", seq);
  const served = await settled(requestsServed);
  expect(served).toBeLessThan(REQUESTS);

  const other = await Client.open(identity);
  other.send("OPTIONS", 1);
  expect(await other.final()).toMatch(/^SIP\/2.0 200 /);
  other.close();

  lazy.goOnReading();
  await lazy.finals(REQUESTS);
  lazy.close();
}, 90_000);

interface Status {
  readonly drops: Readonly<Record<string, number>>;
}

const requestsServed = async (): Promise<number> => (await box.get<Status>("/status")).drops["request.new"] ?? 0;

/** The value once it has stood still for half a second. */
async function settled(read: () => Promise<number>): Promise<number> {
  let last = -1;
  for (;;) {
    const value = await read();
    if (value === last) return value;
    last = value;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

/** Certificate and key of the box, as the configuration names them. */
function install({ cert, key }: Identity, name = "sbc"): void {
  writeFileSync(join(folder, `${name}.crt`), cert);
  writeFileSync(join(folder, `${name}.key`), key);
}

const FINAL = /SIP\/2\.0 [2-6]\d\d .*\r\n/;

let connections = 0;

/** A neighbour on TLS that says a few words of SIP. */
class Client {
  readonly #socket: TLSSocket;
  readonly #number = ++connections;
  #text = "";
  #finals = 0;
  #last = "";
  #closed = false;
  #wake: () => void = () => {};

  /** `servername`: by which name it asks for us (SNI); none when absent. */
  static open(identity: Identity | undefined, servername?: string): Promise<Client> {
    return new Promise((resolve, reject) => {
      const wish = servername === undefined ? {} : { servername };
      const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false, ...wish, ...identity });
      socket.once("secureConnect", () => resolve(new Client(socket)));
      socket.once("error", reject);
    });
  }

  private constructor(socket: TLSSocket) {
    this.#socket = socket;
    socket.on("error", () => {});
    socket.on("data", (bytes: Buffer) => {
      this.#text += bytes.toString("latin1");
      for (let found = FINAL.exec(this.#text); found !== null; found = FINAL.exec(this.#text)) {
        this.#finals += 1;
        this.#last = found[0];
        this.#text = this.#text.slice(found.index + found[0].length);
      }
      this.#wake();
    });
    socket.once("close", () => {
      this.#closed = true;
      this.#wake();
    });
  }

  get fingerprint(): string {
    return this.#socket.getPeerCertificate().fingerprint256;
  }

  get subject(): string {
    return String(this.#socket.getPeerCertificate().subject.CN);
  }

  send(method: string, seq: number): void {
    const body = method === "INVITE" ? pbx.sdp : "";
    const lines = [
      `${method} sip:100@127.0.0.1:${port};transport=tls SIP/2.0`,
      `Via: SIP/2.0/TLS 127.0.0.1:5061;branch=z9hG4bK${this.#number}x${seq}`,
      "Max-Forwards: 70",
      `From: <sip:200@${CARRIER}>;tag=${this.#number}`,
      "To: <sip:100@127.0.0.1>",
      `Call-ID: ${this.#number}-${seq}`,
      `CSeq: ${seq} ${method}`,
      `Contact: <sip:200@${CARRIER}:5061;transport=tls>`,
      ...(body === "" ? [] : ["Content-Type: application/sdp"]),
      `Content-Length: ${body.length}`,
    ];
    this.#socket.write(`${lines.join("\r\n")}\r\n\r\n${body}`, "latin1");
  }

  /** The status line of the last final response, once there is one. */
  async final(): Promise<string> {
    await this.finals(1);
    return this.#last;
  }

  /** So many final responses have come. */
  async finals(count: number): Promise<void> {
    while (this.#finals < count) {
      if (this.#closed) throw new Error("the connection was closed");
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  stopReading(): void {
    this.#socket.pause();
  }

  goOnReading(): void {
    this.#socket.resume();
  }

  close(): void {
    this.#socket.destroy();
  }
}
