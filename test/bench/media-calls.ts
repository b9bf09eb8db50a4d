/**
 * Ten thousand calls at once, each heard: G.711 through all of them, once where the kernel forwards and once by sockets, at
 * the rate the generator has. `ours` counts packets that neither came out nor are accounted for by somebody: a drop counter of
 * the relay, of a socket's queue or of a cable. Afterwards all calls end, and what they held has to be back: pairs,
 * descriptors, and ports (`left`). Needs root and two cores.
 */
import { execFileSync } from "node:child_process";
import type { Bench } from "./bench.ts";
import { type AskedEngine, type KernelEngine, startAsked, startKernel } from "./media/engines.ts";
import { addresses, BOX, boxMac, build, cables, dismantle, FIELD, FIELD_CORE, inside, pin } from "./media/topology.ts";
import { compileFlood } from "./media.ts";
import { affordable, type Burst, compileBurst, sendBurst, settle } from "./media-xdp.ts";

const SESSIONS = affordable(Number(process.env["CALLS"] ?? 10_000));
/** By sockets: ten packets a second of each call, four seconds long. */
const SOCKET_RATE = Number(process.env["RATE"] ?? 100_000);
const SOCKET_PACKETS = Number(process.env["PACKETS"] ?? 400_000);
const KERNEL_PACKETS = Number(process.env["KERNEL_PACKETS"] ?? 3_000_000);
const NAME = "media.calls.10000";

interface Sums {
  readonly packets: number;
  readonly sent: number;
  readonly dropped: number;
}
interface Sent {
  readonly sent: number;
  readonly received: number;
  readonly seconds: number;
}

export const bench: Bench = {
  names: [`${NAME}.xdp`, `${NAME}.socket`],

  async run(wanted, report) {
    const flood = compileFlood();
    const burst = compileBurst();
    build(flood);
    try {
      for (const path of ["xdp", "socket"] as const) {
        const name = `${NAME}.${path}`;
        if (wanted(name)) report({ bench: name, unit: "packets", runs: 1, ...(await played(path, flood, burst)) });
      }
    } finally {
      dismantle();
    }
  },
};

async function played(path: "xdp" | "socket", flood: string, burst: Burst) {
  const engine = path === "xdp" ? await startKernel(SESSIONS) : await startAsked(SESSIONS);
  try {
    pin();
    const sequence = path === "xdp" ? await settle(burst, engine as KernelEngine, SESSIONS) : 1;
    const before = { relay: await settled(engine), outside: lostOutside() };
    const { sent, received, seconds }: Sent =
      path === "xdp"
        ? sendBurst(burst, engine as KernelEngine, KERNEL_PACKETS, sequence)
        : sendPaced(flood, engine, sequence);
    const after = { relay: await settled(engine), outside: lostOutside() };
    const explained = after.relay.dropped - before.relay.dropped + after.outside - before.outside;
    const carried = after.relay.packets - before.relay.packets;
    const closed = (await engine.ask("close")) as { closed: number; descriptors: number };
    return {
      ours: Math.max(0, sent - received - explained),
      atMost: 0,
      calls: SESSIONS,
      sent,
      received,
      explained,
      carried,
      packetsASecond: Math.round(sent / seconds),
      left: { pairs: SESSIONS - closed.closed, descriptors: closed.descriptors, ports: portsHeld() },
    };
  } finally {
    await engine.stop();
  }
}

/** The relay's sums once they no longer move: what the kernel counts is fetched a part at a time. */
async function settled(engine: AskedEngine): Promise<Sums> {
  let last = (await engine.ask("sums")) as Sums;
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const now = (await engine.ask("sums")) as Sums;
    if (now.packets === last.packets) return now;
    last = now;
  }
}

/** Packets that cables dropped, and datagrams that the sockets' queues had no room for. */
function lostOutside(): number {
  let lost = 0;
  for (const [space, name] of [
    [FIELD, cables.callerField],
    [BOX, cables.callerBox],
    [BOX, cables.calleeBox],
    [FIELD, cables.calleeField],
  ] as const) {
    for (const counter of ["rx_dropped", "tx_dropped"]) {
      lost += Number(inside(space, "cat", `/sys/class/net/${name}/statistics/${counter}`));
    }
  }
  const udp = inside(BOX, "cat", "/proc/net/snmp").match(/^Udp: \d.*$/m)?.[0] ?? "";
  return lost + Number(udp.split(" ")[5] ?? 0); // RcvbufErrors.
}

/** UDP sockets that are bound in the box's namespace. */
const portsHeld = (): number => inside(BOX, "cat", "/proc/net/udp").trim().split("\n").length - 1;

function sendPaced(flood: string, engine: AskedEngine, sequence: number): Sent {
  const words = ["netns", "exec", FIELD, "taskset", "-c", String(FIELD_CORE), flood, "run"];
  const ends = [cables.callerField, cables.calleeField, boxMac, addresses.caller, addresses.boxCaller];
  const out = execFileSync("ip", [...words, ...ends, String(SOCKET_PACKETS), "256", String(SOCKET_RATE)], {
    input: engine.ports.join("\n"),
    encoding: "utf8",
    env: { ...process.env, SEQUENCE: String(sequence) },
  });
  const [sent = 0, received = 0, seconds = 0] = out.trim().split(" ").map(Number);
  return { sent, received, seconds };
}
