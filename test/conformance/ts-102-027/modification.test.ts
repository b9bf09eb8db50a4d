/** A session changed while it lasts: re-INVITE and UPDATE, as asked of us and as asked by us. RFC 3261 §14, RFC 3311, RFC 3264 §8. */
import { expect } from "vitest";
import {
  asked,
  bodyOf,
  branchOf,
  headerOf,
  headersOf,
  purposes,
  requestText,
  seqOf,
  statuses,
  times,
} from "../../support/purposes.ts";
import { audio, type ScriptedParty, tagOf } from "../../support/scripted-party.ts";
import { ALICE, BOB, BOX, twoSides } from "../../support/stage.ts";
import { established, ringing, sdpOfBob } from "../../unit/call/scenes.ts";

purposes({
  SIP_CC_TE_SM_V_001: () => {
    const { alice, bob } = established();
    reinvite(alice);
    bob.answer(200, { sdp: audio(BOB.ip, { version: 2 }) });
    expect(statuses(alice, "INVITE")).toEqual([180, 200, 200]);
    expect(bodyOf(alice.response("INVITE"))).toContain("m=audio");
  },

  SIP_CC_TE_SM_V_002: () => {
    const { alice, bob } = established();
    reinvite(alice);
    bob.answer(200, { sdp: audio(BOB.ip, { version: 2 }) });
    expect(headersOf(alice.response("INVITE"), "Contact")).toHaveLength(1);
    expect(headerOf(alice.response("INVITE"), "Contact")).toContain(`@${BOX.outside}`);
  },

  SIP_CC_TE_SM_V_003: () => {
    const { stage, alice, bob } = established();
    reinvite(alice);
    bob.answer(200, { sdp: audio(BOB.ip, { version: 2 }) });
    stage.look();
    stage.pass(1_600);
    expect(stage.look()).toEqual(["500 alice < 200", "1500 alice < 200"]);
  },

  SIP_CC_TE_SM_V_004: () => {
    const { stage, alice, bob } = established();
    alice.contactPort = 5070;
    reinvite(alice);
    bob.answer(200, { sdp: audio(BOB.ip, { version: 2 }) });
    alice.ack();
    bob.request("BYE");
    expect(times(stage, "nobody < BYE")).toHaveLength(1);
    expect(stage.sent.outside.at(-1)?.split(" ")[1]).toBe(`sip:alice@${ALICE.ip}:5070`);
  },

  SIP_CC_TE_SM_V_005: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711", { sdp: audio(ALICE.ip), headers: [`Record-Route: <sip:${ALICE.ip};lr>`] });
    bob.answer(200, { sdp: audio(BOB.ip) });
    alice.ack();
    alice.request("INVITE", { sdp: audio(ALICE.ip, { version: 2 }), headers: ["Record-Route: <sip:10.1.1.1;lr>"] });
    bob.answer(200, { sdp: audio(BOB.ip, { version: 2 }) });
    alice.ack();
    bob.request("BYE");
    expect(headersOf(alice.asked("BYE"), "Route")).toEqual([`<sip:${ALICE.ip};lr>`]);
  },

  SIP_CC_TE_SM_V_006: () => {
    const { alice, bob } = established();
    alice.request("INVITE");
    bob.answer(200, { sdp: audio(BOB.ip, { version: 2 }) });
    expect(bodyOf(alice.response("INVITE"))).toContain("m=audio");
  },

  SIP_CC_TE_SM_V_007: () => {
    const { alice, bob } = established();
    reinvite(alice, "sendonly");
    bob.answer(200, { sdp: audio(BOB.ip, { version: 2, direction: "recvonly" }) });
    expect(bodyOf(alice.response("INVITE"))).toMatch(/^a=(recvonly|inactive)\r$/m);
  },

  SIP_CC_TE_SM_V_008: () => {
    const { alice, bob } = established();
    reinvite(alice, "inactive");
    bob.answer(200, { sdp: audio(BOB.ip, { version: 2, direction: "inactive" }) });
    expect(bodyOf(alice.response("INVITE"))).toMatch(/^a=inactive\r$/m);
  },

  SIP_CC_TE_SM_V_009: () => {
    const { stage, alice, bob } = established();
    const commands = stage.relay.length;
    reinvite(alice, "inactive");
    bob.answer(488);
    alice.ackRefusal();
    expect(statuses(alice, "INVITE").at(-1)).toBe(488);
    expect(stage.relay.slice(commands).filter(({ word }) => word !== "change")).toEqual([]);
    alice.request("BYE");
    expect(statuses(alice, "BYE")).toEqual([200]);
  },

  SIP_CC_TE_SM_V_010: () => {
    const { stage, alice, bob } = established();
    reinvite(alice, "inactive");
    bob.answer(100);
    alice.cancel();
    bob.answer(200, { method: "CANCEL" });
    bob.answer(487);
    expect(statuses(alice, "CANCEL")).toEqual([200]);
    expect(statuses(alice, "INVITE").at(-1)).toBe(487);
    expect(stage.factsOf("call.ended")).toEqual([]);
  },

  SIP_CC_TE_SM_V_011: () => {
    const { alice, bob } = established();
    const first = bodyOf(alice.response("INVITE"));
    alice.request("INVITE", { sdp: audio(ALICE.ip) });
    bob.answer(200, { sdp: sdpOfBob });
    expect(bodyOf(alice.response("INVITE"))).toBe(first);
  },

  SIP_CC_TE_SM_V_012: () => {
    const { alice, bob } = established();
    const [id, version] = originOf(alice.response("INVITE"));
    reinvite(alice, "sendonly");
    bob.answer(200, { sdp: audio(BOB.ip, { version: 2, direction: "recvonly" }) });
    expect(originOf(alice.response("INVITE"))).toEqual([id, (version ?? 0) + 1]);
  },

  SIP_CC_TE_SM_V_013: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711", { sdp: audio(ALICE.ip), headers: ["Allow: INVITE, UPDATE"] });
    bob.answer(200, { sdp: audio(BOB.ip), headers: ["Allow: INVITE, UPDATE"] });
    alice.ack();
    alice.request("UPDATE", { sdp: audio(ALICE.ip, { version: 2 }) });
    bob.answer(200, { method: "UPDATE", sdp: audio(BOB.ip, { version: 2 }) });
    expect(statuses(alice, "UPDATE")).toEqual([200]);
    expect(bodyOf(alice.response("UPDATE"))).toContain("m=audio");
  },

  SIP_CC_TE_SM_V_014: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711", { sdp: audio(ALICE.ip), headers: ["Allow: INVITE, UPDATE"] });
    bob.answer(200, { sdp: audio(BOB.ip), headers: ["Allow: INVITE, UPDATE"] });
    alice.ack();
    alice.request("UPDATE");
    if (asked(bob, "UPDATE") > 0) bob.answer(200, { method: "UPDATE" });
    expect(headerOf(alice.response("UPDATE"), "Contact")).toContain(`@${BOX.outside}`);
  },

  SIP_CC_TE_SM_I_001: () => {
    const { alice } = established();
    reinvite(alice);
    reinvite(alice);
    expect(statuses(alice, "INVITE").at(-1)).toBe(500);
    expect(Number(headerOf(alice.response("INVITE"), "Retry-After"))).toBeLessThanOrEqual(10);
  },

  SIP_CC_TE_SM_I_002: () => {
    const { alice, bob } = established();
    reinvite(bob);
    reinvite(alice);
    expect(statuses(alice, "INVITE").at(-1)).toBe(491);
  },

  SIP_CC_TE_SM_I_003: () => {
    const { stage, alice, bob } = established();
    const answer = alice.response("INVITE");
    stage.deliver(
      alice,
      requestText(
        "INVITE",
        {
          From: headerOf(answer, "From"),
          To: headerOf(answer, "To"),
          "Call-ID": headerOf(answer, "Call-ID"),
          CSeq: "7 INVITE",
        },
        audio(ALICE.ip),
      ),
    );
    expect(statuses(alice, "INVITE").at(-1)).toBe(500);
    expect(asked(bob, "INVITE")).toBe(1);
  },

  SIP_CC_TE_SM_I_004: () => {
    const { stage, alice } = established();
    const answer = alice.response("INVITE");
    stage.deliver(
      alice,
      requestText(
        "INVITE",
        {
          From: headerOf(answer, "From"),
          To: headerOf(answer, "To").replace(/tag=.*/, "tag=never"),
          "Call-ID": headerOf(answer, "Call-ID"),
          CSeq: "200 INVITE",
        },
        audio(ALICE.ip),
      ),
    );
    expect(statuses(alice, "INVITE").at(-1)).toBe(481);
  },

  SIP_CC_TE_SM_I_005: () => {
    const { stage, alice } = established();
    alice.request("INVITE", { sdp: "v=0\r\nnonsense\r\n" });
    expect(statuses(alice, "INVITE").at(-1)).toBeGreaterThanOrEqual(400);
    expect(stage.factsOf("call.ended")).toEqual([]);
  },

  SIP_CC_TE_SM_I_006: () => {
    const { alice, bob } = established();
    alice.request("INVITE", { sdp: audio(ALICE.ip, { version: 2 }), headers: ["Require: telepathy"] });
    expect(statuses(alice, "INVITE").at(-1)).toBe(420);
    expect(asked(bob, "INVITE")).toBe(1);
  },

  SIP_CC_TE_SM_I_007: () => {
    const { alice, bob } = established();
    reinvite(bob);
    alice.request("UPDATE", { sdp: audio(ALICE.ip, { version: 2 }) });
    expect(statuses(alice, "UPDATE")).toEqual([491]);
  },

  SIP_CC_TE_SM_I_008: () => {
    const { alice } = ringing();
    alice.request("UPDATE", { sdp: audio(ALICE.ip, { version: 2 }) });
    expect([481, 500]).toContain(statuses(alice, "UPDATE")[0]);
  },

  SIP_CC_TE_SM_I_009: () => {
    const { stage, alice } = twoSides();
    stage.deliver(alice, requestText("UPDATE"));
    expect([405, 481]).toContain(statuses(alice, "UPDATE")[0]);
  },

  SIP_CC_TE_SM_I_010: () => {
    const { alice } = ringing();
    alice.request("PRACK", { headers: ["RAck: 1 101 INVITE"] });
    expect(statuses(alice, "PRACK")).toEqual([481]);
  },

  SIP_CC_TE_SM_I_011: () => {
    const { alice } = ringing();
    alice.request("PRACK");
    expect([400, 481]).toContain(statuses(alice, "PRACK")[0]);
  },

  SIP_CC_OE_SM_V_001: () => {
    const { alice, bob } = established();
    const first = bob.asked("INVITE");
    reinvite(alice);
    const again = bob.asked("INVITE");
    expect(seqOf(again)).toBe(seqOf(first) + 1);
    expect(headerOf(again, "Call-ID")).toBe(headerOf(first, "Call-ID"));
    expect(headerOf(again, "From")).toBe(headerOf(first, "From"));
    expect(tagOf(headerOf(again, "To"))).toBe("bob-tag");
  },

  SIP_CC_OE_SM_V_002: () => {
    const { alice, bob } = established();
    const branch = branchOf(bob.asked("INVITE"));
    reinvite(alice);
    expect(bob.asked("INVITE").split(" ")[1]).toBe(`sip:bob@${BOB.ip}:5060`);
    expect(branchOf(bob.asked("INVITE"))).not.toBe(branch);
  },

  SIP_CC_OE_SM_V_003: () => {
    const { alice, bob } = established();
    reinvite(alice);
    expect(headerOf(bob.asked("INVITE"), "Contact")).toContain(`@${BOX.inside}`);
  },

  SIP_CC_OE_SM_V_004: () => {
    const { alice, bob } = established();
    reinvite(alice);
    bob.answer(200, { sdp: audio(BOB.ip, { version: 2 }) });
    expect(headerOf(bob.asked("ACK"), "CSeq")).toBe(`${seqOf(bob.asked("INVITE"))} ACK`);
  },

  SIP_CC_OE_SM_V_005: () => {
    const { stage, alice, bob } = established();
    reinvite(alice);
    bob.answer(488);
    expect(branchOf(bob.asked("ACK"))).toBe(branchOf(bob.asked("INVITE")));
    expect(stage.factsOf("call.ended")).toEqual([]);
  },

  SIP_CC_OE_SM_V_006: () => {
    const { stage, alice, bob } = established();
    reinvite(alice);
    bob.answer(491);
    stage.pass(2_050);
    expect(tries(bob)).toBe(2);
    stage.pass(2_000);
    expect(tries(bob)).toBe(3);
  },

  SIP_CC_OE_SM_V_007: () => {
    const { stage, alice, bob } = established();
    reinvite(bob);
    alice.answer(491);
    stage.pass(2_010);
    expect(tries(alice)).toBe(2);
  },

  SIP_CC_OE_SM_V_008: () => {
    const { stage, alice, bob } = established();
    reinvite(alice);
    bob.answer(481);
    stage.pass(70_000);
    expect(stage.factsOf("call.ended")).toHaveLength(1);
  },

  SIP_CC_OE_SM_V_009: () => {
    const { stage, alice } = established();
    reinvite(alice);
    stage.pass(33_000);
    expect(statuses(alice, "INVITE").at(-1)).toBeGreaterThanOrEqual(400);
  },

  SIP_CC_OE_SM_V_010: () => {
    const { alice, bob } = established();
    alice.request("INVITE", {
      sdp: `${audio(ALICE.ip, { version: 2 })}m=video 4002 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n`,
    });
    bob.answer(200, { sdp: `${audio(BOB.ip, { version: 2 })}m=video 0 RTP/AVP 96\r\n` });
    alice.ack();
    alice.request("INVITE", { sdp: `${audio(ALICE.ip, { version: 3 })}m=video 0 RTP/AVP 96\r\n` });
    expect(bodyOf(bob.asked("INVITE")).match(/^m=/gm)).toHaveLength(2);
  },

  SIP_CC_OE_SM_V_011: () => {
    const { stage, alice, bob } = established();
    reinvite(alice);
    bob.contactPort = 5077;
    bob.answer(200, { sdp: audio(BOB.ip, { version: 2 }) });
    expect(stage.sent.inside.at(-1)?.split(" ")[1]).toBe(`sip:bob@${BOB.ip}:5077`);
  },

  SIP_CC_OE_SM_V_012: () => {
    const { alice, bob } = established();
    reinvite(alice);
    alice.cancel();
    expect(asked(bob, "CANCEL")).toBe(0);
    bob.answer(100);
    expect(asked(bob, "CANCEL")).toBe(1);
  },
});

function reinvite(party: ScriptedParty, direction = "sendrecv"): void {
  party.request("INVITE", { sdp: audio(party.place.ip, { version: 2, direction }) });
}

/** How many INVITEs came, copies left out. */
function tries(party: ScriptedParty): number {
  return new Set(party.got.filter((text) => text.startsWith("INVITE ")).map(branchOf)).size;
}

/** Session id and version. */
function originOf(text: string): [id: string | undefined, version: number | undefined] {
  const match = /^o=\S+ (\d+) (\d+)/m.exec(bodyOf(text));
  return [match?.[1], Number(match?.[2])];
}
