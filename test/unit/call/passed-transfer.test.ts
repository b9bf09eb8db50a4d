/** Transfers that the box hands on, and dialogs that are named from outside: RFC 3515, RFC 3891, RFC 3911, RFC 4488. */
import { expect, test } from "vitest";
import { headerOf, type ScriptedParty, tagOf } from "../../support/scripted-party.ts";
import { consulting, endedBy, replacesOf, talking } from "./executed.ts";
import { established, ringing, sdpOfBob } from "./scenes.ts";

const numberOf = (text: string): string => headerOf(text, "CSeq").split(" ")[0] as string;
const SIPFRAG = { type: "message/sipfrag;version=2.0", text: "SIP/2.0 180 Ringing\r\n" };

test("the ids of two REFERs in one dialog are those of the leg where they are read", () => {
  const { alice, bob } = established();
  const sent = ["555", "556"].map((user) => {
    const refer = bob.request("REFER", { headers: [`Refer-To: <sip:${user}@10.9.0.1>`] });
    const crossed = numberOf(alice.asked("REFER"));
    alice.answer(202, { method: "REFER" });
    return { came: numberOf(refer), crossed };
  });
  expect(sent[1]?.came).not.toBe(sent[1]?.crossed);
  const state = ["Subscription-State: active;expires=60"];
  for (const { came, crossed } of sent) {
    alice.request("NOTIFY", { headers: [`Event: refer;id=${crossed}`, ...state], body: SIPFRAG });
    expect(headerOf(bob.asked("NOTIFY"), "Event")).toBe(`refer;id=${came}`);
    bob.answer(200, { method: "NOTIFY" });
    bob.request("SUBSCRIBE", { headers: [`Event: refer;id=${came}`, "Expires: 60"] });
    expect(headerOf(alice.asked("SUBSCRIBE"), "Event")).toBe(`refer;id=${crossed}`);
    alice.answer(200, { method: "SUBSCRIBE" });
  }
  alice.request("NOTIFY", { headers: ["Event: refer", ...state], body: SIPFRAG });
  expect(headerOf(bob.asked("NOTIFY"), "Event")).toBe("refer");
  bob.answer(200, { method: "NOTIFY" });
  alice.request("NOTIFY", { headers: ["Event: refer;id=4711", ...state], body: SIPFRAG });
  expect(headerOf(bob.asked("NOTIFY"), "Event")).toBe("refer"); // Nobody knows what that would be.
});

test.each([
  ["a number", "<tel:+49-30-555;isub=1>", "<tel:+49-30-555;isub=1>"],
  ["another method", "<sip:555@10.9.0.44;method=SUBSCRIBE>", "<sip:555@203.0.113.1;method=SUBSCRIBE>"],
  ["INVITE by name", "<sip:555@10.9.0.44;method=INVITE>", "<sip:555@203.0.113.1>"],
  ["harmless headers", "<sip:555@10.9.0.44?Subject=lunch%20soon>", "<sip:555@203.0.113.1?Subject=lunch%20soon>"],
  [
    "headers that tell of the other side",
    "<sip:555@10.9.0.44?Subject=ring%2010.9.0.7&Route=%3Csip:10.9.0.7%3E&From=%3Csip:x@10.9.0.7%3E&X-A=b>",
    "<sip:555@203.0.113.1>",
  ],
  [
    "a dialog that is none of ours",
    "<sip:555@10.9.0.44?Replaces=a%40b%3Bto-tag%3Dc%3Bfrom-tag%3Dd>",
    "<sip:555@203.0.113.1>",
  ],
])("Refer-To with %s", (_, value, crossed) => {
  const { alice, bob } = established();
  bob.request("REFER", { headers: [`Refer-To: ${value}`] });
  expect(headerOf(alice.asked("REFER"), "Refer-To")).toBe(crossed);
});

test.each([
  ["two of them", ["Refer-To: <sip:1@a>", "Refer-To: <sip:2@a>"], 400],
  ["a dialog to join", ["Refer-To: <sip:1@a?Join=a%3Bto-tag%3Db%3Bfrom-tag%3Dc>"], 603],
  ["a broken Replaces", ["Refer-To: <sip:1@a?Replaces=a>"], 400],
  ["a header that breaks its line", ["Refer-To: <sip:1@a?Subject=a%0D%0AVia%3A%20b>"], 400],
])("Refer-To with %s does not cross", (_, headers, status) => {
  const { alice, bob } = established();
  bob.request("REFER", { headers });
  expect(bob.response("REFER")).toMatch(new RegExp(`^SIP/2\\.0 ${status} `));
  expect(() => alice.asked("REFER")).toThrow();
});

test("who wants no subscription is heard by the far end", () => {
  const { alice, bob } = established();
  bob.request("REFER", { headers: ["Refer-To: <sip:555@a>", "Refer-Sub: false", "Require: norefersub"] });
  expect(headerOf(alice.asked("REFER"), "Require")).toBe("norefersub");
  expect(headerOf(alice.asked("REFER"), "Refer-Sub")).toBe("false");
  alice.answer(200, { method: "REFER", headers: ["Refer-Sub: false"] });
  expect(headerOf(bob.response("REFER"), "Refer-Sub")).toBe("false");
});

test("an INVITE that wants to join a dialog is told that nobody can", () => {
  const { alice, bob } = established();
  alice.outside("INVITE", "4711", { headers: ["Join: x;to-tag=a;from-tag=b"] });
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 420 /);
  expect(headerOf(alice.response("INVITE"), "Unsupported")).toBe("join");
  expect(bob.got.filter((one) => one.startsWith("INVITE "))).toHaveLength(1);
});

/** The dialog that the box began with bob, as it has to be named to the box. */
function nameOf(bob: ScriptedParty): string {
  const invite = bob.asked("INVITE");
  return `Replaces: ${headerOf(invite, "Call-ID")};to-tag=${tagOf(headerOf(invite, "From"))};from-tag=bob-tag`;
}

test("Replaces with early-only takes a call that rings, and no other", () => {
  const early = ringing();
  const desk = early.stage.party("desk", { realm: "inside", ip: "10.9.0.7", port: 5071 });
  desk.outside("INVITE", "x", { sdp: sdpOfBob, headers: [`${nameOf(early.bob)};early-only`] });
  expect(headerOf(early.alice.asked("INVITE"), "Replaces")).toMatch(/;early-only$/);

  const { stage, alice, bob } = established();
  const late = stage.party("desk", { realm: "inside", ip: "10.9.0.7", port: 5071 });
  late.outside("INVITE", "x", { sdp: sdpOfBob, headers: [`${nameOf(bob)};early-only`] });
  expect(late.response("INVITE")).toMatch(/^SIP\/2\.0 486 /);
  expect(() => alice.asked("INVITE")).toThrow();
});

test("Replaces: whoever rings judges itself whether it can be taken from the caller", () => {
  const { alice, bob } = ringing();
  const ring = alice.response("INVITE");
  alice.outside("INVITE", "x", {
    sdp: sdpOfBob,
    headers: [`Replaces: ${headerOf(ring, "Call-ID")};to-tag=${tagOf(headerOf(ring, "To"))};from-tag=alice-tag`],
  });
  bob.answer(481);
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 481 /);
});

test("Replaces: a dialog that is about to end is declined; two names at once are no question", () => {
  const { stage, alice, bob } = established();
  const name = nameOf(bob);
  const desk = stage.party("desk", { realm: "inside", ip: "10.9.0.7", port: 5071 });
  desk.outside("INVITE", "x", { sdp: sdpOfBob, headers: [name, name] });
  expect(desk.response("INVITE")).toMatch(/^SIP\/2\.0 400 /);
  const answer = alice.response("INVITE");
  bob.request("BYE"); // Alice has got hers, and does not answer it yet.
  const hers = `Replaces: ${headerOf(answer, "Call-ID")};to-tag=${tagOf(headerOf(answer, "To"))};from-tag=alice-tag`;
  desk.outside("INVITE", "x", { sdp: sdpOfBob, headers: [name] });
  expect(desk.response("INVITE")).toMatch(/^SIP\/2\.0 481 /); // Bob's leg is gone.
  alice.outside("INVITE", "x", { sdp: sdpOfBob, headers: [hers] });
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 603 /);
});

test("a REFER that names a dialog whose other end has just hung up leaves no name behind", () => {
  const cast = consulting(talking("pass"));
  const { alice, bob, carol, desk } = cast;
  carol.request("BYE");
  const replaces = encodeURIComponent(replacesOf(desk));
  bob.request("REFER", { headers: [`Refer-To: <sip:555@10.9.0.1?Replaces=${replaces}>`] });
  expect(headerOf(alice.asked("REFER"), "Refer-To")).toContain("Replaces=");
  alice.answer(603, { method: "REFER" });
  desk.answer(200, { method: "BYE" });
  endedBy(alice, bob, cast);
});
