/** What a proxy owes and a back-to-back user agent owes as well, seen on both legs. RFC 3261 §16, RFC 4320, RFC 5393. */
import { expect } from "vitest";
import {
  asked,
  bodyOf,
  branchOf,
  headerOf,
  headersOf,
  purposes,
  requestText,
  statuses,
} from "../../support/purposes.ts";
import { audio } from "../../support/scripted-party.ts";
import { ALICE, BOB, BOX, twoSides } from "../../support/stage.ts";
import { established, NOTHING, ringing } from "../../unit/call/scenes.ts";

purposes({
  SIP_CC_PR_CE_V_001: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711", { sdp: audio(ALICE.ip), headers: ["Max-Forwards: 17"] });
    expect(headerOf(bob.asked("INVITE"), "Max-Forwards")).toBe("16");
  },

  SIP_CC_PR_CE_V_002: () => {
    const { stage, alice, bob } = twoSides();
    stage.deliver(alice, requestText("INVITE", { "Max-Forwards": undefined }, audio(ALICE.ip)));
    expect(Number(headerOf(bob.asked("INVITE"), "Max-Forwards"))).toBeGreaterThan(60);
  },

  SIP_CC_PR_CE_V_003: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711", { sdp: audio(ALICE.ip), headers: ["Max-Forwards: 0"] });
    expect(statuses(alice, "INVITE")).toEqual([483]);
    expect(bob.got).toEqual([]);
  },

  SIP_CC_PR_CE_V_004: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(100);
    expect(alice.got).toEqual([]);
  },

  SIP_CC_PR_CE_V_005: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(180);
    expect(statuses(alice, "INVITE")).toEqual([180]);
  },

  SIP_CC_PR_CE_V_006: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(181);
    expect(statuses(alice, "INVITE")).toEqual([181]);
  },

  SIP_CC_PR_CE_V_007: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(182);
    expect(statuses(alice, "INVITE")).toEqual([182]);
  },

  SIP_CC_PR_CE_V_008: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(183, { sdp: audio(BOB.ip) });
    expect(statuses(alice, "INVITE")).toEqual([183]);
    expect(bodyOf(alice.response("INVITE"))).toContain(`c=IN IP4 ${BOX.outside}`);
  },

  SIP_CC_PR_CE_V_009: () => {
    const { alice, bob } = ringing();
    bob.answer(180, { fork: "-b" });
    bob.answer(200, { sdp: audio(BOB.ip), fork: "-b" });
    expect(statuses(alice, "INVITE").at(-1)).toBe(200);
  },

  SIP_CC_PR_CE_V_010: () => {
    const { alice, bob } = ringing();
    bob.answer(200, { sdp: audio(BOB.ip) });
    alice.ack();
    bob.answer(486, { fork: "-b" });
    bob.answer(200, { sdp: audio(BOB.ip), fork: "-c" });
    expect(statuses(alice, "INVITE")).toEqual([180, 200]);
  },

  SIP_CC_PR_CE_V_011: () => {
    const { stage, alice, bob } = twoSides({ insideTargets: [BOB, { ip: "10.9.0.8", port: 5060 }] });
    const carol = stage.party("carol", { realm: "inside", ip: "10.9.0.8", port: 5060 });
    alice.invite("4711");
    bob.answer(503);
    expect(asked(carol, "INVITE")).toBe(1);
  },

  SIP_CC_PR_CE_V_012: () => {
    const { stage, alice, bob } = twoSides({ insideTargets: [BOB, { ip: "10.9.0.8", port: 5060 }] });
    const carol = stage.party("carol", { realm: "inside", ip: "10.9.0.8", port: 5060 });
    alice.invite("4711");
    bob.answer(503);
    expect(branchOf(carol.asked("INVITE"))).not.toBe(branchOf(bob.asked("INVITE")));
  },

  SIP_CC_PR_CE_V_013: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(503);
    expect(statuses(alice, "INVITE")).toEqual([500]);
  },

  SIP_CC_PR_CE_V_014: () => {
    const { stage, alice, bob } = twoSides({ insideTargets: [BOB, { ip: "10.9.0.8", port: 5060 }] });
    const carol = stage.party("carol", { realm: "inside", ip: "10.9.0.8", port: 5060 });
    alice.invite("4711");
    bob.answer(603);
    expect(asked(carol, "INVITE")).toBe(0);
    expect(statuses(alice, "INVITE")).toEqual([603]);
  },

  SIP_CC_PR_CE_V_015: () => {
    const { stage, alice, bob } = twoSides({ insideTargets: [BOB, { ip: "10.9.0.8", port: 5060 }] });
    const carol = stage.party("carol", { realm: "inside", ip: "10.9.0.8", port: 5060 });
    alice.invite("4711");
    bob.answer(486);
    expect(asked(carol, "INVITE")).toBe(0);
    expect(statuses(alice, "INVITE")).toEqual([486]);
  },

  SIP_CC_PR_CE_V_016: () => {
    const { stage, alice, bob } = twoSides({ insideTargets: [{ ip: "10.9.0.9", port: 5060 }, BOB] });
    alice.invite("4711");
    stage.pass(10_000);
    expect(asked(bob, "INVITE")).toBeGreaterThan(0);
  },

  SIP_CC_PR_CE_V_017: () => {
    const { alice, bob } = ringing();
    alice.cancel();
    expect(asked(bob, "CANCEL")).toBe(1);
  },

  SIP_CC_PR_CE_V_018: () => {
    const { alice, bob } = twoSides({ change: (settings) => ({ ...settings, routes: [{ when: {}, to: ["pbx"] }] }) });
    alice.invite("4711", {});
    bob.bounce("4711");
    bob.bounce("4711");
    expect(bob.response("INVITE")).toMatch(/^SIP\/2\.0 482 /);
  },

  SIP_CC_PR_CE_V_019: () => {
    const { alice, bob } = twoSides({ change: (settings) => ({ ...settings, routes: [{ when: {}, to: ["pbx"] }] }) });
    alice.invite("4711", {});
    bob.bounce("4712");
    expect(asked(bob, "INVITE")).toBe(2);
    expect(statuses(bob, "INVITE")).toEqual([]);
  },

  SIP_CC_PR_CE_V_020: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711", {
      sdp: audio(ALICE.ip),
      headers: ["Record-Route: <sip:p.example.com;lr>", "Path: <sip:p.example.com;lr>"],
    });
    const invite = bob.asked("INVITE");
    expect(invite).not.toMatch(/p\.example\.com|198\.51\.100/);
    expect(headersOf(invite, "Via")).toHaveLength(1);
  },

  SIP_CC_PR_CE_V_021: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711", {
      sdp: audio(ALICE.ip),
      headers: ['Authorization: Digest username="alice", realm="x", nonce="n", uri="sip:x", response="0"'],
    });
    expect(headersOf(bob.asked("INVITE"), "Authorization")).toEqual([]);
  },

  SIP_CC_PR_CE_V_022: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711", { sdp: audio(ALICE.ip), headers: ["X-Floor-Plan: cellar"] });
    expect(headerOf(bob.asked("INVITE"), "X-Floor-Plan")).toBe("");
  },

  SIP_CC_PR_CE_V_023: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711", { sdp: audio(ALICE.ip), headers: ["Subject: lunch"] });
    expect(headerOf(bob.asked("INVITE"), "Subject")).toBe("lunch");
  },

  SIP_CC_PR_CE_V_024: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711");
    expect(headerOf(bob.asked("INVITE"), "From")).toMatch(/^"alice" /);
  },

  SIP_CC_PR_CE_V_025: () => {
    const { stage, alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(200, { sdp: audio(BOB.ip) });
    stage.pass(32_100);
    expect(asked(bob, "BYE")).toBeGreaterThan(0);
  },

  SIP_CC_PR_CE_V_026: () => {
    const { alice, bob } = twoSides({ change: (settings) => ({ ...settings, routes: [] }) });
    alice.invite("4711");
    expect(statuses(alice, "INVITE")).toEqual([404]);
    expect(bob.got).toEqual([]);
  },

  SIP_CC_PR_CE_V_027: () => {
    const { alice } = twoSides({ change: (settings) => ({ ...settings, limits: { ...settings.limits, calls: 0 } }) });
    alice.invite("4711");
    expect(statuses(alice, "INVITE")).toEqual([503]);
    expect(Number(headerOf(alice.response("INVITE"), "Retry-After"))).toBeGreaterThan(0);
  },

  SIP_CC_PR_SM_V_001: () => {
    const { alice, bob } = established();
    alice.request("INFO");
    expect(headerOf(bob.asked("INFO"), "CSeq")).toBe("2 INFO");
    bob.answer(200, { method: "INFO" });
    expect(statuses(alice, "INFO")).toEqual([200]);
  },

  SIP_CC_PR_SM_V_002: () => {
    const { alice, bob } = established();
    alice.request("MESSAGE", { body: { type: "text/plain", text: "hello" } });
    expect(bodyOf(bob.asked("MESSAGE"))).toBe("hello");
    bob.answer(200, { method: "MESSAGE" });
    expect(statuses(alice, "MESSAGE")).toEqual([200]);
  },

  SIP_CC_PR_SM_V_003: () => {
    const { alice, bob } = established();
    bob.request("OPTIONS");
    alice.answer(200, { method: "OPTIONS" });
    expect(statuses(bob, "OPTIONS")).toEqual([200]);
  },

  SIP_CC_PR_SM_V_004: () => {
    const { alice, bob } = established();
    bob.request("REFER", { headers: ["Refer-To: <sip:+4930555@10.9.0.44>"] });
    expect(headerOf(alice.asked("REFER"), "Refer-To")).toBe(`<sip:+4930555@${BOX.outside}>`);
  },

  SIP_CC_PR_SM_V_005: () => {
    const { alice, bob } = established();
    alice.request("INVITE", { sdp: audio(ALICE.ip, { version: 2 }) });
    expect(asked(bob, "INVITE")).toBe(2);
    bob.answer(488);
    expect(statuses(alice, "INVITE").at(-1)).toBe(488);
  },

  SIP_CC_PR_SM_V_006: () => {
    const { alice, bob } = established();
    alice.request("INVITE", { sdp: audio(ALICE.ip, { version: 2 }) });
    bob.answer(200, { sdp: audio(BOB.ip, { version: 2 }) });
    const acks = asked(bob, "ACK");
    alice.ack();
    expect([acks, asked(bob, "ACK")]).toEqual([2, 2]);
  },

  SIP_CC_PR_SM_V_007: () => {
    const { alice, bob } = established();
    alice.request("INFO", { headers: ["Max-Forwards: 0"] });
    expect(statuses(alice, "INFO")).toEqual([483]);
    expect(asked(bob, "INFO")).toBe(0);
  },

  SIP_CC_PR_SM_V_008: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(200, { sdp: audio(BOB.ip), headers: ["Allow: INVITE, ACK, BYE, CANCEL"] });
    alice.ack();
    alice.request("INFO");
    expect(statuses(alice, "INFO")).toEqual([405]);
    expect(headerOf(alice.response("INFO"), "Allow")).not.toContain("INFO");
  },

  SIP_CC_PR_SM_V_009: () => {
    const { stage, alice } = established();
    alice.request("INFO");
    stage.pass(33_000);
    expect(statuses(alice, "INFO")).not.toContain(408);
  },

  SIP_CC_PR_SM_V_010: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711", { sdp: audio(ALICE.ip), headers: ["Supported: 100rel"] });
    bob.answer(183, { sdp: audio(BOB.ip), headers: ["Require: 100rel", "RSeq: 31337"] });
    expect(headerOf(alice.response("INVITE"), "RSeq")).not.toBe("31337");
    alice.prack();
    expect(headerOf(bob.asked("PRACK"), "RAck")).toBe("31337 1 INVITE");
  },

  SIP_CC_PR_CR_V_001: () => {
    const { alice, bob } = established();
    alice.request("BYE");
    expect(asked(bob, "BYE")).toBe(1);
  },

  SIP_CC_PR_CR_V_002: () => {
    const { alice, bob } = established();
    bob.request("BYE");
    expect(asked(alice, "BYE")).toBe(1);
  },

  SIP_CC_PR_CR_V_003: () => {
    const { alice, bob } = established();
    alice.request("BYE", { headers: ['Reason: Q.850;cause=16;text="Terminated"'] });
    expect(headerOf(bob.asked("BYE"), "Reason")).toContain("cause=16");
  },

  SIP_CC_PR_CR_V_004: () => {
    const { stage, alice, bob } = established();
    alice.request("BYE");
    bob.request("BYE");
    expect(stage.factsOf("call.ended")).toHaveLength(1);
  },

  SIP_CC_PR_CR_V_005: () => {
    const { stage, alice, bob } = established();
    alice.request("BYE");
    bob.answer(200, { method: "BYE" });
    stage.pass(70_000);
    expect(stage.remains()).toEqual(NOTHING);
  },

  SIP_CC_PR_CR_V_006: () => {
    const { stage, alice } = established();
    alice.request("BYE");
    expect(statuses(alice, "BYE")).toEqual([200]);
    expect(stage.factsOf("call.ended")).toHaveLength(1);
  },
});
