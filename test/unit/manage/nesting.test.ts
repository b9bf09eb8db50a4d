import { expect, test } from "vitest";
import { faultText, readSettings } from "../../../src/manage/index.ts";

test.each(["[", '{"a":'])("nesting without end (%s) is a fault with a place, not a crash", (open) => {
  const loaded = readSettings("/etc/test.jsonc", `\n${open.repeat(100_000)}`, 0);
  expect(loaded.ok ? [] : loaded.faults.map(faultText)).toEqual([
    expect.stringMatching(/^\/etc\/test\.jsonc:2:\d+: \(file\): more than 32 values stand one in another; close some/),
  ]);
});
