import { expect, test } from "vitest";
import { KernelRandom } from "../../../src/io/kernel-random.ts";

test("words do not repeat across blocks, and every bit is thrown", () => {
  const random = new KernelRandom();
  const words = Array.from({ length: 5_000 }, () => random.uint32());
  expect(new Set(words).size).toBeGreaterThan(4_990); // 5 000 of 2^32: one pair in 300 runs.
  for (let bit = 0; bit < 32; bit++) {
    const ones = words.filter((word) => (word >>> bit) & 1).length;
    expect(ones).toBeGreaterThan(2_100); // Eleven standard deviations.
    expect(ones).toBeLessThan(2_900);
  }
});
