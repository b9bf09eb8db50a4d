import { expect, test, vi } from "vitest";
import { type Fact, Secret } from "../../../src/base/index.ts";
import { logTo } from "../../../src/manage/index.ts";

test("a fact is one line: its name is the message, its members stand beside it", () => {
  const { log, lines } = logInto();
  log.fact({ fact: "peer.down", peer: "pbx", target: "udp:127.0.0.1:5080", reason: "timeout" });
  expect(lines()).toEqual([
    {
      level: "warn",
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      peer: "pbx",
      target: "udp:127.0.0.1:5080",
      reason: "timeout",
      msg: "peer.down",
    },
  ]);
});

test("a fact is written as its members are, whatever their order; what is undefined is left out", () => {
  const { log, lines, raw } = logInto();
  const party = { realm: "outside", peer: undefined, user: 'a"b', callId: "1@x", remote: "127.0.0.1:5060" };
  log.fact({ fact: "call.started", call: "c1", from: party, to: party });
  const shown = '{"realm":"outside","user":"a\\"b","callId":"1@x","remote":"127.0.0.1:5060"}';
  expect(raw()).toMatch(/^\{"level":"info","time":"[^"]+","call":/);
  expect(raw().slice(raw().indexOf(',"call"'))).toBe(
    `,"call":"c1","from":${shown},"to":${shown},"msg":"call.started"}\n`,
  );
  log.fact({ peer: "pbx", target: "udp:127.0.0.1:5080", reason: "timeout", fact: "peer.up" });
  log.line("info", "stopped");
  const [, second, third] = lines() as Record<string, unknown>[];
  expect(Object.keys(second as object)).toEqual(["level", "time", "peer", "target", "reason", "msg"]);
  expect(Object.keys(third as object)).toEqual(["level", "time", "msg"]);
});

test("facts wait for each other, each with its own time, and never behind a line that came after them", () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  try {
    const due: (() => void)[] = [];
    const { log, lines } = logInto((write) => due.push(write));
    const silent = (call: number): void =>
      log.fact({ fact: "media.silent", call: `${call}`, side: "caller", stream: 0 });
    vi.setSystemTime(1_000);
    silent(1);
    vi.setSystemTime(1_007);
    silent(2);
    expect(lines()).toEqual([]);
    due.shift()?.();
    expect(lines()).toMatchObject([
      { call: "1", time: "1970-01-01T00:00:01.000Z" },
      { call: "2", time: "1970-01-01T00:00:01.007Z" },
    ]);
    silent(3);
    vi.setSystemTime(1_009);
    log.line("info", "stopped");
    expect(lines().slice(2)).toMatchObject([
      { call: "3", time: "1970-01-01T00:00:01.007Z" },
      { msg: "stopped", time: "1970-01-01T00:00:01.009Z" },
    ]);
    due.shift()?.();
    expect(lines()).toHaveLength(4);
  } finally {
    vi.useRealTimers();
  }
});

test("no more than 64 facts wait", () => {
  const { log, lines } = logInto(() => {});
  for (let i = 0; i < 100; i++) log.fact({ fact: "media.silent", call: `${i}`, side: "caller", stream: 0 });
  expect(lines()).toHaveLength(64);
});

test("a stranger gets 20 lines a second, and the next one tells how many were not shown", () => {
  const { log, lines, clock } = logInto();
  for (let i = 0; i < 100; i++) log.fact(bad("garbage"));
  expect(lines()).toHaveLength(20);
  clock.now = 1_000;
  log.fact(bad("garbage"));
  expect(lines().at(-1)).toMatchObject({ msg: "message.bad", notShown: 80 });
  log.fact(bad("garbage"));
  expect(lines().at(-1)).not.toHaveProperty("notShown");
});

test("so do many strangers, one line each", () => {
  const { log, lines } = logInto();
  for (let i = 0; i < 100; i++) log.fact({ fact: "source.limited", realm: "outside", source: `203.0.113.${i}` });
  expect(lines()).toHaveLength(20);
});

test("calls are always shown", () => {
  const { log, lines } = logInto();
  for (let i = 0; i < 100; i++) log.fact({ fact: "media.silent", call: `${i}`, side: "caller", stream: 0 });
  expect(lines()).toHaveLength(100);
});

test("a long text from the wire is cut, and what could break a line is escaped", () => {
  const { log, lines, raw } = logInto();
  log.fact(bad(`a\nb"${"x".repeat(10_000)}`));
  expect(lines()).toHaveLength(1);
  expect(raw().length).toBeLessThan(600);
});

test("the password of a URI does not show", () => {
  const { log, raw } = logInto();
  log.fact(bad(`no host in "sip:bob:hunter2@@x" ${"x".repeat(1_000)} sip:ann:hunter2@y`));
  expect(raw()).toContain("sip:bob:…@@x");
  expect(raw()).not.toContain("hunter2");
});

test("a line says when, to the millisecond, whatever the clock does", () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  try {
    const { log, lines } = logInto();
    const times = ["2026-12-31T23:59:59.999Z", "2027-01-01T00:00:00.000Z", "2027-01-01T00:00:00.007Z"];
    const back = "2026-12-31T23:59:59.080Z";
    for (const time of [...times, back]) {
      vi.setSystemTime(new Date(time));
      log.line("info", "ready");
    }
    expect(lines().map(({ time }) => time)).toEqual([...times, back]);
  } finally {
    vi.useRealTimers();
  }
});

test("a bug is fatal, has its stack, and does not flood", () => {
  const { log, lines } = logInto();
  for (let i = 0; i < 100; i++) log.bug(new Error("no such sip:a:hunter2@b"), "datagram");
  expect(lines()).toHaveLength(20);
  expect(lines()[0]).toMatchObject({ level: "fatal", msg: "bug", at: "datagram" });
  expect(lines()[0]?.["error"]).toMatch(/^Error: no such sip:a:…@b\n {4}at .*log\.test/);
  log.bug({ key: "x" }, "relay");
});

test("what waits is written when it is asked for, once", () => {
  const waiting: (() => void)[] = [];
  const { log, lines } = logInto((write) => waiting.push(write));
  log.fact(bad("one"));
  expect(lines()).toHaveLength(0);
  log.flush();
  for (const write of waiting) write();
  expect(lines().map(({ reason }) => reason)).toEqual(["one"]);
});

test("a secret does not show, even if somebody puts one into a line", () => {
  const { log, raw } = logInto();
  log.line("error", "oops", { key: new Secret("hunter2") });
  expect(raw()).not.toContain("hunter2");
});

const bad = (reason: string): Fact => ({ fact: "message.bad", realm: "outside", source: "192.0.2.1", reason });

function logInto(later?: (write: () => void) => void) {
  let text = "";
  const clock = { now: 0 };
  const log = logTo({ write: (line) => void (text += line) }, () => clock.now, later);
  const lines = (): Record<string, unknown>[] =>
    text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line));
  return { log, lines, clock, raw: () => text };
}
