/** Phones with several flows: RFC 5626 §4.2 to §7, §11.6. The box is edge proxy, registrar and authoritative proxy in one. */
import { expect, test } from "vitest";
import { expectNoLeaks } from "../../support/leak-check.ts";
import { lineOf, Phone } from "../../support/phone.ts";
import { AT_HOME, type PhonesOptions, phonesAt, usersNamed } from "../../support/phones.ts";
import { audio, type ScriptedParty } from "../../support/scripted-party.ts";
import { BOB, type Place, words } from "../../support/stage.ts";

const INSTANCE = '+sip.instance="<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>"';
const OUTBOUND = ["Supported: path, outbound"];
const FIRST: Place = AT_HOME;
const SECOND: Place = { ...AT_HOME, port: 31_001 };

/** One phone, and a party in each of its flows: what the phone is asked there it is asked over that flow. */
function twoFlows(options: PhonesOptions = {}) {
  const made = phonesAt(options);
  const { stage, alice } = made;
  stage.leave(alice);
  const flows = [FIRST, SECOND].map((place, index) => flow(place, index + 1, "alice"));
  /** Registers over this flow. */
  function flow(place: Place, regId: number, user: string): Phone {
    const phone = new Phone(stage, user, place);
    stage.leave(phone);
    phone.callId = `${user}-flow-${regId}`;
    phone.contact = `<sip:${user}@192.168.1.10:5060;ob>;${INSTANCE};reg-id=${regId}`;
    return phone;
  }
  const register = (phone: Phone | undefined, more: { seconds?: number; headers?: string[] } = {}): number => {
    if (phone === undefined) return 0;
    stage.join(phone);
    phone.register({ headers: OUTBOUND, ...more });
    stage.leave(phone);
    return phone.status;
  };
  const parties = (): [ScriptedParty, ScriptedParty] => [stage.party("one", FIRST), stage.party("two", SECOND)];
  const inside = (): ScriptedParty => {
    stage.leave(made.registrar);
    return stage.party("pbx", BOB);
  };
  const [one, two] = flows as [Phone, Phone];
  return { ...made, one, two, flow, register, parties, inside };
}

const namesOf = (made: ReturnType<typeof phonesAt>): string[] =>
  [...(made.registrar.bound.get("sip:alice@example.test")?.keys() ?? [])].map(
    (uri) => /sip:([^@]*)@/.exec(uri)?.[1] ?? "",
  );

test("two flows of one instance are two bindings to the phone and one Contact to the registrar", () => {
  const made = twoFlows();
  expect([made.register(made.one), made.register(made.two)]).toEqual([200, 200]);
  expect(lineOf(made.two.last, "Require")).toBe("outbound");
  expect(lineOf(made.two.last, "Flow-Timer")).toBe("120");
  expect(made.two.contacts.map((contact) => /reg-id=\d/.exec(contact)?.[0])).toEqual(["reg-id=1", "reg-id=2"]);
  expect(namesOf(made).length).toBe(1);
  expect(made.stage.engine.view().registrations()).toMatchObject([{ regId: 1 }, { regId: 2 }]);
});

test("flows that register at the same moment have one Contact inside all the same", () => {
  const made = twoFlows();
  const { stage, registrar } = made;
  stage.leave(registrar);
  made.register(made.one);
  made.register(made.two);
  stage.join(registrar);
  stage.pass(600); // Both are sent again, and answered.
  for (const phone of [made.one, made.two]) made.register(phone);
  expect(namesOf(made).length).toBe(1);
});

test("a call rings one flow, the one that was refreshed last; the other when that one is silent", () => {
  const made = twoFlows();
  made.register(made.one);
  made.stage.pass(1_000);
  made.register(made.two);
  const [name = ""] = namesOf(made);
  const [one, two] = made.parties();
  const pbx = made.inside();
  made.stage.look();
  pbx.invite(name);
  expect(words(made.stage.look())).toEqual(["pbx > INVITE", "two < INVITE"]);
  made.stage.pass(4_000);
  expect(words(made.stage.look()).filter((word) => !word.startsWith("two <"))).toEqual(["one < INVITE"]);
  one.answer(180);
  one.answer(200, { sdp: audio("192.168.1.10") });
  pbx.ack();
  made.stage.look();
  pbx.request("BYE");
  one.answer(200, { method: "BYE" });
  made.stage.pass(70_000);
  expect(made.stage.remains()).toMatchObject({ calls: 0, legs: 0, dialogs: 0, sessions: 0 });
  expect(two.got.every((text) => text.startsWith("INVITE "))).toBe(true);
  expectNoLeaks(made.stage);
});

test.each([
  [430, ["two > 430", "two < ACK", "one < INVITE"]],
  [408, ["two > 408", "two < ACK", "one < INVITE"]],
  [486, ["two > 486", "two < ACK", "pbx < 486"]],
  [503, ["two > 503", "two < ACK", "pbx < 500"]],
])("RFC 5626 §7: %i over the first flow", (status, told) => {
  const made = twoFlows();
  made.register(made.one);
  made.stage.pass(1_000);
  made.register(made.two);
  const [, two] = made.parties();
  const pbx = made.inside();
  pbx.invite(namesOf(made)[0] ?? "");
  made.stage.look();
  two.answer(status);
  expect(words(made.stage.look())).toEqual(told);
});

test("both flows fail: the caller hears of it once, and a caller that gives up takes the second with it", () => {
  const made = twoFlows();
  made.register(made.one);
  made.register(made.two);
  const [one, two] = made.parties();
  const pbx = made.inside();
  pbx.invite(namesOf(made)[0] ?? "");
  made.stage.look();
  const [first, second] = one.got.length > 0 ? [one, two] : [two, one];
  first.answer(430);
  second.answer(180);
  made.stage.look();
  pbx.cancel();
  expect(words(made.stage.look())).toContain(`${second.name} < CANCEL`);
  second.answer(200, { method: "CANCEL" });
  second.answer(487);
  pbx.ackRefusal();
  pbx.invite(namesOf(made)[0] ?? "");
  first.answer(430);
  second.answer(430);
  expect(words(made.stage.look()).slice(-5)).toEqual([
    ...[`${first.name} < ACK`, `${second.name} < INVITE`, `${second.name} > 430`, `${second.name} < ACK`, "pbx < 400"],
  ]);
});

test("a phone of two flows beside one of another instance: each rings once, and what one says is not said for the other", () => {
  const made = twoFlows({ routes: [{ when: { from: "pbx", registered: "callee" }, to: ["registration"] }] });
  made.register(made.one);
  made.register(made.two);
  const desk = new Phone(made.stage, "alice", { ...AT_HOME, port: 31_002 });
  made.stage.leave(desk);
  desk.callId = "desk";
  desk.contact = "<sip:alice@192.168.1.77:5060>";
  made.stage.pass(1_000); // Registrations are taken by their rate.
  expect(made.register(desk, { headers: [] })).toBe(200);
  const [one, two] = made.parties();
  const other = made.stage.party("desk", desk.place);
  const pbx = made.inside();
  made.stage.look();
  pbx.invite("alice");
  expect([one.got.length + two.got.length, other.got.length]).toEqual([1, 1]);
  const [used, spare] = one.got.length > 0 ? [one, two] : [two, one];
  other.answer(486);
  expect(spare.got).toEqual([]);
  used.answer(430);
  expect(spare.got.length).toBe(1);
  expect(other.got.filter((text) => text.startsWith("INVITE ")).length).toBe(1);
});

test("MESSAGE goes the other way as well when a flow has failed, and nowhere else once the phone has answered", () => {
  const made = twoFlows();
  made.register(made.one);
  made.stage.pass(1_000);
  made.register(made.two);
  const [one, two] = made.parties();
  const pbx = made.inside();
  made.stage.look();
  pbx.outside("MESSAGE", namesOf(made)[0] ?? "");
  two.answer(430, { method: "MESSAGE" });
  one.answer(200, { method: "MESSAGE" });
  expect(words(made.stage.look())).toEqual([
    ...["pbx > MESSAGE", "two < MESSAGE", "two > 430 MESSAGE"],
    ...["one < MESSAGE", "one > 200 MESSAGE", "pbx < 200 MESSAGE"],
  ]);
  pbx.outside("MESSAGE", namesOf(made)[0] ?? "");
  two.answer(480, { method: "MESSAGE" });
  expect(words(made.stage.look()).at(-1)).toBe("pbx < 480 MESSAGE");
});

test("the first flow ends: the registrar hears nothing of it, and the name inside leads to the second", () => {
  const made = twoFlows();
  made.register(made.one);
  made.register(made.two);
  const [name = ""] = namesOf(made);
  expect(made.register(made.one, { seconds: 0 })).toBe(200);
  expect(made.one.contacts.map((contact) => /reg-id=\d/.exec(contact)?.[0])).toEqual(["reg-id=2"]);
  expect(namesOf(made)).toEqual([name]);
  const [one, two] = made.parties();
  const pbx = made.inside();
  pbx.invite(name);
  expect([one.got.length, two.got.length]).toEqual([0, 1]);
  two.answer(486);
  pbx.ackRefusal();
  made.stage.leave(pbx);
  made.stage.join(made.registrar);
  expect(made.register(made.two, { seconds: 0 })).toBe(200);
  expect(namesOf(made)).toEqual([]);
});

test("RFC 5626 §5.3: the inside asks for a flow that is no more: 430, and nobody else is sent for", () => {
  const made = phonesAt();
  const { stage, registrar, alice } = made;
  alice.register();
  const [name = ""] = namesOf(made);
  stage.leave(alice);
  registrar.digestOf("alice").judge = () => "wrong"; // It does not believe us that the phone is gone.
  stage.pass(61_000);
  expect(stage.engine.view().registrations()).toEqual([]);
  stage.leave(registrar);
  const pbx = stage.party("pbx", BOB);
  stage.look();
  pbx.invite(name);
  expect(words(stage.look())).toEqual(["pbx > INVITE", "pbx < 430"]);
  pbx.ackRefusal();
  pbx.outside("MESSAGE", name);
  expect(words(stage.look()).at(-1)).toBe("pbx < 430 MESSAGE");
  stage.pass(3_600_000);
  stage.look();
  pbx.outside("MESSAGE", name);
  expect(words(stage.look())).not.toContain("pbx < 430 MESSAGE");
});

test("after a restart the flows of a phone are one Contact still", () => {
  const made = twoFlows();
  made.register(made.one);
  made.register(made.two);
  const [name] = namesOf(made);
  const next = twoFlows({ seed: 2 });
  const lines = [...made.stage.kept.values()].map((kept) => ({ text: JSON.stringify(kept), ageMs: 1_000 }));
  next.stage.step({ in: "restore", lines, awayMs: 1_000 });
  expect(next.stage.engine.view().registrations()).toMatchObject([{ regId: 1 }, { regId: 2 }]);
  next.two.seq = 10;
  expect(next.register(next.two)).toBe(200);
  const third = next.flow({ ...AT_HOME, port: 31_003 }, 3, "alice");
  expect(next.register(third)).toBe(200);
  expect(namesOf(next)).toEqual([name]);
});

test("RFC 5626 §6: somebody on the way who knows nothing of flows: 439 for who counts on it, else no flow at all", () => {
  const { stage, alice } = phonesAt({ domain: { registrar: undefined, users: usersNamed("alice") } });
  const contact = `<sip:alice@192.168.1.10:5060>;${INSTANCE};reg-id=1`;
  const proxy = "Via: SIP/2.0/UDP 192.168.1.1;branch=z9hG4bK-proxy";
  const through = (headers: string[]): number => {
    alice.register({ contacts: [contact], headers: [proxy, ...headers] });
    return alice.status;
  };
  expect(through(["Supported: path, outbound"])).toBe(439);
  expect(alice.last).toContain("439 First Hop Lacks Outbound Support");
  expect(through(["Path: <sip:192.168.1.1;lr>", "Supported: path, outbound"])).toBe(439);
  expect(stage.engine.view().registrations()).toEqual([]);
  expect(through(["Path: <sip:192.168.1.1;lr>", "Supported: path"])).toBe(200);
  expect(alice.last).not.toContain("Require: outbound");
  expect(stage.engine.view().registrations()).toMatchObject([{ regId: undefined }]);
  expect(through(["Path: <sip:token@192.168.1.1;lr;ob>", "Supported: path, outbound"])).toBe(200);
  expect(lineOf(alice.last, "Require")).toBe("outbound");
});

test("RFC 5626 §6: one REGISTER, one flow; others may end in it", () => {
  const { stage, alice } = phonesAt({ domain: { registrar: undefined, users: usersNamed("alice") } });
  const contact = `<sip:alice@192.168.1.10:5060>;${INSTANCE};reg-id=1`;
  alice.register({ contacts: ["<sip:alice@192.168.1.9:5060>"] });
  alice.register({ contacts: [contact, "<sip:alice@192.168.1.11:5060>"], headers: OUTBOUND });
  expect(alice.status).toBe(400);
  alice.register({ contacts: [contact, "<sip:alice@192.168.1.9:5060>;expires=0"], headers: OUTBOUND });
  expect(alice.status).toBe(200);
  expect(stage.engine.view().registrations()).toMatchObject([{ regId: 1 }]);
});
