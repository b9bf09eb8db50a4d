/** The two figures as data: whatever comes in whatever order, everything ends, and ends once. */
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type JointEffect,
  type JointEvent,
  type JointRule,
  type JointState,
  jointFigure,
} from "../../../src/call/joint-state.ts";
import {
  type SubscriptionEffect,
  type SubscriptionEvent,
  type SubscriptionState,
  subscriptionFigure,
} from "../../../src/call/subscription-state.ts";
import {
  type TransferEffect,
  type TransferEvent,
  type TransferRule,
  type TransferState,
  transferFigure,
} from "../../../src/call/transfer-state.ts";
import { type LegEffect, type LegEvent, type LegRule, type LegState, legFigure } from "../../../src/leg/leg-state.ts";

const jointEvents = [...new Set(Object.values(jointFigure).flatMap((rules) => Object.keys(rules)))] as JointEvent[];
const legEvents = [...new Set(Object.values(legFigure).flatMap((rules) => Object.keys(rules)))] as LegEvent[];

test("a call: in any order of events, media and limits are given back once, and each leg is told at most once", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...jointEvents), { maxLength: 40 }), (events) => {
      const effects: JointEffect[] = [];
      let state: JointState = "setup";
      for (const event of events) {
        const rule: JointRule | undefined = jointFigure[state][event];
        if (rule === undefined) continue;
        state = rule[0];
        effects.push(...(rule.slice(1) as JointEffect[]));
      }
      const count = (...names: JointEffect[]): number => effects.filter((effect) => names.includes(effect)).length;
      expect(count("finish")).toBe(state === "over" ? 1 : 0);
      expect(count("refuse caller", "end caller")).toBeLessThanOrEqual(1);
      expect(count("end callee")).toBeLessThanOrEqual(1);
      expect(count("answer caller")).toBeLessThanOrEqual(1);
    }),
  );
});

test("a transfer: in any order of events it is told of once, joins at most once, and closes as it ends", () => {
  const events = [...new Set(Object.values(transferFigure).flatMap((rules) => Object.keys(rules)))] as TransferEvent[];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...events), { maxLength: 40 }), (order) => {
      const effects: TransferEffect[] = [];
      let state: TransferState = "waiting";
      for (const event of order) {
        const rule: TransferRule = transferFigure[state][event] ?? [state];
        const [next, ...more] = rule;
        state = next;
        effects.push(...more);
      }
      const count = (effect: TransferEffect): number => effects.filter((one) => one === effect).length;
      expect(count("close")).toBe(state === "over" ? 1 : 0);
      expect(count("tell end")).toBe(state === "waiting" || state === "asking" || state === "joining" ? 0 : 1);
      expect(count("join")).toBe(count("await BYE"));
      expect(count("join") + count("end target") + count("call off")).toBeLessThanOrEqual(2);
      if (state === "leaving") expect(count("join")).toBe(1);
    }),
  );
});

test("a call that is over absorbs everything", () => {
  for (const event of jointEvents) expect(jointFigure.over[event]).toBeUndefined();
});

test("every way out of a call tells both legs, but the one that ended it or told its own peer", () => {
  const own: Partial<Record<JointEvent, "caller" | "callee">> = {
    "caller BYE": "caller",
    "caller no ACK": "caller",
    "callee BYE": "callee",
    "callee refusal": "callee",
    "no way": "callee",
  };
  for (const [state, rules] of Object.entries(jointFigure)) {
    for (const [event, [next, ...effects]] of Object.entries(rules)) {
      // The far end belongs to another call by then, and the transfer lets the referrer go once it was told.
      if (next !== "over" || event === "transferred") continue;
      const side = own[event as JointEvent];
      const where = `${state}: ${event}`;
      const tells = (leg: "caller" | "callee"): boolean =>
        effects.includes(`end ${leg}`) || (leg === "caller" && effects.includes("refuse caller"));
      if (side !== "caller") expect(tells("caller"), where).toBe(true);
      if (side !== "callee") expect(tells("callee"), where).toBe(true);
    }
  }
});

test("a subscription: in any order of events it closes once, as it ends, and each end is told at most once", () => {
  const events = [
    ...new Set(Object.values(subscriptionFigure).flatMap((rules) => Object.keys(rules))),
  ] as SubscriptionEvent[];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...events), { maxLength: 40 }), (order) => {
      const effects: SubscriptionEffect[] = [];
      let state: SubscriptionState = "fresh";
      let awaits = false;
      for (const event of order) {
        const rule: readonly [SubscriptionState, ...SubscriptionEffect[]] = subscriptionFigure[state][event] ?? [state];
        const [next, ...more] = rule;
        state = next;
        effects.push(...more);
        if (more.includes("await NOTIFY")) awaits = true;
        if (more.includes("stop awaiting")) awaits = false;
        // Nobody waits for ever: something is running out in every state but the last and the very first.
        if (state === "leaving") expect(awaits).toBe(true);
        if (state === "live") expect(effects).toContain("watch expiry");
      }
      const count = (effect: SubscriptionEffect): number => effects.filter((one) => one === effect).length;
      expect(count("close")).toBe(state === "over" ? 1 : 0);
      expect(count("tell subscriber")).toBeLessThanOrEqual(1);
      expect(count("tell notifier")).toBeLessThanOrEqual(1);
    }),
  );
  for (const state of ["fresh", "live", "leaving"] as const) {
    expect(subscriptionFigure[state]["told to end"]?.[0]).toBe("over");
    expect(subscriptionFigure[state]["expired"]?.[0]).toBe("over");
  }
});

test("a leg: whatever comes, it sends at most one BYE, one CANCEL, one refusal, and closes once", () => {
  fc.assert(
    fc.property(
      fc.constantFrom<LegState>("invited", "inviting"),
      fc.array(fc.constantFrom(...legEvents), { maxLength: 40 }),
      (begin, events) => {
        const effects: LegEffect[] = [];
        let state = begin;
        for (const event of events) {
          const rule: LegRule | undefined = legFigure[state][event];
          if (rule === undefined) continue;
          state = rule[0];
          effects.push(...(rule.slice(1) as LegEffect[]));
        }
        for (const effect of ["send BYE", "send CANCEL", "refuse", "send ACK"] as const) {
          expect(effects.filter((one) => one === effect).length).toBeLessThanOrEqual(1);
        }
        expect(effects.filter((one) => one === "close").length).toBe(state === "gone" ? 1 : 0);
      },
    ),
  );
});

test("from every state a leg that is told to end, and whose peer then does what it owes, is gone", () => {
  const owed: Record<LegState, readonly LegEvent[]> = {
    invited: [],
    answering: [],
    answered: ["ACK", "BYE done"],
    parting: ["ACK", "BYE done"],
    inviting: ["3xx-6xx"],
    cancelling: ["2xx", "BYE done"],
    up: ["BYE done"],
    leaving: ["BYE done"],
    gone: [],
  };
  for (const [begin, events] of Object.entries(owed) as [LegState, LegEvent[]][]) {
    let state = begin;
    for (const event of ["end", ...events] as LegEvent[]) state = legFigure[state][event]?.[0] ?? state;
    expect(state, begin).toBe("gone");
  }
});
