/** The end of a call, from either side and on either leg. RFC 3261 §15. */
import { expect } from "vitest";
import {
  asked,
  branchOf,
  headerOf,
  headersOf,
  purposes,
  requestText,
  seqOf,
  statuses,
} from "../../support/purposes.ts";
import { audio, type ScriptedParty, tagOf } from "../../support/scripted-party.ts";
import { ALICE, BOB, BOX, type Stage, twoSides } from "../../support/stage.ts";
import { established, NOTHING, ringing } from "../../unit/call/scenes.ts";

/** A BYE in the dialog that `caller` has, sent by `sender`, with other lines in place of the right ones. */
function bye(stage: Stage, sender: ScriptedParty, caller: ScriptedParty, lines: Record<string, string>): void {
  const answer = caller.response("INVITE");
  const right = Object.fromEntries(["From", "To", "Call-ID"].map((name) => [name, headerOf(answer, name)]));
  stage.deliver(sender, requestText("BYE", { ...right, ...lines }));
}

purposes({
  SIP_CC_TE_CR_V_001: () => {
    const { alice } = established();
    alice.request("BYE");
    expect(statuses(alice, "BYE")).toEqual([200]);
  },

  SIP_CC_TE_CR_V_002: () => {
    const { alice } = established();
    const bye = alice.request("BYE");
    const answer = alice.response("BYE");
    for (const name of ["From", "To", "Call-ID", "CSeq"]) expect(headerOf(answer, name)).toBe(headerOf(bye, name));
    expect(branchOf(answer)).toBe(branchOf(bye));
  },

  SIP_CC_TE_CR_V_003: () => {
    const { stage, alice } = established();
    alice.request("BYE");
    expect(stage.relay.at(-1)?.word).toBe("close");
  },

  SIP_CC_TE_CR_V_004: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(200, { sdp: audio(BOB.ip) });
    alice.ack();
    alice.request("BYE");
    expect(statuses(alice, "BYE")).toEqual([200]);
  },

  SIP_CC_TE_CR_V_005: () => {
    const { stage, alice, bob } = ringing();
    alice.invite("4712");
    bob.answer(180);
    const early = alice.response("INVITE");
    stage.deliver(
      alice,
      requestText("BYE", {
        From: headerOf(early, "From"),
        To: headerOf(early, "To"),
        "Call-ID": headerOf(early, "Call-ID"),
        CSeq: "200 BYE",
      }),
    );
    expect(statuses(alice, "BYE")).toEqual([200]);
    expect(statuses(alice, "INVITE").at(-1)).toBe(487);
  },

  SIP_CC_TE_CR_V_006: () => {
    const { alice } = established();
    alice.request("INVITE", { sdp: audio(ALICE.ip, { version: 2 }) });
    alice.request("BYE");
    expect(statuses(alice, "INVITE").at(-1)).toBe(487);
  },

  SIP_CC_TE_CR_V_007: () => {
    const { alice } = established();
    alice.request("BYE", { body: { type: "text/plain", text: "bye" } });
    expect(statuses(alice, "BYE")).toEqual([200]);
  },

  SIP_CC_TE_CR_V_008: () => {
    const { alice } = established();
    alice.request("BYE", { headers: ["Max-Forwards: 0"] });
    expect(statuses(alice, "BYE")).toEqual([200]);
  },

  SIP_CC_TE_CR_V_009: () => {
    const { stage, alice } = established();
    bye(stage, alice, alice, { CSeq: "9000 BYE" });
    expect(statuses(alice, "BYE")).toEqual([200]);
  },

  SIP_CC_TE_CR_I_001: () => {
    const { stage, alice } = twoSides();
    stage.deliver(alice, requestText("BYE", { To: `<sip:4711@${BOX.outside}>;tag=never` }));
    expect(statuses(alice, "BYE")).toEqual([481]);
  },

  SIP_CC_TE_CR_I_002: () => {
    const { stage, alice } = twoSides();
    stage.deliver(alice, requestText("BYE"));
    expect(statuses(alice, "BYE")).toEqual([481]);
  },

  SIP_CC_TE_CR_I_003: () => {
    const { alice, bob } = established();
    alice.request("BYE");
    bob.answer(200, { method: "BYE" });
    alice.request("BYE");
    expect(statuses(alice, "BYE")).toEqual([200, 481]);
  },

  SIP_CC_TE_CR_I_004: () => {
    const { stage, alice, bob } = established();
    bye(stage, alice, alice, {
      From: headerOf(alice.response("INVITE"), "From").replace(/tag=.*/, "tag=other"),
      CSeq: "200 BYE",
    });
    expect(statuses(alice, "BYE")).toEqual([481]);
    expect(asked(bob, "BYE")).toBe(0);
  },

  SIP_CC_TE_CR_I_005: () => {
    const { stage, alice, bob } = established();
    bye(stage, alice, alice, { CSeq: "5 BYE" });
    expect(statuses(alice, "BYE")).toEqual([500]);
    expect(asked(bob, "BYE")).toBe(0);
  },

  SIP_CC_TE_CR_I_006: () => {
    const { stage, alice, bob } = established();
    bye(stage, bob, alice, { Via: `SIP/2.0/UDP ${BOB.ip}:5060;branch=z9hG4bK-steal`, CSeq: "200 BYE" });
    expect(statuses(bob, "BYE")).toEqual([481]);
    expect(asked(alice, "BYE") + asked(bob, "BYE")).toBe(0);
  },

  SIP_CC_TE_CR_I_007: () => {
    const { alice, bob } = established();
    alice.request("BYE", { headers: ["Require: telepathy"] });
    expect(statuses(alice, "BYE")).toEqual([420]);
    expect(asked(bob, "BYE")).toBe(0);
  },

  SIP_CC_OE_CR_V_001: () => {
    const { alice, bob } = established();
    alice.request("BYE");
    expect(asked(bob, "BYE")).toBe(1);
  },

  SIP_CC_OE_CR_V_002: () => {
    const { alice, bob } = established();
    alice.request("BYE");
    expect(seqOf(bob.asked("BYE"))).toBe(seqOf(bob.asked("INVITE")) + 1);
    expect(new Set(["INVITE", "ACK", "BYE"].map((method) => branchOf(bob.asked(method)))).size).toBe(3);
  },

  SIP_CC_OE_CR_V_003: () => {
    const { alice, bob } = established();
    alice.request("BYE");
    expect(bob.asked("BYE").split(" ")[1]).toBe(`sip:bob@${BOB.ip}:5060`);
  },

  SIP_CC_OE_CR_V_004: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(200, { sdp: audio(BOB.ip), headers: [`Record-Route: <sip:${BOB.ip};lr>`] });
    alice.ack();
    alice.request("BYE");
    expect(headersOf(bob.asked("BYE"), "Route")).toEqual([`<sip:${BOB.ip};lr>`]);
  },

  SIP_CC_OE_CR_V_005: () => {
    const { alice, bob } = established();
    alice.request("BYE");
    const [bye, invite] = [bob.asked("BYE"), bob.asked("INVITE")];
    for (const name of ["Call-ID", "From"]) expect(headerOf(bye, name)).toBe(headerOf(invite, name));
    expect(tagOf(headerOf(bye, "To"))).toBe("bob-tag");
  },

  SIP_CC_OE_CR_V_006: () => {
    const { stage, alice, bob } = established();
    alice.request("BYE");
    bob.answer(481, { method: "BYE" });
    stage.pass(40_000);
    expect(stage.remains()).toEqual(NOTHING);
  },

  SIP_CC_OE_CR_V_007: () => {
    const { stage, alice, bob } = established();
    alice.request("BYE");
    bob.answer(408, { method: "BYE" });
    stage.pass(40_000);
    expect(stage.remains()).toEqual(NOTHING);
  },

  SIP_CC_OE_CR_V_008: () => {
    const { stage, alice } = established();
    alice.request("BYE");
    stage.pass(70_000);
    expect(stage.remains()).toEqual(NOTHING);
  },

  SIP_CC_OE_CR_V_009: () => {
    const { stage, alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(200, { sdp: audio(BOB.ip) });
    bob.request("BYE");
    stage.pass(400);
    expect(asked(alice, "BYE")).toBe(0);
    alice.ack();
    expect(asked(alice, "BYE")).toBe(1);
  },

  SIP_CC_OE_CR_V_010: () => {
    const { alice, bob } = ringing();
    bob.request("BYE");
    expect(statuses(bob, "BYE")).toEqual([481]);
    expect(statuses(alice, "INVITE")).toEqual([180]);
  },

  SIP_CC_OE_CR_V_011: () => {
    const { alice, bob } = established();
    alice.request("BYE");
    bob.request("BYE");
    bob.answer(200, { method: "BYE" });
    expect(statuses(bob, "BYE")).toEqual([200]);
    expect(asked(alice, "BYE")).toBe(0);
  },

  SIP_CC_OE_CR_V_012: () => {
    const { alice, bob } = established();
    bob.request("BYE");
    expect(headerOf(alice.asked("BYE"), "CSeq")).toMatch(/^\d+ BYE$/);
    expect(headerOf(alice.asked("BYE"), "Max-Forwards")).not.toBe("0");
  },

  SIP_CC_OE_CR_V_013: () => {
    const { stage, alice, bob } = established();
    alice.request("INFO");
    bob.answer(481, { method: "INFO" });
    expect(asked(bob, "BYE") + asked(alice, "BYE")).toBeGreaterThanOrEqual(1);
    stage.pass(70_000);
    expect(stage.remains()).toEqual(NOTHING);
  },
});
