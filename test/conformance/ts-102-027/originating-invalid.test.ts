/** What is broken in a callee's response. RFC 3261 §8.1.3, §13.2.2, §18.1.2. */
import { expect } from "vitest";
import { asked, headerOf, purposes, statuses } from "../../support/purposes.ts";
import { audio } from "../../support/scripted-party.ts";
import { ALICE, twoSides } from "../../support/stage.ts";
import { established, NOTHING, ringing } from "../../unit/call/scenes.ts";

purposes({
  SIP_CC_OE_CE_I_001: () => {
    absorbed((text) => text.replace(/branch=[^;\r]+/, "branch=z9hG4bK-other"));
  },

  SIP_CC_OE_CE_I_002: () => {
    absorbed((text) => text.replace("1 INVITE", "1 OPTIONS"));
  },

  SIP_CC_OE_CE_I_003: () => {
    absorbed((text) => text.replace("\r\nFrom:", "\r\nVia: SIP/2.0/UDP elsewhere;branch=z9hG4bK-2\r\nFrom:"));
  },

  SIP_CC_OE_CE_I_004: () => {
    absorbed((text) => text.replace(/\r\nCSeq:[^\r]*/, ""));
  },

  SIP_CC_OE_CE_I_005: () => {
    absorbed((text) => text.replace(/\r\nTo:[^\r]*/, ""));
  },

  SIP_CC_OE_CE_I_006: () => {
    absorbed((text) => text.replace("Content-Length: 0", "Content-Length: 99"));
  },

  SIP_CC_OE_CE_I_007: () => {
    absorbed((text) => text.replace("SIP/2.0 180", "SIP/7.0 180"));
  },

  SIP_CC_OE_CE_I_008: () => {
    absorbed((text) => text.replace("180 Ringing", "99 Early"));
  },

  SIP_CC_OE_CE_I_009: () => {
    const { stage, alice, bob } = twoSides();
    alice.invite("4711");
    stage.deliver(bob, responseOf(bob.asked("INVITE"), "700 Beyond"));
    expect(statuses(alice, "INVITE").every((status) => status >= 400)).toBe(true);
    expect(stage.factsOf("call.answered")).toEqual([]);
  },

  SIP_CC_OE_CE_I_010: () => {
    const { stage, bob } = established();
    stage.look();
    bob.answer(180);
    expect(stage.look()).toEqual(["0 bob > 180"]);
  },

  SIP_CC_OE_CE_I_011: () => {
    const { stage, bob } = established();
    stage.look();
    bob.answer(486);
    expect(stage.look()).toEqual(["0 bob > 486"]);
  },

  SIP_CC_OE_CE_I_012: () => {
    const { stage, alice, bob } = ringing();
    stage.deliver(bob, responseOf(bob.asked("INVITE"), "200 OK"));
    expect(statuses(alice, "INVITE").at(-1)).toBeGreaterThanOrEqual(400);
    stage.pass(70_000);
    expect(stage.remains()).toEqual(NOTHING);
  },

  SIP_CC_OE_CE_I_013: () => {
    const { alice, bob } = ringing();
    bob.answer(200, { sdp: "v=0\r\nnot a description\r\n" });
    expect([asked(bob, "ACK"), asked(bob, "BYE")]).toEqual([1, 1]);
    expect(statuses(alice, "INVITE").at(-1)).toBeGreaterThanOrEqual(400);
  },

  SIP_CC_OE_CE_I_014: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711", { sdp: audio(ALICE.ip), headers: ["Supported: 100rel"] });
    bob.answer(183, { headers: ["Require: 100rel", "RSeq: 10"] });
    alice.prack();
    bob.answer(183, { headers: ["Require: 100rel", "RSeq: 12"] });
    expect(asked(bob, "PRACK")).toBe(1);
  },

  SIP_CC_OE_CE_I_015: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(183, { headers: ["Require: 100rel"] });
    expect(asked(bob, "PRACK")).toBe(0);
  },
});

/** A response as short as can be to this request. */
function responseOf(request: string, status: string): string {
  const copied = ["Via", "From", "To", "Call-ID", "CSeq"].map((name) => `${name}: ${headerOf(request, name)}`);
  return `SIP/2.0 ${status}\r\n${copied.join("\r\n").replace(/(To: [^\r]*)/, "$1;tag=bob-raw")}\r\nContent-Length: 0\r\n\r\n`;
}

/** What `change` made of a 180 is heard by nobody; the 180 itself crosses. */
function absorbed(change: (text: string) => string): void {
  const { stage, alice, bob } = twoSides();
  alice.invite("4711");
  const text = responseOf(bob.asked("INVITE"), "180 Ringing");
  stage.deliver(bob, change(text));
  expect(statuses(alice, "INVITE")).toEqual([]);
  stage.deliver(bob, text);
  expect(statuses(alice, "INVITE")).toEqual([180]);
}
