/** The box as terminating endpoint: a caller's INVITE, and the responses to it. RFC 3261 §8.2, §12.1.1, §13.3, §17.2.1. */
import { expect } from "vitest";
import { asked, bodyOf, headerOf, headersOf, purposes, requestText, statuses, times } from "../../support/purposes.ts";
import { audio, tagOf } from "../../support/scripted-party.ts";
import { ALICE, BOB, BOX, twoSides } from "../../support/stage.ts";
import { established, NOTHING, ringing } from "../../unit/call/scenes.ts";

purposes({
  SIP_CC_TE_CE_V_001: () => {
    const { alice } = established();
    expect(tagOf(headerOf(alice.response("INVITE"), "To"))).not.toBe("");
  },

  SIP_CC_TE_CE_V_002: () => {
    const { alice } = established();
    expect(headersOf(alice.response("INVITE"), "Contact")).toHaveLength(1);
    expect(headerOf(alice.response("INVITE"), "Contact")).toContain(`@${BOX.outside}`);
  },

  SIP_CC_TE_CE_V_003: () => {
    const { stage, alice, bob } = twoSides();
    const vias = [
      `SIP/2.0/UDP ${ALICE.ip}:5060;branch=z9hG4bK-top`,
      "SIP/2.0/UDP proxy.example.com;branch=z9hG4bK-low",
    ];
    stage.deliver(alice, requestText("INVITE", { Via: vias }, audio(ALICE.ip)));
    bob.answer(486);
    const got = headersOf(alice.response("INVITE"), "Via");
    expect(got[0]).toContain("branch=z9hG4bK-top");
    expect(got[1]).toBe(vias[1]);
  },

  SIP_CC_TE_CE_V_004: () => {
    const { alice } = established();
    const invite = alice.response("INVITE");
    expect(headerOf(invite, "From")).toContain(";tag=alice-tag");
    expect(headerOf(invite, "Call-ID")).toBe("alice-call-1@198.51.100.7");
    expect(headerOf(invite, "CSeq")).toBe("101 INVITE");
  },

  SIP_CC_TE_CE_V_005: () => {
    const { alice, bob } = ringing();
    const early = tagOf(headerOf(alice.response("INVITE"), "To"));
    bob.answer(200, { sdp: audio(BOB.ip) });
    expect(early).not.toBe("");
    expect(tagOf(headerOf(alice.response("INVITE"), "To"))).toBe(early);
  },

  SIP_CC_TE_CE_V_006: () => {
    const { stage, alice } = twoSides();
    alice.invite("4711");
    stage.pass(199);
    expect(times(stage, "alice < 100")).toEqual([]);
    stage.pass(2);
    expect(times(stage, "alice < 100")).toEqual([200]);
  },

  SIP_CC_TE_CE_V_007: () => {
    const { stage } = ringing();
    stage.pass(5_000);
    expect(times(stage, "alice < 100")).toEqual([]);
  },

  SIP_CC_TE_CE_V_008: () => {
    const { stage, alice } = twoSides();
    stage.deliver(alice, requestText("INVITE", { Timestamp: "54.1" }, audio(ALICE.ip)));
    stage.pass(300);
    expect(headerOf(alice.got[0] ?? "", "Timestamp")).toMatch(/^54\.1/);
  },

  SIP_CC_TE_CE_V_009: () => {
    const { stage, alice } = twoSides();
    alice.invite("4711");
    stage.pass(300);
    expect(tagOf(headerOf(alice.got[0] ?? "", "To"))).toBe("");
  },

  SIP_CC_TE_CE_V_010: () => {
    const { alice, bob } = twoSides();
    const routes = ["<sip:p2.example.com;lr>", "<sip:p1.example.com;lr>"];
    alice.invite("4711", { sdp: audio(ALICE.ip), headers: routes.map((route) => `Record-Route: ${route}`) });
    bob.answer(180);
    expect(headersOf(alice.response("INVITE"), "Record-Route").join(",").replaceAll(" ", "")).toBe(routes.join(","));
  },

  SIP_CC_TE_CE_V_011: () => {
    const { alice, bob } = twoSides();
    const routes = ["<sip:p2.example.com;lr>", "<sip:p1.example.com;lr>"];
    alice.invite("4711", { sdp: audio(ALICE.ip), headers: routes.map((route) => `Record-Route: ${route}`) });
    bob.answer(200, { sdp: audio(BOB.ip) });
    expect(headersOf(alice.response("INVITE"), "Record-Route").join(",").replaceAll(" ", "")).toBe(routes.join(","));
  },

  SIP_CC_TE_CE_V_012: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711", {});
    bob.answer(200, { sdp: audio(BOB.ip) });
    expect(bodyOf(alice.response("INVITE"))).toContain("m=audio");
    expect(headerOf(alice.response("INVITE"), "Content-Type")).toBe("application/sdp");
  },

  SIP_CC_TE_CE_V_013: () => {
    const { alice } = established();
    expect(headerOf(alice.response("INVITE"), "Allow")).toMatch(/INVITE.*ACK.*CANCEL.*BYE/);
  },

  SIP_CC_TE_CE_V_014: () => {
    const { alice } = established();
    expect(headerOf(alice.response("INVITE"), "Supported")).toContain("replaces");
  },

  SIP_CC_TE_CE_V_015: () => {
    const { alice, bob } = twoSides();
    const offer = `${audio(ALICE.ip)}m=video 4002 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n`;
    alice.invite("4711", { sdp: offer });
    bob.answer(200, { sdp: `${audio(BOB.ip)}m=video 0 RTP/AVP 96\r\n` });
    expect(bodyOf(alice.response("INVITE")).match(/^m=/gm)).toHaveLength(2);
  },

  SIP_CC_TE_CE_V_016: () => {
    const { stage, alice } = ringing();
    stage.look();
    alice.inviteAgain();
    expect(stage.look()).toEqual(["0 alice > INVITE", "0 alice < 180"]);
  },

  SIP_CC_TE_CE_V_017: () => {
    const { stage, alice, bob } = twoSides();
    stage.deliver(
      alice,
      requestText("INVITE", { Via: `SIP/2.0/UDP ${ALICE.ip}:5099;branch=z9hG4bK-port` }, audio(ALICE.ip)),
    );
    const far = stage.party("far", { realm: "outside", ip: ALICE.ip, port: 5099 });
    bob.answer(486);
    expect(statuses(far, "INVITE")).toEqual([486]);
  },

  SIP_CC_TE_CE_V_018: () => {
    const { stage, alice, bob } = twoSides();
    stage.deliver(
      alice,
      requestText("INVITE", { Via: "SIP/2.0/UDP phone.example.com:5060;branch=z9hG4bK-host" }, audio(ALICE.ip)),
    );
    bob.answer(486);
    expect(headerOf(alice.response("INVITE"), "Via")).toContain(`received=${ALICE.ip}`);
  },

  SIP_CC_TE_CE_V_019: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(180);
    expect(headerOf(alice.response("INVITE"), "Via")).toMatch(/rport=5060/);
    expect(headerOf(alice.response("INVITE"), "Via")).toContain(`received=${ALICE.ip}`);
  },

  SIP_CC_TE_CE_V_020: () => {
    const { stage, alice, bob } = twoSides();
    stage.deliver(alice, requestText("INVITE", {}, audio(ALICE.ip), "INVITE tel:+4930123 SIP/2.0"));
    expect(bob.asked("INVITE").split(" ")[1]).toContain("+4930123");
  },

  SIP_CC_TE_CE_V_021: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711", { sdp: audio(ALICE.ip), headers: ["Require: 100rel"] });
    expect(asked(bob, "INVITE")).toBe(1);
  },

  SIP_CC_TE_CE_V_022: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711", { sdp: audio(ALICE.ip), headers: ["Supported: telepathy"] });
    expect(asked(bob, "INVITE")).toBe(1);
    expect(headerOf(bob.asked("INVITE"), "Supported")).not.toContain("telepathy");
  },

  SIP_CC_TE_CE_V_023: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711", { sdp: audio(ALICE.ip), headers: [`Route: <sip:${BOX.outside};lr>`] });
    expect(headersOf(bob.asked("INVITE"), "Route")).toEqual([]);
  },

  SIP_CC_TE_CE_V_024: () => {
    const { stage, alice, bob } = twoSides();
    stage.deliver(alice, requestText("INVITE", { "Max-Forwards": undefined }, audio(ALICE.ip)));
    expect(asked(bob, "INVITE")).toBe(1);
  },

  SIP_CC_TE_CE_V_025: () => {
    const { stage, alice, bob } = twoSides();
    stage.deliver(alice, requestText("INVITE", { From: `<sip:alice@${ALICE.ip}>` }, audio(ALICE.ip)));
    expect(asked(bob, "INVITE")).toBe(1);
  },

  SIP_CC_TE_CE_V_026: () => {
    const { stage, alice, bob } = twoSides();
    for (const _ of [1, 2]) stage.deliver(alice, requestText("INVITE", {}, audio(ALICE.ip)));
    expect(asked(bob, "INVITE")).toBe(2);
    expect(stage.factsOf("call.started")).toHaveLength(2);
  },

  SIP_CC_TE_CE_V_027: () => {
    const { stage, alice, bob } = ringing();
    bob.answer(486);
    alice.ackRefusal();
    expect(statuses(alice, "INVITE")).toEqual([180, 486]);
    expect(asked(bob, "ACK")).toBe(1);
    stage.pass(70_000);
    expect(stage.remains()).toEqual(NOTHING);
  },

  SIP_CC_TE_CE_V_028: () => {
    const { stage } = established();
    stage.look();
    stage.pass(40_000);
    expect(stage.look()).toEqual([]);
  },

  SIP_CC_TE_CE_V_029: () => {
    const { stage, alice } = established();
    stage.look();
    alice.ack();
    expect(stage.look()).toEqual(["0 alice > ACK"]);
  },

  SIP_CC_TE_CE_V_030: () => {
    const { alice } = ringing();
    alice.cancel();
    expect(statuses(alice, "CANCEL")).toEqual([200]);
    expect(statuses(alice, "INVITE")).toEqual([180, 487]);
  },

  SIP_CC_TE_CE_V_031: () => {
    const { alice } = ringing();
    const tag = tagOf(headerOf(alice.response("INVITE"), "To"));
    alice.cancel();
    expect(tagOf(headerOf(alice.response("CANCEL"), "To"))).toBe(tag);
    expect(tagOf(headerOf(alice.response("INVITE"), "To"))).toBe(tag);
  },

  SIP_CC_TE_CE_V_032: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(200, { sdp: audio(BOB.ip) });
    alice.cancel();
    alice.ack();
    expect(statuses(alice, "CANCEL")).toEqual([200]);
    expect(asked(bob, "CANCEL") + asked(bob, "BYE")).toBe(0);
  },

  SIP_CC_TE_CE_V_033: () => {
    const { stage, alice } = twoSides();
    stage.deliver(alice, requestText("CANCEL"));
    expect(statuses(alice, "CANCEL")).toEqual([481]);
  },

  SIP_CC_TE_CE_V_034: () => {
    const { alice, bob } = ringing();
    bob.answer(183);
    bob.answer(180);
    expect(statuses(alice, "INVITE")).toEqual([180, 183, 180]);
  },

  SIP_CC_TE_CE_V_035: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(180, { fork: "-a" });
    const first = tagOf(headerOf(alice.response("INVITE"), "To"));
    bob.answer(180, { fork: "-b" });
    expect(tagOf(headerOf(alice.response("INVITE"), "To"))).not.toBe(first);
  },

  SIP_CC_TE_CE_V_036: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711", {
      sdp: audio(ALICE.ip),
      headers: [`Record-Route: <sip:${ALICE.ip};lr;n=2>`, "Record-Route: <sip:p1.example.com;lr>"],
    });
    bob.answer(200, { sdp: audio(BOB.ip) });
    alice.ack();
    bob.request("BYE");
    const bye = alice.asked("BYE");
    expect(bye.split(" ")[1]).toBe(`sip:alice@${ALICE.ip}:5060`);
    expect(headersOf(bye, "Route").join(",").replaceAll(" ", "")).toBe(
      `<sip:${ALICE.ip};lr;n=2>,<sip:p1.example.com;lr>`,
    );
  },

  SIP_CC_TE_CE_V_037: () => {
    const { alice, bob } = established();
    const theirs = alice.response("INVITE");
    bob.request("BYE");
    const bye = alice.asked("BYE");
    expect(tagOf(headerOf(bye, "From"))).toBe(tagOf(headerOf(theirs, "To")));
    expect(tagOf(headerOf(bye, "To"))).toBe("alice-tag");
    expect(headerOf(bye, "Call-ID")).toBe(headerOf(theirs, "Call-ID"));
  },

  SIP_CC_TE_CE_V_038: () => {
    const { alice } = established();
    const answer = bodyOf(alice.response("INVITE"));
    expect(answer).toMatch(new RegExp(`^o=\\S+ \\d+ \\d+ IN IP4 ${BOX.outside}`, "m"));
    expect(answer).toMatch(new RegExp(`^c=IN IP4 ${BOX.outside}`, "m"));
  },

  SIP_CC_TE_CE_V_039: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(404);
    expect(statuses(alice, "INVITE")).toEqual([404]);
  },

  SIP_CC_TE_CE_V_040: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(486);
    expect(statuses(alice, "INVITE")).toEqual([486]);
  },

  SIP_CC_TE_CE_V_041: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(488);
    expect(statuses(alice, "INVITE")).toEqual([488]);
  },

  SIP_CC_TE_CE_V_042: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(600);
    expect(statuses(alice, "INVITE")).toEqual([600]);
  },

  SIP_CC_TE_CE_V_043: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(603);
    expect(statuses(alice, "INVITE")).toEqual([603]);
  },

  SIP_CC_TE_CE_V_044: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(486, { body: { type: "text/plain", text: "at the pub, 10.9.0.7" } });
    expect(headersOf(alice.response("INVITE"), "Contact")).toEqual([]);
    expect(bodyOf(alice.response("INVITE"))).toBe("");
  },
});
