/** Chromium, headless, with a page that is a phone (browser/phone.js). It is driven over its DevTools pipe. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { ROOT } from "./box.ts";
import { netnsCommand } from "./child.ts";
import { writeTone } from "./tone.ts";

export interface BrowserOptions {
  readonly folder: string;
  readonly name: string;
  /** What it plays. */
  readonly hertz: number;
  readonly netns?: string;
}

const TONE_SECONDS = 120;

interface Answer {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

export class Browser {
  readonly #process: ChildProcess;
  readonly #asked = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  readonly #exited: Promise<unknown>;
  #last = 0;
  #partial = "";
  #session: string | undefined;
  #words = "";

  private constructor(process: ChildProcess) {
    this.#process = process;
    this.#exited = new Promise((resolve) => process.on("close", resolve));
    (process.stdio[4] as Readable).setEncoding("utf8").on("data", (chunk: string) => this.#take(chunk));
    (process.stdio[3] as Writable).on("error", () => {});
    process.stderr?.setEncoding("latin1").on("data", (chunk: string) => {
      this.#words = (this.#words + chunk).slice(-4_000);
    });
    void this.#exited.then(() => {
      for (const { reject } of this.#asked.values()) reject(new Error(`chromium has ended:\n${this.#words}`));
    });
  }

  /** Up, with the page loaded. */
  static async start({ folder, name, hertz, netns }: BrowserOptions): Promise<Browser> {
    const home = join(folder, name);
    mkdirSync(home, { recursive: true });
    const tone = join(home, "tone.wav");
    writeTone(tone, hertz, TONE_SECONDS);
    const bundle = ["--format", "iife", "--platform", "browser", "-o", join(home, "phone.js"), "--log-level", "silent"];
    const rolldown = join(ROOT, "node_modules/.bin/rolldown");
    execFileSync(rolldown, [join(ROOT, "test/support/browser/phone.js"), ...bundle], { cwd: ROOT, stdio: "ignore" });
    const page = join(home, "phone.html");
    writeFileSync(page, '<!doctype html><meta charset="utf-8"><body><script src="phone.js"></script>');
    const args = [
      ...["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage"],
      ...["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"],
      `--use-file-for-fake-audio-capture=${tone}`,
      ...[
        "--autoplay-policy=no-user-gesture-required",
        "--ignore-certificate-errors",
        "--allow-file-access-from-files",
      ],
      "--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets,LocalNetworkAccessChecksWebRTC",
      ...[`--user-data-dir=${join(home, "profile")}`, "--remote-debugging-pipe", "about:blank"],
    ];
    const [program, ...rest] = netns === undefined ? ["chromium", ...args] : netnsCommand(netns, "chromium", args);
    const stdio = ["ignore", "ignore", "pipe", "pipe", "pipe"] as const;
    const browser = new Browser(
      spawn(program as string, rest, { stdio: [...stdio], env: { ...process.env, HOME: home } }),
    );
    const { targetId } = (await browser.#send("Target.createTarget", { url: `file://${page}` })) as {
      targetId: string;
    };
    const attached = await browser.#send("Target.attachToTarget", { targetId, flatten: true });
    browser.#session = (attached as { sessionId: string }).sessionId;
    await browser.until("globalThis.phone !== undefined && document.readyState === 'complete'");
    return browser;
  }

  /** What the page makes of this expression; a promise is waited for. */
  async evaluate<T>(expression: string): Promise<T> {
    const done = await this.#send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    const { result, exceptionDetails } = done as {
      readonly result: { readonly value?: T; readonly description?: string };
      readonly exceptionDetails?: { readonly text: string; readonly exception?: { readonly description?: string } };
    };
    if (exceptionDetails !== undefined)
      throw new Error(`${expression}: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`);
    return result.value as T;
  }

  /** Calls a function of the page's phone. */
  phone<T>(name: string, ...args: readonly unknown[]): Promise<T> {
    return this.evaluate(`phone.${name}(${args.map((arg) => JSON.stringify(arg)).join(", ")})`);
  }

  async until(expression: string, limitMs = 20_000): Promise<void> {
    const deadline = performance.now() + limitMs;
    while (!(await this.evaluate<boolean>(`Boolean(${expression})`).catch(() => false))) {
      if (performance.now() > deadline) {
        const events = await this.evaluate("globalThis.phone?.events").catch(String);
        throw new Error(`never: ${expression}; ${JSON.stringify(events)}\n${this.#words}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Something of this name has happened to the phone, the `count`-th time. */
  event(name: string, count = 1): Promise<void> {
    return this.until(`phone.events.filter((one) => one.split(" ")[0] === ${JSON.stringify(name)}).length >= ${count}`);
  }

  async stop(): Promise<void> {
    this.#session = undefined;
    await this.#send("Browser.close", {}).catch(() => undefined);
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), 5_000);
    await this.#exited;
    clearTimeout(timer);
  }

  #send(method: string, params: object): Promise<unknown> {
    this.#last += 1;
    const id = this.#last;
    const session = this.#session === undefined ? {} : { sessionId: this.#session };
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { resolve, reject });
      (this.#process.stdio[3] as Writable).write(`${JSON.stringify({ id, method, params, ...session })}\0`);
    });
  }

  #take(chunk: string): void {
    const parts = (this.#partial + chunk).split("\0");
    this.#partial = parts.pop() ?? "";
    for (const part of parts) {
      const { id, result, error } = JSON.parse(part) as Answer;
      const asked = id === undefined ? undefined : this.#asked.get(id);
      if (id === undefined || asked === undefined) continue;
      this.#asked.delete(id);
      if (error !== undefined) asked.reject(new Error(error.message));
      else asked.resolve(result);
    }
  }
}
