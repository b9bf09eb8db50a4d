/** The flow of a phone moves while it is in a call: its NAT has forgotten it, or its connection broke. RFC 5626 §5.3. */
import { expect, test } from "vitest";
import { lineOf, Phone } from "../../support/phone.ts";
import { AT_HOME, phonesAt, usersNamed } from "../../support/phones.ts";
import { audio, type ScriptedParty } from "../../support/scripted-party.ts";
import { BOB, type Place, type Stage, words } from "../../support/stage.ts";

const ELSEWHERE: Place = { ...AT_HOME, port: 31_777 };

test("it has spoken in the dialog from another port: requests go there", () => {
  const { stage, alice, inside } = talking();
  move(alice, ELSEWHERE);
  alice.request("INFO");
  inside.answer(200, { method: "INFO" });
  stage.look();
  inside.request("BYE");
  expect(words(stage.look())).toContain("alice < BYE");
});

test("it has registered again from another port, and said nothing in the dialog: requests go there", () => {
  const { stage, phone, alice, inside, registers } = talking();
  registers(phone, ELSEWHERE);
  move(alice, ELSEWHERE);
  stage.look();
  inside.request("BYE");
  expect(words(stage.look())).toContain("alice < BYE");
});

test("the same when it was called", () => {
  const { stage, phone, alice, inside, registers } = talking("callee");
  registers(phone, ELSEWHERE);
  move(alice, ELSEWHERE);
  stage.look();
  inside.request("BYE");
  expect(words(stage.look())).toContain("alice < BYE");
});

test("another phone that registers from where it was does not get its requests", () => {
  const { stage, phone, alice, inside, registers } = talking();
  registers(phone, ELSEWHERE);
  move(alice, ELSEWHERE);
  const carol = new Phone(stage, "carol", AT_HOME);
  registers(carol, AT_HOME);
  const neighbour = stage.party("neighbour", AT_HOME);
  inside.request("BYE");
  expect(neighbour.got).toEqual([]);
  expect(alice.got.at(-1)).toMatch(/^BYE /);
});

test.each([
  ["over the next one", "<sip:alice@192.168.1.10:5060>", true],
  ["as another one", "<sip:alice@192.168.1.11:5060>", false],
])("its connection broke, and it has registered %s", (_, contact, reached) => {
  const { stage, phone, inside, registers, next } = cutOffAlice();
  phone.contact = contact;
  stage.connect(phone, next);
  registers(phone, { ...AT_HOME, tls: next });
  stage.join(phone);
  inside.request("BYE");
  stage.pass(1);
  expect(phone.last.startsWith("BYE ")).toBe(reached);
});

test("what it has subscribed to is told where it is now", () => {
  const { stage, phone, alice, inside, registers } = registeredAlice();
  alice.outside("SUBSCRIBE", "100", { headers: ["Event: message-summary", "Expires: 600"] });
  inside.answer(200, { method: "SUBSCRIBE", headers: ["Expires: 600"] });
  registers(phone, ELSEWHERE);
  move(alice, ELSEWHERE);
  stage.look();
  inside.request("NOTIFY", {
    headers: ["Event: message-summary", "Subscription-State: active;expires=500"],
    body: { type: "application/simple-message-summary", text: "Messages-Waiting: no\r\n" },
  });
  expect(words(stage.look())).toContain("alice < NOTIFY");
});

test.each([
  ["another port of its NAT", ELSEWHERE],
  ["another NAT", { ...AT_HOME, ip: "198.51.100.99" }],
] as const)("a re-INVITE from %s: its media is learnt anew, from there alone", (_what, place) => {
  const { stage, alice, inside } = talking();
  const change = (version: number): void => {
    alice.request("INVITE", { sdp: audio("192.168.1.10", { version }) });
    inside.answer(200, { sdp: audio(BOB.ip, { version }) });
    alice.ack();
  };
  change(2);
  const before = stage.relay.length;
  alice.request("INFO");
  inside.answer(200, { method: "INFO" });
  expect(stage.relay.length).toBe(before);
  move(alice, place);
  alice.request("INFO"); // Whoever only speaks from elsewhere moves no media.
  inside.answer(200, { method: "INFO" });
  expect(stage.relay.length).toBe(before);
  alice.request("INVITE", { sdp: audio("192.168.1.10", { version: 3 }) });
  const changes = stage.relay.slice(before);
  expect(changes).toMatchObject([
    { word: "change", side: 0, set: { latch: "source", latchFrom: place.ip, remote: { ip: place.ip }, relatch: true } },
  ]);
  inside.answer(200, { sdp: audio(BOB.ip, { version: 3 }) });
  alice.ack();
  change(4);
  const relatched = stage.relay.slice(before).filter((command) => command.word === "change" && command.set.relatch);
  expect(relatched.length).toBe(1); // It has stayed where it is.
});

test.each([
  ["caller", "another port of its NAT", ELSEWHERE],
  ["caller", "another NAT", { ...AT_HOME, ip: "198.51.100.99" }],
  ["callee", "another port of its NAT", ELSEWHERE],
] as const)(
  "as %s it registers again from %s: its media is learnt anew, from there alone, and once",
  (side, _what, place) => {
    const { stage, phone, alice, inside, registers } = talking(side, "192.168.1.10");
    const before = stage.relay.length;
    registers(phone, AT_HOME);
    expect(stage.relay.length).toBe(before); // It is where it was.
    registers(phone, place);
    const set = { remote: { ip: place.ip }, relatch: true };
    const changed = { word: "change", side: side === "caller" ? 0 : 1, set };
    expect(stage.relay.slice(before)).toMatchObject([changed]);
    move(alice, place);
    alice.request("INVITE", { sdp: audio("192.168.1.10", { version: 2 }) });
    inside.answer(200, { sdp: audio(BOB.ip, { version: 2 }) });
    alice.ack();
    registers(phone, place);
    expect(stage.relay.slice(before).filter((one) => one.word === "change" && one.set.relatch)).toHaveLength(1);
  },
);

test("the same when it has learnt what it looks like from here, and said so", () => {
  const { stage, phone, registers } = talking("caller", AT_HOME.ip);
  const before = stage.relay.length;
  const place = { ...AT_HOME, ip: "198.51.100.99" };
  registers(phone, place);
  expect(stage.relay.slice(before)).toMatchObject([{ word: "change", side: 0, set: { remote: { ip: place.ip } } }]);
});

test("what it said of its media stands where that is another place; it may come from where the phone is now", () => {
  const { stage, phone, registers } = talking("caller", "203.0.113.200");
  const latched = stage.relay.find(({ word }) => word === "open") as { sides: readonly { latch?: string }[] };
  const before = stage.relay.length;
  registers(phone, { ...AT_HOME, ip: "198.51.100.99" });
  const told = stage.relay.slice(before) as { set?: { remote?: { ip: string } } }[];
  expect([latched.sides[0]?.latch, told[0]?.set?.remote?.ip]).toEqual(["source", "203.0.113.200"]);
});

test("whoever has no password moves nobody's media, and nor does another user of the same NAT", () => {
  const { stage, phone, registers } = talking();
  const before = stage.relay.length;
  const thief = new Phone(stage, "alice", ELSEWHERE, "example.test", "guessed");
  thief.callId = phone.callId;
  thief.seq = phone.seq;
  thief.register();
  expect(thief.status).toBe(401);
  stage.leave(thief);
  const carol = new Phone(stage, "carol", ELSEWHERE);
  registers(carol, ELSEWHERE);
  expect(stage.relay.length).toBe(before);
});

test("a call that is over is not followed any more", () => {
  const { stage, phone, alice, inside, registers } = talking();
  inside.request("BYE");
  alice.answer(200, { method: "BYE" });
  stage.pass(40_000);
  const before = stage.relay.length;
  registers(phone, ELSEWHERE);
  expect(stage.relay.length).toBe(before);
  expect(stage.remains()).toMatchObject({ legs: 0, sessions: 0 });
});

test("its stream broke, and it has registered over the next one from elsewhere: its media is learnt there", () => {
  const { stage, phone, registers, next } = cutOffAlice();
  const before = stage.relay.length;
  phone.place = { ...AT_HOME, ip: "198.51.100.77", tls: next };
  stage.connect(phone, next);
  registers(phone, phone.place);
  expect(stage.relay.slice(before)).toMatchObject([{ word: "change", side: 1, set: { latchFrom: "198.51.100.77" } }]);
});

/** alice, registered at the box, in a call with somebody inside. */
function talking(side: "caller" | "callee" = "caller", where = AT_HOME.ip) {
  const scene = registeredAlice();
  const { alice, inside } = scene;
  const [caller, callee] = side === "caller" ? [alice, inside] : [inside, alice];
  const sdpOf = (party: ScriptedParty): string => audio(party === alice ? where : BOB.ip);
  caller.invite(side === "caller" ? "5551" : "alice", { sdp: sdpOf(caller) });
  callee.answer(200, { sdp: sdpOf(callee) });
  caller.ack();
  scene.stage.look();
  return scene;
}

function registeredAlice() {
  const made = phonesAt({ domain: { registrar: undefined, users: usersNamed("alice", "carol"), calls: "flow" } });
  const { stage, alice: phone } = made;
  const registers = (who: Phone, place: Place): void => {
    who.place = place;
    stage.leave(who);
    stage.join(who);
    who.register();
    expect(who.status).toBe(200);
    stage.leave(who);
  };
  stage.leave(made.registrar);
  registers(phone, AT_HOME);
  const alice = stage.party("alice", AT_HOME);
  const inside = stage.party("pbx", BOB);
  return { stage, phone, alice, inside, registers };
}

/** The INVITE that came last is taken. */
/** alice, called over a connection that broke then; `next`: the one that she will open. */
function cutOffAlice() {
  const scene = registeredAlice();
  const { stage, phone, inside, registers } = scene;
  const lost = 2 ** 31 + 7;
  phone.callId = "by-tls";
  stage.connect(phone, lost);
  registers(phone, { ...AT_HOME, tls: lost });
  stage.join(phone);
  inside.invite("alice");
  answer(stage, phone);
  inside.ack();
  stage.disconnect(phone);
  stage.pass(100);
  return { ...scene, next: lost + 1 };
}

function answer(stage: Stage, phone: Phone): void {
  const invite = phone.got.findLast((text) => text.startsWith("INVITE ")) ?? "";
  const copied = ["Via", "From", "Call-ID", "CSeq"].map((name) => `${name}: ${lineOf(invite, name)}`);
  const [to, body] = [`To: ${lineOf(invite, "To")};tag=taken`, audio("192.168.1.10")];
  const head = [...copied, to, `Contact: ${phone.contact}`, "Content-Type: application/sdp"].join("\r\n");
  stage.deliver(phone, `SIP/2.0 200 OK\r\n${head}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
}

function move(party: ScriptedParty, place: Place): void {
  Object.assign(party, { place });
}
