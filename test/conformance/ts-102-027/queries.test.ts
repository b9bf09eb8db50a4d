/** Capabilities: OPTIONS to the box, and through it. RFC 3261 §11. */
import { expect } from "vitest";
import { branchOf, headerOf, headersOf, purposes, requestText, statuses } from "../../support/purposes.ts";
import { tagOf } from "../../support/scripted-party.ts";
import { BOX, twoSides } from "../../support/stage.ts";
import { established } from "../../unit/call/scenes.ts";

purposes({
  SIP_QC_TE_V_001: () => {
    const { alice } = twoSides();
    alice.outside("OPTIONS", "x");
    expect(statuses(alice, "OPTIONS")).toEqual([200]);
  },

  SIP_QC_TE_V_002: () => {
    const { alice } = twoSides();
    alice.outside("OPTIONS", "x");
    expect(headerOf(alice.response("OPTIONS"), "Allow")).toMatch(/INVITE.*ACK.*CANCEL.*BYE/);
  },

  SIP_QC_TE_V_003: () => {
    const { alice } = twoSides();
    alice.outside("OPTIONS", "x");
    expect(headerOf(alice.response("OPTIONS"), "Accept")).toContain("application/sdp");
  },

  SIP_QC_TE_V_004: () => {
    const { alice } = twoSides();
    alice.outside("OPTIONS", "x");
    expect(headerOf(alice.response("OPTIONS"), "Supported")).not.toBe("");
  },

  SIP_QC_TE_V_005: () => {
    const { alice } = twoSides();
    const options = alice.outside("OPTIONS", "x");
    const answer = alice.response("OPTIONS");
    expect(tagOf(headerOf(answer, "To"))).not.toBe("");
    for (const name of ["From", "Call-ID", "CSeq"]) expect(headerOf(answer, name)).toBe(headerOf(options, name));
  },

  SIP_QC_TE_V_006: () => {
    const { stage, alice, bob } = twoSides();
    alice.outside("OPTIONS", "x");
    expect(bob.got).toEqual([]);
    expect(stage.factsOf("call.started")).toEqual([]);
  },

  SIP_QC_TE_V_007: () => {
    const { stage, alice } = twoSides();
    stage.deliver(alice, requestText("OPTIONS", { Contact: undefined }));
    expect(statuses(alice, "OPTIONS")).toEqual([200]);
  },

  SIP_QC_TE_V_008: () => {
    const { stage, alice } = twoSides();
    stage.deliver(alice, requestText("OPTIONS", { "Max-Forwards": "0" }));
    expect([200, 483]).toContain(statuses(alice, "OPTIONS")[0]);
  },

  SIP_QC_TE_V_009: () => {
    const { stage, alice } = twoSides();
    const text = requestText("OPTIONS");
    stage.deliver(alice, text);
    stage.pass(500);
    stage.deliver(alice, text);
    expect(statuses(alice, "OPTIONS")).toEqual([200, 200]);
    expect(alice.got[0]).toBe(alice.got[1]);
  },

  SIP_QC_TE_V_010: () => {
    const { stage, alice, bob } = established();
    alice.request("OPTIONS");
    bob.answer(200, { method: "OPTIONS" });
    expect(statuses(alice, "OPTIONS")).toEqual([200]);
    expect(stage.factsOf("call.ended")).toEqual([]);
  },

  SIP_QC_TE_I_001: () => {
    const { stage, alice } = twoSides();
    stage.deliver(alice, requestText("OPTIONS", { Require: "telepathy" }));
    expect(statuses(alice, "OPTIONS")).toEqual([420]);
  },

  SIP_QC_TE_I_002: () => {
    const { stage, alice } = twoSides();
    stage.deliver(alice, requestText("OPTIONS", { To: `<sip:x@${BOX.outside}>;tag=never` }));
    expect(statuses(alice, "OPTIONS")).toEqual([481]);
  },

  SIP_QC_TE_I_003: () => {
    const { stage } = twoSides();
    const mallory = stage.party("mallory", { realm: "outside", ip: "198.51.100.66", port: 5060 });
    mallory.outside("OPTIONS", "x");
    expect(statuses(mallory, "OPTIONS").every((status) => status === 403)).toBe(true);
    expect(mallory.got.join("")).not.toMatch(/Sallyport|Supported/);
  },

  SIP_QC_OE_V_001: () => {
    const { bob } = probed();
    const options = bob.asked("OPTIONS");
    for (const name of ["To", "From", "CSeq", "Call-ID", "Max-Forwards", "Via"])
      expect(headersOf(options, name)).toHaveLength(1);
  },

  SIP_QC_OE_V_002: () => {
    const { bob } = probed();
    expect(bob.asked("OPTIONS")).toMatch(/\r\nAccept: *[^\r]*application\/sdp/);
  },

  SIP_QC_OE_V_003: () => {
    const { stage, bob } = probed();
    bob.answer(200, { method: "OPTIONS" });
    const first = branchOf(bob.asked("OPTIONS"));
    stage.pass(31_000);
    expect(branchOf(bob.asked("OPTIONS"))).not.toBe(first);
  },

  SIP_QC_OE_V_004: () => {
    const { stage } = probed();
    stage.pass(120_000);
    expect(stage.factsOf("peer.down")).not.toEqual([]);
  },
});

function probed() {
  const scene = twoSides({
    change: (settings) => {
      const pbx = settings.peers.get("pbx");
      const peers = new Map(settings.peers);
      if (pbx !== undefined) peers.set("pbx", { ...pbx, options: { everySeconds: 30 } });
      return { ...settings, peers };
    },
  });
  scene.stage.pass(30_500);
  return scene;
}
