/**
 * The race conditions of RFC 5407, each on the leg where it can happen, and what the other leg sees of it. The sessions are
 * those of the RFC's own messages.
 */
import { readFileSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import { CALL_FLOWS } from "../../support/ladders/folder.ts";
import { expectNoLeaks } from "../../support/leak-check.ts";
import { bodyOf, headerOf } from "../../support/scripted-party.ts";
import { type Stage, twoSides } from "../../support/stage.ts";
import { NOTHING } from "./scenes.ts";

/** The SDP in a message of the RFC; prose may follow it. */
function sessionOf(name: string): string {
  const text = readFileSync(`${CALL_FLOWS}/rfc5407/${name}.sip`, "latin1").replace(/\r?\n/g, "\r\n");
  return /v=0\r\n(?:[a-z]=[^\r]*\r\n)+/.exec(text)?.[0] ?? "";
}

const OFFER_1 = sessionOf("001-INVITE");
const ANSWER_1 = sessionOf("013-INVITE");
const OFFER_2 = sessionOf("009-INVITE");
const ANSWER_2 = ANSWER_1.replace("2890844527 2890844527", "2890844527 2890844528").concat("a=recvonly\r\n");
const LATE_ANSWER = sessionOf("005-ACK");

let stage: Stage;
let alice: ReturnType<typeof twoSides>["alice"];
let bob: ReturnType<typeof twoSides>["bob"];

afterEach(() => {
  stage.pass(300_000);
  expect(stage.remains()).toEqual(NOTHING);
  expect(stage.factsOf("call.ended")).toHaveLength(1);
  expectNoLeaks(stage);
  for (const text of stage.sent.outside) expect(text).not.toMatch(/biloxi|192\.0\.2\.201/);
  for (const text of stage.sent.inside) expect(text).not.toMatch(/atlanta|192\.0\.2\.101/);
});

/** The diary since the last look, without the times. */
const seen = (): string[] => stage.look().map((line) => line.slice(line.indexOf(" ") + 1));

test("§3.1.1 an INVITE that comes again after its 200: the 200 alone is repeated, the callee hears nothing", () => {
  ringing();
  bob.answer(200, { sdp: ANSWER_1 });
  seen();
  alice.inviteAgain();
  expect(seen()).toEqual(["alice > INVITE"]); // RFC 6026 §7.1: absorbed; the 200 has its own timer.
  stage.pass(500);
  expect(seen()).toEqual(["alice < 200"]);
  alice.ack();
  hangUp();
});

test("§3.1.2 CANCEL crosses the 200 on the caller's leg: it is answered, the call stands until alice ends it", () => {
  ringing();
  bob.answer(200, { sdp: ANSWER_1 });
  seen();
  alice.cancel();
  expect(seen()).toEqual(["alice > CANCEL", "alice < 200 CANCEL"]);
  alice.ack();
  alice.request("BYE");
  expect(seen()).toEqual(["alice > ACK", "alice > BYE", "alice < 200 BYE", "bob < BYE"]);
  bob.answer(200, { method: "BYE" });
});

test("§3.1.2 CANCEL crosses the 200 on the callee's leg: ACK and BYE, the caller has its 487", () => {
  ringing();
  seen();
  alice.cancel();
  bob.answer(200, { sdp: ANSWER_1 });
  bob.answer(200, { method: "CANCEL" });
  expect(seen()).toEqual([
    "alice > CANCEL",
    "alice < 200 CANCEL",
    "alice < 487",
    "bob < CANCEL",
    "bob > 200",
    "bob < ACK",
    "bob < BYE",
    "bob > 200 CANCEL",
  ]);
  alice.ackRefusal();
  bob.answer(200, { method: "BYE" });
});

test("§3.1.3 an early BYE crosses the 200 on the caller's leg: both legs end, and the late ACK starts nothing", () => {
  ringing();
  bob.answer(200, { sdp: ANSWER_1 });
  seen();
  alice.loseAck(); // She sends her BYE before she sees the 200.
  alice.request("BYE");
  expect(seen()).toEqual(["alice > BYE", "alice < 200 BYE", "bob < BYE"]);
  alice.ack();
  bob.answer(200, { method: "BYE" });
  expect(seen()).toEqual(["alice > ACK", "bob > 200 BYE"]);
  stage.pass(32_000);
  expect(seen()).toEqual([]); // No copy of the 200 any more.
});

test("§3.1.4 re-INVITE while the ACK is lost: 491, the lost ACK comes, and the next attempt goes through", () => {
  ringing();
  bob.answer(200, { sdp: ANSWER_1 });
  alice.loseAck();
  seen();
  alice.request("INVITE", { sdp: OFFER_2 });
  expect(seen()).toEqual(["alice > INVITE", "alice < 491"]); // The RFC names 200 or 491, to the same end.
  alice.ackRefusal();
  stage.pass(500);
  expect(seen()).toEqual(["alice > ACK", "alice < 200"]);
  alice.ack(); // For the 200 of the first INVITE, by its CSeq.
  alice.request("INVITE", { sdp: OFFER_2 });
  bob.answer(200, { sdp: ANSWER_2 });
  alice.ack();
  expect(bodyOf(alice.response("INVITE"))).toContain("a=recvonly");
  hangUp();
});

test("§3.1.5 re-INVITE, or UPDATE with an offer, while the ACK with the answer is lost: 491", () => {
  ringing("late offer");
  bob.answer(200, { sdp: ANSWER_1 });
  alice.loseAck();
  seen();
  alice.request("UPDATE", { sdp: OFFER_2 });
  expect(alice.response("UPDATE")).toMatch(/^SIP\/2\.0 491 /);
  alice.request("INVITE", { sdp: OFFER_2 });
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 491 /);
  alice.ackRefusal();
  expect(() => bob.asked("ACK")).toThrow(); // Its answer is still to come.
  stage.pass(500);
  alice.ack({ sdp: LATE_ANSWER });
  expect(bodyOf(bob.asked("ACK"))).toContain("c=IN IP4 10.9.0.1");
  hangUp();
});

test("§3.1.6 BYE while the ACK is lost: both legs end, and what comes late starts nothing again", () => {
  ringing();
  bob.answer(200, { sdp: ANSWER_1 });
  alice.loseAck();
  seen();
  alice.request("BYE");
  expect(seen()).toEqual(["alice > BYE", "alice < 200 BYE", "bob < BYE"]);
  alice.ack();
  bob.answer(200, { method: "BYE" });
  stage.pass(32_000);
  expect(seen()).toEqual(["alice > ACK", "bob > 200 BYE"]);
});

test("§3.1.6 the same with the answer in the ACK: an answer after the BYE is ignored, the callee got ACK and BYE", () => {
  ringing("late offer");
  bob.answer(200, { sdp: ANSWER_1 });
  alice.loseAck();
  seen();
  alice.request("BYE");
  expect(seen()).toEqual(["alice > BYE", "alice < 200 BYE", "bob < ACK", "bob < BYE"]);
  alice.ack({ sdp: LATE_ANSWER });
  bob.answer(200, { method: "BYE" });
  expect(seen()).toEqual(["alice > ACK", "bob > 200 BYE"]);
});

test("§3.2.1 BYE crosses BYE: 200 to both", () => {
  up();
  alice.request("BYE");
  bob.request("BYE");
  bob.answer(200, { method: "BYE" });
  expect(seen()).toEqual([
    "alice > BYE",
    "alice < 200 BYE",
    "bob < BYE",
    "bob > BYE",
    "bob < 200 BYE",
    "bob > 200 BYE",
  ]);
});

test("§3.2.2 re-INVITE crosses our BYE: 481, on either leg", () => {
  up();
  alice.request("BYE");
  bob.request("INVITE", { sdp: ANSWER_1 });
  expect(seen()).toEqual(["alice > BYE", "alice < 200 BYE", "bob < BYE", "bob > INVITE", "bob < 481"]);
  bob.ackRefusal();
  bob.answer(200, { method: "BYE" });
});

test("§3.2.2 the same when the callee hangs up", () => {
  up();
  bob.request("BYE");
  alice.request("INVITE", { sdp: OFFER_2 });
  expect(seen()).toEqual(["bob > BYE", "bob < 200 BYE", "alice < BYE", "alice > INVITE", "alice < 481"]);
  alice.ackRefusal();
  alice.answer(200, { method: "BYE" });
});

test("§3.2.3 BYE right behind its own re-INVITE: 487 to that, and a 200 from the other side gets its ACK", () => {
  up();
  bob.request("INVITE", { sdp: ANSWER_1 });
  bob.request("BYE");
  expect(seen()).toEqual(["bob > INVITE", "alice < INVITE", "bob > BYE", "bob < 200 BYE", "bob < 487", "alice < BYE"]);
  alice.answer(200, { sdp: OFFER_1 });
  alice.answer(200, { method: "BYE" });
  bob.ackRefusal();
  expect(seen()).toEqual(["alice > 200", "alice < ACK", "alice > 200 BYE", "bob > ACK"]);
});

test("§3.2.4 the callee's BYE crosses the caller's ACK: the caller gets BYE, whose answer ends it", () => {
  ringing();
  bob.answer(200, { sdp: ANSWER_1 });
  seen();
  bob.request("BYE");
  expect(seen()).toEqual(["bob > BYE", "bob < 200 BYE"]); // RFC 3261 §15: before its ACK nobody may send the caller BYE.
  alice.ack();
  expect(seen()).toEqual(["alice > ACK", "alice < BYE"]);
  alice.answer(200, { method: "BYE" });
});

test("§3.2.4 with the answer in that ACK: nothing of it goes on", () => {
  ringing("late offer");
  bob.answer(200, { sdp: ANSWER_1 });
  bob.request("BYE");
  seen();
  alice.ack({ sdp: LATE_ANSWER });
  expect(seen()).toEqual(["alice > ACK", "alice < BYE"]);
  alice.answer(200, { method: "BYE" });
});

test("§3.3.1 re-INVITEs cross between the box and bob: 491 both ways, ours goes again after 2.1 to 4 s", () => {
  up();
  alice.request("INVITE", { sdp: OFFER_2 });
  bob.request("INVITE", { sdp: ANSWER_1 });
  bob.answer(491); // To ours, which came while his was under way.
  expect(seen()).toEqual(["alice > INVITE", "bob < INVITE", "bob > INVITE", "bob < 491", "bob > 491", "bob < ACK"]);
  bob.ackRefusal();
  const began = stage.now;
  stage.pass(4_000);
  const again = Number(
    stage
      .look()
      .find((line) => line.endsWith("bob < INVITE"))
      ?.split(" ")[0],
  );
  expect(again - began).toBeGreaterThanOrEqual(2_100);
  bob.answer(200, { sdp: ANSWER_2 });
  alice.ack();
  expect(bodyOf(alice.response("INVITE"))).toContain("a=recvonly");
  hangUp();
});

test("§3.3.1 re-INVITEs cross between the box and alice: her Call-ID, so ours goes again within 2 s", () => {
  up();
  bob.request("INVITE", { sdp: ANSWER_1 });
  alice.request("INVITE", { sdp: OFFER_2 });
  alice.answer(491);
  expect(seen()).toEqual([
    "bob > INVITE",
    "alice < INVITE",
    "alice > INVITE",
    "alice < 491",
    "alice > 491",
    "alice < ACK",
  ]);
  alice.ackRefusal();
  stage.pass(2_000);
  expect(seen()).toContain("alice < INVITE");
  alice.answer(200, { sdp: OFFER_1 });
  bob.ack();
  expect(bob.response("INVITE")).toMatch(/^SIP\/2\.0 200 /);
  hangUp();
});

test("§3.3.2 UPDATE with an offer crosses a re-INVITE: 491 both ways, then the re-INVITE goes through", () => {
  up();
  alice.request("UPDATE", { sdp: OFFER_2 });
  bob.request("INVITE", { sdp: ANSWER_1 });
  bob.answer(491, { method: "UPDATE" });
  expect(seen()).toEqual([
    "alice > UPDATE",
    "bob < UPDATE",
    "bob > INVITE",
    "bob < 491",
    "bob > 491 UPDATE",
    "alice < 491 UPDATE",
  ]);
  bob.ackRefusal();
  bob.request("INVITE", { sdp: ANSWER_1 });
  alice.answer(200, { sdp: OFFER_1 });
  bob.ack();
  alice.request("UPDATE", { sdp: OFFER_2 });
  bob.answer(200, { method: "UPDATE", sdp: ANSWER_2 });
  expect(bodyOf(alice.response("UPDATE"))).toContain("a=recvonly");
  hangUp();
});

test("§3.3.2 UPDATE without an offer crosses a re-INVITE: both succeed", () => {
  up();
  bob.request("INVITE", { sdp: ANSWER_1 });
  alice.request("UPDATE", { headers: ["Supported: timer", "Session-Expires: 300;refresher=uac"] });
  expect(alice.response("UPDATE")).toMatch(/^SIP\/2\.0 200 /);
  alice.answer(200, { sdp: OFFER_1 });
  bob.ack();
  expect(bob.response("INVITE")).toMatch(/^SIP\/2\.0 200 /);
  hangUp();
});

test("§3.3.3 REFER crosses our BYE: 481", () => {
  up();
  alice.request("BYE");
  bob.request("REFER", { headers: ["Refer-To: <sip:carol@10.9.0.9>"] });
  expect(bob.response("REFER")).toMatch(/^SIP\/2\.0 481 /);
  bob.answer(200, { method: "BYE" });
});

test("Appendix A: BYE of the caller in an early dialog ends the whole call, as there is one callee", () => {
  ringing();
  alice.loseAck(); // Learns the early dialog.
  seen();
  alice.request("BYE");
  expect(seen()).toEqual(["alice > BYE", "alice < 200 BYE", "alice < 487", "bob < CANCEL"]);
  alice.ackRefusal();
  bob.answer(200, { method: "CANCEL" });
  bob.answer(487);
});

test("Appendix B: BYE of the other side during a re-INVITE: that gets 487, and its CANCEL changes nothing", () => {
  up();
  alice.request("INVITE", { sdp: OFFER_2 });
  bob.request("BYE");
  expect(seen()).toEqual([
    "alice > INVITE",
    "bob < INVITE",
    "bob > BYE",
    "bob < 200 BYE",
    "alice < 487",
    "alice < BYE",
  ]);
  alice.cancel();
  expect(seen()).toEqual(["alice > CANCEL", "alice < 200 CANCEL"]);
  alice.ackRefusal();
  alice.answer(200, { method: "BYE" });
  bob.answer(487);
  expect(headerOf(bob.asked("ACK"), "CSeq")).toBe("2 ACK");
});

test("Appendix C: CANCEL before the callee said anything waits for its first 1xx", () => {
  ({ stage, alice, bob } = twoSides());
  alice.invite("4711", { sdp: OFFER_1 });
  seen();
  alice.cancel();
  expect(seen()).toEqual(["alice > CANCEL", "alice < 200 CANCEL", "alice < 487"]);
  alice.ackRefusal();
  bob.answer(180);
  expect(seen()).toEqual(["alice > ACK", "bob > 180", "bob < CANCEL"]);
  bob.answer(200, { method: "CANCEL" });
  bob.answer(487);
});

test("Appendix E: another fork answers after the first one did: ACK and BYE, the caller sees one call", () => {
  ringing();
  bob.answer(200, { sdp: ANSWER_1 });
  alice.ack();
  seen();
  bob.answer(200, { sdp: ANSWER_1, fork: "-late" });
  expect(seen()).toEqual(["bob > 200", "bob < ACK", "bob < BYE"]);
  bob.answer(200, { method: "BYE" });
  bob.answer(200, { sdp: ANSWER_1 }); // The first one again: its ACK was lost, and is repeated.
  expect(seen()).toEqual(["bob > 200 BYE", "bob > 200", "bob < ACK"]);
  hangUp();
});

test("RFC 3261 §13.2.2.4: another fork answers when the call of the first one has ended: ACK for each copy, one BYE", () => {
  up();
  hangUp();
  seen();
  bob.answer(200, { sdp: ANSWER_1 }); // The first one again: it has had its ACK and its BYE.
  expect(seen()).toEqual(["bob > 200"]);
  bob.answer(200, { sdp: ANSWER_1, fork: "-late" });
  expect(seen()).toEqual(["bob > 200", "bob < ACK", "bob < BYE"]);
  for (const method of ["ACK", "BYE"]) {
    expect(bob.asked(method)).toMatch(/^\w+ sip:bob@/);
    expect(bob.asked(method)).toMatch(/\r\nTo: .*;tag=bob-tag-late\r\n/);
  }
  expect([bob.asked("ACK"), bob.asked("BYE")].map((text) => /CSeq: .*/.exec(text)?.[0])).toEqual([
    "CSeq: 1 ACK",
    "CSeq: 2 BYE",
  ]);
  bob.answer(200, { sdp: ANSWER_1, fork: "-late" });
  expect(seen()).toEqual(["bob > 200", "bob < ACK"]);
  bob.answer(200, { method: "BYE" });
  for (let i = 0; i < 20; i++) bob.answer(200, { sdp: ANSWER_1, fork: `-${i}` });
  expect(seen().filter((line) => line === "bob < BYE")).toHaveLength(11); // With the one above, as many as LATE_FORK_LIMIT.
  stage.pass(240_000);
  expect(stage.remains()).toEqual(NOTHING);
  seen();
  bob.answer(200, { sdp: ANSWER_1, fork: "-too-late" });
  expect(seen()).toEqual(["bob > 200"]);
});

function ringing(...late: readonly ["late offer"] | readonly []): void {
  ({ stage, alice, bob } = twoSides());
  alice.invite("4711", { sdp: late.length > 0 ? undefined : OFFER_1 });
  bob.answer(180);
}

function up(): void {
  ringing();
  bob.answer(200, { sdp: ANSWER_1 });
  alice.ack();
  seen();
}

function hangUp(): void {
  alice.request("BYE");
  bob.answer(200, { method: "BYE" });
}
