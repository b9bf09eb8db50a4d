/** sipp on both sides: PRACK, UPDATE, re-INVITE, REFER, session timers and more, from outside to inside and back. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { Box, makeFolder, makeTls } from "../support/box.ts";
import { type Hosts, makeHosts } from "../support/network-namespaces.ts";
import { type Flow, flows, sessionTimer } from "../support/sipp-flows.ts";
import { type Direction, directions, type FlowRun, flowConfig, startFlow } from "../support/sipp-run.ts";

const CALLS = 20;
const CALLS_PER_SECOND = 10;

const folder = makeFolder("flows");
let hosts: Hosts;
let box: Box;
/** They take most of a minute, so the others run meanwhile. */
let timed: FlowRun[];

beforeAll(async () => {
  hosts = makeHosts("sypfl", 66);
  makeTls(folder);
  box = await Box.start(folder, flowConfig(hosts, [...flows, sessionTimer]), { netns: hosts.box });
  timed = directions.map((direction) => start(sessionTimer, direction));
}, 60_000);

afterAll(async () => {
  await box?.stop();
  hosts?.remove();
});

const start = (flow: Flow, direction: Direction): FlowRun =>
  startFlow({ folder, hosts, flow, direction, all: [...flows, sessionTimer], calls: CALLS, rate: CALLS_PER_SECOND });

const cases = directions.flatMap((direction) => flows.map((flow) => [flow.name, direction, flow] as const));

test.each(cases)(
  "%s, %s",
  async (_name, direction, flow) => {
    await expectSuccess(start(flow, direction));
  },
  100_000,
);

test("session timers: each leg is refreshed by whom it agreed on", async () => {
  for (const run of timed) await expectSuccess(run);
}, 100_000);

test("every call ended, and all that it held is free", async () => {
  const { calls, media } = await box.until<{ calls: { calls: number; dialogs: number }; media: { pairs: number } }>(
    "/status",
    (status) => status.calls.dialogs === 0 && status.media.pairs === 0,
  );
  expect({ calls: calls.calls, pairs: media.pairs }).toEqual({ calls: 0, pairs: 0 });
});

async function expectSuccess({ caller, callee }: FlowRun): Promise<void> {
  const [callerCode, calleeCode] = await Promise.all([caller.exited, callee.exited]);
  expect({ callerCode, calleeCode }, `${caller.output.slice(-2_000)}\n${callee.output.slice(-2_000)}`).toEqual({
    callerCode: 0,
    calleeCode: 0,
  });
}
