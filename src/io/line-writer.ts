/**
 * Lines of log to a descriptor, without ever waiting for who reads them. Node's own stdout blocks on a full pipe, and
 * a library's last flush spins for ever on a broken one: calls must not hang on either.
 */
import { write, writeSync } from "node:fs";

/** Limit: bytes that wait for a slow reader; lines beyond are lost, and their number is told once there is room. */
const MAX_WAITING_BYTES = 4 * 1_024 * 1_024;
const RETRY_MS = 20;
/** Lines wait this long for company: a write costs more than a line, and wakes a thread. */
const GATHER_MS = 50;

export class LineWriter {
  readonly #fd: number;
  #waiting: string[] = [];
  #waitingBytes = 0;
  #lost = 0;
  #state: "idle" | "writing" | "broken" = "idle";
  #onDrained: (() => void)[] = [];

  constructor(fd: number) {
    this.#fd = fd;
  }

  write(line: string): void {
    if (this.#state === "broken") return;
    if (this.#waitingBytes + line.length > MAX_WAITING_BYTES) {
      this.#lost += 1;
      return;
    }
    this.#waiting.push(line);
    this.#waitingBytes += line.length;
    if (this.#state !== "idle") return;
    this.#state = "writing";
    setTimeout(() => this.#next(), GATHER_MS);
  }

  /** Resolves when everything is written, or after `limitMs`, or at once when nobody can read it any more. */
  async drained(limitMs: number): Promise<void> {
    if (this.#state !== "writing") return;
    await new Promise<void>((resolve) => {
      const late = setTimeout(resolve, limitMs);
      this.#onDrained.push(() => {
        clearTimeout(late);
        resolve();
      });
    });
  }

  /** One try to write what waits, for a process that is about to end. */
  writeNow(): void {
    try {
      writeSync(this.#fd, this.#waiting.join(""));
    } catch {
      // Nobody reads, or not fast enough.
    }
    this.#waiting = [];
  }

  #next(): void {
    if (this.#waiting.length === 0) {
      this.#rest("idle");
      return;
    }
    if (this.#lost > 0) this.#waiting.push(`{"level":"error","lines":${this.#lost},"msg":"log.lost"}\n`);
    this.#lost = 0;
    const bytes = Buffer.from(this.#waiting.join(""));
    this.#waiting = [];
    this.#waitingBytes = bytes.length; // Until they are written: they wait too.
    this.#put(bytes, 0);
  }

  #put(bytes: Buffer, offset: number): void {
    write(this.#fd, bytes, offset, bytes.length - offset, null, (error, count) => {
      if (error?.code === "EAGAIN") setTimeout(() => this.#put(bytes, offset), RETRY_MS);
      else if (error !== null) this.#rest("broken");
      else {
        this.#waitingBytes -= count;
        if (offset + count < bytes.length) this.#put(bytes, offset + count);
        else if (this.#waiting.length === 0) this.#rest("idle");
        else setTimeout(() => this.#next(), GATHER_MS);
      }
    });
  }

  #rest(state: "idle" | "broken"): void {
    this.#state = state;
    if (state === "broken") this.#waiting = [];
    for (const drained of this.#onDrained.splice(0)) drained();
  }
}
