import { execFileSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LineWriter } from "../../../src/io/line-writer.ts";

let directory: string;
let readEnd: number;
let writeEnd: number;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "sallyport-pipe-"));
  const pipe = join(directory, "pipe");
  execFileSync("mkfifo", [pipe]);
  readEnd = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
  writeEnd = openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
});
afterEach(() => {
  for (const fd of [readEnd, writeEnd])
    try {
      closeSync(fd);
    } catch {
      // The test has closed it.
    }
  rmSync(directory, { recursive: true });
});

test("lines come out whole and in order", async () => {
  const writer = new LineWriter(writeEnd);
  for (let i = 0; i < 100; i++) writer.write(`${i}\n`);
  await writer.drained(30_000);
  expect(read()).toBe(Array.from({ length: 100 }, (_, i) => `${i}\n`).join(""));
});

test("a reader that stalls holds nobody up; what did not fit is told once there is room", async () => {
  const writer = new LineWriter(writeEnd);
  const line = `${"x".repeat(65_535)}\n`;
  for (let i = 0; i < 100; i++) writer.write(line); // 6.4 MB: a pipe takes 64 KiB, the queue 4 MiB.
  await writer.drained(50);
  let text = "";
  for (let tries = 0; tries < 500 && !text.includes("log.lost"); tries++) {
    text += read();
    writer.write(""); // Something new to say makes it tell of the loss.
    await writer.drained(20);
  }
  const lost = JSON.parse(text.slice(text.indexOf("{"))) as { lines: number };
  expect(lost.lines).toBe(36);
  expect(text.split("\n").filter((part) => part.startsWith("x"))).toHaveLength(100 - lost.lines);
});

test("when nobody can read any more, writing and draining end at once", async () => {
  const writer = new LineWriter(writeEnd);
  closeSync(readEnd);
  writer.write("hello\n");
  await writer.drained(60_000);
  writer.write("again\n");
  await writer.drained(60_000);
  writer.writeNow();
}, 30_000);

function read(): string {
  const bytes = Buffer.alloc(1_000_000);
  let text = "";
  try {
    for (let count = 1; count > 0; text += bytes.toString("latin1", 0, count)) count = readSync(readEnd, bytes);
  } catch {
    // Nothing there now.
  }
  return text;
}
