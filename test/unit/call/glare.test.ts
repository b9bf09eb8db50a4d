/**
 * A change of the session while another one is under way, in every combination (RFC 3261 §14, RFC 3311 §5.2, RFC 6141 §3): what
 * the second one gets, that the first one ends well all the same, and that a third one then goes through.
 */
import { expect, test } from "vitest";
import { expectNoLeaks } from "../../support/leak-check.ts";
import { audio } from "../../support/scripted-party.ts";
import { established, NOTHING } from "./scenes.ts";

type Ask = "INVITE with an offer" | "INVITE without" | "UPDATE with an offer" | "UPDATE without";

/** By the first request: what a second one of the same side gets, and one of the other side. `crosses`: it goes on. */
const verdicts: Record<Ask, Record<Ask, readonly [same: string, other: string]>> = {
  "INVITE with an offer": {
    "INVITE with an offer": ["500", "491"],
    "INVITE without": ["500", "491"],
    "UPDATE with an offer": ["500", "491"],
    "UPDATE without": ["crosses", "crosses"],
  },
  "INVITE without": {
    "INVITE with an offer": ["500", "491"],
    "INVITE without": ["500", "491"],
    "UPDATE with an offer": ["500", "491"],
    "UPDATE without": ["crosses", "crosses"],
  },
  "UPDATE with an offer": {
    "INVITE with an offer": ["491", "491"],
    "INVITE without": ["491", "491"],
    "UPDATE with an offer": ["500", "491"],
    "UPDATE without": ["crosses", "crosses"],
  },
  "UPDATE without": {
    "INVITE with an offer": ["crosses", "crosses"],
    "INVITE without": ["crosses", "crosses"],
    "UPDATE with an offer": ["crosses", "crosses"],
    "UPDATE without": ["crosses", "crosses"],
  },
};

type Scene = ReturnType<typeof established>;
type Name = "alice" | "bob";
const otherOf = (name: Name): Name => (name === "alice" ? "bob" : "alice");

for (const first of Object.keys(verdicts) as Ask[]) {
  for (const second of Object.keys(verdicts) as Ask[]) {
    for (const asker of ["alice", "bob"] as const) {
      for (const again of ["alice", "bob"] as const) {
        // The scripted phones answer the request that came last: they cannot answer two of one method.
        if (first === "UPDATE with an offer" && second === "UPDATE without" && asker === again) continue;
        const wanted = verdicts[first][second][asker === again ? 0 : 1];
        test(`${asker}: ${first}; then ${again}: ${second} → ${wanted}`, () => {
          const scene = established();
          const { stage } = scene;
          ask(scene, asker, first, 2);
          const heard = scene[otherOf(again)].got.length;
          ask(scene, again, second, 3);
          const method = second.slice(0, 6);
          if (wanted === "crosses") {
            expect(scene[otherOf(again)].got.slice(heard).some((text) => text.startsWith(method))).toBe(true);
            answer(scene, otherOf(again), again, second);
          } else {
            expect(scene[again].response(method)).toMatch(new RegExp(`^SIP/2\\.0 ${wanted} `));
            expect(scene[otherOf(again)].got).toHaveLength(heard);
            if (method === "INVITE") scene[again].ackRefusal();
          }
          if (!(wanted === "crosses" && method === first.slice(0, 6))) answer(scene, otherOf(asker), asker, first);
          ask(scene, asker, "UPDATE with an offer", 4);
          answer(scene, otherOf(asker), asker, "UPDATE with an offer");
          expect(stage.factsOf("call.ended")).toEqual([]);
          scene.alice.request("BYE");
          scene.bob.answer(200, { method: "BYE" });
          stage.pass(300_000);
          expect(stage.remains()).toEqual(NOTHING);
          expectNoLeaks(stage);
        });
      }
    }
  }
}

const sdpOf = (scene: Scene, name: Name, version: number): string =>
  audio(scene[name].place.ip, { version, port: name === "alice" ? 4000 : 6000 });

function ask(scene: Scene, name: Name, what: Ask, version: number): void {
  const sdp = what.endsWith("offer") ? sdpOf(scene, name, version) : undefined;
  scene[name].request(what.slice(0, 6), { sdp });
}

/** `name` takes what `asker` asked. */
function answer(scene: Scene, name: Name, asker: Name, what: Ask): void {
  const method = what.slice(0, 6);
  const described = what !== "UPDATE without";
  scene[name].answer(200, { method, sdp: described ? sdpOf(scene, name, 5) : undefined });
  expect(scene[asker].response(method)).toMatch(/^SIP\/2\.0 200 /);
  if (method === "INVITE") scene[asker].ack({ sdp: what.endsWith("offer") ? undefined : sdpOf(scene, asker, 6) });
}
