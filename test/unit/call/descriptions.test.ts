/** Descriptions by the rules of the peers, and why one was refused: Warning of RFC 3261 §20.43. */
import { expect, test } from "vitest";
import type { MediaRules, PeerSettings, Settings } from "../../../src/base/index.ts";
import { audio, bodyOf, headerOf } from "../../support/scripted-party.ts";
import { ALICE, twoSides } from "../../support/stage.ts";
import { established, sdpOfBob } from "./scenes.ts";

const without = (body: string, line: RegExp, other: string): string => body.replace(line, other);

test.each([
  ["nothing but a stream that is no RTP", /m=audio (\d+) RTP\/AVP .*/, "m=message $1 TCP/MSRP *", 302],
  ["a family that is not there", /c=IN IP4 .*/, "c=IN IP6 2001:db8::7", 301],
  ["a multicast group", /c=IN IP4 .*/, "c=IN IP4 224.2.1.1/127", 330],
])("an offer with %s: 488, and a Warning says why", (_what, line, other, code) => {
  const { stage, alice } = twoSides();
  alice.invite("4711", { sdp: without(audio(ALICE.ip), line, other) });
  const refusal = alice.response("INVITE");
  expect(refusal).toMatch(/^SIP\/2\.0 488 /);
  expect(headerOf(refusal, "Warning")).toMatch(new RegExp(`^${code} 203\\.0\\.113\\.1 "[A-Z][a-z ]+"$`));
  expect(stage.sent.inside).toEqual([]);
});

test("a re-offer that cannot be carried: 488 with its Warning, and the call goes on", () => {
  const { stage, alice, bob } = established();
  const fax = without(audio(ALICE.ip, { version: 2 }), /m=audio (\d+) RTP\/AVP .*/, "m=image $1 tcp t38");
  alice.request("INVITE", { sdp: fax });
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 488 /);
  expect(headerOf(alice.response("INVITE"), "Warning")).toBe('302 203.0.113.1 "Incompatible transport protocol"');
  alice.request("BYE");
  bob.answer(200, { method: "BYE" });
  expect(stage.factsOf("call.ended")[0]).toMatchObject({ cause: "bye" });
});

/** The stage with rules for one of its peers. */
const ruled =
  (name: "carrier" | "pbx", media: MediaRules) =>
  (settings: Settings): Settings => {
    const peer: PeerSettings = { ...(settings.peers.get(name) as PeerSettings), media };
    return { ...settings, peers: new Map(settings.peers).set(name, peer) };
  };

const only = (name: string): MediaRules => ({ codecs: { allow: [name], deny: [], order: [] } });

test("the rules of the called peer shape what it is offered", () => {
  const { alice, bob } = twoSides({ change: ruled("pbx", { ...only("pcmu"), ptimeMs: 30 }) });
  alice.invite("4711", { sdp: audio(ALICE.ip).replace("RTP/AVP 0", "RTP/AVP 8 0") });
  expect(bodyOf(bob.asked("INVITE"))).toMatch(/RTP\/AVP 0\r\n.*a=ptime:30\r\n/s);
});

test.each(["carrier", "pbx"] as const)("no codec that the %s may have: 488 with Warning 305", (name) => {
  const { stage, alice } = twoSides({ change: ruled(name, only("opus")) });
  alice.invite("4711", { sdp: audio(ALICE.ip) });
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 488 /);
  expect(headerOf(alice.response("INVITE"), "Warning")).toBe('305 203.0.113.1 "Incompatible media format"');
  expect(stage.sent.inside).toEqual([]);
});

test("a late offer is shaped for the caller, and its answer is held to that", () => {
  const { alice, bob } = twoSides({ change: ruled("carrier", only("pcmu")) });
  alice.invite("4711", {});
  bob.answer(200, { sdp: sdpOfBob.replace("RTP/AVP 0", "RTP/AVP 8 0") });
  expect(bodyOf(alice.response("INVITE"))).toContain("RTP/AVP 0\r\n");
  alice.ack({ sdp: audio(ALICE.ip).replace("RTP/AVP 0", "RTP/AVP 8 0") });
  expect(bodyOf(bob.asked("ACK"))).toContain("RTP/AVP 0\r\n");
});
