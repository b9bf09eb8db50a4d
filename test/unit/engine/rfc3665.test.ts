/** RFC 3665 §2: registration as its examples have it, over TLS, through the box to a registrar inside. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { lineOf, Phone } from "../../support/phone.ts";
import { phonesAt } from "../../support/phones.ts";
import { words } from "../../support/stage.ts";

const FLOWS = join(import.meta.dirname, "../../../../shared/testdata/call-flows/rfc3665");
const CONNECTION = 2 ** 31 + 9;
const AOR = "sip:bob@biloxi.example.com";

/** The message of that number, with a branch and CSeq of this run: its examples all begin at 1. */
function example(number: string, seq: number): string {
  const file = readdirSync(FLOWS).find((name) => name.startsWith(`${number}-`)) ?? "";
  return readFileSync(join(FLOWS, file), "latin1")
    .replace(/branch=[^\r;]*/, `branch=z9hG4bK-${seq}`)
    .replace(/CSeq: \d+/, `CSeq: ${seq}`)
    .replace(/\r\n ;received=[^\r]*/, "");
}

function biloxi() {
  const made = phonesAt({ domain: { domain: "biloxi.example.com" } });
  const { stage, registrar } = made;
  const place = { realm: "outside", ip: "192.0.2.201", port: 5_061, tls: CONNECTION } as const;
  const bob = new Phone(stage, "bob", place, "biloxi.example.com");
  bob.answers = false;
  stage.connect(bob, CONNECTION);
  // The digests of the examples are right for nobody: any will do, but for the last ones.
  const passwords = { good: true };
  registrar.digestOf("bob").judge = (_request, value) => (value !== "" && passwords.good ? "right" : "wrong");
  stage.look();
  const send = (number: string, seq: number): void => stage.deliver(bob, example(number, seq));
  return { stage, registrar, bob, send, passwords };
}

test("§2.1: a new registration: asked, proven, taken", () => {
  const { stage, registrar, bob, send } = biloxi();
  send("001", 1);
  send("003", 2);
  expect(words(stage.look())).toEqual([
    ...["bob > REGISTER", "registrar < REGISTER", "registrar > 401 REGISTER", "bob < 401 REGISTER"],
    ...["bob > REGISTER", "registrar < REGISTER", "registrar > 200 REGISTER", "bob < 200 REGISTER"],
  ]);
  expect(bob.contacts).toEqual(["<sips:bob@client.biloxi.example.com>;expires=600"]);
  const inside = registrar.registers.at(-1) ?? "";
  expect(inside).toMatch(/^REGISTER sip:biloxi\.example\.com SIP/);
  expect(lineOf(inside, "Authorization")).toContain('response="dfe56131d1958046689d83306477ecc"');
  expect(inside).not.toContain("client.biloxi");
  expect([...(registrar.bound.get(AOR)?.values() ?? [])]).toEqual([3_600]);
});

test("§2.2: a Contact that is no SIP URI is refused, and nothing has changed", () => {
  const { stage, bob, send } = biloxi();
  send("003", 2);
  send("005", 3);
  expect(bob.status).toBe(400);
  expect(stage.engine.view().registrations().length).toBe(1);
});

test("§2.3: what is bound, for whoever may know", () => {
  const { bob, send, passwords } = biloxi();
  send("003", 2);
  send("007", 3);
  expect(bob.status).toBe(200);
  expect(bob.contacts).toEqual(["<sips:bob@client.biloxi.example.com>;expires=600"]);
  passwords.good = false;
  send("007", 4);
  expect(bob.status).toBe(401);
  expect(bob.contacts).toEqual([]);
});

test("§2.4: all of it ends", () => {
  const { stage, registrar, bob, send } = biloxi();
  send("003", 2);
  send("009", 3);
  expect(bob.status).toBe(200);
  expect(bob.contacts).toEqual([]);
  expect(registrar.bound.get(AOR)?.size).toBe(0);
  expect(stage.engine.view().registrations()).toEqual([]);
});

test("§2.5: a wrong password: asked again, and never taken", () => {
  const { stage, bob, send, passwords } = biloxi();
  passwords.good = false;
  send("011", 1);
  send("013", 2);
  expect(words(stage.look()).filter((word) => word.startsWith("bob <"))).toEqual([
    "bob < 401 REGISTER",
    "bob < 401 REGISTER",
  ]);
  expect(lineOf(bob.last, "WWW-Authenticate")).toContain('realm="example.test"');
  expect(stage.engine.view().registrations()).toEqual([]);
});
