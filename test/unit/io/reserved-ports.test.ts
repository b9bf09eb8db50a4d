import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { reservePorts } from "../../../src/io/reserved-ports.ts";

test("ranges among the ephemeral ports join the kernel's list, and leave it at the end", () => {
  const files = kernel("8080,9000-9010");
  const reservation = reservePorts(RANGES, files);
  expect(readFileSync(files.reserved, "utf8")).toBe("8080,9000-9010,30000-39999");
  reservation.release();
  expect(readFileSync(files.reserved, "utf8")).toBe("8080,9000-9010");
});

test("what is reserved already is left as it is, also at the end", () => {
  const files = kernel("20000-45000");
  reservePorts(RANGES, files).release();
  expect(readFileSync(files.reserved, "utf8")).toBe("20000-45000\n");
});

test("a list that somebody else changed meanwhile is not put back", () => {
  const files = kernel("");
  const reservation = reservePorts(RANGES, files);
  writeFileSync(files.reserved, "7,30000-39999\n");
  reservation.release();
  expect(readFileSync(files.reserved, "utf8")).toBe("7,30000-39999\n");
});

test("where the list cannot be written the operator is told which ports are at risk", () => {
  const files = kernel("");
  const { warning } = reservePorts(RANGES, { ...files, reserved: "/proc/self/stat" });
  expect(warning ?? "").toContain("30000-39999");
  expect(warning).not.toContain("20000");
});

/** The first lies outside the ephemeral ports. */
const RANGES = [
  { first: 20_000, last: 29_999 },
  { first: 30_000, last: 39_999 },
];

function kernel(reserved: string): { reserved: string; ephemeral: string } {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-ports-"));
  const files = { reserved: join(folder, "reserved"), ephemeral: join(folder, "ephemeral") };
  writeFileSync(files.reserved, `${reserved}\n`);
  writeFileSync(files.ephemeral, "32768\t60999\n");
  return files;
}
