/** Phones that register through the box at an inside registrar. RFC 3261 §10, RFC 3327, RFC 3608, RFC 5627. */
import { expect, test } from "vitest";
import { lineOf, Phone } from "../../support/phone.ts";
import { AT_HOME, phonesAt } from "../../support/phones.ts";
import { words } from "../../support/stage.ts";

test("REGISTER, challenge, REGISTER, 200: the registrar knows our Contact, the phone is bound for a minute", () => {
  const { stage, registrar, alice } = phonesAt();
  alice.register({ seconds: 3_600 });
  expect(words(stage.look())).toEqual([
    "alice > REGISTER",
    "registrar < REGISTER",
    "registrar > 401 REGISTER",
    "alice < 401 REGISTER",
    "alice > REGISTER",
    "registrar < REGISTER",
    "registrar > 200 REGISTER",
    "alice < 200 REGISTER",
  ]);
  expect(alice.contacts).toEqual(["<sip:alice@192.168.1.10:5060>;expires=60"]);
  const [uri] = [...(registrar.bound.get("sip:alice@example.test")?.keys() ?? [])];
  expect(uri).toMatch(/^sip:[\w-]{20}@10\.9\.0\.1:5060$/);
  expect(registrar.bound.get("sip:alice@example.test")?.get(uri ?? "")).toBe(3_600);
});

test("nothing of the phone's address comes inside, and nothing of the registrar's outside", () => {
  const { stage, alice } = phonesAt();
  alice.register();
  for (const text of stage.sent.inside) expect(text).not.toMatch(/192\.168|198\.51|alice-registration/);
  for (const text of stage.sent.outside) expect(text).not.toMatch(/10\.9\.0/);
});

test("refreshes are answered from the cache until half of what the registrar has granted is over", () => {
  const { stage, registrar, alice } = phonesAt();
  alice.register({ seconds: 60 });
  const asked = registrar.registers.length;
  for (let minute = 0; minute < 30; minute++) {
    stage.pass(50_000);
    alice.register({ seconds: 60 });
    expect(alice.status).toBe(200);
    expect(alice.contacts).toEqual(["<sip:alice@192.168.1.10:5060>;expires=60"]);
  }
  expect(registrar.registers.length).toBe(asked);
  for (let minute = 0; minute < 25; minute++) {
    stage.pass(50_000);
    alice.register({ seconds: 60 });
    expect(alice.status).toBe(200);
  }
  expect(registrar.registers.length).toBe(asked + 1);
  expect(stage.engine.view(stage.now).registrations()).toMatchObject([{ user: "alice", registrar: "held" }]);
});

test.each([
  ["another flow", (alice: Phone) => (alice.place = { ...AT_HOME, port: 31_999 })],
  ["another Contact", (alice: Phone) => (alice.contact = "<sip:alice@192.168.1.11:5060>")],
  ["another registration", (alice: Phone) => (alice.callId = "another")],
  ["another q", (alice: Phone) => (alice.contact += ";q=0.5")],
])("%s goes to the registrar", (_, change) => {
  const { registrar, alice } = phonesAt();
  alice.register();
  const asked = registrar.registers.length;
  change(alice);
  alice.register();
  expect(registrar.registers.length).toBeGreaterThan(asked);
  expect(alice.status).toBe(200);
});

test("a phone that bears no credentials until it is asked is spared the question while its grant lasts", () => {
  const { stage, registrar, alice } = phonesAt();
  alice.register();
  const asked = registrar.registers.length;
  for (let i = 0; i < 10; i++) {
    alice.forget();
    stage.pass(50_000);
    alice.register();
    expect(alice.status).toBe(200);
  }
  expect(registrar.registers.length).toBe(asked);
  alice.forget();
  alice.register({ seconds: 0 });
  expect(registrar.registers.length).toBe(asked + 2);
  expect(stage.engine.view().registrations()).toEqual([]);
});

test("credentials with another nonce are judged by the registrar, wrong ones move nothing", () => {
  const { stage, registrar, alice } = phonesAt();
  alice.register();
  const thief = new Phone(stage, "alice", { ...AT_HOME, ip: "203.0.113.66" }, "example.test", "guessed");
  thief.register();
  expect(thief.status).toBe(401);
  expect(stage.engine.view().registrations()).toMatchObject([{ flow: "udp:198.51.100.20:31000" }]);
  expect(registrar.bound.get("sip:alice@example.test")?.size).toBe(1);
});

test("an end is told to the registrar, and everything is gone", () => {
  const { stage, registrar, alice } = phonesAt();
  alice.register();
  alice.register({ seconds: 0 });
  expect(alice.status).toBe(200);
  expect(alice.contacts).toEqual([]);
  expect(registrar.bound.get("sip:alice@example.test")?.size).toBe(0);
  expect(stage.engine.view().registrations()).toEqual([]);
  expect(stage.factsOf("phone.gone")).toMatchObject([{ user: "alice", cause: "unregistered" }]);
});

test("Contact: * ends all of one user, and nobody else's", () => {
  const { stage, alice } = phonesAt();
  const bob = new Phone(stage, "bob", { ...AT_HOME, port: 32_000 });
  bob.register();
  alice.register({ contacts: ["<sip:alice@192.168.1.10>", "<sip:alice@192.168.1.11>;q=0.2"] });
  expect(alice.contacts.length).toBe(2);
  alice.register({ contacts: ["*"], seconds: 0 });
  expect(alice.status).toBe(200);
  expect(stage.engine.view().registrations()).toMatchObject([{ user: "bob" }]);
  alice.register({ contacts: ["*"] });
  expect(alice.status).toBe(400);
  alice.register({ contacts: ["*", "<sip:alice@192.168.1.10>"], seconds: 0 });
  expect(alice.status).toBe(400);
});

test("too brief: 423 of ours for the phone; that of the registrar is between the two of us", () => {
  const { registrar, alice } = phonesAt();
  alice.register({ seconds: 5 });
  expect(alice.status).toBe(423);
  expect(lineOf(alice.last, "Min-Expires")).toBe("20");
  registrar.minimum = 7_200;
  registrar.seconds = 7_200;
  registrar.asksDigest = false;
  alice.register({ seconds: 60 });
  expect(alice.status).toBe(200);
  expect(registrar.registers.map((text) => /expires=(\d+)/.exec(lineOf(text, "Contact"))?.[1])).toEqual([
    "3600",
    "7200",
  ]);
});

test("a REGISTER that was overtaken changes nothing", () => {
  const { stage, alice } = phonesAt();
  alice.register({ seq: 10 });
  const { seq } = alice;
  alice.register({ seq: 5, seconds: 0 });
  expect(alice.status).toBe(500);
  expect(stage.engine.view().registrations().length).toBe(1);
  expect(alice.seq).toBeLessThan(seq);
});

test("limits: contacts of one user, bindings of the box", () => {
  const { stage, alice } = phonesAt({ domain: { contacts: 2 }, bindings: 3 });
  alice.register({ contacts: ["<sip:a@1.1.1.1>", "<sip:a@1.1.1.2>", "<sip:a@1.1.1.3>"] });
  expect(alice.status).toBe(403);
  expect(stage.engine.view().registrations()).toEqual([]);
  alice.register({ contacts: ["<sip:a@1.1.1.1>", "<sip:a@1.1.1.2>"] });
  expect(alice.status).toBe(200);
  const bob = new Phone(stage, "bob", { ...AT_HOME, port: 32_000 });
  bob.register({ contacts: ["<sip:b@1.1.1.1>", "<sip:b@1.1.1.2>"] });
  expect(bob.status).toBe(503);
  expect(Number(lineOf(bob.last, "Retry-After"))).toBeGreaterThan(0);
});

test("a binding ends by itself, and the registrar hears of it as far as it takes our word", () => {
  const { stage, registrar, alice } = phonesAt();
  registrar.asksDigest = true;
  alice.register();
  stage.pass(62_000);
  expect(stage.engine.view().registrations()).toEqual([]);
  expect(stage.factsOf("phone.gone")).toMatchObject([{ cause: "expired" }]);
  expect(registrar.registers.at(-1)).toMatch(/Contact: [^\r]*expires=0/);
});

test("a connection that breaks takes its binding with it", () => {
  const { stage } = phonesAt();
  const carol = new Phone(stage, "carol", { realm: "outside", ip: "198.51.100.30", port: 5061, tls: 2 ** 31 + 7 });
  stage.connect(carol, 2 ** 31 + 7);
  carol.register();
  expect(carol.contacts).toEqual(["<sip:carol@192.168.1.10:5060>;expires=600"]);
  stage.disconnect(carol);
  stage.pass(10);
  expect(stage.engine.view().registrations()).toEqual([]);
  expect(stage.factsOf("phone.gone")).toMatchObject([{ user: "carol", cause: "flow-lost" }]);
});

test("a storm is let through at the rate of the registrar, the others are told their turn", () => {
  const { stage, registrar } = phonesAt({ perSecond: 10 });
  registrar.asksDigest = false;
  const phones = Array.from({ length: 60 }, (_, i) => new Phone(stage, `p${i}`, { ...AT_HOME, port: 20_000 + i }));
  for (const phone of phones) phone.register();
  expect(registrar.registers.length).toBeLessThanOrEqual(10);
  const waiting = phones.filter(({ status }) => status === 503);
  expect(waiting.length).toBeGreaterThanOrEqual(50);
  const turns = waiting.map(({ last }) => Number(lineOf(last, "Retry-After")));
  expect(Math.max(...turns) - Math.min(...turns)).toBeGreaterThan(5);
});

test("GRUUs come to the phone as the registrar gave them, if they are of its domain", () => {
  const { registrar, alice } = phonesAt();
  registrar.params = ';pub-gruu="sip:alice@example.test;gr=urn:uuid:1";temp-gruu="sip:x@10.9.0.7;gr"';
  alice.contact += ';+sip.instance="<urn:uuid:1>"';
  alice.register({ headers: ["Supported: gruu"] });
  expect(lineOf(registrar.registers.at(-1) ?? "", "Supported")).toBe("gruu");
  expect(lineOf(registrar.registers.at(-1) ?? "", "Contact")).toContain('+sip.instance="<urn:uuid:1>"');
  expect(alice.contacts[0]).toContain('pub-gruu="sip:alice@example.test;gr=urn:uuid:1"');
  expect(alice.contacts[0]).not.toContain("temp-gruu");
});

test("the registrar's refusal is the phone's; its own name is nobody's business", () => {
  const { registrar, alice } = phonesAt();
  registrar.status = 403;
  alice.register();
  expect(alice.status).toBe(403);
});

test("without the registrar: who is known lives on, who is not comes later; when it is back all go there", () => {
  const { stage, registrar, alice } = phonesAt();
  alice.register();
  stage.unplug(registrar);
  stage.pass(50_000);
  const bob = new Phone(stage, "bob", { ...AT_HOME, port: 32_000 });
  bob.register();
  stage.pass(5_000);
  expect(bob.status).toBe(503);
  expect(stage.factsOf("registrar.away")).toMatchObject([{ peer: "pbx", phones: 1 }]);
  for (let i = 0; i < 200; i++) {
    alice.register();
    stage.pass(4_500);
    expect(alice.status).toBe(200);
    stage.pass(20_000);
  }
  expect(stage.engine.view().registrations()).toMatchObject([{ user: "alice", registrar: "owed" }]);
  registrar.bound.clear();
  stage.plug(registrar);
  for (let i = 0; i < 3; i++) {
    alice.register();
    expect(alice.status).toBe(200);
    stage.pass(20_000);
  }
  expect(stage.factsOf("registrar.back")).toMatchObject([{ peer: "pbx", phones: 1 }]);
  expect(registrar.bound.get("sip:alice@example.test")?.size).toBe(1);
});

test("what is kept over a restart: the phone goes on, its name inside is the same, and no credentials are kept", () => {
  const { stage, alice, registrar } = phonesAt();
  alice.register();
  const [name] = [...(registrar.bound.get("sip:alice@example.test")?.keys() ?? [])];
  expect(JSON.stringify(stage.kept)).not.toMatch(/response|nonce|secret/);
  const next = phonesAt({ seed: 2 });
  const lines = [...stage.kept.values()].map((kept) => ({ text: JSON.stringify(kept), ageMs: 5_000 }));
  next.stage.step({
    in: "restore",
    lines: [...lines, { text: "{", ageMs: 0 }, { text: "{}", ageMs: 0 }],
    awayMs: 5_000,
  });
  expect(next.stage.engine.view().registrations()).toMatchObject([{ user: "alice", flow: "udp:198.51.100.20:31000" }]);
  next.alice.place = { ...AT_HOME, port: 9 };
  const again = alice.on(next.stage);
  again.register();
  expect(again.status).toBe(200);
  expect(next.registrar.registers).toEqual([]);
  next.stage.pass(3_000_000);
  again.register();
  expect([...(next.registrar.bound.get("sip:alice@example.test")?.keys() ?? [])]).not.toEqual([name]);
});
