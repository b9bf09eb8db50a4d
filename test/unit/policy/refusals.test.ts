/** What a refusal becomes on its way to the caller: the best of several, Q.850 and SIP causes, the operator's table. */
import { expect, test } from "vitest";
import {
  causeOfStatus,
  endsSearch,
  mapStatus,
  q850Of,
  rankOf,
  reasonHeadersToward,
  reasonToward,
  statusOfCause,
} from "../../../src/policy/index.ts";

/** Asked in this order; what is told when the later counts among equals. */
const best = (...statuses: number[]): number =>
  statuses.reduce((held, next) => (rankOf(next) <= rankOf(held) ? next : held));

test.each([
  [[503, 486], 486],
  [[486, 503], 486],
  [[404, 486], 486],
  [[408, 500], 408],
  [[408, 480], 480],
  [[480, 408], 480],
  [[484, 486], 484],
  [[486, 420, 404], 420],
  [[401, 486], 486],
  [[407, 404], 404],
  [[401, 503], 401],
  [[415, 603], 603],
  [[503, 500], 500],
])("RFC 3261 §16.7: of %j the caller is told %i", (statuses, told) => {
  expect(best(...statuses)).toBe(told);
});

test("6xx and loops end the search, nothing else does", () => {
  expect([482, 483, 600, 603, 699].map(endsSearch)).toEqual([true, true, true, true, true]);
  expect([302, 404, 408, 486, 487, 500, 503].some(endsSearch)).toBe(false);
});

test.each([
  [404, 1],
  [480, 18],
  [484, 28],
  [486, 17],
  [503, 41],
  [504, 102],
  [603, 21],
  [488, 31],
  [699, 31],
])("RFC 3398 §8.2.6.1: %i is cause %i", (status, cause) => {
  expect(causeOfStatus(status)).toBe(cause);
});

test.each([
  [1, 404],
  [16, undefined],
  [17, 486],
  [18, 408],
  [19, 480],
  [21, 403],
  [34, 503],
  [102, 504],
  [44, 500],
  [127, 500],
])("RFC 3398 §7.2.4.1: cause %i is %s", (cause, status) => {
  expect(statusOfCause(cause)).toBe(status);
});

test.each([
  ["pass", "SIP;cause=486", "SIP;cause=486"],
  ["off", "SIP;cause=486", ""],
  ["q850", "SIP;cause=486", "SIP;cause=486, Q.850;cause=17"],
  ["q850", "Q.850;cause=19", "Q.850;cause=19"],
  ["sip", "Q.850;cause=17", "Q.850;cause=17, SIP;cause=486"],
  ["sip", 'Q.850;cause=17;text="a, b"', 'Q.850;cause=17;text="a, b", SIP;cause=486'],
  ["sip", "Q.850;cause=16", "Q.850;cause=16"],
  ["both", "SIP;cause=404", "SIP;cause=404, Q.850;cause=1"],
  ["both", "Q.850;cause=1", "Q.850;cause=1, SIP;cause=404"],
  ["both", "preemption;cause=1", "preemption;cause=1"],
  ["both", "", ""],
] as const)("Reason toward a peer with %s: %s reads %s", (policy, came, told) => {
  expect(reasonToward(policy, came)).toBe(told);
});

test("a value that cannot be read is left out, and there is an end to how many are looked at", () => {
  expect(reasonToward("q850", 'SIP;cause=486, ;;, "open')).toBe("SIP;cause=486, Q.850;cause=17");
  expect(reasonToward("sip", Array(50).fill("x;cause=1").join(",")).split(",")).toHaveLength(8);
});

test("in a response only the Q.850 cause is ever missing: its status is there (RFC 6432)", () => {
  const busy = [["Retry-After", "5"]] as const;
  expect(reasonHeadersToward("q850", busy, 486)).toEqual([...busy, ["Reason", "Q.850;cause=17"]]);
  expect(reasonHeadersToward("both", [["Reason", "Q.850;cause=34"]], 503)).toEqual([["Reason", "Q.850;cause=34"]]);
  expect(reasonHeadersToward("sip", busy, 486)).toEqual(busy);
  expect(reasonHeadersToward("off", [["Reason", "Q.850;cause=34"]], 503)).toEqual([]);
});

test("the record of a call holds the cause that was given, or the one of its status", () => {
  expect(q850Of('SIP;cause=486, Q.850;cause=20;text="x"', 486, true)).toBe(20);
  expect(q850Of("SIP;cause=486", 486, true)).toBe(17);
  expect(q850Of("SIP;cause=200", 487, false)).toBe(16);
  expect(q850Of("SIP;cause=503", 200, false)).toBe(41);
  expect(q850Of("SIP;cause=487", 487, false)).toBe(16);
  expect(q850Of("Q.850;cause=9999", 486, true)).toBe(17);
});

test("the operator's table goes before ours, for the statuses it names", () => {
  const table = new Map([
    [486, 603],
    [503, 480],
  ]);
  expect(mapStatus(486, table)).toEqual({ status: 603, reason: "Decline" });
  expect(mapStatus(503, table).status).toBe(480);
  expect(mapStatus(404, table).status).toBe(404);
  expect(mapStatus(407, table).status).toBe(403);
});
