/** The box as the registrar: digest by RFC 7616 and RFC 8760, and what a stranger can learn of it. RFC 3261 §10.3. */
import { expect, test } from "vitest";
import { lineOf, Phone } from "../../support/phone.ts";
import { AT_HOME, phonesAt, usersNamed } from "../../support/phones.ts";

const LOCAL = { registrar: undefined, users: usersNamed("alice", "bob") } as const;

test.each(["MD5", "SHA-256", "SHA-512-256"] as const)("a user proves the password by %s", (algorithm) => {
  const { stage, registrar, alice } = phonesAt({ domain: { ...LOCAL, algorithms: ["MD5", "SHA-256", "SHA-512-256"] } });
  alice.algorithm = algorithm;
  alice.register();
  expect(alice.status).toBe(200);
  expect(stage.engine.view().registrations()).toMatchObject([{ user: "alice", registrar: "local" }]);
  expect(registrar.got).toEqual([]);
});

test("the strongest is asked for first", () => {
  const { alice } = phonesAt({ domain: { ...LOCAL, algorithms: ["MD5", "SHA-256"] } });
  alice.answers = false;
  alice.register();
  const asked = [...alice.last.matchAll(/WWW-Authenticate: ([^\r]*)/g)].map((match) => match[1]);
  expect(asked.map((one) => /algorithm=([^,]*)/.exec(one ?? "")?.[1])).toEqual(["SHA-256", "MD5"]);
});

test("a nonce lives ten minutes; then its answer is stale, and the next one right", () => {
  const { stage, alice } = phonesAt({ domain: LOCAL });
  alice.register();
  alice.answers = false;
  stage.pass(50_000);
  alice.register();
  expect(alice.status).toBe(200);
  stage.pass(600_000);
  alice.register();
  expect(alice.status).toBe(401);
  expect(alice.last).toContain("stale=true");
});

test("a count is good once, and a nonce for its source alone", () => {
  const { stage, alice } = phonesAt({ domain: LOCAL });
  alice.register();
  const text = alice.register();
  expect(alice.status).toBe(200);
  alice.answers = false;
  const replayed = text.replace(/branch=[^\r;]*/, "branch=z9hG4bK-replayed").replace(/CSeq: \d+/, "CSeq: 99");
  stage.deliver(alice, replayed);
  expect(alice.status).toBe(401);
  const thief = new Phone(stage, "thief", { ...AT_HOME, ip: "203.0.113.77" });
  stage.deliver(thief, replayed.replace("z9hG4bK-replayed", "z9hG4bK-stolen"));
  expect(thief.status).toBe(401);
  expect(stage.engine.view().registrations()).toMatchObject([{ flow: "udp:198.51.100.20:31000" }]);
});

test("nobody can tell a user that there is not from a wrong password", () => {
  const answers = ["alice", "bob", "nobody", "admin"].map((name) => {
    const { stage, alice } = phonesAt({ domain: LOCAL });
    stage.leave(alice);
    const guesser = new Phone(stage, name, AT_HOME, "example.test", "guessed");
    guesser.register();
    return guesser.got.map((text) => text.replaceAll(name, "NAME").replace(/nonce="[^"]*"|tag=[\w-]*/g, ""));
  });
  expect(answers[0]?.length).toBe(2);
  for (const other of answers) expect(other).toEqual(answers[0]);
});

test("a user's password is good for nobody else's address of record", () => {
  const { stage, alice } = phonesAt({ domain: LOCAL });
  alice.register();
  alice.answers = false;
  const text = alice
    .register()
    .replaceAll("sip:alice@example.test>", "sip:bob@example.test>")
    .replace(/branch=[^\r;]*/, "branch=z9hG4bK-bob");
  stage.deliver(alice, text);
  expect(alice.status).toBe(401);
  expect(stage.engine.view().registrations()).toMatchObject([{ user: "alice" }]);
});

test("users of an HTTP source: asked, found, or not to be told now", () => {
  const { stage, alice } = phonesAt({
    domain: { registrar: undefined, users: { kind: "http", url: "http://127.0.0.1/users" }, algorithms: ["MD5"] },
  });
  alice.register();
  expect(stage.lookUps).toMatchObject([{ user: "alice", realm: "example.test" }]);
  const [asked] = stage.lookUps;
  stage.step({ in: "user", id: asked?.id ?? 0, answer: { MD5: "d7d9fcf9c1d0d9c9d2a9d4a0f7a9a0d2" } });
  expect(alice.status).toBe(401);
  alice.register();
  stage.step({ in: "user", id: stage.lookUps.at(-1)?.id ?? 0, answer: "failed" });
  expect(alice.status).toBe(503);
  expect(lineOf(alice.last, "Retry-After")).toBe("5");
});

test("several contacts with their q, each to its time; RFC 5626: a new flow of one instance takes the place of the old", () => {
  const { stage, alice } = phonesAt({ domain: LOCAL });
  alice.register({ contacts: ["<sip:a@192.168.1.1>;q=0.7;expires=30", "<sip:a@192.168.1.2>;expires=50"] });
  expect(alice.contacts).toEqual(["<sip:a@192.168.1.1>;expires=30;q=0.7", "<sip:a@192.168.1.2>;expires=50"]);
  stage.pass(32_000);
  expect(stage.engine.view().registrations().length).toBe(1);
  const outbound = ["Supported: outbound, path"];
  alice.register({ contacts: ['<sip:a@192.168.1.3>;+sip.instance="<urn:uuid:7>";reg-id=1'], headers: outbound });
  expect(lineOf(alice.last, "Require")).toBe("outbound");
  alice.place = { ...AT_HOME, port: 40_404 };
  alice.register({ contacts: ['<sip:a@192.168.1.9>;+sip.instance="<urn:uuid:7>";reg-id=1'], headers: outbound });
  expect(stage.engine.view().registrations()).toMatchObject([
    { contact: "sip:a@192.168.1.2" },
    { contact: "sip:a@192.168.1.9", regId: 1, flow: "udp:198.51.100.20:40404" },
  ]);
});

test("what is broken, too much or required of us and not known is refused as a whole", () => {
  const { stage, alice } = phonesAt({ domain: LOCAL });
  const refusals: [readonly string[], readonly string[], number][] = [
    [["<sip:a@192.168.1.1>;q=2"], [], 400],
    [["<tel:+49301234>"], [], 400],
    [["<sip:a@192.168.1.1>", "<sip:a@192.168.1.1>"], [], 400],
    [["<sip:a@192.168.1.1>;expires=3"], [], 423],
    [["<sip:a@192.168.1.1>"], ["Require: teleportation"], 420],
    [Array.from({ length: 40 }, (_, i) => `<sip:a@192.168.1.${i}>`), [], 400],
  ];
  for (const [contacts, headers, status] of refusals) {
    alice.register({ contacts, headers });
    expect([contacts[0], alice.status]).toEqual([contacts[0], status]);
  }
  expect(stage.engine.view().registrations()).toEqual([]);
});

test("what was kept is there again, and asks for its password as before", () => {
  const { stage, alice } = phonesAt({ domain: LOCAL });
  alice.register();
  const next = phonesAt({ seed: 2, domain: LOCAL });
  const lines = [...stage.kept.values()].map((kept) => ({ text: JSON.stringify(kept), ageMs: 86_400_000 }));
  next.stage.step({ in: "restore", lines, awayMs: 20_000 });
  expect(next.stage.engine.view().registrations()).toMatchObject([{ user: "alice", registrar: "local" }]);
  next.stage.leave(next.alice);
  const again = alice.on(next.stage);
  again.register();
  expect(again.status).toBe(200);
  const late = phonesAt({ seed: 3, domain: LOCAL });
  late.stage.step({ in: "restore", lines, awayMs: 4_000_000 });
  expect(late.stage.engine.view().registrations()).toEqual([]);
});
