/** UDPTL over DTLS through the door: OpenSSL's own client and server are the other end, a plain fax machine is on the other side. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { startRelay } from "../../src/io/relay.ts";
import type { RelaySide } from "../../src/media/relay-command.ts";
import { Events, freePorts, Peer, side } from "./wire.ts";

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

let folder = "";
let certificate = { file: "", key: "", sha256: new Uint8Array() };
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "fax-"));
  const [file, key] = [join(folder, "peer.crt"), join(folder, "peer.key")];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  execFileSync("openssl", ["req", "-x509", ...curve, "-days", "2", "-subj", "/CN=peer", "-keyout", key, "-out", file]);
  const { raw } = new X509Certificate(readFileSync(file));
  certificate = { file, key, sha256: new Uint8Array(createHash("sha256").update(raw).digest()) };
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A sequence number, an IFP packet that can be read, no redundancy. */
const fax = (number: number, text: string): Buffer =>
  Buffer.concat([Buffer.from([0, number, text.length]), Buffer.from(text), Buffer.from([0, 0])]);

for (const port of ["io_uring", "epoll"] as const) {
  test.each(["passive", "active"] as const)(`${port}: we are %s, and fax crosses both ways`, async (setup) => {
    const events = new Events();
    const relay = startRelay({ port, maxPairs: 2, onEvents: events.take });
    closing.push(() => relay.stop());
    const machine = await Peer.open();
    closing.push(() => machine.close());
    const [near = 0, far = 0, theirs = 0] = await freePorts(3);
    const own = ["-cert", certificate.file, "-key", certificate.key, "-dtls1_2", "-quiet"];
    const secured: Partial<RelaySide> = {
      remote: { ip: "127.0.0.1", rtpPort: theirs, rtcpPort: theirs },
      latch: setup === "passive" ? "signalled" : "off",
      dtls: {
        setup,
        fingerprints: [{ hash: "sha-256", value: certificate.sha256 }],
        suites: ["AEAD_AES_128_GCM"],
      },
    };
    const sides: [RelaySide, RelaySide] = [side({ port: near }, undefined, secured), side({ port: far }, machine)];
    const open = (): void => relay.handle({ word: "open", pair: 0, kind: "udptl", sides });
    let peer: OpenSsl;
    if (setup === "passive") {
      open();
      peer = new OpenSsl(["s_client", "-connect", `127.0.0.1:${near}`, ...own]);
    } else {
      peer = new OpenSsl(["s_server", "-accept", String(theirs), "-Verify", "1", ...own]);
      await isTaken(theirs);
      open();
    }
    expect(await events.next("secured")).toEqual({ event: "secured", pair: 0, side: 0, suite: "DTLS" });

    machine.send(fax(1, "a page from the clear"), far);
    await peer.said("a page from the clear");
    const answer = fax(2, "a page from the records");
    peer.send(answer);
    expect((await machine.until(1))[0]?.bytes).toEqual(answer);
    // In the clear nothing is heard where records are due, though it is the right place that says it.
    expect(relay.counters(0, 0)).toMatchObject({ packets: 1, sent: 1, bytes: answer.length });
    relay.handle({ word: "close", pair: 0 });
    expect(await events.next("closed")).toMatchObject({ counters: [{ packets: 1 }, { packets: 1, sent: 1 }] });
  });
}

/** OpenSSL's own end: what it is given it sends, what it hears it prints. */
class OpenSsl {
  readonly #child: ChildProcess;
  #text = "";
  #heard: (() => void)[] = [];

  constructor(words: readonly string[]) {
    this.#child = spawn("openssl", words);
    closing.push(() => this.#child.kill("SIGKILL"));
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding("latin1").on("data", (more: string) => {
        this.#text += more;
        for (const wake of this.#heard.splice(0)) wake();
      });
    }
  }

  send(datagram: Buffer): void {
    this.#child.stdin?.write(datagram);
  }

  async said(what: string): Promise<void> {
    const limit = AbortSignal.timeout(10_000);
    while (!this.#text.includes(what)) {
      await new Promise<void>((resolve, reject) => {
        this.#heard.push(resolve);
        limit.addEventListener("abort", () => reject(new Error(`openssl did not say ${what}: ${this.#text}`)));
      });
    }
  }
}

/** Until somebody has that port of the loopback. */
async function isTaken(port: number): Promise<void> {
  const limit = AbortSignal.timeout(10_000);
  for (;;) {
    const peer = await Peer.open("127.0.0.1", port).catch(() => undefined);
    if (peer === undefined) return;
    peer.close();
    limit.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
