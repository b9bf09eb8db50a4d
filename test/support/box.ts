/** The product as a black box: started by its command line, known by its configuration, its log and its control socket. */
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Child, type ChildOptions } from "./child.ts";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
export const NODE = join(ROOT, "node_modules/.bin/node");

/** A folder for one test: configuration, certificates, logs. */
export const makeFolder = (name: string): string => mkdtempSync(join(tmpdir(), `sallyport-${name}-`));

/** Puts a throw-away CA with certificate and key for the box into `folder`/tls: `ca.pem`, `sbc.crt`, `sbc.key`, and `sbc.pem` with both. */
export function makeTls(folder: string): string {
  const tls = join(folder, "tls");
  mkdirSync(tls, { recursive: true });
  const ready = join(ROOT, "config/tls");
  if (!existsSync(join(ready, "sbc.crt"))) execFileSync("bash", [join(ROOT, "config/make-test-tls.sh"), ready]);
  for (const file of ["ca.pem", "sbc.crt", "sbc.key"]) copyFileSync(join(ready, file), join(tls, file));
  const both = ["sbc.crt", "sbc.key"].map((file) => readFileSync(join(tls, file), "utf8")).join("");
  writeFileSync(join(tls, "sbc.pem"), both);
  return tls;
}

/** Less than what vitest gives a hook, so that it is this failure which is told. */
const READY_WITHIN_MS = 45_000;

export class Box {
  readonly child: Child;
  readonly folder: string;
  readonly #control: string;

  private constructor(child: Child, folder: string, control: string) {
    this.child = child;
    this.folder = folder;
    this.#control = control;
  }

  /** Starts the box with `config` (its `control` is filled in) and waits until every listener is up. */
  static async start(folder: string, config: object, options: ChildOptions = {}): Promise<Box> {
    const control = join(folder, "control.sock");
    const file = join(folder, "sallyport.json");
    writeFileSync(file, JSON.stringify({ ...config, control }, null, 2));
    const child = new Child(NODE, [join(ROOT, "src/main.ts"), "run", "--config", file], options);
    try {
      await child.line(/"msg":"ready"/, READY_WITHIN_MS);
    } catch (error) {
      await child.stop("SIGKILL"); // Or it would come up later, in the way of the next one.
      throw error;
    }
    return new Box(child, folder, control);
  }

  /** The pid of the product itself, also when it runs in a namespace (`ip netns exec` replaces itself). */
  get pid(): number {
    return this.child.process.pid as number;
  }

  get<T>(path: string): Promise<T> {
    return this.#ask("GET", path);
  }

  /** DELETE, as for a call that an operator ends. */
  remove<T>(path: string): Promise<T> {
    return this.#ask("DELETE", path);
  }

  #ask<T>(method: string, path: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const asked = request({ socketPath: this.#control, path, method }, (response) => {
        let body = "";
        response.setEncoding("utf8").on("data", (chunk: string) => {
          body += chunk;
        });
        response.on("end", () => {
          if (response.statusCode === 200) resolve(JSON.parse(body) as T);
          else reject(new Error(`${path}: ${response.statusCode} ${body}`));
        });
      });
      asked.on("error", reject).end();
    });
  }

  /** Asks again and again, every 100 ms, until `holds`; fails after `limitMs` with what was last seen. */
  async until<T>(path: string, holds: (value: T) => boolean, limitMs = 10_000): Promise<T> {
    const deadline = performance.now() + limitMs;
    for (;;) {
      const value = await this.get<T>(path);
      if (holds(value)) return value;
      if (performance.now() > deadline) throw new Error(`${path} never came to hold: ${JSON.stringify(value)}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** Facts from the log so far, by name. */
  facts(name: string): readonly Record<string, unknown>[] {
    return this.child.lines
      .filter((line) => line.includes(`"${name}"`))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** The `count`-th fact of this name: the log gathers its lines for a moment before it writes them. */
  async fact(name: string, count: number, limitMs = 10_000): Promise<Record<string, unknown>> {
    const deadline = performance.now() + limitMs;
    for (;;) {
      const found = this.facts(name)[count - 1];
      if (found !== undefined) return found;
      if (performance.now() > deadline) {
        const last = this.child.lines.slice(-8).map((line) => line.slice(0, 200));
        throw new Error(`the log tells no ${count}. ${name}; its last lines:\n${last.join("\n")}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  stop(): Promise<number | null> {
    return this.child.stop("SIGTERM");
  }
}
