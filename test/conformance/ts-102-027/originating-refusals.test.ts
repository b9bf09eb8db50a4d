/** The box as originating endpoint: refusals, CANCEL, forks and strange callees. RFC 3261 §9, §13.2.2, §17.1.1.3, RFC 3262 §4. */
import { expect } from "vitest";
import { asked, bodyOf, branchOf, headerOf, headersOf, purposes, seqOf, statuses } from "../../support/purposes.ts";
import { audio, tagOf } from "../../support/scripted-party.ts";
import { ALICE, BOB, twoSides } from "../../support/stage.ts";
import { ringing } from "../../unit/call/scenes.ts";

purposes({
  SIP_CC_OE_CE_V_024: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(486);
    expect(branchOf(bob.asked("ACK"))).toBe(branchOf(bob.asked("INVITE")));
  },

  SIP_CC_OE_CE_V_025: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(486);
    expect(bob.asked("ACK").split(" ")[1]).toBe(bob.asked("INVITE").split(" ")[1]);
  },

  SIP_CC_OE_CE_V_026: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(486);
    expect(tagOf(headerOf(bob.asked("ACK"), "To"))).toBe("bob-tag");
  },

  SIP_CC_OE_CE_V_027: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(486);
    const [ack, invite] = [bob.asked("ACK"), bob.asked("INVITE")];
    for (const name of ["Via", "From", "Call-ID"]) expect(headersOf(ack, name)).toEqual(headersOf(invite, name));
  },

  SIP_CC_OE_CE_V_028: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(302);
    expect(headerOf(bob.asked("ACK"), "CSeq")).toBe("1 ACK");
  },

  SIP_CC_OE_CE_V_029: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(404);
    expect(headerOf(bob.asked("ACK"), "CSeq")).toBe("1 ACK");
  },

  SIP_CC_OE_CE_V_030: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(500);
    expect(headerOf(bob.asked("ACK"), "CSeq")).toBe("1 ACK");
  },

  SIP_CC_OE_CE_V_031: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(600);
    expect(headerOf(bob.asked("ACK"), "CSeq")).toBe("1 ACK");
  },

  SIP_CC_OE_CE_V_032: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(486);
    bob.answer(486);
    expect(asked(bob, "ACK")).toBe(2);
  },

  SIP_CC_OE_CE_V_033: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711");
    alice.cancel();
    expect(asked(bob, "CANCEL")).toBe(0);
    bob.answer(180);
    expect(asked(bob, "CANCEL")).toBe(1);
  },

  SIP_CC_OE_CE_V_034: () => {
    const { alice, bob } = ringing();
    alice.cancel();
    const [cancel, invite] = [bob.asked("CANCEL"), bob.asked("INVITE")];
    expect(cancel.split(" ")[1]).toBe(invite.split(" ")[1]);
    for (const name of ["Call-ID", "To", "From"]) expect(headerOf(cancel, name)).toBe(headerOf(invite, name));
  },

  SIP_CC_OE_CE_V_035: () => {
    const { alice, bob } = ringing();
    alice.cancel();
    expect(headerOf(bob.asked("CANCEL"), "CSeq")).toBe(`${seqOf(bob.asked("INVITE"))} CANCEL`);
  },

  SIP_CC_OE_CE_V_036: () => {
    const { alice, bob } = ringing();
    alice.cancel();
    expect(headersOf(bob.asked("CANCEL"), "Via")).toEqual(headersOf(bob.asked("INVITE"), "Via"));
  },

  SIP_CC_OE_CE_V_037: () => {
    const { alice, bob } = ringing();
    alice.cancel();
    const cancel = bob.asked("CANCEL");
    expect([...headersOf(cancel, "Require"), ...headersOf(cancel, "Proxy-Require"), bodyOf(cancel)]).toEqual([""]);
  },

  SIP_CC_OE_CE_V_038: () => {
    const { alice, bob } = ringing();
    alice.cancel();
    bob.answer(200, { method: "CANCEL" });
    bob.answer(487);
    expect(branchOf(bob.asked("ACK"))).toBe(branchOf(bob.asked("INVITE")));
  },

  SIP_CC_OE_CE_V_039: () => {
    const { alice, bob } = ringing();
    alice.cancel();
    bob.answer(200, { sdp: audio(BOB.ip) });
    expect(asked(bob, "ACK")).toBe(1);
    expect(asked(bob, "BYE")).toBe(1);
  },

  SIP_CC_OE_CE_V_040: () => {
    const { stage, alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(180);
    bob.answer(200, { sdp: audio(BOB.ip) });
    alice.cancel();
    stage.pass(10);
    expect(asked(bob, "CANCEL")).toBe(0);
  },

  SIP_CC_OE_CE_V_041: () => {
    const { alice, bob } = ringing();
    bob.answer(200, { sdp: audio(BOB.ip) });
    alice.ack();
    bob.answer(200, { sdp: audio(BOB.ip), fork: "-other" });
    expect(tagOf(headerOf(bob.asked("ACK"), "To"))).toBe("bob-tag-other");
    expect(tagOf(headerOf(bob.asked("BYE"), "To"))).toBe("bob-tag-other");
  },

  SIP_CC_OE_CE_V_042: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(199);
    expect(statuses(alice, "INVITE").every((status) => status === 183 || status === 199)).toBe(true);
    bob.answer(200, { sdp: audio(BOB.ip) });
    expect(statuses(alice, "INVITE").at(-1)).toBe(200);
  },

  SIP_CC_OE_CE_V_043: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(299, { sdp: audio(BOB.ip) });
    expect(asked(bob, "ACK")).toBe(1);
    expect(statuses(alice, "INVITE").at(-1)).toBeLessThan(300);
  },

  SIP_CC_OE_CE_V_044: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(471);
    expect(asked(bob, "ACK")).toBe(1);
    expect(statuses(alice, "INVITE").at(-1)).toBeGreaterThanOrEqual(400);
  },

  SIP_CC_OE_CE_V_045: () => {
    const { alice, bob } = twoSides();
    bob.tagless = true;
    alice.invite("4711");
    bob.answer(200, { sdp: audio(BOB.ip) });
    expect(asked(bob, "ACK")).toBe(1);
    alice.ack();
    alice.request("BYE");
    expect(tagOf(headerOf(bob.asked("BYE"), "To"))).toBe("");
  },

  SIP_CC_OE_CE_V_046: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711", { sdp: audio(ALICE.ip), headers: ["Supported: 100rel"] });
    expect(headerOf(bob.asked("INVITE"), "Supported")).toContain("100rel");
  },

  SIP_CC_OE_CE_V_047: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(183, { sdp: audio(BOB.ip), headers: ["Require: 100rel", "RSeq: 4242"] });
    expect(headerOf(bob.asked("PRACK"), "RAck")).toBe(`4242 ${seqOf(bob.asked("INVITE"))} INVITE`);
  },

  SIP_CC_OE_CE_V_048: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(183, { sdp: audio(BOB.ip), headers: ["Require: 100rel", "RSeq: 4242"] });
    expect(tagOf(headerOf(bob.asked("PRACK"), "To"))).toBe("bob-tag");
    expect(headerOf(bob.asked("PRACK"), "CSeq")).toBe(`${seqOf(bob.asked("INVITE")) + 1} PRACK`);
  },
});
