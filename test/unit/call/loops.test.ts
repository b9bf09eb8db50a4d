/** Calls that come back: two boxes that send them to each other, and what their callers hear of it. RFC 5393. */
import { expect, test } from "vitest";
import { twoSides } from "../../support/stage.ts";
import { TwoBoxes } from "./two-boxes.ts";

const finals = (texts: readonly string[]): string[] =>
  texts.filter((text) => /^SIP\/2\.0 [2-6]/.test(text)).map((text) => text.slice(8, 11));

test("two boxes send a call to each other: it comes round a few times, and its caller gets 482", () => {
  const world = new TwoBoxes();
  world.say(invite());
  expect(new Set(finals(world.toCaller))).toEqual(new Set(["482"]));
  expect(world.started("10.0.0.1")).toBeLessThanOrEqual(12);
  expect(world.invites).toBeLessThanOrEqual(24);
  world.say(ack(world.toCaller.at(-1) as string));
  world.pass(100_000);
  expect(world.calls()).toEqual([0, 0]);
});

test("each knows the other under three ports: the loop is not tried three times at every turn", () => {
  const world = new TwoBoxes({ targets: 3 });
  world.say(invite());
  expect(world.invites).toBeLessThanOrEqual(24);
  expect(finals(world.toCaller)[0]).toBe("482");
});

test("two callers of one number in a loop find the loop, and no third party is taken for theirs", () => {
  const world = new TwoBoxes();
  world.say(invite("a"));
  world.say(ack(world.toCaller.at(-1) as string));
  world.say(invite("b", ["Max-Forwards: 30"]));
  expect(finals(world.toCaller).at(-1)).toBe("482");
  expect(world.calls().every((calls) => calls <= 24)).toBe(true);
});

test.each([
  ["the same hops left: somebody who calls twice", 40, "INVITE"],
  ["more hops left", 45, "INVITE"],
  ["fewer hops left: it has come round", 38, "482"],
])("a call from afar (40 hops left), and one like it with %s", (_what, forwards, outcome) => {
  const { stage, alice, bob } = twoSides();
  alice.invite("4711", { headers: ["Max-Forwards: 40"] });
  bob.answer(180);
  stage.look();
  alice.invite("4711", { headers: [`Max-Forwards: ${forwards}`] });
  const diary = stage.look().join("\n");
  expect(diary).toContain(outcome === "482" ? "alice < 482" : "bob < INVITE");
});

test("another callee, or a call that is answered, is no loop, however few hops are left", () => {
  const { stage, alice, bob } = twoSides();
  alice.invite("4711", { headers: ["Max-Forwards: 40"] });
  alice.invite("4712", { headers: ["Max-Forwards: 38"] });
  expect(stage.look().filter((line) => line.endsWith("bob < INVITE"))).toHaveLength(2);
  bob.answer(486);
  alice.ackRefusal();
  alice.invite("4712", { headers: ["Max-Forwards: 36"] });
  expect(stage.look().some((line) => line.endsWith("bob < INVITE"))).toBe(true);
});

test("Max-Breadth goes on as it came; 0 gets 440", () => {
  const { alice, bob } = twoSides();
  alice.invite("1", { headers: ["Max-Breadth: 7"] });
  expect(bob.asked("INVITE")).toContain("\r\nMax-Breadth: 7\r\n");
  alice.invite("2", { headers: ["Max-Breadth: 0"] });
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 440 Max-Breadth Exceeded/);
});

function invite(name = "a", headers: readonly string[] = ["Max-Forwards: 70"]): string {
  const sdp = "v=0\r\no=- 1 1 IN IP4 10.0.0.50\r\ns=-\r\nc=IN IP4 10.0.0.50\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
  const lines = [
    "INVITE sip:4711@10.0.0.1 SIP/2.0",
    `Via: SIP/2.0/UDP 10.0.0.50:5060;branch=z9hG4bK-${name}`,
    `From: <sip:${name}@10.0.0.50>;tag=${name}`,
    "To: <sip:4711@10.0.0.1>",
    `Call-ID: ${name}@10.0.0.50`,
    "CSeq: 1 INVITE",
    "Contact: <sip:a@10.0.0.50>",
    ...headers,
    "Content-Type: application/sdp",
    `Content-Length: ${sdp.length}`,
  ];
  return `${lines.join("\r\n")}\r\n\r\n${sdp}`;
}

function ack(refusal: string): string {
  const line = (name: string): string => new RegExp(`\\r\\n(${name}:[^\\r]*)`, "i").exec(refusal)?.[1] ?? "";
  const lines = [line("Via"), line("From"), line("To"), line("Call-ID"), "CSeq: 1 ACK", "Max-Forwards: 70"];
  return `ACK sip:4711@10.0.0.1 SIP/2.0\r\n${lines.join("\r\n")}\r\nContent-Length: 0\r\n\r\n`;
}
