/**
 * Keeps bindings over a restart: a snapshot that is replaced as a whole, and behind it what has changed since, one JSON
 * object a line. A file that cannot be written is told once, and the box goes on without.
 */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import type { KeptLine, PhoneOutput } from "../engine/index.ts";

/** How often changes are written: what happened since is lost when the machine fails. */
const WRITE_EVERY_MS = 200;
/** How often the file is told that the box is there. */
const HEARTBEAT_MS = 20_000;
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
  #broken = false;

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
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") this.#fail(error);
      return { lines: [], awayMs: 0 };
    }
  }

  /** After `restore`: a file that begins with what stands now. */
  start(): void {
    this.#compact();
    this.#beat = setInterval(() => this.#touch(), HEARTBEAT_MS);
    this.#beat.unref();
  }

  handle(output: Kept): void {
    if (this.#broken) return;
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
    this.#broken = true;
  }

  #write(): void {
    this.#timer = undefined;
    if (this.#pending.length === 0 || this.#descriptor === undefined) return;
    const lines = this.#pending;
    this.#pending = [];
    try {
      writeSync(this.#descriptor, `${lines.join("\n")}\n`, null, "latin1");
      this.#lines += lines.length;
    } catch (error) {
      return this.#fail(error);
    }
    if (this.#lines > Math.max(LEAST_LINES, 2 * this.#live)) this.#compact();
  }

  /** Written beside, flushed, and put in its place in one step: there is always one whole file. */
  #compact(): void {
    if (this.#broken) return;
    const lines: string[] = [];
    this.#snapshot = lines;
    this.#options.askAll();
    this.#snapshot = undefined;
    const { file } = this.#options;
    const next = `${file}.next`;
    try {
      mkdirSync(dirname(file), { recursive: true, mode: DIRECTORY_MODE });
      const descriptor = openSync(next, "w", MODE);
      for (let at = 0; at < lines.length; at += LINES_AT_ONCE)
        writeSync(descriptor, `${lines.slice(at, at + LINES_AT_ONCE).join("\n")}\n`, null, "latin1");
      fsyncSync(descriptor);
      renameSync(next, file);
      if (this.#descriptor !== undefined) closeSync(this.#descriptor);
      this.#descriptor = descriptor; // It has been renamed with the file: what follows goes behind it.
      this.#lines = lines.length;
      this.#live = lines.length;
    } catch (error) {
      this.#fail(error);
    }
  }

  #touch(): void {
    if (this.#descriptor === undefined) return;
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
