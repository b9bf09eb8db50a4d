/** Client transactions of the callee's leg, to the millisecond. RFC 3261 §17.1, RFC 6026. */
import { expect } from "vitest";
import { overTls, purposes, statuses, times } from "../../support/purposes.ts";
import { audio } from "../../support/scripted-party.ts";
import { ALICE, twoSides } from "../../support/stage.ts";
import { established, NOTHING, ringing, sdpOfBob } from "../../unit/call/scenes.ts";

purposes({
  SIP_CC_OE_TR_TI_001: () => {
    const { stage, alice } = twoSides();
    alice.invite("4711");
    stage.pass(31_900);
    expect(times(stage, "bob < INVITE")).toEqual([0, 500, 1_500, 3_500, 7_500, 15_500, 31_500]);
  },

  SIP_CC_OE_TR_TI_002: () => {
    const { stage, alice } = twoSides();
    alice.invite("4711");
    stage.pass(31_999);
    expect(statuses(alice, "INVITE")).toEqual([]);
    stage.pass(2);
    expect(statuses(alice, "INVITE")).toEqual([408]);
  },

  SIP_CC_OE_TR_TI_003: () => {
    const { stage, alice, bob } = twoSides();
    alice.invite("4711");
    stage.pass(600);
    bob.answer(100);
    stage.pass(20_000);
    expect(times(stage, "bob < INVITE")).toEqual([0, 500]);
  },

  SIP_CC_OE_TR_TI_004: () => {
    const { stage, alice } = ringing();
    stage.pass(60_000);
    expect(statuses(alice, "INVITE")).toEqual([180]);
  },

  SIP_CC_OE_TR_TI_005: () => {
    const { stage, alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(486);
    stage.pass(31_900);
    bob.answer(486);
    expect(times(stage, "bob < ACK")).toEqual([0, 31_900]);
  },

  SIP_CC_OE_TR_TI_006: () => {
    const { stage, alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(486);
    alice.ackRefusal();
    stage.pass(33_000);
    bob.answer(486);
    expect(times(stage, "bob < ACK")).toEqual([0]);
  },

  SIP_CC_OE_TR_TI_007: () => {
    const { stage, bob } = established();
    stage.pass(31_000);
    bob.answer(200, { sdp: sdpOfBob });
    expect(times(stage, "bob < ACK")).toEqual([0, 31_000]);
  },

  SIP_CC_OE_TR_TI_008: () => {
    const { stage, alice } = established();
    alice.request("BYE");
    stage.pass(20_000);
    expect(times(stage, "bob < BYE")).toEqual([0, 500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500]);
  },

  SIP_CC_OE_TR_TI_009: () => {
    const { stage, alice } = established();
    alice.request("BYE");
    stage.pass(70_000);
    expect(times(stage, "bob < BYE").at(-1)).toBe(31_500);
    expect(stage.remains()).toEqual(NOTHING);
  },

  SIP_CC_OE_TR_TI_010: () => {
    const { stage, alice, bob } = established();
    alice.request("BYE");
    stage.pass(100);
    bob.answer(100, { method: "BYE" });
    stage.pass(12_000);
    expect(times(stage, "bob < BYE")).toEqual([0, 500, 4_500, 8_500]);
  },

  SIP_CC_OE_TR_TI_011: () => {
    const { stage, alice, bob } = established();
    alice.request("BYE");
    bob.answer(200, { method: "BYE" });
    stage.look();
    stage.pass(4_000);
    bob.answer(200, { method: "BYE" });
    expect(stage.look()).toEqual(["4000 bob > 200 BYE"]);
  },

  SIP_CC_OE_TR_TI_012: () => {
    const { stage, alice, bob } = established();
    alice.request("BYE");
    bob.answer(200, { method: "BYE" });
    stage.pass(4_900);
    const before = stage.remains().lingering ?? 0;
    stage.pass(200);
    expect(before - (stage.remains().lingering ?? 0)).toBe(1);
    expect(stage.remains().client).toBe(0);
  },

  SIP_CC_OE_TR_TI_013: () => {
    const { stage, alice, bob } = ringing();
    alice.cancel();
    stage.pass(2_000);
    bob.answer(200, { method: "CANCEL" });
    stage.pass(10_000);
    expect(times(stage, "bob < CANCEL")).toEqual([0, 500, 1_500]);
  },

  SIP_CC_OE_TR_TI_014: () => {
    const { stage, alice, bob } = ringing();
    alice.cancel();
    alice.ackRefusal();
    bob.answer(200, { method: "CANCEL" });
    stage.pass(70_000);
    expect(stage.remains()).toEqual(NOTHING);
  },

  SIP_CC_OE_TR_TI_015: () => {
    const { stage, bob } = overTls();
    bob.invite("x");
    stage.pass(20_000);
    expect(times(stage, "alice < INVITE")).toHaveLength(1);
  },

  SIP_CC_OE_TR_TI_016: () => {
    const { stage, bob } = overTls();
    bob.invite("x");
    stage.pass(31_990);
    expect(statuses(bob, "INVITE")).toEqual([]);
    stage.pass(20);
    expect(statuses(bob, "INVITE")).toEqual([408]);
  },

  SIP_CC_OE_TR_TI_017: () => {
    const { stage, alice, bob } = overTls();
    bob.invite("x");
    alice.answer(200, { sdp: audio(ALICE.ip) });
    bob.ack();
    bob.request("BYE");
    stage.pass(20_000);
    expect(times(stage, "alice < BYE")).toHaveLength(1);
  },

  SIP_CC_OE_TR_TI_018: () => {
    const { stage, alice, bob } = overTls();
    bob.invite("x");
    alice.answer(486);
    stage.pass(100);
    alice.answer(486);
    expect(times(stage, "alice < ACK")).toHaveLength(1);
  },

  SIP_CC_OE_TR_TI_019: () => {
    const { stage, alice } = twoSides({ insideTargets: [{ ip: "10.9.0.8", port: 5060, protocol: "tcp" }] });
    alice.invite("4711");
    stage.pass(10);
    expect(statuses(alice, "INVITE")).toEqual([503]);
  },

  SIP_CC_OE_TR_TI_020: () => {
    const { stage, alice, bob } = established();
    alice.request("INFO");
    stage.pass(3_600);
    bob.answer(200, { method: "INFO" });
    stage.pass(10_000);
    expect(times(stage, "bob < INFO")).toEqual([0, 500, 1_500, 3_500]);
  },
});
