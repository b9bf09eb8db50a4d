/** Phones that register in ways that are odd and legal, and registrations that cross each other. RFC 3261 §10.3. */
import { expect, test } from "vitest";
import { expectNoLeaks } from "../../support/leak-check.ts";
import { lineOf, Phone } from "../../support/phone.ts";
import { AT_HOME, phonesAt } from "../../support/phones.ts";

test.each(["sip:alice@example.test:5060", "sip:alice@EXAMPLE.test:5061", "sips:alice@example.test:5061;transport=tls"])(
  "To may name the port that the phone was told: %s",
  (uri) => {
    const { stage, registrar, alice } = phonesAt();
    registrar.asksDigest = false;
    alice.send("REGISTER", "sip:example.test", [
      `From: <${uri}>;tag=1`,
      `To: <${uri}>`,
      "Call-ID: with-port",
      "CSeq: 1 REGISTER",
      "Contact: <sip:alice@192.168.1.10:5060>",
    ]);
    expect(alice.status).toBe(200);
    expect(stage.engine.view().registrations()).toMatchObject([{ user: "alice", domain: "example.test" }]);
  },
);

test("a binding that ended while the registrar was asked is refreshed from the cache again afterwards", () => {
  const { stage, registrar, alice } = phonesAt();
  alice.register();
  stage.pass(59_000);
  const took = registrar.took.bind(registrar);
  const late: string[] = [];
  registrar.took = (text) => late.push(text);
  alice.callId = "another";
  alice.register();
  stage.pass(2_000);
  registrar.took = took;
  for (const text of late) registrar.took(text);
  expect(alice.status).toBe(200);
  expect(stage.engine.view().registrations()).toMatchObject([{ user: "alice", registrar: "held" }]);
  const [ours] = [...(registrar.bound.get("sip:alice@example.test")?.keys() ?? [])];
  expect(ours).toBeDefined();
  const asked = registrar.registers.length;
  stage.pass(30_000);
  alice.register();
  expect(alice.status).toBe(200);
  expect(registrar.registers.length).toBe(asked);
});

test("a phone that asks again before the registrar has answered is one phone, to us and to the registrar", () => {
  const { stage, registrar, alice } = phonesAt();
  alice.register();
  alice.register({ contacts: ["*"], seconds: 0 });
  expect(stage.engine.view().registrations()).toEqual([]);
  stage.unplug(registrar);
  alice.register();
  stage.pass(100);
  alice.register();
  stage.plug(registrar);
  stage.pass(2_000);
  expect(alice.status).toBe(200);
  expect(alice.contacts).toHaveLength(1);
  expect(stage.engine.view().registrations()).toHaveLength(1);
  expect(registrar.bound.get("sip:alice@example.test")?.size).toBe(1);
  alice.register({ contacts: ["*"], seconds: 0 });
  expect(stage.engine.view().registrations()).toEqual([]);
  expect(registrar.bound.get("sip:alice@example.test")?.size).toBe(0);
});

test("two contacts in one REGISTER stand each for itself at the registrar", () => {
  const { stage, registrar, alice } = phonesAt();
  registrar.asksDigest = false;
  const [desk, mobile] = ["<sip:alice@192.168.1.10:5060>", "<sip:alice@192.168.1.11:5060>"];
  alice.register({ contacts: [desk] });
  alice.register({ contacts: [mobile, desk] });
  alice.register({ contacts: [mobile], seconds: 0 });
  expect(stage.engine.view().registrations()).toMatchObject([{ user: "alice", registrar: "held" }]);
});

test("contacts that are the same but for their spelling are one too many", () => {
  const { stage, registrar, alice } = phonesAt();
  registrar.asksDigest = false;
  alice.register({ contacts: ["<sip:alice@192.168.1.10:5060>", "<sip:%61lice@192.168.1.10:5060>"] });
  expect(alice.status).toBe(400);
  const instance = '+sip.instance="<urn:uuid:1>";reg-id=1';
  alice.register({ contacts: [`<sip:alice@192.168.1.10>;${instance}`, `<sip:alice@192.168.1.11>;${instance}`] });
  expect(alice.status).toBe(400);
  expect(stage.engine.view().registrations()).toEqual([]);
});

test("a stranger's REGISTER for a user who has all his contacts is answered as for anybody", () => {
  const { stage, alice } = phonesAt({ domain: { contacts: 1 } });
  alice.register();
  expect(alice.status).toBe(200);
  const thief = new Phone(stage, "alice", { ...AT_HOME, ip: "203.0.113.66" }, "example.test", "guessed");
  thief.contact = "<sip:alice@203.0.113.66:5060>";
  thief.register();
  expect(thief.status).toBe(401);
});

test("what comes before the file of the last time is read is not doubled by it", () => {
  const { stage, alice } = phonesAt();
  alice.register();
  const lines = [...stage.kept.values()].map((kept) => ({ text: JSON.stringify(kept), ageMs: 5_000 }));
  const next = phonesAt({ seed: 2 });
  const again = alice.on(next.stage);
  again.register();
  next.stage.step({ in: "restore", lines, awayMs: 5_000 });
  expect(next.stage.engine.view().registrations()).toHaveLength(1);
});

test("what a phone hides in the quotes of its instance stays in quotes: no other Contact comes of it", () => {
  const { registrar, alice } = phonesAt();
  registrar.asksDigest = false;
  const hidden = '<urn:uuid:1>\\",<sip:evil@203.0.113.66>;x=\\"';
  alice.register({ contacts: [`<sip:alice@192.168.1.10:5060>;+sip.instance="${hidden}"`] });
  expect(alice.status).toBe(200);
  const told = lineOf(registrar.registers[0] ?? "", "Contact");
  expect(told).toMatch(/^<sip:[\w-]{20}@10\.9\.0\.1:5060>;expires=3600;/);
  expect(told.endsWith(`;+sip.instance="${hidden}"`)).toBe(true);
  expect(alice.contacts).toEqual([`<sip:alice@192.168.1.10:5060>;expires=60;+sip.instance="${hidden}"`]);
});

test("what a registrar adds to its refusals about itself stays inside; the question and the time come out", () => {
  const { stage, registrar, alice } = phonesAt();
  const challenge = 'Digest realm="example.test", domain="sip:10.9.0.7", nonce="n\\"1", qop="auth", algorithm=MD5';
  registrar.took = (text) => registrar.answer(text, 401, [`WWW-Authenticate: ${challenge}`]);
  alice.answers = false;
  alice.register();
  expect(alice.status).toBe(401);
  expect(lineOf(alice.last, "WWW-Authenticate")).toBe(challenge.replace(' domain="sip:10.9.0.7",', ""));
  registrar.took = (text) => registrar.answer(text, 404, ["Retry-After: 120 (10.9.0.7 is full);duration=60"]);
  alice.register();
  expect(lineOf(alice.last, "Retry-After")).toBe("120");
  expectNoLeaks(stage);
});

test.each([
  ["sip:example.test;transport=tls", "sip:example.test;transport=tls"],
  ["sip:example.test;maddr=203.0.113.66", "sip:example.test"],
  ["sip:203.0.113.1", "sip:example.test"],
])("a REGISTER for %s goes inside as %s", (uri, told) => {
  const { stage, registrar, alice } = phonesAt();
  const aor = "<sip:alice@example.test>";
  alice.send("REGISTER", uri, [`From: ${aor};tag=1`, `To: ${aor}`, "Call-ID: 1", "CSeq: 1 REGISTER"]);
  expect(registrar.registers[0]?.split("\r\n")[0]).toBe(`REGISTER ${told} SIP/2.0`);
  expectNoLeaks(stage);
});

test.each([
  ["shorter", [60, 30], 31_000],
  ["shorter and longer again", [60, 30, 60], 61_000],
])("a binding whose time was made %s ends then, and once", (_, asked, after) => {
  const { stage, alice } = phonesAt();
  for (const seconds of asked) alice.register({ seconds });
  stage.pass(after - 2_000);
  expect(stage.factsOf("phone.gone")).toHaveLength(0);
  stage.pass(2_000);
  expect(stage.factsOf("phone.gone")).toHaveLength(1);
});
