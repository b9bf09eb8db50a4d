/** Session-ID (RFC 7989) through the box: the UUIDs of the ends, not of the legs, in every message of both. */
import { expect, test } from "vitest";
import type { SessionIdPolicy, Settings } from "../../../src/base/index.ts";
import { audio, headerOf, headersOf, type ScriptedParty } from "../../support/scripted-party.ts";
import { ALICE, BOB, twoSides } from "../../support/stage.ts";
import { sdpOfAlice, sdpOfCarol, TO_CAROL, talking } from "./executed.ts";
import { NOTHING, sdpOfBob } from "./scenes.ts";
import { TwoBoxes } from "./two-boxes.ts";

const A = "ab30317f1a784dc48ff824d0d3715d86";
const B = "47755a9de7794ba387653f2099600ef2";
const B2 = "c2d3e4f5061748299a0b1c2d3e4f5061";
/** Version 1: it ends in the hardware address of its maker. */
const MAC = "f81d4fae7dec11d0a76500a0c91e6bf6";
const NIL = "0".repeat(32);
const id = (local: string, remote?: string): string =>
  `Session-ID: ${local}${remote === undefined ? "" : `;remote=${remote}`}`;
const idOf = (text: string): string => headerOf(text, "Session-ID");

function scene(policies: { readonly outside?: SessionIdPolicy; readonly inside?: SessionIdPolicy } = {}) {
  const change = (settings: Settings): Settings => ({
    ...settings,
    realms: new Map(
      [...settings.realms].map(([name, realm]) => [
        name,
        { ...realm, sessionId: policies[name as "outside" | "inside"] ?? "pass" },
      ]),
    ),
  });
  return twoSides({ change });
}

const call = (alice: ScriptedParty, ...headers: string[]): string =>
  alice.invite("4711", { sdp: audio(ALICE.ip), headers });

test("both ends know each other's UUID from the first answer on, in requests and answers of both directions", () => {
  const { stage, alice, bob } = scene();
  call(alice, id(A, NIL));
  expect(idOf(bob.asked("INVITE"))).toBe(`${A};remote=${NIL}`);
  bob.answer(180, { headers: [id(B, A)] });
  expect(idOf(alice.response("INVITE"))).toBe(`${B};remote=${A}`);
  bob.answer(200, { sdp: sdpOfBob, headers: [id(B, A)] });
  expect(idOf(alice.response("INVITE"))).toBe(`${B};remote=${A}`);
  alice.ack({ headers: [id(A, B)] });
  expect(idOf(bob.asked("ACK"))).toBe(`${A};remote=${B}`);
  alice.request("INFO", { headers: [id(A, B)] });
  expect(idOf(bob.asked("INFO"))).toBe(`${A};remote=${B}`);
  bob.answer(200, { method: "INFO", headers: [id(B, A)] });
  expect(idOf(alice.response("INFO"))).toBe(`${B};remote=${A}`);
  expect(stage.engine.view().calls()[0]).toMatchObject({ sessionId: `${A};remote=${B}` });
  bob.request("BYE", { headers: [id(B, A)] });
  expect(idOf(bob.response("BYE"))).toBe(`${A};remote=${B}`);
  expect(idOf(alice.asked("BYE"))).toBe(`${B};remote=${A}`);
  expect(stage.factsOf("call.answered")[0]).toMatchObject({ sessionId: `${A};remote=${B}` });
  expect(stage.factsOf("call.ended")[0]).toMatchObject({ sessionId: `${A};remote=${B}` });
});

test("a caller without one: the header is nowhere, and nothing is made up", () => {
  const { stage, alice, bob } = scene();
  call(alice);
  bob.answer(200, { sdp: sdpOfBob, headers: [id(B, NIL)] });
  alice.ack();
  expect([...alice.got, ...bob.got].join("")).not.toMatch(/session-id/i);
  expect(stage.factsOf("call.answered")[0]).not.toHaveProperty("sessionId");
});

test("a callee without one stays unknown to the caller; a refusal carries the UUID of who refused", () => {
  const { alice, bob } = scene();
  call(alice, id(A, NIL));
  bob.answer(180);
  expect(idOf(alice.response("INVITE"))).toBe(`${NIL};remote=${A}`);
  bob.answer(486, { headers: [id(B, A)] });
  expect(idOf(alice.response("INVITE"))).toBe(`${B};remote=${A}`);
  expect(idOf(bob.asked("ACK"))).toBe(`${A};remote=${B}`); // RFC 7989 §10.8.1.
});

test("CANCEL has the Session-ID of its INVITE, whatever was learnt since", () => {
  const { alice, bob } = scene();
  call(alice, id(A, NIL));
  bob.answer(180, { headers: [id(B, A)] });
  alice.cancel([id(A, NIL)]);
  expect(idOf(bob.asked("CANCEL"))).toBe(`${A};remote=${NIL}`);
  expect(idOf(alice.response("INVITE"))).toBe(`${B};remote=${A}`);
});

test("forks: each has its own, and its own is what the caller hears in its dialog", () => {
  const { alice, bob } = scene();
  call(alice, id(A, NIL));
  bob.answer(180, { fork: "-a", headers: [id(B, A)] });
  expect(idOf(alice.response("INVITE"))).toBe(`${B};remote=${A}`);
  bob.answer(183, { fork: "-b", headers: [id(B2, A)] });
  expect(idOf(alice.response("INVITE"))).toBe(`${B2};remote=${A}`);
  bob.answer(200, { fork: "-a", sdp: sdpOfBob, headers: [id(B, A)] });
  alice.ack({ headers: [id(A, B)] });
  expect(idOf(bob.asked("ACK"))).toBe(`${A};remote=${B}`);
});

test("an end that is replaced: its new UUID counts when the request that brought it is accepted, not when it is refused", () => {
  const { alice, bob } = scene();
  call(alice, id(A, NIL));
  bob.answer(200, { sdp: sdpOfBob, headers: [id(B, A)] });
  alice.ack({ headers: [id(A, B)] });
  bob.request("INVITE", { sdp: audio(BOB.ip, { port: 6000, version: 2 }), headers: [id(B2, A)] });
  expect(idOf(alice.asked("INVITE"))).toBe(`${B2};remote=${A}`);
  alice.answer(488, { headers: [id(A, B2)] });
  expect(idOf(bob.response("INVITE"))).toBe(`${A};remote=${B2}`);
  bob.ackRefusal();
  alice.request("INFO", { headers: [id(A, B)] });
  expect(idOf(bob.asked("INFO"))).toBe(`${A};remote=${B}`);
  bob.answer(200, { method: "INFO" });
  bob.request("INVITE", { sdp: audio(BOB.ip, { port: 6000, version: 3 }), headers: [id(B2, A)] });
  alice.answer(200, { sdp: audio(ALICE.ip, { version: 3 }), headers: [id(A, B2)] });
  bob.ack({ headers: [id(B2, A)] });
  alice.request("INFO", { headers: [id(A, B2)] });
  expect(idOf(bob.asked("INFO"))).toBe(`${A};remote=${B2}`);
});

test("the next target has not told yet who it is", () => {
  const carol = { realm: "inside", ip: "10.9.0.8", port: 5060 } as const;
  const { stage, alice, bob } = twoSides({ insideTargets: [BOB, carol] });
  const second = stage.party("carol", carol);
  call(alice, id(A, NIL));
  bob.answer(503, { headers: [id(B, A)] });
  expect(idOf(second.asked("INVITE"))).toBe(`${A};remote=${NIL}`);
  second.answer(180);
  expect(idOf(alice.response("INVITE"))).toBe(`${NIL};remote=${A}`);
});

test("a UUID that may hold a hardware address does not cross: it is told as one of ours, always the same", () => {
  const { stage, alice, bob } = scene();
  call(alice, id(MAC, NIL));
  const shown = idOf(bob.asked("INVITE")).slice(0, 32);
  expect(shown).toMatch(/^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$/);
  bob.answer(200, { sdp: sdpOfBob, headers: [id(B, shown)] });
  expect(idOf(alice.response("INVITE"))).toBe(`${B};remote=${MAC}`);
  alice.ack({ headers: [id(MAC, B)] });
  expect(idOf(bob.asked("ACK"))).toBe(`${shown};remote=${B}`);
  expect(stage.sent.inside.join("")).not.toContain(MAC);
});

test("RFC 7329: one UUID for the whole call, as its caller wrote it", () => {
  const { alice, bob } = scene();
  call(alice, id(A));
  expect(idOf(bob.asked("INVITE"))).toBe(A);
  bob.answer(200, { sdp: sdpOfBob, headers: [id(A)] });
  expect(idOf(alice.response("INVITE"))).toBe(A);
  alice.ack({ headers: [id(A)] });
  expect(idOf(bob.asked("ACK"))).toBe(A);
});

test("a callee of RFC 7329 answers with the caller's UUID: that is not its own", () => {
  const { alice, bob } = scene();
  call(alice, id(A, NIL));
  bob.answer(180, { headers: [id(A)] });
  expect(idOf(alice.response("INVITE"))).toBe(`${NIL};remote=${A}`);
});

test.each(["x", `${A};remote=${B};remote=`, "0".repeat(32), `${A}${A}`])(
  "what cannot be read is as good as none: %s",
  (value) => {
    const { alice, bob } = scene();
    call(alice, `Session-ID: ${value}`);
    expect(headersOf(bob.asked("INVITE"), "Session-ID")).toEqual([]);
  },
);

test("off: neither taken from a realm nor told to it", () => {
  const hiding = scene({ outside: "off" });
  call(hiding.alice, id(A, NIL));
  expect(headersOf(hiding.bob.asked("INVITE"), "Session-ID")).toEqual([]);
  const hidden = scene({ inside: "off" });
  call(hidden.alice, id(A, NIL));
  expect(headersOf(hidden.bob.asked("INVITE"), "Session-ID")).toEqual([]);
  hidden.bob.answer(180, { headers: [id(B, NIL)] });
  expect(idOf(hidden.alice.response("INVITE"))).toBe(`${NIL};remote=${A}`);
});

test("create: ends that have none get one from dice alone, and keep it", () => {
  const { stage, alice, bob } = scene({ outside: "create", inside: "create" });
  call(alice);
  const mine = idOf(bob.asked("INVITE")).slice(0, 32);
  expect(mine).toMatch(/^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$/);
  bob.answer(180);
  const pair = idOf(alice.response("INVITE"));
  expect(pair).toMatch(new RegExp(`^[0-9a-f]{32};remote=${mine}$`));
  expect(pair.startsWith(NIL)).toBe(false);
  bob.answer(200, { sdp: sdpOfBob });
  expect(idOf(alice.response("INVITE"))).toBe(pair);
  alice.ack();
  alice.request("BYE");
  expect(idOf(bob.asked("BYE"))).toBe(`${mine};remote=${pair.slice(0, 32)}`);
  bob.answer(200, { method: "BYE" });
  call(alice);
  expect(idOf(bob.asked("INVITE")).slice(0, 32)).not.toBe(mine);
  bob.answer(486);
  alice.ackRefusal();
  stage.pass(70_000);
  expect(stage.remains()).toEqual(NOTHING);
});

test("a transfer that the box makes: the transferee keeps its UUID, and hears that of the target", () => {
  const { alice, bob, carol } = talking("execute", undefined, {}, [id(A, NIL)]);
  bob.request("REFER", { headers: [TO_CAROL, id(B, A)] });
  bob.answer(200, { method: "NOTIFY" });
  expect(idOf(carol.asked("INVITE"))).toBe(`${A};remote=${NIL}`);
  carol.answer(200, { sdp: sdpOfCarol, headers: [id(B2, A)] });
  expect(idOf(carol.asked("ACK"))).toBe(`${A};remote=${B2}`);
  expect(idOf(alice.asked("INVITE"))).toBe(`${B2};remote=${A}`);
  alice.answer(200, { sdp: sdpOfAlice(2), headers: [id(A, B2)] });
  bob.answer(200, { method: "NOTIFY" });
  bob.request("BYE");
  alice.request("INFO", { headers: [id(A, B2)] });
  expect(idOf(carol.asked("INFO"))).toBe(`${A};remote=${B2}`);
});

test("two boxes that send a call with a Session-ID to each other know it again at once", () => {
  const world = new TwoBoxes();
  const lines = [
    "INVITE sip:4711@10.0.0.1 SIP/2.0",
    "Via: SIP/2.0/UDP 10.0.0.50:5060;branch=z9hG4bK-a",
    "From: <sip:a@10.0.0.50>;tag=a",
    "To: <sip:4711@10.0.0.1>",
    "Call-ID: a@10.0.0.50",
    "CSeq: 1 INVITE",
    "Contact: <sip:a@10.0.0.50>",
    "Max-Forwards: 70",
    id(A, NIL),
  ];
  world.say(`${lines.join("\r\n")}\r\nContent-Length: 0\r\n\r\n`);
  expect(world.toCaller.at(-1)).toMatch(/^SIP\/2\.0 482 /);
  expect(world.invites).toBeLessThanOrEqual(4);
});
