/** Dialogs turned inside out: requests after the end, at once, out of order, and a callee with too much to say. */
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { headerOf, sdpOf, statusOf } from "../../support/sip-party.ts";
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

test("a stranger who knows a call's every tag cannot take it over by Replaces", async () => {
  const talk = await siege.carrier.call(siege.outside);
  const asked = siege.pbx.received.findLast((message) => message.startsWith("INVITE ")) ?? "";
  const outer = replaces(headerOf(talk.answer, "Call-ID"), tagOf(talk.answer, "To"), tagOf(talk.answer, "From"));
  const inner = replaces(headerOf(asked, "Call-ID"), "callee", tagOf(asked, "From"));
  const asks = (): readonly string[] =>
    [...siege.pbx.received, ...siege.carrier.received].filter((message) => /^(?:INVITE|BYE|CANCEL) /.test(message));
  const before = asks().length;
  for (const header of [outer, inner]) {
    const headers = [header, "Require: replaces"];
    const text = siege.stranger.request("INVITE", siege.outside, { headers, body: siege.stranger.sdp });
    expect(statusOf(await siege.stranger.ask(text, siege.outside))).toBe(403);
  }
  await siege.talksBothWays(talk);
  expect(asks()).toHaveLength(before);
  await talk.hangUp();
});

test("a callee who challenges whatever comes gets no credentials, and the challenge of one side is not the other's", async () => {
  const { carrier, outside, pbx } = siege;
  const talk = await carrier.call(outside);
  pbx.answers = () => ({ status: '401 Unauthorized\r\nWWW-Authenticate: Digest realm="SMUGGLED", nonce="1"' });
  expect(statusOf(await talk.ask("INVITE", { body: carrier.sdp }))).toBeGreaterThanOrEqual(400);
  expect(statusOf(await talk.ask("BYE"))).toBeLessThan(500);
  await siege.empty();
  expect(pbx.received.filter((message) => /^(?:Proxy-)?Authorization:/im.test(message))).toEqual([]);
  expect(carrier.received.filter((message) => message.includes("SMUGGLED"))).toEqual([]);
});

test("a callee who answers a BYE never, or with nonsense, keeps no call", async () => {
  const { carrier, outside, pbx } = siege;
  for (const status of ["999 Nonsense", "100 Trying", "200", "301 Moved\r\nContact: <sip:a@127.91.0.66>"]) {
    const talk = await carrier.call(outside);
    pbx.answers = (request) => (request.startsWith("INVITE ") ? { status: "200 OK", body: pbx.sdp } : { status });
    await talk.hangUp();
  }
  expect(await siege.box.get("/calls")).toEqual([]);
});

const tagOf = (message: string, name: string): string => /;tag=([^;\s]+)/.exec(headerOf(message, name))?.[1] ?? "";
const replaces = (callId: string, toTag: string, fromTag: string): string =>
  `Replaces: ${callId};to-tag=${toTag};from-tag=${fromTag}`;

async function endAll(): Promise<void> {
  for (const { call } of await siege.box.get<{ call: string }[]>("/calls")) await end(call);
}

const end = (call: string): Promise<unknown> => siege.box.remove(`/calls/${call}`);
