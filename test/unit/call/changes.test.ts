/** Offers and answers across the box: late offers, re-INVITE, UPDATE, PRACK, glare. */
import { expect, test } from "vitest";
import { audio, bodyOf, headerOf } from "../../support/scripted-party.ts";
import { ALICE, BOB, twoSides, words } from "../../support/stage.ts";
import { established, ringing, sdpOfBob } from "./scenes.ts";

const ofAlice = (options: Parameters<typeof audio>[1] = {}): string => audio(ALICE.ip, options);
test("a late offer: the callee offers in its 200, the caller answers in its ACK, and ours carries it on", () => {
  const { stage, alice, bob } = twoSides();
  alice.invite("4711", {});
  expect(bodyOf(bob.asked("INVITE"))).toBe("");
  bob.answer(200, { sdp: sdpOfBob });
  expect(bodyOf(alice.response("INVITE"))).toContain("c=IN IP4 203.0.113.1");
  expect(() => bob.asked("ACK")).toThrow();
  alice.ack({ sdp: ofAlice() });
  expect(bodyOf(bob.asked("ACK"))).toContain("c=IN IP4 10.9.0.1");
  alice.request("BYE");
  bob.answer(200, { method: "BYE" });
  expect(stage.factsOf("call.ended")[0]).toMatchObject({ cause: "bye" });
});

test("a late offer without an answer in the ACK: the callee's 200 is acknowledged, and both get BYE", () => {
  const { stage, alice, bob } = twoSides();
  alice.invite("4711", {});
  bob.answer(200, { sdp: sdpOfBob });
  stage.look();
  alice.ack();
  expect(stage.look()).toEqual(["0 alice > ACK", "0 bob < ACK", "0 bob < BYE", "0 alice < BYE"]);
  expect(stage.factsOf("call.ended")[0]).toMatchObject({ cause: "protocol-error", by: "caller" });
});

test("hold and resume: the direction crosses, addresses and numbers are ours", () => {
  const { stage, alice, bob } = established();
  stage.look();
  alice.request("INVITE", { sdp: ofAlice({ direction: "sendonly", version: 2 }) });
  expect(bodyOf(bob.asked("INVITE"))).toContain("a=sendonly");
  expect(headerOf(bob.asked("INVITE"), "CSeq")).toBe("2 INVITE");
  bob.answer(200, { sdp: audio("10.9.0.7", { direction: "recvonly", version: 2, port: 6000 }) });
  expect(bodyOf(alice.response("INVITE"))).toContain("a=recvonly");
  alice.ack();
  expect(words(stage.look())).toEqual([
    "alice > INVITE",
    "bob < INVITE",
    "bob > 200",
    "bob < ACK",
    "alice < 200",
    "alice > ACK",
  ]);
  alice.request("INVITE", { sdp: ofAlice({ version: 3 }) });
  bob.answer(200, { sdp: audio("10.9.0.7", { version: 3, port: 6000 }) });
  alice.ack();
  expect(bodyOf(alice.response("INVITE"))).toContain("a=sendrecv");
});

test("a re-INVITE without an offer: a copy of the 200 that makes it gets no ACK before the answer is there", () => {
  const { stage, alice, bob } = established();
  bob.request("INVITE");
  const offer = { sdp: ofAlice({ version: 2 }) };
  alice.answer(200, offer);
  stage.look();
  stage.pass(600); // Bob's ACK takes its time, and alice says her 200 again.
  alice.answer(200, offer);
  expect(words(stage.look())).not.toContain("alice < ACK");
  bob.ack({ sdp: audio(BOB.ip, { version: 2, port: 6000 }) });
  expect(bodyOf(alice.asked("ACK"))).toContain("c=IN IP4 203.0.113.1");
  stage.look();
  alice.answer(200, offer);
  expect(words(stage.look())).toEqual(["alice > 200", "alice < ACK"]);
});

test("a re-INVITE without an offer: its 200 gets an ACK, though the call ends before the answer is there", () => {
  const { stage, alice, bob } = established();
  bob.request("INVITE");
  alice.answer(200, { sdp: ofAlice({ version: 2 }) });
  stage.look();
  bob.request("BYE");
  expect(words(stage.look())).toEqual(["bob > BYE", "bob < 200 BYE", "alice < ACK", "alice < BYE"]);
});

test("a re-INVITE without an offer is answered with the other side's", () => {
  const { stage, alice, bob } = established();
  stage.look();
  bob.request("INVITE");
  alice.answer(200, { sdp: ofAlice({ version: 2 }) });
  bob.ack({ sdp: audio("10.9.0.7", { version: 2, port: 6000 }) });
  expect(words(stage.look())).toEqual([
    "bob > INVITE",
    "alice < INVITE",
    "alice > 200",
    "bob < 200",
    "bob > ACK",
    "alice < ACK",
  ]);
  expect(bodyOf(alice.asked("ACK"))).toContain("c=IN IP4 203.0.113.1");
});

test("a refused re-INVITE leaves the session as it was", () => {
  const { stage, alice, bob } = established();
  alice.request("INVITE", { sdp: ofAlice({ version: 2, direction: "sendonly" }) });
  bob.answer(488);
  alice.ackRefusal();
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 488 Not Acceptable Here/);
  alice.request("INVITE", { sdp: ofAlice({ version: 3 }) });
  bob.answer(200, { sdp: audio("10.9.0.7", { version: 2, port: 6000 }) });
  alice.ack();
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 200 /);
  expect(stage.factsOf("call.ended")).toEqual([]);
});

test("an offer that cannot be read is refused here, and the other side hears nothing of it", () => {
  const { stage, alice } = established();
  stage.look();
  alice.request("INVITE", { sdp: "v=1\r\nrubbish\r\n" });
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 (400|488) /);
  expect(words(stage.look())).toEqual(["alice > INVITE", expect.stringMatching(/^alice < 4/)]);
});

test("re-INVITEs that meet in the box: the second gets 491", () => {
  const { stage, alice, bob } = established();
  alice.request("INVITE", { sdp: ofAlice({ version: 2 }) });
  stage.look();
  bob.request("INVITE", { sdp: sdpOfBob });
  expect(words(stage.look())).toEqual(["bob > INVITE", "bob < 491"]);
});

test("the callee's 491 makes us try again by ourselves: we own that Call-ID, so after 2.1 to 4 s", () => {
  const { stage, alice, bob } = established();
  alice.request("INVITE", { sdp: ofAlice({ version: 2 }) });
  bob.answer(491);
  stage.look();
  stage.pass(4_000);
  const again = stage.look().filter((line) => line.endsWith("bob < INVITE"));
  const at = Number(again[0]?.split(" ")[0]);
  expect(at).toBeGreaterThanOrEqual(2_100);
  expect(at).toBeLessThanOrEqual(4_000);
  expect(headerOf(bob.asked("INVITE"), "CSeq")).toBe("3 INVITE");
  bob.answer(200, { sdp: audio("10.9.0.7", { version: 2, port: 6000 }) });
  alice.ack();
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 200 /);
});

test("the caller's 491: its Call-ID, so we try again within 2 s, and after three times hand it on", () => {
  const { stage, alice, bob } = established();
  bob.request("INVITE", { sdp: sdpOfBob });
  for (let round = 0; round < 4; round++) {
    alice.answer(491);
    stage.look();
    stage.pass(2_000);
  }
  expect(bob.response("INVITE")).toMatch(/^SIP\/2\.0 491 /);
  expect(stage.factsOf("call.ended")).toEqual([]);
});

test("a second INVITE before the first has its answer gets 500 and Retry-After", () => {
  const { alice } = established();
  alice.request("INVITE", { sdp: ofAlice({ version: 2 }) });
  alice.request("INVITE", { sdp: ofAlice({ version: 3 }) });
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 500 /);
  expect(Number(headerOf(alice.response("INVITE"), "Retry-After"))).toBeLessThanOrEqual(10);
});

test("a re-INVITE that is cancelled: the CANCEL crosses, the 487 comes back, the call goes on", () => {
  const { stage, alice, bob } = established();
  alice.request("INVITE", { sdp: ofAlice({ version: 2 }) });
  bob.answer(180);
  stage.look();
  alice.cancel();
  bob.answer(200, { method: "CANCEL" });
  bob.answer(487);
  alice.ackRefusal();
  expect(words(stage.look())).toEqual([
    "alice > CANCEL",
    "alice < 200 CANCEL",
    "bob < CANCEL",
    "bob > 200 CANCEL",
    "bob > 487",
    "bob < ACK",
    "alice < 487",
    "alice > ACK",
  ]);
  expect(stage.factsOf("call.ended")).toEqual([]);
});

test("a re-INVITE with a new Contact: the next request goes there", () => {
  const { stage, alice, bob } = established();
  const moved = stage.party("moved", { realm: "inside", ip: "10.9.0.7", port: 5099 });
  bob.contactPort = 5099;
  bob.request("INVITE", { sdp: sdpOfBob });
  alice.answer(200, { sdp: ofAlice({ version: 2 }) });
  bob.ack();
  alice.request("INFO");
  expect(moved.asked("INFO")).toContain("INFO sip:bob@10.9.0.7:5099 SIP/2.0");
});

test("UPDATE with an offer crosses to a peer that allows it", () => {
  const { alice, bob } = established();
  alice.request("UPDATE", { sdp: ofAlice({ version: 2, direction: "sendonly" }) });
  expect(bodyOf(bob.asked("UPDATE"))).toContain("a=sendonly");
  bob.answer(200, { method: "UPDATE", sdp: audio("10.9.0.7", { version: 2, port: 6000, direction: "recvonly" }) });
  expect(bodyOf(alice.response("UPDATE"))).toContain("a=recvonly");
});

test("UPDATE toward a peer that does not allow it becomes a re-INVITE", () => {
  const { stage, alice, bob } = twoSides();
  alice.invite("4711");
  bob.answer(200, { sdp: sdpOfBob, headers: ["Allow: INVITE, ACK, BYE, CANCEL"] });
  alice.ack();
  stage.look();
  alice.request("UPDATE", { sdp: ofAlice({ version: 2 }) });
  bob.answer(200, { sdp: audio("10.9.0.7", { version: 2, port: 6000 }) });
  expect(words(stage.look())).toEqual([
    "alice > UPDATE",
    "bob < INVITE",
    "bob > 200",
    "bob < ACK",
    "alice < 200 UPDATE",
  ]);
});

test("UPDATE while an offer of ours is under way gets 491", () => {
  const { alice, bob } = established();
  alice.request("INVITE", { sdp: ofAlice({ version: 2 }) });
  bob.request("UPDATE", { sdp: sdpOfBob });
  expect(bob.response("UPDATE")).toMatch(/^SIP\/2\.0 491 /);
});

const REL = ["Supported: 100rel"];
const reliable = (rseq: number, sdp?: string) => ({ sdp, headers: ["Require: 100rel", `RSeq: ${rseq}`] });

test("a reliable 1xx crosses with numbers of our own, and so does its PRACK", () => {
  const { stage, alice, bob } = twoSides();
  alice.invite("4711", { sdp: ofAlice(), headers: REL });
  expect(headerOf(bob.asked("INVITE"), "Supported")).toContain("100rel");
  bob.answer(183, reliable(55, sdpOfBob));
  const early = alice.response("INVITE");
  expect(headerOf(early, "Require")).toBe("100rel");
  expect(headerOf(early, "RSeq")).not.toBe("55");
  expect(bodyOf(early)).toContain("203.0.113.1");
  alice.prack();
  expect(headerOf(bob.asked("PRACK"), "RAck")).toBe("55 1 INVITE");
  bob.answer(200, { method: "PRACK" });
  bob.answer(200);
  expect(bodyOf(alice.response("INVITE"))).toBe(""); // The answer was given, reliably (RFC 6337 §3.1).
  alice.ack();
  expect(words(stage.look())).toEqual([
    "alice > INVITE",
    "bob < INVITE",
    "bob > 183",
    "alice < 183",
    "alice > PRACK",
    "alice < 200 PRACK",
    "bob < PRACK",
    "bob > 200 PRACK",
    "bob > 200",
    "bob < ACK",
    "alice < 200",
    "alice > ACK",
  ]);
});

test("a reliable 1xx is repeated until its PRACK, and the 200 behind it waits", () => {
  const { stage, alice, bob } = twoSides();
  alice.invite("4711", { sdp: ofAlice(), headers: REL });
  bob.answer(183, reliable(55, sdpOfBob));
  stage.look();
  stage.pass(600);
  bob.answer(200);
  stage.pass(1_000);
  expect(stage.look()).toEqual(["500 alice < 183", "600 bob > 200", "600 bob < ACK", "1500 alice < 183"]);
  alice.prack();
  expect(words(stage.look()).slice(0, 3)).toEqual(["alice > PRACK", "alice < 200 PRACK", "bob < PRACK"]);
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 200 /);
});

test("a reliable 1xx that is never acknowledged: the caller gets 504, the callee is let go", () => {
  const { stage, alice, bob } = twoSides();
  alice.invite("4711", { sdp: ofAlice(), headers: REL });
  bob.answer(183, reliable(55, sdpOfBob));
  stage.pass(33_000);
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 504 /);
  expect(bob.asked("CANCEL")).toBeTypeOf("string");
});

test("a caller without 100rel: we acknowledge the callee's 1xx, and the caller gets plain ones", () => {
  const { stage, alice, bob } = twoSides();
  alice.invite("4711");
  bob.answer(183, reliable(7, sdpOfBob));
  bob.answer(200, { method: "PRACK" });
  expect(headerOf(alice.response("INVITE"), "RSeq")).toBe("");
  bob.answer(200);
  expect(bodyOf(alice.response("INVITE"))).toContain("203.0.113.1"); // For this caller the 200 must say it.
  expect(words(stage.look()).slice(2, 6)).toEqual(["bob > 183", "bob < PRACK", "alice < 183", "bob > 200 PRACK"]);
});

test("a caller that requires 100rel gets reliable 1xx even from a callee that knows none", () => {
  const { alice, bob } = twoSides();
  alice.invite("4711", { sdp: ofAlice(), headers: ["Require: 100rel"] });
  expect(headerOf(bob.asked("INVITE"), "Require")).toBe("");
  bob.answer(180);
  expect(headerOf(alice.response("INVITE"), "Require")).toBe("100rel");
  alice.prack();
  expect(alice.response("PRACK")).toMatch(/^SIP\/2\.0 200 /);
  expect(() => bob.asked("PRACK")).toThrow();
});

test("a PRACK for nothing gets 481, also the same one again", () => {
  const { alice, bob } = twoSides();
  alice.invite("4711", { sdp: ofAlice(), headers: REL });
  bob.answer(183, reliable(55, sdpOfBob));
  alice.prack();
  alice.prack();
  expect(alice.response("PRACK")).toMatch(/^SIP\/2\.0 481 /);
});

test("copies of a reliable 1xx and those out of order are not passed on", () => {
  const { stage, alice, bob } = twoSides();
  alice.invite("4711", { sdp: ofAlice(), headers: REL });
  bob.answer(180, reliable(1));
  stage.look();
  bob.answer(180, reliable(1));
  bob.answer(180, reliable(3));
  expect(words(stage.look())).toEqual(["bob > 180", "bob > 180"]);
});

test("a late offer in a reliable 1xx is answered in the PRACK", () => {
  const { alice, bob } = twoSides();
  alice.invite("4711", { headers: REL });
  bob.answer(183, reliable(5, sdpOfBob));
  expect(bodyOf(alice.response("INVITE"))).toContain("203.0.113.1");
  alice.prack({ sdp: ofAlice() });
  expect(bodyOf(bob.asked("PRACK"))).toContain("10.9.0.1");
  bob.answer(200, { method: "PRACK" });
  bob.answer(200);
  alice.ack();
  expect(bodyOf(bob.asked("ACK"))).toBe("");
});

test("UPDATE in an early dialog, once the first answer was reliable", () => {
  const { alice, bob } = twoSides();
  alice.invite("4711", { sdp: ofAlice(), headers: REL });
  bob.answer(183, reliable(5, sdpOfBob));
  alice.prack();
  bob.answer(200, { method: "PRACK" });
  bob.request("UPDATE", { sdp: audio("10.9.0.7", { version: 2, port: 6002 }) });
  expect(bodyOf(alice.asked("UPDATE"))).toContain("203.0.113.1");
  alice.answer(200, { method: "UPDATE", sdp: ofAlice({ version: 2 }) });
  expect(bob.response("UPDATE")).toMatch(/^SIP\/2\.0 200 /);
  bob.answer(200);
  alice.ack();
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 200 /);
});

test("UPDATE with an offer before the first answer: 500 and Retry-After", () => {
  const { alice, bob } = ringing();
  alice.ack(); // Learns the early dialog.
  alice.request("UPDATE", { sdp: ofAlice({ version: 2 }) });
  expect(alice.response("UPDATE")).toMatch(/^SIP\/2\.0 500 /);
  expect(headerOf(alice.response("UPDATE"), "Retry-After")).not.toBe("");
  expect(() => bob.asked("UPDATE")).toThrow();
});

test("a re-INVITE asks for no reliable 1xx, and gives none where only such are taken", () => {
  const { alice, bob } = established();
  alice.request("INVITE", { sdp: audio(ALICE.ip, { version: 2 }), headers: ["Require: 100rel", "Supported: 100rel"] });
  expect(headerOf(bob.asked("INVITE"), "Supported")).not.toContain("100rel");
  const before = alice.got.length;
  bob.answer(183);
  expect(alice.got).toHaveLength(before);
  bob.answer(200, { sdp: audio(BOB.ip, { port: 6000, version: 2 }) });
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 200 /);
});

test.each(["INVITE", "UPDATE"])(
  "a %s inside the call with a body that is no offer gets 415, not the fate of an empty one",
  (method) => {
    const { stage, alice, bob } = established();
    stage.look();
    alice.request(method, { body: { type: "text/plain", text: "hello" } });
    expect(alice.response(method)).toMatch(/^SIP\/2\.0 415 /);
    expect(headerOf(alice.response(method), "Accept")).toContain("application/sdp");
    expect(words(stage.look()).filter((line) => line.startsWith("bob"))).toEqual([]);
    alice.request(method, {
      body: { type: "text/plain", text: "hello" },
      headers: ["Content-Disposition: x;handling=optional"],
    });
    expect(bob.asked(method)).not.toContain("hello");
  },
);
