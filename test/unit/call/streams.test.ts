/** Legs over TLS: the connection stays while the call lives, and nothing of it ever goes by a lesser way. */
import { expect, test } from "vitest";
import type { Settings } from "../../../src/base/index.ts";
import { audio, headerOf, uriOf } from "../../support/scripted-party.ts";
import { ALICE, BOB, Stage } from "../../support/stage.ts";
import { NOTHING, sdpOfBob } from "./scenes.ts";

const CONNECTION = 2 ** 31;

test("a silent connection outlives its idle limit while a call is on it, and not by much when the call is over", () => {
  const { stage, alice, bob } = established();
  stage.pass(1_500_000);
  expect(stage.look().filter((line) => line.includes("end of connection"))).toEqual([]);
  bob.request("BYE");
  alice.answer(200, { method: "BYE" });
  expect(stage.look().filter((line) => line.includes("alice"))).toEqual([
    "1500000 alice < BYE",
    "1500000 alice > 200 BYE",
  ]);
  stage.pass(600_000);
  expect(stage.look()).toEqual(["2100000 alice < end of connection"]);
  expect(stage.remains()).toEqual(NOTHING);
});

test("a refused call holds nothing", () => {
  const { stage, alice, bob } = scene();
  alice.invite("4711");
  bob.answer(486);
  alice.ackRefusal();
  stage.pass(700_000);
  expect(stage.look()).toContain("600000 alice < end of connection");
});

test("the phone is back on a new connection: requests go there, and the old one is let go", () => {
  const { stage, alice, bob } = established();
  stage.connect(alice, CONNECTION + 1);
  alice.request("INFO");
  bob.answer(200, { method: "INFO" });
  stage.pass(700_000);
  expect(stage.look().filter((line) => line.includes("end of connection"))).toHaveLength(1);
  bob.request("BYE");
  expect(alice.asked("BYE")).toContain("SIP/2.0/TLS");
});

test("the connection of a call is gone: the BYE opens one to where the Contact says", () => {
  const { stage, alice, bob } = established();
  stage.disconnect(alice);
  stage.look();
  bob.request("BYE");
  expect(stage.look().slice(-2)).toEqual(["0 alice < connection", "0 alice < BYE"]);
  alice.answer(200, { method: "BYE" });
  stage.pass(700_000);
  expect(stage.remains()).toEqual(NOTHING);
});

test("the connection breaks under the BYE: it goes once more, over another one", () => {
  const { stage, alice, bob } = established();
  bob.request("BYE");
  stage.disconnect(alice);
  stage.look();
  stage.pass(0);
  expect(stage.look()).toEqual(["0 alice < connection", "0 alice < BYE"]);
  stage.disconnect(alice);
  stage.pass(60_000);
  expect(stage.look()).toEqual([]);
  expect(stage.remains()).toMatchObject({ calls: 0, legs: 0, dialogs: 0 });
});

test("nobody can be reached any more: the call ends on the other side all the same, and nothing is left", () => {
  const { stage, alice, bob } = established();
  stage.disconnect(alice);
  stage.unplug(alice);
  bob.request("INFO");
  stage.pass(0);
  bob.answer(200, { method: "BYE" });
  stage.pass(60_000);
  expect(stage.factsOf("call.ended").map(({ cause }) => cause)).toEqual(["unreachable"]);
  expect(stage.remains()).toMatchObject({ calls: 0, legs: 0, dialogs: 0, sessions: 0, pairs: 0 });
});

test("a Contact that leads from TLS to UDP is not followed: what it gets has keys in it", () => {
  const { stage, alice, bob } = scene();
  alice.contactUri = `<sip:alice@${ALICE.ip}:5060>`;
  alice.invite("4711");
  bob.answer(200, { sdp: sdpOfBob });
  alice.ack();
  bob.request("INVITE", { sdp: audio(BOB.ip, { port: 6_000, version: 2, direction: "sendonly" }) });
  expect(stage.look().at(-1)).toBe("0 alice < INVITE");
  alice.answer(200, { sdp: audio(ALICE.ip, { version: 2, direction: "recvonly" }) });
  bob.ack();
  alice.request("UPDATE", { sdp: audio(ALICE.ip, { version: 3 }) });
  bob.answer(200, { method: "UPDATE", sdp: audio(BOB.ip, { port: 6_000, version: 3 }) });
  bob.request("BYE");
  expect(stage.look().filter((line) => line.includes("nobody"))).toEqual([]);
  expect(alice.asked("BYE")).toContain("SIP/2.0/TLS");
});

test("a request over UDP in a dialog that is over TLS is none of its own", () => {
  const { stage, alice, bob } = established();
  const info = alice.request("INFO");
  bob.answer(200, { method: "INFO" });
  const forged = info
    .replace("/TLS", "/UDP")
    .replace("branch=", "branch=z9hG4bKx")
    .replace(/CSeq: \d+/, "CSeq: 900");
  const before = bob.got.length;
  stage.step({ in: "datagram", listener: "outside/udp", remote: { ip: ALICE.ip, port: 5060 }, text: forged });
  expect(bob.got).toHaveLength(before);
});

test.each([
  ["sip", "sip", "sip"],
  ["sips", "sip", "sips"],
  ["sip", "sips", "sips"],
])("called as %s: with a %s: Contact, over TLS: our Contact is %s:", (scheme, contact, ours) => {
  const { alice, bob } = scene();
  alice.scheme = scheme as "sip" | "sips";
  alice.contactUri = `<${contact}:alice@${ALICE.ip}:5061${contact === "sip" ? ";transport=tls" : ""}>`;
  alice.invite("4711");
  bob.answer(180);
  expect(uriOf(headerOf(alice.response("INVITE"), "Contact"))).toMatch(new RegExp(`^${ours}:`));
});

test("a sips: call whose TLS target is dead does not fall back to the UDP one behind it: 480, and a fact", () => {
  const { stage, alice, bob } = scene(tlsThenUdp);
  alice.scheme = "sips";
  alice.invite("4711");
  stage.pass(0);
  expect(bob.got).toEqual([]);
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 480 /);
  expect(headerOf(alice.response("INVITE"), "Warning")).toMatch(/^380 \S+ "SIPS Not Allowed"$/);
  expect(stage.factsOf("sips.refused")).toHaveLength(1);
  alice.ackRefusal();
  alice.scheme = "sip"; // The same without the promise may.
  alice.invite("4711");
  stage.pass(0);
  expect(bob.asked("INVITE")).toMatch(/^INVITE sip:/);
});

test("the stream of an INVITE breaks: its CANCEL, and the ACK of its refusal, go on new ones", () => {
  const { stage, alice, bob } = scene(carrierOverTls);
  bob.invite("200", { sdp: sdpOfBob });
  stage.pass(0);
  alice.answer(180);
  const branch = headerOf(alice.asked("INVITE"), "Via");
  stage.disconnect(alice);
  stage.look();
  bob.cancel();
  stage.pass(0);
  expect(stage.look().filter((line) => line.includes("alice"))).toEqual(["0 alice < connection", "0 alice < CANCEL"]);
  expect(headerOf(alice.asked("CANCEL"), "Via")).toBe(branch);
  alice.answer(200, { method: "CANCEL" });
  stage.disconnect(alice);
  stage.connect(alice, CONNECTION + 1);
  alice.answer(487);
  stage.pass(0);
  expect(stage.look().filter((line) => line.includes("alice <"))).toContainEqual(
    expect.stringContaining("alice < ACK"),
  );
  expect(headerOf(alice.asked("ACK"), "Via")).toBe(branch);
  bob.ackRefusal();
  stage.pass(700_000);
  expect(stage.remains()).toEqual(NOTHING);
});

/** Alice outside, on TLS; bob inside, on UDP, where sips: may be translated. */
function scene(more = (settings: Settings): Settings => settings) {
  const stage = new Stage({ change: (settings) => more(withTls(settings)) });
  return {
    stage,
    alice: stage.party("alice", { ...ALICE, port: 5061, tls: CONNECTION }),
    bob: stage.party("bob", BOB),
  };
}

function established() {
  const cast = scene();
  cast.alice.invite("4711");
  cast.bob.answer(200, { sdp: sdpOfBob });
  cast.alice.ack();
  return cast;
}

function withTls(settings: Settings): Settings {
  const outside = settings.realms.get("outside") as NonNullable<ReturnType<Settings["realms"]["get"]>>;
  const inside = settings.realms.get("inside") as typeof outside;
  const address = { ip: "203.0.113.1", port: 5061 };
  const tls = { id: "outside/tls", realm: "outside", protocol: "tls", address } as const;
  return {
    ...settings,
    realms: new Map([
      ["outside", { ...outside, listeners: [...outside.listeners, tls] }],
      ["inside", { ...inside, sips: "translate" }],
    ]),
  };
}

/** The PBX is asked over TLS first, where nobody is, then over UDP. */
function tlsThenUdp(settings: Settings): Settings {
  const inside = settings.realms.get("inside") as NonNullable<ReturnType<Settings["realms"]["get"]>>;
  const pbx = settings.peers.get("pbx") as NonNullable<ReturnType<Settings["peers"]["get"]>>;
  const tls = { id: "inside/tls", realm: "inside", protocol: "tls", address: { ip: "10.9.0.1", port: 5061 } } as const;
  const target = (protocol: "tls" | "udp", port: number) => ({ kind: "host", protocol, host: BOB.ip, port }) as const;
  return {
    ...settings,
    realms: new Map([
      ...settings.realms,
      ["inside", { ...inside, sips: "refuse", listeners: [...inside.listeners, tls] }],
    ]),
    peers: new Map([...settings.peers, ["pbx", { ...pbx, targets: [target("tls", 5061), target("udp", 5060)] }]]),
  };
}

/** The carrier is called where alice is. */
function carrierOverTls(settings: Settings): Settings {
  const carrier = settings.peers.get("carrier") as NonNullable<ReturnType<Settings["peers"]["get"]>>;
  const targets = [{ kind: "host", protocol: "tls", host: ALICE.ip, port: 5061 } as const];
  return { ...settings, peers: new Map([...settings.peers, ["carrier", { ...carrier, targets }]]) };
}
