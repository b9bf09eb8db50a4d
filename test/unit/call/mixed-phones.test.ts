/** One user with phones of several kinds: they ring at once, each with an offer that it can take. RFC 3261 §16.6, §16.7. */
import { expect, test } from "vitest";
import type { RealmSettings, Settings } from "../../../src/base/index.ts";
import { expectNoLeaks } from "../../support/leak-check.ts";
import { AT_HOME, type PhonesOptions, phonesAt } from "../../support/phones.ts";
import { audio, bodyOf, headerOf, type ScriptedParty, uriOf } from "../../support/scripted-party.ts";
import { BOB, BOX, type Place, words } from "../../support/stage.ts";
import { FINGERPRINT } from "../media/kit.ts";

const KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd";
const CONNECTION = 2 ** 31;
const SOFT: Place = { realm: "outside", ip: "198.51.100.31", port: 40_000, tls: CONNECTION + 1 };
const PAGE: Place = { realm: "outside", ip: "198.51.100.32", port: 40_000, wss: CONNECTION + 2 };
const DESK: Place = AT_HOME;

/** Alice's desk phone (UDP), her softphone (TLS) and her browser (WSS); whoever is inside calls. */
function three(options: PhonesOptions = {}) {
  const made = phonesAt({
    ...options,
    fingerprint: FINGERPRINT,
    routes: [{ when: { from: "pbx", registered: "callee" }, to: ["registration"] }],
    change: (settings) => options.change?.(withWeb(settings)) ?? withWeb(settings),
  });
  made.registrar.asksDigest = false;
  const { stage } = made;
  stage.leave(made.alice);
  const desk = stage.party("desk", DESK);
  const soft = stage.party("soft", SOFT);
  const page = stage.party("page", PAGE);
  page.contactUri = "<sip:page@df7jal23ls0d.invalid;transport=ws>";
  for (const phone of [desk, soft, page]) register(made, phone);
  stage.leave(made.registrar);
  const inside = stage.party("pbx", BOB);
  stage.look();
  return { stage, desk, soft, page, inside };
}

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

function withWeb(settings: Settings): Settings {
  const outside = settings.realms.get("outside") as RealmSettings;
  const web = {
    id: "outside/wss",
    realm: "outside",
    protocol: "wss",
    address: { ip: BOX.outside, port: 8443 },
  } as const;
  const realm: RealmSettings = {
    ...{ ...outside, srtp: "preferred", srtpKeys: ["sdes", "dtls"] },
    listeners: [...outside.listeners, web],
  };
  return { ...settings, realms: new Map(settings.realms).set("outside", realm) };
}

/** No plain RTP outside: a desk phone on UDP cannot be told keys. */
function onlySecure(settings: Settings): Settings {
  const outside = settings.realms.get("outside") as RealmSettings;
  const realm: RealmSettings = { ...outside, srtp: "required", srtpKeys: ["sdes"], media: { ...outside.media } };
  return { ...settings, realms: new Map(settings.realms).set("outside", realm) };
}

let registrations = 0;

function register({ stage }: ReturnType<typeof phonesAt>, phone: ScriptedParty): void {
  registrations += 1;
  const { tls, wss } = phone.place;
  const via = tls !== undefined ? "TLS" : wss !== undefined ? "WSS" : "UDP";
  const contact = phone === undefined ? "" : phone.contact.replace(phone.place.ip, "192.168.1.10");
  stage.deliver(
    phone,
    [
      "REGISTER sip:example.test SIP/2.0",
      `Via: SIP/2.0/${via} 192.168.1.10:5060;rport;branch=z9hG4bK-${phone.name}-${registrations}`,
      ...["Max-Forwards: 70", "From: <sip:alice@example.test>;tag=r", "To: <sip:alice@example.test>"],
      ...[`Call-ID: registration-${phone.name}`, "CSeq: 1 REGISTER", `Contact: ${contact}`, "Expires: 600"],
      "Content-Length: 0\r\n\r\n",
    ].join("\r\n"),
  );
  expect(phone.got.at(-1)).toMatch(/^SIP\/2\.0 200 /);
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

const portsIn = ({ engine }: ReturnType<typeof phonesAt>["stage"]): number => {
  const { portsInUse } = engine.view().status().media as { portsInUse: ReadonlyMap<string, number> };
  return [...portsInUse.values()].reduce((sum, ports) => sum + ports, 0);
};

const PRINT = `sha-256 ${new Array(32).fill("AB").join(":")}`;

const browserLines = (setup: string): string[] => [
  ...["a=ice-ufrag:page", "a=ice-pwd:0123456789abcdefghijkl", `a=fingerprint:${PRINT}`, `a=setup:${setup}`],
  ...["a=mid:0", "a=rtcp-mux", "a=rtpmap:0 PCMU/8000", "a=sendrecv", ""],
];

const browserHead = ["v=0", "o=- 5 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0"];

function browserAnswer(offer: string): string {
  const mid = /a=mid:(\S+)/.exec(offer)?.[1] ?? "0";
  const head = ["m=audio 9 UDP/TLS/RTP/SAVPF 0", "c=IN IP4 0.0.0.0"];
  return [...browserHead, ...head, ...browserLines("active")]
    .join("\r\n")
    .replaceAll("mid:0", `mid:${mid}`)
    .replace("BUNDLE 0", `BUNDLE ${mid}`);
}

const browserOffer = (): string =>
  [...browserHead, "m=audio 9 UDP/TLS/RTP/SAVPF 0", "c=IN IP4 0.0.0.0", ...browserLines("actpass")].join("\r\n");
