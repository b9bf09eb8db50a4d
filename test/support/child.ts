/** A child process whose output can be waited for, line by line: tests wait for events, never for time to pass. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";

export interface ChildOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Network namespace to run in. */
  readonly netns?: string;
}

export class Child {
  readonly name: string;
  readonly process: ChildProcess;
  readonly lines: string[] = [];
  readonly exited: Promise<number | null>;
  #partial = "";
  #waiters: { readonly test: (line: string) => boolean; readonly resolve: (line: string) => void }[] = [];

  constructor(command: string, args: readonly string[], options: ChildOptions = {}) {
    const [program, ...rest] =
      options.netns === undefined ? [command, ...args] : netnsCommand(options.netns, command, args);
    this.name = command.split("/").at(-1) ?? command;
    this.process = spawn(program as string, rest, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream?.setEncoding("latin1").on("data", (chunk: string) => this.#take(chunk));
    }
    this.process.stdin?.on("error", () => {});
    this.exited = new Promise((resolve) => {
      this.process.on("close", (code) => resolve(code));
      this.process.on("error", () => resolve(null));
    });
  }

  get output(): string {
    return this.lines.join("\n");
  }

  /** The first line, seen already or still to come, that matches; fails after `limitMs`, or when the process ends first. */
  line(pattern: RegExp, limitMs = 20_000): Promise<string> {
    const seen = this.lines.find((line) => pattern.test(line));
    if (seen !== undefined) return Promise.resolve(seen);
    return new Promise((resolve, reject) => {
      const fail = (why: string): void =>
        reject(
          new Error(
            `${this.name}: no line like ${pattern} (${why}); its last words:\n${this.lines.slice(-25).join("\n")}`,
          ),
        );
      const timer = setTimeout(() => fail(`waited ${limitMs} ms`), limitMs);
      this.#waiters.push({
        test: (line) => pattern.test(line),
        resolve: (line) => {
          clearTimeout(timer);
          resolve(line);
        },
      });
      void this.exited.then((code) => {
        clearTimeout(timer);
        fail(`it exited with ${code}`);
      });
    });
  }

  type(text: string): void {
    this.process.stdin?.write(text);
  }

  /** Asks it to end, and kills it when it does not within `limitMs`. */
  async stop(signal: NodeJS.Signals = "SIGTERM", limitMs = 20_000): Promise<number | null> {
    if (this.process.exitCode === null && this.process.signalCode === null) this.process.kill(signal);
    const timer = setTimeout(() => this.process.kill("SIGKILL"), limitMs);
    const code = await this.exited;
    clearTimeout(timer);
    return code;
  }

  #take(chunk: string): void {
    const parts = (this.#partial + chunk).split("\n");
    this.#partial = parts.pop() ?? "";
    for (const line of parts) {
      this.lines.push(line);
      const met = this.#waiters.filter((waiter) => waiter.test(line));
      if (met.length === 0) continue;
      this.#waiters = this.#waiters.filter((waiter) => !met.includes(waiter));
      for (const waiter of met) waiter.resolve(line);
    }
  }
}

export const netnsCommand = (netns: string, command: string, args: readonly string[]): string[] => [
  "ip",
  "netns",
  "exec",
  netns,
  command,
  ...args,
];

/** Runs a command to its end and gives its output; throws with it when the command fails. */
export function run(
  command: string,
  args: readonly string[],
  options: { netns?: string; input?: string } = {},
): string {
  const [program, ...rest] =
    options.netns === undefined ? [command, ...args] : netnsCommand(options.netns, command, args);
  const done = spawnSync(program as string, rest, { input: options.input, encoding: "latin1", maxBuffer: 256 << 20 });
  if (done.status !== 0) {
    throw new Error(
      `${[program, ...rest].join(" ")} failed (${done.status ?? done.error}): ${done.stderr}${done.stdout}`,
    );
  }
  return done.stdout;
}
