/** Media before the answer: forks (RFC 3960), P-Early-Media (RFC 5009). What the relay is told is judged, and both legs. */
import { afterEach, expect, test } from "vitest";
import type { Trust } from "../../../src/base/index.ts";
import { expectNoLeaks } from "../../support/leak-check.ts";
import { audio, bodyOf, headerOf } from "../../support/scripted-party.ts";
import { ALICE, BOB, type Stage, twoSides } from "../../support/stage.ts";
import { NOTHING } from "./scenes.ts";

let stage: Stage;
let alice: ReturnType<typeof twoSides>["alice"];
let bob: ReturnType<typeof twoSides>["bob"];

afterEach(() => {
  stage.pass(300_000);
  expect(stage.remains()).toEqual(NOTHING);
  expectNoLeaks(stage);
});

const fork = (port: number): string => audio(BOB.ip, { port });
const A = { fork: "-a", sdp: fork(7000) };
const B = { fork: "-b", sdp: fork(7100) };

test("several 183: the relay follows the latest, and the one that answers", () => {
  calling();
  bob.answer(183, A);
  expect(heard()).toEqual({ from: 7000, forward: true, backward: true });
  bob.answer(183, B);
  expect(heard().from).toBe(7100);
  bob.answer(180, { fork: "-a" }); // Without SDP: nothing changes.
  expect(heard().from).toBe(7100);
  bob.answer(200, A);
  expect(heard().from).toBe(7000);
  hangUp();
});

test("each change of fork forgets where the one before sent from: a stranger's media is not mixed in", () => {
  calling();
  bob.answer(183, A);
  bob.answer(183, B);
  const last = stage.relay.at(-1);
  expect(last).toMatchObject({
    word: "change",
    side: 1,
    set: { relatch: true, remote: { ip: BOB.ip, rtpPort: 7100 } },
  });
  bob.answer(200, B);
  hangUp();
});

test("180 without SDP behind a 183 with it keeps the media, and takes nothing from the 200", () => {
  calling();
  bob.answer(183, A);
  bob.answer(180, { fork: "-a" });
  expect(bodyOf(alice.response("INVITE"))).toBe("");
  expect(heard()).toEqual({ from: 7000, forward: true, backward: true });
  bob.answer(200, A);
  expect(bodyOf(alice.response("INVITE"))).toContain("203.0.113.1");
  hangUp();
});

test("199: the fork that is gone is not heard any more, another one that described its media is", () => {
  calling();
  bob.answer(183, A);
  bob.answer(183, B);
  bob.answer(199, { fork: "-b" });
  expect(heard().from).toBe(7000);
  bob.answer(200, A);
  hangUp();
});

test.each([
  ["199", true],
  ["timer", false],
])("199 to a caller that supports %s: told %s", (option, told) => {
  calling("full", [`Supported: ${option}`]);
  bob.answer(183, A);
  bob.answer(183, B);
  bob.answer(199, { fork: "-b" });
  expect(alice.response("INVITE").startsWith("SIP/2.0 199 ")).toBe(told);
  bob.answer(200, A);
  hangUp();
});

test("P-Early-Media crosses between trusted sides, both ways", () => {
  calling("peer", ["P-Early-Media: supported"]);
  expect(headerOf(bob.asked("INVITE"), "P-Early-Media")).toBe("supported");
  bob.answer(183, { ...A, headers: ["P-Early-Media: sendonly"] });
  expect(headerOf(alice.response("INVITE"), "P-Early-Media")).toBe("sendonly");
  bob.answer(200, A);
  hangUp();
});

test("toward a side without trust it does not cross, and the box holds back what it does not authorise", () => {
  calling("none", ["P-Early-Media: supported"]);
  expect(headerOf(bob.asked("INVITE"), "P-Early-Media")).toBe("");
  bob.answer(183, { ...A, headers: ["P-Early-Media: sendonly"] });
  expect(headerOf(alice.response("INVITE"), "P-Early-Media")).toBe("");
  expect(heard()).toEqual({ from: 7000, forward: false, backward: true });
  bob.answer(200, A);
  expect(heard()).toEqual({ from: 7000, forward: true, backward: true });
  hangUp();
});

test("each word opens and closes its directions, a later message changes them, one without the header does not", () => {
  calling();
  const states = [
    ["inactive", { forward: false, backward: false }],
    ["recvonly", { forward: true, backward: false }],
    ["sendrecv", { forward: true, backward: true }],
    ["sendonly, gated", { forward: false, backward: true }],
    ["gated", { forward: false, backward: true }], // No direction: no word on it.
    ["nonsense;;", { forward: false, backward: true }],
  ] as const;
  for (const [value, open] of states) {
    bob.answer(183, { ...A, headers: [`P-Early-Media: ${value}`] });
    expect(heard(), value).toEqual({ from: 7000, ...open });
  }
  bob.answer(180, { fork: "-a" });
  expect(heard().forward).toBe(false);
  bob.answer(200, A);
  expect(heard()).toEqual({ from: 7000, forward: true, backward: true });
  hangUp();
});

test("one word for each m-line, the last one for the rest", () => {
  const video = (port: number): string => `m=video ${port} RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n`;
  calling("none", [], audio(ALICE.ip) + video(4002));
  bob.answer(183, { sdp: fork(7000) + video(7002), headers: ["P-Early-Media: sendrecv, inactive"] });
  expect(heard()).toMatchObject({ forward: true, backward: true });
  expect(heard("video")).toMatchObject({ forward: false, backward: false });
  bob.answer(200, { sdp: fork(7000) + video(7002) });
  expect(heard("video")).toMatchObject({ forward: true, backward: true });
  hangUp();
});

test("a word that comes before the description counts from the first packet on", () => {
  calling();
  bob.answer(180, { fork: "-a", headers: ["P-Early-Media: inactive"] });
  bob.answer(183, A);
  expect(heard()).toEqual({ from: 7000, forward: false, backward: false });
  bob.answer(200, A);
  hangUp();
});

test("a fork that may not be heard does not take the relay from one that may, until it may", () => {
  calling();
  bob.answer(183, { ...A, headers: ["P-Early-Media: sendrecv"] });
  bob.answer(183, { ...B, headers: ["P-Early-Media: inactive"] });
  expect(heard()).toEqual({ from: 7000, forward: true, backward: true });
  expect(bodyOf(alice.response("INVITE"))).toContain("203.0.113.1"); // Alice has its answer all the same.
  bob.answer(183, { fork: "-b", headers: ["P-Early-Media: sendonly"] });
  expect(heard()).toEqual({ from: 7100, forward: false, backward: true });
  bob.answer(183, { fork: "-b", headers: ["P-Early-Media: inactive"] });
  expect(heard()).toEqual({ from: 7000, forward: true, backward: true });
  bob.answer(200, B);
  expect(heard()).toEqual({ from: 7100, forward: true, backward: true });
  hangUp();
});

test("a side without trust authorises nothing and forbids nothing", () => {
  calling("none", [], audio(ALICE.ip), "none");
  bob.answer(183, { ...A, headers: ["P-Early-Media: inactive"] });
  expect(heard()).toEqual({ from: 7000, forward: true, backward: true });
  bob.answer(200, A);
  hangUp();
});

test("an UPDATE of the callee's side opens what its 183 kept closed", () => {
  calling("none", ["Supported: 100rel"]);
  bob.answer(183, { ...A, headers: ["Require: 100rel", "RSeq: 1", "P-Early-Media: inactive"] });
  alice.prack();
  bob.answer(200, { method: "PRACK" });
  expect(heard().backward).toBe(false);
  bob.request("UPDATE", { headers: ["P-Early-Media: sendrecv"] });
  expect(heard()).toEqual({ from: 7000, forward: true, backward: true });
  alice.answer(200, { method: "UPDATE" });
  bob.answer(200, { fork: "-a" });
  hangUp();
});

test("the next target after a failure is heard as its own words say", () => {
  const next = { ip: "10.9.0.8", port: 5060 };
  ({ stage, alice, bob } = twoSides({ insideTargets: [BOB, next] }));
  const other = stage.party("other", { realm: "inside", ...next });
  alice.invite("4711");
  bob.answer(183, { ...A, headers: ["P-Early-Media: inactive"] });
  bob.answer(503);
  other.answer(183, { sdp: audio(next.ip, { port: 7200 }) });
  expect(heard()).toEqual({ from: 7200, forward: true, backward: true });
  other.answer(200, { sdp: audio(next.ip, { port: 7200 }) });
  alice.ack();
  alice.request("BYE");
  other.answer(200, { method: "BYE" });
});

test("an early session (RFC 3959) is none of the call's: the answer is still to come", () => {
  calling();
  bob.answer(183, { ...A, headers: ["Content-Disposition: early-session"] });
  expect(bodyOf(alice.response("INVITE"))).toBe("");
  expect(stage.relay).toEqual([]);
  bob.answer(200, A);
  hangUp();
});

test("late offers of two forks: the first one is answered, the other is not even acknowledged", () => {
  ({ stage, alice, bob } = twoSides());
  alice.invite("4711", { headers: ["Supported: 100rel"] });
  const reliable = ["Require: 100rel", "RSeq: 1"];
  bob.answer(183, { ...A, headers: reliable });
  const seen = alice.got.length;
  bob.answer(183, { ...B, headers: reliable });
  expect(alice.got).toHaveLength(seen);
  alice.prack({ sdp: audio(ALICE.ip) });
  bob.answer(200, { method: "PRACK" });
  expect(heard().from).toBe(7000);
  bob.answer(200, { fork: "-a" });
  hangUp();
});

function calling(
  trust: Trust = "none",
  headers: readonly string[] = [],
  sdp: string = audio(ALICE.ip),
  inside: Trust = "full",
): void {
  ({ stage, alice, bob } = twoSides({
    change: (settings) => ({
      ...settings,
      realms: new Map(
        [...settings.realms].map(([name, realm]) => [name, { ...realm, trust: name === "inside" ? inside : trust }]),
      ),
    }),
  }));
  alice.invite("4711", { sdp, headers });
}

function hangUp(): void {
  alice.ack();
  alice.request("BYE");
  bob.answer(200, { method: "BYE" });
}

/** Where the relay takes the callee's media from, and what it lets pass. */
function heard(kind: "audio" | "video" = "audio"): { from: number | undefined; forward: boolean; backward: boolean } {
  const opened = stage.relay.findLast((command) => command.word === "open" && command.kind === kind);
  let [from, forward, backward]: [number | undefined, boolean, boolean] = [undefined, false, false];
  for (const command of stage.relay) {
    if (command.pair !== opened?.pair) continue;
    if (command.word === "open") {
      from = command.sides[1].remote?.rtpPort;
      forward = command.sides[0].receive && command.sides[1].send;
      backward = command.sides[1].receive && command.sides[0].send;
    } else if (command.word === "change") {
      const { remote, receive, send } = command.set;
      if (command.side === 1 && remote !== undefined) from = remote.rtpPort;
      if (command.side === 0 && receive !== undefined) [forward, backward] = [receive, send === true];
      if (command.side === 1 && receive !== undefined) expect([send, receive]).toEqual([forward, backward]);
    }
  }
  return { from, forward, backward };
}
