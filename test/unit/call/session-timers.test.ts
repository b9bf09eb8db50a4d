/** Session timers on both legs of a call: RFC 4028, each leg on its own. Alice calls from outside, bob is called inside. */
import { describe, expect, test } from "vitest";
import { audio, bodyOf, headerOf } from "../../support/scripted-party.ts";
import { ALICE, BOB, type StageOptions, twoSides } from "../../support/stage.ts";
import { NOTHING, sdpOfBob } from "./scenes.ts";

const HALF = 900_000;
const ALLOW = "Allow: INVITE, ACK, BYE, CANCEL, UPDATE";
const TIMER = "Supported: timer";

interface Cast {
  /** Headers of alice's INVITE and of bob's 200. */
  readonly alice?: readonly string[];
  readonly bob?: readonly string[];
  readonly timer?: { seconds: number; minimumSeconds: number };
  readonly callSeconds?: number;
}

function talking({ alice: ofAlice = [], bob: ofBob = [], ...wishes }: Cast = {}) {
  const scene = twoSides(withTimers(wishes));
  scene.alice.invite("4711", { sdp: audio(ALICE.ip), headers: ofAlice });
  scene.bob.answer(200, { sdp: sdpOfBob, headers: ofBob });
  scene.alice.ack();
  scene.stage.look();
  return scene;
}

const withTimers = ({ timer = { seconds: 1_800, minimumSeconds: 90 }, callSeconds = 86_400 }): StageOptions => ({
  change: (settings) => ({ ...settings, sessionTimer: timer, limits: { ...settings.limits, callSeconds } }),
});

const BY_BOB = [ALLOW, "Require: timer", "Session-Expires: 1800;refresher=uas"];
const BY_ALICE = [ALLOW, TIMER, "Session-Expires: 1800;refresher=uac"];

describe("what is agreed on", () => {
  test("our INVITE asks for the interval, names the shortest, and leaves the refresher open", () => {
    const { bob } = talking();
    const invite = bob.asked("INVITE");
    expect(headerOf(invite, "Session-Expires")).toBe("1800");
    expect(headerOf(invite, "Min-SE")).toBe("90");
    expect(headerOf(invite, "Supported")).toContain("timer");
  });

  test.each([
    { asked: "900;refresher=uac", supported: [TIMER], answered: "900;refresher=uac", require: "timer" },
    { asked: "900;refresher=uas", supported: [TIMER], answered: "900;refresher=uas", require: "timer" },
    { asked: "900", supported: [TIMER], answered: "900;refresher=uac", require: "timer" },
    { asked: "7200", supported: [TIMER], answered: "1800;refresher=uac", require: "timer" },
    { asked: "7200", supported: [TIMER, "Min-SE: 3600"], answered: "3600;refresher=uas", require: "timer" },
    { asked: "", supported: [TIMER], answered: "1800;refresher=uas", require: "timer" },
    { asked: "900", supported: [], answered: "900;refresher=uas", require: "" },
    { asked: "", supported: [], answered: "", require: "" },
  ])("asked $asked by one who says $supported: 200 says $answered", ({ asked, supported, answered, require }) => {
    const { alice } = talking({ alice: [...supported, ...(asked === "" ? [] : [`Session-Expires: ${asked}`])] });
    expect(headerOf(alice.response("INVITE"), "Session-Expires")).toBe(answered);
    expect(headerOf(alice.response("INVITE"), "Require")).toBe(require);
  });

  test("too short an interval gets 422 with ours, and nobody is called", () => {
    const { stage, alice } = twoSides(withTimers({ timer: { seconds: 1_800, minimumSeconds: 120 } }));
    alice.invite("4711", { sdp: audio(ALICE.ip), headers: [TIMER, "Session-Expires: 100"] });
    expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 422 Session Interval Too Small/);
    expect(headerOf(alice.response("INVITE"), "Min-SE")).toBe("120");
    expect(stage.look().filter((line) => line.includes("bob"))).toEqual([]);
  });

  test("an interval that cannot be read gets 400", () => {
    const { alice } = twoSides(withTimers({}));
    alice.invite("4711", { sdp: audio(ALICE.ip), headers: [TIMER, "Session-Expires: soon"] });
    expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 400 /);
  });

  test("a 422 is asked again once, with more", () => {
    const { stage, alice, bob } = twoSides(withTimers({}));
    alice.invite("4711");
    stage.look();
    bob.answer(422, { headers: ["Min-SE: 3600"] });
    expect(stage.look()).toEqual(["0 bob > 422", "0 bob < ACK", "0 bob < INVITE"]);
    const again = bob.asked("INVITE");
    expect(headerOf(again, "CSeq")).toBe("2 INVITE");
    expect(headerOf(again, "Session-Expires")).toBe("3600");
    expect(headerOf(again, "Min-SE")).toBe("3600");
    bob.answer(422, { headers: ["Min-SE: 7200"] });
    expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 500 /);
  });

  test("an UPDATE while it rings begins no session, however short", () => {
    const { stage, alice, bob } = twoSides(withTimers({ timer: { seconds: 90, minimumSeconds: 90 } }));
    alice.invite("4711", { sdp: audio(ALICE.ip), headers: ["Supported: 100rel"] });
    bob.answer(183, { sdp: sdpOfBob, headers: [ALLOW, "Require: 100rel", "RSeq: 1"] });
    alice.prack();
    bob.answer(200, { method: "PRACK" });
    alice.request("UPDATE", { sdp: audio(ALICE.ip, { version: 2 }) });
    expect(headerOf(bob.asked("UPDATE"), "Session-Expires")).toBe("");
    bob.answer(200, { method: "UPDATE", sdp: audio(BOB.ip, { port: 6000, version: 2 }) });
    stage.pass(170_000);
    expect(stage.factsOf("call.ended")).toEqual([]);
  });

  test("the second INVITE is answered like the first would have been", () => {
    const { stage, alice, bob } = twoSides(withTimers({}));
    alice.invite("4711");
    bob.answer(422, { headers: ["Min-SE: 3600"] });
    bob.answer(200, { sdp: sdpOfBob, headers: BY_BOB });
    alice.ack();
    expect(headerOf(bob.asked("ACK"), "CSeq")).toBe("2 ACK");
    stage.look();
    bob.request("BYE");
    expect(stage.look()).toEqual(["0 bob > BYE", "0 bob < 200 BYE", "0 alice < BYE"]);
  });

  test("switched off: nothing is offered, nothing is answered, and who requires it gets 420", () => {
    const off = { seconds: 0, minimumSeconds: 90 };
    const { stage, alice, bob } = talking({ timer: off, alice: BY_ALICE, callSeconds: 0 });
    expect(bob.asked("INVITE")).not.toMatch(/timer|Session-Expires|Min-SE/);
    expect(alice.response("INVITE")).not.toMatch(/timer|Session-Expires/);
    stage.pass(7 * 86_400_000);
    expect(stage.factsOf("call.ended")).toEqual([]);
    alice.invite("4712", { sdp: audio(ALICE.ip), headers: ["Require: timer"] });
    expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 420 /);
  });
});

describe("refreshes that we send", () => {
  test("to a peer that wants a longer interval than we do: at our own pace", () => {
    const { stage, alice } = talking({ alice: [ALLOW, TIMER, "Session-Expires: 7200", "Min-SE: 7200"], bob: BY_BOB });
    stage.pass(HALF);
    expect(stage.look()).toEqual([`${HALF} alice < UPDATE`]);
    expect(headerOf(alice.asked("UPDATE"), "Session-Expires")).toBe("7200;refresher=uac");
  });

  test("to a peer without timers that takes UPDATE: after half of the interval, without an offer, on that leg alone", () => {
    const { stage, alice, bob } = talking({ alice: BY_ALICE, bob: [ALLOW] });
    stage.pass(HALF);
    expect(stage.look()).toEqual([`${HALF} bob < UPDATE`]);
    expect(bodyOf(bob.asked("UPDATE"))).toBe("");
    expect(headerOf(bob.asked("UPDATE"), "Session-Expires")).toBe("1800");
    bob.answer(200, { method: "UPDATE" });
    alice.request("UPDATE", { headers: BY_ALICE });
    stage.look();
    stage.pass(HALF - 1);
    expect(stage.look()).toEqual([]);
    stage.pass(1);
    expect(stage.look()).toEqual([`${2 * HALF} bob < UPDATE`]);
  });

  test("when the peer has made us the refresher we say so", () => {
    const { stage, bob } = talking({
      alice: BY_ALICE,
      bob: [ALLOW, "Require: timer", "Session-Expires: 600;refresher=uac"],
    });
    stage.pass(300_000);
    expect(headerOf(bob.asked("UPDATE"), "Session-Expires")).toBe("600;refresher=uac");
  });

  test("to a peer that does not say UPDATE: a re-INVITE with the same o= line; the other leg hears nothing", () => {
    const { stage, bob } = talking({ alice: BY_ALICE });
    const before = bodyOf(bob.asked("INVITE"));
    stage.pass(HALF);
    expect(stage.look()).toEqual([`${HALF} bob < INVITE`]);
    expect(bodyOf(bob.asked("INVITE"))).toBe(before);
    bob.answer(200, { sdp: sdpOfBob });
    expect(stage.look()).toEqual([`${HALF} bob > 200`, `${HALF} bob < ACK`]);
    stage.pass(HALF);
    expect(bodyOf(bob.asked("INVITE"))).toBe(before);
  });

  test("to the caller it repeats what the caller was answered, on hold too", () => {
    const { stage, alice, bob } = talking({ bob: BY_BOB });
    bob.request("INVITE", { sdp: audio(BOB.ip, { port: 6000, version: 2, direction: "sendonly" }) });
    alice.answer(200, { sdp: audio(ALICE.ip, { version: 2, direction: "recvonly" }) });
    bob.ack();
    const held = bodyOf(alice.asked("INVITE"));
    expect(held).toContain("a=sendonly");
    stage.pass(HALF);
    expect(bodyOf(alice.asked("INVITE"))).toBe(held);
    alice.answer(200, { sdp: audio(ALICE.ip, { version: 2, direction: "recvonly" }) });
    expect(headerOf(alice.asked("ACK"), "CSeq")).toBe("2 ACK");
  });

  test("an answer that moved is followed: media goes to the new port", () => {
    const { stage, bob } = talking({ alice: BY_ALICE });
    stage.pass(HALF);
    stage.relay.length = 0;
    bob.answer(200, { sdp: audio(BOB.ip, { port: 6100, version: 2 }) });
    expect(JSON.stringify(stage.relay)).toContain('"rtpPort":6100');
  });

  test("a peer that refuses UPDATE after all gets a re-INVITE at once, and from then on", () => {
    const { stage, alice, bob } = talking({ alice: BY_ALICE, bob: [ALLOW] });
    stage.pass(HALF);
    bob.answer(405, { method: "UPDATE" });
    expect(stage.look().slice(-1)).toEqual([`${HALF} bob < INVITE`]);
    bob.answer(200, { sdp: sdpOfBob });
    alice.request("UPDATE", { headers: BY_ALICE });
    stage.look();
    stage.pass(HALF);
    expect(stage.look()).toEqual([`${2 * HALF} bob < INVITE`]);
  });

  test("a 422 to a refresh is asked again with more", () => {
    const { stage, bob } = talking({ alice: BY_ALICE, bob: [ALLOW] });
    stage.pass(HALF);
    bob.answer(422, { method: "UPDATE", headers: ["Min-SE: 3600"] });
    expect(headerOf(bob.asked("UPDATE"), "Session-Expires")).toBe("3600");
    expect(headerOf(bob.asked("UPDATE"), "Min-SE")).toBe("3600");
  });

  test.each([408, 481])("%i to a refresh ends the call, once", (status) => {
    const { stage, alice, bob } = talking({ alice: BY_ALICE, bob: [ALLOW] });
    stage.pass(HALF);
    stage.look();
    bob.answer(status, { method: "UPDATE" });
    expect(stage.look()).toEqual([`${HALF} bob > ${status} UPDATE`, `${HALF} bob < BYE`, `${HALF} alice < BYE`]);
    expect(headerOf(alice.asked("BYE"), "Reason")).toBe('SIP;cause=408;text="Session expired"');
    expect(stage.factsOf("call.ended")).toMatchObject([{ cause: "session-expired", by: undefined }]);
  });

  test.each([
    { how: "UPDATE", says: [ALLOW] },
    { how: "INVITE", says: [] },
  ])("nobody there to answer the $how: the call ends, and nothing is left", ({ says }) => {
    const { stage, alice, bob } = talking({ alice: BY_ALICE, bob: says });
    stage.unplug(bob);
    stage.pass(HALF + 32_000);
    alice.answer(200, { method: "BYE" });
    expect(stage.factsOf("call.ended")).toMatchObject([{ cause: "session-expired", totalMs: HALF + 32_000 }]);
    stage.pass(70_000);
    expect(stage.remains()).toEqual(NOTHING);
  });

  test("a peer without timers that refuses what it need not understand is there all the same", () => {
    const { stage, alice, bob } = talking({ alice: BY_ALICE });
    stage.pass(HALF);
    bob.answer(488);
    alice.request("UPDATE", { headers: BY_ALICE });
    stage.pass(HALF);
    expect(stage.look().filter((line) => line.endsWith("bob < INVITE"))).toHaveLength(2);
    expect(stage.factsOf("call.ended")).toEqual([]);
  });

  test("glare: 491 to our refresh, and it comes again after 2.1 to 4 s, because the Call-ID is ours", () => {
    const { stage, bob } = talking({ alice: BY_ALICE, bob: [ALLOW] });
    stage.pass(HALF);
    bob.answer(491, { method: "UPDATE" });
    stage.look();
    stage.pass(4_000);
    const [again = ""] = stage.look();
    expect(again).toMatch(/ bob < UPDATE$/);
    expect(Number.parseInt(again, 10) - HALF).toBeGreaterThanOrEqual(2_100);
  });

  test("while a re-INVITE crosses, a refresh by re-INVITE waits; the answer to that one refreshes too", () => {
    const { stage, alice, bob } = talking({ alice: BY_ALICE });
    stage.pass(HALF - 100);
    alice.request("INVITE", { sdp: audio(ALICE.ip, { version: 2 }) });
    stage.pass(200);
    expect(stage.look().filter((line) => line.endsWith("bob < INVITE"))).toHaveLength(1);
    bob.answer(200, { sdp: sdpOfBob });
    alice.ack();
    stage.look();
    stage.pass(HALF - 200);
    expect(stage.look()).toEqual([]);
  });

  test("their re-INVITE while our refresh is under way gets 491", () => {
    const { stage, bob } = talking({ alice: BY_ALICE });
    stage.pass(HALF);
    stage.look();
    bob.request("INVITE", { sdp: sdpOfBob });
    expect(stage.look()).toEqual([`${HALF} bob > INVITE`, `${HALF} bob < 491`]);
  });
});

describe("refreshes that we get", () => {
  test("an UPDATE without an offer is answered here, and its sender stays the refresher", () => {
    const { stage, alice } = talking({ alice: BY_ALICE, bob: BY_BOB });
    alice.request("UPDATE", { headers: BY_ALICE });
    expect(stage.look()).toEqual(["0 alice > UPDATE", "0 alice < 200 UPDATE"]);
    expect(headerOf(alice.response("UPDATE"), "Session-Expires")).toBe("1800;refresher=uac");
    expect(headerOf(alice.response("UPDATE"), "Require")).toBe("timer");
  });

  test("one with too short an interval gets 422", () => {
    const { alice } = talking({ alice: BY_ALICE, bob: BY_BOB });
    alice.request("UPDATE", { headers: [TIMER, "Session-Expires: 60"] });
    expect(alice.response("UPDATE")).toMatch(/^SIP\/2\.0 422 /);
    expect(headerOf(alice.response("UPDATE"), "Min-SE")).toBe("90");
  });

  test("they hold the call as long as they come, and 32 s before the interval ends both sides get BYE", () => {
    const { stage, alice, bob } = talking({ alice: BY_ALICE, bob: BY_BOB });
    for (let round = 0; round < 4; round++) {
      stage.pass(HALF);
      alice.request("UPDATE", { headers: BY_ALICE });
      bob.request("UPDATE", { headers: BY_ALICE });
    }
    expect(stage.factsOf("call.ended")).toEqual([]);
    stage.look();
    stage.pass(2 * HALF);
    const ended = 4 * HALF + 1_768_000;
    expect(stage.look().slice(0, 2)).toEqual([`${ended} alice < BYE`, `${ended} bob < BYE`].sort().reverse());
    expect(stage.factsOf("call.ended")).toMatchObject([{ cause: "session-expired", totalMs: ended }]);
  });
});

test("a call on hold whose two parties have vanished ends by itself, whatever they had agreed on", () => {
  for (const cast of [{}, { alice: BY_ALICE }, { bob: BY_BOB }, { alice: BY_ALICE, bob: BY_BOB }, { bob: [ALLOW] }]) {
    const { stage, alice, bob } = talking(cast);
    alice.request("INVITE", { sdp: audio(ALICE.ip, { version: 2, direction: "inactive" }) });
    bob.answer(200, { sdp: audio(BOB.ip, { port: 6000, version: 2, direction: "inactive" }) });
    alice.ack();
    stage.unplug(alice);
    stage.unplug(bob);
    stage.pass(1_900_000);
    expect(stage.factsOf("call.ended")).toMatchObject([{ cause: "session-expired" }]);
    expect(stage.remains()).toEqual(NOTHING);
  }
});

test("the longest call: it ends with the limit, however well it is refreshed", () => {
  const { stage, alice, bob } = talking({ alice: BY_ALICE, bob: BY_BOB, callSeconds: 1_000 });
  stage.pass(999_999);
  expect(stage.factsOf("call.ended")).toEqual([]);
  stage.pass(1);
  expect(stage.look()).toEqual(["1000000 bob < BYE", "1000000 alice < BYE"]);
  expect(headerOf(bob.asked("BYE"), "Reason")).toBe('SIP;cause=480;text="Longest call reached"');
  expect(stage.factsOf("call.ended")).toMatchObject([{ cause: "limit", status: 200 }]);
  alice.answer(200, { method: "BYE" });
});
