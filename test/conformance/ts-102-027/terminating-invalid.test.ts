/** What is broken in a caller's request is answered by the status that says so. RFC 3261 §8.2, §12.2.2, §16.3, §21.4. */
import { expect } from "vitest";
import {
  asked,
  bodyOf,
  headerOf,
  headersOf,
  overTls,
  purposes,
  requestText,
  statuses,
  statusOf,
  times,
  told,
} from "../../support/purposes.ts";
import { audio } from "../../support/scripted-party.ts";
import { ALICE, BOB, BOX, twoSides } from "../../support/stage.ts";
import { ringing } from "../../unit/call/scenes.ts";

purposes({
  SIP_CC_TE_CE_I_001: () => {
    const { stage, alice } = twoSides();
    told(stage, alice, requestText("INVITE", { From: undefined }, audio(ALICE.ip)));
    expect(alice.got.map(statusOf)).toEqual([400]);
  },

  SIP_CC_TE_CE_I_002: () => {
    const { stage, alice } = twoSides();
    told(stage, alice, requestText("INVITE", { To: undefined }, audio(ALICE.ip)));
    expect(alice.got.map(statusOf)).toEqual([400]);
  },

  SIP_CC_TE_CE_I_003: () => {
    const { stage, alice } = twoSides();
    told(stage, alice, requestText("INVITE", { "Call-ID": undefined }, audio(ALICE.ip)));
    expect(alice.got.map(statusOf)).toEqual([400]);
  },

  SIP_CC_TE_CE_I_004: () => {
    const { stage, alice } = twoSides();
    told(stage, alice, requestText("INVITE", { CSeq: undefined }, audio(ALICE.ip)));
    expect(alice.got.map(statusOf)).toEqual([400]);
  },

  SIP_CC_TE_CE_I_005: () => {
    const { stage, alice, bob } = twoSides();
    expect(told(stage, alice, requestText("INVITE", { Via: undefined }, audio(ALICE.ip)))).toEqual([]);
    expect(asked(bob, "INVITE")).toBe(0);
  },

  SIP_CC_TE_CE_I_006: () => {
    const { stage, alice } = twoSides();
    told(stage, alice, requestText("INVITE", { Contact: undefined }, audio(ALICE.ip)));
    expect(alice.got.map(statusOf)).toEqual([400]);
  },

  SIP_CC_TE_CE_I_007: () => {
    const { stage, alice } = twoSides();
    told(stage, alice, requestText("INVITE", { CSeq: "1 BYE" }, audio(ALICE.ip)));
    expect(alice.got.map(statusOf)).toEqual([400]);
  },

  SIP_CC_TE_CE_I_008: () => {
    const { stage, alice } = twoSides();
    told(stage, alice, requestText("INVITE", { CSeq: "2147483648 INVITE" }, audio(ALICE.ip)));
    expect(alice.got.map(statusOf)).toEqual([400]);
  },

  SIP_CC_TE_CE_I_009: () => {
    const { stage, alice } = twoSides();
    told(stage, alice, requestText("INVITE", { "Content-Length": "9999" }, audio(ALICE.ip)));
    expect(alice.got.map(statusOf)).toEqual([400]);
  },

  SIP_CC_TE_CE_I_010: () => {
    const { stage, alice } = twoSides();
    told(stage, alice, requestText("INVITE", { "Content-Length": "-5" }, audio(ALICE.ip)));
    expect(alice.got.map(statusOf)).toEqual([400]);
  },

  SIP_CC_TE_CE_I_011: () => {
    const { stage, alice, bob } = twoSides();
    const text = requestText("INVITE", {}, audio(ALICE.ip));
    told(stage, alice, `${text}m=audio 1 RTP/AVP 0\r\n`);
    expect(bodyOf(bob.asked("INVITE")).match(/^m=/gm)).toHaveLength(1);
  },

  SIP_CC_TE_CE_I_012: () => {
    const { stage, alice } = twoSides();
    told(stage, alice, requestText("INVITE", { "Max-Forwards": "256" }, audio(ALICE.ip)));
    expect(alice.got.map(statusOf)).toEqual([400]);
  },

  SIP_CC_TE_CE_I_013: () => {
    const { stage, alice } = twoSides();
    told(stage, alice, requestText("INVITE", { "Max-Forwards": "many" }, audio(ALICE.ip)));
    expect(alice.got.map(statusOf)).toEqual([400]);
  },

  SIP_CC_TE_CE_I_014: () => {
    const { stage, alice } = twoSides();
    told(stage, alice, requestText("INVITE", { "Max-Forwards": "0" }, audio(ALICE.ip)));
    expect(alice.got.map(statusOf)).toEqual([483]);
  },

  SIP_CC_TE_CE_I_015: () => {
    const { stage, alice } = twoSides();
    told(stage, alice, requestText("INVITE", {}, audio(ALICE.ip), `INVITE sip:4711@${BOX.outside} SIP/3.0`));
    expect(alice.got.map(statusOf)).toEqual([505]);
  },

  SIP_CC_TE_CE_I_016: () => {
    const { stage, alice } = twoSides();
    told(stage, alice, requestText("INVITE", {}, audio(ALICE.ip), `INVITE sip:47 11@${BOX.outside} SIP/2.0`));
    expect(alice.got.map(statusOf)).toEqual([400]);
  },

  SIP_CC_TE_CE_I_017: () => {
    const { stage, alice } = twoSides();
    told(stage, alice, requestText("INVITE", {}, audio(ALICE.ip), `INVITE <sip:4711@${BOX.outside}> SIP/2.0`));
    expect(alice.got.map(statusOf)).toEqual([400]);
  },

  SIP_CC_TE_CE_I_018: () => {
    const { stage, alice } = twoSides();
    told(stage, alice, requestText("INVITE", {}, audio(ALICE.ip), "INVITE nobody:knows SIP/2.0"));
    expect(alice.got.map(statusOf)).toEqual([416]);
  },

  SIP_CC_TE_CE_I_019: () => {
    const { stage, alice } = twoSides();
    told(
      stage,
      alice,
      requestText("INVITE", {}, audio(ALICE.ip), `INVITE sip:${"4".repeat(3_000)}@${BOX.outside} SIP/2.0`),
    );
    expect(alice.got.map(statusOf)).toEqual([414]);
  },

  SIP_CC_TE_CE_I_020: () => {
    const { stage, alice } = twoSides();
    told(stage, alice, requestText("INVITE", { Require: "telepathy" }, audio(ALICE.ip)));
    expect(alice.got.map(statusOf)).toEqual([420]);
    expect(headerOf(alice.got[0] ?? "", "Unsupported")).toBe("telepathy");
  },

  SIP_CC_TE_CE_I_021: () => {
    const { stage, alice } = twoSides();
    told(stage, alice, requestText("INVITE", { "Proxy-Require": "telepathy" }, audio(ALICE.ip)));
    expect(alice.got.map(statusOf)).toEqual([420]);
  },

  SIP_CC_TE_CE_I_022: () => {
    const { stage, alice } = twoSides();
    told(stage, alice, requestText("INVITE", { Require: "100rel, telepathy, clairvoyance" }, audio(ALICE.ip)));
    expect(headersOf(alice.got[0] ?? "", "Unsupported").join(", ")).toBe("telepathy, clairvoyance");
  },

  SIP_CC_TE_CE_I_023: () => {
    const { stage, alice, bob } = twoSides();
    const text = requestText("INVITE", {}, audio(ALICE.ip));
    told(stage, alice, text);
    expect(told(stage, alice, text.replace(/branch=\S+/, "branch=z9hG4bK-other-way")).map(statusOf)).toEqual([482]);
    expect(asked(bob, "INVITE")).toBe(1);
  },

  SIP_CC_TE_CE_I_024: () => {
    const { stage, alice, bob } = twoSides();
    told(stage, alice, requestText("INVITE", {}, "v=0\r\nthis is no description\r\n"));
    expect([400, 488]).toContain(statusOf(alice.got[0]));
    expect(asked(bob, "INVITE")).toBe(0);
  },

  SIP_CC_TE_CE_I_025: () => {
    const { stage, alice } = twoSides();
    const from = `<sip:alice@${ALICE.ip}>;tag=twice`;
    told(stage, alice, requestText("INVITE", { From: [from, from] }, audio(ALICE.ip)));
    expect(alice.got.map(statusOf)).toEqual([400]);
  },

  SIP_CC_TE_CE_I_026: () => {
    const { stage, alice } = twoSides();
    told(stage, alice, requestText("INVITE", { "Call-ID": ["one@x", "two@x"] }, audio(ALICE.ip)));
    expect(alice.got.map(statusOf)).toEqual([400]);
  },

  SIP_CC_TE_CE_I_027: () => {
    const { stage, alice } = twoSides();
    told(stage, alice, requestText("INVITE", { From: `<sip:alice@${ALICE.ip};tag=open` }, audio(ALICE.ip)));
    expect(alice.got.map(statusOf)).toEqual([400]);
  },

  SIP_CC_TE_CE_I_028: () => {
    const { stage, alice } = twoSides();
    told(stage, alice, requestText("INVITE", { To: `"Mr Open <sip:4711@${BOX.outside}>` }, audio(ALICE.ip)));
    expect(alice.got.map(statusOf)).toEqual([400]);
  },

  SIP_CC_TE_CE_I_029: () => {
    const { stage, alice } = twoSides();
    told(stage, alice, requestText("INVITE", { Contact: "<nonsense" }, audio(ALICE.ip)));
    expect(alice.got.map(statusOf)).toEqual([400]);
  },

  SIP_CC_TE_CE_I_030: () => {
    const { stage, alice } = twoSides();
    told(stage, alice, requestText("DANCE"));
    expect([405, 501]).toContain(statusOf(alice.got[0]));
    if (statusOf(alice.got[0]) === 405) expect(headerOf(alice.got[0] ?? "", "Allow")).toContain("INVITE");
  },

  SIP_CC_TE_CE_I_031: () => {
    const { stage, alice } = twoSides();
    told(stage, alice, requestText("invite"));
    expect([405, 501]).toContain(statusOf(alice.got[0]));
  },

  SIP_CC_TE_CE_I_032: () => {
    const { stage, alice } = twoSides();
    told(stage, alice, requestText("INVITE", { To: `<sip:4711@${BOX.outside}>;tag=never` }, audio(ALICE.ip)));
    expect(alice.got.map(statusOf)).toEqual([481]);
  },

  SIP_CC_TE_CE_I_033: () => {
    const { stage, alice } = twoSides();
    expect(told(stage, alice, requestText("ACK"))).toEqual([]);
    expect(stage.sent.inside).toEqual([]);
  },

  SIP_CC_TE_CE_I_034: () => {
    const { stage, alice } = twoSides();
    const stray = requestText(
      "INVITE",
      { Via: `SIP/2.0/UDP ${BOX.outside}:5060;branch=z9hG4bK-never` },
      "",
      "SIP/2.0 200 OK",
    );
    expect(told(stage, alice, stray)).toEqual([]);
  },

  SIP_CC_TE_CE_I_035: () => {
    const { stage, bob } = twoSides();
    const mallory = stage.party("mallory", { realm: "outside", ip: "198.51.100.66", port: 5060 });
    mallory.invite("4711");
    expect(statuses(mallory, "INVITE")).toEqual([403]);
    expect(asked(bob, "INVITE")).toBe(0);
  },

  SIP_CC_TE_CE_I_036: () => {
    const { stage, alice } = twoSides();
    told(stage, alice, requestText("INVITE", { Replaces: "x;to-tag=a;from-tag=b" }, audio(ALICE.ip)));
    expect(alice.got.map(statusOf)).toEqual([481]);
  },

  SIP_CC_TE_CE_I_037: () => {
    const { stage, alice, bob } = ringing();
    const before = alice.got.length;
    stage.deliver(bob, bob.asked("INVITE").replace(/^INVITE.*/, "SIP/2.0 1800 Ringing"));
    expect(alice.got.length).toBe(before);
  },

  SIP_CC_TE_CE_I_038: () => {
    const { stage, alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(200, { sdp: audio(BOB.ip) });
    const wrong = requestText("ACK", {
      From: headerOf(alice.response("INVITE"), "From"),
      To: `<sip:4711@${BOX.outside}>;tag=never`,
      "Call-ID": headerOf(alice.response("INVITE"), "Call-ID"),
      CSeq: "101 ACK",
    });
    stage.deliver(alice, wrong);
    stage.pass(600);
    expect(times(stage, "alice < 200")).toEqual([0, 500]);
  },

  SIP_CC_TE_CE_I_039: () => {
    const { stage, alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(200, { sdp: audio(BOB.ip) });
    const answer = alice.response("INVITE");
    stage.deliver(
      alice,
      requestText("ACK", {
        From: headerOf(answer, "From"),
        To: headerOf(answer, "To"),
        "Call-ID": headerOf(answer, "Call-ID"),
        CSeq: "77 ACK",
      }),
    );
    stage.pass(600);
    expect(times(stage, "alice < 200")).toEqual([0, 500]);
  },

  SIP_CC_TE_CE_I_040: () => {
    const { stage, alice } = overTls();
    expect(times(stage, "alice < end of connection")).toEqual([]);
    stage.deliver(alice, "this is not\r\nwhat SIP looks like\r\n\r\n");
    expect(times(stage, "alice < end of connection")).toEqual([0]);
  },
});
