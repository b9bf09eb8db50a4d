import { expect, test } from "vitest";
import { withoutPasswords } from "../../../src/base/index.ts";
import { leastCpuMs } from "../../support/cpu-time.ts";

test.each([
  ["sip:bob:hunter2@host", "sip:bob:…@host"],
  ['URI "SIPS:bob:hunter2@@host" has no valid host', 'URI "SIPS:bob:…@@host" has no valid host'],
  ["<sip:a:one@x>, <sip:b:two@y>;p=1", "<sip:a:…@x>, <sip:b:…@y>;p=1"],
  ["INVITE sip:a:b:c%20d@x SIP/2.0", "INVITE sip:a:…@x SIP/2.0"],
  ["sip:host:5060 by sip:bob@host", "sip:host:5060 by sip:bob@host"],
  ["sip:10.0.0.1:5060", "sip:10.0.0.1:5060"],
  ["", ""],
])("%s shows as %s", (text, shown) => {
  expect(withoutPasswords(text)).toBe(shown);
});

test("a long text costs one pass", () => {
  const text = "sip:".repeat(50_000);
  const look = (): void => {
    for (const hostile of [`${text}@x`, text.replaceAll(":", ":@"), "@".repeat(200_000)]) withoutPasswords(hostile);
  };
  expect(leastCpuMs(1_000, look)).toBeLessThan(1_000);
});
