/** Phones on UDP behind NAT: what is sent to keep their way open, and what becomes of one that has closed. */
import { describe, expect, test } from "vitest";
import type { DomainSettings } from "../../../src/base/index.ts";
import { lineOf, Phone } from "../../support/phone.ts";
import { AT_HOME, phonesAt } from "../../support/phones.ts";
import type { Stage } from "../../support/stage.ts";

const ASKING = { keepalive: "options", keepaliveSeconds: 25, datagramSeconds: 3_600 } as const;

describe("a phone behind NAT", () => {
  test("is asked within every interval, over the flow that it registered by, for as long as it is bound", () => {
    const { stage, alice } = registered();
    alice.got.length = 0;
    answering(alice, stage);
    stage.pass(600_000);
    const asked = optionsOf(alice);
    expect(asked.length).toBeGreaterThanOrEqual(24);
    expect(asked.length).toBeLessThanOrEqual(31);
    expect(asked[0]).toMatch(
      /^OPTIONS sip:alice@192\.168\.1\.10:5060 SIP\/2\.0\r\nVia: SIP\/2\.0\/UDP 203\.0\.113\.1:5060;/,
    );
    expect(keepalive(stage)).toMatchObject({ flows: 1, answered: asked.length, lost: 0 });
    alice.register({ contacts: ["*"], seconds: 0 });
    alice.got.length = 0;
    stage.pass(600_000);
    expect(optionsOf(alice)).toEqual([]);
    expect(keepalive(stage).flows).toBe(0);
  });

  test("that answers no more is asked three times within seconds, and then gone", () => {
    const { stage, alice } = registered();
    answering(alice, stage);
    stage.pass(60_000);
    alice.took = (text) => alice.got.push(text);
    alice.got.length = 0;
    stage.pass(45_000);
    expect(optionsOf(alice)).toHaveLength(3);
    expect(stage.factsOf("phone.gone")).toMatchObject([{ user: "alice", cause: "flow-lost" }]);
    expect(keepalive(stage)).toMatchObject({ flows: 0, lost: 1 });
  });

  test("that never answers is left where it is", () => {
    const { stage, alice } = registered();
    stage.pass(600_000);
    expect(optionsOf(alice).length).toBeGreaterThan(20);
    expect(stage.factsOf("phone.gone")).toEqual([]);
  });

  test("an answer from elsewhere, or to another question, is none", () => {
    const { stage, alice } = registered();
    answering(alice, stage);
    stage.pass(60_000);
    const mallory = new Phone(stage, "mallory", { ...AT_HOME, port: 31_001 });
    alice.took = (text) => {
      if (!text.startsWith("OPTIONS ")) return;
      stage.deliver(mallory, answerTo(text));
      stage.deliver(alice, answerTo(text).replace(/branch=z9hG4bK\w+/, "branch=z9hG4bKguess"));
    };
    stage.pass(45_000);
    expect(stage.factsOf("phone.gone")).toMatchObject([{ user: "alice", cause: "flow-lost" }]);
  });

  test("whose NAT has moved it is kept at its new place alone", () => {
    const { stage, alice } = registered();
    const before = alice.place;
    stage.pass(30_000);
    alice.place = { ...before, port: 41_000 };
    alice.register();
    alice.got.length = 0;
    stage.pass(100_000);
    expect(optionsOf(alice).length).toBeGreaterThanOrEqual(4);
    expect(stage.diary.filter((line) => line.includes("nobody < OPTIONS"))).toEqual([]);
    expect(keepalive(stage).flows).toBe(1);
  });

  test("whose NAT forgets it early is asked more often, at most each five seconds, and less again when that goes well", () => {
    const { stage, alice } = registered();
    answering(alice, stage);
    const inTenMinutes = (): number => {
      alice.got.length = 0;
      stage.pass(600_000);
      return optionsOf(alice).length;
    };
    expect(inTenMinutes()).toBeLessThan(32);
    const counts = [31_001, 31_002, 31_003, 31_004].map((port) => {
      stage.leave(alice);
      alice.place = { ...AT_HOME, port };
      stage.join(alice);
      alice.register({ seconds: 3_600 });
      expect(alice.status).toBe(200);
      return inTenMinutes();
    });
    expect(counts[0]).toBeGreaterThan(44);
    expect(counts[1]).toBeGreaterThan(counts[0] as number);
    expect(Math.max(...counts)).toBeLessThan(155);
    for (let hours = 0; hours < 8; hours++) {
      alice.register({ seconds: 3_600 });
      stage.pass(3_000_000);
    }
    alice.register({ seconds: 3_600 });
    expect(inTenMinutes()).toBeLessThan(32);
  });

  test("that has moved to another NAT is asked as often as before", () => {
    const { stage, alice } = registered();
    answering(alice, stage);
    stage.leave(alice);
    alice.place = { ...AT_HOME, ip: "198.51.100.44", port: 31_001 };
    stage.join(alice);
    alice.register({ seconds: 3_600 });
    alice.got.length = 0;
    stage.pass(600_000);
    expect(optionsOf(alice).length).toBeLessThan(32);
  });

  test("gets a CRLF instead where the operator says so, or nothing", () => {
    const { stage } = registered({ ...ASKING, keepalive: "crlf" });
    stage.look();
    stage.pass(100_000);
    expect(stage.look().filter((line) => line.includes("alice <")).length).toBeGreaterThanOrEqual(4);
    const off = registered({ ...ASKING, keepalive: "off" });
    off.stage.look();
    off.stage.pass(100_000);
    expect(off.stage.look()).toEqual([]);
  });
});

test("a reload that wants flows kept keeps those that stand, and one that wants CRLFs asks nobody any more", () => {
  const { stage, alice } = registered({ ...ASKING, keepalive: "off" });
  const reload = (keepalive: DomainSettings["keepalive"]): void => {
    const { registration } = stage.settings;
    const domain = registration?.domains.get("example.test") as DomainSettings;
    const domains = new Map([["example.test", { ...domain, keepalive }]]);
    const settings = registration && { ...stage.settings, registration: { ...registration, domains } };
    if (settings !== undefined) stage.step({ in: "reload", settings });
  };
  reload("options");
  const took = alice.took;
  answering(alice, stage);
  stage.pass(100_000);
  expect(keepalive(stage).answered).toBeGreaterThanOrEqual(3);
  alice.took = took;
  const { length } = optionsOf(alice);
  while (optionsOf(alice).length === length) stage.pass(100);
  reload("crlf");
  const { sent } = keepalive(stage);
  stage.pass(100_000);
  expect(keepalive(stage).sent - sent).toBeLessThanOrEqual(6);
  expect(keepalive(stage).lost).toBe(0);
});

test("a phone without NAT is not asked", () => {
  const { stage, alice } = phonesAt({ domain: ASKING });
  alice.contact = `<sip:alice@${AT_HOME.ip}:${AT_HOME.port}>`;
  alice.host = AT_HOME.ip;
  alice.register();
  stage.pass(100_000);
  expect(optionsOf(alice)).toEqual([]);
});

test("a thousand phones that came at once are asked in no second more than three times their share", () => {
  const { stage } = phonesAt({ domain: ASKING, bindings: 2_000, perSecond: 10_000 });
  for (let i = 0; i < 1_000; i++) {
    new Phone(stage, `p${i}`, { ...AT_HOME, port: 32_000 + i }).register();
    stage.pass(1);
  }
  expect(keepalive(stage).flows).toBe(1_000);
  const perSecond: number[] = [];
  let before = 0;
  for (let second = 0; second < 100; second++) {
    stage.pass(1_000);
    const sent = keepalive(stage).sent;
    perSecond.push(sent - before);
    before = sent;
  }
  expect(Math.max(...perSecond)).toBeLessThanOrEqual(120);
  expect(perSecond.slice(30).reduce((sum, one) => sum + one, 0)).toBeGreaterThanOrEqual(70 * 40);
});

function registered(domain: Partial<DomainSettings> = ASKING) {
  const scene = phonesAt({ domain });
  scene.alice.register();
  expect(scene.alice.status).toBe(200);
  return scene;
}

function answering(phone: Phone, stage: Stage): void {
  const took = phone.took.bind(phone);
  phone.took = (text) => {
    took(text);
    if (text.startsWith("OPTIONS ")) stage.deliver(phone, answerTo(text));
  };
}

const answerTo = (text: string): string =>
  `SIP/2.0 200 OK\r\nVia: ${lineOf(text, "Via")}\r\nFrom: ${lineOf(text, "From")}\r\nTo: ${lineOf(text, "To")};tag=a\r\nCall-ID: ${lineOf(text, "Call-ID")}\r\nCSeq: ${lineOf(text, "CSeq")}\r\nContent-Length: 0\r\n\r\n`;

const optionsOf = (phone: Phone): string[] => phone.got.filter((text) => text.startsWith("OPTIONS "));

const keepalive = (stage: Stage) =>
  (
    stage.engine.view().status().registrations as {
      keepalive: { flows: number; sent: number; answered: number; lost: number };
    }
  ).keepalive;
