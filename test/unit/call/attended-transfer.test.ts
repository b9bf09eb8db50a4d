/** Attended transfers that the box makes by itself: RFC 3891, RFC 5589 §7. */
import { expect, test } from "vitest";
import { audio, bodyOf, headerOf } from "../../support/scripted-party.ts";
import { ALICE } from "../../support/stage.ts";
import {
  BOB,
  CAROL,
  consulting,
  endedBy,
  hangsUp,
  reaches,
  referred,
  referToDesk,
  replacesOf,
  sdpOfAlice,
  sdpOfCarol,
  sdpOfDave,
  talking,
  told,
} from "./executed.ts";
import { sdpOfBob } from "./scenes.ts";

const sdpOfCarolAgain = audio(CAROL.ip, { port: 7000, version: 2 });

test("the far ends of both calls of the referrer are joined by a re-INVITE each", () => {
  const cast = consulting();
  const { stage, alice, bob, carol, desk } = cast;
  const replaces = encodeURIComponent(replacesOf(desk));
  bob.request("REFER", { headers: [`Refer-To: <sip:555@10.9.0.1?Replaces=${replaces}>`] });
  bob.answer(200, { method: "NOTIFY" });
  carol.answer(200, { sdp: sdpOfCarolAgain });
  alice.answer(200, { sdp: sdpOfAlice(2) });
  bob.answer(200, { method: "NOTIFY" });
  desk.request("BYE");
  bob.request("BYE");
  expect(stage.look()).toEqual([
    "0 bob > REFER",
    "0 bob < 202 REFER",
    "0 bob < NOTIFY",
    "0 carol < INVITE",
    "0 bob > 200 NOTIFY",
    "0 carol > 200",
    "0 carol < ACK",
    "0 alice < INVITE",
    "0 alice > 200",
    "0 alice < ACK",
    "0 bob < NOTIFY",
    "0 bob > 200 NOTIFY",
    "0 desk > BYE",
    "0 desk < 200 BYE",
    "0 bob > BYE",
    "0 bob < 200 BYE",
  ]);
  expect(told(cast)).toEqual(["refer active SIP/2.0 100 Trying", "refer terminated SIP/2.0 200 OK"]);
  expect(bodyOf(carol.asked("INVITE"))).toMatch(/o=- \d+ 2 /);

  reaches(alice, carol);
  carol.request("INVITE", { sdp: audio(CAROL.ip, { port: 7000, version: 3, direction: "sendonly" }) });
  expect(bodyOf(alice.asked("INVITE"))).toMatch(/o=- \d+ 3 .*a=sendonly/s);
  alice.answer(200, { sdp: audio(ALICE.ip, { version: 3, direction: "recvonly" }) });
  carol.ack();
  expect(stage.factsOf("call.transferred")).toMatchObject([{ kind: "attended", status: 200 }]);
  expect(stage.factsOf("call.ended")).toMatchObject([
    { cause: "transfer", by: "callee" },
    { cause: "transfer", by: "caller" },
  ]);
  endedBy(alice, carol, cast);
});

test("a referrer that ends nothing: both of its legs are ended by us", () => {
  const cast = consulting();
  const { stage, alice, bob, carol, desk } = cast;
  referToDesk(cast);
  carol.answer(200, { sdp: sdpOfCarolAgain });
  alice.answer(200, { sdp: sdpOfAlice(2) });
  bob.answer(200, { method: "NOTIFY" });
  stage.pass(4_100);
  expect(stage.look().slice(-2)).toEqual(["4000 bob < BYE", "4000 desk < BYE"]);
  bob.answer(200, { method: "BYE" });
  desk.answer(200, { method: "BYE" });
  endedBy(carol, alice, cast);
});

test("a referrer that ends both calls at once: both far ends are kept, and joined", () => {
  const cast = consulting();
  const { stage, alice, bob, carol, desk } = cast;
  referToDesk(cast);
  desk.request("BYE");
  bob.request("BYE");
  expect(stage.look()).toEqual(["0 desk > BYE", "0 desk < 200 BYE", "0 bob > BYE", "0 bob < 200 BYE"]);
  carol.answer(200, { sdp: sdpOfCarolAgain });
  alice.answer(200, { sdp: sdpOfAlice(2) });
  reaches(alice, carol);
  endedBy(carol, alice, cast);
});

test("a target that will not change over: both calls go on as they were", () => {
  const cast = consulting();
  const { stage, alice, bob, carol, desk } = cast;
  referToDesk(cast);
  carol.answer(488);
  expect(stage.look()).toEqual(["0 carol > 488", "0 carol < ACK", "0 bob < NOTIFY"]);
  expect(told(cast).at(-1)).toBe("refer terminated SIP/2.0 488 Not Acceptable Here");
  bob.answer(200, { method: "NOTIFY" });
  reaches(alice, bob);
  reaches(carol, desk);
  hangsUp(desk, carol);
  endedBy(bob, alice, cast);
});

test("a transferee that will not, when the target has changed over already: the target is asked back", () => {
  const cast = consulting();
  const { stage, alice, bob, carol, desk } = cast;
  referToDesk(cast);
  carol.answer(200, { sdp: sdpOfCarolAgain });
  alice.answer(488);
  expect(stage.look().slice(-2)).toEqual(["0 bob < NOTIFY", "0 carol < INVITE"]);
  expect(bodyOf(carol.asked("INVITE"))).toMatch(/o=- \d+ 3 /);
  carol.answer(200, { sdp: audio(CAROL.ip, { port: 7000, version: 3 }) });
  bob.answer(200, { method: "NOTIFY" });
  reaches(carol, desk);
  reaches(alice, bob);
  hangsUp(desk, carol);
  endedBy(alice, bob, cast);
});

test("a target that hangs up while it is asked", () => {
  const cast = consulting();
  const { stage, alice, bob, carol, desk } = cast;
  referToDesk(cast);
  carol.request("BYE");
  expect(stage.look()).toEqual(["0 carol > BYE", "0 carol < 200 BYE", "0 bob < NOTIFY", "0 desk < BYE"]);
  desk.answer(200, { method: "BYE" });
  bob.answer(200, { method: "NOTIFY" });
  endedBy(alice, bob, cast);
});

test("a transferee that hangs up while the target is asked: the target is asked back", () => {
  const cast = consulting();
  const { stage, alice, bob, carol, desk } = cast;
  referToDesk(cast);
  alice.request("BYE");
  expect(stage.look()).toEqual(["0 alice > BYE", "0 alice < 200 BYE", "0 bob < NOTIFY", "0 bob < BYE"]);
  bob.answer(200, { method: "BYE" });
  carol.answer(200, { sdp: sdpOfCarolAgain });
  expect(stage.look().slice(-2)).toEqual(["0 carol < ACK", "0 carol < INVITE"]);
  carol.answer(200, { sdp: audio(CAROL.ip, { port: 7000, version: 3 }) });
  reaches(carol, desk);
  endedBy(desk, carol, cast);
});

test("a target that is kept, and a transferee that will not: it is told to go", () => {
  const cast = consulting();
  const { stage, alice, bob, carol, desk } = cast;
  referToDesk(cast);
  desk.request("BYE");
  carol.answer(200, { sdp: sdpOfCarolAgain });
  alice.answer(488);
  expect(stage.look().slice(-3)).toEqual(["0 alice < ACK", "0 bob < NOTIFY", "0 carol < BYE"]);
  carol.answer(200, { method: "BYE" });
  bob.answer(200, { method: "NOTIFY" });
  endedBy(alice, bob, cast);
});

test("a target that says nothing: its own call is lost, the other goes on", () => {
  const cast = consulting();
  const { stage, alice, bob, desk } = cast;
  referToDesk(cast);
  stage.pass(32_400);
  expect(stage.look().filter((line) => / (alice|bob|desk|carol) < (?!INVITE)/.test(line))).toEqual([
    "32000 bob < NOTIFY",
    "32000 carol < BYE",
    "32000 desk < BYE",
  ]);
  desk.answer(200, { method: "BYE" });
  bob.answer(200, { method: "NOTIFY" });
  endedBy(alice, bob, cast);
});

test("a call that has more streams than the other keeps its m-lines, switched off", () => {
  const cast = talking();
  const { stage, alice, bob, carol } = cast;
  const desk = stage.party("desk", { realm: "inside", ip: "10.9.0.7", port: 5070 });
  const video = (port: number): string => `m=video ${port} RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n`;
  desk.invite("555", { sdp: audio("10.9.0.7", { port: 6100 }) + video(6102) });
  carol.answer(200, { sdp: sdpOfCarol + video(7002) });
  desk.ack();
  referToDesk({ ...cast, desk });
  const offered = bodyOf(carol.asked("INVITE"));
  expect(offered.match(/^m=\w+ \d+/gm)?.map((line) => line.replace(/[1-9]\d*/, "P"))).toEqual([
    "m=audio P",
    "m=audio 0",
  ]);
  carol.answer(200, { sdp: `${sdpOfCarolAgain}m=audio 0 RTP/AVP 0\r\n` });
  expect(bodyOf(alice.asked("INVITE")).match(/^m=/gm)).toHaveLength(2);
  alice.answer(200, { sdp: `${sdpOfAlice(2)}m=audio 0 RTP/AVP 0\r\n` });
  expect(told(cast).at(-1)).toBe("refer terminated SIP/2.0 200 OK");
  bob.answer(200, { method: "NOTIFY" });
  bob.request("BYE");
  desk.request("BYE");
  endedBy(carol, alice, cast);
});

test("a target that still rings: it is called anew, for the transferee", () => {
  const cast = talking();
  const { stage, alice, bob, carol } = cast;
  const desk = stage.party("desk", { realm: "inside", ip: "10.9.0.7", port: 5070 });
  desk.invite("555");
  carol.answer(180);
  const first = carol.asked("INVITE");
  stage.look();
  referToDesk({ ...cast, desk });
  carol.answer(200, { method: "CANCEL" });
  expect(carol.asked("INVITE")).not.toBe(first);
  expect(desk.response("INVITE")).toMatch(/^SIP\/2\.0 487 /);
  desk.ackRefusal();
  carol.answer(200, { sdp: sdpOfCarol });
  alice.answer(200, { sdp: sdpOfAlice(2) });
  expect(told(cast).at(-1)).toBe("refer terminated SIP/2.0 200 OK");
  bob.answer(200, { method: "NOTIFY" });
  bob.request("BYE");
  hangsUp(alice, carol);
  stage.pass(240_000);
});

test("Replaces that names no dialog of ours goes with the call where it can mean something: on its own side", () => {
  const name = encodeURIComponent("them@10.9.0.8;to-tag=x;from-tag=y");
  const here = talking();
  here.bob.request("REFER", { headers: [`Refer-To: <sip:666@10.9.0.1?Replaces=${name}>`] });
  expect(headerOf(here.dave.asked("INVITE"), "Replaces")).toBe("them@10.9.0.8;to-tag=x;from-tag=y");
  expect(headerOf(here.dave.asked("INVITE"), "Require")).toBe("replaces");
  here.dave.answer(200, { sdp: sdpOfDave });
  expect(here.alice.asked("INVITE")).not.toContain("10.9.");

  const there = talking();
  there.bob.request("REFER", { headers: [`Refer-To: <sip:555@10.9.0.1?Replaces=${name}>`] });
  there.bob.answer(200, { method: "NOTIFY" });
  expect(() => there.carol.asked("INVITE")).toThrow();
  expect(told(there).at(-1)).toBe("refer terminated SIP/2.0 481 Call/Transaction Does Not Exist");
});

test("a dialog that was answered is not taken over by who wants it early, nor by somebody else", () => {
  const cast = consulting();
  referToDesk(cast, ";early-only");
  expect(cast.bob.response("REFER")).toMatch(/^SIP\/2\.0 486 /);

  // Of dave's call bob may know the name; it is none of his business.
  const { stage, bob, carol, dave } = talking();
  dave.invite("555", { sdp: sdpOfDave });
  carol.answer(200, { sdp: sdpOfCarol });
  dave.ack();
  stage.look();
  bob.request("REFER", { headers: [`Refer-To: <sip:555@10.9.0.1?Replaces=${encodeURIComponent(replacesOf(dave))}>`] });
  expect(stage.look()).toEqual(["0 bob > REFER", "0 bob < 403 REFER"]);
});

test("nobody is joined with himself", () => {
  const { stage, alice, bob } = talking();
  alice.request("REFER", {
    headers: [`Refer-To: <sip:4711@203.0.113.1?Replaces=${encodeURIComponent(replacesOf(alice))}>`],
  });
  expect(alice.response("REFER")).toMatch(/^SIP\/2\.0 403 /);
  expect(bob.got.filter((one) => one.startsWith("INVITE "))).toHaveLength(1);
  expect(stage.factsOf("call.transferred")).toEqual([]);
});

test("a target asked back keeps its m-lines from then on, though its old call has fewer, and never hears a version twice", () => {
  const video = (port: number): string => `m=video ${port} RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n`;
  const cast = consulting(
    talking("execute", undefined, {}, [], audio(ALICE.ip) + video(41_000), sdpOfBob + video(6_002)),
  );
  const { alice, bob, carol, desk } = cast;
  const off = "m=audio 0 RTP/AVP 0\r\n";
  const version = (text: string): number => Number(/o=- \d+ (\d+) /.exec(text)?.[1]);
  const lines = (text: string): number => text.match(/^m=/gm)?.length ?? 0;
  referToDesk(cast);
  const first = bodyOf(carol.asked("INVITE"));
  expect(lines(first)).toBe(2);
  carol.answer(200, { sdp: `${sdpOfCarolAgain}m=video 0 RTP/AVP 96\r\n` });

  // In between nobody of its old call changes anything: what the two agreed on is out of date.
  carol.request("INVITE", { sdp: `${audio(CAROL.ip, { port: 7000, version: 3 })}m=video 0 RTP/AVP 96\r\n` });
  expect(carol.response("INVITE")).toMatch(/^SIP\/2\.0 491 /);
  carol.ackRefusal();
  desk.request("INVITE", { sdp: audio("10.9.0.7", { port: 6100, version: 2 }) });
  expect(desk.response("INVITE")).toMatch(/^SIP\/2\.0 491 /);
  desk.ackRefusal();

  alice.answer(488);
  const back = bodyOf(carol.asked("INVITE"));
  expect(lines(back)).toBe(2);
  expect(version(back)).toBe(version(first) + 1);
  carol.answer(200, { sdp: `${audio(CAROL.ip, { port: 7000, version: 4 })}${off}` });
  bob.answer(200, { method: "NOTIFY" });

  desk.request("INVITE", { sdp: audio("10.9.0.7", { port: 6100, version: 3, direction: "sendonly" }) });
  const held = bodyOf(carol.asked("INVITE"));
  expect(lines(held)).toBe(2);
  expect(version(held)).toBe(version(back) + 1);
  carol.answer(200, { sdp: `${audio(CAROL.ip, { port: 7000, version: 5, direction: "recvonly" })}${off}` });
  expect(lines(bodyOf(desk.response("INVITE")))).toBe(1);
  desk.ack();

  carol.request("INVITE", { sdp: `${audio(CAROL.ip, { port: 7000, version: 6 })}${off}` });
  expect(lines(bodyOf(desk.asked("INVITE")))).toBe(2);
  desk.answer(200, { sdp: `${audio("10.9.0.7", { port: 6100, version: 4 })}${off}` });
  expect(lines(bodyOf(carol.response("INVITE")))).toBe(2);
  carol.ack();
  hangsUp(desk, carol);
  endedBy(alice, bob, cast);
});

test("a transferee that changes its own call while the target rings is asked by what it heard last", () => {
  const cast = referred();
  const { alice, bob, carol } = cast;
  const video = (port: number): string => `m=video ${port} RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n`;
  alice.request("INVITE", { sdp: sdpOfAlice(2) + video(41_000) });
  bob.answer(200, { sdp: `${audio(BOB.ip, { port: 6000, version: 2 })}m=video 0 RTP/AVP 96\r\n` });
  alice.ack();
  const heard = bodyOf(alice.response("INVITE"));
  carol.answer(200, { sdp: sdpOfCarol });
  const asked = bodyOf(alice.asked("INVITE"));
  expect(asked.match(/^m=/gm)).toHaveLength(2);
  const version = (text: string): number => Number(/o=- \d+ (\d+) /.exec(text)?.[1]);
  expect(version(asked)).toBeGreaterThan(version(heard));
  alice.answer(200, { sdp: `${sdpOfAlice(3)}m=video 0 RTP/AVP 96\r\n` });
  bob.answer(200, { method: "NOTIFY" });
  bob.request("BYE");
  endedBy(carol, alice, cast);
});
