import { execFileSync } from "node:child_process";
import { afterEach, describe, expect, test } from "vitest";
import { openNativeUdp, type UdpDatagram, type UdpPort } from "../../src/io/udp-native.ts";
import { Peer } from "./wire.ts";

const closing: { close(): void }[] = [];
afterEach(() => {
  for (const one of closing.splice(0)) one.close();
});

test.each(["127.0.0.1", "::1"])("%s: text goes out and comes in, byte for byte, with its source", async (ip) => {
  const { port, batches } = listen(ip);
  const peer = await Peer.open(ip);
  closing.push(peer);
  const text = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i)).join("");
  port.send(ip, peer.port, text);
  port.flush();
  const [got] = await peer.until(1);
  expect(got).toEqual({ bytes: Buffer.from(text, "latin1"), ip, port: port.address.port });
  peer.send(Buffer.from(text, "latin1"), port.address.port);
  expect(await batches.next()).toEqual([{ ip, port: peer.port, text, local: "" }]);
});

test("a burst leaves in one turn and arrives whole and in order; batches are bounded", async () => {
  const receiver = listen("127.0.0.1");
  const sender = listen("127.0.0.1");
  const sent = Array.from({ length: 300 }, (_, i) => `${i} ${"y".repeat(900)}`);
  for (const text of sent) sender.port.send("127.0.0.1", receiver.port.address.port, text);
  sender.port.flush();
  const got: string[] = [];
  while (got.length < sent.length) {
    const batch = await receiver.batches.next();
    expect(batch.length).toBeLessThanOrEqual(64);
    got.push(...batch.map((one) => one.text));
  }
  expect(got).toEqual(sent);
  expect(sender.port.counters).toMatchObject({ sent: 300, sendFailed: 0 });
});

test("a wildcard port says which address a datagram came to", async () => {
  const { port, batches } = listen("0.0.0.0");
  const peer = await Peer.open("127.0.0.1");
  closing.push(peer);
  peer.send(Buffer.from("x"), port.address.port, "127.0.0.5");
  expect((await batches.next())[0]!.local).toBe("127.0.0.5");
});

test("what cannot be sent is counted and hurts nobody", async () => {
  const { port } = listen("127.0.0.1");
  const peer = await Peer.open("127.0.0.1");
  closing.push(peer);
  port.send("not an address", 5060, "a");
  port.send("::1", 5060, "b");
  port.send("127.0.0.1", peer.port, "z".repeat(65_508));
  port.send("127.0.0.1", peer.port, "good");
  port.flush();
  expect((await peer.until(1))[0]!.bytes.toString()).toBe("good");
  port.flush();
  expect(port.counters).toMatchObject({ sent: 1, sendFailed: 3 });
});

test.each(["127.0.0.1", "::1"])("%s: the socket is marked with the DSCP asked for", (ip) => {
  const { port } = listen(ip);
  const shown = execFileSync("ss", ["-uanH", "--tos", `sport = :${port.address.port}`], { encoding: "utf8" });
  expect(shown).toContain(ip === "::1" ? "tclass:0x60" : "tos:0x60"); // CS3, and no ECN.
});

test("a taken address throws with its code, and is free again after close", () => {
  const { port } = listen("127.0.0.1");
  const again = () => openNativeUdp({ address: port.address, dscp: 24, onBatch: () => {}, onUndelivered: () => {} });
  expect(again).toThrow(expect.objectContaining({ code: "EADDRINUSE" }));
  port.close();
  closing.push(again());
});

test.each(["127.0.0.1", "::1"])(
  "%s: what found nobody comes back with its text; the others go on their way",
  async (ip) => {
    const { port, returned } = listen(ip);
    const gone = await Peer.open(ip);
    const nobody = gone.port;
    const peer = await Peer.open(ip); // While the other is there: it must not get its port.
    closing.push(peer);
    gone.close();
    for (let round = 0; round < 20; round += 1) {
      port.send(ip, nobody, `lost ${round}`);
      port.flush();
      port.send(ip, peer.port, `good ${round}`);
      port.flush();
      expect(await returned.next()).toBe(`lost ${round}`);
    }
    expect((await peer.until(20)).map(({ bytes }) => bytes.toString())).toEqual(
      Array.from({ length: 20 }, (_, round) => `good ${round}`),
    );
    expect(port.counters).toMatchObject({ sent: 40, sendFailed: 0 });
  },
);

/** So many at once are a busy door's. */
const BUSY = 100;

describe("a busy door is looked at on the beat", () => {
  test.each(["127.0.0.1", "::1"])(
    "%s: whole, in order, many to a batch, and alone again when it is calm",
    async (ip) => {
      const { port, batches } = listen(ip);
      const sender = listen(ip);
      const one = (text: string): void => {
        sender.port.send(ip, port.address.port, text);
        sender.port.flush();
      };
      const sent = Array.from({ length: 6 * BUSY }, (_, i) => `${i}`);
      const began = performance.now();
      for (const text of sent) {
        one(text);
        await new Promise(setImmediate); // A turn of the loop each: a door that is told of each would take each alone.
      }
      const got: string[] = [];
      let count = 0;
      for (; got.length < sent.length; count += 1) got.push(...(await batches.next()).map(({ text }) => text));
      expect(got).toEqual(sent);
      // A machine so slow that they come at less than one a millisecond sees no busy door.
      expect(count).toBeLessThan(BUSY + performance.now() - began);

      for (let i = 0; i < 10; i += 1) {
        await new Promise((resolve) => setTimeout(resolve, 15)); // Calm comes with time alone.
        one(`calm ${i}`);
        expect((await batches.next()).map(({ text }) => text)).toEqual([`calm ${i}`]);
      }
    },
  );

  test("what found nobody is told there too", async () => {
    const { port, batches, returned } = listen("127.0.0.1");
    const gone = await Peer.open();
    const nobody = gone.port;
    gone.close();
    await makeBusy(port, batches);
    port.send("127.0.0.1", nobody, "lost");
    port.flush();
    expect(await returned.next()).toBe("lost");
  });

  test("doors that are closed by what they bring bring nothing more, and others live on", async () => {
    const ports: UdpPort[] = [];
    let batchesAfter = 0;
    let armed = false;
    const ended = Promise.withResolvers<void>();
    const onBatch = (): void => {
      if (!armed) return;
      batchesAfter += 1;
      for (const port of ports) port.close();
      ended.resolve();
    };
    for (let i = 0; i < 2; i += 1) {
      const options = { address: { ip: "127.0.0.1", port: 0 }, dscp: 0, onBatch, onUndelivered: () => {} };
      ports.push(openNativeUdp(options));
    }
    const other = listen("127.0.0.1");
    const burst = (): void => {
      for (let i = 0; i < BUSY; i += 1)
        for (const { address } of ports) other.port.send("127.0.0.1", address.port, "x");
      other.port.flush();
    };
    burst();
    await until(() => ports.every(({ counters }) => counters.received === BUSY));
    armed = true;
    burst();
    await ended.promise;
    await makeBusy(other.port, other.batches);
    expect(batchesAfter).toBe(1);
  });
});

async function makeBusy(port: UdpPort, batches: Arrivals<readonly UdpDatagram[]>): Promise<void> {
  const { ip } = port.address;
  for (let i = 0; i < BUSY; i += 1) port.send(ip, port.address.port, `${i}`);
  port.flush();
  for (let got = 0; got < BUSY; ) got += (await batches.next()).length;
}

async function until(isTrue: () => boolean): Promise<void> {
  const limit = performance.now() + 10_000;
  while (!isTrue()) {
    if (performance.now() > limit) throw new Error("it did not come true");
    await new Promise(setImmediate);
  }
}

function listen(ip: string): { port: UdpPort; batches: Arrivals<readonly UdpDatagram[]>; returned: Arrivals<string> } {
  const batches = new Arrivals<readonly UdpDatagram[]>();
  const returned = new Arrivals<string>();
  const onBatch = (batch: readonly UdpDatagram[]): void => batches.take(batch);
  const onUndelivered = (quoted: string): void => returned.take(quoted);
  const port = openNativeUdp({ address: { ip, port: 0 }, dscp: 24, onBatch, onUndelivered });
  closing.push(port);
  return { port, batches, returned };
}

class Arrivals<T> {
  readonly #arrived: T[] = [];
  #waiting: (() => void) | undefined;

  take(one: T): void {
    this.#arrived.push(one);
    this.#waiting?.();
  }

  async next(): Promise<T> {
    while (this.#arrived.length === 0) {
      await new Promise<void>((resolve, reject) => {
        this.#waiting = resolve;
        AbortSignal.timeout(2_000).addEventListener("abort", () => reject(new Error("nothing came")));
      });
    }
    return this.#arrived.shift()!;
  }
}
