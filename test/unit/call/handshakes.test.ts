/** Calls whose media gets its keys by DTLS (RFC 5763), with browsers (RFC 8829) and with forks (RFC 8842 §8). */
import { afterEach, expect, test } from "vitest";
import type { MediaRules, Settings, SrtpKeying, SrtpPolicy } from "../../../src/base/index.ts";
import type { DtlsAssociation, RelayChange } from "../../../src/media/index.ts";
import { expectNoLeaks } from "../../support/leak-check.ts";
import { all, DialogHistory } from "../../support/offer-answer.ts";
import { bodyOf } from "../../support/scripted-party.ts";
import { byName } from "../../support/settings.ts";
import { ALICE, BOB, type Stage, twoSides, words } from "../../support/stage.ts";
import { NOTHING, sdpOfBob } from "./scenes.ts";

let stage: Stage;
let alice: ReturnType<typeof twoSides>["alice"];
let bob: ReturnType<typeof twoSides>["bob"];

afterEach(() => {
  stage.pass(300_000);
  expect(stage.remains()).toEqual(NOTHING);
  expectNoLeaks(stage);
});

test("a browser calls a phone, holds, resumes, restarts ICE and hangs up", () => {
  play({ outside: ["required", ["dtls"]] });
  const told = new DialogHistory();
  const browser = (more: Partial<Words> = {}): string => {
    const text = alicesBrowser(more);
    told.theyOffer(text);
    return text;
  };
  alice.invite("4711", { sdp: browser() });
  expect(bodyOf(bob.asked("INVITE"))).not.toMatch(/fingerprint|ice-|candidate|A1:A1|SAVP/);
  bob.answer(200, { sdp: sdpOfBob });
  told.weAnswer(bodyOf(alice.response("INVITE")));
  alice.ack();
  expect(associations()).toEqual([["caller", "passive", 0xa1]]);
  stage.step({ in: "relay", event: { event: "secured", pair: 0, side: 0, suite: "AEAD_AES_128_GCM" } });
  expect(stage.factsOf("call.answered")[0]?.media[0]).toMatchObject({
    caller: { keys: "dtls", profile: "UDP/TLS/RTP/SAVPF", suite: undefined },
    callee: { keys: "none", profile: "RTP/AVP" },
  });
  expect(stage.factsOf("media.secured")).toMatchObject([{ side: "caller", stream: 0, suite: "AEAD_AES_128_GCM" }]);
  expect(stage.engine.view().calls()[0]?.media?.streams[0]?.caller).toMatchObject({
    keys: "dtls",
    suite: "AEAD_AES_128_GCM",
    ice: true,
    rtcpMux: true,
  });

  for (const change of [{ direction: "sendonly" }, { direction: "inactive" }, {}, { ufrag: "again", password: "b" }]) {
    stage.pass(1_000);
    alice.request("INVITE", { sdp: browser(change) });
    bob.answer(200, { sdp: sdpOfBob.replace("sendrecv", mirrored(change.direction)) });
    told.weAnswer(bodyOf(alice.response("INVITE")));
    alice.ack();
  }
  expect(told.faults).toEqual([]);
  expect(changes("dtls")).toEqual([]);
  expect(changes("ice").map((set) => set.ice?.remoteUfrag)).toEqual(["again"]);
  alice.request("BYE");
  bob.answer(200, { method: "BYE" });
});

test("a phone calls a browser", () => {
  play({ outside: ["required", ["sdes", "dtls"]], alice: { webrtc: true } });
  const told = new DialogHistory();
  bob.invite("4711");
  const offer = bodyOf(alice.asked("INVITE"));
  told.weOffer(offer);
  expect(offer).toContain("UDP/TLS/RTP/SAVPF");
  const answer = alicesBrowser({ setup: "active", mid: all(offer.split("\r\n"), "a=mid:")[0] });
  alice.answer(200, { sdp: answer });
  told.theyAnswer(answer);
  bob.ack();
  expect(told.faults).toEqual([]);
  expect(bodyOf(bob.response("INVITE"))).not.toMatch(/fingerprint|ice-|candidate|A1:A1|SAVP/);
  expect(associations()).toEqual([["callee", "passive", 0xa1]]);
  bob.request("BYE");
  alice.answer(200, { method: "BYE" });
});

test("a handshake that fails ends the call, with its reason", () => {
  play({ outside: ["required", ["dtls"]] });
  alice.invite("4711", { sdp: alicesBrowser() });
  bob.answer(200, { sdp: sdpOfBob });
  alice.ack();
  stage.look();
  stage.step({
    in: "relay",
    event: { event: "failed", pair: 0, side: 0, reason: "its certificate has another fingerprint" },
  });
  expect(words(stage.look()).sort()).toEqual(["alice < BYE", "bob < BYE"]);
  alice.answer(200, { method: "BYE" });
  bob.answer(200, { method: "BYE" });
  expect(stage.factsOf("media.failed")).toMatchObject([{ reason: "its certificate has another fingerprint" }]);
  expect(stage.factsOf("call.ended")).toMatchObject([{ cause: "media-failed", by: undefined }]);
});

test("a browser where no handshake is allowed gets 488", () => {
  play({ outside: ["off", ["dtls"]] });
  alice.invite("4711", { sdp: alicesBrowser() });
  alice.ackRefusal();
  expect(words(stage.look())).toEqual(["alice > INVITE", "alice < 488", "alice > ACK"]);
});

test("forks that answer early: each has its own association, PRACKed, and the one that answers stays", () => {
  play({ inside: ["required", ["dtls"]] });
  const reliable = { headers: ["Supported: 100rel"] };
  alice.invite("4711", { ...reliable, sdp: plain() });
  const early = (fork: string, certificate: string): void => {
    const headers = ["Require: 100rel", `RSeq: ${fork === "-a" ? 7 : 9}`];
    bob.answer(183, { fork, headers, sdp: bobsHandset({ certificate, setup: "active" }) });
    alice.prack();
    bob.answer(200, { method: "PRACK" });
  };
  early("-a", "B1");
  early("-b", "B2");
  bob.answer(200, { fork: "-b" });
  alice.ack();
  expect(associations()).toEqual([["callee", "passive", 0xb1]]);
  expect(changes("dtls").map((set) => set.dtls?.fingerprints[0]?.value[0])).toEqual([0xb2]);
  expect(stage.factsOf("call.answered").length).toBe(1);
  alice.request("BYE");
  bob.answer(200, { method: "BYE" });
});

test("an UPDATE of a phone with DTLS is answered in the other's words, and changes no association", () => {
  play({ inside: ["required", ["dtls"]] });
  const allow = { headers: ["Allow: INVITE, ACK, BYE, CANCEL, UPDATE"] };
  alice.invite("4711", { ...allow, sdp: plain() });
  bob.answer(200, { ...allow, sdp: bobsHandset({ setup: "active" }) });
  alice.ack();
  bob.request("UPDATE", { sdp: bobsHandset({ direction: "sendonly" }) });
  alice.answer(200, { method: "UPDATE", sdp: plain("recvonly") });
  const answer = bodyOf(bob.response("UPDATE"));
  expect([/a=setup:\w+/.exec(answer)?.[0], /a=recvonly/.test(answer)]).toEqual(["a=setup:passive", true]);
  expect(changes("dtls")).toEqual([]);
  alice.request("BYE");
  bob.answer(200, { method: "BYE" });
});

test("an INVITE without an offer: the phone's offer of a handshake comes in the 200, our answer in the ACK", () => {
  play({ inside: ["required", ["dtls"]] });
  alice.invite("4711", {});
  bob.answer(200, { sdp: bobsHandset({}) });
  expect(bodyOf(alice.response("INVITE"))).toContain("RTP/AVP");
  alice.ack({ sdp: plain() });
  const answer = bodyOf(bob.asked("ACK"));
  expect(answer).toMatch(/UDP\/TLS\/RTP\/SAVP [\s\S]*a=setup:passive/);
  expect(associations()).toEqual([["callee", "passive", 0xb0]]);
  alice.request("BYE");
  bob.answer(200, { method: "BYE" });
});

interface Cast {
  readonly outside?: readonly [SrtpPolicy, readonly SrtpKeying[]];
  readonly inside?: readonly [SrtpPolicy, readonly SrtpKeying[]];
  /** What is said of her peer. */
  readonly alice?: MediaRules;
}

function play({ outside = ["off", ["sdes"]], inside = ["off", ["sdes"]], alice: rules }: Cast): void {
  const change = (settings: Settings): Settings => {
    const realms = [...settings.realms.values()].map((realm) => {
      const [srtp, srtpKeys] = realm.name === "outside" ? outside : inside;
      return { ...realm, srtp, srtpKeys };
    });
    const peers = [...settings.peers.values()].map((peer) =>
      peer.name === "carrier" ? { ...peer, media: rules } : peer,
    );
    return { ...settings, realms: byName(realms), peers: byName(peers) };
  };
  const fingerprint = { hash: "sha-256", value: new Uint8Array(32).fill(1) } as const;
  ({ stage, alice, bob } = twoSides({ change, fingerprint }));
}

interface Words {
  readonly certificate: string;
  readonly setup: string;
  readonly direction: string;
  readonly ufrag: string;
  readonly password: string;
  readonly mid: string | undefined;
}

const print = (octet: string): string => `a=fingerprint:sha-256 ${new Array(32).fill(octet).join(":")}`;

const text = (...lines: string[]): string => `${lines.join("\r\n")}\r\n`;

const alicesBrowser = ({
  certificate = "A1",
  setup = "actpass",
  direction = "sendrecv",
  ufrag = "once",
  password = "a",
  mid = "voice",
}: Partial<Words> = {}): string =>
  text(
    "v=0",
    "o=- 1 2 IN IP4 127.0.0.1",
    "s=-",
    "t=0 0",
    `a=group:BUNDLE ${mid}`,
    "m=audio 9 UDP/TLS/RTP/SAVPF 111 0",
    "c=IN IP4 0.0.0.0",
    "a=candidate:1 1 udp 2113937151 alice.local 51000 typ host",
    `a=ice-ufrag:${ufrag}`,
    `a=ice-pwd:${password.repeat(24)}`,
    print(certificate),
    `a=setup:${setup}`,
    `a=mid:${mid}`,
    "a=rtcp-mux",
    "a=rtpmap:111 opus/48000/2",
    `a=${direction}`,
  );

const bobsHandset = ({ certificate = "B0", setup = "actpass", direction = "sendrecv" }: Partial<Words>): string =>
  text(
    "v=0",
    `o=- 1 2 IN IP4 ${BOB.ip}`,
    "s=-",
    `c=IN IP4 ${BOB.ip}`,
    "t=0 0",
    "m=audio 6000 UDP/TLS/RTP/SAVP 0",
    print(certificate),
    `a=setup:${setup}`,
    `a=${direction}`,
  );

const plain = (direction = "sendrecv"): string =>
  text(
    "v=0",
    `o=- 1 2 IN IP4 ${ALICE.ip}`,
    "s=-",
    `c=IN IP4 ${ALICE.ip}`,
    "t=0 0",
    "m=audio 4000 RTP/AVP 0",
    `a=${direction}`,
  );

const mirrored = (direction = "sendrecv"): string => (direction === "sendonly" ? "recvonly" : direction);

/** As the pair was opened. */
function associations(): [string, DtlsAssociation["setup"], number | undefined][] {
  const open = stage.relay.find(({ word }) => word === "open");
  if (open?.word !== "open") return [];
  return open.sides.flatMap(({ dtls }, index) =>
    dtls === undefined ? [] : [[index === 0 ? "caller" : "callee", dtls.setup, dtls.fingerprints[0]?.value[0]]],
  );
}

const changes = (member: "ice" | "dtls"): RelayChange[] =>
  stage.relay.flatMap((each) => (each.word === "change" && member in each.set ? [each.set] : []));
