/** Calls of registered phones, and to them. RFC 3261 §16.7, RFC 3325, RFC 3608, RFC 5626 §5.3. */
import { expect, test } from "vitest";
import { expectNoLeaks } from "../../support/leak-check.ts";
import { lineOf, Phone } from "../../support/phone.ts";
import { AT_HOME, type PhonesOptions, phonesAt, usersNamed } from "../../support/phones.ts";
import { audio, type ScriptedParty } from "../../support/scripted-party.ts";
import { BOB, type Place, words } from "../../support/stage.ts";

/** A phone that registers and calls: the one writes REGISTER, the other everything else, from one place. */
function line(cast: ReturnType<typeof phonesAt>, name: string, place: Place): { phone: Phone; party: ScriptedParty } {
  const phone = new Phone(cast.stage, name, place);
  phone.register();
  expect(phone.status).toBe(200);
  cast.stage.leave(phone);
  const party = cast.stage.party(name, place);
  cast.stage.look();
  return { phone, party };
}

/** The PBX as it calls: the registrar steps aside for it. */
function pbx(cast: ReturnType<typeof phonesAt>): ScriptedParty {
  cast.stage.leave(cast.registrar);
  return cast.stage.party("pbx", BOB);
}

function cast(options: PhonesOptions = {}) {
  const made = phonesAt(options);
  made.alice.place = { ...AT_HOME, port: 9 };
  return made;
}

const nameOf = (made: ReturnType<typeof cast>, user: string): string =>
  /sip:([^@]*)@/.exec([...(made.registrar.bound.get(`sip:${user}@example.test`)?.keys() ?? [])].at(-1) ?? "")?.[1] ??
  "";

test("the registrar calls our Contact: that phone rings, over its flow, by its own Contact", () => {
  const made = cast();
  const { party: alice } = line(made, "alice", AT_HOME);
  const { party: carol } = line(made, "carol", { ...AT_HOME, port: 31_001 });
  const inside = pbx(made);
  inside.invite(nameOf(made, "alice"));
  expect(words(made.stage.look())).toEqual(["pbx > INVITE", "alice < INVITE"]);
  const invite = alice.got.at(-1) ?? "";
  expect(invite.split("\r\n")[0]).toBe("INVITE sip:alice@192.168.1.10:5060 SIP/2.0");
  alice.answer(200, { sdp: audio("192.168.1.10") });
  inside.ack();
  inside.request("BYE");
  alice.answer(200, { method: "BYE" });
  expect(words(made.stage.look())).toEqual([
    ...["alice > 200", "alice < ACK", "pbx < 200", "pbx > ACK"],
    ...["pbx > BYE", "pbx < 200 BYE", "alice < BYE", "alice > 200 BYE"],
  ]);
  expect(carol.got).toEqual([]);
  expectNoLeaks(made.stage);
});

test("a registered phone calls by its own name, along the Service-Route", () => {
  const made = cast();
  made.registrar.more = ["Service-Route: <sip:edge.inside.test;lr>"];
  const { party: alice } = line(made, "alice", AT_HOME);
  const inside = pbx(made);
  alice.invite("5551");
  const invite = inside.got.at(-1) ?? "";
  expect(lineOf(invite, "P-Asserted-Identity")).toBe("<sip:alice@example.test>");
  expect(lineOf(invite, "Route")).toBe("<sip:edge.inside.test;lr>");
  expect(invite).toMatch(/^INVITE sip:5551@example\.test SIP/);
});

test("a phone that has learnt its public address is behind its NAT all the same: media may come from where it signals", () => {
  const made = cast();
  const { party: alice } = line(made, "alice", AT_HOME);
  alice.contactUri = `<sip:alice@${AT_HOME.ip}:${AT_HOME.port}>`;
  const inside = pbx(made);
  alice.invite("5551", { sdp: audio("198.51.100.99") });
  inside.answer(200, { sdp: audio(BOB.ip) });
  const opened = made.stage.relay.find(({ word }) => word === "open") as { sides: readonly { latchFrom?: string }[] };
  expect(opened.sides[0]).toMatchObject({ latch: "source", latchFrom: AT_HOME.ip });
});

test("the same holds for a phone that is called", () => {
  const made = cast();
  made.alice.contact = `<sip:alice@${AT_HOME.ip}:${AT_HOME.port}>`;
  made.alice.host = AT_HOME.ip;
  made.alice.place = AT_HOME;
  made.alice.register();
  made.stage.leave(made.alice);
  const alice = made.stage.party("alice", AT_HOME);
  const inside = pbx(made);
  inside.invite(nameOf(made, "alice"));
  alice.answer(200, { sdp: audio("198.51.100.99") });
  const opened = made.stage.relay.find(({ word }) => word === "open") as { sides: readonly { latchFrom?: string }[] };
  expect(opened.sides[1]).toMatchObject({ latch: "source", latchFrom: AT_HOME.ip });
});

test("who is not registered gets nothing, and learns nothing", () => {
  const made = cast();
  line(made, "alice", AT_HOME);
  const inside = pbx(made);
  const stranger = made.stage.party("stranger", { ...AT_HOME, port: 31_002 });
  stranger.invite("5551");
  stranger.outside("MESSAGE", "5551");
  expect(stranger.got.every((text) => text.startsWith("SIP/2.0 403"))).toBe(true);
  expect(inside.got).toEqual([]);
});

test("all contacts ring; the first to answer has the call, the others are told that somebody did", () => {
  const made = cast({ routes: [{ when: { from: "pbx", registered: "callee" }, to: ["registration"] }] });
  const { party: desk } = line(made, "alice", AT_HOME);
  const phone = new Phone(made.stage, "alice", { ...AT_HOME, port: 31_001 });
  phone.callId = "second";
  phone.contact = "<sip:alice@192.168.1.11:5060>";
  phone.register();
  made.stage.leave(phone);
  const soft = made.stage.party("soft", { ...AT_HOME, port: 31_001 });
  const inside = pbx(made);
  made.stage.look();
  inside.invite("alice");
  expect(words(made.stage.look())).toEqual(["pbx > INVITE", "alice < INVITE", "soft < INVITE"]);
  desk.answer(180);
  soft.answer(180);
  soft.answer(200, { sdp: audio("192.168.1.11") });
  expect(lineOf(desk.got.at(-1) ?? "", "Reason")).toContain("Call completed elsewhere");
  desk.answer(200, { method: "CANCEL" });
  desk.answer(487);
  inside.ack();
  expect(words(made.stage.look())).toEqual([
    ...["alice > 180", "pbx < 180", "soft > 180", "pbx < 180", "soft > 200", "soft < ACK", "pbx < 200"],
    ...["alice < CANCEL", "alice > 200 CANCEL", "alice > 487", "alice < ACK", "pbx > ACK"],
  ]);
  inside.request("BYE");
  soft.answer(200, { method: "BYE" });
  made.stage.pass(40_000);
  expect(made.stage.remains()).toMatchObject({ calls: 0, legs: 0, dialogs: 0, sessions: 0 });
});

test("both refuse: the best refusal comes back; a caller that gives up takes all with it", () => {
  const made = cast({ routes: [{ when: { from: "pbx", registered: "callee" }, to: ["registration"] }] });
  const { party: desk } = line(made, "alice", AT_HOME);
  const phone = new Phone(made.stage, "alice", { ...AT_HOME, port: 31_001 });
  phone.callId = "second";
  phone.contact = "<sip:alice@192.168.1.11:5060>";
  phone.register();
  made.stage.leave(phone);
  const soft = made.stage.party("soft", { ...AT_HOME, port: 31_001 });
  const inside = pbx(made);
  inside.invite("alice");
  desk.answer(500);
  made.stage.look();
  soft.answer(486);
  expect(words(made.stage.look())).toContain("pbx < 486");
  inside.ackRefusal();
  inside.invite("alice");
  desk.answer(180);
  soft.answer(180);
  made.stage.look();
  inside.cancel();
  expect(words(made.stage.look())).toEqual(expect.arrayContaining(["alice < CANCEL", "soft < CANCEL", "pbx < 487"]));
});

test("serial: the higher q first, the next when it is silent for its turn, or refuses", () => {
  const made = cast({
    domain: { fork: "serial", ringSeconds: 15 },
    routes: [{ when: { from: "pbx", registered: "callee" }, to: ["registration"] }],
  });
  const phone = new Phone(made.stage, "alice", { ...AT_HOME, port: 31_001 });
  phone.callId = "second";
  phone.contact = "<sip:alice@192.168.1.11:5060>;q=0.5";
  phone.register();
  made.stage.leave(phone);
  const low = made.stage.party("low", { ...AT_HOME, port: 31_001 });
  const { party: high } = line(made, "alice", AT_HOME);
  const inside = pbx(made);
  inside.invite("alice");
  high.answer(180);
  expect(words(made.stage.look())).toEqual(["pbx > INVITE", "alice < INVITE", "alice > 180", "pbx < 180"]);
  made.stage.pass(15_000);
  expect(words(made.stage.look())).toEqual(["alice < CANCEL", "low < INVITE"]);
  expect(low.got.length).toBe(1);
});

test.each([
  [486, ["alice > 486", "alice < ACK", "low < INVITE"]],
  [603, ["alice > 603", "alice < ACK", "pbx < 603"]],
])("serial: %i at the first phone", (status, told) => {
  const made = cast({
    domain: { fork: "serial" },
    routes: [{ when: { from: "pbx", registered: "callee" }, to: ["registration"] }],
  });
  const phone = new Phone(made.stage, "alice", { ...AT_HOME, port: 31_001 });
  phone.callId = "second";
  phone.contact = "<sip:alice@192.168.1.11:5060>;q=0.5";
  phone.register();
  made.stage.leave(phone);
  made.stage.party("low", { ...AT_HOME, port: 31_001 });
  const { party: high } = line(made, "alice", AT_HOME);
  pbx(made).invite("alice");
  made.stage.look();
  high.answer(status);
  expect(words(made.stage.look())).toEqual(told);
});

test("MESSAGE and SUBSCRIBE reach a registered phone over its flow, by its own Contact, and what it answers comes back", () => {
  const made = cast();
  const { party: alice } = line(made, "alice", AT_HOME);
  const inside = pbx(made);
  for (const method of ["MESSAGE", "SUBSCRIBE"]) {
    const event = method === "SUBSCRIBE" ? { headers: ["Event: dialog", "Expires: 60"] } : {};
    inside.outside(method, nameOf(made, "alice"), event);
    expect(words(made.stage.look())).toEqual([`pbx > ${method}`, `alice < ${method}`]);
    const [start] = (alice.got.at(-1) ?? "").split("\r\n");
    expect(start).toBe(`${method} sip:alice@192.168.1.10:5060 SIP/2.0`);
    alice.answer(200, { method, headers: method === "SUBSCRIBE" ? ["Expires: 60"] : [] });
    expect(words(made.stage.look())).toEqual([`alice > 200 ${method}`, `pbx < 200 ${method}`]);
  }
  expectNoLeaks(made.stage);
});

test("OPTIONS for a registered phone is answered by the box, which knows whether the phone is there", () => {
  const made = cast();
  const { party: alice } = line(made, "alice", AT_HOME);
  const inside = pbx(made);
  inside.outside("OPTIONS", nameOf(made, "alice"));
  expect(words(made.stage.look())).toEqual(["pbx > OPTIONS", "pbx < 200 OPTIONS"]);
  expect(alice.got).toEqual([]);
});

test("a phone registered from an IPv6 place is called there from an IPv4 inside", () => {
  const made = cast({ box: { outside: "2001:db8::1" } });
  const home: Place = { realm: "outside", ip: "2001:db8::20", port: 31_000 };
  const phone = new Phone(made.stage, "alice", home);
  phone.host = "[fd00::10]";
  phone.contact = "<sip:alice@[fd00::10]:5060>";
  phone.register();
  expect(phone.status).toBe(200);
  made.stage.leave(phone);
  const alice = made.stage.party("alice", home);
  const inside = pbx(made);
  made.stage.look();
  inside.invite(nameOf(made, "alice"), { sdp: audio(BOB.ip) });
  const invite = alice.got.at(-1) ?? "";
  expect(invite.split("\r\n")[0]).toBe("INVITE sip:alice@[fd00::10]:5060 SIP/2.0");
  expect(invite).toMatch(/\r\nc=IN IP6 /);
  expect(made.stage.engine.view().registrations()).toMatchObject([{ nat: true, flow: "udp:[2001:db8::20]:31000" }]);
  alice.answer(200, { sdp: audio("fd00::10") });
  expect(inside.got.at(-1)).toMatch(/\r\nc=IN IP4 10\.9\.0\.1\r/);
  const opened = made.stage.relay.find(({ word }) => word === "open") as { sides: readonly { latchFrom?: string }[] };
  expect(opened.sides[1]).toMatchObject({ latch: "source", latchFrom: home.ip });
});

test("a user who is nowhere: 480", () => {
  const made = cast({ routes: [{ when: { from: "pbx" }, to: ["registration"] }] });
  const inside = pbx(made);
  inside.invite("nobody");
  expect(words(made.stage.look())).toEqual(["pbx > INVITE", "pbx < 480"]);
});

test("at our own registrar a phone on UDP proves itself with each call", () => {
  const made = cast({
    domain: { registrar: undefined, users: usersNamed("alice"), algorithms: ["MD5"] },
    routes: [{ when: { realm: "outside", registered: true }, to: ["pbx"] }],
  });
  const { party: alice, phone } = line(made, "alice", AT_HOME);
  const inside = pbx(made);
  alice.invite("5551");
  expect(words(made.stage.look())).toEqual(["alice > INVITE", "alice < 407"]);
  alice.ackRefusal();
  phone.learn(alice.got.at(-1) ?? "");
  const uri = "sip:5551@203.0.113.1";
  alice.invite("5551", {
    sdp: audio("192.168.1.10"),
    headers: phone.credentials("Proxy-Authorization", "INVITE", uri),
  });
  expect(words(made.stage.look())).toContain("pbx < INVITE");
  expect(inside.got.at(-1)).not.toContain("Authorization");
  expect(lineOf(inside.got.at(-1) ?? "", "P-Asserted-Identity")).toBe("<sip:alice@example.test>");
});

const PUSH = "<sip:alice@192.168.1.10:5060;pn-provider=apns;pn-prid=device-7;pn-param=team>";
const withGateway: PhonesOptions["change"] = (settings) => ({
  ...settings,
  ...(settings.registration && { registration: { ...settings.registration, pushGateway: "http://127.0.0.1/push" } }),
});

test("a sleeping phone is woken before it is called, and called by the way that it comes; nobody else learns its token", () => {
  const made = cast({ change: withGateway });
  const phone = new Phone(made.stage, "alice", AT_HOME);
  phone.contact = PUSH;
  phone.register({ seconds: 3_600 });
  expect(phone.contacts[0]).toContain("expires=3600");
  expect(made.stage.sent.inside.join()).not.toMatch(/pn-|device-7/);
  const name = nameOf(made, "alice");
  const inside = pbx(made);
  made.stage.pass(1_000_000);
  made.stage.look();
  inside.invite(name);
  expect(made.stage.woken).toEqual([
    { out: "wake", url: "http://127.0.0.1/push", provider: "apns", param: "team", prid: "device-7" },
  ]);
  expect(words(made.stage.look())).toEqual(["pbx > INVITE"]);
  made.stage.leave(inside);
  made.stage.join(made.registrar);
  made.stage.leave(phone);
  phone.place = { ...AT_HOME, port: 40_001 };
  made.stage.join(phone);
  made.stage.pass(2_000);
  phone.register({ seconds: 3_600 });
  made.stage.pass(1);
  expect(phone.got.at(-1)).toMatch(/^INVITE sip:alice@192\.168\.1\.10:5060;pn-provider=apns/);
});

test("a phone that wakes with another port in its Contact is the one that was woken, by the token that it is woken by", () => {
  const made = cast({ change: withGateway });
  const gone = 2 ** 31 + 7;
  const phone = new Phone(made.stage, "alice", { realm: "outside", ip: "198.51.100.30", port: 5061, tls: gone });
  made.stage.connect(phone, gone);
  phone.contact = PUSH;
  phone.register({ seconds: 3_600 });
  const name = nameOf(made, "alice");
  made.stage.disconnect(phone);
  made.stage.pass(100);
  const inside = pbx(made);
  inside.invite(name);
  made.stage.leave(inside);
  made.stage.join(made.registrar);
  made.stage.leave(phone);
  const next = gone + 1;
  phone.place = { realm: "outside", ip: "198.51.100.30", port: 40_001, tls: next };
  made.stage.join(phone);
  made.stage.connect(phone, next);
  phone.contact = PUSH.replace("5060", "40001");
  phone.callId = "after-waking";
  phone.register({ seconds: 3_600 });
  made.stage.pass(1);
  expect(phone.got.at(-1)).toMatch(/^INVITE sip:alice@192\.168\.1\.10:40001;pn-provider=apns/);
  expect(made.stage.engine.view().registrations()).toHaveLength(1);
  expect([...(made.registrar.bound.get("sip:alice@example.test")?.keys() ?? [])]).toHaveLength(1);
});

test("a phone that does not wake in its time is tried all the same; one whose connection is gone is not", () => {
  const made = cast({ change: withGateway });
  const phone = new Phone(made.stage, "alice", { realm: "outside", ip: "198.51.100.30", port: 5061, tls: 2 ** 31 + 7 });
  made.stage.connect(phone, 2 ** 31 + 7);
  phone.contact = PUSH;
  phone.register({ seconds: 3_600 });
  const name = nameOf(made, "alice");
  made.stage.disconnect(phone);
  made.stage.pass(100);
  expect(made.stage.engine.view().registrations().length).toBe(1);
  const inside = pbx(made);
  made.stage.look();
  inside.invite(name);
  expect(made.stage.woken.length).toBe(1);
  made.stage.pass(10_100);
  expect(words(made.stage.look())).toEqual(["pbx > INVITE", "pbx < 480"]);
});

test("without the PBX phones call each other and out by the trunk; with it they do not", () => {
  const routes: PhonesOptions["routes"] = [
    { when: { registered: "both", peerDown: "pbx" }, to: ["registration"] },
    { when: { realm: "outside", registered: true, peerDown: "pbx" }, to: ["carrier"] },
    { when: { realm: "outside", registered: true }, to: ["pbx"] },
  ];
  const made = cast({ routes });
  const carrier = made.stage.party("carrier", { realm: "outside", ip: "198.51.100.7", port: 5060 });
  const { party: alice, phone } = line(made, "alice", AT_HOME);
  const { party: carol } = line(made, "carol", { ...AT_HOME, port: 31_001 });
  made.stage.unplug(made.registrar);
  made.stage.pass(40_000);
  made.stage.leave(alice);
  made.stage.join(phone);
  phone.contact = "<sip:alice@192.168.1.12:5060>"; // Something that the registrar would have to be asked about.
  phone.register();
  made.stage.pass(5_000);
  made.stage.leave(phone);
  made.stage.join(alice);
  made.stage.look();
  alice.invite("carol");
  expect(words(made.stage.look())).toContain("carol < INVITE");
  expect(carol.got.at(-1)).toContain("INVITE sip:carol@192.168.1.10:5060");
  alice.invite("5551");
  expect(words(made.stage.look())).toContain("carrier < INVITE");
  expect(lineOf(carrier.got.at(-1) ?? "", "From")).not.toContain("example.test");
});
