/** Two lines on one transport (RFC 9143), through the door: two boxes with one handshake between them, plain phones outside. */
import { afterEach, describe, expect, test } from "vitest";
import { type Relay, startRelay } from "../../src/io/relay.ts";
import type { BundleLine, DtlsAssociation, RelaySide } from "../../src/media/relay-command.ts";
import { Events, freePorts, open, Peer, rtcp, rtp, side } from "./wire.ts";

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

const TYPES = [0, 96] as const;
const LINES = [0, 1] as const;

for (const port of ["io_uring", "epoll"] as const) {
  describe(port, () => {
    test.each([
      ["by their names, though they have the same payload types", [0, 0], 5],
      ["by their payload types", TYPES, 0],
    ] as const)("both lines cross both ways, told apart %s", async (_case, types, midId) => {
      const { phones, ends } = await twoBoxes(port, types, midId);
      for (const round of [1, 2, 3]) {
        for (const [from, to] of [
          [0, 1],
          [1, 0],
        ] as const) {
          // Both far ends have the same SSRC: one key, and no index twice.
          for (const line of LINES) {
            phones[from][line].send(
              rtp({ sequence: round, payloadType: types[line], payload: `${from}${line}` }),
              ends[from][line],
            );
          }
          for (const line of LINES) {
            const got = (await phones[to][line].until(round))[round - 1]?.bytes;
            expect(got?.subarray(12).toString()).toBe(`${from}${line}`);
            expect(got?.[1]).toBe(types[line]);
          }
        }
      }
    });

    test("reports of a line reach the other end of that line", async () => {
      const { phones, ends } = await twoBoxes(port, TYPES, 5);
      for (const line of LINES) {
        phones[0][line].send(rtp({ payloadType: TYPES[line], ssrc: 100 + line }), ends[0][line]);
        await phones[1][line].until(1);
        phones[0][line].send(rtcp([[1, "phone"]], 100 + line), ends[0][line]);
        const [, report] = await phones[1][line].until(2);
        expect(report?.bytes.readUInt32BE(4)).toBe(100 + line);
      }
    });

    test("a line is closed and opened again; the handshake is not made again", async () => {
      const made = await twoBoxes(port, TYPES, 5);
      const { a, phones, ends } = made;
      a.relay.handle({ word: "close", pair: 1 });
      await a.events.next("closed");
      phones[0][0].send(rtp(), ends[0][0]);
      await phones[1][0].until(1);
      a.relay.handle(made.line(0, 1));
      phones[0][1].send(rtp({ payloadType: 96 }), ends[0][1]);
      await phones[1][1].until(1);
      expect(a.events.countOf("secured", 0)).toBe(1);
    });
  });
}

test("a line whose bundle is not there fails, and says so", async () => {
  const [port = 0, other = 0] = await freePorts(2);
  const box = start("epoll");
  const bundle: BundleLine = { pair: 2, mid: "", midId: 0, payloadTypes: [0] };
  box.relay.handle(open(0, side({ port }, undefined, { bundle }), side({ port: other }, undefined)));
  expect(await box.events.next("failed")).toMatchObject({
    pair: 0,
    side: 0,
    reason: expect.stringContaining("not there"),
  });
});

interface Box {
  readonly relay: Relay;
  readonly events: Events;
}

function start(port: "io_uring" | "epoll"): Box {
  const events = new Events();
  // Two packet threads: lines of one transport belong to one of them.
  const relay = startRelay({ port, maxPairs: 4, cores: [0, 0], onEvents: events.take });
  closing.push(() => relay.stop());
  return { relay, events };
}

/** phones — plain — box a — one DTLS transport — box b — plain — phones: by box, then by line. */
async function twoBoxes(port: "io_uring" | "epoll", types: readonly [number, number], midId: number) {
  const [a, b] = [start(port), start(port)];
  const phone = async (): Promise<Peer> => {
    const made = await Peer.open();
    closing.push(() => made.close());
    return made;
  };
  const phones = [[await phone(), await phone()] as const, [await phone(), await phone()] as const] as const;
  const [a0 = 0, a1 = 0, b0 = 0, b1 = 0, innerA = 0, innerB = 0] = await freePorts(6);
  const ends = [[a0, a1] as const, [b0, b1] as const] as const;
  const at = (rtpPort: number) => ({ remote: { ip: "127.0.0.1", rtpPort, rtcpPort: rtpPort } });
  const association = (box: Box, setup: "active" | "passive"): DtlsAssociation => ({
    setup,
    fingerprints: [box.relay.fingerprint],
    suites: ["AEAD_AES_128_GCM"],
  });
  const line = (which: 0 | 1, index: 0 | 1) => {
    const inner = which === 0 ? innerA : innerB;
    const bundle: BundleLine = { pair: 0, mid: midId === 0 ? "" : `m${index}`, midId, payloadTypes: [types[index]] };
    const carries: Partial<RelaySide> =
      which === 0
        ? { ...at(innerB), dtls: association(b, "active") }
        : { ...at(innerA), dtls: association(a, "passive") };
    const shared = side({ port: inner }, undefined, index === 0 ? { ...carries, bundle } : { bundle });
    return open(index, side({ port: ends[which][index] }, phones[which][index]), shared);
  };
  for (const which of [1, 0] as const) {
    for (const index of LINES) (which === 0 ? a : b).relay.handle(line(which, index));
  }
  for (const box of [a, b]) await box.events.next("secured");
  return { a, b, phones, ends, line };
}
