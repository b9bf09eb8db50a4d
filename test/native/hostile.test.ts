/** Hostile media through the door, on live sockets: each attack is followed by honest packets, which come through as ever. */
import { createHmac } from "node:crypto";
import { crc32 } from "node:zlib";
import { afterEach, describe, expect, test } from "vitest";
import { Secret } from "../../src/base/index.ts";
import { type Relay, startRelay } from "../../src/io/relay.ts";
import type { IceCredentials, RelaySide, SrtpKey } from "../../src/media/relay-command.ts";
import { newInlineKey, SrtpStream } from "../support/srtp-stream.ts";
import { freePorts, open, Peer, rtcp, rtp, side } from "./wire.ts";

const OUR_PASSWORD = "a password of twenty-two or more";
const ICE: IceCredentials = {
  localUfrag: "ours",
  localPassword: new Secret(OUR_PASSWORD),
  remoteUfrag: "theirs",
  remotePassword: new Secret("their password of twenty-two or more"),
};

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

for (const port of ["io_uring", "epoll"] as const) {
  describe(port, () => {
    test("STUN of ten thousand bytes, signed or not, and lengths that lie: no answer, and an honest check gets one", async () => {
      const { relay, ends, phone } = await call(port, { ice: ICE });
      const [browser, stranger] = [await peer(), await peer()];
      const guess = "a guess of twenty-two characters";
      for (const who of [browser, stranger]) {
        for (const filler of [400, 1_900, 2_100, 10_000]) who.send(check({ filler, password: guess }), ends[0]);
        for (const filler of [2_100, 10_000]) who.send(check({ filler }), ends[0]); // Signed, and too long for any path.
        for (const claimed of [0, 4, 9_999, 10_000, 65_532, 65_535]) {
          const [attribute, message] = [check({ filler: 400 }), check({ filler: 400 })];
          attribute.writeUInt16BE(claimed, 22); // Of its first attribute.
          message.writeUInt16BE(claimed & ~3, 2);
          for (const lies of [attribute, message]) who.send(lies, ends[0]);
        }
        who.send(rtp(), ends[0]); // Whom no check has proved.
      }
      expect([browser.got, stranger.got, phone.got]).toEqual([[], [], []]);
      const again = setInterval(() => browser.send(check({}), ends[0]), 200); // As agents do: a full queue loses some.
      const [answer] = await browser.until(1).finally(() => clearInterval(again));
      expect(answer?.bytes.readUInt16BE(0)).toBe(0x0101);
      expect(answer?.bytes.length).toBeLessThan(200);
      expect([stranger.got, phone.got]).toEqual([[], []]);
      expect(relay.counters(0, 0).droppedMalformed).toBeGreaterThan(0);
      browser.send(rtp({ sequence: 5 }), ends[0]);
      expect((await phone.until(1))[0]?.bytes).toEqual(rtp({ sequence: 5 }));
    });

    test("a side without ICE hears no STUN at all", async () => {
      const { relay, ends, phone, caller } = await call(port);
      for (const filler of [0, 400, 10_000]) caller.send(check({ filler }), ends[0]);
      caller.send(rtp(), ends[0]);
      await phone.until(1);
      expect(phone.got).toHaveLength(1);
      expect(caller.got).toEqual([]);
      expect(relay.counters(0, 0).droppedMalformed).toBe(3);
    });

    test("an SSRC that is forged: by a stranger, in clear, or under another key, it neither speaks nor stops the caller", async () => {
      const inline = newInlineKey();
      const { relay, ends, phone, caller } = await call(port, { rx: keyOf(inline) });
      const [honest, forger, stranger] = [new SrtpStream(inline), new SrtpStream(newInlineKey()), await peer()];
      caller.send(honest.protect(rtp({ sequence: 100 })), ends[0]);
      await phone.until(1);
      for (let i = 1; i <= 50; i += 1) {
        stranger.send(honest.protect(rtp({ sequence: 100 + i })), ends[0]); // Copied from the wire, even.
        caller.send(forger.protect(rtp({ sequence: 100 + i })), ends[0]);
        caller.send(rtp({ sequence: 100 + i }), ends[0]);
        caller.send(forger.protect(rtp({ sequence: i, ssrc: 0x6600 + i })), ends[0]);
      }
      for (let i = 1; i <= 50; i += 1) caller.send(honest.protect(rtp({ sequence: 100 + i })), ends[0]);
      const got = await phone.until(51);
      expect(got.map(({ bytes }) => bytes)).toEqual(Array.from({ length: 51 }, (_, i) => rtp({ sequence: 100 + i })));
      expect(relay.counters(0, 0)).toMatchObject({ packets: 51, lost: 0, droppedStranger: 50, droppedAuth: 150 });
    });

    test("RTCP cut at every byte, with every length but its own, of every type: what comes out is whole, or nothing", async () => {
      const { ends, phone, caller } = await call(port);
      const honest = rtcp([
        [1, "caller@example.test"],
        [2, "a name"],
      ]);
      for (let size = 0; size < honest.length; size += 1) caller.send(honest.subarray(0, size), ends[0]);
      for (let words = 0; words < 40; words += 1) {
        const lies = Buffer.from(honest);
        lies.writeUInt16BE(words === 39 ? 0xffff : words, 8 + 2);
        caller.send(lies, ends[0]);
      }
      for (let type = 192; type < 224; type += 1) {
        for (const first of [0x80, 0x9f, 0xa0, 0xbf]) {
          const odd = Buffer.from(honest);
          odd[8] = first;
          odd[9] = type;
          caller.send(odd, ends[0]);
        }
      }
      caller.send(rtp({ sequence: 9 }), ends[0]);
      for (let count = 1; phone.got.at(-1)?.bytes[1] !== 0; count += 1) await phone.until(count);
      expect(phone.got.length).toBeGreaterThan(1);
      for (const { bytes } of phone.got.slice(0, -1)) expect(isWholeRtcp(bytes), bytes.toString("hex")).toBe(true);
      // Numbers of senders and feedback cross as they are, whatever they spell; no name and no text does.
      const named = phone.got.filter(({ bytes }) => bytes.includes("caller@example"));
      expect(named.filter(({ bytes }) => ![200, 205, 206].includes(bytes[9] as number))).toEqual([]);
    });
  });
}

async function peer(): Promise<Peer> {
  const made = await Peer.open();
  closing.push(() => made.close());
  return made;
}

/** caller — `first` — box — plain — phone. */
async function call(port: "io_uring" | "epoll", first: Partial<RelaySide> = {}) {
  const relay: Relay = startRelay({ port, maxPairs: 2, onEvents: () => {} });
  closing.push(() => relay.stop());
  const [caller, phone] = [await peer(), await peer()];
  const [a = 0, b = 0] = await freePorts(2);
  relay.handle(open(0, side({ port: a }, caller, first), side({ port: b }, phone)));
  await new Promise(setImmediate);
  return { relay, caller, phone, ends: [a, b] as const };
}

const keyOf = (inline: string): SrtpKey => ({
  suite: "AES_CM_128_HMAC_SHA1_80",
  key: new Secret(new Uint8Array(Buffer.from(inline, "base64"))),
});

/** A binding request as a controlling agent signs it: RFC 8489 §14, RFC 8445 §7.1. `filler`: bytes of a SOFTWARE in front. */
function check({ filler = 0, password = OUR_PASSWORD }: { filler?: number; password?: string }): Buffer {
  const head = Buffer.from("000100002112a442000102030405060708090a0b", "hex");
  const attributes = [
    ...(filler === 0 ? [] : [attribute(0x8022, Buffer.alloc(filler, "x"))]),
    attribute(0x0006, Buffer.from("ours:theirs")),
    attribute(0x802a, Buffer.alloc(8, 3)),
    attribute(0x0024, Buffer.from("6e0001ff", "hex")),
    attribute(0x0025, Buffer.alloc(0)),
  ];
  const sized = (more: number, all: readonly Buffer[]): Buffer => {
    const message = Buffer.concat([head, ...all]);
    message.writeUInt16BE(message.length - 20 + more, 2);
    return message;
  };
  attributes.push(attribute(0x0008, createHmac("sha1", password).update(sized(24, attributes)).digest()));
  const fingerprint = Buffer.alloc(4);
  fingerprint.writeUInt32BE((crc32(sized(8, attributes)) ^ 0x5354554e) >>> 0);
  return sized(0, [...attributes, attribute(0x8028, fingerprint)]);
}

function attribute(type: number, value: Buffer): Buffer {
  const made = Buffer.alloc(4 + Math.ceil(value.length / 4) * 4);
  made.writeUInt16BE(type, 0);
  made.writeUInt16BE(value.length, 2);
  value.copy(made, 4);
  return made;
}

/** A compound whose packets end where it ends, each of a version and a type there is. RFC 3550 §A.2. */
function isWholeRtcp(bytes: Buffer): boolean {
  let at = 0;
  while (at + 4 <= bytes.length) {
    if ((bytes[at] as number) >> 6 !== 2 || bytes[at + 1]! < 192 || bytes[at + 1]! > 223) return false;
    at += 4 + bytes.readUInt16BE(at + 2) * 4;
  }
  return at === bytes.length;
}
