/** Whom the box asks, in which order, and what the caller is told: forks, failover, limits, refusals, loops. */
import { expect, test } from "vitest";
import type { Settings } from "../../../src/base/index.ts";
import { audio, bodyOf, headerOf, tagOf } from "../../support/scripted-party.ts";
import { ALICE, BOB, twoSides, words } from "../../support/stage.ts";
import { established, NOTHING, ringing, sdpOfBob } from "./scenes.ts";

const CAROL = { realm: "inside", ip: "10.9.0.8", port: 5060 } as const;
function twoTargets() {
  const scene = twoSides({ insideTargets: [BOB, CAROL] });
  return { ...scene, carol: scene.stage.party("carol", CAROL) };
}

const finalToAlice = (text: string): string => text.slice(8, text.indexOf("\r\n"));

test("forks: each early dialog of the callee's side is one of its own toward the caller, until the first 200", () => {
  const { alice, bob } = twoSides();
  alice.invite("4711");
  bob.answer(180, { fork: "-a" });
  const first = tagOf(headerOf(alice.response("INVITE"), "To"));
  bob.answer(183, { fork: "-b", sdp: sdpOfBob });
  const second = tagOf(headerOf(alice.response("INVITE"), "To"));
  expect(second).not.toBe(first);
  bob.answer(200, { fork: "-b", sdp: sdpOfBob });
  expect(tagOf(headerOf(alice.response("INVITE"), "To"))).toBe(second);
  alice.ack();
  alice.request("INFO");
  expect(tagOf(headerOf(bob.asked("INFO"), "To"))).toBe("bob-tag-b");
});

test("a second fork that answers too gets ACK and BYE, and the caller hears nothing of it", () => {
  const { stage, alice, bob } = twoSides();
  alice.invite("4711");
  bob.answer(200, { fork: "-a", sdp: sdpOfBob });
  alice.ack();
  stage.look();
  bob.answer(200, { fork: "-b", sdp: sdpOfBob });
  expect(words(stage.look())).toEqual(["bob > 200", "bob < ACK", "bob < BYE"]);
  expect(tagOf(headerOf(bob.asked("BYE"), "To"))).toBe("bob-tag-b");
  expect(stage.factsOf("call.ended")).toEqual([]);
});

test("a fork that answers when the INVITE's transaction is long gone gets ACK and BYE all the same", () => {
  const { stage, alice, bob } = twoSides();
  alice.invite("4711");
  bob.answer(200, { fork: "-a", sdp: sdpOfBob });
  alice.ack();
  stage.pass(40_000);
  stage.look();
  const invites = bob.got.filter((one) => one.startsWith("INVITE "));
  expect(invites).toHaveLength(1);
  bob.answer(200, { fork: "-b", sdp: sdpOfBob });
  expect(words(stage.look())).toEqual(["bob > 200", "bob < ACK", "bob < BYE"]);
  bob.answer(200, { fork: "-a", sdp: sdpOfBob });
  expect(words(stage.look())).toEqual(["bob > 200", "bob < ACK"]);
  expect(stage.factsOf("call.ended")).toEqual([]);
});

test.each([503, 408])("a %i from the first target: the next is asked, with a Call-ID of its own", (status) => {
  const { stage, alice, bob, carol } = twoTargets();
  alice.invite("4711");
  bob.answer(status);
  carol.answer(200, { sdp: audio(CAROL.ip) });
  alice.ack();
  expect(words(stage.look())).toEqual([
    "alice > INVITE",
    "bob < INVITE",
    `bob > ${status}`,
    "bob < ACK",
    "carol < INVITE",
    "carol > 200",
    "carol < ACK",
    "alice < 200",
    "alice > ACK",
  ]);
  expect(headerOf(carol.asked("INVITE"), "Call-ID")).not.toBe(headerOf(bob.asked("INVITE"), "Call-ID"));
  expect(stage.factsOf("leg.refused")[0]).toMatchObject({ status, target: "udp:10.9.0.7:5060", peer: "pbx" });
});

test("a target that says nothing for 6 s loses the call to the next one; its late 200 gets ACK and BYE", () => {
  const { stage, alice, bob, carol } = twoTargets();
  alice.invite("4711");
  stage.pass(6_000);
  carol.answer(180);
  stage.look();
  bob.answer(200, { sdp: sdpOfBob });
  bob.answer(200, { method: "BYE" });
  expect(words(stage.look())).toEqual(["bob > 200", "bob < ACK", "bob < BYE", "bob > 200 BYE"]);
  carol.answer(200, { sdp: audio(CAROL.ip) });
  alice.ack();
  expect(finalToAlice(alice.response("INVITE"))).toBe("200 OK");
});

test("early media of a target that failed does not bind the next one", () => {
  const { alice, bob, carol } = twoTargets();
  alice.invite("4711");
  bob.answer(183, { sdp: sdpOfBob });
  const early = tagOf(headerOf(alice.response("INVITE"), "To"));
  bob.answer(503);
  carol.answer(200, { sdp: audio(CAROL.ip) });
  expect(tagOf(headerOf(alice.response("INVITE"), "To"))).not.toBe(early);
  expect(bodyOf(alice.response("INVITE"))).toContain("203.0.113.1");
});

test("both targets full: the caller gets 500, since 503 of theirs is none of ours", () => {
  const { stage, alice, bob, carol } = twoTargets();
  alice.invite("4711");
  bob.answer(503, { headers: ["Retry-After: 30"] });
  carol.answer(503);
  alice.ackRefusal();
  expect(finalToAlice(alice.response("INVITE"))).toBe("500 Server Internal Error");
  stage.pass(100_000);
  expect(stage.remains()).toEqual(NOTHING);
});

test.each([
  [486, "486 Busy Here", "busy"],
  [404, "404 Not Found", "refused"],
  [401, "403 Forbidden", "refused"],
  [407, "403 Forbidden", "refused"],
  [302, "480 Temporarily Unavailable", "refused"],
  [603, "603 Decline", "refused"],
  [600, "600 Busy Everywhere", "busy"],
  [480, "480 Temporarily Unavailable", "no-answer"],
] as const)("a %i stops the search, and the caller reads %s", (status, told, cause) => {
  const { stage, alice, bob, carol } = twoTargets();
  alice.invite("4711");
  bob.answer(status, {
    headers: ["Contact: <sip:elsewhere@10.9.0.99>", 'WWW-Authenticate: Digest realm="pbx.internal", nonce="1"'],
  });
  expect(finalToAlice(alice.response("INVITE"))).toBe(told);
  expect(alice.response("INVITE")).not.toMatch(/10\.9|Authenticate|internal/);
  expect(() => carol.asked("INVITE")).toThrow();
  expect(stage.factsOf("call.ended")[0]).toMatchObject({ cause, by: "callee" });
});

test("Max-Forwards 0 gets 483, and what arrives with 1 leaves with 0", () => {
  const { alice, bob } = twoSides();
  alice.invite("1", { sdp: audio(ALICE.ip), headers: ["Max-Forwards: 0"] });
  expect(finalToAlice(alice.response("INVITE"))).toBe("483 Too Many Hops");
  expect(() => bob.asked("INVITE")).toThrow();
  alice.invite("2", { sdp: audio(ALICE.ip), headers: ["Max-Forwards: 1"] });
  expect(headerOf(bob.asked("INVITE"), "Max-Forwards")).toBe("0");
});

test("our own INVITE that comes back gets 482 when nothing about it is new, and is a call when it is", () => {
  const { stage, alice, bob } = twoSides({ change: backInside });
  alice.invite("4711", {}); // With an offer media would refuse it already: the address in it is our own.
  // A proxy inside sends it back to us: first a spiral (it comes from inside now), then a loop.
  bob.bounce("4711");
  expect(stage.factsOf("call.started")).toHaveLength(2);
  bob.bounce("4711");
  expect(bob.response("INVITE")).toMatch(/^SIP\/2\.0 482 /);
  expect(stage.factsOf("call.refused")[0]).toMatchObject({ status: 482 });
});

test.each(["early", "late"])(
  "a proxy sends a call back to us for another user, %s offer: two calls, media from one to the other",
  (offer) => {
    const { stage, alice, bob, carol } = forwarding();
    alice.invite("4711", offer === "late" ? {} : undefined);
    bob.bounce("4712");
    carol.answer(200, { sdp: audio(CAROL.ip, { port: 7_000 }) });
    bob.passBack(200);
    alice.ack(offer === "late" ? { sdp: audio(ALICE.ip) } : {});
    expect(words(stage.look()).filter((line) => / \d{3}$/.test(line) && !line.includes("100"))).toEqual([
      "carol > 200",
      "bob < 200",
      "bob > 200",
      "alice < 200",
    ]);
    const pairs = stage.relay.filter((command) => command.word === "open").map(({ sides }) => sides);
    expect(pairs).toHaveLength(2);
    const inner = pairs.flat().filter(({ remote }) => remote?.ip === "10.9.0.1");
    expect(inner.map(({ remote }) => remote?.rtpPort).sort()).toEqual(inner.map(({ local }) => local.rtpPort).sort());
    expect(inner).toHaveLength(2);
  },
);

test("a proxy forks a call of ours to two users behind us: neither is taken for a copy of the other", () => {
  const { stage, alice, bob } = forwarding();
  alice.invite("4711");
  bob.bounce("4712");
  bob.bounce("4713");
  expect(stage.factsOf("call.started")).toHaveLength(3);
  bob.bounce("4713");
  expect(bob.response("INVITE")).toMatch(/^SIP\/2\.0 482 /);
});

/** The PBX is a proxy: what comes back from it goes to carol. */
function forwarding() {
  const scene = twoSides({ change: toCarol });
  return { ...scene, carol: scene.stage.party("carol", CAROL) };
}

function toCarol(settings: Settings): Settings {
  const pbx = settings.peers.get("pbx") as NonNullable<ReturnType<Settings["peers"]["get"]>>;
  const targets = [{ kind: "host", protocol: "udp", host: CAROL.ip, port: CAROL.port } as const];
  return {
    ...settings,
    peers: new Map([...settings.peers, ["carol", { ...pbx, name: "carol", targets }]]),
    routes: [
      { when: { from: "carrier" }, to: ["pbx"] },
      { when: { from: "pbx" }, to: ["carol"] },
    ],
  };
}

/** Calls from the PBX go back to the PBX. */
const backInside = (settings: Settings): Settings => ({
  ...settings,
  routes: [
    { when: { from: "carrier" }, to: ["pbx"] },
    { when: { from: "pbx" }, to: ["pbx"] },
  ],
});

test("an extension that is not known gets 420, one by one, in a call as before it", () => {
  const { alice } = twoSides();
  alice.invite("1", { sdp: audio(ALICE.ip), headers: ["Require: 100rel, timer, foo"] });
  expect(finalToAlice(alice.response("INVITE"))).toBe("420 Bad Extension");
  expect(headerOf(alice.response("INVITE"), "Unsupported")).toBe("timer, foo");
  const later = established();
  later.alice.request("INFO", { headers: ["Require: foo"] });
  expect(headerOf(later.alice.response("INFO"), "Unsupported")).toBe("foo");
});

test("a stranger gets 403 for whatever it sends; a peer 405 or 481 where no call can be", () => {
  const { stage, alice } = twoSides();
  const stranger = stage.party("mallory", { realm: "outside", ip: "192.0.2.66", port: 5060 });
  for (const method of ["INVITE", "OPTIONS", "MESSAGE", "SUBSCRIBE", "FOO", "BYE"]) {
    stranger.outside(method, "4711");
    expect(stranger.response(method)).toMatch(/^SIP\/2\.0 403 Forbidden/);
    expect(stranger.response(method)).not.toMatch(/Allow|Server|Supported/);
  }
  alice.outside("FOO", "4711");
  expect(alice.response("FOO")).toMatch(/^SIP\/2\.0 405 /);
  expect(headerOf(alice.response("FOO"), "Allow")).toContain("INVITE");
  alice.outside("BYE", "4711");
  expect(alice.response("BYE")).toMatch(/^SIP\/2\.0 481 /);
  expect(stage.factsOf("call.refused")).toHaveLength(8);
});

test("OPTIONS of a peer is answered for the box itself", () => {
  const { alice, bob } = twoSides();
  alice.outside("OPTIONS", "4711");
  const answer = alice.response("OPTIONS");
  expect(answer).toMatch(/^SIP\/2\.0 200 /);
  expect(headerOf(answer, "Allow")).toContain("PRACK");
  expect(headerOf(answer, "Accept")).toContain("application/sdp");
  expect(headerOf(answer, "Supported")).toBe("100rel, replaces");
  expect(() => bob.asked("OPTIONS")).toThrow();
});

test("no route: 404 to a peer", () => {
  const { stage, alice } = twoSides({ change: (settings) => ({ ...settings, routes: [] }) });
  alice.invite("4711");
  expect(finalToAlice(alice.response("INVITE"))).toBe("404 Not Found");
  expect(stage.factsOf("call.started")).toEqual([]);
});

test("limits.calls: one more call gets 503 with Retry-After, until one ends", () => {
  const full = (settings: Settings): Settings => ({ ...settings, limits: { ...settings.limits, calls: 1 } });
  const { stage, alice, bob } = ringing({ change: full });
  bob.invite("1");
  expect(finalToAlice(bob.response("INVITE"))).toBe("503 Service Unavailable");
  expect(headerOf(bob.response("INVITE"), "Retry-After")).not.toBe("");
  bob.ackRefusal();
  alice.cancel();
  bob.answer(200, { method: "CANCEL" });
  stage.pass(40_000);
  alice.invite("2");
  expect(stage.factsOf("call.started")).toHaveLength(2);
});

test("maxCalls of the callee's peer: 503 with Retry-After; it is free again when the call has ended", () => {
  const one = (settings: Settings): Settings => ({
    ...settings,
    peers: new Map([...settings.peers].map(([name, peer]) => [name, name === "pbx" ? { ...peer, maxCalls: 1 } : peer])),
  });
  const { alice, bob } = established({ change: one });
  alice.request("BYE");
  bob.answer(200, { method: "BYE" });
  alice.invite("2");
  bob.answer(180);
  alice.invite("3");
  expect(finalToAlice(alice.response("INVITE"))).toBe("503 Service Unavailable");
  expect(Number(headerOf(alice.response("INVITE"), "Retry-After"))).toBeGreaterThan(0);
});

test("a peer of RFC 2543 without any tag can call and be called", () => {
  const { stage, alice, bob } = twoSides();
  alice.tagless = true;
  bob.tagless = true;
  alice.invite("4711");
  bob.answer(180);
  bob.answer(200, { sdp: sdpOfBob });
  alice.ack();
  bob.request("BYE");
  expect(bob.response("BYE")).toMatch(/^SIP\/2\.0 200 /);
  alice.answer(200, { method: "BYE" });
  expect(stage.factsOf("call.ended")[0]).toMatchObject({ cause: "bye", by: "callee" });
});

test("SDP in a multipart body is found, and only it crosses", () => {
  const { alice, bob } = twoSides();
  const parts = `--b\r\nContent-Type: application/sdp\r\n\r\n${audio(ALICE.ip)}\r\n--b\r\nContent-Type: application/pidf+xml\r\n\r\n<geo/>\r\n--b--\r\n`;
  alice.invite("4711", { body: { type: "multipart/mixed;boundary=b", text: parts } });
  const invite = bob.asked("INVITE");
  expect(headerOf(invite, "Content-Type")).toBe("application/sdp");
  expect(invite).not.toContain("geo");
});

test("an INVITE without Contact gets 400, and leaves nothing behind", () => {
  const { stage, alice } = twoSides();
  alice.withoutContact = true;
  alice.invite("4711");
  expect(finalToAlice(alice.response("INVITE"))).toBe("400 Bad Request");
  alice.ackRefusal();
  stage.pass(70_000);
  expect(stage.remains()).toEqual(NOTHING);
});

test("a caller of RFC 2543 needs no Contact: its From is where its requests go, by the way that it came", () => {
  const { stage, alice, bob } = twoSides();
  alice.tagless = true;
  alice.withoutContact = true;
  alice.cookie = "old";
  alice.invite("4711");
  bob.answer(200, { sdp: sdpOfBob });
  alice.ack();
  bob.request("BYE");
  alice.answer(200, { method: "BYE" });
  expect(alice.asked("BYE")).toMatch(/^BYE sip:alice@198\.51\.100\.7 SIP/);
  expect(stage.factsOf("call.ended")[0]).toMatchObject({ cause: "bye", by: "callee" });
  stage.pass(70_000);
  expect(stage.remains()).toEqual(NOTHING);
});

test("a target that takes no connection: the next is asked at once", () => {
  const { stage, alice, bob } = twoSides({ insideTargets: [{ ip: "10.9.0.20", port: 5060, protocol: "tcp" }, BOB] });
  alice.invite("4711");
  stage.pass(10);
  expect(bob.asked("INVITE")).toBeTypeOf("string");
  expect(stage.factsOf("leg.refused")[0]).toMatchObject({ target: "tcp:10.9.0.20:5060", reason: "unreachable" });
});

test("nobody takes a connection: 503", () => {
  const { stage, alice } = twoSides({ insideTargets: [{ ip: "10.9.0.20", port: 5060, protocol: "tcp" }] });
  alice.invite("4711");
  stage.pass(10);
  alice.ackRefusal();
  expect(finalToAlice(alice.response("INVITE"))).toBe("503 Service Unavailable");
  expect(stage.factsOf("call.ended")[0]).toMatchObject({ cause: "unreachable" });
  stage.pass(100_000);
  expect(stage.remains()).toEqual(NOTHING);
});

test("a target by name is resolved; one whose name is unknown loses the call to the next", () => {
  const { stage, alice, bob } = twoSides({
    insideTargets: [
      { ip: "gone.example.test", port: 5060 },
      { ip: "pbx.example.test", port: 5060 },
    ],
    names: { "pbx.example.test": BOB.ip },
  });
  stage.pass(1);
  alice.invite("4711");
  expect(bob.asked("INVITE")).toMatch(/^INVITE sip:4711@pbx\.example\.test SIP/);
});

test("a sips: call to a side without TLS is refused, and that is a fact", () => {
  const { stage, alice, bob } = twoSides();
  alice.scheme = "sips"; // The stage is UDP: only the URIs say that every hop must be secure.
  alice.invite("4711");
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 416 Unsupported URI Scheme/);
  expect(headerOf(alice.response("INVITE"), "Warning")).toBe('380 203.0.113.1 "SIPS Not Allowed"');
  expect(stage.factsOf("sips.refused")).toHaveLength(1);
  expect(() => bob.asked("INVITE")).toThrow();
});

test("a fork that lost cannot end the call: its BYE gets 481", () => {
  const { stage, alice, bob } = twoSides();
  alice.invite("4711");
  bob.answer(180, { fork: "-a" });
  bob.answer(200, { fork: "-b", sdp: sdpOfBob });
  alice.ack();
  bob.answer(180, { fork: "-a" }); // The scripted party speaks for that fork again; late 1xx are absorbed.
  bob.request("BYE");
  expect(bob.response("BYE")).toMatch(/^SIP\/2\.0 481 /);
  expect(stage.factsOf("call.ended")).toEqual([]);
});

test.each(["Record-Route: <tel:123>", "Record-Route: <sip:@@;lr>", "Route: <sip:203.0.113.1;lr>"])(
  "an INVITE with %s is answered at once, not found wanting later",
  (header) => {
    const { alice } = twoSides();
    alice.invite("4711", { sdp: audio(ALICE.ip), headers: [header] });
    if (header.startsWith("Route")) return expect(() => alice.response("INVITE")).toThrow(); // It goes on: our own Route.
    expect(finalToAlice(alice.response("INVITE"))).toBe("400 Bad Request");
  },
);

test("a 200 whose Contact is no SIP URI is no dialog to be used: the caller gets an error, the call ends", () => {
  const { stage, alice, bob } = twoSides();
  alice.invite("4711");
  bob.scheme = "tel" as "sip";
  bob.answer(200, { sdp: sdpOfBob });
  expect(finalToAlice(alice.response("INVITE"))).toMatch(/^5/);
  expect(stage.factsOf("call.ended")[0]).toMatchObject({ cause: "protocol-error" });
});
