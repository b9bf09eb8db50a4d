import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, test } from "vitest";
import { Secret } from "../../src/base/index.ts";
import { type Relay, startRelay } from "../../src/io/relay.ts";
import type { RelaySide, SrtpKey, SrtpSuite } from "../../src/media/relay-command.ts";
import { Events, freePorts, open, Peer, rtcp, rtp, side } from "./wire.ts";

const LAST_PAIR = 63;
const eventsOf = new WeakMap<Relay, Events>();
const closing: { close?(): void; stop?(): void }[] = [];
afterEach(() => {
  for (const one of closing.splice(0)) (one.stop ?? one.close)?.call(one);
});

for (const port of ["io_uring", "epoll"] as const) {
  describe(port, () => {
    const start = () => {
      const events = new Events();
      const relay = startRelay({ port, maxPairs: 64, onEvents: events.take });
      closing.push(relay);
      eventsOf.set(relay, events);
      return { relay, events };
    };

    test("RTP goes from each side to the other, byte for byte, from the port that side knows", async () => {
      const { relay } = start();
      const { caller, callee, ports } = await pairOf(relay, 0);
      caller.send(rtp({ sequence: 7 }), ports[0]!);
      callee.send(rtp({ sequence: 9, ssrc: 5 }), ports[1]!);
      expect((await callee.until(1))[0]).toEqual({ bytes: rtp({ sequence: 7 }), port: ports[1], ip: "127.0.0.1" });
      expect((await caller.until(1))[0]).toEqual({
        bytes: rtp({ sequence: 9, ssrc: 5 }),
        port: ports[0],
        ip: "127.0.0.1",
      });
    });

    test("without AF_XDP there are no rings to count", () => {
      expect(start().relay.ringCounters()).toEqual({});
    });

    test("IPv6 on one side and IPv4 on the other", async () => {
      const { relay } = start();
      const { caller, callee, ports } = await pairOf(relay, 0, { ips: ["::1", "127.0.0.1"] });
      caller.send(rtp(), ports[0]!);
      await callee.until(1);
      callee.send(rtp(), ports[1]!);
      expect((await caller.until(1))[0]!.ip).toBe("::1");
    });

    test("a stranger gets no packet, is not heard, and is counted", async () => {
      const { relay, events } = start();
      const { caller, callee, ports } = await pairOf(relay, 0);
      const stranger = await peer();
      stranger.send(rtp({ payload: "stranger" }), ports[0]!);
      caller.send(rtp({ payload: "caller" }), ports[0]!);
      callee.send(rtp(), ports[1]!);
      await callee.until(1);
      await caller.until(1);
      expect(callee.got.map((one) => one.bytes.subarray(12).toString())).toEqual(["caller"]);
      expect(stranger.got).toEqual([]);
      const closed = await close(relay, events, 0);
      expect(closed.counters[0]).toMatchObject({ packets: 1, bytes: 18, sent: 1, droppedStranger: 1 });
    });

    test("the first packet from the signalled address is latched to; media then goes where it came from", async () => {
      const { relay, events } = start();
      const { caller, callee, ports } = await pairOf(relay, 0, { caller: { latch: "signalled" } });
      const moved = await peer(); // Same address, another port than the signalled one: a NAT.
      moved.send(rtp(), ports[0]!);
      await callee.until(1);
      expect(await events.next("latched")).toEqual({
        event: "latched",
        pair: 0,
        side: 0,
        ip: "127.0.0.1",
        port: moved.port,
      });
      callee.send(rtp(), ports[1]!);
      await moved.until(1);
      caller.send(rtp({ sequence: 2 }), ports[0]!); // Late: it is the stranger now.
      moved.send(rtp({ sequence: 3 }), ports[0]!);
      expect((await callee.until(2)).map((one) => one.bytes.readUInt16BE(2))).toEqual([1, 3]);
      expect(caller.got).toEqual([]);
    });

    test("latching to the signalling source takes it from there and from the signalled address only", async () => {
      const { relay } = start();
      const [local] = await freePorts(1, "127.0.0.1");
      const callee = await peer();
      const { ports } = await pairOf(relay, 1, {
        callee: { remote: { ip: "127.0.0.1", rtpPort: callee.port, rtcpPort: callee.port } },
        caller: {
          latch: "source",
          latchFrom: "127.0.0.2",
          remote: { ip: "127.0.0.9", rtpPort: local!, rtcpPort: local! },
        },
      });
      const wrong = await peer("127.0.0.3");
      const right = await peer("127.0.0.2");
      wrong.send(rtp({ payload: "wrong" }), ports[0]!, "127.0.0.1");
      right.send(rtp({ payload: "right" }), ports[0]!, "127.0.0.1");
      expect((await callee.until(1))[0]!.bytes.subarray(12).toString()).toBe("right");
    });

    test("payload types are renumbered, gates hold RTP back, and both are changed live", async () => {
      const { relay, events } = start();
      const { caller, callee, ports } = await pairOf(relay, 0, { callee: { payloadTypes: [[96, 111]] } });
      caller.send(rtp({ payloadType: 0x80 | 96 }), ports[0]!);
      expect((await callee.until(1))[0]!.bytes[1]).toBe(0x80 | 111);
      relay.handle({ word: "change", pair: 0, side: 1, set: { send: false } });
      relay.handle({ word: "change", pair: 0, side: 0, set: { payloadTypes: [[8, 9]] } });
      await settle(relay);
      caller.send(rtp({ sequence: 2 }), ports[0]!);
      callee.send(rtp({ payloadType: 8 }), ports[1]!);
      expect((await caller.until(1))[0]!.bytes[1]).toBe(9);
      const { counters } = await close(relay, events, 0);
      expect(counters[0]).toMatchObject({ packets: 2, droppedUnsent: 1 });
      expect(callee.got.length).toBe(1);
    });

    test("RTCP shares the port on one side only; names of the other side do not cross", async () => {
      const { relay } = start();
      const [rtcpPort] = await freePorts(1);
      const calleeRtcp = await peer();
      const callee = await peer();
      const { caller, ports } = await pairOf(relay, 0, {
        callee: {
          remote: { ip: "127.0.0.1", rtpPort: callee.port, rtcpPort: calleeRtcp.port },
          cname: "box",
        },
        calleeRtcpPort: rtcpPort!,
      });
      caller.send(
        rtcp([
          [1, "alice@10.9.8.7"],
          [2, "Alice"],
          [6, "PhoneOS 1"],
        ]),
        ports[0]!,
      );
      const { bytes, port } = (await calleeRtcp.until(1))[0]!;
      expect(port).toBe(rtcpPort);
      expect(bytes).toEqual(rtcp([[1, "box"]]));
      calleeRtcp.send(rtcp([[1, "bob"]], 9), rtcpPort!);
      expect((await caller.until(1))[0]!.bytes).toEqual(rtcp([[1, "sallyport"]], 9));
      expect(callee.got).toEqual([]);
    });

    test("what is neither RTP nor RTCP, and what lies about its lengths, is dropped and counted", async () => {
      const { relay, events } = start();
      const { caller, callee, ports } = await pairOf(relay, 0);
      const lying = rtcp([[1, "a"]]);
      lying.writeUInt16BE(500, 2);
      const bad = [
        Buffer.from("OPTIONS"),
        Buffer.from([0x80, 0]),
        Buffer.alloc(0),
        lying,
        rtp().fill(0xff, 0, 1),
        Buffer.from([0x80, 200, 0, 1]),
      ];
      for (const bytes of bad) caller.send(bytes, ports[0]!);
      caller.send(rtp({ payload: "good" }), ports[0]!);
      await callee.until(1);
      const { counters } = await close(relay, events, 0);
      expect(counters[0]).toMatchObject({ packets: 1, droppedMalformed: bad.length });
      expect(callee.got.length).toBe(1);
    });

    test("silence is told once, and the first packet after it too", async () => {
      const { relay, events } = start();
      const { caller, callee, ports } = await pairOf(relay, 0, { caller: { silenceLimitMs: 60 } });
      expect(await events.next("silent")).toEqual({ event: "silent", pair: 0, side: 0 });
      caller.send(rtp(), ports[0]!);
      await callee.until(1);
      expect(await events.next("heard")).toEqual({ event: "heard", pair: 0, side: 0 });
      expect(await events.next("silent", 2)).toEqual({ event: "silent", pair: 0, side: 0 });
    });

    test("a port that is taken fails the pair, which still closes", async () => {
      const { relay, events } = start();
      const { ports } = await pairOf(relay, 0);
      const other = await peer();
      const [spare] = await freePorts(1);
      relay.handle(open(1, side({ port: spare! }, other), side({ port: ports[0]! }, other)));
      expect(await events.next("failed")).toEqual({
        event: "failed",
        pair: 1,
        side: 1,
        reason: "Address already in use",
      });
      await close(relay, events, 1);
    });

    test.each([
      ["AES_CM_128_HMAC_SHA1_80", 30],
      ["AES_CM_128_HMAC_SHA1_32", 30],
      ["AES_256_CM_HMAC_SHA1_80", 46],
      ["AEAD_AES_128_GCM", 28],
      ["AEAD_AES_256_GCM", 44],
    ] as const)(
      "%s: two boxes in a row give the plain packet back, and none of it is plain between them",
      async (suite, bytes) => {
        const { relay } = start();
        const [a, b, c, d] = await freePorts(4);
        const [caller, callee, tap] = [await peer(), await peer(), await peer()];
        const secret = key(suite, bytes, 1);
        // caller -> a|b (encrypts) -> c|d (decrypts) -> callee. The tap sees the same by a third pair.
        const next = { remote: { ip: "127.0.0.1", rtpPort: c!, rtcpPort: c! } };
        relay.handle(open(0, side({ port: a! }, caller), side({ port: b! }, undefined, { ...next, tx: secret })));
        const back = { remote: { ip: "127.0.0.1", rtpPort: b!, rtcpPort: b! } };
        relay.handle(
          open(1, side({ port: c! }, undefined, { ...back, rx: secret }), side({ port: d! }, callee, { cname: "end" })),
        );
        await settle(relay);
        for (let sequence = 65_530; sequence < 65_550; sequence += 1) caller.send(rtp({ sequence }), a!);
        caller.send(rtcp([[1, "alice"]]), a!);
        const got = await callee.until(21);
        const expected = [...Array.from({ length: 20 }, (_, i) => rtp({ sequence: 65_530 + i })), rtcp([[1, "end"]])];
        expect(got.map((one) => one.bytes)).toEqual(expected);
        // With another key nothing authenticates; with the tap in the receiver's place the bytes are not the packet.
        relay.handle({ word: "change", pair: 0, side: 1, set: { remote: address(tap) } });
        await settle(relay);
        caller.send(rtp({ sequence: 65_550 }), a!);
        expect((await tap.until(1))[0]!.bytes.includes("xxxx")).toBe(false);
      },
    );

    test("new keys while packets flow: the old ones open nothing any more", async () => {
      const { relay } = start();
      const [a, b, c, d] = await freePorts(4);
      const [caller, callee] = [await peer(), await peer()];
      const [first, second] = [key("AES_CM_128_HMAC_SHA1_80", 30, 1), key("AES_CM_128_HMAC_SHA1_80", 30, 2)];
      relay.handle(open(0, side({ port: a! }, caller), side({ port: b! }, undefined, { remote: at(c!), tx: first })));
      relay.handle(open(1, side({ port: c! }, undefined, { remote: at(b!), rx: first }), side({ port: d! }, callee)));
      await settle(relay);
      caller.send(rtp({ sequence: 1 }), a!);
      await callee.until(1);
      relay.handle({ word: "change", pair: 0, side: 1, set: { tx: second } });
      await settle(relay);
      caller.send(rtp({ sequence: 2 }), a!);
      await waitFor(() => relay.counters(1, 0).droppedAuth === 1);
      relay.handle({ word: "change", pair: 1, side: 0, set: { rx: second } });
      await settle(relay);
      caller.send(rtp({ sequence: 3 }), a!);
      expect((await callee.until(2)).map((one) => one.bytes.readUInt16BE(2))).toEqual([1, 3]);
    });

    test("with keys only an authentic packet is latched to", async () => {
      const { relay, events } = start();
      const { caller, callee, ports } = await pairOf(relay, 0, {
        caller: { latch: "signalled", rx: key("AEAD_AES_128_GCM", 28, 3) },
      });
      caller.send(rtp(), ports[0]!);
      callee.send(rtp(), ports[1]!);
      await caller.until(1);
      await waitFor(() => relay.counters(0, 0).droppedAuth === 1);
      expect(events.countOf("latched", 0)).toBe(0);
      expect(callee.got).toEqual([]);
    });

    test("lost packets are counted across the wrap, and jitter of an even stream is small", async () => {
      const { relay, events } = start();
      const { caller, callee, ports } = await pairOf(relay, 0);
      for (const sequence of [65_533, 65_534, 0, 1, 3]) caller.send(rtp({ sequence }), ports[0]!);
      await callee.until(5);
      expect((await close(relay, events, 0)).counters[0]).toMatchObject({ packets: 5, lost: 2 });
    });

    test("two thousand openings and closings leave no socket and no word behind", async () => {
      const { relay, events } = start();
      const remote = await peer();
      const ports = await freePorts(128);
      const before = openDescriptors();
      for (let round = 0; round < 32; round += 1) {
        for (let pair = 0; pair < 64; pair += 1) {
          relay.handle(
            open(pair, side({ port: ports[pair * 2]! }, remote), side({ port: ports[pair * 2 + 1]! }, remote)),
          );
        }
        for (let pair = 0; pair < 64; pair += 1) relay.handle({ word: "close", pair });
        await events.next("closed", (round + 1) * 64);
      }
      expect(events.all.filter((one) => one.event === "failed")).toEqual([]);
      expect(openDescriptors()).toBe(before);
    }, 30_000);
  });
}

test("no OpenSSL symbol is exported by the addon or asked of Node", () => {
  const addon = fileURLToPath(new URL("../../build/native/sallyport.node", import.meta.url));
  const symbols = execFileSync("nm", ["-D", addon], { encoding: "utf8" }).split("\n");
  const defined = symbols.filter((line) => / [A-TV-Z] /.test(line)).map((line) => line.split(" ").at(-1));
  expect(defined.sort()).toEqual(["napi_register_module_v1", "node_api_module_get_api_version_v1"]);
  const wanted = symbols.filter((line) => / [Uw] /.test(line)).map((line) => line.trim().split(" ").at(-1)!);
  expect(
    wanted.filter((name) =>
      /^(EVP|OPENSSL|OSSL|CRYPTO|SSL|TLS|DTLS|DTLSv1|X509|X509V3|BIO|ASN1|EC|AES|HMAC|RAND|BN|ERR)_|^SHA1/.test(name),
    ),
  ).toEqual([]);
});

interface PairOptions {
  readonly ips?: readonly [string, string];
  readonly caller?: Partial<RelaySide>;
  readonly callee?: Partial<RelaySide>;
  readonly calleeRtcpPort?: number;
}

async function pairOf(relay: Relay, pair: number, options: PairOptions = {}) {
  const ips = options.ips ?? ["127.0.0.1", "127.0.0.1"];
  const [caller, callee] = [await peer(ips[0]), await peer(ips[1])];
  const ports = [...(await freePorts(1, ips[0])), ...(await freePorts(1, ips[1]))];
  relay.handle(
    open(
      pair,
      side({ ip: ips[0], port: ports[0]! }, caller, options.caller),
      side({ ip: ips[1], port: ports[1]!, rtcpPort: options.calleeRtcpPort ?? ports[1]! }, callee, options.callee),
    ),
  );
  await settle(relay);
  return { caller, callee, ports };
}

/** A packet thread obeys in order: once a pair opened now has closed, all commands before it are through. */
async function settle(relay: Relay): Promise<void> {
  const events = eventsOf.get(relay)!;
  const before = events.countOf("closed", LAST_PAIR);
  const nobody = side({ port: 0 }, undefined);
  relay.handle(open(LAST_PAIR, nobody, nobody));
  relay.handle({ word: "close", pair: LAST_PAIR });
  await events.nth((one) => one.event === "closed" && one.pair === LAST_PAIR, before + 1);
}

async function peer(ip = "127.0.0.1"): Promise<Peer> {
  const made = await Peer.open(ip);
  closing.push(made);
  return made;
}

async function close(relay: Relay, events: Events, pair: number) {
  relay.handle({ word: "close", pair });
  const closed = await events.nth((one) => one.event === "closed" && one.pair === pair);
  if (closed.event !== "closed") throw new Error("not closed");
  return closed;
}

async function waitFor(holds: () => boolean): Promise<void> {
  const until = Date.now() + 2_000;
  while (!holds()) {
    if (Date.now() > until) throw new Error("did not come true within two seconds");
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

const at = (port: number) => ({ ip: "127.0.0.1", rtpPort: port, rtcpPort: port });
const address = (one: Peer) => at(one.port);
const key = (suite: SrtpSuite, bytes: number, seed: number): SrtpKey => ({
  suite,
  key: new Secret(Uint8Array.from({ length: bytes }, (_, i) => i * seed + 1)),
});
const openDescriptors = (): number => readdirSync("/proc/self/fd").length;
