import { expect, test } from "vitest";
import { type Attribute, preconditionsMet, preconditionsOf, readyAnswer } from "../../../src/sdp/index.ts";

const lines = (...texts: string[]): Attribute[] =>
  texts.map((text) => ({ name: text.slice(0, text.indexOf(":")), value: text.slice(text.indexOf(":") + 1) }));
const texts = (attributes: readonly Attribute[]): string[] => attributes.map(({ name, value }) => `${name}:${value}`);

const NOTHING_YET = lines(
  "curr:qos local none",
  "curr:qos remote none",
  "des:qos mandatory local sendrecv",
  "des:qos optional remote sendrecv",
);

test("mandatory lines are met by what there is, optional ones hold up nobody", () => {
  expect(preconditionsMet(NOTHING_YET)).toBe(false);
  expect(preconditionsMet(lines("curr:qos local send", "des:qos mandatory local sendrecv"))).toBe(false);
  expect(preconditionsMet(lines("curr:qos local send", "des:qos mandatory local send"))).toBe(true);
  expect(preconditionsMet(lines("curr:qos local sendrecv", "des:qos mandatory local recv"))).toBe(true);
  expect(preconditionsMet(lines("des:qos optional e2e sendrecv", "des:qos none local send"))).toBe(true);
  expect(preconditionsMet(lines("des:qos mandatory e2e sendrecv"))).toBe(false);
  expect(preconditionsMet(lines("curr:sec e2e sendrecv", "des:qos mandatory e2e sendrecv"))).toBe(false);
  expect(preconditionsMet([])).toBe(true);
});

test("RFC 3312 §5.2: the answer sees from its own end, and asks to hear of what is still to come", () => {
  expect(texts(readyAnswer(NOTHING_YET))).toEqual([
    "curr:qos remote none",
    "curr:qos local sendrecv",
    "des:qos mandatory remote sendrecv",
    "des:qos optional local sendrecv",
    "conf:qos remote sendrecv",
  ]);
  expect(texts(readyAnswer(lines("curr:qos e2e send", "des:qos mandatory e2e sendrecv")))).toEqual([
    "curr:qos e2e recv",
    "des:qos mandatory e2e sendrecv",
    "conf:qos e2e sendrecv",
  ]);
  expect(texts(readyAnswer(lines("curr:qos local sendrecv", "des:qos mandatory local sendrecv")))).toEqual([
    "curr:qos remote sendrecv",
    "des:qos mandatory remote sendrecv",
  ]);
  expect(readyAnswer(lines("rtpmap:0 PCMU/8000"))).toEqual([]);
});

test("lines that say more than RFC 3312 lets them say are not preconditions, and there are so many at most", () => {
  expect(preconditionsOf(lines("curr:qos local 10.0.0.1", "des:qos mandatory", "conf:QOS e2e send", "curr:x"))).toEqual(
    [],
  );
  expect(preconditionsOf(lines(...Array.from({ length: 100 }, () => "curr:qos e2e none")))).toHaveLength(16);
});
