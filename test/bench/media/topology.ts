/**
 * Two network namespaces and two cables: the field (generator and sink) and the box (the relay under test).
 * The box's receive work runs in NAPI threads pinned to its core, so that it is counted; the field's on the other core.
 */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** Two of us on one machine need two prefixes. */
const PREFIX = process.env["SPACE"] ?? "spmb";
export const FIELD = `${PREFIX}field`;
export const BOX = `${PREFIX}box`;
export const FIELD_CORE = 0;
export const BOX_CORE = 1;
export const addresses = { caller: "10.61.1.2", boxCaller: "10.61.1.1", boxCallee: "10.61.2.1", callee: "10.61.2.2" };
export const cables = {
  callerField: `${PREFIX}f0`,
  callerBox: `${PREFIX}b0`,
  calleeBox: `${PREFIX}b1`,
  calleeField: `${PREFIX}f1`,
};
const BOX_MAC = "02:00:00:00:61:01";
export const boxMac = BOX_MAC;

const run = (program: string, ...words: string[]): string =>
  execFileSync(program, words, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
const ip = (...words: string[]): string => run("ip", ...words);
export const inside = (space: string, ...words: string[]): string => ip("netns", "exec", space, ...words);

/** Needs root. Call `dismantle` whatever happens. */
export function build(flood: string): void {
  dismantle();
  for (const space of [FIELD, BOX]) {
    ip("netns", "add", space);
    ip("-n", space, "link", "set", "lo", "up");
    inside(space, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv4.conf.all.rp_filter=0");
  }
  cable(cables.callerField, cables.callerBox, addresses.caller, addresses.boxCaller, BOX_MAC, "02:00:00:00:61:02");
  cable(
    cables.calleeField,
    cables.calleeBox,
    addresses.callee,
    addresses.boxCallee,
    "02:00:00:00:61:03",
    "02:00:00:00:61:04",
  );
  inside(FIELD, flood, "offload", cables.callerField, cables.calleeField);
  inside(BOX, flood, "offload", cables.callerBox, cables.calleeBox);
  pin();
  const drop = `add table netdev sink; add chain netdev sink in { type filter hook ingress device ${cables.calleeField} priority 0; policy drop; }`;
  inside(FIELD, "nft", drop);
}

/** To be said again when a program was attached: the kernel may have made new threads for it. */
export function pin(): void {
  for (const [space, name, core] of [
    [FIELD, cables.callerField, FIELD_CORE],
    [FIELD, cables.calleeField, FIELD_CORE],
    [BOX, cables.callerBox, BOX_CORE],
    [BOX, cables.calleeBox, BOX_CORE],
  ] as const) {
    inside(space, "sh", "-c", `echo 1 > /sys/class/net/${name}/threaded`);
    for (const thread of napiThreads(name)) run("taskset", "-pc", String(core), String(thread));
  }
}

/** The field's receive threads come before whatever else its core does: what is measured is the box. */
export function hurryField(): void {
  for (const name of [cables.callerField, cables.calleeField]) {
    for (const thread of napiThreads(name)) run("chrt", "-f", "-p", "1", String(thread));
  }
}

/** The sink is not woken more often than this, as a NIC's interrupts are held back; 0: at once. */
export function moderate(microseconds: number): void {
  const card = `/sys/class/net/${cables.calleeField}`;
  const held = microseconds === 0 ? 0 : 1_000_000; // Empty looks after which it would be woken at once again.
  const words = `echo ${held} > ${card}/napi_defer_hard_irqs; echo ${microseconds * 1_000} > ${card}/gro_flush_timeout`;
  inside(FIELD, "sh", "-c", words);
}

export function dismantle(): void {
  for (const space of [FIELD, BOX]) {
    try {
      ip("netns", "del", space);
    } catch {} // It was not there.
  }
}

/** Nanoseconds of CPU that the box's share of the kernel has used: its NAPI threads and the soft interrupts of its core. */
export function kernelNs(): number {
  const threads = [
    ...napiThreads(cables.callerBox),
    ...napiThreads(cables.calleeBox),
    ...named(`ksoftirqd/${BOX_CORE}`),
  ];
  return threads.reduce((sum, thread) => sum + scheduledNs(`/proc/${thread}/schedstat`), 0);
}

/** Nanoseconds of CPU of a process: all its threads. */
export function processNs(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).reduce(
    (sum, task) => sum + scheduledNs(`/proc/${pid}/task/${task}/schedstat`),
    0,
  );
}

function cable(field: string, box: string, fieldIp: string, boxIp: string, boxMac: string, fieldMac: string): void {
  ip(
    "link",
    "add",
    field,
    "netns",
    FIELD,
    "address",
    fieldMac,
    "type",
    "veth",
    "peer",
    "name",
    box,
    "netns",
    BOX,
    "address",
    boxMac,
  );
  ip("-n", FIELD, "addr", "add", `${fieldIp}/24`, "dev", field);
  ip("-n", BOX, "addr", "add", `${boxIp}/24`, "dev", box);
  ip("-n", FIELD, "link", "set", field, "up");
  ip("-n", BOX, "link", "set", box, "up");
  ip("-n", BOX, "neigh", "replace", fieldIp, "lladdr", fieldMac, "dev", box, "nud", "permanent");
}

const napiThreads = (cableEnd: string): number[] => named(`napi/${cableEnd}-`);

function named(prefix: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && nameOf(name).startsWith(prefix))
    .map(Number);
}

function nameOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return ""; // It ended meanwhile.
  }
}

const scheduledNs = (path: string): number => Number(readFileSync(path, "utf8").split(" ")[0]);
