import { expect, test } from "vitest";
import { Pauses } from "../../../src/io/pauses.ts";

const SLEEP_MS = 300;
/** The machine may stop us for as long as we sleep: that is a pause. Not each time. */
const GOES = 20;

test("a pause of the event loop is seen, about as long as it was", async () => {
  const pauses = new Pauses();
  pauses.start();
  await new Promise((resolve) => setTimeout(resolve, 20)); // It counts from its second look on.
  const end = performance.now() + 80;
  while (performance.now() < end);
  await new Promise((resolve) => setTimeout(resolve, 20));
  const { longestMs, lastMinuteMs, lastMinuteWorkMs } = pauses.view();
  pauses.stop();
  expect(longestMs).toBeGreaterThan(60);
  expect(lastMinuteWorkMs).toBeGreaterThan(0);
  expect(lastMinuteWorkMs).toBeLessThanOrEqual(longestMs + 1);
  expect(lastMinuteMs).toBe(longestMs);
});

test("each turn counts: most are short, and sleep is no pause", async () => {
  let longest = Number.POSITIVE_INFINITY;
  for (let go = 0; go < GOES && longest >= SLEEP_MS; go++) {
    const pauses = new Pauses();
    pauses.start();
    for (let turn = 0; turn < 300; turn += 1) await new Promise(setImmediate);
    await new Promise((resolve) => setTimeout(resolve, SLEEP_MS));
    const { longestMs, p99Ms } = pauses.view();
    pauses.stop();
    expect(p99Ms).toBeLessThanOrEqual(longestMs);
    longest = longestMs;
  }
  expect(longest).toBeLessThan(SLEEP_MS);
});
