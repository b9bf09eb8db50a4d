/** CPU time of a device under test: every process and thread of it, user and system. And what its core lost to others. */
import { readdirSync, readFileSync } from "node:fs";

/** Kernel ticks a second, as /proc shows times to user space on every Linux we run on. */
const TICKS = 100;

/** Microseconds of CPU that `pid` and all its descendants have used. Ended children count only while they lived. */
export function cpuMicros(pid: number): number {
  let ticks = 0;
  for (const one of [pid, ...descendants(pid)]) {
    const stat = text(`/proc/${one}/stat`);
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0); // utime and stime: proc(5).
  }
  return (ticks * 1_000_000) / TICKS;
}

/** Milliseconds of `core` that the host of a virtual machine has given to others since the start: the eighth figure of proc(5). */
export function stolenMs(core: number): number {
  const fields = new RegExp(`^cpu${core} (.*)$`, "m").exec(text("/proc/stat"))?.[1]?.split(" ") ?? [];
  return (Number(fields[7] ?? 0) * 1_000) / TICKS;
}

function descendants(pid: number): number[] {
  const found: number[] = [];
  for (const thread of entries(`/proc/${pid}/task`)) {
    for (const child of text(`/proc/${pid}/task/${thread}/children`).split(" ")) {
      if (child.trim() !== "") found.push(Number(child), ...descendants(Number(child)));
    }
  }
  return found;
}

function text(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return ""; // It ended between the listing and the look.
  }
}

function entries(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
