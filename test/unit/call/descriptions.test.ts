/** Why a description was refused, told to whoever made it: Warning of RFC 3261 §20.43. */
import { expect, test } from "vitest";
import { audio, headerOf } from "../../support/scripted-party.ts";
import { ALICE, twoSides } from "../../support/stage.ts";
import { established } from "./scenes.ts";

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
  const fax = without(audio(ALICE.ip, { version: 2 }), /m=audio (\d+) RTP\/AVP .*/, "m=image $1 udptl t38");
  alice.request("INVITE", { sdp: fax });
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 488 /);
  expect(headerOf(alice.response("INVITE"), "Warning")).toBe('302 203.0.113.1 "Incompatible transport protocol"');
  alice.request("BYE");
  bob.answer(200, { method: "BYE" });
  expect(stage.factsOf("call.ended")[0]).toMatchObject({ cause: "bye" });
});
