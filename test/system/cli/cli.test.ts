/** The command line as an operator or an init system meets it: exit codes, output, signals. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { makeFolder, makeTls, NODE, ROOT } from "../../support/box.ts";
import { Child } from "../../support/child.ts";
import { freePort } from "../../unit/io/free-port.ts";

const MAIN = join(ROOT, "src/main.ts");
let folder: string;
let control: string;
let file: string;
const running: ChildProcess[] = [];

beforeEach(() => {
  folder = makeFolder("cli");
  control = join(folder, "run/control.sock");
  file = join(folder, "edge.jsonc");
});
afterEach(() => {
  for (const child of running.splice(0)) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

describe("check", () => {
  test("the example that comes with the box is ok", () => {
    makeTls(folder);
    writeFileSync(file, readFileSync(join(ROOT, "config/example.jsonc")));
    expect(sallyport("check", file)).toEqual({ status: 0, stdout: "ok\n", stderr: "" });
  });

  test("each fault is one line that begins with FILE:LINE:COLUMN, and the exit status is 2", async () => {
    await writeConfig({ trust: "ful", srtp: "of" });
    expect(sallyport("check", file)).toEqual({
      status: 2,
      stdout:
        `${file}:4:37: realms.outside.trust: "ful" is not known; did you mean "full"?\n` +
        `${file}:7:15: realms.outside.srtp: "of" is not known; did you mean "off"?\n`,
      stderr: "",
    });
    expect(sallyport("check", join(folder, "none"))).toMatchObject({
      status: 2,
      stdout: `${join(folder, "none")}:1:1: (file): the file does not exist; name a configuration file that this user may read\n`,
    });
  });
});

describe("mistakes on the command line exit with 1 and one line", () => {
  test.each([
    [[], "say what to do"],
    [["frobnicate"], "there is no command frobnicate"],
    [["check"], "write it as check FILE"],
    [["check", "a", "b"], "write it as check FILE"],
    [["status", "now"], "now is one word too many"],
    [["run", "a"], "run takes no words beside --config FILE"],
    [["status", "--jsno"], "Unknown option '--jsno'"],
  ])("%j", (words, complaint) => {
    const { status, stderr, stdout } = sallyport(...words);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toContain(`sallyport: ${complaint}`);
    expect(stderr).toMatch(/; see sallyport --help\n$/);
  });

  test("help is no mistake", () => {
    expect(sallyport("--help")).toMatchObject({ status: 0, stdout: expect.stringContaining("run [--config FILE]") });
    expect(sallyport("--version")).toMatchObject({ status: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
  });

  test("a box that is not there", () => {
    expect(sallyport("status", "--control", control)).toEqual({
      status: 1,
      stdout: "",
      stderr: `sallyport: no box is running at ${control}; start one, or name its socket with --control PATH\n`,
    });
  });
});

describe("run", () => {
  test("a bad configuration exits with 2 before anything is opened", async () => {
    await writeConfig({ srtp: "of" });
    expect(sallyport("run", "--config", file)).toMatchObject({ status: 2, stdout: "" });
    expect(existsSync(control)).toBe(false);
  });

  test("a port in use exits with 1 and says which", async () => {
    const { port } = await writeConfig();
    const taken = createSocket("udp4").bind(port, "127.0.0.1");
    await once(taken, "listening");
    const { status, stderr } = sallyport("run", "--config", file);
    taken.close();
    expect(status).toBe(1);
    expect(stderr).toBe(
      `sallyport: cannot listen on udp:127.0.0.1:${port} of realm outside: the port is in use by another program\n`,
    );
  });

  test("from ready to SIGTERM: JSON lines only, views, then nothing is left", async () => {
    const { port } = await writeConfig();
    const box = await start();
    expect(statSync(control).mode & 0o777).toBe(0o600);
    expect(JSON.parse(await box.line(/"msg":"ready"/))).toMatchObject({
      level: "info",
      name: "edge-test",
      control,
      listeners: [`outside/udp:127.0.0.1:${port}`, `outside/tcp:127.0.0.1:${port}`],
    });
    expect(json("status")).toMatchObject({ name: "edge-test", state: "running", pid: box.process.pid });
    expect(readFileSync(`/proc/${box.process.pid}/cmdline`, "latin1")).toContain("--min-semi-space-size=");
    expect(json("calls")).toEqual([]);
    expect(json("peers")).toMatchObject([{ name: "pbx", realm: "outside" }]);
    expect(ask("calls").stdout).toBe("no calls\n");
    expect(ask("peers").stdout).toMatch(/^name .*\npbx /);
    expect(ask("status").stdout).toMatch(/^name +edge-test$/m);

    expect(await box.stop()).toBe(0);
    for (const line of box.lines) expect(() => JSON.parse(line)).not.toThrow();
    expect(existsSync(control)).toBe(false);
    const again = createSocket("udp4").bind(port, "127.0.0.1");
    await once(again, "listening");
    again.close();
  });

  test("a second box on the same control socket exits with 1, and the first one lives", async () => {
    await writeConfig();
    await start();
    const other = join(folder, "other.jsonc");
    await writeConfig({ into: other });
    const second = sallyport("run", "--config", other);
    expect(second).toMatchObject({ status: 1 });
    expect(second.stderr).toContain("another box is running on it; stop that one first");
    expect(json("calls")).toEqual([]);
  });

  test("when nobody reads the log any more the box serves on, and ends when told", async () => {
    await writeConfig();
    const child = spawn(NODE, [MAIN, "run", "--config", file], { stdio: ["ignore", "pipe", "ignore"] });
    running.push(child);
    await once(child.stdout, "data");
    child.stdout.destroy();
    for (let i = 0; i < 5; i++) expect(ask("reload").status).toBe(0); // Each writes a line.
    expect(json("calls")).toEqual([]);
    child.kill("SIGTERM");
    expect(await once(child, "exit")).toEqual([0, null]);
  });
});

describe("a running box takes a new configuration", () => {
  test("SIGHUP: a good one is applied, a bad one changes nothing and is told", async () => {
    const { port } = await writeConfig();
    const box = await start();
    const next = await writeConfig({ srtp: "preferred" });
    box.process.kill("SIGHUP");
    expect(JSON.parse(await box.line(/settings\.applied/))).toMatchObject({
      level: "info",
      changes: ["realms.outside.listen", "realms.outside.srtp"],
    });
    expect(await listens(next.port)).toBe(true);
    expect(await listens(port)).toBe(false);

    await writeConfig({ srtp: "of" });
    box.process.kill("SIGHUP");
    expect(JSON.parse(await box.line(/settings\.rejected/))).toMatchObject({
      level: "error",
      reason: `${file}:7:15: realms.outside.srtp: "of" is not known; did you mean "off"?`,
    });
    expect(await listens(next.port)).toBe(true);
    expect(await box.stop()).toBe(0);
  });

  test("diff tells, reload does", async () => {
    const { port } = await writeConfig();
    await start();
    expect(ask("diff", file).stdout).toBe("nothing would change\nlive calls touched: none\npeers touched: none\n");
    await writeConfig({ srtp: "preferred", port });
    expect(ask("diff", file).stdout).toBe(
      'realms.outside.srtp: "off" -> "preferred"; for new calls\nlive calls touched: none\npeers touched: pbx\n',
    );
    expect(ask("reload")).toMatchObject({
      status: 0,
      stdout: 'realms.outside.srtp: "off" -> "preferred"; for new calls\n',
    });
    expect(ask("reload")).toMatchObject({ status: 0, stdout: "nothing changed\n" });
    await writeConfig({ srtp: "of", port });
    for (const command of [["reload"], ["diff", file]])
      expect(ask(...command)).toMatchObject({
        status: 2,
        stdout: `${file}:7:15: realms.outside.srtp: "of" is not known; did you mean "off"?\n`,
      });
  });

  test("phones that may register from a reload on are kept over a restart as well", async () => {
    const { port } = await writeConfig();
    await start();
    await writeConfig({ port, phones: "kept" });
    expect(ask("reload").status).toBe(0);
    expect(existsSync(join(folder, "kept"))).toBe(true);
  });

  test("a port that is taken is refused, and the old ones are kept", async () => {
    const { port } = await writeConfig();
    await start();
    const taken = createSocket("udp4").bind(0, "127.0.0.1");
    await once(taken, "listening");
    await writeConfig({ port: taken.address().port });
    expect(ask("reload")).toMatchObject({
      status: 2,
      stdout: expect.stringContaining("the port is in use by another program"),
    });
    taken.close();
    expect(await listens(port)).toBe(true);
  });
});

interface Wishes {
  readonly trust?: string;
  readonly srtp?: string;
  readonly port?: number;
  readonly into?: string;
  /** Phones may register, and are kept in this file. */
  readonly phones?: string;
}

/** One realm on a free port, UDP and TCP, and a peer that nobody answers for. */
async function writeConfig({
  trust = "none",
  srtp = "off",
  port,
  into = file,
  phones,
}: Wishes = {}): Promise<{ port: number }> {
  const listen = port ?? (await freePort("udp"));
  writeFileSync(
    into,
    `{ "name": "edge-test",
  "control": "run/control.sock",
  // a comment
  "realms": { "outside": { "trust": "${trust}",
      "listen": ["udp:127.0.0.1:${listen}", "tcp:127.0.0.1:${listen}"],
      "media": { "address": "127.0.0.1", "ports": "21000-21999" },
      "srtp": "${srtp}" } },
  "peers": { "pbx": { "realm": "outside", "targets": ["udp:127.0.0.1:9"] } }${
    phones === undefined
      ? ""
      : `,
  "registration": { "file": ${JSON.stringify(phones)}, "domains": { "example.test": { "realm": "outside", "registrar": "pbx" } } }`
  } }
`,
  );
  return { port: listen };
}

async function start(): Promise<Child> {
  const box = new Child(NODE, [MAIN, "run", "--config", file]);
  running.push(box.process);
  await box.line(/"msg":"ready"/);
  return box;
}

function sallyport(...words: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(NODE, [MAIN, ...words], { encoding: "utf8", timeout: 30_000 });
  return { status, stdout, stderr };
}

const ask = (...words: string[]) => sallyport(...words, "--control", control);
const json = (view: string): unknown => JSON.parse(ask(view, "--json").stdout);

/** Is the UDP port taken? Nobody but the box wants it. */
function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createSocket("udp4");
    probe.once("error", () => resolve(true));
    probe.bind(port, "127.0.0.1", () => probe.close(() => resolve(false)));
  });
}
