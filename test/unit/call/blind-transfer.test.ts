/** Blind transfers that the box makes by itself, and their races: RFC 3515, RFC 5589 §5. */
import { expect, test } from "vitest";
import { audio, bodyOf, headerOf } from "../../support/scripted-party.ts";
import { ALICE, BOB } from "../../support/stage.ts";
import {
  answered,
  endedBy,
  hangsUp,
  reaches,
  referred,
  restsAfterAll,
  sdpOfAlice,
  sdpOfCarol,
  TO_CAROL,
  talking,
  told,
} from "./executed.ts";

test("the target is called, the transferee changes over, the referrer ends its leg", () => {
  const cast = talking();
  const { stage, alice, bob, carol } = cast;
  bob.request("REFER", { headers: [TO_CAROL, "Referred-By: <sip:bob@10.9.0.7>"] });
  bob.answer(200, { method: "NOTIFY" });
  carol.answer(180);
  bob.answer(200, { method: "NOTIFY" });
  carol.answer(200, { sdp: sdpOfCarol });
  alice.answer(200, { sdp: sdpOfAlice(2) });
  bob.answer(200, { method: "NOTIFY" });
  bob.request("BYE");
  expect(stage.look()).toEqual([
    "0 bob > REFER",
    "0 bob < 202 REFER",
    "0 bob < NOTIFY",
    "0 carol < INVITE",
    "0 bob > 200 NOTIFY",
    "0 carol > 180",
    "0 bob < NOTIFY",
    "0 bob > 200 NOTIFY",
    "0 carol > 200",
    "0 carol < ACK",
    "0 alice < INVITE",
    "0 alice > 200",
    "0 alice < ACK",
    "0 bob < NOTIFY",
    "0 bob > 200 NOTIFY",
    "0 bob > BYE",
    "0 bob < 200 BYE",
  ]);
  expect(told(cast)).toEqual([
    "refer active SIP/2.0 100 Trying",
    "refer active SIP/2.0 180 Ringing",
    "refer terminated SIP/2.0 200 OK",
  ]);
  expect(headerOf(carol.asked("INVITE"), "From")).toMatch(/^"alice" <sip:alice@203\.0\.113\.1>;tag=/);

  // The two talk, and either may end it.
  reaches(alice, carol);
  alice.request("INVITE", { sdp: audio(ALICE.ip, { version: 3, direction: "sendonly" }) });
  expect(bodyOf(carol.asked("INVITE"))).toContain("a=sendonly");
  carol.answer(200, { sdp: audio("198.51.100.8", { port: 7000, version: 2, direction: "recvonly" }) });
  alice.ack();
  endedBy(carol, alice, cast);
});

test("the record: one call ended by transfer, another begun by the transferee, and what became of it", () => {
  const cast = answered();
  cast.alice.answer(200, { sdp: sdpOfAlice(2) });
  cast.stage.pass(10_000);
  hangsUp(cast.alice, cast.carol);
  const { stage } = cast;
  const [first, second] = stage.factsOf("call.started");
  expect(second).toMatchObject({ from: { peer: "carrier", user: "alice" }, to: { peer: "other", user: "555" } });
  expect(stage.factsOf("call.transferred")).toEqual([
    { fact: "call.transferred", call: first?.call, made: second?.call, by: "callee", kind: "blind", status: 200 },
  ]);
  expect(stage.factsOf("call.ended")).toMatchObject([
    { call: first?.call, cause: "transfer", by: "callee", status: 200 },
    { call: second?.call, cause: "bye", by: "caller", status: 200, answeredMs: 10_000 },
  ]);
});

test("the transferee hears a later version of the description that it knows, with ports and keys of the new call", () => {
  const { alice } = answered();
  const before = bodyOf(alice.response("INVITE"));
  const after = bodyOf(alice.asked("INVITE"));
  const origin = (sdp: string): string[] => /o=- (\d+) (\d+) IN (\S+ \S+)/.exec(sdp)?.slice(1) ?? [];
  expect(origin(after)).toEqual([origin(before)[0], "2", origin(before)[2]]);
  expect(/m=audio (\d+)/.exec(after)?.[1]).not.toBe(/m=audio (\d+)/.exec(before)?.[1]);
});

test("a referrer that stays is let go by us", () => {
  const cast = answered();
  const { stage, alice, bob, carol } = cast;
  alice.answer(200, { sdp: sdpOfAlice(2) });
  bob.answer(200, { method: "NOTIFY" });
  stage.pass(5_000);
  expect(stage.look()).toContain("4000 bob < BYE");
  expect(headerOf(bob.asked("BYE"), "Reason")).toContain("transferred");
  bob.answer(200, { method: "BYE" });
  endedBy(carol, alice, cast);
});

test("a target that is busy: the referrer is told, and the call that was there goes on", () => {
  const cast = referred();
  const { stage, alice, bob, carol } = cast;
  carol.answer(486);
  expect(stage.look()).toEqual(["0 carol > 486", "0 carol < ACK", "0 bob < NOTIFY"]);
  expect(told(cast).at(-1)).toBe("refer terminated SIP/2.0 486 Busy Here");
  bob.answer(200, { method: "NOTIFY" });
  reaches(alice, bob);
  expect(stage.factsOf("call.transferred")).toMatchObject([{ status: 486 }]);
  expect(stage.factsOf("call.ended")).toMatchObject([{ cause: "busy", by: "callee", status: 486 }]);

  // And it may be transferred once more: the second subscription of a dialog has an id.
  const again = bob.request("REFER", { headers: [TO_CAROL] });
  const id = headerOf(again, "CSeq").split(" ")[0];
  expect(told(cast).at(-1)).toBe(`refer;id=${id} active SIP/2.0 100 Trying`);
  bob.answer(200, { method: "NOTIFY" });
  carol.answer(200, { sdp: sdpOfCarol });
  alice.answer(200, { sdp: sdpOfAlice(2) });
  expect(told(cast).at(-1)).toBe(`refer;id=${id} terminated SIP/2.0 200 OK`);
  bob.answer(200, { method: "NOTIFY" });
  bob.request("BYE");
  endedBy(alice, carol, cast);
});

test("a referrer that leaves at once: the transferee is kept, and gets the target", () => {
  const cast = talking();
  const { stage, alice, bob, carol } = cast;
  bob.request("REFER", { headers: [TO_CAROL] });
  bob.request("BYE");
  expect(stage.look().slice(-2)).toEqual(["0 bob > BYE", "0 bob < 200 BYE"]);
  expect(() => alice.asked("BYE")).toThrow();
  // While nobody is at its other end.
  alice.request("INFO");
  expect(alice.response("INFO")).toMatch(/^SIP\/2\.0 500 /);
  expect(headerOf(alice.response("INFO"), "Retry-After")).toMatch(/^\d+$/);
  alice.request("INVITE", { sdp: sdpOfAlice(2) });
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 491 /);
  alice.ackRefusal();
  carol.answer(200, { sdp: sdpOfCarol });
  alice.answer(200, { sdp: sdpOfAlice(2) });
  reaches(alice, carol);
  expect(stage.factsOf("call.ended")).toMatchObject([{ cause: "bye", by: "callee" }]);
  endedBy(alice, carol, cast);
});

test("a referrer that left, and a target that will not: the transferee is told to go", () => {
  const cast = referred();
  const { stage, alice, bob, carol } = cast;
  bob.request("BYE");
  carol.answer(486);
  expect(stage.look()).toEqual(["0 bob > BYE", "0 bob < 200 BYE", "0 carol > 486", "0 carol < ACK", "0 alice < BYE"]);
  alice.answer(200, { method: "BYE" });
  restsAfterAll(cast);
});

test("a transferee that hangs up while the target rings", () => {
  const cast = referred();
  const { stage, alice, bob, carol } = cast;
  alice.request("BYE");
  expect(stage.look()).toEqual([
    "0 alice > BYE",
    "0 alice < 200 BYE",
    "0 bob < NOTIFY",
    "0 carol < CANCEL",
    "0 bob < BYE",
  ]);
  expect(told(cast).at(-1)).toBe("refer terminated SIP/2.0 487 Request Terminated");
  carol.answer(200, { method: "CANCEL" });
  carol.answer(487);
  bob.answer(200, { method: "BYE" });
  restsAfterAll(cast);
});

test("a transferee that hangs up as the target answers", () => {
  const cast = answered();
  const { stage, alice, bob, carol } = cast;
  alice.request("BYE");
  expect(stage.look()).toEqual([
    "0 alice > BYE",
    "0 alice < 200 BYE",
    "0 bob < NOTIFY",
    "0 carol < BYE",
    "0 bob < BYE",
  ]);
  alice.answer(487);
  carol.answer(200, { method: "BYE" });
  bob.answer(200, { method: "BYE" });
  restsAfterAll(cast);
});

test("a transferee that will not change over stays where it was", () => {
  const cast = answered();
  const { stage, alice, bob, carol } = cast;
  alice.answer(488);
  expect(stage.look()).toEqual(["0 alice > 488", "0 alice < ACK", "0 bob < NOTIFY", "0 carol < BYE"]);
  expect(told(cast).at(-1)).toBe("refer terminated SIP/2.0 488 Not Acceptable Here");
  carol.answer(200, { method: "BYE" });
  bob.answer(200, { method: "NOTIFY" });
  // Its description has used up a version, accepted or not.
  bob.request("INVITE", { sdp: audio(BOB.ip, { port: 6000, version: 2, direction: "sendonly" }) });
  expect(bodyOf(alice.asked("INVITE"))).toMatch(/o=- \d+ 3 /);
  alice.answer(200, { sdp: audio(ALICE.ip, { version: 2, direction: "recvonly" }) });
  bob.ack();
  endedBy(bob, alice, cast);
});

test("a transferee that says nothing: the target goes, and the call that was there is lost as well", () => {
  const cast = answered();
  const { stage, bob, carol } = cast;
  stage.pass(32_400);
  const seen = stage.look();
  expect(seen.filter((line) => / (bob|carol) </.test(line))).toEqual([
    "32000 bob < NOTIFY",
    "32000 carol < BYE",
    "32000 bob < BYE",
  ]);
  expect(told(cast).at(-1)).toBe("refer terminated SIP/2.0 408 Request Timeout");
  carol.answer(200, { method: "BYE" });
  bob.answer(200, { method: "BYE" });
  restsAfterAll(cast);
});

test("a transferee that asks at the same moment: the re-INVITE is tried again", () => {
  const cast = answered();
  const { stage, alice, bob, carol } = cast;
  alice.answer(491);
  alice.got.length = 0;
  for (let waited = 0; waited < 4_000 && alice.got.length === 0; waited += 10) stage.pass(10);
  alice.answer(200, { sdp: sdpOfAlice(2) });
  expect(told(cast).at(-1)).toBe("refer terminated SIP/2.0 200 OK");
  bob.request("BYE");
  endedBy(alice, carol, cast);
});

test("a target that hangs up before the transferee has changed over: it is asked back", () => {
  const cast = answered();
  const { stage, alice, bob, carol } = cast;
  carol.request("BYE");
  expect(stage.look()).toEqual(["0 carol > BYE", "0 carol < 200 BYE", "0 bob < NOTIFY"]);
  alice.answer(200, { sdp: sdpOfAlice(2) });
  expect(stage.look()).toEqual(["0 alice > 200", "0 alice < ACK", "0 alice < INVITE"]);
  expect(bodyOf(alice.asked("INVITE"))).toMatch(/o=- \d+ 3 /);
  expect(/m=audio (\d+)/.exec(bodyOf(alice.asked("INVITE")))?.[1]).toBe(
    /m=audio (\d+)/.exec(bodyOf(alice.response("INVITE")))?.[1],
  );
  alice.answer(200, { sdp: sdpOfAlice(3) });
  reaches(alice, bob);
  endedBy(bob, alice, cast);
});

test("a target that hangs up while the transferee has not even rung: the re-INVITE is cancelled", () => {
  const cast = answered();
  const { stage, alice, bob, carol } = cast;
  alice.answer(180);
  carol.request("BYE");
  expect(stage.look()).toContain("0 alice < CANCEL");
  alice.answer(200, { method: "CANCEL" });
  alice.answer(487);
  reaches(alice, bob);
  endedBy(bob, alice, cast);
});

test("who was put on hold for the transfer talks again; who holds by itself goes on holding", () => {
  const held = talking();
  held.bob.request("INVITE", { sdp: audio(BOB.ip, { port: 6000, version: 2, direction: "sendonly" }) });
  held.alice.answer(200, { sdp: audio(ALICE.ip, { version: 2, direction: "recvonly" }) });
  held.bob.ack();
  held.bob.request("REFER", { headers: [TO_CAROL] });
  expect(bodyOf(held.carol.asked("INVITE"))).toContain("a=sendrecv");

  const holding = talking();
  holding.alice.request("INVITE", { sdp: audio(ALICE.ip, { version: 2, direction: "sendonly" }) });
  holding.bob.answer(200, { sdp: audio(BOB.ip, { port: 6000, version: 2, direction: "recvonly" }) });
  holding.alice.ack();
  holding.bob.request("REFER", { headers: [TO_CAROL] });
  expect(bodyOf(holding.carol.asked("INVITE"))).toContain("a=sendonly");
});

test("a REFER that comes before the end of a re-INVITE waits for it", () => {
  const cast = talking();
  const { stage, alice, bob, carol } = cast;
  bob.request("INVITE", { sdp: audio(BOB.ip, { port: 6000, version: 2, direction: "sendonly" }) });
  bob.request("REFER", { headers: [TO_CAROL] });
  expect(bob.response("REFER")).toMatch(/^SIP\/2\.0 202 /);
  expect(() => carol.asked("INVITE")).toThrow();
  alice.answer(200, { sdp: audio(ALICE.ip, { version: 2, direction: "recvonly" }) });
  bob.ack();
  stage.pass(1_000);
  expect(bodyOf(carol.asked("INVITE"))).toContain("a=sendrecv");
});

test("a REFER whose re-INVITE does not end in time fails with 491", () => {
  const cast = talking();
  const { stage, bob, carol } = cast;
  bob.request("INVITE", { sdp: audio(BOB.ip, { port: 6000, version: 2, direction: "sendonly" }) });
  bob.request("REFER", { headers: [TO_CAROL] });
  bob.answer(200, { method: "NOTIFY" });
  stage.pass(5_000);
  expect(told(cast).at(-1)).toBe("refer terminated SIP/2.0 491 Request Pending");
  expect(() => carol.asked("INVITE")).toThrow();
  bob.request("BYE");
  restsAfterAll(cast);
});

test("a second REFER has to wait for the first, from either side", () => {
  const { alice, bob } = referred();
  bob.request("REFER", { headers: [TO_CAROL] });
  expect(bob.response("REFER")).toMatch(/^SIP\/2\.0 491 /);
  alice.request("REFER", { headers: [TO_CAROL] });
  expect(alice.response("REFER")).toMatch(/^SIP\/2\.0 491 /);
});

test("a target that never answers: CANCEL after three minutes, 408 for the referrer", () => {
  const cast = referred();
  const { stage, alice, bob, carol } = cast;
  stage.pass(181_400);
  expect(stage.look()).toEqual(["181000 carol < CANCEL", "181000 bob < NOTIFY"]);
  expect(told(cast).at(-1)).toBe("refer terminated SIP/2.0 408 Request Timeout");
  carol.answer(200, { method: "CANCEL" });
  carol.answer(487);
  bob.answer(200, { method: "NOTIFY" });
  endedBy(alice, bob, cast);
});

test("a 200 that crosses our CANCEL is acknowledged and ended", () => {
  const cast = referred();
  const { stage, alice, bob, carol } = cast;
  alice.request("BYE");
  carol.answer(200, { sdp: sdpOfCarol });
  expect(stage.look().slice(-3)).toEqual(["0 carol > 200", "0 carol < ACK", "0 carol < BYE"]);
  carol.answer(200, { method: "BYE" });
  bob.answer(200, { method: "BYE" });
  restsAfterAll(cast);
});

test("a re-INVITE of the transferee that was on its way as the referrer left has to come again", () => {
  const cast = referred();
  const { alice, bob, carol } = cast;
  alice.request("INVITE", { sdp: audio(ALICE.ip, { version: 2, direction: "sendonly" }) });
  expect(bob.asked("INVITE")).toContain("a=sendonly");
  bob.request("BYE");
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 491 /);
  alice.ackRefusal();
  bob.answer(487);
  carol.answer(200, { sdp: sdpOfCarol });
  alice.answer(200, { sdp: sdpOfAlice(3) });
  reaches(alice, carol);
  endedBy(alice, carol, cast);
});

test.each(["on its way", "refused with 491 and about to be tried again"])(
  "an UPDATE of the transferee whose re-INVITE is %s as the referrer leaves has to come again",
  (moment) => {
    const cast = referred();
    const { alice, bob, carol } = cast;
    alice.request("UPDATE", { sdp: audio(ALICE.ip, { version: 2, direction: "sendonly" }) });
    bob.answer(405, { method: "UPDATE" });
    expect(bob.asked("INVITE")).toContain("a=sendonly");
    if (moment !== "on its way") bob.answer(491);
    bob.request("BYE");
    expect(alice.response("UPDATE")).toMatch(/^SIP\/2\.0 500 /);
    expect(headerOf(alice.response("UPDATE"), "Retry-After")).toMatch(/^\d+$/);
    if (moment === "on its way") bob.answer(487);
    carol.answer(200, { sdp: sdpOfCarol });
    alice.answer(200, { sdp: sdpOfAlice(3) });
    endedBy(alice, carol, cast);
  },
);

test("a re-INVITE of the referrer that it did not wait for is waited for by us", () => {
  const cast = referred();
  const { stage, alice, bob, carol } = cast;
  bob.request("INVITE", { sdp: audio(BOB.ip, { port: 6000, version: 2, direction: "sendonly" }) });
  const asked = alice.asked("INVITE");
  bob.request("BYE");
  carol.answer(200, { sdp: sdpOfCarol });
  stage.pass(300);
  expect(alice.asked("INVITE").split("\r\n")[0]).toBe(asked.split("\r\n")[0]);
  expect(headerOf(alice.asked("INVITE"), "CSeq")).toBe(headerOf(asked, "CSeq")); // No second one beside it.
  alice.answer(200, { sdp: audio(ALICE.ip, { version: 2, direction: "recvonly" }) });
  stage.pass(300);
  expect(bodyOf(alice.asked("INVITE"))).toMatch(/o=- \d+ 3 [\s\S]*a=sendrecv/);
  alice.answer(200, { sdp: sdpOfAlice(3) });
  reaches(alice, carol);
  endedBy(alice, carol, cast);
});
