/** What the caller is told when several were asked, and why: best response, causes, tables, peers that ask for quiet. */
import { expect, test } from "vitest";
import type { PeerSettings, Settings } from "../../../src/base/index.ts";
import { headerOf, headersOf } from "../../support/scripted-party.ts";
import { BOB, twoSides } from "../../support/stage.ts";
import { established, NOTHING, ringing } from "./scenes.ts";

const CAROL = { realm: "inside", ip: "10.9.0.8", port: 5060 } as const;

/** Carrier outside and PBX inside, each with its own wishes. */
const wish =
  (wishes: { readonly carrier?: Partial<PeerSettings>; readonly pbx?: Partial<PeerSettings> }) =>
  (settings: Settings): Settings => ({
    ...settings,
    peers: new Map(
      [...settings.peers].map(([name, peer]) => [name, { ...peer, ...wishes[name as "carrier" | "pbx"] }]),
    ),
  });

function twoTargets(change?: (settings: Settings) => Settings) {
  const scene = twoSides({ insideTargets: [BOB, CAROL], ...(change === undefined ? {} : { change }) });
  return { ...scene, carol: scene.stage.party("carol", CAROL) };
}

const told = (text: string): string => text.slice(8, text.indexOf("\r\n"));

test.each([
  [503, 404, "404 Not Found", "refused", "callee"],
  [408, 500, "408 Request Timeout", "no-answer", "callee"],
  [503, 401, "403 Forbidden", "refused", "callee"],
  [408, 603, "603 Decline", "refused", "callee"],
] as const)("%i from the first and %i from the second: %s", (first, second, status, cause, by) => {
  const { stage, alice, bob, carol } = twoTargets();
  alice.invite("4711");
  bob.answer(first);
  carol.answer(second, { headers: ['WWW-Authenticate: Digest realm="pbx.internal", nonce="1"'] });
  expect(told(alice.response("INVITE"))).toBe(status);
  expect(alice.response("INVITE")).not.toContain("internal");
  expect(stage.factsOf("call.ended")[0]).toMatchObject({ cause, by });
});

test("the first stays silent, the second is full: nobody spoke, and that is what the caller hears", () => {
  const { stage, alice, bob, carol } = twoTargets();
  alice.invite("4711");
  stage.pass(6_000);
  carol.answer(503);
  expect(told(alice.response("INVITE"))).toBe("408 Request Timeout");
  expect(headerOf(bob.asked("INVITE"), "Call-ID")).not.toBe("");
  expect(stage.factsOf("call.ended")[0]).toMatchObject({ cause: "no-answer", q850: 102 });
});

test("a target that asked for quiet by Retry-After gets no call until then; the caller gets 503 with what is left", () => {
  const { stage, alice, bob } = twoSides();
  alice.invite("1");
  bob.answer(503, { headers: ["Retry-After: 30"] });
  alice.ackRefusal();
  stage.pass(10_000);
  stage.look();
  alice.invite("2");
  expect(told(alice.response("INVITE"))).toBe("503 Service Unavailable");
  expect(headerOf(alice.response("INVITE"), "Retry-After")).toBe("20");
  alice.ackRefusal();
  expect(stage.look().filter((line) => line.includes("bob"))).toEqual([]);
  stage.pass(20_001);
  alice.invite("3");
  expect(stage.look().some((line) => line.endsWith("bob < INVITE"))).toBe(true);
});

test("a 503 without Retry-After asks for nothing: with nobody else to ask, the next call is tried", () => {
  const { stage, alice, bob } = twoSides();
  alice.invite("1");
  bob.answer(503);
  alice.ackRefusal();
  stage.look();
  alice.invite("2");
  expect(stage.look().some((line) => line.endsWith("bob < INVITE"))).toBe(true);
});

test("the second target is asked when the first one rests", () => {
  const { alice, bob, carol } = twoTargets();
  alice.invite("1");
  bob.answer(503, { headers: ["Retry-After: 30"] });
  carol.answer(486);
  alice.ackRefusal();
  const before = bob.got.length;
  alice.invite("2");
  carol.answer(404);
  expect(told(alice.response("INVITE"))).toBe("404 Not Found");
  expect(bob.got.length).toBe(before);
});

test("peers.X.responses: what this peer says is told in the operator's words", () => {
  const responses = new Map([[486, 603]]);
  const { stage, alice, bob } = ringing({ change: wish({ pbx: { responses } }) });
  bob.answer(486);
  expect(told(alice.response("INVITE"))).toBe("603 Decline");
  expect(stage.factsOf("leg.refused")[0]).toMatchObject({ status: 486 });
  expect(stage.factsOf("call.ended")[0]).toMatchObject({ cause: "busy", status: 603 });
});

test("Q.850 of a final response crosses, without a text that tells; the facts hold it", () => {
  const { stage, alice, bob } = ringing();
  bob.answer(500, { headers: ['Reason: Q.850;cause=38;text="trunk to pbx.internal down"'] });
  expect(headerOf(alice.response("INVITE"), "Reason")).toBe("Q.850;cause=38");
  expect(stage.factsOf("leg.refused")[0]).toMatchObject({ status: 500, q850: 38 });
  expect(stage.factsOf("call.ended")[0]).toMatchObject({ q850: 38 });
});

test("a cause that Q.850 does not have stays behind", () => {
  const { stage, alice, bob } = ringing();
  bob.answer(486, { headers: ["Reason: Q.850;cause=4711"] });
  expect(headersOf(alice.response("INVITE"), "Reason")).toEqual([]);
  expect(stage.factsOf("call.ended")[0]).toMatchObject({ q850: 17 });
});

test("a caller's peer that wants Q.850 gets it in refusals, the box's own among them", () => {
  const { stage, alice, bob } = ringing({ change: wish({ carrier: { reasons: "q850" } }) });
  bob.answer(404);
  expect(headersOf(alice.response("INVITE"), "Reason")).toEqual(["Q.850;cause=1"]);
  alice.ackRefusal();
  stage.unplug(bob);
  alice.invite("2");
  stage.pass(40_000);
  expect(told(alice.response("INVITE"))).toBe("408 Request Timeout");
  expect(headersOf(alice.response("INVITE"), "Reason")).toEqual(["Q.850;cause=102"]);
});

test("BYE: Q.850 alone becomes both for a peer that wants both; the record holds the cause", () => {
  const { stage, alice, bob } = established({ change: wish({ carrier: { reasons: "both" } }) });
  bob.request("BYE", { headers: ["Reason: Q.850;cause=41"] });
  expect(headerOf(alice.asked("BYE"), "Reason")).toBe("Q.850;cause=41, SIP;cause=503");
  alice.answer(200, { method: "BYE" });
  expect(stage.factsOf("call.ended")[0]).toMatchObject({ cause: "bye", by: "callee", q850: 41 });
  stage.pass(70_000);
  expect(stage.remains()).toEqual(NOTHING);
});

test("CANCEL: a SIP cause alone gets its Q.850 toward a peer that wants it, and none toward one that wants none", () => {
  const wanting = ringing({ change: wish({ pbx: { reasons: "q850" } }) });
  wanting.alice.cancel(["Reason: SIP;cause=603"]);
  expect(headerOf(wanting.bob.asked("CANCEL"), "Reason")).toBe("SIP;cause=603, Q.850;cause=21");
  expect(wanting.stage.factsOf("call.ended")[0]).toMatchObject({ cause: "cancelled", q850: 21 });
  const silent = ringing({ change: wish({ pbx: { reasons: "off" } }) });
  silent.alice.cancel(["Reason: SIP;cause=603"]);
  expect(headersOf(silent.bob.asked("CANCEL"), "Reason")).toEqual([]);
});

test("a plain call ends with normal clearing", () => {
  const { stage, alice, bob } = established();
  alice.request("BYE");
  expect(headerOf(bob.asked("BYE"), "Reason")).toMatch(/^Q\.850;cause=16/);
  expect(stage.factsOf("call.ended")[0]).toMatchObject({ q850: 16 });
});

test("a target that rests gets no MESSAGE either", () => {
  const { stage, alice, bob } = twoSides();
  alice.invite("1");
  bob.answer(503, { headers: ["Retry-After: 30"] });
  alice.ackRefusal();
  stage.look();
  alice.outside("MESSAGE", "4711", { body: { type: "text/plain", text: "hello" } });
  expect(alice.response("MESSAGE")).toMatch(/^SIP\/2\.0 503 /);
  expect(headerOf(alice.response("MESSAGE"), "Retry-After")).toBe("30");
  expect(stage.look().filter((line) => line.includes("bob"))).toEqual([]);
});

test("two Reasons on two lines are both heard, in a BYE and in a refusal", () => {
  const { stage, bob, alice } = established();
  bob.request("BYE", { headers: ["Reason: SIP;cause=503", "Reason: Q.850;cause=34"] });
  expect(headerOf(alice.asked("BYE"), "Reason")).toBe("SIP;cause=503, Q.850;cause=34");
  expect(stage.factsOf("call.ended")[0]).toMatchObject({ q850: 34 });
  const refused = ringing();
  refused.bob.answer(500, { headers: ["Reason: preemption;cause=1", "Reason: Q.850;cause=38"] });
  expect(refused.stage.factsOf("leg.refused")[0]).toMatchObject({ q850: 38 });
  expect(refused.stage.factsOf("call.ended")[0]).toMatchObject({ q850: 38 });
});
