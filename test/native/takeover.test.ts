/** A pair that goes on in another relay, through the door: export, open with what was exported, and what is refused. */
import { afterEach, expect, test } from "vitest";
import { Secret } from "../../src/base/index.ts";
import { type Relay, startRelay } from "../../src/io/relay.ts";
import type { RelayCommand, RelaySide, SrtpKey } from "../../src/media/relay-command.ts";
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

async function scene() {
  const [caller, callee] = [await Peer.open(), await Peer.open()];
  closing.push(caller, callee);
  const half = async (): Promise<Half> => {
    const events = new Events();
    const relay = startRelay({ port: "auto", maxPairs: 4, onEvents: events.take });
    closing.push(relay);
    return { relay, events, ports: await freePorts(2) };
  };
  const words = (ports: readonly number[], tx: SrtpKey = key()): Extract<RelayCommand, { word: "open" }> => {
    const [a, b] = ports as [number, number];
    const sides: [RelaySide, RelaySide] = [side({ port: a }, caller), side({ port: b }, callee, { tx })];
    return { word: "open", pair: 0, kind: "audio", sides };
  };
  return { caller, callee, active: await half(), standby: await half(), words };
}

async function stateOf({ relay, events }: Half): Promise<Uint8Array> {
  relay.handle({ word: "export", pair: 0 });
  const told = await events.next("exported");
  if (told.event !== "exported" || told.state === undefined) throw new Error("no state came");
  return told.state;
}
