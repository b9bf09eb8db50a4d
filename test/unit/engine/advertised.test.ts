/** The box behind 1:1 NAT: what the outside is shown is the public address, and what it says to that address is taken. */
import { expect, test } from "vitest";
import type { RealmSettings, Settings } from "../../../src/base/index.ts";
import { audio, headerOf } from "../../support/scripted-party.ts";
import { twoSides } from "../../support/stage.ts";

const PUBLIC = "192.0.2.200";
const OWN = "203.0.113.1";

test("a call each way shows the public address alone, in Via, Contact and SDP, and our own never", () => {
  const { stage, alice, bob } = twoSides({ change: advertised });
  bob.invite("alice");
  const invite = alice.got.at(-1) ?? "";
  expect(headerOf(invite, "Via")).toContain(`${PUBLIC}:5060`);
  expect(headerOf(invite, "Contact")).toContain(`@${PUBLIC}:5060`);
  expect(invite).toContain(`c=IN IP4 ${PUBLIC}\r\n`);
  alice.answer(200, { sdp: audio(alice.place.ip) });
  bob.ack();
  expect(stage.look()).toContain("0 alice < ACK");
  bob.request("BYE");
  alice.answer(200, { method: "BYE" });

  alice.invite("bob");
  bob.answer(200, { sdp: audio(bob.place.ip) });
  const answer = alice.response("INVITE");
  expect(headerOf(answer, "Contact")).toContain(`@${PUBLIC}:5060`);
  expect(answer).toContain(`c=IN IP4 ${PUBLIC}\r\n`);
  expect(stage.sent.outside.filter((text) => text.replace(/^(?:To|From|[A-Z]+ ).*$/gm, "").includes(OWN))).toEqual([]);
  expect(stage.sent.inside.join("\n")).not.toContain(PUBLIC);
});

test("the relay listens on the address that this machine has", () => {
  const { stage, alice, bob } = twoSides({ change: advertised });
  bob.invite("alice");
  alice.answer(200, { sdp: audio(alice.place.ip) });
  const opened = stage.relay.find(({ word }) => word === "open");
  expect(opened).toMatchObject({ sides: [{}, { local: { ip: OWN } }] });
});

function advertised(settings: Settings): Settings {
  const outside = settings.realms.get("outside") as RealmSettings;
  return { ...settings, realms: new Map(settings.realms).set("outside", { ...outside, advertise: PUBLIC }) };
}
