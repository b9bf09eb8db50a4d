/** The list and the tests are one: every purpose has its test, every test its purpose. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { listedPurposes } from "../../support/purposes.ts";

test("each purpose of the list has one test, and no test is without a purpose", () => {
  const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith(".test.ts"));
  const tested = files.flatMap((name) =>
    [...readFileSync(join(import.meta.dirname, name), "utf8").matchAll(/^ {2}(SIP_\w+): /gm)].map((match) => match[1]),
  );
  expect(tested.toSorted()).toEqual([...listedPurposes().keys()].toSorted());
  expect(tested.length).toBeGreaterThanOrEqual(200);
});
