/**
 * The life of an SRTP key, through the engine and the running relay: it is renewed by re-INVITE before it ends, and where
 * nobody takes the new one, the call ends with it. All packets have the same sound, so that a keystream that is used twice
 * shows as the same bytes on the wire.
 */
import { afterEach, expect, test } from "vitest";
import type { Settings } from "../../src/base/index.ts";
import { type Relay, startRelay } from "../../src/io/relay.ts";
import { audio, headerOf } from "../support/scripted-party.ts";
import { type Place, Stage } from "../support/stage.ts";
import { Events, Peer, rtp } from "./wire.ts";

/** Addresses that nobody else has, other ones for each call: so the box may have its usual ports. */
let calls = 0;
function places() {
  calls += 1;
  const ip = (last: number): string => `127.78.${calls}.${last}`;
  return {
    box: { outside: ip(1), inside: ip(2) },
    aliceAt: { realm: "outside", ip: ip(3), port: 5060 } as const,
    bobAt: { realm: "inside", ip: ip(4), port: 5060 } as const,
  };
}
const PACKETS = 2 ** 7;
const KEY = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

const closing: { close?(): void; stop?(): void }[] = [];
afterEach(() => {
  for (const one of closing.splice(0)) (one.stop ?? one.close)?.call(one);
});

test("a key is renewed before it ends, again and again: no packet is missed and no keystream is used twice", async () => {
  const call = await secured();
  const { stage, alice } = call;
  for (let renewed = 1; renewed <= 3; renewed += 1) {
    await call.say(PACKETS / 2 + 1);
    await call.aged(renewed);
    const offer = alice.asked("INVITE");
    expect(call.keyIn(offer)).not.toBeUndefined();
    alice.answer(200, {
      method: "INVITE",
      sdp: withKey(audio(alice.place.ip, { port: call.phone.port, version: renewed + 1 })),
    });
  }
  await call.say(PACKETS / 2);
  expect(call.keys.size).toBe(4);
  expect(call.phone.got).toHaveLength(3 * (PACKETS / 2 + 1) + PACKETS / 2);
  expect(call.keystreams()).toBe(call.phone.got.length);
  expect(stage.facts.filter(({ fact }) => fact === "call.ended")).toEqual([]);
});

test("a phone that takes no new key hears so many packets as the old one is good for, then the call ends", async () => {
  const call = await secured();
  const { stage, alice, bob } = call;
  await call.say(PACKETS / 2 + 1);
  await call.aged(1);
  alice.answer(488, { method: "INVITE" });
  await call.say(PACKETS / 2 - 1);
  for (let beyond = 0; beyond < 20; beyond += 1) call.send();
  await call.events.nth((event) => event.event === "keyLifetime" && event.packetsLeft === 0);
  call.tell();
  expect(call.phone.got).toHaveLength(PACKETS);
  expect(call.keystreams()).toBe(PACKETS);
  expect(headerOf(bob.asked("BYE"), "Reason")).toContain("Key used up");
  expect(stage.facts.some(({ fact }) => fact === "call.ended")).toBe(true);
});

const withKey = (sdp: string): string =>
  sdp.replace("RTP/AVP", "RTP/SAVP") + `a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}\r\n`;

/** Keys of 2^7 packets outside: less than the configuration lets anybody choose. */
function shortLived(settings: Settings, { ip, port }: Place): Settings {
  const [outside, carrier] = [settings.realms.get("outside"), settings.peers.get("carrier")];
  if (outside === undefined || carrier === undefined) throw new Error("the stage has changed");
  const media = { ...outside.media, rules: { srtpLifetime: Math.log2(PACKETS) } };
  const realms = new Map(settings.realms).set("outside", { ...outside, srtp: "required", sdesWithoutTls: true, media });
  const targets = [{ kind: "host", protocol: "udp", host: ip, port }] as const;
  return { ...settings, realms, peers: new Map(settings.peers).set("carrier", { ...carrier, targets }) };
}

/** Bob has called alice, who has keys; the commands of the engine go to a relay, whose events come back by `aged` and `tell`. */
async function secured() {
  const { box, aliceAt, bobAt } = places();
  const stage = new Stage({ box, insideTargets: [bobAt], change: (settings) => shortLived(settings, aliceAt) });
  const [alice, bob] = [stage.party("alice", aliceAt), stage.party("bob", bobAt)];
  const [phone, other] = [await Peer.open(aliceAt.ip), await Peer.open(bobAt.ip)];
  const events = new Events();
  const relay: Relay = startRelay({ port: "auto", maxPairs: 4, onEvents: events.take });
  closing.push(relay, phone, other);

  let given = 0;
  let told = 0;
  const pump = (): void => {
    for (const command of stage.relay.slice(given)) relay.handle(command);
    given = stage.relay.length;
  };
  const tell = (): void => {
    for (const event of events.all.slice(told)) if (event.event === "keyLifetime") stage.step({ in: "relay", event });
    told = events.all.length;
    pump();
  };

  alice.invite("4711", { sdp: withKey(audio(alice.place.ip, { port: phone.port })) });
  bob.answer(200, { sdp: audio(bobAt.ip, { port: other.port }) });
  alice.ack();
  pump();
  const keys = new Set<string>();
  const keyIn = (text: string): string | undefined => {
    const key = /inline:([^|\r]+)/.exec(text)?.[1];
    if (key !== undefined) keys.add(key);
    return key;
  };
  keyIn(alice.response("INVITE"));
  const port = /m=audio (\d+)/.exec(bob.asked("INVITE"))?.[1];
  let sequence = 1;
  const send = (): void => {
    other.send(rtp({ sequence }), Number(port), box.inside);
    sequence += 1;
  };
  await new Promise((resolve) => setImmediate(resolve)); // The relay is woken at the end of the turn.
  return {
    stage, alice, bob, phone, events, keys, keyIn, send, tell,
    /** So many packets, each heard before the next is sent. */
    async say(count: number): Promise<void> {
      pump();
      for (let i = 0; i < count; i += 1) {
        send();
        await phone.until(phone.got.length + 1);
      }
    },
    /** The relay says for the `count`th time that a key of ours ends, and the engine hears of it. */
    async aged(count: number): Promise<void> {
      await events.nth((event) => event.event === "keyLifetime" && event.packetsLeft > 0, count);
      tell();
    },
    keystreams: (): number => new Set(phone.got.map(({ bytes }) => bytes.subarray(12, 172).toString("latin1"))).size,
  }; // biome-ignore format: one line of members
}
