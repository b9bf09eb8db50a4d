/** Media, keys and timers of a call that was transferred by the box. */
import { expect, test } from "vitest";
import type { Settings } from "../../../src/base/index.ts";
import { audio, bodyOf } from "../../support/scripted-party.ts";
import { ALICE } from "../../support/stage.ts";
import { answered, CAROL, type Cast, endedBy, referred, sdpOfAlice, sdpOfCarol, talking } from "./executed.ts";

function joined(cast: Cast, sdp: string = sdpOfAlice(2)): Cast {
  cast.alice.answer(200, { sdp });
  cast.bob.answer(200, { method: "NOTIFY" });
  cast.bob.request("BYE");
  cast.stage.look();
  return cast;
}

function ends(cast: Cast): void {
  endedBy(cast.alice, cast.carol, cast);
}

test("the relay carries the new pair alone, between the transferee and the target", () => {
  const cast = joined(answered());
  const { relay } = cast.stage;
  expect(relay.map(({ word, pair }) => `${word} ${pair}`)).toEqual([
    "open 0",
    "open 1",
    ...relay.filter(({ word }) => word === "change").map(({ pair }) => `change ${pair}`),
    "close 0",
  ]);
  const opened = relay.filter((command) => command.word === "open")[1];
  expect(opened?.sides.map(({ remote }) => remote)).toMatchObject([
    { ip: ALICE.ip, rtpPort: 4000 },
    { ip: CAROL.ip, rtpPort: 7000 },
  ]);
  ends(cast);
});

test("a transferee that moves its media as it changes over is found there", () => {
  const cast = joined(answered(), audio(ALICE.ip, { version: 2, port: 4444 }));
  const changes = cast.stage.relay.filter((command) => command.word === "change" && command.pair === 1);
  expect(changes).toContainEqual(
    expect.objectContaining({
      side: 0,
      set: expect.objectContaining({ remote: expect.objectContaining({ rtpPort: 4444 }) }),
    }),
  );
  ends(cast);
});

const secure = (settings: Settings): Settings => {
  const outside = settings.realms.get("outside");
  if (outside === undefined) return settings;
  const realms = new Map(settings.realms).set("outside", { ...outside, srtp: "preferred", sdesWithoutTls: true });
  return { ...settings, realms };
};
const KEY = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
const withKey = (sdp: string, tag = 1): string =>
  sdp.replace("RTP/AVP", "RTP/SAVP") + `a=crypto:${tag} AES_CM_128_HMAC_SHA1_80 inline:${KEY}\r\n`;
const keysIn = (sdp: string): string[] => [...sdp.matchAll(/inline:(\S+)/g)].map((match) => match[1] as string);

test("every leg of the new call has keys of its own", () => {
  const cast = talking("execute", secure, {}, [], withKey(audio(ALICE.ip)));
  const { stage, alice, bob, carol } = cast;
  const before = keysIn(bodyOf(alice.response("INVITE")));
  expect(before).toHaveLength(1);
  referred(cast);
  const toCarol = keysIn(bodyOf(carol.asked("INVITE")));
  carol.answer(200, { sdp: withKey(sdpOfCarol) });
  const after = keysIn(bodyOf(alice.asked("INVITE")));
  alice.answer(200, { sdp: withKey(sdpOfAlice(2)) });
  expect(after).toHaveLength(1);
  expect(new Set([...before, ...toCarol, ...after, KEY]).size).toBe(before.length + toCarol.length + after.length + 1);
  bob.answer(200, { method: "NOTIFY" });
  bob.request("BYE");
  expect(stage.sent.outside.join("").includes(KEY)).toBe(false);
  ends(cast);
});

test("session timers go on: each leg of the new call is refreshed with what it agreed on there", () => {
  const timed = (settings: Settings): Settings => ({
    ...settings,
    sessionTimer: { seconds: 1_800, minimumSeconds: 90 },
  });
  const cast = joined(answered(referred(talking("execute", timed))));
  const { stage, alice, carol } = cast;
  const agreed = bodyOf(alice.asked("INVITE"));
  const told = bodyOf(carol.asked("INVITE"));
  stage.look();
  stage.pass(900_100);
  expect(stage.look()).toEqual(["900000 alice < INVITE"]);
  expect(bodyOf(alice.asked("INVITE"))).toBe(agreed);
  alice.answer(200, { sdp: sdpOfAlice(2) });
  stage.look();
  stage.pass(4_000); // One after the other.
  expect(stage.look()).toEqual(["904000 carol < INVITE"]);
  expect(bodyOf(carol.asked("INVITE"))).toBe(told);
  carol.answer(200, { sdp: sdpOfCarol });
  ends(cast);
});
