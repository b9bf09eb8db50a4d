/** UPDATE (RFC 3311) before and after the answer, and re-INVITEs that fail or cross (RFC 6141): judged on both legs. */
import { afterEach, expect, test } from "vitest";
import { expectNoLeaks } from "../../support/leak-check.ts";
import { audio, bodyOf, headerOf } from "../../support/scripted-party.ts";
import { ALICE, BOB, type Stage, twoSides, words } from "../../support/stage.ts";
import { established, NOTHING, sdpOfBob } from "./scenes.ts";

let stage: Stage;

afterEach(() => {
  stage.pass(300_000);
  expect(stage.remains()).toEqual(NOTHING);
  expect(stage.factsOf("call.ended").map(({ cause }) => cause)).toEqual(["bye"]);
  expectNoLeaks(stage);
});

type Options = Parameters<typeof audio>[1];
type Cast = ReturnType<typeof twoSides>;
const ofAlice = (options: Options = {}): string => audio(ALICE.ip, options);
const ofBob = (options: Options = {}): string => audio(BOB.ip, { port: 6000, ...options });
const REL = ["Supported: 100rel"];
const NO_UPDATE = "Allow: INVITE, ACK, BYE, CANCEL, PRACK";
// — Before the answer

test("UPDATE with an offer before the PRACK of the first answer: 500 and Retry-After, on either side", () => {
  const { alice, bob } = calling();
  bob.answer(183, reliable(1, sdpOfBob));
  alice.ack(); // Learns the early dialog.
  alice.request("UPDATE", { sdp: ofAlice({ version: 2 }) });
  expect(alice.response("UPDATE")).toMatch(/^SIP\/2\.0 500 /);
  expect(headerOf(alice.response("UPDATE"), "Retry-After")).not.toBe("");
  bob.request("UPDATE", { sdp: ofBob({ version: 2 }) });
  expect(bob.response("UPDATE")).toMatch(/^SIP\/2\.0 500 /);
  expect(() => bob.asked("UPDATE")).toThrow();
  expect(() => alice.asked("UPDATE")).toThrow();
  pracked();
  answered();
});

test("UPDATEs that cross in the early dialog: both get 491, and nothing has changed", () => {
  const { alice, bob } = early();
  alice.request("UPDATE", { sdp: ofAlice({ version: 2, direction: "sendonly" }) });
  bob.request("UPDATE", { sdp: ofBob({ version: 2 }) });
  expect(bob.response("UPDATE")).toMatch(/^SIP\/2\.0 491 /);
  bob.answer(491, { method: "UPDATE" });
  expect(alice.response("UPDATE")).toMatch(/^SIP\/2\.0 491 /);
  answered();
  expect(stage.factsOf("call.answered")).toHaveLength(1);
});

test("an UPDATE that the other side refuses before the answer: the 200 still settles what was answered first", () => {
  const { alice, bob } = early();
  alice.request("UPDATE", { sdp: ofAlice({ version: 2, port: 4400 }) });
  bob.answer(488, { method: "UPDATE" });
  expect(alice.response("UPDATE")).toMatch(/^SIP\/2\.0 488 /);
  bob.request("UPDATE", { sdp: ofBob({ version: 2, port: 6600 }) });
  alice.answer(500, { method: "UPDATE" });
  expect(bob.response("UPDATE")).toMatch(/^SIP\/2\.0 500 /);
  answered();
  expect(remotePort(0)).toBe(4000);
  expect(remotePort(1)).toBe(6000);
});

test("an early UPDATE toward a callee without UPDATE: the box answers for it, and media goes where alice says", () => {
  const { alice } = early([NO_UPDATE]);
  stage.look();
  alice.request("UPDATE", { sdp: ofAlice({ version: 2, port: 4400 }) });
  expect(words(stage.look())).toEqual(["alice > UPDATE", "alice < 200 UPDATE"]);
  expect(bodyOf(alice.response("UPDATE"))).toContain("m=audio");
  expect(headerOf(alice.response("UPDATE"), "Contact")).not.toBe("");
  answered();
  expect(remotePort(0)).toBe(4400);
});

test("an early UPDATE for hold toward a callee without UPDATE is held back: the callee would have to know", () => {
  const { alice } = early([NO_UPDATE]);
  alice.request("UPDATE", { sdp: ofAlice({ version: 2, direction: "inactive" }) });
  expect(alice.response("UPDATE")).toMatch(/^SIP\/2\.0 500 /);
  expect(Number(headerOf(alice.response("UPDATE"), "Retry-After"))).toBeGreaterThan(0);
  answered();
});

test("an early UPDATE that the callee turns out not to know gets its 405; the next one is answered here", () => {
  const { alice, bob } = early();
  alice.request("UPDATE", { sdp: ofAlice({ version: 2, port: 4400 }) });
  bob.answer(405, { method: "UPDATE" });
  expect(alice.response("UPDATE")).toMatch(/^SIP\/2\.0 405 /);
  stage.look();
  alice.request("UPDATE", { sdp: ofAlice({ version: 3, port: 4400 }) });
  expect(words(stage.look())).toEqual(["alice > UPDATE", "alice < 200 UPDATE"]);
  answered();
});

test("an early UPDATE without an offer crosses, and is answered here where it is not known", () => {
  const { alice, bob } = early();
  alice.request("UPDATE");
  bob.answer(200, { method: "UPDATE" });
  expect(alice.response("UPDATE")).toMatch(/^SIP\/2\.0 200 /);
  answered();
});

test("an UPDATE in one early dialog, and the 200 from another: that one's answer counts, whatever became of the UPDATE", () => {
  for (const status of [undefined, 200, 500]) {
    const { alice, bob } = calling();
    bob.answer(183, { ...reliable(1, sdpOfBob), fork: "-a" });
    pracked();
    alice.request("UPDATE", { sdp: ofAlice({ version: 2, port: 4400 }) });
    if (status === 200) bob.answer(200, { method: "UPDATE", sdp: ofBob({ version: 2, port: 6600 }) });
    bob.answer(200, { fork: "-b", sdp: ofBob({ port: 6700 }) });
    if (status === 500) bob.answer(500, { method: "UPDATE" });
    expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 200 /);
    expect(bodyOf(alice.response("INVITE"))).toContain("m=audio");
    alice.ack();
    expect([remotePort(0), remotePort(1)]).toEqual([4000, 6700]);
    stage.pass(40_000);
    expect(stage.factsOf("call.ended")).toEqual([]);
    hangUp();
    stage.pass(300_000);
    expect(stage.remains()).toEqual(NOTHING);
  }
});

test("the 200 overtakes the answer to an early UPDATE: the call is up, and the UPDATE ends as it would have", () => {
  const { alice, bob } = early();
  alice.request("UPDATE", { sdp: ofAlice({ version: 2, port: 4400 }) });
  bob.answer(200);
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 200 /);
  alice.ack();
  bob.answer(200, { method: "UPDATE", sdp: ofBob({ version: 2, port: 6600 }) });
  expect(bodyOf(alice.response("UPDATE"))).toContain("m=audio");
  expect([remotePort(0), remotePort(1)]).toEqual([4400, 6600]);
});

test("the same when that UPDATE is refused: what was answered first stands", () => {
  const { alice, bob } = early();
  alice.request("UPDATE", { sdp: ofAlice({ version: 2, port: 4400 }) });
  bob.answer(200);
  bob.answer(491, { method: "UPDATE" });
  alice.ack();
  expect(alice.response("UPDATE")).toMatch(/^SIP\/2\.0 491 /);
  expect([remotePort(0), remotePort(1)]).toEqual([4000, 6000]);
  alice.request("UPDATE", { sdp: ofAlice({ version: 3, port: 4400 }) });
  bob.answer(200, { method: "UPDATE", sdp: ofBob({ version: 2, port: 6600 }) });
  expect([remotePort(0), remotePort(1)]).toEqual([4400, 6600]);
});

test("the callee answers while its own early UPDATE is under way: the caller's ACK is no answer to that", () => {
  const { alice, bob } = early();
  bob.request("UPDATE", { sdp: ofBob({ version: 2, port: 6600 }) });
  bob.answer(200);
  alice.ack();
  alice.answer(200, { method: "UPDATE", sdp: ofAlice({ version: 2, port: 4400 }) });
  expect(bob.response("UPDATE")).toMatch(/^SIP\/2\.0 200 /);
  expect([remotePort(0), remotePort(1)]).toEqual([4400, 6600]);
});

test("a PRACK with an offer that crosses an UPDATE of the callee: both get 491, and what was answered first stands", () => {
  const { alice, bob } = calling();
  bob.answer(183, reliable(1, sdpOfBob));
  alice.prack({ sdp: ofAlice({ version: 2, port: 4400 }) });
  bob.request("UPDATE", { sdp: ofBob({ version: 2, port: 6600 }) });
  expect(bob.response("UPDATE")).toMatch(/^SIP\/2\.0 491 /);
  bob.answer(491, { method: "PRACK" });
  expect(alice.response("PRACK")).toMatch(/^SIP\/2\.0 491 /);
  bob.answer(200);
  alice.ack();
  expect([remotePort(0), remotePort(1)]).toEqual([4000, 6000]);
});

test("the 200 overtakes the answer in the 200 to a PRACK with an offer", () => {
  const { alice, bob } = calling();
  bob.answer(183, reliable(1, sdpOfBob));
  alice.prack({ sdp: ofAlice({ version: 2, port: 4400 }) });
  bob.answer(200);
  alice.ack();
  bob.answer(200, { method: "PRACK", sdp: ofBob({ version: 2, port: 6600 }) });
  expect(bodyOf(alice.response("PRACK"))).toContain("m=audio");
  expect([remotePort(0), remotePort(1)]).toEqual([4400, 6600]);
});

// — After the answer

test("an UPDATE that gets 405 goes on as a re-INVITE, and the next one does so at once", () => {
  const { alice, bob } = up();
  alice.request("UPDATE", { sdp: ofAlice({ version: 2, direction: "sendonly" }) });
  bob.answer(405, { method: "UPDATE" });
  expect(bodyOf(bob.asked("INVITE"))).toContain("a=sendonly");
  bob.answer(200, { sdp: ofBob({ version: 2, direction: "recvonly" }) });
  expect(bodyOf(alice.response("UPDATE"))).toContain("a=recvonly");
  stage.look();
  alice.request("UPDATE", { sdp: ofAlice({ version: 3 }) });
  expect(words(stage.look())).toEqual(["alice > UPDATE", "bob < INVITE"]);
  bob.answer(200, { sdp: ofBob({ version: 3 }) });
  expect(alice.response("UPDATE")).toMatch(/^SIP\/2\.0 200 /);
});

test.each(["alice", "bob"] as const)(
  "%s hangs up while an UPDATE goes on as a re-INVITE: it gets its answer",
  (who) => {
    const { alice, bob } = up();
    alice.request("UPDATE", { sdp: ofAlice({ version: 2, direction: "sendonly" }) });
    bob.answer(405, { method: "UPDATE" });
    bob.answer(491);
    if (who === "alice") alice.request("BYE");
    else bob.request("BYE");
    expect(alice.response("UPDATE")).toMatch(who === "alice" ? /^SIP\/2\.0 487 / : /^SIP\/2\.0 500 /);
    if (who === "alice") bob.answer(200, { method: "BYE" });
    else alice.answer(200, { method: "BYE" });
  },
);

test("an UPDATE that went on as a re-INVITE, and the other end must ask somebody: 504 in time, and nothing has changed", () => {
  const { alice, bob } = up();
  alice.request("UPDATE", { sdp: ofAlice({ version: 2, direction: "sendonly" }) });
  bob.answer(405, { method: "UPDATE" });
  bob.answer(180);
  stage.pass(19_000);
  expect(() => bob.asked("CANCEL")).toThrow();
  stage.pass(2_000);
  expect(bob.asked("CANCEL")).toMatch(/^CANCEL /);
  bob.answer(487);
  expect(alice.response("UPDATE")).toMatch(/^SIP\/2\.0 504 /); // RFC 3311 §5.2.
  expect(remotePort(0)).toBe(4000);
});

test("an UPDATE that went on as a re-INVITE, and waits after glare when time is up: 500 and Retry-After", () => {
  const { alice, bob } = up();
  alice.request("UPDATE", { sdp: ofAlice({ version: 2, direction: "sendonly" }) });
  bob.answer(405, { method: "UPDATE" });
  stage.pass(19_990);
  bob.answer(491);
  stage.pass(15);
  expect(alice.response("UPDATE")).toMatch(/^SIP\/2\.0 500 /);
  stage.look();
  stage.pass(10_000);
  expect(words(stage.look())).toEqual([]);
});

test("UPDATEs that cross: both get 491, and the next one goes through", () => {
  const { alice, bob } = up();
  alice.request("UPDATE", { sdp: ofAlice({ version: 2, direction: "sendonly" }) });
  bob.request("UPDATE", { sdp: ofBob({ version: 2 }) });
  expect(bob.response("UPDATE")).toMatch(/^SIP\/2\.0 491 /);
  bob.answer(491, { method: "UPDATE" });
  expect(alice.response("UPDATE")).toMatch(/^SIP\/2\.0 491 /);
  bob.request("UPDATE", { sdp: ofBob({ version: 3 }) });
  expect(bodyOf(alice.asked("UPDATE"))).toContain("a=sendrecv");
  alice.answer(200, { method: "UPDATE", sdp: ofAlice({ version: 2 }) });
  expect(bob.response("UPDATE")).toMatch(/^SIP\/2\.0 200 /);
});

test("a second UPDATE before the first is answered: 500 and Retry-After", () => {
  const { alice, bob } = up();
  alice.request("UPDATE", { sdp: ofAlice({ version: 2 }) });
  alice.request("UPDATE", { sdp: ofAlice({ version: 3 }) });
  expect(alice.response("UPDATE")).toMatch(/^SIP\/2\.0 500 /);
  expect(headerOf(alice.response("UPDATE"), "Retry-After")).not.toBe("");
  bob.answer(200, { method: "UPDATE", sdp: ofBob({ version: 2 }) });
  expect(alice.response("UPDATE")).toMatch(/^SIP\/2\.0 200 /);
});

test("an UPDATE without an offer during a re-INVITE: both succeed", () => {
  const { alice, bob } = up();
  alice.request("INVITE", { sdp: ofAlice({ version: 2, direction: "sendonly" }) });
  bob.request("UPDATE");
  alice.answer(200, { method: "UPDATE" });
  expect(bob.response("UPDATE")).toMatch(/^SIP\/2\.0 200 /);
  bob.answer(200, { sdp: ofBob({ version: 2, direction: "recvonly" }) });
  alice.ack();
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 200 /);
});

test("an UPDATE with an offer during a re-INVITE: 491 for the one that was asked, 500 for the one that asks", () => {
  const { alice, bob } = up();
  alice.request("INVITE", { sdp: ofAlice({ version: 2 }) });
  bob.request("UPDATE", { sdp: ofBob({ version: 2 }) });
  expect(bob.response("UPDATE")).toMatch(/^SIP\/2\.0 491 /);
  alice.request("UPDATE", { sdp: ofAlice({ version: 3 }) });
  expect(alice.response("UPDATE")).toMatch(/^SIP\/2\.0 500 /);
  bob.answer(200, { sdp: ofBob({ version: 2 }) });
  alice.ack();
});

test("a re-INVITE during an UPDATE of the same side and of the other: 491 both", () => {
  const { alice, bob } = up();
  alice.request("UPDATE", { sdp: ofAlice({ version: 2 }) });
  bob.request("INVITE", { sdp: ofBob({ version: 2 }) });
  expect(bob.response("INVITE")).toMatch(/^SIP\/2\.0 491 /);
  bob.ackRefusal();
  alice.request("INVITE", { sdp: ofAlice({ version: 3 }) });
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 491 /);
  alice.ackRefusal();
  bob.answer(200, { method: "UPDATE", sdp: ofBob({ version: 2 }) });
  expect(alice.response("UPDATE")).toMatch(/^SIP\/2\.0 200 /);
});

// — Re-INVITEs that fail (RFC 6141)

test("a re-INVITE that fails: addresses, ports and direction of the media are again what they were", () => {
  const { alice, bob } = up();
  alice.request("INVITE", { sdp: ofAlice({ version: 2, port: 4400, direction: "sendonly" }) });
  bob.answer(603);
  alice.ackRefusal();
  expect(remotePort(0)).toBe(4000);
  bob.request("INVITE", { sdp: ofBob({ version: 2, port: 6600 }) });
  alice.answer(488);
  bob.ackRefusal();
  expect(remotePort(1)).toBe(6000);
  expect(words(stage.look()).at(-1)).toBe("bob > ACK");
});

test("a 200 to a re-INVITE although it was cancelled: it counts, on both legs", () => {
  const { alice, bob } = up();
  alice.request("INVITE", { sdp: ofAlice({ version: 2, port: 4400 }) });
  bob.answer(180);
  alice.cancel();
  bob.answer(200, { sdp: ofBob({ version: 2 }) });
  bob.answer(481, { method: "CANCEL" });
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 200 /);
  alice.ack();
  expect(bob.asked("ACK")).toBeTypeOf("string");
  expect(remotePort(0)).toBe(4400);
});

test("a request that moves its sender moves it with our 2xx alone: a refused one leaves it where it was", () => {
  const { alice, bob } = up();
  const moved = stage.party("moved", { realm: "inside", ip: BOB.ip, port: 5099 });
  bob.contactPort = 5099;
  bob.request("INVITE", { sdp: ofBob({ version: 2 }) });
  alice.answer(488);
  bob.ackRefusal();
  bob.request("UPDATE", { sdp: ofBob({ version: 2 }) });
  alice.answer(488, { method: "UPDATE" });
  alice.request("INFO");
  expect(bob.asked("INFO")).toContain("INFO sip:bob@10.9.0.7:5060 SIP/2.0");
  bob.answer(200, { method: "INFO" });
  bob.request("UPDATE");
  alice.answer(200, { method: "UPDATE" });
  alice.request("INFO");
  expect(moved.asked("INFO")).toContain("INFO sip:bob@10.9.0.7:5099 SIP/2.0");
  bob.contactPort = 5060;
  bob.request("UPDATE");
  alice.answer(200, { method: "UPDATE" });
});

test("an UPDATE whose Contact is no place gets 400, and the call goes on", () => {
  const { alice } = up();
  alice.contactUri = "<mailto:alice@example.com>";
  alice.request("UPDATE");
  expect(alice.response("UPDATE")).toMatch(/^SIP\/2\.0 400 /);
  alice.contactUri = undefined;
});

let cast: Cast;

/** Alice calls, with 100rel. */
function calling(): Cast {
  cast = twoSides();
  stage = cast.stage;
  cast.alice.invite("4711", { sdp: ofAlice(), headers: REL });
  return cast;
}

function reliable(rseq: number, sdp: string, headers: readonly string[] = []) {
  return { sdp, headers: ["Require: 100rel", `RSeq: ${rseq}`, ...headers] };
}

/** Bob has answered alice's offer in a reliable 183, and alice has acknowledged it. */
function early(headers: readonly string[] = []): Cast {
  calling();
  cast.bob.answer(183, reliable(1, sdpOfBob, headers));
  return pracked();
}

function pracked(): Cast {
  cast.alice.prack();
  cast.bob.answer(200, { method: "PRACK" });
  return cast;
}

/** Bob answers the call, and alice hangs up at the end of the test. */
function answered(): void {
  const { alice, bob } = cast;
  bob.answer(200);
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 200 /);
  expect(bodyOf(alice.response("INVITE"))).toBe("");
  alice.ack();
  hangUp();
}

function up(): Cast {
  cast = established();
  stage = cast.stage;
  stage.look();
  return cast;
}

function hangUp(): void {
  cast.alice.request("BYE");
  cast.bob.answer(200, { method: "BYE" });
}

afterEach(() => {
  if (stage.factsOf("call.ended").length === 0) hangUp();
});

/** Where the relay sends what is for that side. */
function remotePort(side: 0 | 1): number | undefined {
  let port: number | undefined;
  for (const command of stage.relay) {
    if (command.word === "open") port = command.sides[side].remote?.rtpPort;
    if (command.word === "change" && command.side === side && "remote" in command.set)
      port = command.set.remote?.rtpPort;
  }
  return port;
}
