/** How most diaries begin. */
import { audio } from "../../support/scripted-party.ts";
import { BOB, type StageOptions, twoSides } from "../../support/stage.ts";

export const sdpOfBob = audio(BOB.ip, { port: 6000 });

export function ringing(options: StageOptions = {}) {
  const scene = twoSides(options);
  scene.alice.invite("4711");
  scene.bob.answer(180);
  return scene;
}

/** Alice called, bob answered, alice acknowledged. */
export function established(options: StageOptions = {}) {
  const scene = ringing(options);
  scene.bob.answer(200, { sdp: sdpOfBob });
  scene.alice.ack();
  return scene;
}

/** What remains of an ended call once its transactions have died out. */
export const NOTHING = {
  calls: 0,
  legs: 0,
  dialogs: 0,
  exchanges: 0,
  subscriptions: 0,
  subscribers: 0,
  sessions: 0,
  pairs: 0,
  client: 0,
  server: 0,
  lingering: 0,
  timers: 0,
};
