/** 3xx of a callee: refused, passed on with Contacts that lead through the box, or followed by its own routes. */
import { expect, test } from "vitest";
import type { PeerSettings, RouteSettings, Settings } from "../../../src/base/index.ts";
import { audio, headerOf, headersOf } from "../../support/scripted-party.ts";
import { twoSides } from "../../support/stage.ts";
import { NOTHING, sdpOfBob } from "./scenes.ts";

const CAROL = { realm: "inside", ip: "10.9.0.8", port: 5060 } as const;
const told = (text: string): string => text.slice(8, text.indexOf("\r\n"));
const contact = (...values: string[]): { headers: string[] } => ({
  headers: values.map((value) => `Contact: ${value}`),
});
const targets = (diary: readonly string[]): string[] => diary.filter((line) => line.endsWith("< INVITE"));

/** Scripted parties write a Contact of their own into every answer: here the test's are the only ones. */
function redirecting(set: Partial<PeerSettings>, routes: readonly RouteSettings[] = [], more: Partial<Settings> = {}) {
  const change = (settings: Settings): Settings => {
    const pbx = settings.peers.get("pbx") as PeerSettings;
    const place = { kind: "host", protocol: "udp", host: CAROL.ip, port: CAROL.port } as const;
    const peers = new Map([...settings.peers, ["pbx", { ...pbx, ...set }] as const]);
    peers.set("carol", { ...pbx, name: "carol", targets: [place] });
    return { ...settings, peers, routes: [{ when: { from: "carrier" }, to: ["pbx"] }, ...routes], ...more };
  };
  const scene = twoSides({ change });
  scene.bob.contactUri = "<sip:10.9.0.7>";
  return { ...scene, carol: scene.stage.party("carol", CAROL) };
}

test("pass: the caller gets the 302 with Contacts of ours, best first, and its next call goes where our routes say", () => {
  const { stage, alice, bob } = redirecting({ redirects: "pass" });
  alice.invite("4711");
  bob.answer(
    302,
    contact("<sip:4712@10.9.0.9:5070;ob>;q=0.2;expires=60, <tel:+4930123>", '"Lab" <sips:4713@pbx.internal>'),
  );
  expect(told(alice.response("INVITE"))).toBe("302 Moved Temporarily");
  expect(headersOf(alice.response("INVITE"), "Contact")).toEqual([
    "<sip:+4930123@203.0.113.1:5060;user=phone>",
    "<sips:4713@203.0.113.1:5060>",
    "<sip:4712@203.0.113.1:5060>;q=0.2",
  ]);
  alice.ackRefusal();
  expect(stage.factsOf("call.redirected")).toMatchObject([
    { peer: "pbx", status: 302, followed: false, users: ["+4930123", "4713", "4712"] },
  ]);
  alice.invite("4712");
  expect(bob.asked("INVITE")).toMatch(/^INVITE sip:4712@10\.9\.0\.7 SIP/);
});

test.each([
  ["nobody but the one who was called", 302, "<sip:4711@10.9.0.9>"],
  ["a place and nobody", 301, "<sip:10.9.0.9>"],
  ["a user that names a place", 302, "<sip:bob%40pbx.internal@10.9.0.9>, <sip:10.9.0.9@10.9.0.9>"],
  ["a web page", 300, "<http://pbx.internal/>"],
  ["a proxy", 305, "<sip:4712@10.9.0.9>"],
  ["what cannot be read", 302, "<sip:@@>"],
])("pass: a Contact that shows %s is not for the caller: 480", (_what, status, value) => {
  const { alice, bob } = redirecting({ redirects: "pass" });
  alice.invite("4711");
  bob.answer(status, contact(value));
  expect(told(alice.response("INVITE"))).toBe("480 Temporarily Unavailable");
  expect(headersOf(alice.response("INVITE"), "Contact")).toEqual([]);
});

test("follow: to another user of the same place; the caller hears nothing of it", () => {
  const { stage, alice, bob } = redirecting({ redirects: "follow" });
  alice.invite("4711");
  bob.answer(302, contact("<sip:4712@10.9.0.7>"));
  expect(bob.asked("INVITE")).toMatch(/^INVITE sip:4712@10\.9\.0\.7 SIP/);
  bob.answer(180);
  bob.answer(200, { sdp: sdpOfBob });
  alice.ack();
  expect(stage.look().filter((line) => line.includes("alice <"))).toEqual(["0 alice < 180", "0 alice < 200"]);
  expect(stage.factsOf("call.redirected")).toMatchObject([
    { peer: "pbx", status: 302, followed: true, users: ["4712"] },
  ]);
  alice.request("BYE");
  bob.answer(200, { method: "BYE" });
  stage.pass(70_000);
  expect(stage.remains()).toEqual(NOTHING);
});

test("follow: to another peer, by a route that takes calls from the one who redirects", () => {
  const { alice, bob, carol } = redirecting({ redirects: "follow" }, [
    { when: { from: "pbx", host: "lab.example.test" }, to: ["carol"] },
  ]);
  alice.invite("4711");
  bob.answer(302, contact("<sip:77@lab.example.test>"));
  expect(carol.asked("INVITE")).toMatch(/^INVITE sip:77@10\.9\.0\.8 SIP/);
  carol.answer(200, { sdp: audio(CAROL.ip) });
  expect(told(alice.response("INVITE"))).toBe("200 OK");
});

test.each(["<sip:4712@10.9.0.99>", "<sip:4712@192.0.2.1:5060>", "<sip:4712@10.9.0.7:5999>", "<sip:4712@evil.example>"])(
  "follow: %s is no peer's place and no route covers it: nothing is sent anywhere, the caller gets 480",
  (value) => {
    const { stage, alice, bob } = redirecting({ redirects: "follow" });
    alice.invite("4711");
    bob.answer(302, contact(value));
    expect(told(alice.response("INVITE"))).toBe("480 Temporarily Unavailable");
    alice.ackRefusal();
    stage.pass(40_000);
    expect(targets(stage.look())).toEqual(["0 bob < INVITE"]);
    expect(stage.factsOf("call.redirected")).toMatchObject([{ followed: true, users: [] }]);
  },
);

test("follow: a route for others does not take what this peer redirects", () => {
  const { alice, bob, carol } = redirecting({ redirects: "follow" }, [{ when: { from: "carrier" }, to: ["carol"] }]);
  alice.invite("4711");
  bob.answer(302, contact("<sip:4712@10.9.0.8>"));
  expect(() => carol.asked("INVITE")).toThrow();
  expect(told(alice.response("INVITE"))).toBe("480 Temporarily Unavailable");
});

test("follow: by q, one after the other, until somebody answers; a refusal goes on, and the best is told", () => {
  const { stage, alice, bob } = redirecting({ redirects: "follow" });
  alice.invite("4711");
  bob.answer(300, contact("<sip:1@10.9.0.7>;q=0.1", "<sip:2@10.9.0.7>;q=0.9", "<sip:3@10.9.0.7>;q=0.5"));
  expect(bob.asked("INVITE")).toMatch(/^INVITE sip:2@/);
  bob.answer(486);
  expect(bob.asked("INVITE")).toMatch(/^INVITE sip:3@/);
  bob.answer(404);
  expect(bob.asked("INVITE")).toMatch(/^INVITE sip:1@/);
  bob.answer(484);
  expect(told(alice.response("INVITE"))).toBe("484 Address Incomplete");
  expect(targets(stage.look())).toHaveLength(4);
});

test("follow: a 603 speaks for everybody", () => {
  const { alice, bob } = redirecting({ redirects: "follow" });
  alice.invite("4711");
  bob.answer(300, contact("<sip:1@10.9.0.7>", "<sip:2@10.9.0.7>"));
  bob.answer(603);
  expect(told(alice.response("INVITE"))).toBe("603 Decline");
});

test("follow: what a redirect leads to comes before what is left of the one above it", () => {
  const { alice, bob } = redirecting({ redirects: "follow" });
  alice.invite("4711");
  bob.answer(300, contact("<sip:1@10.9.0.7>", "<sip:2@10.9.0.7>"));
  bob.answer(302, contact("<sip:11@10.9.0.7>"));
  expect(bob.asked("INVITE")).toMatch(/^INVITE sip:11@/);
  bob.answer(486);
  expect(bob.asked("INVITE")).toMatch(/^INVITE sip:2@/);
});

test("follow: a circle ends when it closes; nobody is asked twice", () => {
  const { stage, alice, bob } = redirecting({ redirects: "follow" });
  alice.invite("4711");
  bob.answer(302, contact("<sip:4712@10.9.0.7>"));
  bob.answer(302, contact("<sip:4711@10.9.0.7>"));
  expect(told(alice.response("INVITE"))).toBe("480 Temporarily Unavailable");
  alice.ackRefusal();
  expect(targets(stage.look())).toHaveLength(2);
  stage.pass(70_000);
  expect(stage.remains()).toEqual(NOTHING);
});

test("follow: always somebody new ends after five", () => {
  const { stage, alice, bob } = redirecting({ redirects: "follow" });
  alice.invite("0");
  for (let user = 1; user <= 6; user++) bob.answer(302, contact(`<sip:${user}@10.9.0.7>`));
  expect(told(alice.response("INVITE"))).toBe("480 Temporarily Unavailable");
  expect(targets(stage.look())).toHaveLength(6);
});

test("follow: a hundred Contacts are not a hundred calls", () => {
  const { stage, alice, bob } = redirecting({ redirects: "follow" });
  alice.invite("4711");
  bob.answer(300, contact(...Array.from({ length: 100 }, (_, user) => `<sip:${user}@10.9.0.7>`)));
  for (let answers = 0; answers < 40; answers++) bob.answer(486);
  expect(targets(stage.look())).toHaveLength(11);
  expect(told(alice.response("INVITE"))).toBe("486 Busy Here");
});

test("follow: a call that was promised to be secure follows no sip: Contact", () => {
  const { alice, bob } = redirecting({ redirects: "follow" }, [], {});
  const scene = securely();
  scene.alice.invite("4711");
  scene.bob.answer(302, contact("<sip:4712@10.9.0.7>", "<sips:4713@10.9.0.7:5060>"));
  expect(scene.bob.asked("INVITE")).toMatch(/^INVITE sip:4713@/); // Translated here, as the realm allows.
  alice.invite("4711");
  bob.answer(302, contact("<sip:4712@10.9.0.7>"));
  expect(bob.asked("INVITE")).toMatch(/^INVITE sip:4712@/);
});

/** A sips: call into a realm that may translate. */
function securely() {
  const change = (settings: Settings): Settings => {
    const inside = settings.realms.get("inside") as NonNullable<ReturnType<Settings["realms"]["get"]>>;
    const pbx = settings.peers.get("pbx") as PeerSettings;
    return {
      ...settings,
      realms: new Map([...settings.realms, ["inside", { ...inside, sips: "translate" }]]),
      peers: new Map([...settings.peers, ["pbx", { ...pbx, redirects: "follow" }]]),
    };
  };
  const scene = twoSides({ change });
  scene.alice.scheme = "sips";
  scene.bob.contactUri = "<sip:10.9.0.7>";
  return scene;
}

test("a caller that gives up while a redirect is followed cancels the one who is asked now", () => {
  const { stage, alice, bob } = redirecting({ redirects: "follow" });
  alice.invite("4711");
  bob.answer(302, contact("<sip:4712@10.9.0.7>"));
  bob.answer(180);
  alice.cancel();
  bob.answer(200, { method: "CANCEL" });
  bob.answer(487);
  expect(headerOf(bob.asked("CANCEL"), "CSeq")).toBe("1 CANCEL");
  expect(stage.factsOf("call.ended")[0]).toMatchObject({ cause: "cancelled" });
  stage.pass(70_000);
  expect(stage.remains()).toEqual(NOTHING);
});

test("a fact holds no more of a Contact than a line of log can bear", () => {
  const { stage, alice, bob } = redirecting({ redirects: "follow" });
  alice.invite("4711");
  bob.answer(302, contact(`<sip:${"9".repeat(900)}@10.9.0.7>`));
  expect(stage.factsOf("call.redirected")[0]?.users[0]).toHaveLength(64);
});
