/** A call from its INVITE to its BYE, and what each side may see of the other. */
import { expect, test } from "vitest";
import { bodyOf, headerOf, headersOf, tagOf } from "../../support/scripted-party.ts";
import { twoSides } from "../../support/stage.ts";
import { established, NOTHING, ringing, sdpOfBob } from "./scenes.ts";

test("a call: INVITE, ringing, answer, ACK on both sides, and a BYE that ends both legs", () => {
  const { stage, alice, bob } = twoSides();
  alice.invite("4711");
  stage.pass(100);
  bob.answer(180);
  stage.pass(900);
  bob.answer(200, { sdp: sdpOfBob });
  stage.pass(50);
  alice.ack();
  stage.pass(10_000);
  alice.request("BYE");
  stage.pass(20);
  bob.answer(200, { method: "BYE" });

  expect(stage.look()).toEqual([
    "0 alice > INVITE",
    "0 bob < INVITE",
    "100 bob > 180",
    "100 alice < 180",
    "1000 bob > 200",
    "1000 bob < ACK",
    "1000 alice < 200",
    "1050 alice > ACK",
    "11050 alice > BYE",
    "11050 alice < 200 BYE",
    "11050 bob < BYE",
    "11070 bob > 200 BYE",
  ]);
  const [ended] = stage.factsOf("call.ended");
  expect(ended).toMatchObject({ cause: "bye", by: "caller", status: 200, totalMs: 11_050, answeredMs: 10_050 });
  expect(headerOf(bob.asked("BYE"), "Reason")).toBe('Q.850;cause=16;text="Normal call clearing"');
  stage.pass(70_000);
  expect(stage.remains()).toEqual(NOTHING);
});

test("the facts of a call tell both ends by their own names", () => {
  const { stage, alice, bob } = established();
  bob.request("BYE");
  alice.answer(200, { method: "BYE" });
  expect(stage.facts.map((fact) => fact.fact)).toEqual(["call.started", "call.answered", "call.ended"]);
  expect(stage.factsOf("call.started")[0]?.from).toEqual({
    realm: "outside",
    peer: "carrier",
    user: "alice",
    callId: "alice-call-1@198.51.100.7",
    remote: "198.51.100.7:5060",
  });
  const callee = stage.factsOf("call.answered")[0]?.callee;
  expect(callee).toMatchObject({ realm: "inside", peer: "pbx", user: "4711", remote: "10.9.0.7:5060" });
  expect(callee?.callId).toBe(headerOf(bob.asked("INVITE"), "Call-ID"));
  expect(stage.factsOf("call.ended")[0]).toMatchObject({ cause: "bye", by: "callee", streams: [{ kind: "audio" }] });
});

test("nothing of one side is seen on the other, in any message of a call with all kinds of requests", () => {
  const { stage, alice, bob } = established();
  alice.request("INFO", { body: { type: "application/dtmf-relay", text: "Signal=5\r\n" } });
  bob.answer(200, { method: "INFO", headers: ['Warning: 399 10.9.0.7 "bob"', "Server: bob-phone"] });
  bob.request("OPTIONS");
  alice.answer(200, { method: "OPTIONS" });
  bob.request("INVITE", { sdp: sdpOfBob });
  alice.answer(488, { headers: ['Warning: 304 198.51.100.7 "alice"'] });
  alice.request("BYE");
  bob.answer(200, { method: "BYE" });

  for (const text of stage.sent.inside) expect(text).not.toMatch(ALICES);
  for (const text of stage.sent.outside) expect(text).not.toMatch(BOBS);
});

test("the callee gets an INVITE of ours: own Call-ID, tags, Via, Contact, CSeq; one hop less to go", () => {
  const { alice, bob } = ringing();
  const invite = bob.asked("INVITE");
  expect(invite.split("\r\n")[0]).toBe("INVITE sip:4711@10.9.0.7 SIP/2.0");
  expect(headersOf(invite, "Via")).toHaveLength(1);
  expect(headerOf(invite, "Via")).toContain("10.9.0.1");
  expect(headerOf(invite, "Contact")).toMatch(/^<sip:[^@]+@10\.9\.0\.1:5060>$/);
  expect(headerOf(invite, "From")).toMatch(/^"alice" <sip:alice@10\.9\.0\.1>;tag=/);
  expect(headerOf(invite, "To")).toBe("<sip:4711@10.9.0.7>");
  expect(headerOf(invite, "Max-Forwards")).toBe("69");
  expect(headerOf(invite, "CSeq")).toBe("1 INVITE");
  expect(headerOf(invite, "User-Agent")).toBe("Sallyport/1");
  expect(bodyOf(invite)).toContain("c=IN IP4 10.9.0.1");
  expect(tagOf(headerOf(invite, "From"))).not.toBe(tagOf(headerOf(alice.response("INVITE"), "To")));
});

test("a stranger outside learns no product", () => {
  const { alice } = established();
  expect(headerOf(alice.response("INVITE"), "Server")).toBe("");
});

test("a copy of the INVITE makes no second call, and a lost 200 is sent again until the ACK", () => {
  const { stage, alice, bob } = twoSides();
  alice.invite("4711");
  stage.pass(150);
  alice.inviteAgain();
  bob.answer(200, { sdp: sdpOfBob });
  stage.look();
  stage.pass(4_000);
  alice.ack();
  stage.pass(20_000);
  expect(stage.look()).toEqual(["650 alice < 200", "1650 alice < 200", "3650 alice < 200", "4150 alice > ACK"]);
  expect(stage.factsOf("call.started")).toHaveLength(1);
});

test("each copy of the callee's 200 is acknowledged again", () => {
  const { stage, bob } = established();
  stage.look();
  bob.answer(200, { sdp: sdpOfBob });
  expect(stage.look().map((line) => line.split(" ").slice(1).join(" "))).toEqual(["bob > 200", "bob < ACK"]);
});

test("the route set of a dialog is followed, and an RFC 2543 router finds itself in the Request-URI", () => {
  for (const [route, uri, routes] of [
    ["<sip:10.9.0.7;lr>", "sip:bob@10.9.0.7:5060", ["<sip:10.9.0.7;lr>"]],
    ["<sip:10.9.0.7>", "sip:10.9.0.7", ["<sip:bob@10.9.0.7:5060>"]],
  ] as const) {
    const { stage, alice, bob } = twoSides();
    alice.invite("4711");
    bob.answer(200, { sdp: sdpOfBob, headers: [`Record-Route: ${route}`] });
    alice.ack();
    alice.request("BYE");
    const bye = bob.asked("BYE");
    expect(bye.split(" ")[1]).toBe(uri);
    expect(headersOf(bye, "Route")).toEqual(routes);
    expect(stage.factsOf("call.ended")).toHaveLength(1);
  }
});

const ALICES = /alice-|198\.51\.100\.|203\.0\.113\.|outside/;
const BOBS = /bob|10\.9\.0\.|inside|Sallyport/;
