/**
 * What a call costs in signalling: CPU of the whole device, in microseconds per call (INVITE, 180, 200, ACK, BYE, 200),
 * beside Kamailio as a record-routing proxy, plain and with topology hiding. Rounds are interleaved, medians count.
 * The device sits on core 1, the load on core 0. Ours also opens and closes the media ports of each call; Kamailio has none.
 * No packet comes to them here, so no socket is made: what four sockets a call cost is `media.open.sockets`.
 * A server runs for months: each device first serves 20,000 calls that do not count, alike for all. Ours needs them, as
 * its code is compiled while it runs, and settles only then.
 */
import { makeFolder } from "../support/box.ts";
import { type Bench, type BenchLine, compare } from "./bench.ts";
import { cpuMicros, stolenMs } from "./signalling/cpu.ts";
import { DEVICE_CORE, type Device, type Place, startBox, startKamailio } from "./signalling/devices.ts";
import { callOverTls, callOverUdp, type Load, startCallee } from "./signalling/load.ts";

const UDP = "signalling.calls.udp";
const TLS = "signalling.calls.tls";
const PAUSE = "signalling.pause";

const ROUNDS = 5;
const LOAD: Load = { calls: 6_000, callsPerSecond: 1_000 };
const TLS_LOAD: Load = { calls: 3_000, callsPerSecond: 500 };
/**
 * Once for each device before anything counts: caches, and compiled code. It outlasts the timers that end a transaction: from
 * then on calls begin and end together, as they do in a box that has run for a minute. Both transports share most code.
 */
const WARM_UP: Load = { calls: 40_000, callsPerSecond: 1_000 };
const TLS_WARM_UP: Load = { calls: 8_000, callsPerSecond: 500 };
const TLS_CONNECTIONS = 20;
/** Transactions linger for 32 s (timers D, I, J): a measurement begins when those of the calls before it have ended. */
const LINGER_MS = 33_000;
/** After each lap, for what the last device still has to do at once. */
const BREATH_MS = 2_000;
const CALLER_PORT = 16_000;
const CALLEE_PORT = 16_001;

export const bench: Bench = {
  names: [UDP, TLS, PAUSE],
  async run(wanted, report) {
    const place: Place = { folder: makeFolder("bench"), callerPort: CALLER_PORT, calleePort: CALLEE_PORT };
    const callee = startCallee(CALLEE_PORT);
    const devices: Device[] = [];
    try {
      devices.push(await startBox(place, 16_010));
      devices.push(await startKamailio(place, 16_020, { topoh: false, tls: wanted(TLS) }));
      devices.push(await startKamailio(place, 16_030, { topoh: true, tls: wanted(TLS) }));
      for (const device of devices) await overUdp(device, WARM_UP);
      if (wanted(TLS)) for (const device of devices) await overTls(device, TLS_WARM_UP);
      if (wanted(UDP) || wanted(PAUSE)) {
        const before = { at: performance.now(), stolen: stolenMs(DEVICE_CORE) };
        await measure(UDP, devices, LOAD, overUdp, (line) => wanted(UDP) && report(line));
        const stolen = (stolenMs(DEVICE_CORE) - before.stolen) / (performance.now() - before.at);
        const pause = await longestPause(devices[0] as Device, stolen);
        if (wanted(PAUSE)) report(pause);
      }
      if (wanted(TLS)) await measure(TLS, devices, TLS_LOAD, overTls, report);
    } catch (error) {
      const { exitCode, signalCode } = callee.process;
      console.error(`the callee ${exitCode ?? signalCode ?? "lives"}: ${callee.lines.slice(-12).join("\n")}`);
      throw error;
    } finally {
      await Promise.all(devices.map((device) => device.stop()));
      await callee.stop("SIGKILL");
    }
  },
};

/** How many calls failed. */
type Caller = (device: Device, load: Load) => Promise<number>;

const overUdp: Caller = (device, load) => callOverUdp(CALLER_PORT, device.udpPort, load);
const overTls: Caller = (device, load) => callOverTls(device.tlsPort, load, TLS_CONNECTIONS);

async function measure(
  name: string,
  devices: readonly Device[],
  load: Load,
  call: Caller,
  report: (line: BenchLine) => void,
): Promise<void> {
  const costs = new Map<Device, number[]>(devices.map((device) => [device, []]));
  const failed = new Map<Device, number>();
  await quiet(LINGER_MS);
  for (let at = 0; at < ROUNDS; at++) {
    // What a round leaves behind ends during the laps that follow: so all but the first pay for one round of before,
    // and the median is that of a device in the middle of its day. Nobody has to wait for the last.
    const before = new Map(devices.map((device) => [device, cpuMicros(device.pid)]));
    for (const device of devices) failed.set(device, (failed.get(device) ?? 0) + (await call(device, load)));
    await quiet(BREATH_MS);
    for (const device of devices) {
      costs.get(device)?.push((cpuMicros(device.pid) - (before.get(device) as number)) / load.calls);
    }
  }
  const [ours, ...theirs] = devices as [Device, ...Device[]];
  for (const peer of theirs) {
    const failures = { oursFailed: failed.get(ours), theirsFailed: failed.get(peer) };
    const seen = { callsPerSecond: load.callsPerSecond, calls: load.calls, ...failures };
    report(compare(name, "cpu-us/call", costs.get(ours) ?? [], peer.name, costs.get(peer) ?? [], seen));
  }
}

/**
 * The longest time for which the event loop of the box stood still in the last minute, which holds the last round.
 * `workedMs`: the most that its thread worked in one turn; the rest of the longest it waited for the processor.
 * `stolenShare`: of the time of the device's core, what the host of this machine took away meanwhile.
 */
async function longestPause(device: Device, stolen: number): Promise<BenchLine> {
  const answer = (await device.status?.()) as { body: { pauses: Pauses } } | undefined;
  const {
    lastMinuteMs = Number.NaN,
    lastMinuteWorkMs,
    longestMs,
    p99Ms,
  } = answer?.body.pauses ?? ({} as Partial<Pauses>);
  const seen = {
    workedMs: lastMinuteWorkMs,
    stolenShare: Number(stolen.toFixed(4)),
    sinceStartMs: longestMs,
    p99Ms,
    callsPerSecond: LOAD.callsPerSecond,
  };
  return { bench: PAUSE, ours: lastMinuteMs, unit: "ms", runs: 1, ...seen };
}

interface Pauses {
  readonly longestMs: number;
  readonly lastMinuteMs: number;
  readonly lastMinuteWorkMs: number;
  readonly p99Ms: number;
}

/** Idle time is part of the measurement: what a device does between calls counts against it. */
const quiet = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
