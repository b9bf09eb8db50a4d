/**
 * Keeps bindings over a restart: a snapshot that is replaced as a whole, and behind it what has changed since, one JSON
 * object a line. A file that cannot be written is told, and the box goes on without until it can: then it begins anew.
 */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import type { KeptLine, PhoneOutput } from "../engine/index.ts";

/** How often changes are written: what happened since is lost when the machine fails. */
const WRITE_EVERY_MS = 200;
/** How often the file is told that the box is there. */
const HEARTBEAT_MS = 20_000;
/** After so many of these a file that could not be written is tried again: a snapshot of all phones takes its time. */
const RETRY_BEATS = 3;
/** Limit: lines behind the snapshot; with as many as bindings, but not less than this, a new snapshot is made. */
const LEAST_LINES = 10_000;
/** Limit: a file over this is not read. In bytes. */
const MAX_BYTES = 1_024 * 1_024 * 1_024;
/** The owner alone: it tells who is where. */
const MODE = 0o600;
const DIRECTORY_MODE = 0o750;

export interface RegistrationsOptions {
  readonly file: string;
  /** All bindings as `keep`, through `handle`. */
  readonly askAll: () => void;
  readonly failed: (reason: string) => void;
}

type Kept = Extract<PhoneOutput, { out: "keep" | "forget" }>;

export class RegistrationsFile {
  readonly #options: RegistrationsOptions;
  #descriptor: number | undefined;
  #pending: string[] = [];
  #lines = 0;
  #live = 0;
  /** Lines of a snapshot that is being made; `undefined`: none is. */
  #snapshot: string[] | undefined;
  #timer: NodeJS.Timeout | undefined;
  #beat: NodeJS.Timeout | undefined;
  /** It could not be written: nothing is kept until a new snapshot can be. */
  #broken = false;
  #closed = false;
  #beats = 0;

  constructor(options: RegistrationsOptions) {
    this.#options = options;
  }

  /** What was kept, the last word about each binding. */
  read(wallMs: number): { readonly lines: readonly KeptLine[]; readonly awayMs: number } {
    const { file } = this.#options;
    try {
      const { size, mtimeMs } = statSync(file);
      if (size > MAX_BYTES) throw new Error(`it has ${size} bytes`);
      const last = new Map<string, KeptLine>();
      for (const text of readFileSync(file, "latin1").split("\n")) {
        const found = lineIn(text, wallMs);
        if (found === undefined) continue; // The end of a file may be torn.
        if (found.kept === undefined) last.delete(found.name);
        else last.set(found.name, found.kept);
      }
      return { lines: [...last.values()], awayMs: Math.max(0, wallMs - mtimeMs) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") {
        this.#fail(error);
        this.#closed = true; // What cannot be read is not ours to replace.
      }
      return { lines: [], awayMs: 0 };
    }
  }

  /** After `restore`: a file that begins with what stands now. */
  start(heartbeatMs = HEARTBEAT_MS): void {
    if (this.#closed) return;
    this.#compact();
    this.#beat = setInterval(() => this.#touch(), heartbeatMs);
    this.#beat.unref();
  }

  handle(output: Kept): void {
    if (this.#closed || (this.#broken && this.#snapshot === undefined)) return;
    const line = JSON.stringify(
      output.out === "keep" ? { at: Date.now(), keep: output.binding } : { at: Date.now(), forget: output.name },
    );
    if (this.#snapshot !== undefined) {
      this.#snapshot.push(line);
      return;
    }
    this.#live += output.out === "keep" ? 0 : -1;
    this.#pending.push(line);
    this.#timer ??= setTimeout(() => this.#write(), WRITE_EVERY_MS);
  }

  close(): void {
    clearTimeout(this.#timer);
    clearInterval(this.#beat);
    this.#write();
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
    this.#closed = true;
  }

  #write(): void {
    this.#timer = undefined;
    if (this.#pending.length === 0 || this.#descriptor === undefined) return;
    const lines = this.#pending;
    this.#pending = [];
    try {
      writeAll(this.#descriptor, lines);
      this.#lines += lines.length;
    } catch (error) {
      return this.#fail(error);
    }
    if (this.#lines > Math.max(LEAST_LINES, 2 * this.#live)) this.#compact();
  }

  /** Written beside, flushed, and put in its place in one step: there is always one whole file. */
  #compact(): void {
    const lines: string[] = [];
    this.#snapshot = lines;
    this.#options.askAll();
    this.#snapshot = undefined;
    const { file } = this.#options;
    const next = `${file}.next`;
    let descriptor: number | undefined;
    try {
      mkdirSync(dirname(file), { recursive: true, mode: DIRECTORY_MODE });
      descriptor = openSync(next, "w", MODE);
      for (let at = 0; at < lines.length; at += LINES_AT_ONCE)
        writeAll(descriptor, lines.slice(at, at + LINES_AT_ONCE));
      fsyncSync(descriptor);
      renameSync(next, file);
    } catch (error) {
      if (descriptor !== undefined) discard(next, descriptor);
      return this.#fail(error);
    }
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = descriptor; // It has been renamed with the file: what follows goes behind it.
    this.#lines = lines.length;
    this.#live = lines.length;
    this.#broken = false;
  }

  #touch(): void {
    if (this.#broken && ++this.#beats % RETRY_BEATS === 0) this.#compact();
    if (this.#broken || this.#descriptor === undefined) return;
    const seconds = Date.now() / 1_000;
    try {
      utimesSync(this.#options.file, seconds, seconds);
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (this.#broken) return;
    this.#broken = true;
    this.#pending = [];
    this.#options.failed(`${this.#options.file}: ${(error as Error).message}`);
  }
}

const LINES_AT_ONCE = 1_000;

/** All of it, or an error: the kernel takes a part where the disk is nearly full, and says no more than how much. */
function writeAll(descriptor: number, lines: readonly string[]): void {
  if (lines.length === 0) return;
  const bytes = Buffer.from(`${lines.join("\n")}\n`, "latin1");
  for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
}

/** What was begun is of no use, and takes room where there is none. */
function discard(file: string, descriptor: number): void {
  closeSync(descriptor);
  try {
    unlinkSync(file);
  } catch {
    // It is overwritten the next time.
  }
}

function lineIn(
  text: string,
  wallMs: number,
): { readonly name: string; readonly kept: KeptLine | undefined } | undefined {
  if (text === "") return undefined;
  try {
    const value = JSON.parse(text) as { at?: unknown; keep?: { name?: unknown }; forget?: unknown };
    if (typeof value.forget === "string") return { name: value.forget, kept: undefined };
    const name = value.keep?.name;
    if (typeof name !== "string" || typeof value.at !== "number") return undefined;
    return { name, kept: { text: JSON.stringify(value.keep), ageMs: Math.max(0, wallMs - value.at) } };
  } catch {
    return undefined;
  }
}
