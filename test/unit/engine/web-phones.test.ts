/** The examples of RFC 7118 §8: alice registers over WSS and calls bob, who is on UDP; bob's side ends it. */
import { expect, test } from "vitest";
import type { ListenerSettings, RealmSettings, Settings } from "../../../src/base/index.ts";
import { expectNoLeaks } from "../../support/leak-check.ts";
import { domainSettings } from "../../support/phones.ts";
import { audio, headerOf } from "../../support/scripted-party.ts";
import { type Actor, BOB, BOX, Stage, words } from "../../support/stage.ts";

/** §8.1 F3, as it stands there; Max-Forwards and Content-Length need not. */
const F3 = [
  "REGISTER sip:proxy.example.com SIP/2.0",
  "Via: SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bKasudf",
  "From: sip:alice@example.com;tag=65bnmj.34asd",
  "To: sip:alice@example.com",
  "Call-ID: aiuy7k9njasd",
  "CSeq: 1 REGISTER",
  "Max-Forwards: 70",
  "Supported: path, outbound, gruu",
  "Contact: <sip:alice@df7jal23ls0d.invalid;transport=ws>",
  " ;reg-id=1",
  ' ;+sip.instance="<urn:uuid:f81-7dec-14a06cf1>"',
  "",
  "",
].join("\r\n");

/** §8.2 F1. */
const INVITE = [
  "INVITE sip:bob@example.com SIP/2.0",
  "Via: SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bK56sdasks",
  "From: sip:alice@example.com;tag=asdyka899",
  "To: sip:bob@example.com",
  "Call-ID: asidkj3ss",
  "CSeq: 1 INVITE",
  "Max-Forwards: 70",
  "Supported: path, outbound, gruu",
  "Route: <sip:proxy.example.com:443;transport=ws;lr>",
  "Contact: <sip:alice@example.com;gr=urn:uuid:f81-7dec-14a06cf1;ob>",
  "Content-Type: application/sdp",
  "",
  audio("198.51.100.119"),
].join("\r\n");

const CONNECTION = 2 ** 31 + 1;

test("alice registers and calls bob, bob hangs up, and calls her by what she registered", () => {
  const { stage, alice, bob, registrar, boundAs } = cast();
  stage.deliver(alice, F3);
  expect(headerOf(alice.got.at(-1) ?? "", "Contact")).toMatch(
    /^<sip:alice@df7jal23ls0d\.invalid;transport=ws>;expires=\d+;\+sip\.instance="<urn:uuid:f81-7dec-14a06cf1>";reg-id=1$/,
  );
  expect(alice.got.at(-1)).toMatch(/^SIP\/2\.0 200 /);
  expect(alice.got.at(-1)).toContain("\r\nRequire: outbound\r\n");
  expect(headerOf(alice.got.at(-1) ?? "", "Flow-Timer")).toBe("120");
  const name = boundAs();
  stage.leave(registrar);
  stage.join(bob);
  stage.look();
  stage.deliver(alice, INVITE);
  expect(words(stage.look())).toEqual(["alice > INVITE", "bob < INVITE"]);
  expect(headerOf(bob.got.at(-1) ?? "", "Via")).toContain("SIP/2.0/UDP ");
  bob.answer(200, { sdp: audio(BOB.ip) });
  const answer = alice.got.at(-1) ?? "";
  expect(headerOf(answer, "Contact")).toMatch(/;transport=ws>$/);
  stage.deliver(alice, inDialog("ACK", 1, answer));
  bob.request("BYE");
  expect(words(stage.look())).toEqual([
    "bob > 200",
    "bob < ACK",
    "alice < 200",
    "alice > ACK",
    "bob > BYE",
    "bob < 200 BYE",
    "alice < BYE",
  ]);
  expect(headerOf(alice.got.at(-1) ?? "", "Via")).toMatch(new RegExp(`^SIP/2\\.0/WSS ${BOX.outside}:8443;`));

  bob.invite(name);
  expect(alice.got.at(-1)).toMatch(/^INVITE sip:alice@df7jal23ls0d\.invalid;transport=ws SIP\/2\.0\r\n/);
  expectNoLeaks(stage);
});

test("without its WebSocket she is not registered any more, and nobody is sent after her", () => {
  const { stage, alice, bob, registrar, boundAs } = cast();
  stage.deliver(alice, F3);
  const name = boundAs();
  stage.disconnect(alice);
  stage.pass(1);
  expect(stage.factsOf("phone.gone")).toMatchObject([{ user: "alice", cause: "flow-lost" }]);
  stage.leave(registrar);
  stage.join(bob);
  bob.invite(name);
  expect(bob.got.at(-1)).toMatch(/^SIP\/2\.0 430 /);
  expect(stage.diary.filter((line) => line.includes("connection") && line.includes("alice <"))).toEqual([]);
});

function inDialog(method: string, seq: number, answer: string): string {
  const target = /<([^>]*)>/.exec(headerOf(answer, "Contact"))?.[1] ?? "";
  return [
    `${method} ${target} SIP/2.0`,
    `Via: SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bK${method}${seq}`,
    "From: sip:alice@example.com;tag=asdyka899",
    `To: ${headerOf(answer, "To")}`,
    "Call-ID: asidkj3ss",
    `CSeq: ${seq} ${method}`,
    "Max-Forwards: 70",
    "",
    "",
  ].join("\r\n");
}

class Ear implements Actor {
  readonly name: string;
  readonly place: Actor["place"];
  readonly got: string[] = [];

  constructor(name: string, place: Actor["place"]) {
    this.name = name;
    this.place = place;
  }

  took(text: string): void {
    this.got.push(text);
  }
}

function cast() {
  const domain = domainSettings({ domain: "example.com" });
  const change = (settings: Settings): Settings => {
    const outside = settings.realms.get("outside") as RealmSettings;
    const wss: ListenerSettings = {
      ...{ id: "outside/wss", realm: "outside", protocol: "wss" },
      address: { ip: BOX.outside, port: 8443 },
    };
    return {
      ...settings,
      realms: new Map(settings.realms).set("outside", { ...outside, listeners: [...outside.listeners, wss] }),
      routes: [
        { when: { realm: "outside", registered: true }, to: ["pbx"] },
        { when: { from: "pbx", registered: "callee" }, to: ["registration"] },
      ],
      registration: {
        domains: new Map([[domain.domain, domain]]),
        ...{ file: undefined, bindings: 100, perSecond: 100, pushGateway: undefined },
      },
    };
  };
  const stage = new Stage({ change });
  const alice = stage.join(new Ear("alice", { realm: "outside", ip: "198.51.100.119", port: 50_000, wss: CONNECTION }));
  stage.connect(alice, CONNECTION);
  // A registrar without digest: the examples leave it out.
  let name = "";
  const registrar = Object.assign(stage.join(new Ear("registrar", BOB)), {
    took: (text: string): void => {
      const lines = ["Via", "From", "To", "Call-ID", "CSeq"].map((one) => `${one}: ${headerOf(text, one)}`);
      name = /sip:([^@]*)@/.exec(headerOf(text, "Contact"))?.[1] ?? "";
      const contact = headerOf(text, "Contact").replace(/;expires=\d+/, "");
      stage.deliver(
        registrar,
        ["SIP/2.0 200 OK", ...lines, `Contact: ${contact};expires=3600`, "Content-Length: 0", "", ""].join("\r\n"),
      );
    },
  });
  const bob = stage.party("bob", BOB);
  stage.leave(bob);
  return { stage, alice, bob, registrar, boundAs: () => name };
}
