import fc from "fast-check";
import { expect, test } from "vitest";
import { Agenda, type Millis, type Punctual, TimerTable } from "../../../src/base/index.ts";

test("the earliest timer comes out first, once", () => {
  const timers = new TimerTable<"A" | "B">();
  timers.set("B", 30);
  timers.set("A", 20);
  expect(timers.next()).toBe(20);
  expect(timers.takeDue(19)).toBeUndefined();
  expect(timers.takeDue(40)).toBe("A");
  expect(timers.takeDue(40)).toBe("B");
  expect(timers.takeDue(40)).toBeUndefined();
  expect(timers.next()).toBeUndefined();
});

test("an owner whose deadline moves later is called at the later time only", () => {
  const diary: string[] = [];
  const agenda = new Agenda();
  const owner = clock("a", diary);
  owner.at = 10;
  agenda.watch(owner);
  owner.at = 30;
  agenda.watch(owner);
  agenda.expire(10);
  agenda.expire(20);
  agenda.expire(30);
  expect(diary).toEqual(["30 a"]);
  expect(agenda.size).toBe(0);
});

test("an owner that stays due is called once a round, and does not hang the box", () => {
  const agenda = new Agenda();
  let calls = 0;
  agenda.watch({ nextDeadline: () => 5, expire: () => void calls++ });
  agenda.expire(5);
  expect(calls).toBe(1);
  expect(agenda.nextDeadline()).toBe(5);
});

test("an owner that another one drops in the same round is not called", () => {
  const diary: string[] = [];
  const agenda = new Agenda();
  const victim = clock("victim", diary);
  victim.at = 5;
  const killer: Punctual = {
    nextDeadline: () => (diary.length === 0 ? 5 : undefined),
    expire: () => {
      diary.push("killer");
      victim.at = undefined;
      agenda.drop(victim);
    },
  };
  agenda.watch(killer);
  agenda.watch(victim);
  agenda.expire(5);
  expect(diary).toEqual(["killer"]);
  expect(agenda.size).toBe(0);
});

test("an owner that throws is let go; those behind it have their turn", () => {
  const diary: string[] = [];
  const agenda = new Agenda();
  const broken: Clock = { ...clock("broken", diary), at: 10, nextDeadline: () => 10 };
  broken.expire = () => {
    throw new Error("bug");
  };
  const last = clock("last", diary);
  last.at = 10;
  for (const owner of [broken, last]) agenda.watch(owner);
  expect(() => agenda.expire(10)).toThrow("bug");
  expect(agenda.nextDeadline()).toBe(10);
  agenda.expire(11);
  expect(diary).toEqual(["11 last"]);
  expect(agenda.size).toBe(0);
});

test("whatever is set, moved and dropped: each deadline fires in order, never early, and nothing is left", () => {
  const step = fc.record({ owner: fc.nat(9), at: fc.option(fc.nat(1_000), { nil: undefined }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const diary: string[] = [];
      const agenda = new Agenda();
      const owners = Array.from({ length: 10 }, (_, index) => clock(String(index), diary));
      for (const { owner, at } of steps) {
        const chosen = owners[owner]!;
        chosen.at = at;
        agenda.watch(chosen);
      }
      const wanted = owners.filter((owner) => owner.at !== undefined).map((owner) => owner.at as Millis);
      for (let now = agenda.nextDeadline(); now !== undefined; now = agenda.nextDeadline()) agenda.expire(now);
      expect(diary.map((line) => Number(line.split(" ")[0]))).toEqual(wanted.sort((a, b) => a - b));
      expect(agenda.size).toBe(0);
    }),
  );
});

interface Clock extends Punctual {
  at: Millis | undefined;
}

/** Writes the time into the diary when its deadline comes, and has none after that. */
function clock(name: string, diary: string[]): Clock {
  const owner: Clock = {
    at: undefined,
    nextDeadline: () => owner.at,
    expire: (now) => {
      owner.at = undefined;
      diary.push(`${now} ${name}`);
    },
  };
  return owner;
}
