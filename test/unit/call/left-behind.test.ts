/** What an end has asked in a call that it leaves by a transfer: its new call does not suffer. RFC 5057 §5.1, RFC 5589. */
import { expect, test } from "vitest";
import { headerOf } from "../../support/scripted-party.ts";
import { answered, endedBy, reaches, referred, sdpOfAlice, sdpOfCarol } from "./executed.ts";

test("the referrer answers nothing any more: what was asked of it is answered by us, and the new call goes on", () => {
  const cast = referred();
  const { stage, alice, bob, carol } = cast;
  alice.request("INFO");
  carol.answer(200, { sdp: sdpOfCarol });
  alice.answer(200, { sdp: sdpOfAlice(2) });
  const told = alice.response("INFO");
  expect(told).toMatch(/^SIP\/2\.0 500 /);
  expect(Number(headerOf(told, "Retry-After"))).toBeGreaterThan(0);
  bob.request("BYE");
  stage.pass(31_000);
  const answers = alice.got.filter((text) => / INFO\r/.test(text) && text.startsWith("SIP/2.0"));
  expect(answers.length).toBe(1);
  reaches(alice, carol);
  endedBy(carol, alice, cast);
});

test("the referrer answers 481 after the two are together: the one that asked does not hear it", () => {
  const cast = referred();
  const { alice, bob, carol } = cast;
  alice.request("INFO");
  carol.answer(200, { sdp: sdpOfCarol });
  alice.answer(200, { sdp: sdpOfAlice(2) });
  bob.request("BYE");
  bob.answer(481, { method: "INFO" });
  expect(alice.got.filter((text) => text.startsWith("SIP/2.0 481"))).toEqual([]);
  reaches(alice, carol);
  endedBy(carol, alice, cast);
});

test.each([
  ["while the target rings", referred],
  ["while the transferee is asked", answered],
])("the referrer knows its dialog no more %s: as if it had hung up, and the transfer goes on", (_when, scene) => {
  const cast = scene();
  const { alice, bob, carol, stage } = cast;
  alice.request("INFO");
  bob.answer(481, { method: "INFO" });
  expect(alice.response("INFO")).toMatch(/^SIP\/2\.0 500 /);
  if (scene === referred) carol.answer(200, { sdp: sdpOfCarol });
  alice.answer(200, { sdp: sdpOfAlice(2) });
  reaches(alice, carol);
  expect(stage.factsOf("call.transferred")).toMatchObject([{ status: 200 }]);
  expect(alice.got.some((text) => text.startsWith("BYE "))).toBe(false);
  bob.answer(200, { method: "BYE" });
  endedBy(carol, alice, cast);
});
