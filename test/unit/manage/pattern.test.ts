import { expect, test } from "vitest";
import { Malformed } from "../../../src/manage/config/addresses.ts";
import { parsePattern } from "../../../src/manage/config/pattern.ts";

test.each([
  "^\\+?[0-9]+$",
  "^(?:00|\\+)49[1-9][0-9]{3,14}$",
  "^(0|\\+49)?30[0-9]*$",
  "^(?<country>[0-9]{2})x$",
  "^[^)(*+]+$",
  "^1\\(2\\)[\\]]+$",
  "^(ab){3}$",
  "^\\u{41}+$",
])("a dial plan's pattern is taken: %s", (text) => {
  expect(parsePattern(text)).toEqual(new RegExp(text, "u"));
});

test.each([
  ["^(a+)+$", "repeats a group"],
  ["^(a|a)*$", "repeats a group"],
  ["^(?:[0-9]*x?){2,}$", "repeats a group"],
  ["^((a?)b){9}$", "repeats a group"],
  ["^(([0-9]+))*$", "repeats a group"],
  ["^(?<n>(?:a|b)c)+$", "repeats a group"],
  ["^(a)\\1$", "refers back"],
  ["^(?<n>a)\\k<n>$", "refers back"],
  ["^(?=a)b$", "looks ahead"],
  ["(?<!a)b", "looks ahead"],
  [".*.*.*.*x", "more than 3"],
  ["a{0,40}b{0,40}c{0,40}d{0,40}", "more than 3"],
  ["(", "not a regular expression"],
  ["[z-a]", "not a regular expression"],
])("a pattern that could hang the box is refused: %s", (text, problem) => {
  const verdict = parsePattern(text);
  expect(verdict).toBeInstanceOf(Malformed);
  expect((verdict as Malformed).problem).toContain(problem);
});

test("whatever is taken answers a long hostile number at once", () => {
  for (const text of ["^[0-9]*[0-9]*[0-9]*$", "^(?:0|1)?.*1.*2.*3$"]) {
    const pattern = parsePattern(text) as RegExp;
    const start = performance.now();
    pattern.test(`${"1".repeat(256)}!`);
    // What is refused would take years; a busy machine may take its time.
    expect(performance.now() - start).toBeLessThan(10_000);
  }
});
