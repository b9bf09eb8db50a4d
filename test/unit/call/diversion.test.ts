/** What the callee's peer hears of those for whom a call was meant before. */
import { expect, test } from "vitest";
import type { PeerSettings, Settings, Trust } from "../../../src/base/index.ts";
import { audio, headersOf } from "../../support/scripted-party.ts";
import { ALICE, twoSides } from "../../support/stage.ts";

const FORWARDED = "Diversion: <sip:100@198.51.100.7>;reason=user-busy;privacy=full;counter=1";

function house(trust: Trust, pbx: Partial<PeerSettings>) {
  const change = (settings: Settings): Settings => {
    const outside = settings.realms.get("outside") as NonNullable<ReturnType<Settings["realms"]["get"]>>;
    const peer = settings.peers.get("pbx") as PeerSettings;
    return {
      ...settings,
      realms: new Map([...settings.realms, ["outside", { ...outside, trust }]]),
      peers: new Map([...settings.peers, ["pbx", { ...peer, ...pbx }]]),
    };
  };
  const scene = twoSides({ change });
  scene.bob.contactUri = "<sip:10.9.0.7>";
  return scene;
}

test.each([
  ["pass", ["<sip:100@10.9.0.1>;reason=user-busy;counter=1;privacy=full"], []],
  ["diversion", ["<sip:100@10.9.0.1>;reason=user-busy;counter=1;privacy=full"], []],
  ["history-info", [], ["<sip:100@10.9.0.1?Privacy=history>;index=1, <sip:4711@10.9.0.7;cause=486>;index=1.1;mp=1"]],
  ["off", [], []],
] as const)("a peer with diversion: %s", (diversion, asDiversion, asHistory) => {
  const { alice, bob } = house("peer", { diversion });
  alice.invite("4711", { sdp: audio(ALICE.ip), headers: [FORWARDED] });
  expect(headersOf(bob.asked("INVITE"), "Diversion")).toEqual(asDiversion);
  expect(headersOf(bob.asked("INVITE"), "History-Info")).toEqual(asHistory);
});

test("a stranger's word about diversions is taken for nothing, in any form", () => {
  const { alice, bob } = house("none", { diversion: "history-info" });
  alice.invite("4711", { sdp: audio(ALICE.ip), headers: [FORWARDED] });
  expect(bob.asked("INVITE")).not.toMatch(/Diversion|History-Info/);
});

test("a redirect that we follow is told in the form that the peer wants", () => {
  const { alice, bob } = house("none", { redirects: "follow", diversion: "diversion" });
  alice.invite("4711");
  expect(headersOf(bob.asked("INVITE"), "Diversion")).toEqual([]);
  bob.answer(302, { headers: ["Contact: <sip:4712@10.9.0.7>"] });
  expect(headersOf(bob.asked("INVITE"), "Diversion")).toEqual(["<sip:4711@10.9.0.1>;reason=unconditional;counter=1"]);
  bob.answer(302, { headers: ["Contact: <sip:4713@10.9.0.7>"] });
  expect(headersOf(bob.asked("INVITE"), "Diversion")).toEqual([
    "<sip:4712@10.9.0.1>;reason=unconditional;counter=1, <sip:4711@10.9.0.1>;reason=unconditional;counter=1",
  ]);
});

test("a redirect as History-Info, and none at all for a peer that asked for neither form", () => {
  const wanting = house("none", { redirects: "follow", diversion: "history-info" });
  wanting.alice.invite("4711");
  wanting.bob.answer(302, { headers: ["Contact: <sip:4712@10.9.0.7>"] });
  expect(headersOf(wanting.bob.asked("INVITE"), "History-Info")).toEqual([
    "<sip:4711@10.9.0.1?Reason=SIP%3Bcause%3D302>;index=1, <sip:4712@10.9.0.7;cause=302>;index=1.1;mp=1",
  ]);
  const silent = house("none", { redirects: "follow" });
  silent.alice.invite("4711");
  silent.bob.answer(302, { headers: ["Contact: <sip:4712@10.9.0.7>"] });
  expect(silent.bob.asked("INVITE")).not.toMatch(/Diversion|History-Info/);
});
