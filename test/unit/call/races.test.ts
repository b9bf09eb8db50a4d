/** Every race has one outcome, once: both legs end, the INVITE has one final answer, nothing is left. */
import { afterEach, expect, test } from "vitest";
import { audio, headerOf } from "../../support/scripted-party.ts";
import type { Stage } from "../../support/stage.ts";
import { ALICE, BOB, twoSides } from "../../support/stage.ts";
import { established, NOTHING, ringing, sdpOfBob } from "./scenes.ts";

let stage: Stage;

/** After each diary the box must be empty, and have told the end of its calls once. */
afterEach(() => {
  stage.pass(300_000);
  expect(stage.remains()).toEqual(NOTHING);
  expect(stage.factsOf("call.ended")).toHaveLength(stage.factsOf("call.started").length);
});

const ended = () => stage.factsOf("call.ended").map(({ cause, by, status }) => `${cause} ${by} ${status}`);

test("the caller cancels while it rings: 487 to it, CANCEL to the callee, both acknowledged", () => {
  const scene = ringing();
  ({ stage } = scene);
  scene.alice.cancel(['Reason: SIP;cause=200;text="Call completed elsewhere"']);
  scene.bob.answer(200, { method: "CANCEL" });
  scene.bob.answer(487);
  scene.alice.ackRefusal();
  expect(stage.look().slice(4)).toEqual([
    "0 alice > CANCEL",
    "0 alice < 200 CANCEL",
    "0 alice < 487",
    "0 bob < CANCEL",
    "0 bob > 200 CANCEL",
    "0 bob > 487",
    "0 bob < ACK",
    "0 alice > ACK",
  ]);
  expect(headerOf(scene.bob.asked("CANCEL"), "Reason")).toBe('SIP;cause=200;text="Call completed elsewhere"');
  expect(ended()).toEqual(["cancelled caller 487"]);
});

test("the caller cancels before the callee said anything: the CANCEL waits for its first 1xx", () => {
  const scene = twoSides();
  ({ stage } = scene);
  scene.alice.invite("4711");
  scene.alice.cancel();
  scene.alice.ackRefusal();
  expect(stage.look()).not.toContain("0 bob < CANCEL");
  stage.pass(100);
  scene.bob.answer(180);
  expect(stage.look()).toEqual(["100 bob > 180", "100 bob < CANCEL"]);
  scene.bob.answer(200, { method: "CANCEL" });
  scene.bob.answer(487);
  expect(ended()).toEqual(["cancelled caller 487"]);
});

test("what a caller asks before its ACK, when the callee has hung up already, does not cross any more", () => {
  const scene = ringing();
  ({ stage } = scene);
  scene.bob.answer(200, { sdp: sdpOfBob });
  scene.bob.request("BYE");
  expect(stage.look().slice(-2)).toEqual(["0 bob > BYE", "0 bob < 200 BYE"]);
  scene.alice.loseAck();
  scene.alice.request("MESSAGE", { body: { type: "text/plain", text: "lunch?" } });
  expect(stage.look()).toEqual(["0 alice > MESSAGE", "0 alice < 481 MESSAGE"]);
});

test("the callee's 200 overtakes the CANCEL: it gets ACK and BYE, the caller keeps its 487", () => {
  const scene = ringing();
  ({ stage } = scene);
  scene.alice.cancel();
  scene.alice.ackRefusal();
  stage.look();
  scene.bob.answer(200, { sdp: sdpOfBob });
  scene.bob.answer(200, { method: "BYE" });
  expect(stage.look()).toEqual(["0 bob > 200", "0 bob < ACK", "0 bob < BYE", "0 bob > 200 BYE"]);
  expect(ended()).toEqual(["cancelled caller 487"]);
});

test("the same with a Contact that must be looked up: one ACK, however often it was wanted meanwhile", () => {
  const scene = ringing({ names: { "phone.pbx.test": BOB.ip } });
  ({ stage } = scene);
  scene.alice.cancel();
  scene.alice.ackRefusal();
  stage.look();
  scene.bob.contactUri = "<sip:bob@phone.pbx.test>";
  scene.bob.answer(200, { sdp: sdpOfBob });
  scene.bob.answer(200, { method: "BYE" });
  expect(stage.look()).toEqual(["0 bob > 200", "0 bob < ACK", "0 bob < BYE", "0 bob > 200 BYE"]);
});

test("CANCEL after the 200 changes nothing", () => {
  const scene = ringing();
  ({ stage } = scene);
  scene.bob.answer(200, { sdp: sdpOfBob });
  scene.alice.cancel();
  scene.alice.ack();
  expect(ended()).toEqual([]);
  scene.alice.request("BYE");
  scene.bob.answer(200, { method: "BYE" });
  expect(ended()).toEqual(["bye caller 200"]);
});

test("BYE meets BYE: both get 200, and the call ends once", () => {
  const scene = established();
  ({ stage } = scene);
  stage.look();
  scene.alice.request("BYE");
  scene.bob.request("BYE");
  scene.bob.answer(200, { method: "BYE" });
  expect(stage.look()).toEqual([
    "0 alice > BYE",
    "0 alice < 200 BYE",
    "0 bob < BYE",
    "0 bob > BYE",
    "0 bob < 200 BYE",
    "0 bob > 200 BYE",
  ]);
  expect(ended()).toEqual(["bye caller 200"]);
});

test("the callee hangs up before the caller's ACK: the BYE to the caller waits for it", () => {
  const scene = ringing();
  ({ stage } = scene);
  scene.bob.answer(200, { sdp: sdpOfBob });
  scene.bob.request("BYE");
  expect(stage.look().filter((line) => line.includes("alice < BYE"))).toEqual([]);
  scene.alice.ack();
  expect(stage.look()).toEqual(["0 alice > ACK", "0 alice < BYE"]);
  scene.alice.answer(200, { method: "BYE" });
  expect(ended()).toEqual(["bye callee 200"]);
});

test("no ACK from the caller: its 200 is repeated for 32 s, then both legs get BYE", () => {
  const scene = ringing();
  ({ stage } = scene);
  scene.bob.answer(200, { sdp: sdpOfBob });
  stage.look();
  stage.pass(32_000);
  scene.alice.answer(200, { method: "BYE" });
  scene.bob.answer(200, { method: "BYE" });
  const diary = stage.look();
  expect(diary.filter((line) => line.endsWith("alice < 200"))).toHaveLength(10);
  expect(diary.slice(-4)).toEqual([
    "32000 alice < BYE",
    "32000 bob < BYE",
    "32000 alice > 200 BYE",
    "32000 bob > 200 BYE",
  ]);
  expect(ended()).toEqual(["no-ack undefined 200"]);
});

test("BYE during a re-INVITE: the re-INVITE gets 487, the other leg BYE", () => {
  const scene = established();
  ({ stage } = scene);
  scene.alice.request("INVITE", { sdp: sdpOfBob });
  stage.look();
  scene.bob.request("BYE");
  scene.alice.answer(200, { method: "BYE" });
  scene.bob.answer(487);
  expect(stage.look()).toEqual([
    "0 bob > BYE",
    "0 bob < 200 BYE",
    "0 alice < 487",
    "0 alice < BYE",
    "0 alice > 200 BYE",
    "0 bob > 487",
    "0 bob < ACK",
  ]);
  scene.alice.ackRefusal();
  expect(ended()).toEqual(["bye callee 200"]);
});

test("a re-INVITE after the BYE gets 481", () => {
  const scene = established();
  ({ stage } = scene);
  scene.alice.request("BYE");
  scene.bob.answer(200, { method: "BYE" });
  scene.alice.request("INVITE", { sdp: sdpOfBob });
  expect(scene.alice.response("INVITE")).toMatch(/^SIP\/2\.0 481 /);
  scene.alice.ackRefusal();
});

test("a BYE of the caller before the answer ends the early dialog, and its INVITE gets 487", () => {
  const scene = ringing();
  ({ stage } = scene);
  scene.alice.ack(); // Learns the early dialog; an ACK for nothing is absorbed.
  stage.look();
  scene.alice.request("BYE");
  scene.bob.answer(200, { method: "CANCEL" });
  scene.bob.answer(487);
  scene.alice.ackRefusal();
  expect(stage.look().slice(0, 4)).toEqual(["0 alice > BYE", "0 alice < 200 BYE", "0 alice < 487", "0 bob < CANCEL"]);
  expect(ended()).toEqual(["cancelled caller 487"]);
});

test("nobody answers within the Expires of the INVITE: the caller gets 487, the callee CANCEL", () => {
  const scene = twoSides();
  const { alice, bob } = scene;
  ({ stage } = scene);
  alice.invite("4711", { headers: ["Expires: 20"] });
  bob.answer(180);
  stage.pass(19_500);
  expect(() => bob.asked("CANCEL")).toThrow();
  stage.pass(600);
  bob.asked("CANCEL");
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 487 /);
  alice.ackRefusal();
  bob.answer(487);
  expect(ended()).toEqual(["no-answer undefined 487"]);
});

test("nobody answers: after three minutes of ringing the caller gets 408, the callee CANCEL", () => {
  const scene = ringing();
  ({ stage } = scene);
  stage.look();
  stage.pass(181_000);
  expect(stage.look()).toEqual(["181000 bob < CANCEL", "181000 alice < 408"]);
  scene.bob.answer(200, { method: "CANCEL" });
  scene.bob.answer(487);
  scene.alice.ackRefusal();
  expect(ended()).toEqual(["no-answer undefined 408"]);
});

test("a callee that never says anything: 408 after Timer B, and nothing is left", () => {
  const scene = twoSides();
  ({ stage } = scene);
  scene.alice.invite("4711");
  stage.look();
  stage.pass(32_000);
  scene.alice.ackRefusal();
  expect(stage.look().at(-2)).toBe("32000 alice < 408");
  expect(ended()).toEqual(["no-answer undefined 408"]);
});

test("a callee that took the call and is gone: its BYE is not answered, the call has ended all the same", () => {
  const scene = established();
  ({ stage } = scene);
  stage.unplug(scene.bob);
  scene.alice.request("BYE");
  expect(ended()).toEqual(["bye caller 200"]);
});

test("no media: both legs get BYE with the reason", () => {
  const scene = established();
  ({ stage } = scene);
  const open = stage.relay.find((command) => command.word === "open");
  stage.step({ in: "relay", event: { event: "silent", pair: open?.pair ?? 0, side: 0 } });
  scene.alice.answer(200, { method: "BYE" });
  scene.bob.answer(200, { method: "BYE" });
  expect(headerOf(scene.bob.asked("BYE"), "Reason")).toBe('Q.850;cause=41;text="No media"');
  expect(ended()).toEqual(["media-silent undefined 200"]);
});

test("a key comes to its end: a re-INVITE on that leg alone; at its end without a new one the call ends", () => {
  const scene = established();
  ({ stage } = scene);
  const pair = stage.relay.find((command) => command.word === "open")?.pair ?? 0;
  const ages = (packetsLeft: number, whose: "ours" | "theirs" = "ours"): void =>
    stage.step({ in: "relay", event: { event: "keyLifetime", pair, side: 1, whose, packetsLeft } });
  ages(6_000);
  scene.bob.answer(200, { method: "INVITE", sdp: sdpOfBob });
  expect(ended()).toEqual([]);
  ages(3_000);
  scene.bob.answer(488, { method: "INVITE" });
  ages(0, "theirs");
  scene.bob.answer(200, { method: "INVITE", sdp: sdpOfBob });
  expect(ended()).toEqual([]);
  ages(0);
  scene.alice.answer(200, { method: "BYE" });
  scene.bob.answer(200, { method: "BYE" });
  expect(headerOf(scene.bob.asked("BYE"), "Reason")).toContain("Key used up");
  expect(ended()).toEqual(["media-failed undefined 200"]);
});

test("consent of ICE that is lost is told, and ends the call as silence does", () => {
  const scene = twoSides();
  ({ stage } = scene);
  scene.alice.invite("4711");
  scene.bob.answer(200, { sdp: sdpOfBob });
  scene.alice.ack();
  const told = (): string[] =>
    stage.facts.flatMap((fact) => (fact.fact === "media.consent-lost" ? [`${fact.side} ${fact.stream}`] : []));
  const pair = stage.relay.find(({ word }) => word === "open")?.pair ?? 0;
  stage.step({ in: "relay", event: { event: "expired", pair, side: 0 } });
  expect(told()).toEqual(["caller 0"]);
  scene.alice.answer(200, { method: "BYE" });
  scene.bob.answer(200, { method: "BYE" });
  expect(ended()).toEqual(["media-silent undefined 200"]);
});

test("a camera is off: the call goes on, until the sound of the same phone is gone too", () => {
  const scene = twoSides();
  ({ stage } = scene);
  const video = (port: number): string => `m=video ${port} RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n`;
  scene.alice.invite("4711", { sdp: audio(ALICE.ip) + video(4002) });
  scene.bob.answer(200, { sdp: sdpOfBob + video(6002) });
  scene.alice.ack();
  const silent = (pair: number, side: 0 | 1): void =>
    stage.step({ in: "relay", event: { event: "silent", pair, side } });
  const pairs = stage.relay.filter(({ word }) => word === "open").map(({ pair }) => pair);
  expect(pairs).toHaveLength(2);
  silent(pairs[1] as number, 0);
  silent(pairs[0] as number, 1);
  expect(ended()).toEqual([]);
  stage.step({ in: "relay", event: { event: "heard", pair: pairs[1] as number, side: 0 } });
  silent(pairs[0] as number, 0);
  expect(ended()).toEqual([]);
  silent(pairs[1] as number, 0);
  scene.alice.answer(200, { method: "BYE" });
  scene.bob.answer(200, { method: "BYE" });
  expect(ended()).toEqual(["media-silent undefined 200"]);
});

test("the relay fails while it rings: the caller gets 500, the callee CANCEL", () => {
  const scene = twoSides();
  ({ stage } = scene);
  scene.alice.invite("4711");
  scene.bob.answer(183, { sdp: sdpOfBob });
  const open = stage.relay.find((command) => command.word === "open");
  stage.step({ in: "relay", event: { event: "failed", pair: open?.pair ?? 0, side: 0, reason: "bind" } });
  scene.bob.answer(200, { method: "CANCEL" });
  scene.bob.answer(487);
  scene.alice.ackRefusal();
  expect(scene.alice.response("INVITE")).toMatch(/^SIP\/2\.0 500 /);
  expect(ended()).toEqual(["media-failed undefined 500"]);
});

test("the operator ends a call that rings, and asking twice changes nothing", () => {
  const scene = ringing();
  ({ stage } = scene);
  stage.step({ in: "end-calls", cause: "operator" });
  stage.step({ in: "end-calls", cause: "operator" });
  scene.bob.answer(200, { method: "CANCEL" });
  scene.bob.answer(487);
  scene.alice.ackRefusal();
  expect(scene.alice.response("INVITE")).toMatch(/^SIP\/2\.0 480 /);
  expect(ended()).toEqual(["operator undefined 480"]);
});

test("after shutdown a new call gets 503, and a live one goes on", () => {
  const scene = established();
  ({ stage } = scene);
  stage.step({ in: "shutdown" });
  const other = stage.party("other", { realm: "inside", ip: "10.9.0.8", port: 5060 });
  other.invite("1");
  expect(other.response("INVITE")).toMatch(/^SIP\/2\.0 404 /); // Not a peer of any route: that comes first.
  other.ackRefusal();
  scene.bob.request("INFO");
  scene.alice.answer(200, { method: "INFO" });
  expect(scene.bob.response("INFO")).toMatch(/^SIP\/2\.0 200 /);
  scene.bob.request("BYE");
  scene.alice.answer(200, { method: "BYE" });
});

test("a 481 to a NOTIFY ends a subscription; the call goes on, until an INFO is not known either", () => {
  const scene = established();
  ({ stage } = scene);
  scene.bob.request("NOTIFY", { headers: ["Event: refer;id=7", "Subscription-State: active"] });
  expect(headerOf(scene.alice.asked("NOTIFY"), "Event")).toBe("refer"); // 7 is the CSeq of a REFER on bob's leg.
  scene.alice.answer(481, { method: "NOTIFY" });
  expect(scene.bob.response("NOTIFY")).toMatch(/^SIP\/2\.0 481 /);
  expect(ended()).toEqual([]);
  scene.bob.request("INFO");
  scene.alice.answer(481, { method: "INFO" });
  scene.alice.answer(481, { method: "BYE" });
  scene.bob.answer(200, { method: "BYE" });
  expect(ended()).toEqual(["unreachable undefined 200"]);
});

test("a BYE with no hop left is at its goal all the same", () => {
  const scene = established();
  ({ stage } = scene);
  scene.alice.request("BYE", { headers: ["Max-Forwards: 0"] });
  scene.bob.answer(200, { method: "BYE" });
  expect(ended()).toEqual(["bye caller 200"]);
});

test("a 481 to a request inside the dialog ends both legs", () => {
  const scene = established();
  ({ stage } = scene);
  scene.alice.request("INVITE", { sdp: sdpOfBob });
  scene.bob.answer(481);
  scene.alice.ackRefusal();
  scene.alice.answer(200, { method: "BYE" });
  scene.bob.answer(481, { method: "BYE" });
  expect(ended()).toEqual(["unreachable undefined 200"]);
});

test("an answer without media that one could use: the callee gets ACK and BYE, the caller 488", () => {
  const scene = ringing();
  ({ stage } = scene);
  stage.look();
  scene.bob.answer(200);
  scene.bob.answer(200, { method: "BYE" });
  scene.alice.ackRefusal();
  expect(stage.look()).toEqual([
    "0 bob > 200",
    "0 bob < ACK",
    "0 bob < BYE",
    "0 alice < 488",
    "0 bob > 200 BYE",
    "0 alice > ACK",
  ]);
  expect(ended()).toEqual(["protocol-error callee 488"]);
});

test("a 200 to a re-INVITE that crosses our BYE is acknowledged all the same", () => {
  const scene = established();
  ({ stage } = scene);
  scene.alice.request("INVITE", { sdp: sdpOfBob });
  scene.alice.request("BYE");
  scene.alice.ackRefusal();
  stage.look();
  scene.bob.answer(200, { sdp: sdpOfBob });
  scene.bob.answer(200, { method: "BYE" });
  expect(stage.look()).toEqual(["0 bob > 200", "0 bob < ACK", "0 bob > 200 BYE"]);
});
