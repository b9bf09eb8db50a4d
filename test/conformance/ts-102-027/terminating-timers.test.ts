/** Server transactions of the caller's leg, to the millisecond. RFC 3261 §13.3.1.4, §17.2, RFC 6026, RFC 3262 §3. */
import { expect } from "vitest";
import { asked, overTls, purposes, statuses, times } from "../../support/purposes.ts";
import { audio } from "../../support/scripted-party.ts";
import { ALICE, BOB, twoSides } from "../../support/stage.ts";
import { established, NOTHING } from "../../unit/call/scenes.ts";

purposes({
  SIP_CC_TE_TR_TI_001: () => {
    const { stage, alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(200, { sdp: audio(BOB.ip) });
    stage.pass(12_000);
    alice.ack();
    stage.pass(8_000);
    expect(times(stage, "alice < 200")).toEqual([0, 500, 1_500, 3_500, 7_500, 11_500]);
  },

  SIP_CC_TE_TR_TI_002: () => {
    const { stage, alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(200, { sdp: audio(BOB.ip) });
    stage.pass(31_999);
    expect(asked(alice, "BYE")).toBe(0);
    stage.pass(2);
    expect(times(stage, "alice < BYE")).toEqual([32_000]);
  },

  SIP_CC_TE_TR_TI_003: () => {
    const { stage, alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(486);
    stage.pass(16_000);
    expect(times(stage, "alice < 486")).toEqual([0, 500, 1_500, 3_500, 7_500, 11_500, 15_500]);
  },

  SIP_CC_TE_TR_TI_004: () => {
    const { stage, alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(486);
    stage.pass(60_000);
    expect(times(stage, "alice < 486").at(-1)).toBe(31_500);
    expect(stage.remains()).toEqual(NOTHING);
  },

  SIP_CC_TE_TR_TI_005: () => {
    const { stage, alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(486);
    stage.pass(600);
    alice.ackRefusal();
    stage.pass(20_000);
    expect(times(stage, "alice < 486")).toEqual([0, 500]);
  },

  SIP_CC_TE_TR_TI_006: () => {
    const { stage, alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(486);
    stage.pass(100);
    alice.inviteAgain();
    expect(times(stage, "alice < 486")).toEqual([0, 100]);
  },

  SIP_CC_TE_TR_TI_007: () => {
    const { stage, alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(486);
    alice.ackRefusal();
    stage.look();
    stage.pass(4_900);
    alice.ackRefusal();
    expect(stage.look()).toEqual(["4900 alice > ACK"]);
  },

  SIP_CC_TE_TR_TI_008: () => {
    const { stage, alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(486);
    alice.ackRefusal();
    stage.pass(4_900);
    const before = stage.remains().lingering ?? 0;
    stage.pass(200);
    expect(before - (stage.remains().lingering ?? 0)).toBe(1);
  },

  SIP_CC_TE_TR_TI_009: () => {
    const { stage, alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(200, { sdp: audio(BOB.ip) });
    stage.look();
    alice.inviteAgain();
    expect(stage.look()).toEqual(["0 alice > INVITE"]);
    alice.ack();
  },

  SIP_CC_TE_TR_TI_010: () => {
    const { stage, alice, bob } = established();
    const bye = alice.request("BYE");
    stage.pass(5_000);
    stage.deliver(alice, bye);
    expect(statuses(alice, "BYE")).toEqual([200, 200]);
    expect(asked(bob, "BYE")).toBeGreaterThan(0);
  },

  SIP_CC_TE_TR_TI_011: () => {
    const { stage, alice, bob } = established();
    const bye = alice.request("BYE");
    bob.answer(200, { method: "BYE" });
    stage.pass(33_000);
    stage.deliver(alice, bye);
    expect(statuses(alice, "BYE")).toEqual([200, 481]);
  },

  SIP_CC_TE_TR_TI_012: () => {
    const { stage, alice, bob } = twoSides();
    alice.invite("4711", { sdp: audio(ALICE.ip), headers: ["Supported: 100rel"] });
    bob.answer(183, { sdp: audio(BOB.ip), headers: ["Require: 100rel", "RSeq: 1"] });
    stage.pass(20_000);
    alice.prack();
    stage.pass(30_000);
    expect(times(stage, "alice < 183")).toEqual([0, 500, 1_500, 3_500, 7_500, 15_500]);
  },

  SIP_CC_TE_TR_TI_013: () => {
    const { stage, alice, bob } = twoSides();
    alice.invite("4711", { sdp: audio(ALICE.ip), headers: ["Supported: 100rel"] });
    bob.answer(183, { sdp: audio(BOB.ip), headers: ["Require: 100rel", "RSeq: 1"] });
    stage.pass(32_500);
    expect(statuses(alice, "INVITE").at(-1)).toBeGreaterThanOrEqual(500);
  },

  SIP_CC_TE_TR_TI_014: () => {
    const { stage, alice, bob } = overTls();
    alice.invite("4711");
    bob.answer(486);
    stage.pass(20_000);
    expect(times(stage, "alice < 486")).toHaveLength(1);
  },

  SIP_CC_TE_TR_TI_015: () => {
    const { stage, alice, bob } = overTls();
    alice.invite("4711");
    bob.answer(486);
    stage.pass(33_000);
    expect(stage.remains().server).toBe(0);
  },

  SIP_CC_TE_TR_TI_016: () => {
    const { stage, alice, bob } = overTls();
    alice.invite("4711");
    bob.answer(200, { sdp: audio(BOB.ip) });
    stage.pass(2_000);
    alice.ack();
    stage.pass(8_000);
    expect(times(stage, "alice < 200")).toEqual([0, 500, 1_500]);
  },

  SIP_CC_TE_TR_TI_017: () => {
    const { stage, alice } = twoSides();
    alice.invite("4711");
    stage.pass(500);
    alice.inviteAgain();
    expect(times(stage, "alice < 100")).toEqual([200, 500]);
  },

  SIP_CC_TE_TR_TI_018: () => {
    const { stage, alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(180);
    stage.pass(179_000);
    expect(statuses(alice, "INVITE")).toEqual([180]);
    stage.pass(3_000);
    expect([408, 480]).toContain(statuses(alice, "INVITE").at(-1));
  },

  SIP_CC_TE_TR_TI_019: () => {
    const { stage, alice } = established();
    alice.request("INFO");
    stage.pass(40_000);
    expect(statuses(alice, "INFO")).not.toContain(408);
  },
});
