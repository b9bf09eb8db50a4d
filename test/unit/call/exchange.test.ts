/** Single requests outside of calls: MESSAGE, PUBLISH, unasked NOTIFY, unknown methods, OPTIONS. */
import { expect, test } from "vitest";
import type { Settings } from "../../../src/base/index.ts";
import { bodyOf, headerOf, headersOf, tagOf } from "../../support/scripted-party.ts";
import { twoSides } from "../../support/stage.ts";
import { NOTHING } from "./scenes.ts";

const HELLO = { body: { type: "text/plain", text: "Watson, come here." } };
/** Everything of one side that the other must not see. */
const OF_ALICE = /198\.51\.100\.7|203\.0\.113\.1|alice-call|alice-tag|alice-phone/;
const OF_BOB = /10\.9\.0\.|bob-call|bob-tag|bob-phone/;

test("a MESSAGE crosses with names of our own, and its answer comes back as ours", () => {
  const { stage, alice, bob } = twoSides();
  alice.outside("MESSAGE", "100", HELLO);
  stage.pass(50);
  bob.answer(200, { method: "MESSAGE" });
  expect(stage.look()).toEqual([
    "0 alice > MESSAGE",
    "0 bob < MESSAGE",
    "50 bob > 200 MESSAGE",
    "50 alice < 200 MESSAGE",
  ]);
  const message = bob.asked("MESSAGE");
  expect(message).toMatch(/^MESSAGE sip:100@10\.9\.0\.7 SIP\/2\.0\r\n/);
  expect(bodyOf(message)).toBe("Watson, come here.");
  expect(headerOf(message, "From")).toMatch(/^<sip:alice@10\.9\.0\.1>;tag=/);
  expect(headerOf(message, "Max-Forwards")).toBe("69");
  expect(headersOf(message, "Contact")).toEqual([]); // RFC 3428 §4
  expect(tagOf(headerOf(alice.response("MESSAGE"), "To"))).not.toBe(tagOf(headerOf(message, "From")));
  expect(stage.sent.inside.join("")).not.toMatch(OF_ALICE);
  expect(stage.sent.outside.join("")).not.toMatch(OF_BOB);
  // No word of ours stands on both sides: nobody can lay two traces beside each other.
  expect(tagOf(headerOf(alice.response("MESSAGE"), "To"))).not.toBe(tagOf(headerOf(message, "From")));
  expect(stage.factsOf("request.relayed")).toMatchObject([
    { method: "MESSAGE", realm: "outside", peer: "carrier", to: "pbx", status: 200, ms: 50 },
  ]);
  stage.pass(60_000);
  expect(stage.remains()).toEqual(NOTHING);
});

test("202 and refusals mean the same on both sides; a challenge of the other side does not cross", () => {
  const { stage, alice, bob } = twoSides();
  for (const [theirs, ours] of [
    [202, 202],
    [404, 404],
    [486, 486],
    [606, 606],
    [407, 403],
    [302, 480],
    [599, 500],
  ] as const) {
    alice.outside("MESSAGE", "100", HELLO);
    bob.answer(theirs, { method: "MESSAGE", headers: ['Proxy-Authenticate: Digest realm="10.9.0.7", nonce="1"'] });
    expect(alice.response("MESSAGE")).toMatch(new RegExp(`^SIP/2\\.0 ${ours} `));
  }
  expect(stage.sent.outside.join("")).not.toMatch(OF_BOB);
});

test("no 1xx but a late 100, no answer after the client has given up, and silence in place of 408 (RFC 4320)", () => {
  const { stage, alice, bob } = twoSides();
  alice.outside("MESSAGE", "100", HELLO);
  bob.answer(100, { method: "MESSAGE" });
  bob.answer(180, { method: "MESSAGE" });
  stage.pass(40_000);
  expect(stage.diary.filter((line) => line.includes("alice <"))).toEqual(["3500 alice < 100 MESSAGE"]);
  expect(stage.factsOf("request.relayed")).toMatchObject([{ status: 408 }]);
  stage.pass(60_000);
  expect(stage.remains()).toEqual(NOTHING);
});

test("a target that is full or unreachable loses the message to the next one, and so does one that is silent", () => {
  const next = { ip: "10.9.0.8", port: 5060 };
  const { stage, alice, bob } = twoSides({
    insideTargets: [{ ip: "10.9.0.66", port: 5060, protocol: "tcp" }, { ip: "10.9.0.7", port: 5060 }, next],
  });
  const second = stage.party("second", { realm: "inside", ...next });
  alice.outside("MESSAGE", "100", HELLO);
  stage.pass(1);
  bob.answer(503, { method: "MESSAGE" });
  second.answer(200, { method: "MESSAGE" });
  expect(alice.response("MESSAGE")).toMatch(/^SIP\/2\.0 200 /);
  expect(headerOf(second.asked("MESSAGE"), "Call-ID")).not.toBe(headerOf(bob.asked("MESSAGE"), "Call-ID"));

  stage.pass(3_600_000);
  alice.outside("MESSAGE", "100", HELLO);
  stage.unplug(bob);
  stage.pass(6_000);
  second.answer(200, { method: "MESSAGE" });
  expect(stage.factsOf("request.relayed").map(({ status }) => status)).toEqual([200, 200]);
});

test("nobody can be reached: 503, and the box keeps nothing", () => {
  const { stage, alice } = twoSides({ insideTargets: [{ ip: "10.9.0.66", port: 5060, protocol: "tcp" }] });
  alice.outside("MESSAGE", "100", HELLO);
  stage.pass(1);
  expect(alice.response("MESSAGE")).toMatch(/^SIP\/2\.0 503 /);
  stage.pass(3_600_000);
  expect(stage.remains()).toEqual(NOTHING);
});

test("what cannot be rewritten is refused with the types that can, and what is too large with 413", () => {
  const { alice, bob } = twoSides();
  alice.outside("MESSAGE", "100", { body: { type: "application/x-secret", text: "10.0.0.1" } });
  expect(alice.response("MESSAGE")).toMatch(/^SIP\/2\.0 415 /);
  expect(headerOf(alice.response("MESSAGE"), "Accept")).toContain("text/plain");
  alice.outside("MESSAGE", "100", { body: { type: "text/plain", text: "x".repeat(65_000) + "y".repeat(1_000) } });
  expect(alice.response("MESSAGE")).toMatch(/^SIP\/2\.0 413 /);
  alice.outside("MESSAGE", "100", { headers: ["Content-Encoding: gzip"], ...HELLO });
  expect(alice.response("MESSAGE")).toMatch(/^SIP\/2\.0 415 /);
  expect(bob.got).toEqual([]);
});

test("CPIM crosses with the hosts of its people hidden (RFC 3862)", () => {
  const { alice, bob } = twoSides();
  const text = [
    "From: Alice <im:alice@198.51.100.7>",
    "To: Bob <sip:bob@pbx.corp.example>",
    "DateTime: 2026-11-22T13:40:00-08:00",
    "Route-Via: 198.51.100.7",
    "",
    "Content-Type: text/plain; charset=utf-8",
    "Content-ID: <1@198.51.100.7>",
    "",
    "hello",
  ].join("\r\n");
  alice.outside("MESSAGE", "100", { body: { type: "message/cpim", text } });
  const crossed = bodyOf(bob.asked("MESSAGE"));
  expect(crossed.split("\r\n")).toEqual([
    "From: Alice <im:alice@10.9.0.1>",
    "To: Bob <sip:bob@10.9.0.1>",
    "DateTime: 2026-11-22T13:40:00-08:00",
    "",
    "Content-Type: text/plain; charset=utf-8",
    "",
    "hello",
  ]);
});

test("Max-Forwards 0 ends here with 483, an unknown extension with 420", () => {
  const { alice, bob } = twoSides();
  alice.outside("MESSAGE", "100", { ...HELLO, headers: ["Max-Forwards: 0"] });
  expect(alice.response("MESSAGE")).toMatch(/^SIP\/2\.0 483 /);
  alice.outside("MESSAGE", "100", { ...HELLO, headers: ["Require: soothsaying"] });
  expect(alice.response("MESSAGE")).toMatch(/^SIP\/2\.0 420 /);
  expect(headerOf(alice.response("MESSAGE"), "Unsupported")).toBe("soothsaying");
  expect(bob.got).toEqual([]);
});

test("a peer's requests beyond maxRequestsPerSecond get 503 with Retry-After; its calls have a limit of their own", () => {
  const { stage, alice, bob } = twoSides({ change: limited(2) });
  for (let i = 0; i < 3; i++) {
    alice.outside("MESSAGE", "100", HELLO);
    if (i < 2) bob.answer(200, { method: "MESSAGE" });
  }
  expect(alice.response("MESSAGE")).toMatch(/^SIP\/2\.0 503 /);
  expect(Number(headerOf(alice.response("MESSAGE"), "Retry-After"))).toBeGreaterThan(0);
  expect(stage.factsOf("peer.limited")).toMatchObject([{ peer: "carrier", limit: "maxRequestsPerSecond" }]);
  alice.invite("100");
  expect(bob.asked("INVITE")).toBeTruthy();
  stage.pass(1_000);
  alice.outside("MESSAGE", "100", HELLO);
  expect(bob.got.filter((one) => one.startsWith("MESSAGE"))).toHaveLength(3);
});

test("our own message that comes back for the same user is a loop", () => {
  const { alice, bob } = twoSides({ change: backToBob });
  bob.outside("MESSAGE", "100", HELLO);
  bob.bounce("100", "MESSAGE");
  expect(bob.got.at(-1)).toMatch(/^SIP\/2\.0 482 /);
  expect(alice.got).toEqual([]);
});

test("PUBLISH: entity tags cross in both directions, and so do 412 and Min-Expires (RFC 3903)", () => {
  const { stage, alice, bob } = twoSides();
  alice.outside("PUBLISH", "100", {
    headers: ["Event: presence", "Expires: 3600"],
    body: { type: "application/pidf+xml", text: presence("alice@198.51.100.7", "sip:alice@198.51.100.7:5060") },
  });
  const published = bob.asked("PUBLISH");
  expect(headerOf(published, "Event")).toBe("presence");
  expect(bodyOf(published)).toContain('entity="pres:alice@10.9.0.1"');
  expect(bodyOf(published)).toContain("<contact>sip:alice@10.9.0.1</contact>");
  bob.answer(200, { method: "PUBLISH", headers: ["SIP-ETag: dx200xyz", "Expires: 1800"] });
  const answer = alice.response("PUBLISH");
  expect(headerOf(answer, "SIP-ETag")).toBe("dx200xyz");
  expect(headerOf(answer, "Expires")).toBe("1800");

  alice.outside("PUBLISH", "100", { headers: ["Event: presence", "SIP-If-Match: dx200xyz", "Expires: 10"] });
  expect(headerOf(bob.asked("PUBLISH"), "SIP-If-Match")).toBe("dx200xyz");
  bob.answer(423, { method: "PUBLISH", headers: ["Min-Expires: 60"] });
  expect(headerOf(alice.response("PUBLISH"), "Min-Expires")).toBe("60");
  alice.outside("PUBLISH", "100", { headers: ["Event: presence", "SIP-If-Match: old"] });
  bob.answer(412, { method: "PUBLISH" });
  expect(alice.response("PUBLISH")).toMatch(/^SIP\/2\.0 412 /);
  expect(stage.sent.inside.join("")).not.toMatch(OF_ALICE);
  expect(stage.sent.outside.join("")).not.toMatch(OF_BOB);
});

test("a NOTIFY that nobody asked for crosses from a fully trusted side alone", () => {
  const { stage, alice, bob } = twoSides();
  const summary = "Messages-Waiting: yes\r\nMessage-Account: sip:alice@pbx.corp.lan\r\nVoice-Message: 2/8 (0/2)\r\n";
  const waiting = {
    headers: ["Event: message-summary", "Subscription-State: active"],
    body: { type: "application/simple-message-summary", text: summary },
  };
  bob.outside("NOTIFY", "alice", waiting);
  expect(headerOf(alice.asked("NOTIFY"), "Contact")).toMatch(/^<sip:[\w-]+@203\.0\.113\.1:5060>$/);
  expect(bodyOf(alice.asked("NOTIFY"))).toBe(
    "Messages-Waiting: yes\r\nMessage-Account: sip:alice@203.0.113.1\r\nVoice-Message: 2/8 (0/2)\r\n",
  );
  alice.answer(200, { method: "NOTIFY" });
  expect(bob.response("NOTIFY")).toMatch(/^SIP\/2\.0 200 /);
  alice.outside("NOTIFY", "100", waiting);
  expect(alice.response("NOTIFY")).toMatch(/^SIP\/2\.0 481 /);
  expect(stage.sent.outside.join("")).not.toMatch(OF_BOB);
});

test("a method of no RFC is refused with what we take, or passed where the realm says so", () => {
  const refusing = twoSides();
  refusing.alice.outside("NEWMETHOD", "100");
  expect(refusing.alice.response("NEWMETHOD")).toMatch(/^SIP\/2\.0 405 /);
  expect(headerOf(refusing.alice.response("NEWMETHOD"), "Allow")).toContain("MESSAGE");
  const passing = twoSides({ change: passingOthers });
  passing.alice.outside("NEWMETHOD", "100");
  expect(passing.bob.asked("NEWMETHOD")).toMatch(/^NEWMETHOD sip:100@10\.9\.0\.7 /);
  passing.bob.answer(200, { method: "NEWMETHOD" });
  expect(passing.alice.response("NEWMETHOD")).toMatch(/^SIP\/2\.0 200 /);
  for (const method of ["REGISTER", "BYE", "UPDATE", "INFO", "PRACK"]) {
    passing.alice.outside(method, "100");
    expect(passing.alice.response(method)).toMatch(/^SIP\/2\.0 4(05|81) /);
  }
  expect(passing.bob.got).toHaveLength(1);
});

test("OPTIONS is answered by the box for itself, whatever Max-Forwards says, and names all that it takes", () => {
  const { alice, bob } = twoSides();
  alice.outside("OPTIONS", "100", { headers: ["Max-Forwards: 0"] });
  const answer = alice.response("OPTIONS");
  expect(answer).toMatch(/^SIP\/2\.0 200 /);
  for (const method of ["INVITE", "MESSAGE", "PUBLISH", "NOTIFY"]) expect(headerOf(answer, "Allow")).toContain(method);
  expect(bob.got).toEqual([]);
});

test("a stranger's message is served by a route that names the realm; more than that only by one that names the method", () => {
  const open = (method?: string) => (settings: Settings) => ({
    ...settings,
    routes: [{ when: { realm: "outside", ...(method === undefined ? {} : { method }) }, to: ["pbx"] }],
  });
  const closed = twoSides();
  const mallory = closed.stage.party("mallory", STRANGER);
  mallory.outside("MESSAGE", "100", HELLO);
  expect(mallory.response("MESSAGE")).toMatch(/^SIP\/2\.0 403 /);
  expect(closed.bob.got).toEqual([]);

  const opened = twoSides({ change: open() });
  const guest = opened.stage.party("guest", STRANGER);
  guest.outside("MESSAGE", "100", HELLO);
  expect(opened.bob.asked("MESSAGE")).toBeTruthy();
  guest.outside("PUBLISH", "100", { headers: ["Event: presence"] });
  expect(guest.response("PUBLISH")).toMatch(/^SIP\/2\.0 403 /);

  const named = twoSides({ change: open("PUBLISH") });
  named.stage.party("guest", STRANGER).outside("PUBLISH", "100", { headers: ["Event: presence"] });
  expect(named.bob.asked("PUBLISH")).toBeTruthy();
});

test("what is asked of nobody is told 404", () => {
  const { alice } = twoSides({ change: (settings) => ({ ...settings, routes: [] }) });
  alice.outside("MESSAGE", "100", HELLO);
  expect(alice.response("MESSAGE")).toMatch(/^SIP\/2\.0 404 /);
});

const STRANGER = { realm: "outside", ip: "192.0.2.66", port: 5060 } as const;

const limited =
  (perSecond: number) =>
  (settings: Settings): Settings => {
    const peers = new Map(settings.peers);
    peers.set("carrier", { ...peers.get("carrier")!, maxRequestsPerSecond: perSecond });
    return { ...settings, peers };
  };

const backToBob = (settings: Settings): Settings => ({ ...settings, routes: [{ when: {}, to: ["pbx"] }] });

const passingOthers = (settings: Settings): Settings => {
  const realms = new Map(settings.realms);
  realms.set("outside", { ...realms.get("outside")!, otherMethods: "pass" });
  return { ...settings, realms };
};

const presence = (entity: string, contact: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?>\r\n<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="pres:${entity}">` +
  `<tuple id="a1"><status><basic>open</basic></status><contact>${contact}</contact></tuple></presence>`;
