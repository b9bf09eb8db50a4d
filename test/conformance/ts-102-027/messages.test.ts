/** How messages are read and written, whatever they are about. RFC 3261 §7, §18, §20, §25. */
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
  told,
} from "../../support/purposes.ts";
import { audio } from "../../support/scripted-party.ts";
import { ALICE, BOX, twoSides } from "../../support/stage.ts";
import { established } from "../../unit/call/scenes.ts";

purposes({
  SIP_MG_TE_V_001: () => {
    const { stage, alice } = twoSides();
    stage.deliver(alice, requestText("OPTIONS").replace("Call-ID:", "cALL-iD:").replace("CSeq:", "CSEQ:"));
    expect(statuses(alice, "OPTIONS")).toEqual([200]);
  },

  SIP_MG_TE_V_002: () => {
    const { stage, alice, bob } = twoSides();
    const text = requestText("INVITE", {}, audio(ALICE.ip));
    const compact = [
      ["Via", "v"],
      ["From", "f"],
      ["To", "t"],
      ["Call-ID", "i"],
      ["Contact", "m"],
      ["Content-Type", "c"],
      ["Content-Length", "l"],
    ];
    stage.deliver(
      alice,
      compact.reduce((all, [long, short]) => all.replace(`\r\n${long}:`, `\r\n${short}:`), text),
    );
    expect(asked(bob, "INVITE")).toBe(1);
  },

  SIP_MG_TE_V_003: () => {
    const { stage, alice } = twoSides();
    stage.deliver(alice, requestText("OPTIONS").replace("Call-ID: ", "Call-ID   :\t "));
    expect(statuses(alice, "OPTIONS")).toEqual([200]);
  },

  SIP_MG_TE_V_004: () => {
    const { stage, alice } = twoSides();
    stage.deliver(alice, requestText("OPTIONS").replace("Call-ID: ", "Call-ID:"));
    expect(statuses(alice, "OPTIONS")).toEqual([200]);
  },

  SIP_MG_TE_V_005: () => {
    const { stage, alice } = twoSides();
    stage.deliver(alice, requestText("OPTIONS", { To: `"A long\r\n  name" \r\n <sip:x@${BOX.outside}>` }));
    expect(statuses(alice, "OPTIONS")).toEqual([200]);
  },

  SIP_MG_TE_V_006: () => {
    const { stage, alice } = twoSides();
    const [line = "", ...rest] = requestText("OPTIONS").trimEnd().split("\r\n");
    stage.deliver(alice, `${[line, ...rest.reverse()].join("\r\n")}\r\n\r\n`);
    expect(statuses(alice, "OPTIONS")).toEqual([200]);
  },

  SIP_MG_TE_V_007: () => {
    const { stage, alice } = twoSides();
    stage.deliver(
      alice,
      requestText("OPTIONS", {
        Via: `SIP/2.0/UDP ${ALICE.ip};branch=z9hG4bK-one, SIP/2.0/UDP p.example.com;branch=z9hG4bK-two`,
      }),
    );
    expect(
      headersOf(alice.got[0] ?? "", "Via")
        .join(",")
        .match(/branch=/g),
    ).toHaveLength(2);
  },

  SIP_MG_TE_V_008: () => {
    const { stage, alice } = twoSides();
    stage.deliver(
      alice,
      requestText("OPTIONS", { Via: `SIP / 2.0 / UDP ${ALICE.ip} : 5060 ; branch = z9hG4bK-spaces` }),
    );
    expect(statuses(alice, "OPTIONS")).toEqual([200]);
  },

  SIP_MG_TE_V_009: () => {
    const { stage, alice } = twoSides();
    stage.deliver(alice, requestText("OPTIONS", { From: `"A \\"quoted\\" <name>" <sip:alice@${ALICE.ip}>;tag=q` }));
    expect(statuses(alice, "OPTIONS")).toEqual([200]);
  },

  SIP_MG_TE_V_010: () => {
    const { stage, alice } = twoSides();
    stage.deliver(alice, requestText("OPTIONS", { From: `sip:alice@${ALICE.ip};tag=bare` }));
    expect(statuses(alice, "OPTIONS")).toEqual([200]);
    expect(headerOf(alice.got[0] ?? "", "From")).toBe(`sip:alice@${ALICE.ip};tag=bare`);
  },

  SIP_MG_TE_V_011: () => {
    const { stage, alice } = twoSides();
    const name = Buffer.from('"Zoë"').toString("latin1");
    stage.deliver(alice, requestText("OPTIONS", { From: `${name} <sip:alice@${ALICE.ip}>;tag=u` }));
    expect(headerOf(alice.got[0] ?? "", "From")).toContain(name);
  },

  SIP_MG_TE_V_012: () => {
    const { stage, alice } = twoSides();
    stage.deliver(alice, requestText("OPTIONS", { "X-Unheard-Of": "value; and=more" }));
    expect(statuses(alice, "OPTIONS")).toEqual([200]);
  },

  SIP_MG_TE_V_013: () => {
    const { stage, alice } = twoSides();
    stage.deliver(alice, requestText("OPTIONS", { Contact: `<sip:alice@${ALICE.ip}>;unheard=of` }));
    expect(statuses(alice, "OPTIONS")).toEqual([200]);
  },

  SIP_MG_TE_V_014: () => {
    const { stage, alice, bob } = twoSides();
    stage.deliver(alice, requestText("INVITE", {}, audio(ALICE.ip), `INVITE sip:%34711@${BOX.outside} SIP/2.0`));
    expect(bob.asked("INVITE").split(" ")[1]).toMatch(/sip:(%34|4)711@/);
  },

  SIP_MG_TE_V_015: () => {
    const { stage, alice, bob } = twoSides();
    stage.deliver(alice, requestText("INVITE", { "Content-Length": undefined }, audio(ALICE.ip)));
    expect(bodyOf(bob.asked("INVITE"))).toContain("m=audio");
  },

  SIP_MG_TE_V_016: () => {
    const { stage, alice } = twoSides();
    stage.deliver(alice, `\r\n\r\n${requestText("OPTIONS")}`);
    expect(statuses(alice, "OPTIONS")).toEqual([200]);
  },

  SIP_MG_TE_V_017: () => {
    const { stage, alice, bob } = twoSides();
    const parts = `--b\r\nContent-Type: application/sdp\r\n\r\n${audio(ALICE.ip)}\r\n--b--\r\n`;
    stage.deliver(alice, requestText("INVITE", { "Content-Type": "multipart/mixed;boundary=b" }, parts));
    expect(bodyOf(bob.asked("INVITE"))).toContain("m=audio");
  },

  SIP_MG_TE_V_018: () => {
    const { alice, bob } = established();
    for (const text of [...alice.got, ...bob.got]) expect(text).not.toMatch(/\r\n[a-z]:/);
  },

  SIP_MG_TE_V_019: () => {
    const { alice, bob } = established();
    for (const text of [...alice.got, ...bob.got])
      expect(Number(headerOf(text, "Content-Length"))).toBe(bodyOf(text).length);
  },

  SIP_MG_TE_V_020: () => {
    const { stage, alice } = overTls();
    stage.deliver(alice, "\r\n\r\n");
    stage.deliver(alice, requestText("OPTIONS", overTlsVia(1)));
    expect(statuses(alice, "OPTIONS")).toEqual([200]);
  },

  SIP_MG_TE_V_021: () => {
    const { stage, alice } = overTls();
    stage.deliver(alice, requestText("OPTIONS", overTlsVia(1)) + requestText("OPTIONS", overTlsVia(2)));
    expect(alice.got.join("").match(/^SIP\/2\.0 200 /gm)).toHaveLength(2);
  },

  SIP_MG_TE_V_022: () => {
    const { stage, alice } = overTls();
    const text = requestText("OPTIONS", overTlsVia(1));
    stage.deliver(alice, text.slice(0, 100));
    expect(alice.got).toEqual([]);
    stage.deliver(alice, text.slice(100));
    expect(statuses(alice, "OPTIONS")).toEqual([200]);
  },

  SIP_MG_TE_I_001: () => {
    const { stage, alice } = twoSides();
    expect(told(stage, alice, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")).toEqual([]);
  },

  SIP_MG_TE_I_002: () => {
    const { stage, alice } = twoSides();
    expect(told(stage, alice, "")).toEqual([]);
  },

  SIP_MG_TE_I_003: () => {
    const { stage, alice } = twoSides();
    expect(
      told(stage, alice, requestText("OPTIONS").trimEnd())
        .map(statusOf)
        .every((status) => status === 400),
    ).toBe(true);
  },

  SIP_MG_TE_I_004: () => {
    const { stage, alice } = twoSides();
    expect(told(stage, alice, requestText("OPTIONS").replace(/Contact:[^\r]*/, "Contact")).map(statusOf)).toEqual([
      400,
    ]);
  },

  SIP_MG_TE_I_005: () => {
    const { stage, alice } = twoSides();
    const vias = [`SIP/2.0/UDP ${ALICE.ip};branch=z9hG4bK-ok`, "SIP/2.0/UDP ;;;"];
    const [answer] = told(stage, alice, requestText("OPTIONS", { Via: vias }));
    expect([200, 400]).toContain(statusOf(answer));
  },

  SIP_MG_TE_I_006: () => {
    const { stage, alice } = twoSides();
    expect(told(stage, alice, requestText("OPTIONS", { "Call-ID": "one two" })).map(statusOf)).toEqual([400]);
  },

  SIP_MG_TE_I_007: () => {
    const { stage, alice } = twoSides();
    expect(told(stage, alice, requestText("OPTIONS", { CSeq: "one OPTIONS" })).map(statusOf)).toEqual([400]);
  },

  SIP_MG_TE_I_008: () => {
    const { stage, alice } = twoSides();
    expect(told(stage, alice, requestText("OPTIONS", { CSeq: "1" })).map(statusOf)).toEqual([400]);
  },

  SIP_MG_TE_I_009: () => {
    const { stage, alice } = twoSides();
    expect(told(stage, alice, requestText("OPTIONS", { "Content-Length": ["0", "5"] })).map(statusOf)).toEqual([400]);
  },

  SIP_MG_TE_I_010: () => {
    const { stage, alice } = twoSides();
    const lines = Array.from({ length: 300 }, (_, i) => `v${i}`);
    expect(told(stage, alice, requestText("OPTIONS", { "X-Many": lines })).map(statusOf)).not.toContain(200);
  },

  SIP_MG_TE_I_011: () => {
    const { stage, alice } = twoSides();
    expect(told(stage, alice, requestText("OPTIONS", { From: "<:::>;tag=x" })).map(statusOf)).toEqual([400]);
  },

  SIP_MG_TE_I_012: () => {
    const { stage, alice } = twoSides();
    expect(told(stage, alice, requestText("OPTIONS", {}, "", "SIP/2.0 OK 200"))).toEqual([]);
  },

  SIP_MG_TE_I_013: () => {
    const { stage, alice, bob } = twoSides();
    told(stage, alice, requestText("INVITE", {}, audio(ALICE.ip), `INVITE sip:47\u000011@${BOX.outside} SIP/2.0`));
    expect(asked(bob, "INVITE")).toBe(0);
  },

  SIP_MG_TE_I_014: () => {
    const { stage, alice } = twoSides();
    told(
      stage,
      alice,
      requestText("INVITE", {}, audio(ALICE.ip), `INVITE sip:4711%0d%0aX-Evil:1@${BOX.outside} SIP/2.0`),
    );
    for (const text of stage.sent.inside) expect(headerOf(text, "X-Evil")).toBe("");
  },

  SIP_MG_TE_I_015: () => {
    const { alice } = established();
    alice.request("INFO", { body: { type: "application/x-plan", text: "198.51.100.7" } });
    expect(statuses(alice, "INFO")).toEqual([415]);
    expect(headerOf(alice.response("INFO"), "Accept")).not.toBe("");
  },

  SIP_MG_TE_I_016: () => {
    const { stage, alice, bob } = twoSides();
    told(stage, alice, requestText("INVITE", { "X-Long": "y".repeat(9_000) }, audio(ALICE.ip)));
    expect(asked(bob, "INVITE")).toBe(0);
  },
});

const overTlsVia = (n: number) => ({ Via: `SIP/2.0/TLS ${ALICE.ip}:5061;branch=z9hG4bK-tls-${n}` });
