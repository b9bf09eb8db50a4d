/**
 * The relay under test as a process of its own: `box.ts WORK`, a Work as JSON. Opens the pairs, prints the ports that
 * face the caller as one JSON array, and relays until its input ends. With KERNEL=1 the kernel may forward, with RINGS=1
 * packets come and go by AF_XDP. Asked by a line on its input it prints one of JSON: `carried`, for how many callers the
 * kernel forwards; `sums`, all counters together; `close`, how many pairs were closed and how many descriptors are left
 * beyond those before the first was opened.
 */
import { readdirSync } from "node:fs";
import { createInterface } from "node:readline";
import { setImmediate as turn } from "node:timers/promises";
import { Secret } from "../../../src/base/index.ts";
import { startRelay } from "../../../src/io/relay.ts";
import type { RelaySide, SideCounters } from "../../../src/media/relay-command.ts";
import { addresses } from "./topology.ts";
import { calleeKey, callerKey, type Work } from "./work.ts";

const { sessions, from, to } = JSON.parse(process.argv[2] ?? "") as Work;
const FIRST_PORT = 10_000;

const common = {
  latch: "off",
  latchFrom: undefined,
  ice: undefined,
  dtls: undefined,
  rx: undefined,
  tx: undefined,
  dscp: 46,
  receive: true,
  send: true,
  cname: "bench",
  silenceLimitMs: 0,
  payloadTypes: [],
  digits: undefined,
  reports: false,
  maxDatagram: 0,
  bundle: undefined,
} satisfies Partial<RelaySide>;

let closed = 0;
const relay = startRelay({
  maxPairs: Math.max(sessions, 1),
  port: process.env["PORT"] === "epoll" ? "epoll" : "auto",
  packetLimits: { audio: 0, other: 0 }, // A bench's flows are none of people.
  kernelAddresses: process.env["KERNEL"] === "1" ? [addresses.boxCaller, addresses.boxCallee] : [],
  ringAddresses: process.env["RINGS"] === "1" ? [addresses.boxCaller, addresses.boxCallee] : [],
  onEvents: (events) => {
    for (const event of events) {
      if (event.event === "failed") throw new Error(event.reason);
      if (event.event === "closed") closed += 1;
    }
  },
});
const at = (ip: string, port: number) => ({ ip, rtpPort: port, rtcpPort: port });
const descriptors = (): number => readdirSync("/proc/self/fd").length;
await turn();
const before = descriptors();
for (let pair = 0; pair < sessions; pair += 1) {
  if (pair % 64 === 63) await turn(); // What the relay says of many calls comes between turns, as in the box.
  const port = FIRST_PORT + pair * 2;
  relay.handle({
    word: "open",
    pair,
    kind: "audio",
    sides: [
      {
        ...common,
        local: at(addresses.boxCaller, port),
        remote: at(addresses.caller, 40_000 + pair),
        rx: from && { suite: from, key: new Secret(callerKey(from, pair)) },
      },
      {
        ...common,
        local: at(addresses.boxCallee, port),
        remote: at(addresses.callee, 20_000 + pair * 2),
        tx: to && { suite: to, key: new Secret(calleeKey(to, pair)) },
      },
    ],
  });
}
setTimeout(() => {
  console.log(JSON.stringify(Array.from({ length: sessions }, (_, pair) => FIRST_PORT + pair * 2)));
}, 200);
const lines = createInterface({ input: process.stdin });
lines.on("line", async (word) => {
  const pairs = Array.from({ length: sessions }, (_, pair) => pair);
  if (word === "close") {
    for (const pair of pairs) {
      relay.handle({ word: "close", pair });
      if (pair % 64 === 63) await turn();
    }
    const deadline = performance.now() + 10_000;
    while (closed < sessions && performance.now() < deadline) await turn();
    console.log(JSON.stringify({ closed, descriptors: descriptors() - before }));
  } else if (word === "sums") {
    const all = pairs.flatMap((pair) => [relay.counters(pair, 0), relay.counters(pair, 1)]);
    const sum = (of: (one: SideCounters) => number): number => all.reduce((total, one) => total + of(one), 0);
    const dropped = sum(
      (one) => one.droppedStranger + one.droppedMalformed + one.droppedUnsent + one.droppedPoliced + one.droppedAuth,
    );
    console.log(JSON.stringify({ packets: sum((one) => one.packets), sent: sum((one) => one.sent), dropped }));
  } else {
    console.log(pairs.filter((pair) => relay.counters(pair, 0).path === "xdp").length);
  }
});
lines.on("close", () => {
  if (process.env["SHOW"]) console.error(JSON.stringify([relay.counters(0, 0), relay.counters(0, 1)]));
  relay.stop();
  process.exit(0);
});
