/** The file that keeps bindings over a restart, and the two services that phones are asked about by HTTP. */
import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import type { EngineInput, PhoneOutput } from "../../../src/engine/index.ts";
import { PhoneServices } from "../../../src/io/phone-services.ts";
import { RegistrationsFile } from "../../../src/io/registrations.ts";

const folder = mkdtempSync(join(tmpdir(), "registrations-"));
afterAll(() => rmSync(folder, { recursive: true }));

const keep = (name: string, seq = 1): Extract<PhoneOutput, { out: "keep" }> => ({
  out: "keep",
  binding: { name, seq } as Extract<PhoneOutput, { out: "keep" }>["binding"],
});

function fileAt(file: string, all: () => readonly string[] = () => []) {
  const failures: string[] = [];
  const kept: RegistrationsFile = new RegistrationsFile({
    file,
    askAll: () => {
      for (const name of all()) kept.handle(keep(name));
    },
    failed: (reason) => failures.push(reason),
  });
  return { kept, failures };
}

test("what was kept and not forgotten is read again; a torn end and rubbish are passed over", () => {
  const file = join(folder, "deep", "one");
  const first = fileAt(file, () => ["a"]);
  expect(first.kept.read(0)).toEqual({ lines: [], awayMs: 0 });
  first.kept.start();
  for (const name of ["b", "c", "b"]) first.kept.handle(keep(name, name === "b" ? 7 : 1));
  first.kept.handle({ out: "forget", name: "c" });
  first.kept.close();
  appendFileSync(file, 'rubbish\n{"at":1,"keep":{"name":"d"');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const { lines } = fileAt(file).kept.read(Date.now());
  expect(lines.map(({ text }) => JSON.parse(text))).toEqual([
    { name: "a", seq: 1 },
    { name: "b", seq: 7 },
  ]);
  expect(lines.every(({ ageMs }) => ageMs >= 0 && ageMs < 60_000)).toBe(true);
});

test("a start makes a file of what stands now", () => {
  const file = join(folder, "two");
  const first = fileAt(file, () => ["a", "b"]);
  first.kept.start();
  first.kept.close();
  const second = fileAt(file, () => ["b"]);
  second.kept.start();
  second.kept.close();
  expect(readFileSync(file, "latin1")).not.toContain('"a"');
});

test("a place that cannot be written is told once", () => {
  const { kept, failures } = fileAt(join(folder, "two", "below"));
  kept.start();
  kept.handle(keep("a"));
  kept.close();
  expect(failures.length).toBe(1);
  expect(failures[0]).toContain(join(folder, "two", "below"));
});

test("a disk that fills up leaves the file as it was, and what stands is written when there is room again", async () => {
  const file = join(folder, "full");
  const script = join(folder, "full.ts");
  const source = fileURLToPath(new URL("../../../src/io/registrations.ts", import.meta.url));
  // Beyond the limit the kernel takes a part of the bytes, and says so; then it takes none.
  writeFileSync(
    script,
    `import { readFileSync } from "node:fs";
    import { RegistrationsFile } from ${JSON.stringify(source)};
    const all = Array.from({ length: 100 }, (_, i) => "name-" + i);
    let failures = 0;
    const kept = new RegistrationsFile({
      file: ${JSON.stringify(file)},
      askAll: () => all.forEach((name) => kept.handle({ out: "keep", binding: { name } })),
      failed: () => failures++,
    });
    kept.start();
    console.log(failures, readFileSync(${JSON.stringify(file)}, "latin1").length);
    process.exit(0);`,
  );
  const first = fileAt(file, () => ["a", "b"]);
  first.kept.start();
  first.kept.close();
  const before = readFileSync(file, "latin1");
  const run = spawnSync("prlimit", ["--fsize=3000", process.execPath, script], { encoding: "utf8" });
  expect(run.stdout).toBe(`1 ${before.length}\n`);
  expect(readFileSync(file, "latin1")).toBe(before);
});

test("a file that could not be written is begun anew as soon as it can be", async () => {
  const folderLater = join(folder, "later");
  writeFileSync(folderLater, "in the way");
  const file = join(folderLater, "file");
  const { kept, failures } = fileAt(file, () => ["a", "b"]);
  kept.start(5);
  expect(failures.length).toBe(1);
  kept.handle(keep("lost meanwhile"));
  rmSync(folderLater);
  await expect.poll(() => existsSync(file), { timeout: 10_000 }).toBe(true);
  kept.handle(keep("c"));
  kept.close();
  const { lines } = fileAt(file).kept.read(Date.now());
  expect(lines.map(({ text }) => JSON.parse(text).name)).toEqual(["a", "b", "c"]);
  expect(failures.length).toBe(1);
});

test("what is there and cannot be read is told, and stays as it is", () => {
  const file = join(folder, "huge");
  writeFileSync(file, "not ours");
  truncateSync(file, 2 ** 30 + 1);
  const { kept, failures } = fileAt(file, () => ["a"]);
  expect(kept.read(Date.now()).lines).toEqual([]);
  kept.start();
  kept.handle(keep("b"));
  kept.close();
  expect(failures.length).toBe(1);
  expect(statSync(file).size).toBe(2 ** 30 + 1);
});

test("users by HTTP: digests, nobody, or no answer; a phone is woken by its parameters", async () => {
  const posts: string[] = [];
  const server = createServer((request, response) => {
    if (request.method === "POST") {
      request.on("data", (part) => posts.push(String(part)));
      request.on("end", () => response.writeHead(204).end());
      return;
    }
    const { searchParams } = new URL(request.url ?? "", "http://x");
    if (searchParams.get("user") === "alice") response.end(`{"MD5":"${"a".repeat(32)}","password":"no"}`);
    else if (searchParams.get("user") === "large") response.end("x".repeat(100_000));
    else response.writeHead(searchParams.get("user") === "bob" ? 404 : 500).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/users`;
  const answers = new Map<number, unknown>();
  await new Promise<void>((resolve) => {
    const take = (input: EngineInput): void => {
      if (input.in === "user") answers.set(input.id, input.answer);
      if (answers.size === 5) resolve();
    };
    const services = new PhoneServices(take, () => {});
    services.wake({ out: "wake", url, provider: "apns", param: "team", prid: "token" });
    const ask = (id: number, user: string, at = url) =>
      services.lookUp({ out: "look-up", id, url: at, user, realm: "example.test" });
    ask(1, "alice");
    ask(2, "bob");
    ask(3, "broken");
    ask(4, "large");
    ask(5, "alice", "http://127.0.0.1:1/");
  });
  await expect.poll(() => posts.length, { timeout: 10_000 }).toBeGreaterThan(0);
  server.closeAllConnections();
  server.close();
  expect(Object.fromEntries(answers)).toEqual({
    1: { MD5: "a".repeat(32) },
    2: {},
    3: "failed",
    4: "failed",
    5: "failed",
  });
  expect(posts).toEqual(['{"pn-provider":"apns","pn-param":"team","pn-prid":"token"}']);
});
