/** sipp on both sides at 50 calls a second: nothing fails, and nothing is left when it is over. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { StatusView } from "../../src/engine/index.ts";
import { Box, makeFolder, makeTls } from "../support/box.ts";
import { Child } from "../support/child.ts";
import { betweenHosts } from "../support/configurations.ts";
import { type Hosts, makeHosts } from "../support/network-namespaces.ts";

const CALLS_PER_SECOND = 50;
const SECONDS = 60;
const CALLS_WITH_AUDIO = 4;

let hosts: Hosts;
let box: Box;
/** What the box held before the first call. */
let before: object;
const folder = makeFolder("sipp");

beforeAll(async () => {
  hosts = makeHosts("sypsp", 61);
  makeTls(folder);
  const config = betweenHosts(hosts, {
    carrier: `udp:${hosts.ip.outside}:5060`,
    pbx: `udp:${hosts.ip.inside}:5060`,
    srtp: "off",
  });
  box = await Box.start(folder, config, { netns: hosts.box });
  before = await settled();
}, 60_000);

afterAll(async () => {
  await box?.stop();
  hosts?.remove();
});

test.each([
  { direction: "outside to inside", caller: "outside", callee: "inside", target: "boxOutside" },
  { direction: "inside to outside", caller: "inside", callee: "outside", target: "boxInside" },
] as const)(
  "$direction: 50 calls a second, none fails",
  async (way) => {
    const calls = (CALLS_PER_SECOND * SECONDS) / 2;
    const earlier = box.facts("call.ended").length;
    const callee = sipp(hosts[way.callee], ["-sn", "uas", "-i", hosts.ip[way.callee]]);
    const caller = sipp(hosts[way.caller], [
      ...["-sn", "uac", "-i", hosts.ip[way.caller], "-s", "4930123456", "-d", "500"],
      ...["-r", String(CALLS_PER_SECOND), "-m", String(calls), "-timeout", "120s"],
      `${hosts.ip[way.target]}:5060`,
    ]);
    const code = await caller.exited;
    await callee.stop("SIGKILL");
    expect(code, caller.output).toBe(0);
    await box.fact("call.ended", earlier + calls);
    expect(box.facts("call.ended").filter((fact) => fact["cause"] !== "bye")).toEqual([]);
  },
  120_000,
);

test("sipp plays G.711 from a capture through the box, and it comes out at the other side", async () => {
  const pcap = join(import.meta.dirname, "../../../shared/testdata/pcap/sipp-g711a.pcap");
  expect(existsSync(pcap)).toBe(true);
  const scenario = join(import.meta.dirname, "sipp/uac-with-audio.xml");
  const earlier = box.facts("call.ended").length;
  const callee = sipp(hosts.inside, ["-sn", "uas", "-i", hosts.ip.inside, "-rtp_echo"]);
  const caller = sipp(hosts.outside, [
    ...["-sf", scenario, "-i", hosts.ip.outside, "-s", "4930123456", "-key", "pcap", pcap],
    ...["-r", "2", "-m", String(CALLS_WITH_AUDIO), "-timeout", "60s", `${hosts.ip.boxOutside}:5060`],
  ]);
  const code = await caller.exited;
  await callee.stop("SIGKILL");
  expect(code, caller.output).toBe(0);
  await box.fact("call.ended", earlier + CALLS_WITH_AUDIO);
  const ended = box.facts("call.ended").slice(earlier) as unknown as {
    streams: { caller: Quality; callee: Quality }[];
  }[];
  for (const { streams } of ended) {
    expect(streams[0]!.caller.packets).toBeGreaterThan(100);
    expect(streams[0]!.callee.packets).toBeGreaterThan(100); // The echo came back.
    expect(streams[0]!.caller.dropped).toBe(0);
  }
}, 120_000);

test("every table is empty after all these calls, and every descriptor closed", async () => {
  expect(await settled()).toEqual(before);
}, 60_000);

interface Quality {
  readonly packets: number;
  readonly dropped: number;
}

/** What the box holds once the transactions of the last calls have timed out (64·T1), with its open descriptors. */
async function settled(): Promise<object> {
  const status = await box.until<StatusView>(
    "/status",
    (now) => isEmpty(now.calls) && isEmpty(now.transactions),
    45_000,
  );
  const descriptors = readdirSync(`/proc/${box.pid}/fd`).length;
  return {
    calls: status.calls,
    transactions: status.transactions,
    media: status.media,
    timers: status.timers,
    descriptors,
  };
}

const isEmpty = (counts: object): boolean =>
  Object.values(counts).every((count) => typeof count !== "number" || count === 0);

const sipp = (netns: string, args: readonly string[]): Child =>
  new Child(
    "sipp",
    [...args, "-p", "5060", "-nostdin", "-trace_err", "-error_file", join(folder, `errors-${netns}.log`)],
    {
      netns,
      cwd: folder,
      env: { TERM: "xterm" },
    },
  );
