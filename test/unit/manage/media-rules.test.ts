/** `media.codecs`, `media.ptime`, `media.bandwidth` and `media.allowAttributes` of the operator's file. */
import { expect, test } from "vitest";
import { differences, faultText, readSettings } from "../../../src/manage/index.ts";

test("nothing said, nothing asked: neither of a realm nor of a peer", () => {
  const settings = read("", "");
  expect([settings.realms.get("a")?.media.rules, settings.peers.get("p")?.media]).toEqual([undefined, undefined]);
});

test("names of codecs are the same in any case; a list that is not there is empty", () => {
  expect(read(`"codecs": { "allow": ["PCMA", "L16/44100", "video/*"] }`, "").realms.get("a")?.media.rules).toEqual({
    codecs: { allow: ["pcma", "l16/44100", "video/*"], deny: [], order: [] },
  });
});

test("a peer has its own members in place of its realm's, and the realm's where it says nothing", () => {
  const settings = read(`"codecs": { "deny": ["G729"] }, "ptime": 20`, `"ptime": 30, "bandwidth": { "audio": 80 }`);
  expect(settings.peers.get("p")?.media).toEqual({
    codecs: { allow: [], deny: ["g729"], order: [] },
    ptimeMs: 30,
    bandwidth: { audio: 80 },
  });
  expect(read(`"ptime": 20`, "").peers.get("p")?.media).toEqual({ ptimeMs: 20 });
});

test("ICE and browsers are a matter of realm and peer, the ways of keys of a peer alone", () => {
  const settings = read(`"ice": "lite", "webrtc": true`, `"ice": "off", "srtpKeys": ["dtls"]`);
  expect(settings.realms.get("a")?.media.rules).toEqual({ ice: "lite", webrtc: true });
  expect(settings.peers.get("p")?.media).toEqual({ ice: "off", webrtc: true, srtpKeys: ["dtls"] });
  expect(read("", `"webrtc": false`).peers.get("p")?.media).toEqual({ webrtc: false });
  expect(faults(`"ice": "full"`)).toEqual([expect.stringContaining('realms.a.media.ice: "full" is not known')]);
  expect(faults(`"srtpKeys": ["dtls"]`)).toEqual([expect.stringContaining("realms.a.media.srtpKeys")]);
});

test("what is no codec, no attribute, or never one that crosses, is a fault with a place", () => {
  expect(faults(`"codecs": { "order": ["opus", "a b"] }`)).toEqual([
    'x.jsonc:1:177: realms.a.media.codecs.order[1]: "a b" is no codec; write one as in opus, L16/44100 or video/*',
  ]);
  expect(faults(`"allowAttributes": ["X-nat", "Candidate", "a:b"]`)).toEqual([
    "x.jsonc:1:176: realms.a.media.allowAttributes[1]: Candidate is made anew on each side; take it out",
    'x.jsonc:1:189: realms.a.media.allowAttributes[2]: "a:b" is not the name of an attribute; write one as in X-nat',
  ]);
  expect(faults(`"ptime": 1`)).toEqual(["x.jsonc:1:156: realms.a.media.ptime: 1 is out of range; write 5 to 200"]);
});

test("a codec that is allowed and denied is worth a warning", () => {
  const loaded = load(`"codecs": { "allow": ["opus"], "deny": ["Opus"] }`, "");
  expect(loaded.ok && loaded.warnings.map(({ path, problem }) => [path.join("."), problem])).toEqual([
    ["realms.a.media.codecs.allow.0", "opus is denied, too"],
  ]);
});

test("a change is for new calls", () => {
  const effects = differences(read("", ""), read("", `"ptime": 20`)).map(({ effect }) => effect);
  expect(new Set(effects)).toEqual(new Set(["for new calls"]));
});

function read(realm: string, peer: string) {
  const loaded = load(realm, peer);
  if (!loaded.ok) throw new Error(loaded.faults.map(faultText).join("\n"));
  return loaded.settings;
}

const faults = (realm: string) => {
  const loaded = load(realm, "");
  return loaded.ok ? [] : loaded.faults.map(faultText);
};

/** 2026 in milliseconds: no certificate is looked at. */
function load(realm: string, peer: string) {
  const media = `"address": "127.0.0.1", "ports": "20000-59999"${realm === "" ? "" : `, ${realm}`}`;
  const ofPeer = peer === "" ? "" : `, "media": { ${peer} }`;
  return readSettings(
    "x.jsonc",
    `{ "realms": { "a": { "trust": "full", "listen": ["udp:127.0.0.1:5060"], "srtp": "off", "media": { ${media} } } }, "peers": { "p": { "realm": "a", "targets": ["udp:127.0.0.1:5080"]${ofPeer} } } }`,
    1_790_000_000_000,
  );
}
