/** What a REFER to the box may ask for, and how it is told of the outcome: RFC 3515, RFC 4488, RFC 6665. */
import { expect, test } from "vitest";
import type { Settings } from "../../../src/base/index.ts";
import { headerOf, headersOf } from "../../support/scripted-party.ts";
import { referred, restsAfterAll, sdpOfAlice, sdpOfCarol, TO_CAROL, talking, told } from "./executed.ts";

test("Refer-Sub: false: nobody is told anything, and the transfer goes on", () => {
  const cast = talking();
  const { stage, alice, bob, carol } = cast;
  bob.request("REFER", { headers: [TO_CAROL, "Refer-Sub: false", "Require: norefersub"] });
  expect(bob.response("REFER")).toMatch(/^SIP\/2\.0 200 /);
  expect(headerOf(bob.response("REFER"), "Refer-Sub")).toBe("false");
  carol.answer(180);
  carol.answer(200, { sdp: sdpOfCarol });
  alice.answer(200, { sdp: sdpOfAlice(2) });
  stage.pass(4_000);
  expect(() => bob.asked("NOTIFY")).toThrow();
  bob.answer(200, { method: "BYE" });
  alice.request("BYE");
  carol.answer(200, { method: "BYE" });
  restsAfterAll(cast);
});

test("the referrer may ask for the state again, or stop listening", () => {
  const cast = referred();
  const { bob, carol } = cast;
  bob.request("SUBSCRIBE", { headers: ["Event: refer", "Expires: 60"] });
  expect(headerOf(bob.response("SUBSCRIBE"), "Expires")).toBe("60");
  expect(told(cast).at(-1)).toBe("refer active SIP/2.0 180 Ringing");
  bob.answer(200, { method: "NOTIFY" });
  bob.request("SUBSCRIBE", { headers: ["Event: refer", "Expires: 0"] });
  expect(told(cast).at(-1)).toBe("refer terminated SIP/2.0 180 Ringing");
  bob.answer(200, { method: "NOTIFY" });
  const before = told(cast).length;
  carol.answer(486);
  expect(told(cast)).toHaveLength(before);
});

test("NOTIFYs come one after the other, and who has forgotten the subscription gets no more", () => {
  const cast = talking();
  const { bob, carol } = cast;
  bob.request("REFER", { headers: [TO_CAROL] });
  carol.answer(180);
  carol.answer(183);
  expect(told(cast)).toEqual(["refer active SIP/2.0 100 Trying"]);
  bob.answer(200, { method: "NOTIFY" });
  expect(told(cast).at(-1)).toBe("refer active SIP/2.0 183 Session Progress");
  bob.answer(481, { method: "NOTIFY" });
  carol.answer(486);
  expect(told(cast)).toHaveLength(2);
});

test.each([
  ["no Refer-To", [], 400],
  ["two of them", [TO_CAROL, TO_CAROL], 400],
  ["another method", ["Refer-To: <sip:555@10.9.0.1;method=BYE>"], 603],
  ["a web page", ["Refer-To: <https://example.test/>"], 416],
  ["a dialog to join", ["Refer-To: <sip:555@10.9.0.1?Join=a%3Bto-tag%3Db%3Bfrom-tag%3Dc>"], 603],
  ["a header that breaks its line", ["Refer-To: <sip:555@10.9.0.1?Subject=a%0D%0AVia%3A%20x>"], 400],
  ["sips where the call is not", ["Refer-To: <sips:555@10.9.0.1>"], 403],
] as const)("a REFER to %s is refused at once, and nothing happens", (_, headers, status) => {
  const cast = talking();
  const { stage, bob } = cast;
  bob.request("REFER", { headers });
  expect(bob.response("REFER")).toMatch(new RegExp(`^SIP/2\\.0 ${status} `));
  expect(stage.look()).toEqual(["0 bob > REFER", `0 bob < ${status} REFER`]);
  expect(stage.factsOf("call.refused")).toMatchObject([{ method: "REFER", status, peer: "pbx" }]);
});

test("a referrer reaches nobody whom it could not call itself", () => {
  const { stage, alice } = talking();
  const strict = talking("execute", (settings) => ({
    ...settings,
    routes: [
      { when: { from: "carrier", number: /^4/ }, to: ["pbx"] },
      { when: { from: "pbx" }, to: ["other"] },
    ],
  }));
  strict.alice.request("REFER", { headers: ["Refer-To: <sip:555@203.0.113.1>"] });
  expect(strict.alice.response("REFER")).toMatch(/^SIP\/2\.0 404 /);
  alice.request("REFER", { headers: ["Refer-To: <sip:555@203.0.113.1>"] });
  expect(stage.look()).toContain("0 bob < INVITE"); // Where carrier's calls go, whatever the number.
});

test("the limits of the referrer's peer hold for the call that it causes, and are given back once", () => {
  const cast = talking("execute", (settings) => {
    const peers = new Map(settings.peers).set("pbx", { ...settings.peers.get("pbx")!, maxCalls: 1 });
    return { ...settings, peers };
  });
  const { alice, bob } = cast;
  bob.request("REFER", { headers: [TO_CAROL] });
  expect(told(cast).at(-1)).toBe("refer active SIP/2.0 100 Trying");
  bob.answer(200, { method: "NOTIFY" });
  expect(told(cast).at(-1)).toBe("refer terminated SIP/2.0 503 Service Unavailable");
  bob.answer(200, { method: "NOTIFY" });
  bob.request("BYE");
  alice.answer(200, { method: "BYE" });
  restsAfterAll(cast);
});

test("assist: a far end that takes REFER gets it, any other is transferred by us", () => {
  const able = talking("assist");
  able.bob.request("REFER", { headers: [TO_CAROL] });
  expect(headerOf(able.alice.asked("REFER"), "Refer-To")).toBe("<sip:555@203.0.113.1>");

  const cast = talking("assist", undefined, {}, ["Allow: INVITE, ACK, BYE, CANCEL"]);
  cast.bob.request("REFER", { headers: [TO_CAROL] });
  expect(cast.carol.asked("INVITE")).toContain("555");
  expect(() => cast.alice.asked("REFER")).toThrow();
});

test("the operator ends the new call while it rings: as if the target had gone", () => {
  const cast = referred();
  const { stage, alice, bob, carol } = cast;
  const made = stage.factsOf("call.started")[1]?.call as string;
  stage.step({ in: "end-call", call: made });
  expect(stage.look()).toEqual(["0 carol < CANCEL", "0 bob < NOTIFY"]);
  carol.answer(200, { method: "CANCEL" });
  carol.answer(487);
  bob.answer(200, { method: "NOTIFY" });
  alice.request("BYE");
  bob.answer(200, { method: "BYE" });
  restsAfterAll(cast);
});

test("headers that Refer-To embeds reach the target when they may cross at all", () => {
  const { bob, carol } = talking();
  bob.request("REFER", {
    headers: [
      "Refer-To: <sip:555@10.9.0.1?Subject=lunch&Route=%3Csip%3A10.9.0.66%3Blr%3E&Priority=urgent&X-Secret=plan>",
    ],
  });
  const invite = carol.asked("INVITE");
  expect(headerOf(invite, "Subject")).toBe("lunch");
  expect(headerOf(invite, "Priority")).toBe("urgent");
  expect(headersOf(invite, "Route")).toEqual([]);
  expect(headerOf(invite, "X-Secret")).toBe("");
  expect(invite).not.toContain("?");
});

test("a tel: URI is routed by its number", () => {
  const { bob, carol } = talking();
  bob.request("REFER", { headers: ["Refer-To: <tel:555-12>"] });
  expect(carol.asked("INVITE").split(" ")[1]).toBe("sip:555-12@198.51.100.8;user=phone");
});

test("phones without a peer of their own get what their realm says, and a peer may say otherwise", () => {
  const atRealm = (realm: "pass" | "execute", peer: "pass" | undefined) => (settings: Settings) => ({
    ...settings,
    realms: new Map([...settings.realms].map(([name, one]) => [name, { ...one, refer: realm }])),
    peers: new Map([...settings.peers].map(([name, one]) => [name, { ...one, refer: peer }])),
  });
  const ruled = talking("pass", atRealm("execute", undefined));
  ruled.bob.request("REFER", { headers: [TO_CAROL] });
  expect(ruled.carol.asked("INVITE")).toContain("555");

  const spared = talking("execute", atRealm("execute", "pass"));
  spared.bob.request("REFER", { headers: [TO_CAROL] });
  expect(spared.alice.asked("REFER")).toContain("555");

  // A phone that is no peer's, in a realm that trusts everybody.
  const { stage, carol } = talking("pass", atRealm("execute", undefined));
  const phone = stage.party("phone", { realm: "inside", ip: "10.9.0.77", port: 5060 });
  phone.invite("555", { sdp: sdpOfCarol });
  carol.answer(200, { sdp: sdpOfCarol });
  phone.ack();
  phone.request("REFER", { headers: ["Refer-To: <sip:666@10.9.0.1>"] });
  expect(phone.response("REFER")).toMatch(/^SIP\/2\.0 202 /);
  expect(stage.look()).toContain("0 dave < INVITE");
});
