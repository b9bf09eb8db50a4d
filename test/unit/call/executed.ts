/** Scenes of transfers that the box makes by itself. */

import { expect } from "vitest";
import type { PeerSettings, ReferPolicy, Settings } from "../../../src/base/index.ts";
import { audio, bodyOf, headerOf, type ScriptedParty, tagOf } from "../../support/scripted-party.ts";
import { ALICE, BOB, type Place, type Stage, type StageOptions, twoSides } from "../../support/stage.ts";
import { NOTHING, sdpOfBob } from "./scenes.ts";

/** Carol is at another carrier outside; dave at another PBX inside. */
export const CAROL: Place = { realm: "outside", ip: "198.51.100.8", port: 5060 };
export const DAVE: Place = { realm: "inside", ip: "10.9.0.8", port: 5060 };

/** What begins with 5 goes to carol, with 6 to dave; everything else as ever. */
function widened(policy: ReferPolicy, settings: Settings): Settings {
  const carrier = settings.peers.get("carrier") as PeerSettings;
  const pbx = settings.peers.get("pbx") as PeerSettings;
  const at = ({ ip, port }: Place) => ({ kind: "host", protocol: "udp", host: ip, port }) as const;
  const peers = new Map(settings.peers)
    .set("carrier", { ...carrier, refer: policy })
    .set("pbx", { ...pbx, refer: policy })
    .set("other", { ...carrier, name: "other", targets: [at(CAROL)] })
    .set("branch", { ...pbx, name: "branch", targets: [at(DAVE)] });
  const routes = [
    { when: { realm: "inside", number: /^5/ }, to: ["other"] },
    { when: { realm: "inside", number: /^6/ }, to: ["branch"] },
    ...settings.routes,
  ];
  return { ...settings, peers, routes };
}

export interface Cast {
  readonly stage: Stage;
  readonly alice: ScriptedParty;
  readonly bob: ScriptedParty;
  readonly carol: ScriptedParty;
  readonly dave: ScriptedParty;
}

/** Alice outside has called bob inside, and they talk. */
export function talking(
  policy: ReferPolicy = "execute",
  change: (settings: Settings) => Settings = (same) => same,
  options: StageOptions = {},
  headers: readonly string[] = [],
  sdp: string = audio(ALICE.ip),
  answer: string = sdpOfBob,
): Cast {
  const { stage, alice, bob } = twoSides({ ...options, change: (settings) => change(widened(policy, settings)) });
  const carol = stage.party("carol", CAROL);
  const dave = stage.party("dave", DAVE);
  alice.invite("4711", { sdp, headers });
  bob.answer(200, { sdp: answer });
  alice.ack();
  stage.look();
  return { stage, alice, bob, carol, dave };
}

/** The name of the dialog that the last INVITE of this party made, as a target of Replaces has to read it. */
export function replacesOf(party: ScriptedParty): string {
  const answer = party.response("INVITE");
  const [to, from] = [tagOf(headerOf(answer, "To")), tagOf(headerOf(answer, "From"))];
  return `${headerOf(answer, "Call-ID")};to-tag=${to};from-tag=${from}`;
}

export const sdpOfAlice = (version: number): string => audio(ALICE.ip, { version });
export const sdpOfCarol = audio(CAROL.ip, { port: 7000 });
export const sdpOfDave = audio(DAVE.ip, { port: 7100 });
export { BOB };

export const TO_CAROL = "Refer-To: <sip:555@10.9.0.1>";

/** Bob refers alice to carol, and carol rings. */
export function referred(cast: Cast = talking()): Cast {
  const { stage, bob, carol } = cast;
  bob.request("REFER", { headers: [TO_CAROL] });
  bob.answer(200, { method: "NOTIFY" });
  carol.answer(180);
  bob.answer(200, { method: "NOTIFY" });
  stage.look();
  return cast;
}

/** Carol has answered; alice is asked to change over. */
export function answered(cast: Cast = referred()): Cast {
  cast.carol.answer(200, { sdp: sdpOfCarol });
  cast.stage.look();
  return cast;
}

/** What `one` asks inside its call comes to `other`, and the answer comes back. */
export function reaches(one: ScriptedParty, other: ScriptedParty): void {
  one.request("INFO");
  other.answer(200, { method: "INFO" });
  expect(one.response("INFO")).toMatch(/^SIP\/2\.0 200 /);
}

export function hangsUp(one: ScriptedParty, other: ScriptedParty): void {
  one.request("BYE");
  other.answer(200, { method: "BYE" });
}

/** The last call ends, and nothing is left. */
export function endedBy(one: ScriptedParty, other: ScriptedParty, cast: Cast): void {
  hangsUp(one, other);
  restsAfterAll(cast);
}

export function restsAfterAll({ stage }: Cast): void {
  stage.pass(240_000);
  expect(stage.remains()).toEqual(NOTHING);
  expect(countedCalls(stage)).toEqual([]);
  expect(mayHaveLeaked(stage)).toEqual([]);
}

export const told = ({ bob }: Cast): string[] => bob.got.filter((one) => one.startsWith("NOTIFY ")).map(sayOf);
const sayOf = (notify: string): string =>
  `${headerOf(notify, "Event")} ${headerOf(notify, "Subscription-State").split(";")[0]} ${bodyOf(notify).trim()}`;

/** Addresses of one side in what was sent to the other. */
export function mayHaveLeaked(stage: Stage): string[] {
  const outside = stage.sent.outside.filter((text) => /10\.9\.0\.|bob-phone|dave-phone|bob-tag|dave-tag/.test(text));
  const inside = stage.sent.inside.filter((text) =>
    /198\.51\.100\.|203\.0\.113\.|alice-phone|carol-phone|alice-tag|carol-tag/.test(text),
  );
  return [...outside, ...inside];
}

/** Bob's second line. */
export const DESK: Place = { realm: "inside", ip: BOB.ip, port: 5070 };
export const sdpOfDesk = audio(BOB.ip, { port: 6100 });

/** Alice and bob talk; bob has called carol on his second line, and they talk as well. */
export function consulting(cast: Cast = talking()): Cast & { readonly desk: ScriptedParty } {
  const { stage, carol } = cast;
  const desk = stage.party("desk", DESK);
  desk.invite("555", { sdp: sdpOfDesk });
  carol.answer(200, { sdp: sdpOfCarol });
  desk.ack();
  stage.look();
  return { ...cast, desk };
}

/** Bob asks that alice takes his place in the call of his second line. */
export function referToDesk({ stage, bob, desk }: ReturnType<typeof consulting>, flags = ""): void {
  const replaces = encodeURIComponent(`${replacesOf(desk)}${flags}`);
  bob.request("REFER", { headers: [`Refer-To: <sip:555@10.9.0.1?Replaces=${replaces}>`] });
  if (bob.got.some((one) => one.startsWith("NOTIFY "))) bob.answer(200, { method: "NOTIFY" });
  stage.look();
}

/** Peers that some call still counts against. */
export const countedCalls = (stage: Stage): string[] =>
  stage.engine
    .view()
    .peers()
    .filter(({ calls }) => calls !== 0)
    .map(({ name, calls }) => `${name}: ${calls}`);
