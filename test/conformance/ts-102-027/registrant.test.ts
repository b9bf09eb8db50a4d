/** The box as registrant at a peer, and its credentials there. RFC 3261 §10.2, §22, RFC 7616. */
import { expect } from "vitest";
import { type PeerSettings, Secret } from "../../../src/base/index.ts";
import { DigestServer } from "../../support/digest-server.ts";
import { branchOf, headerOf, headersOf, purposes, seqOf, statuses, times } from "../../support/purposes.ts";
import { audio, bodyOf, type ScriptedParty, tagOf } from "../../support/scripted-party.ts";
import { BOB, BOX, twoSides } from "../../support/stage.ts";

const ACCOUNT = { user: "trunk1", password: "secret", realm: "carrier.example" };

purposes({
  SIP_RG_RT_V_001: () => {
    const { bob } = registering();
    expect(bob.asked("REGISTER").split(" ")[1]).toBe("sip:carrier.example");
  },

  SIP_RG_RT_V_002: () => {
    const register = registering().bob.asked("REGISTER");
    for (const name of ["To", "From", "CSeq", "Call-ID", "Max-Forwards", "Via"])
      expect(headersOf(register, name)).toHaveLength(1);
  },

  SIP_RG_RT_V_003: () => {
    const register = registering().bob.asked("REGISTER");
    expect(headerOf(register, "To")).toBe("<sip:trunk1@carrier.example>");
    expect(headerOf(register, "From")).toMatch(/^<sip:trunk1@carrier\.example>;tag=\S+$/);
  },

  SIP_RG_RT_V_004: () => {
    const register = registering().bob.asked("REGISTER");
    expect(headersOf(register, "Contact")).toHaveLength(1);
    expect(headerOf(register, "Contact")).toContain(`@${BOX.inside}`);
  },

  SIP_RG_RT_V_005: () => {
    const register = registering().bob.asked("REGISTER");
    expect(headersOf(register, "Record-Route")).toEqual([]);
    expect(bodyOf(register)).toBe("");
  },

  SIP_RG_RT_V_006: () => {
    const { stage, bob } = registering();
    grant(bob, 600);
    const first = bob.asked("REGISTER");
    while (registers(bob) === 1) stage.pass(100);
    const again = bob.asked("REGISTER");
    expect(headerOf(again, "Call-ID")).toBe(headerOf(first, "Call-ID"));
    expect(seqOf(again)).toBe(seqOf(first) + 1);
    expect(branchOf(again)).not.toBe(branchOf(first));
  },

  SIP_RG_RT_V_007: () => {
    const { stage, bob } = registering();
    grant(bob, 600);
    stage.pass(299_000);
    expect(registers(bob)).toBe(1);
    stage.pass(152_000);
    expect(registers(bob)).toBeGreaterThan(1);
  },

  SIP_RG_RT_V_008: () => {
    const { stage, bob } = registering();
    grant(bob, 60);
    stage.pass(46_000);
    expect(registers(bob)).toBeGreaterThan(1);
  },

  SIP_RG_RT_V_009: () => {
    const { bob } = registering();
    const server = new DigestServer(ACCOUNT);
    challenge(bob, server);
    const again = bob.asked("REGISTER");
    expect(server.judge(again, headerOf(again, "Authorization"))).toBe("right");
  },

  SIP_RG_RT_V_010: () => {
    const { bob } = registering();
    const first = bob.asked("REGISTER");
    challenge(bob, new DigestServer(ACCOUNT));
    const again = bob.asked("REGISTER");
    expect(seqOf(again)).toBe(seqOf(first) + 1);
    for (const name of ["Call-ID", "From", "To"]) expect(headerOf(again, name)).toBe(headerOf(first, name));
  },

  SIP_RG_RT_V_011: () => {
    const { bob } = registering();
    bob.answer(423, { method: "REGISTER", headers: ["Min-Expires: 1800"] });
    expect(headerOf(bob.asked("REGISTER"), "Expires")).toBe("1800");
  },

  SIP_RG_RT_V_012: () => {
    const { stage, bob } = registering();
    grant(bob, 600);
    stage.step({ in: "shutdown" });
    stage.pass(60_000);
    const last = bob.asked("REGISTER");
    expect([headerOf(last, "Expires"), headerOf(last, "Contact")]).toEqual(["0", expect.stringContaining("trunk1")]);
  },

  SIP_RG_RT_I_001: () => {
    const { stage, bob } = registering();
    const wrong = new DigestServer({ ...ACCOUNT, password: "another" });
    challenge(bob, wrong);
    challenge(bob, wrong);
    stage.pass(10_000);
    expect(new Set(bob.got.filter((text) => text.startsWith("REGISTER ")).map(branchOf)).size).toBe(2);
  },

  SIP_RG_RT_I_002: () => {
    const { stage, bob } = registering();
    bob.answer(403, { method: "REGISTER", headers: ["Retry-After: 1800"] });
    stage.pass(1_799_000);
    expect(registers(bob)).toBe(1);
  },

  SIP_RG_RT_I_003: () => {
    const { stage, bob } = registering();
    bob.answer(200, { method: "REGISTER" });
    stage.pass(1_000);
    expect(registers(bob)).toBeLessThanOrEqual(2);
  },

  SIP_RG_RT_I_004: () => {
    const { bob } = registering();
    const other = new DigestServer({ ...ACCOUNT, realm: "elsewhere.example" });
    challenge(bob, other);
    expect(bob.got.filter((text) => headerOf(text, "Authorization").includes("elsewhere"))).toEqual([]);
  },

  SIP_RG_RT_TI_001: () => {
    const { stage } = registering();
    stage.pass(4_000);
    const [first = 0, ...copies] = times(stage, "bob < REGISTER");
    expect(copies.map((at) => at - first)).toEqual([500, 1_500, 3_500]);
  },

  SIP_RG_RR_I_001: () => {
    const { alice, bob } = twoSides();
    alice.outside("REGISTER", "x");
    expect(statuses(alice, "REGISTER")[0]).toBeGreaterThanOrEqual(400);
    expect(bob.got).toEqual([]);
  },

  SIP_CC_OE_CE_V_049: () => {
    const { alice, bob } = trunk();
    const server = new DigestServer(ACCOUNT);
    alice.invite("4711");
    const first = bob.asked("INVITE");
    bob.answer(407, { headers: [`Proxy-Authenticate: ${server.challenge()}`] });
    const again = bob.asked("INVITE");
    expect(server.judge(again, headerOf(again, "Proxy-Authorization"))).toBe("right");
    expect([headerOf(again, "Call-ID"), seqOf(again)]).toEqual([headerOf(first, "Call-ID"), seqOf(first) + 1]);
    expect(tagOf(headerOf(again, "To"))).toBe("");
    expect(statuses(alice, "INVITE")).toEqual([]);
  },

  SIP_CC_OE_CE_V_050: () => {
    const { alice, bob } = trunk();
    const server = new DigestServer(ACCOUNT, "SHA-256");
    alice.invite("4711");
    bob.answer(401, { headers: [`WWW-Authenticate: ${server.challenge()}`] });
    const again = bob.asked("INVITE");
    expect(server.judge(again, headerOf(again, "Authorization"))).toBe("right");
  },

  SIP_CC_OE_CE_V_051: () => {
    const { alice, bob } = trunk();
    const server = new DigestServer(ACCOUNT);
    alice.invite("4711");
    bob.answer(407, { headers: [`Proxy-Authenticate: ${server.challenge()}`] });
    bob.answer(200, { sdp: audio(BOB.ip) });
    alice.ack();
    alice.request("BYE");
    const bye = bob.asked("BYE");
    bob.answer(407, { method: "BYE", headers: [`Proxy-Authenticate: ${server.challenge()}`] });
    expect(seqOf(bob.asked("BYE"))).toBe(seqOf(bye) + 1);
  },

  SIP_CC_OE_CE_I_016: () => {
    const { alice, bob } = trunk();
    const server = new DigestServer({ ...ACCOUNT, password: "another" });
    alice.invite("4711");
    bob.answer(407, { headers: [`Proxy-Authenticate: ${server.challenge()}`] });
    bob.answer(407, { headers: [`Proxy-Authenticate: ${server.challenge()}`] });
    expect(bob.got.filter((text) => text.startsWith("INVITE "))).toHaveLength(2);
    expect(statuses(alice, "INVITE")).toEqual([403]);
    expect(headersOf(alice.response("INVITE"), "Proxy-Authenticate")).toEqual([]);
  },

  SIP_CC_OE_CE_I_017: () => {
    const { alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(407, { headers: [`Proxy-Authenticate: ${new DigestServer(ACCOUNT).challenge()}`] });
    expect(bob.got.filter((text) => text.startsWith("INVITE "))).toHaveLength(1);
    expect(statuses(alice, "INVITE")).toEqual([403]);
  },
});

const registers = (party: ScriptedParty): number => party.got.filter((text) => text.startsWith("REGISTER ")).length;

function trunk(register = false) {
  return twoSides({
    change: (settings) => {
      const pbx = settings.peers.get("pbx") as PeerSettings;
      const { user, realm, password } = ACCOUNT;
      const auth = { user, realm, password: new Secret(password), ha1: new Map(), hashes: ["MD5", "SHA-256"] as const };
      const account = {
        aor: "sip:trunk1@carrier.example",
        scheme: "sip",
        user,
        host: realm,
        contactUser: user,
        everySeconds: 600,
        gin: false,
      } as const;
      const peer = register ? { ...pbx, auth, register: account } : { ...pbx, auth };
      return { ...settings, peers: new Map(settings.peers).set("pbx", peer) };
    },
  });
}

function registering() {
  const scene = trunk(true);
  while (registers(scene.bob) === 0) scene.stage.pass(10);
  return scene;
}

function grant(party: ScriptedParty, seconds: number): void {
  const contact = headerOf(party.asked("REGISTER"), "Contact");
  party.answer(200, { method: "REGISTER", headers: [`Contact: ${contact};expires=${seconds}`] });
}

function challenge(party: ScriptedParty, server: DigestServer): void {
  party.answer(401, { method: "REGISTER", headers: [`WWW-Authenticate: ${server.challenge()}`] });
}
