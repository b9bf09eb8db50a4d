/** A pair that goes on in another relay, through the door: export, open with what was exported, and what is refused. */
import { afterEach, expect, test } from "vitest";
import { Secret } from "../../src/base/index.ts";
import { type Relay, startRelay } from "../../src/io/relay.ts";
import type { DtlsKeys, RelayCommand, RelaySide, SrtpKey } from "../../src/media/relay-command.ts";
import { Events, freePorts, Peer, rtp, side } from "./wire.ts";

const KEY = Uint8Array.from({ length: 30 }, (_, at) => 7 * at + 1);
const key = (bytes = KEY): SrtpKey => ({ suite: "AES_CM_128_HMAC_SHA1_80", key: new Secret(bytes) });

const closing: { close?(): void; stop?(): void }[] = [];
afterEach(() => {
  for (const one of closing.splice(0)) (one.stop ?? one.close)?.call(one);
});

test("another relay goes on: under the same key and name, with a keystream that nobody has used; no key is in the state", async () => {
  const { caller, callee, active, standby, words } = await scene();
  active.relay.handle(words(active.ports));
  for (let sequence = 1; sequence <= 40; sequence += 1) {
    caller.send(rtp({ sequence }), active.ports[0] as number);
    await callee.until(sequence);
  }
  const state = await stateOf(active);
  expect(Buffer.from(state).includes(Buffer.from(KEY.subarray(0, 16)))).toBe(false);
  for (let sequence = 41; sequence <= 80; sequence += 1) {
    caller.send(rtp({ sequence }), active.ports[0] as number);
    await callee.until(sequence);
  }
  active.relay.stop();

  standby.relay.handle({ ...words(standby.ports), resumes: state });
  for (let sequence = 81; sequence <= 160; sequence += 1) {
    caller.send(rtp({ sequence }), standby.ports[0] as number);
    await callee.until(sequence);
  }
  const sound = callee.got.map(({ bytes }) => bytes.subarray(12, 172).toString("latin1"));
  expect(new Set(sound).size).toBe(160); // The same plain sound each time.
  expect(new Set(callee.got.map(({ bytes }) => bytes.readUInt32BE(8)))).toEqual(new Set([0x1234]));
  const numbers = callee.got.slice(80).map(({ bytes }) => bytes.readUInt16BE(2));
  expect(numbers).toEqual(numbers.map((_, at) => 40 + 30_000 + 1 + at));
});

test("a state that is not whole, or of another key, fails with the whole pair; the slot and its ports can be used again", async () => {
  const { caller, callee, active, standby, words } = await scene();
  active.relay.handle(words(active.ports));
  caller.send(rtp(), active.ports[0] as number);
  await callee.until(1);
  const state = await stateOf(active);
  const hostile: [Uint8Array, SrtpKey][] = [
    [state.subarray(1), key()],
    [state.map((byte, at) => (at === 20 ? byte ^ 1 : byte)), key()],
    [new Uint8Array(100_000), key()],
    [state, key(KEY.map((byte) => byte ^ 1))],
  ];
  for (const [at, [bytes, tx]] of hostile.entries()) {
    standby.relay.handle({ ...words(standby.ports, tx), resumes: bytes });
    expect(await standby.events.next("failed", at + 1)).toMatchObject({
      pair: 0,
      reason: expect.stringContaining("state"),
    });
    standby.relay.handle({ word: "close", pair: 0 });
    await standby.events.next("closed", at + 1);
  }
  expect(() => standby.relay.handle({ ...words(standby.ports), resumes: new Uint8Array(0) })).toThrow(TypeError);
  standby.relay.handle({ ...words(standby.ports), resumes: state });
  caller.send(rtp({ sequence: 2 }), standby.ports[0] as number);
  await callee.until(2);
});

test("a side with DTLS in a bundle of one, and a certificate of its own: the standby goes on at its address without a new handshake", async () => {
  const { caller, callee, active, standby } = await scene();
  const far = await half();
  const [inner = 0, outer = 0] = await freePorts(2);
  const [near = 0] = active.ports;
  const identity = active.relay.freshIdentity();
  if (identity === undefined) throw new Error("no certificate could be made");
  const suites = ["AEAD_AES_128_GCM"] as const;
  const shaking = (keys?: DtlsKeys): RelaySide =>
    side({ port: near }, undefined, {
      remote: { ip: "127.0.0.1", rtpPort: inner, rtcpPort: inner },
      bundle: { pair: 0, mid: "", midId: 0, payloadTypes: [0] },
      dtls: { setup: "passive", fingerprints: [far.relay.fingerprint], suites, identity, ...(keys && { keys }) },
    });
  const plain = side({ port: standby.ports[1] as number }, callee);
  active.relay.handle({ word: "open", pair: 0, kind: "audio", sides: [shaking(), plain] });
  const toward: Partial<RelaySide> = {
    remote: { ip: "127.0.0.1", rtpPort: near, rtcpPort: near },
    dtls: { setup: "active", fingerprints: [identity.fingerprint], suites },
  };
  const sides: [RelaySide, RelaySide] = [side({ port: outer }, caller), side({ port: inner }, undefined, toward)];
  far.relay.handle({ word: "open", pair: 0, kind: "audio", sides });
  for (const { events } of [active, far]) await events.next("secured");

  let spoken = 0;
  const talk = async (): Promise<void> => {
    for (const last = spoken + 10; spoken < last; ) {
      spoken += 1;
      caller.send(rtp({ sequence: spoken }), outer);
      expect((await callee.until(spoken))[spoken - 1]?.bytes.subarray(12)).toEqual(rtp().subarray(12));
      callee.send(rtp({ sequence: spoken, ssrc: 0x99 }), standby.ports[1] as number);
      expect((await caller.until(spoken))[spoken - 1]?.bytes.subarray(12)).toEqual(rtp().subarray(12));
    }
  };
  await talk();
  const { state, keys } = await exportedBy(active);
  const [own, none] = keys;
  if (own === undefined) throw new Error("no keys came");
  expect([own.done, own.rtp.suite, own.rtcp, none]).toEqual([true, "AEAD_AES_128_GCM", undefined, undefined]);
  expect(JSON.stringify(keys)).toContain("•••");
  for (const secret of [own.rtp.rx, own.rtp.tx]) {
    expect(secret.reveal().length).toBe(28);
    expect(Buffer.from(state).includes(Buffer.from(secret.reveal().subarray(0, 16)))).toBe(false);
  }
  await talk();
  active.relay.stop();
  for (const port of [near, standby.ports[1] as number]) await isFree(port);
  standby.relay.handle({ word: "open", pair: 0, kind: "audio", sides: [shaking(own), plain], resumes: state });
  await talk();
  await talk();
  expect([standby.events.all, far.events.countOf("secured", 0)]).toEqual([[], 1]);
  // What media says again of the same association changes nothing.
  standby.relay.handle({ word: "change", pair: 0, side: 0, set: { dtls: shaking().dtls } });
  await talk();
  expect(far.events.countOf("secured", 0)).toBe(1);
}, 20_000);

test("a pair that is not there has no state, and says so", async () => {
  const { active } = await scene();
  active.relay.handle({ word: "export", pair: 3 });
  expect(await active.events.next("exported")).toMatchObject({
    pair: 3,
    state: undefined,
    reason: "there is no such pair",
  });
});

interface Half {
  readonly relay: Relay;
  readonly events: Events;
  readonly ports: readonly number[];
}

async function half(): Promise<Half> {
  const events = new Events();
  const relay = startRelay({ port: "auto", maxPairs: 4, onEvents: events.take });
  closing.push(relay);
  return { relay, events, ports: await freePorts(2) };
}

async function scene() {
  const [caller, callee] = [await Peer.open(), await Peer.open()];
  closing.push(caller, callee);
  const words = (ports: readonly number[], tx: SrtpKey = key()): Extract<RelayCommand, { word: "open" }> => {
    const [a, b] = ports as [number, number];
    const sides: [RelaySide, RelaySide] = [side({ port: a }, caller), side({ port: b }, callee, { tx })];
    return { word: "open", pair: 0, kind: "audio", sides };
  };
  return { caller, callee, active: await half(), standby: await half(), words };
}

/** The kernel closes what io_uring held some moments after its end. */
async function isFree(port: number): Promise<void> {
  const limit = AbortSignal.timeout(10_000);
  for (;;) {
    const peer = await Peer.open("127.0.0.1", port).catch(() => undefined);
    peer?.close();
    if (peer !== undefined) return;
    limit.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const stateOf = async (box: Half): Promise<Uint8Array> => (await exportedBy(box)).state;

async function exportedBy({ relay, events }: Half) {
  relay.handle({ word: "export", pair: 0 });
  const told = await events.next("exported");
  if (told.event !== "exported" || told.state === undefined) throw new Error("no state came");
  return { state: told.state, keys: told.keys };
}
