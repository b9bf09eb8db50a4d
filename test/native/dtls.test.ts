/** DTLS-SRTP through the door: two boxes shake hands with each other, and OpenSSL's own client and server with one. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import dgram from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Relay, startRelay } from "../../src/io/relay.ts";
import type { DtlsAssociation, RelaySide, SrtpSuite } from "../../src/media/relay-command.ts";
import { SrtpStream } from "../support/srtp-stream.ts";
import { Events, freePorts, open, Peer, rtp, side } from "./wire.ts";

const CM_80: SrtpSuite = "AES_CM_128_HMAC_SHA1_80";
const SUITES: readonly SrtpSuite[] = [CM_80, "AES_CM_128_HMAC_SHA1_32", "AEAD_AES_128_GCM", "AEAD_AES_256_GCM"];

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

let folder = "";
let certificate = { file: "", key: "", sha256: new Uint8Array(), sha512: new Uint8Array() };
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "dtls-"));
  const [file, key] = [join(folder, "peer.crt"), join(folder, "peer.key")];
  execFileSync("openssl", [
    ...[
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-nodes",
      "-days",
      "2",
      "-subj",
      "/CN=peer",
    ],
    ...["-keyout", key, "-out", file],
  ]);
  const raw = new X509Certificate(readFileSync(file)).raw;
  const digest = (hash: string) => new Uint8Array(createHash(hash).update(raw).digest());
  certificate = { file, key, sha256: digest("sha256"), sha512: digest("sha512") };
});
afterAll(() => rmSync(folder, { recursive: true }));

for (const port of ["io_uring", "epoll"] as const) {
  describe(port, () => {
    test.each(SUITES)("two boxes, a handshake between them, plain phones outside: %s", async (suite) => {
      const { a, b, phones, ends } = await twoBoxes(port, (box) => ({
        fingerprints: [box.fingerprint],
        suites: [suite],
      }));
      expect(await a.events.next("secured")).toEqual({ event: "secured", pair: 0, side: 1, suite });
      expect(await b.events.next("secured")).toMatchObject({ side: 0, suite });
      for (const [from, to] of [
        [0, 1],
        [1, 0],
      ] as const) {
        phones[from].send(rtp({ sequence: 7 + from }), ends[from]);
        expect((await phones[to].until(1))[0]?.bytes).toEqual(rtp({ sequence: 7 + from }));
      }
    });

    test("a certificate that was not signalled: who sees it first fails by name, and nothing passes", async () => {
      const { a, phones, ends } = await twoBoxes(port, (box) => ({
        fingerprints: [{ hash: "sha-256", value: box.fingerprint.value.map((byte) => byte ^ 1) }],
        suites: [CM_80],
      }));
      expect(await a.events.next("failed")).toMatchObject({ side: 1, reason: expect.stringContaining("certificate") });
      phones[0].send(rtp(), ends[0]);
      expect(await quiet(phones[1])).toBe(true);
    });

    test("another tls-id is another handshake, the same again is none", async () => {
      const { a, b, words } = await twoBoxes(port, (box) => ({ fingerprints: [box.fingerprint], suites: [CM_80] }));
      await b.events.next("secured");
      const change = (tlsId: string) => {
        for (const [box, which] of [
          [b, 0],
          [a, 1],
        ] as const) {
          box.relay.handle({ word: "change", pair: 0, side: which, set: { dtls: { ...words[which], tlsId } } });
        }
      };
      for (const box of [a, b]) await box.events.next("secured");
      change("one".padEnd(20, "x"));
      for (const box of [a, b]) await box.events.next("secured", 2);
      change("one".padEnd(20, "x"));
      change("two".padEnd(20, "x"));
      for (const box of [a, b]) await box.events.next("secured", 3);
      for (const box of [a, b]) expect(box.events.countOf("secured", 0)).toBe(3);
    });

    test("OpenSSL's client shakes hands with us, and its keys open what we send", async () => {
      const { box, proxy, phone, ports } = await oneBox(port, "passive");
      const client = openssl([
        ...["s_client", "-connect", `127.0.0.1:${proxy.inner}`, "-cert", certificate.file, "-key", certificate.key],
      ]);
      await box.events.next("secured");
      expect(await client.said(/SRTP Extension negotiated, profile=(\w+)/)).toBe("SRTP_AES128_CM_SHA1_80");
      await speaks(await client.keys(), false, { proxy, phone, ports });
    });

    test("we shake hands with OpenSSL's server, and its keys open what we send", async () => {
      const [inner = 0] = await freePorts(1);
      const server = openssl([
        ...["s_server", "-accept", `127.0.0.1:${inner}`, "-cert", certificate.file, "-key", certificate.key],
        ...["-Verify", "1"],
      ]);
      await server.said(/ACCEPT()/);
      const { box, proxy, phone, ports } = await oneBox(port, "active", inner);
      await box.events.next("secured");
      await speaks(await server.keys(), true, { proxy, phone, ports });
    });

    test("a stranger's ClientHello gets no byte back", async () => {
      const { box, proxy, ports } = await oneBox(port, "passive");
      const stranger = await peer();
      const hello = clientHello();
      for (const length of [hello.length, hello.length - 1, 20]) stranger.send(hello.subarray(0, length), ports[0]);
      // What the peer sent later is answered, so what was sent earlier has been judged.
      proxy.outer.send(hello, ports[0]);
      const [answer] = await proxy.outer.until(1);
      expect(answer?.bytes[0]).toBe(22); // A handshake, not an alert: the ClientHello is one to be answered.
      expect(stranger.got).toEqual([]);
      expect(box.relay.counters(0, 0).droppedStranger).toBe(3);
    });
  });
}

test("twenty handshakes come through while strangers and one of the peers flood, and no stranger hears a byte", async () => {
  const calls = 21; // The first is all noise.
  const [a, b] = [start("io_uring", calls), start("io_uring", calls)];
  const ports = await freePorts(4 * calls);
  const [noisy, stranger] = [await peer(), await peer()];
  const inner = (pair: number): number => ports[4 * pair + 2] as number;
  const at = (rtpPort: number) => ({ remote: { ip: "127.0.0.1", rtpPort, rtcpPort: rtpPort } });
  const toward = (box: Relay, setup: "active" | "passive"): DtlsAssociation => ({
    setup,
    fingerprints: [box.fingerprint],
    suites: [CM_80],
  });
  const hello = clientHello();
  const flood = () => {
    for (let pair = 0; pair < calls; pair += 1) {
      for (let i = 0; i < 20; i += 1) stranger.send(hello, inner(pair));
    }
    for (let i = 0; i < 200; i += 1) noisy.send(i % 2 ? hello : Buffer.alloc(1_200, 0x16), ports[0] as number);
  };
  a.relay.handle(
    open(
      0,
      side({ port: ports[0] as number }, noisy, { dtls: toward(b.relay, "passive") }),
      side({ port: ports[1] as number }, noisy),
    ),
  );
  for (let pair = 1; pair < calls; pair += 1) {
    const [outerA, innerA, innerB, outerB] = ports.slice(4 * pair, 4 * pair + 4) as [number, number, number, number];
    const plain = (port: number) => side({ port }, undefined, at(port));
    flood();
    b.relay.handle(
      open(pair, side({ port: innerB }, undefined, { ...at(innerA), dtls: toward(a.relay, "passive") }), plain(outerB)),
    );
    a.relay.handle(
      open(pair, plain(outerA), side({ port: innerA }, undefined, { ...at(innerB), dtls: toward(b.relay, "active") })),
    );
    await new Promise(setImmediate);
  }
  for (const box of [a, b]) await box.events.next("secured", calls - 1);
  expect(a.events.all.concat(b.events.all).filter((one) => one.event === "failed")).toEqual([]);
  expect(stranger.got).toEqual([]);
  let strangers = 0;
  for (let pair = 1; pair < calls; pair += 1) strangers += b.relay.counters(pair, 0).droppedStranger;
  expect(strangers).toBeGreaterThan(100);
}, 20_000);

test("a box that stops in the middle of handshakes leaves no descriptor behind", async () => {
  const before = readdirSync("/proc/self/fd").length;
  for (let round = 0; round < 5; round += 1) {
    const { relay } = start("epoll");
    const ports = await freePorts(2);
    const dtls: DtlsAssociation = { setup: "active", fingerprints: [relay.fingerprint], suites: [CM_80] };
    const nowhere = { remote: { ip: "127.0.0.1", rtpPort: 9, rtcpPort: 9 } };
    relay.handle(
      open(
        0,
        side({ port: ports[0] as number }, undefined, { ...nowhere, dtls }),
        side({ port: ports[1] as number }, undefined),
      ),
    );
    await new Promise(setImmediate);
    relay.stop();
  }
  expect(readdirSync("/proc/self/fd").length).toBe(before);
});

test("the fingerprint is of one certificate a start", () => {
  const one = start("epoll").relay.fingerprint;
  expect(one.hash).toBe("sha-256");
  expect(one.value).toHaveLength(32);
  expect(start("epoll").relay.fingerprint.value).not.toEqual(one.value);
});

type Box = { relay: Relay; events: Events };

function start(port: "io_uring" | "epoll", maxPairs = 4): Box {
  const events = new Events();
  const relay = startRelay({ port, maxPairs, onEvents: events.take });
  closing.push(() => relay.stop());
  return { relay, events };
}

async function peer(): Promise<Peer> {
  const made = await Peer.open();
  closing.push(() => made.close());
  return made;
}

const quiet = async (phone: Peer): Promise<boolean> => {
  await new Promise((resolve) => setTimeout(resolve, 50));
  return phone.got.length === 0;
};

/** phone 0 — plain — box a — DTLS — box b — plain — phone 1. */
async function twoBoxes(port: "io_uring" | "epoll", toward: (box: Relay) => Omit<DtlsAssociation, "setup">) {
  const [a, b] = [start(port), start(port)];
  const phones = [await peer(), await peer()] as const;
  const [outerA = 0, innerA = 0, innerB = 0, outerB = 0] = await freePorts(4);
  const words = [
    { setup: "passive", ...toward(a.relay) },
    { setup: "active", ...toward(b.relay) },
  ] as const;
  const at = (rtpPort: number) => ({ remote: { ip: "127.0.0.1", rtpPort, rtcpPort: rtpPort } });
  b.relay.handle(
    open(0, side({ port: innerB }, undefined, { ...at(innerA), dtls: words[0] }), side({ port: outerB }, phones[1])),
  );
  a.relay.handle(
    open(0, side({ port: outerA }, phones[0]), side({ port: innerA }, undefined, { ...at(innerB), dtls: words[1] })),
  );
  return { a, b, phones, ends: [outerA, outerB] as const, words };
}

/** Stands where the peer is signalled; whatever OpenSSL says goes through it, so that SRTP can come from there too. */
interface Proxy {
  readonly outer: Peer;
  readonly inner: number;
}

async function oneBox(port: "io_uring" | "epoll", setup: "active" | "passive", server?: number) {
  const box = start(port);
  const [outer, phone] = [await peer(), await peer()];
  const [first = 0, second = 0] = await freePorts(2);
  const inside = dgram.createSocket("udp4");
  inside.bind(0, "127.0.0.1");
  await once(inside, "listening");
  closing.push(() => inside.close());
  let other = server;
  inside.on("message", (bytes, from) => {
    other = from.port;
    outer.send(bytes, first);
  });
  outer.socket.on("message", (bytes) => {
    const isDtls = (bytes[0] ?? 0) >= 20 && (bytes[0] ?? 0) <= 63;
    if (isDtls && other !== undefined) inside.send(bytes, other, "127.0.0.1");
  });
  const dtls: DtlsAssociation = {
    setup,
    suites: SUITES,
    fingerprints: [
      { hash: "sha-256", value: certificate.sha256 },
      { hash: "sha-512", value: certificate.sha512 },
    ],
  };
  const more: Partial<RelaySide> = { dtls };
  box.relay.handle(open(0, side({ port: first }, outer, more), side({ port: second }, phone)));
  const proxy: Proxy = { outer, inner: inside.address().port };
  return { box, proxy, phone, ports: [first, second] as const };
}

function openssl(words: readonly string[]) {
  const child: ChildProcess = spawn("openssl", [
    ...words,
    ...[
      "-dtls1_2",
      "-use_srtp",
      "SRTP_AES128_CM_SHA1_80",
      "-keymatexport",
      "EXTRACTOR-dtls_srtp",
      "-keymatexportlen",
      "60",
    ],
  ]);
  closing.push(() => child.kill("SIGKILL"));
  let text = "";
  const heard: (() => void)[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("latin1").on("data", (more: string) => {
      text += more;
      for (const wake of heard.splice(0)) wake();
    });
  }
  const said = async (what: RegExp): Promise<string> => {
    const limit = AbortSignal.timeout(10_000);
    for (;;) {
      const found = what.exec(text);
      if (found) return found[1] ?? "";
      await new Promise<void>((resolve, reject) => {
        heard.push(resolve);
        limit.addEventListener("abort", () => reject(new Error(`openssl did not say ${what}: ${text}`)));
      });
    }
  };
  /** Of client and server: master key and salt, as an a=crypto line would have them. RFC 5764 §4.2. */
  const keys = async () => {
    const material = Buffer.from(await said(/Keying material: ([0-9A-F]{120})/), "hex");
    const of = (key: number, salt: number) =>
      Buffer.concat([material.subarray(key, key + 16), material.subarray(salt, salt + 14)]).toString("base64");
    return { client: of(0, 32), server: of(16, 46) };
  };
  return { said, keys };
}

async function speaks(
  keys: { client: string; server: string },
  weAreClient: boolean,
  { proxy, phone, ports }: { proxy: Proxy; phone: Peer; ports: readonly [number, number] },
): Promise<void> {
  const [ours, theirs] = weAreClient ? [keys.client, keys.server] : [keys.server, keys.client];
  proxy.outer.send(new SrtpStream(theirs).protect(rtp({ sequence: 3 })), ports[0]);
  expect((await phone.until(1))[0]?.bytes).toEqual(rtp({ sequence: 3 }));
  const before = proxy.outer.got.length;
  phone.send(rtp({ sequence: 4 }), ports[1]);
  const got = await proxy.outer.until(before + 1);
  expect(new SrtpStream(ours).unprotect(got[got.length - 1]?.bytes ?? Buffer.alloc(0))).toEqual(rtp({ sequence: 4 }));
}

/** DTLS 1.2, ECDHE-ECDSA-AES128-GCM-SHA256, X25519 and P-256, use_srtp: as small as a ClientHello may be. */
function clientHello(): Buffer {
  const extensions = Buffer.from(
    ["000a00060004001d0017", "000d000400020403", "000b00020100", "000e000500020001" + "00", "00170000"].join(""),
    "hex",
  );
  const body = Buffer.concat([
    Buffer.from("fefd", "hex"),
    Buffer.alloc(32, 7),
    Buffer.from("0000" + "0002c02b" + "0100", "hex"),
    Buffer.from([extensions.length >> 8, extensions.length & 0xff]),
    extensions,
  ]);
  const head = Buffer.from([1, 0, 0, body.length, 0, 0, 0, 0, 0, 0, 0, body.length]);
  const record = Buffer.from([22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, head.length + body.length]);
  return Buffer.concat([record, head, body]);
}
