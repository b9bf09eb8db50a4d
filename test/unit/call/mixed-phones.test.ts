/** One user with phones of several kinds: they ring at once, each with an offer that it can take. RFC 3261 §16.6, §16.7. */
import { expect, test } from "vitest";
import type { RealmSettings, Settings } from "../../../src/base/index.ts";
import { expectNoLeaks } from "../../support/leak-check.ts";
import { audio, bodyOf, headerOf, type ScriptedParty, uriOf } from "../../support/scripted-party.ts";
import { BOB, words } from "../../support/stage.ts";
import { browserAnswer, browserOffer, DESK, portsIn, SOFT, three } from "./mixed.ts";

const KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd";

test("all ring at once, each with an offer of its kind; the browser answers, and the others are called off", () => {
  const { stage, desk, soft, page, inside } = three();
  inside.invite("alice");
  expect(words(stage.look())).toEqual(["pbx > INVITE", "desk < INVITE", "soft < INVITE", "page < INVITE"]);
  expect(kindOf(desk)).toMatchObject({ profile: "RTP/AVP", keys: false, ice: false });
  expect(kindOf(soft)).toMatchObject({ keys: true, ice: false });
  expect(kindOf(page)).toEqual({ profile: "UDP/TLS/RTP/SAVPF", keys: false, ice: true, print: true });
  expect(new Set([desk, soft, page].map((one) => headerOf(one.asked("INVITE"), "Call-ID"))).size).toBe(1);
  expect(contactOf(desk)).toMatch(/^sip:[^;]*@203\.0\.113\.1:5060$/);
  expect(contactOf(soft)).toMatch(/^sips:[^;]*@203\.0\.113\.1:5061/);
  expect(contactOf(page)).toMatch(/@203\.0\.113\.1:8443.*transport=ws/);

  for (const phone of [desk, soft, page]) phone.answer(180);
  page.answer(200, { sdp: browserAnswer(bodyOf(page.asked("INVITE"))) });
  for (const phone of [desk, soft]) {
    expect(headerOf(phone.asked("CANCEL"), "Reason")).toContain("Call completed elsewhere");
    phone.answer(200, { method: "CANCEL" });
    phone.answer(487);
  }
  inside.ack();
  const opened = stage.relay.filter(({ word }) => word === "open");
  expect(opened).toMatchObject([{ sides: [{ dtls: undefined }, { ice: { remoteUfrag: "page" } }] }]);
  expect(portsIn(stage)).toBe(4);
  stage.look();
  page.request("BYE");
  expect(words(stage.look())).toEqual(["page > BYE", "page < 200 BYE", "pbx < BYE"]);
  inside.answer(200, { method: "BYE" });
  stage.pass(40_000);
  expect(stage.remains()).toMatchObject({ calls: 0, legs: 0, dialogs: 0, sessions: 0, pairs: 0 });
  expect(portsIn(stage)).toBe(0);
  expectNoLeaks(stage);
});

test("the softphone answers: its keys are those that it was offered, and what we say of us inside the call is for TLS", () => {
  const { stage, soft, inside } = three();
  inside.invite("alice");
  const tag = /a=crypto:(\d+) AES_CM_128_HMAC_SHA1_80/.exec(bodyOf(soft.asked("INVITE")))?.[1] ?? "";
  const sdp = `${audio("192.168.1.31")}a=crypto:${tag} AES_CM_128_HMAC_SHA1_80 inline:${KEY}\r\n`;
  soft.answer(200, { sdp: sdp.replace("RTP/AVP", profileOf(soft)) });
  inside.ack();
  expect(stage.relay.filter(({ word }) => word === "open")).toMatchObject([
    { sides: [{ rx: undefined }, { rx: { suite: "AES_CM_128_HMAC_SHA1_80" }, latchFrom: SOFT.ip }] },
  ]);
  inside.request("INVITE", { sdp: audio(BOB.ip, { direction: "sendonly", version: 2 }) });
  expect(contactOf(soft)).toMatch(/^sips:[^;]*@203\.0\.113\.1:5061/);
  expect(kindOf(soft)).toMatchObject({ keys: true, ice: false });
});

test("the desk phone answers, though it rings beside a browser: plain as ever", () => {
  const { stage, desk, page, inside } = three();
  inside.invite("alice");
  page.answer(180);
  desk.answer(200, { sdp: audio("192.168.1.10") });
  inside.ack();
  expect(stage.relay.filter(({ word }) => word === "open")).toMatchObject([
    { sides: [{}, { rx: undefined, dtls: undefined, ice: undefined, latch: "source", latchFrom: DESK.ip }] },
  ]);
  expect(headerOf(page.asked("CANCEL"), "Reason")).toContain("Call completed elsewhere");
});

test("early media of one, and another answers: the caller hears the one that answered, and keeps one voice", () => {
  const { stage, desk, page, inside } = three();
  inside.invite("alice");
  desk.answer(183, { sdp: audio("192.168.1.10") });
  const early = bodyOf(inside.got.at(-1) ?? "");
  page.answer(183, { sdp: browserAnswer(bodyOf(page.asked("INVITE"))) });
  page.answer(200, { sdp: browserAnswer(bodyOf(page.asked("INVITE"))) });
  const final = bodyOf(inside.got.at(-1) ?? "");
  const session = (text: string): string => /o=- (\d+) /.exec(text)?.[1] ?? "";
  expect(session(final)).toBe(session(early));
  expect(versionIn(final)).toBeGreaterThan(versionIn(early));
  inside.ack();
  const relayed = stage.relay.map(({ word }) => word).filter((word) => word !== "change");
  expect(relayed).toEqual(["open", "close", "open"]);
  expect(stage.relay.findLast(({ word }) => word === "open")).toMatchObject({
    sides: [{}, { ice: { remoteUfrag: "page" } }],
  });
  expect(portsIn(stage)).toBe(4);
});

test("the caller makes no offer: the one that answers does, and is taken for what it is", () => {
  const { stage, page, inside } = three();
  inside.invite("alice", {});
  page.answer(200, { sdp: browserOffer() });
  expect(bodyOf(inside.got.at(-1) ?? "")).toContain("m=audio ");
  inside.ack({ sdp: audio(BOB.ip) });
  expect(bodyOf(page.asked("ACK"))).toMatch(/UDP\/TLS\/RTP\/SAVPF 0\r/);
  expect(stage.relay.find(({ word }) => word === "open")).toMatchObject({
    sides: [{}, { ice: { remoteUfrag: "page" } }],
  });
});

test("one kind cannot be offered anything: the others ring all the same", () => {
  const { stage, inside } = three({ change: (settings) => onlySecure(settings) });
  inside.invite("alice");
  expect(words(stage.look())).toEqual(["pbx > INVITE", "soft < INVITE", "page < INVITE"]);
});

test("whoever is called by sips is called over TLS alone", () => {
  const { stage, inside } = three();
  inside.scheme = "sips";
  inside.invite("alice");
  expect(words(stage.look())).toEqual(["pbx > INVITE", "soft < INVITE", "page < INVITE"]);
});

test("the caller gives up: all of them hear of it, and every port is given back", () => {
  const { stage, desk, soft, page, inside } = three();
  inside.invite("alice");
  for (const phone of [desk, soft, page]) phone.answer(180);
  expect(portsIn(stage)).toBe(12);
  inside.cancel();
  for (const phone of [desk, soft, page]) {
    phone.answer(200, { method: "CANCEL" });
    phone.answer(487);
  }
  stage.pass(40_000);
  expect(stage.remains()).toMatchObject({ calls: 0, legs: 0, dialogs: 0, sessions: 0, pairs: 0 });
  expect(portsIn(stage)).toBe(0);
});

/** No plain RTP outside: a desk phone on UDP cannot be told keys. */
function onlySecure(settings: Settings): Settings {
  const outside = settings.realms.get("outside") as RealmSettings;
  const realm: RealmSettings = { ...outside, srtp: "required", srtpKeys: ["sdes"], media: { ...outside.media } };
  return { ...settings, realms: new Map(settings.realms).set("outside", realm) };
}

const contactOf = (phone: ScriptedParty): string => uriOf(headerOf(phone.asked("INVITE"), "Contact"));
const profileOf = (phone: ScriptedParty): string => /m=audio \d+ (\S+)/.exec(bodyOf(phone.asked("INVITE")))?.[1] ?? "";

function kindOf(phone: ScriptedParty) {
  const sdp = bodyOf(phone.asked("INVITE"));
  return {
    profile: profileOf(phone),
    keys: sdp.includes("a=crypto:"),
    ice: sdp.includes("a=ice-ufrag:"),
    print: sdp.includes("a=fingerprint:"),
  };
}

const versionIn = (sdp: string): number => Number(/o=- \d+ (\d+) /.exec(sdp)?.[1]);
