/**
 * RTP bleed and RTP inject against us and against Debian's rtpengine as it comes, with the same packets in the same seconds.
 * rtpengine is the control: what it gives away shows that these attacks can succeed at all.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { Child } from "../../support/child.ts";
import { Ng } from "../../support/ng.ts";
import { MediaPort, mediaIn, type Place, rtp, sdpOf } from "../../support/sip-party.ts";
import { CARRIER, Siege, STRANGER } from "./siege.ts";

const RTPENGINE = "127.91.0.3";
const NG_PORT = 22_771;
const VICTIM_SSRC = 0x1111_1111;
/** It learns where a caller is for three seconds; on a busy machine all takes longer. */
const LEAK_LIMIT_MS = 15_000;
const ROUND_MS = 50;

/** A call through a relay, its two phones, and the thief who attacks it. */
interface Relayed {
  readonly caller: MediaPort;
  readonly callee: MediaPort;
  readonly thief: MediaPort;
  /** Where the relay wants the packets of the caller, and of the callee. */
  readonly forCaller: Place;
  readonly forCallee: Place;
  end(): Promise<void>;
}

let siege: Siege;
let rtpengine: Child;
let ng: Ng;
beforeAll(async () => {
  rtpengine = new Child("rtpengine", [
    ...["--foreground", "--table=-1", "--config-file=none", "--log-level=2", "--log-stderr"],
    ...[`--interface=${RTPENGINE}`, `--listen-ng=${RTPENGINE}:${NG_PORT}`, "--port-min=27000", "--port-max=27999"],
  ]);
  siege = await Siege.start("bleed");
  ng = await Ng.connect(NG_PORT, RTPENGINE);
}, 60_000);
afterAll(async () => {
  ng?.close();
  await rtpengine.stop();
  await siege.stop();
});

test("a thief who is first to speak hears the callee through rtpengine, and nothing through us", async () => {
  const [theirs, ours] = [await throughRtpengine(), await throughUs()];
  await attacked([theirs, ours], VICTIM_SSRC, () => theirs.thief.received.length >= 10);
  await bothWays(ours); // Whatever was sent before has been dealt with when this has crossed.
  expect(ours.thief.received).toEqual([]);
  expect(heard(ours.callee, "thief")).toBe(0);
  for (const call of [theirs, ours]) await call.end();
}, 60_000);

test("a thief who speaks after both are latched, under the caller's own SSRC or another, is heard through rtpengine and not through us", async () => {
  for (const ssrc of [VICTIM_SSRC, 0x6666_6666]) {
    const [theirs, ours] = [await throughRtpengine(), await throughUs()];
    for (const call of [theirs, ours]) await bothWays(call);
    await attacked([theirs, ours], ssrc, () => heard(theirs.callee, "thief") >= 10);
    await bothWays(ours);
    expect(ours.thief.received).toEqual([]);
    expect(heard(ours.callee, "thief")).toBe(0);
    for (const call of [theirs, ours]) await call.end();
  }
  await siege.sane();
  await siege.empty();
}, 60_000);

/** Rounds of the thief's packets on every port of each call, and of the callee's voice, until `done`. */
async function attacked(calls: readonly Relayed[], ssrc: number, done: () => boolean): Promise<void> {
  const deadline = performance.now() + LEAK_LIMIT_MS;
  for (let round = 0; !done(); round += 1) {
    if (performance.now() > deadline) throw new Error("rtpengine gave nothing away: the attack is none");
    for (const { thief, callee, forCaller, forCallee } of calls) {
      for (const [to, ahead] of [
        [forCaller, 0],
        [forCaller, 1],
        [{ ip: forCaller.ip, port: forCaller.port + 1 }, 0],
      ] as const)
        thief.send(rtp(2_000 + 2 * round + ahead, "thief", ssrc), to);
      callee.send(rtp(round, "callee", 0x2222_2222), forCallee);
    }
    await new Promise((resolve) => setTimeout(resolve, ROUND_MS));
  }
}

let marks = 0;
async function bothWays({ caller, callee, forCaller, forCallee }: Relayed): Promise<void> {
  const mark = `voice ${++marks} `;
  for (let i = 0; i < 5; i += 1) caller.send(rtp(1_000 + marks * 5 + i, mark), forCaller);
  await callee.until(1, (packet) => packet.includes(mark), 10_000);
  for (let i = 0; i < 5; i += 1) callee.send(rtp(1_000 + marks * 5 + i, mark, 0x2222_2222), forCallee);
  await caller.until(1, (packet) => packet.includes(mark), 10_000);
}

const heard = (phone: MediaPort, mark: string): number =>
  phone.received.filter((packet) => packet.includes(mark)).length;

async function throughUs(): Promise<Relayed> {
  const thief = await MediaPort.start(STRANGER);
  for (const phone of [siege.carrier.media, siege.pbx.media]) phone.received.splice(0);
  const talk = await siege.carrier.call(siege.outside);
  return {
    caller: siege.carrier.media,
    callee: siege.pbx.media,
    thief,
    forCaller: talk.mediaOfBox,
    forCallee: siege.pbxMedia(),
    end: async () => {
      thief.close();
      await talk.hangUp();
    },
  };
}

async function throughRtpengine(): Promise<Relayed> {
  const [caller, callee, thief] = [
    await MediaPort.start(CARRIER),
    await MediaPort.start(siege.pbx.place.ip),
    await MediaPort.start(STRANGER),
  ];
  const call = { "call-id": `bleed-${++marks}`, "from-tag": "caller" };
  const sdp = ({ place }: MediaPort): string => sdpOf(place.ip, place.port);
  const placeIn = (description: string): Place => mediaIn(`\r\n\r\n${description}`);
  const forCallee = placeIn(await ng.ask({ ...call, command: "offer", sdp: sdp(caller) }));
  const forCaller = placeIn(await ng.ask({ ...call, command: "answer", "to-tag": "callee", sdp: sdp(callee) }));
  return {
    caller,
    callee,
    thief,
    forCaller,
    forCallee,
    end: async () => {
      await ng.ask({ ...call, command: "delete" });
      for (const port of [caller, callee, thief]) port.close();
    },
  };
}
