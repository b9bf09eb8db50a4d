/** Dialogs turned inside out: requests after the end, at once, out of order, and a callee with too much to say. */
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { sdpOf, statusOf } from "../../support/sip-party.ts";
import { Siege } from "./siege.ts";

let siege: Siege;
beforeAll(async () => {
  siege = await Siege.start("dialogs");
});
afterAll(async () => {
  await siege.stop();
});
afterEach(async () => {
  siege.pbx.answers = (request) => ({
    status: "200 OK",
    ...(request.startsWith("INVITE ") && { body: siege.pbx.sdp }),
  });
  await siege.alive();
});

test("a re-INVITE, an UPDATE and a BYE after the BYE are told that the call is gone", async () => {
  const talk = await siege.carrier.call(siege.outside);
  await talk.hangUp();
  for (const method of ["INVITE", "UPDATE", "BYE", "INFO"]) {
    const answer = await talk.ask(method, method === "INVITE" ? { body: siege.carrier.sdp } : {});
    expect(statusOf(answer), method).toBe(481);
  }
  await siege.empty();
});

test("a CSeq that went back is 500, and the call goes on", async () => {
  const talk = await siege.carrier.call(siege.outside);
  await talk.ask("INFO");
  await talk.ask("INFO");
  const answer = await siege.carrier.ask(talk.write("INFO", {}, 2).replace(/CSeq: 2/, "CSeq: 1"), siege.outside);
  expect(statusOf(answer)).toBe(500);
  await siege.talksBothWays(talk);
  await talk.hangUp();
  await siege.empty();
});

test("two re-INVITEs at once: one is told to wait, the call stays", async () => {
  const talk = await siege.carrier.call(siege.outside);
  const pair = [1, 2].map(() => talk.write("INVITE", { body: siege.carrier.sdp }));
  const statuses = await Promise.all(pair.map((text) => siege.carrier.ask(text, siege.outside).then(statusOf)));
  expect(statuses.some((status) => status === 500 || status === 491)).toBe(true);
  await endAll();
  await siege.empty(40_000);
});

test("a callee that answers 183 again and again, each time otherwise, and then 200", async () => {
  const { carrier, outside, pbx } = siege;
  pbx.answers = (request) => {
    if (!request.startsWith("INVITE ")) return { status: "200 OK" };
    for (let port = 4_000; port < 4_040; port += 2)
      pbx.reply(request, "183 Session Progress", sdpOf(pbx.place.ip, port), `fork${port % 6}`);
    return { status: "200 OK", body: pbx.sdp };
  };
  const talk = await carrier.call(outside);
  await siege.talksBothWays(talk);
  await talk.hangUp();
  await siege.empty();
});

test("a callee that says 200 with a hundred tags: one call, and the others are ended", async () => {
  const { carrier, outside, pbx } = siege;
  pbx.answers = (request) => {
    if (!request.startsWith("INVITE ")) return { status: "200 OK" };
    for (let fork = 0; fork < 100; fork++) pbx.reply(request, "200 OK", pbx.sdp, `fork${fork}`);
    return undefined;
  };
  const talk = await carrier.call(outside);
  expect(await siege.box.get<object[]>("/calls")).toHaveLength(1);
  await talk.hangUp();
  await siege.empty(10_000);
});

async function endAll(): Promise<void> {
  for (const { call } of await siege.box.get<{ call: string }[]>("/calls")) await end(call);
}

const end = (call: string): Promise<unknown> => siege.box.remove(`/calls/${call}`);
