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
  const { stage, phone, inside, registers } = registeredAlice();
  const [lost, next] = [2 ** 31 + 7, 2 ** 31 + 8];
  phone.callId = "by-tls";
  stage.connect(phone, lost);
  registers(phone, { ...AT_HOME, tls: lost });
  stage.join(phone);
  inside.invite("alice");
  answer(stage, phone);
  inside.ack();
  stage.disconnect(phone);
  stage.pass(100);
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

/** alice, registered at the box, in a call with somebody inside. */
function talking(side: "caller" | "callee" = "caller") {
  const scene = registeredAlice();
  const { alice, inside } = scene;
  const [caller, callee] = side === "caller" ? [alice, inside] : [inside, alice];
  caller.invite(side === "caller" ? "5551" : "alice");
  callee.answer(200, { sdp: audio(callee.place.ip) });
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
