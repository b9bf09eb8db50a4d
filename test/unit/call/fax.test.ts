/** Fax inside a call: the far end turns the sound into T.38 and back (ITU-T T.38 Annex D, RFC 3362). */
import { expect, test } from "vitest";
import { expectNoLeaks } from "../../support/leak-check.ts";
import { audio, bodyOf } from "../../support/scripted-party.ts";
import { ALICE, BOB, twoSides } from "../../support/stage.ts";
import { established, NOTHING } from "./scenes.ts";

const fax = (ip: string, port: number, version: number): string =>
  `v=0\r\no=- 77 ${version} IN IP4 ${ip}\r\ns=-\r\nc=IN IP4 ${ip}\r\nt=0 0\r\nm=image ${port} udptl t38\r\na=T38FaxVersion:0\r\na=T38FaxMaxDatagram:400\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n`;

test("the answering machine finds a fax, re-INVITEs to T.38, and the call goes back to sound when it is through", () => {
  const { stage, alice, bob } = established();
  bob.request("INVITE", { sdp: fax(BOB.ip, 6_100, 2) });
  const offer = bodyOf(alice.asked("INVITE"));
  expect(offer).toMatch(
    /m=image \d+ udptl t38\r\na=T38FaxVersion:0\r\na=T38FaxMaxDatagram:400\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n$/,
  );
  alice.answer(200, { sdp: fax(ALICE.ip, 4_100, 2) });
  expect(bodyOf(bob.response("INVITE"))).toMatch(/m=image \d+ udptl t38/);
  bob.ack();
  const kinds = () => stage.relay.flatMap((command) => (command.word === "open" ? [command.kind] : []));
  expect(kinds()).toEqual(["audio", "udptl"]);
  bob.request("INVITE", { sdp: audio(BOB.ip, { version: 3, port: 6_000 }) });
  alice.answer(200, { sdp: audio(ALICE.ip, { version: 3 }) });
  bob.ack();
  expect(kinds()).toEqual(["audio", "udptl", "audio"]);
  alice.request("BYE");
  bob.answer(200, { method: "BYE" });
  expectNoLeaks(stage);
  expect(stage.factsOf("call.ended")[0]!.streams.map(({ kind }) => kind)).toContain("audio");
  stage.pass(40_000);
  expect(stage.remains()).toEqual(NOTHING);
});

test("an end that knows no fax refuses it, and the call goes on with its sound", () => {
  const { stage, alice, bob } = established();
  const before = stage.relay.length;
  bob.request("INVITE", { sdp: fax(BOB.ip, 6_100, 2) });
  alice.answer(488);
  expect(bob.response("INVITE")).toMatch(/^SIP\/2\.0 488 /);
  expect(stage.relay.length).toBe(before);
});

test("a call may be a fax from the beginning", () => {
  const { stage, alice, bob } = twoSides();
  alice.invite("4711", { sdp: fax(ALICE.ip, 4_100, 1) });
  bob.answer(200, { sdp: fax(BOB.ip, 6_100, 1) });
  alice.ack();
  expect(stage.factsOf("call.answered")[0]!.media).toMatchObject([
    {
      kind: "image",
      caller: { codecs: ["t38"], profile: "udptl", suite: undefined },
      callee: { codecs: ["t38"], profile: "udptl", suite: undefined },
    },
  ]);
});
