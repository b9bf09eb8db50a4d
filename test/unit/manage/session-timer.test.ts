/** `sessionTimer` and `limits.callSeconds` of the operator's file. */
import { expect, test } from "vitest";
import { faultText, readSettings } from "../../../src/manage/index.ts";

test("half an hour and a day, unless the operator says otherwise", () => {
  expect(timer("{}")).toEqual({ seconds: 1_800, minimumSeconds: 90 });
  expect(read("")).toMatchObject({ settings: { limits: { callSeconds: 86_400 } } });
  expect(read(`"limits": { "callSeconds": 0 },`)).toMatchObject({ settings: { limits: { callSeconds: 0 } } });
});

test("0 s switch session timers off", () => {
  expect(timer('{ "seconds": 0 }')).toEqual({ seconds: 0, minimumSeconds: 90 });
});

test("a minimum that stands alone raises the interval to it", () => {
  expect(timer('{ "minimum": 3600 }')).toEqual({ seconds: 3_600, minimumSeconds: 3_600 });
});

test("what is less than the RFC knows, or than the minimum beside it, is a fault with a place", () => {
  expect(timer('{ "minimum": 60 }')).toEqual([
    "x.jsonc:1:32: sessionTimer.minimum: 60 is out of range; write 90 to 86400",
  ]);
  expect(timer('{ "seconds": 100, "minimum": 120 }')).toEqual([
    "x.jsonc:1:32: sessionTimer.seconds: 100 s are less than the minimum of 120 s; write a longer time, or 0 for no session timers",
  ]);
});

function timer(text: string) {
  const loaded = read(`"sessionTimer": ${text},`);
  return loaded.ok ? loaded.settings.sessionTimer : loaded.faults.map(faultText);
}

/** 2026 in milliseconds: no certificate is looked at. */
const read = (members: string) =>
  readSettings(
    "x.jsonc",
    `{ ${members} "realms": { "a": { "trust": "full", "listen": ["udp:127.0.0.1:5060"], "media": { "address": "127.0.0.1", "ports": "20000-59999" }, "srtp": "off" } } }`,
    1_790_000_000_000,
  );
