/** The box as originating endpoint: the INVITE toward a callee and what comes back. RFC 3261 §8.1, §12.1.2, §13.2, §17.1.1. */
import { expect } from "vitest";
import { asked, bodyOf, branchOf, headerOf, headersOf, purposes, seqOf } from "../../support/purposes.ts";
import { audio, tagOf } from "../../support/scripted-party.ts";
import { ALICE, BOB, BOX, twoSides } from "../../support/stage.ts";
import { established, ringing, sdpOfBob } from "../../unit/call/scenes.ts";

purposes({
  SIP_CC_OE_CE_V_001: () => {
    const { bob } = ringing();
    const invite = bob.asked("INVITE");
    for (const name of ["To", "From", "CSeq", "Call-ID", "Max-Forwards", "Via"])
      expect(headersOf(invite, name)).toHaveLength(1);
  },

  SIP_CC_OE_CE_V_002: () => {
    const { bob } = ringing();
    expect(tagOf(headerOf(bob.asked("INVITE"), "From"))).not.toBe("");
  },

  SIP_CC_OE_CE_V_003: () => {
    const { bob } = ringing();
    expect(tagOf(headerOf(bob.asked("INVITE"), "To"))).toBe("");
  },

  SIP_CC_OE_CE_V_004: () => {
    const { bob } = ringing();
    expect(headersOf(bob.asked("INVITE"), "Contact")).toHaveLength(1);
    expect(headerOf(bob.asked("INVITE"), "Contact")).toContain(`@${BOX.inside}`);
  },

  SIP_CC_OE_CE_V_005: () => {
    const { bob } = ringing();
    expect(branchOf(bob.asked("INVITE"))).toMatch(/^z9hG4bK/);
  },

  SIP_CC_OE_CE_V_006: () => {
    const { alice, bob } = twoSides();
    for (const _ of [1, 2]) alice.invite("4711");
    expect(new Set(bob.got.map(branchOf)).size).toBe(2);
  },

  SIP_CC_OE_CE_V_007: () => {
    const { alice, bob } = twoSides();
    for (const _ of [1, 2]) alice.invite("4711");
    expect(new Set(bob.got.map((text) => headerOf(text, "Call-ID"))).size).toBe(2);
  },

  SIP_CC_OE_CE_V_008: () => {
    const { alice, bob } = twoSides();
    for (const _ of [1, 2]) alice.invite("4711");
    expect(new Set(bob.got.map((text) => tagOf(headerOf(text, "From")))).size).toBe(2);
  },

  SIP_CC_OE_CE_V_009: () => {
    const { bob } = ringing();
    expect(headerOf(bob.asked("INVITE"), "CSeq")).toMatch(/^\d+ INVITE$/);
    expect(seqOf(bob.asked("INVITE"))).toBeLessThan(2 ** 31);
  },

  SIP_CC_OE_CE_V_010: () => {
    const { bob } = ringing();
    expect(bob.asked("INVITE").split(" ")[1]).toBe(`sip:4711@${BOB.ip}`);
  },

  SIP_CC_OE_CE_V_011: () => {
    const { bob } = ringing();
    expect(headerOf(bob.asked("INVITE"), "Via")).toMatch(new RegExp(`^SIP/2\\.0/UDP ${BOX.inside}`));
  },

  SIP_CC_OE_CE_V_012: () => {
    const { bob } = ringing();
    expect(headerOf(bob.asked("INVITE"), "Allow")).toMatch(/INVITE.*ACK.*CANCEL.*BYE/);
  },

  SIP_CC_OE_CE_V_013: () => {
    const { bob } = ringing();
    expect(headerOf(bob.asked("INVITE"), "Supported")).not.toBe("");
  },

  SIP_CC_OE_CE_V_014: () => {
    const { bob } = ringing();
    const invite = bob.asked("INVITE");
    expect(headerOf(invite, "Content-Type")).toBe("application/sdp");
    expect(Number(headerOf(invite, "Content-Length"))).toBe(bodyOf(invite).length);
  },

  SIP_CC_OE_CE_V_015: () => {
    const { bob } = established();
    expect(branchOf(bob.asked("ACK"))).not.toBe(branchOf(bob.asked("INVITE")));
  },

  SIP_CC_OE_CE_V_016: () => {
    const { bob } = established();
    expect(headerOf(bob.asked("ACK"), "CSeq")).toBe(`${seqOf(bob.asked("INVITE"))} ACK`);
  },

  SIP_CC_OE_CE_V_017: () => {
    const { bob } = established();
    expect(bob.asked("ACK").split(" ")[1]).toBe(`sip:bob@${BOB.ip}:5060`);
  },

  SIP_CC_OE_CE_V_018: () => {
    const { bob } = established();
    const [ack, invite] = [bob.asked("ACK"), bob.asked("INVITE")];
    expect(headerOf(ack, "Call-ID")).toBe(headerOf(invite, "Call-ID"));
    expect(headerOf(ack, "From")).toBe(headerOf(invite, "From"));
    expect(tagOf(headerOf(ack, "To"))).toBe("bob-tag");
  },

  SIP_CC_OE_CE_V_019: () => {
    const { bob } = established();
    expect(bodyOf(bob.asked("ACK"))).toBe("");
  },

  SIP_CC_OE_CE_V_020: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711", {});
    bob.answer(200, { sdp: audio(BOB.ip) });
    alice.ack({ sdp: audio(ALICE.ip) });
    expect(bodyOf(bob.asked("ACK"))).toContain("m=audio");
  },

  SIP_CC_OE_CE_V_021: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(200, {
      sdp: audio(BOB.ip),
      headers: ["Record-Route: <sip:10.9.0.8;lr>", `Record-Route: <sip:${BOB.ip};lr>`],
    });
    expect(headersOf(bob.asked("ACK"), "Route").join(",").replaceAll(" ", "")).toBe(
      `<sip:${BOB.ip};lr>,<sip:10.9.0.8;lr>`,
    );
  },

  SIP_CC_OE_CE_V_022: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(200, { sdp: audio(BOB.ip), headers: [`Record-Route: <sip:${BOB.ip}>`] });
    const ack = bob.asked("ACK");
    expect(ack.split(" ")[1]).toBe(`sip:${BOB.ip}`);
    expect(headersOf(ack, "Route").at(-1)).toBe(`<sip:bob@${BOB.ip}:5060>`);
  },

  SIP_CC_OE_CE_V_023: () => {
    const { bob } = established();
    bob.answer(200, { sdp: sdpOfBob });
    bob.answer(200, { sdp: sdpOfBob });
    expect(asked(bob, "ACK")).toBe(3);
  },
});
