/** What stands between a phone and its registrar, on either side of the box (RFC 3327), and what stands in for a PBX that is away. */
import { expect, test } from "vitest";
import type { PeerSettings, Settings } from "../../../src/base/index.ts";
import { lineOf } from "../../support/phone.ts";
import { AT_HOME, phonesAt } from "../../support/phones.ts";
import { audio } from "../../support/scripted-party.ts";
import { BOB, type Place, words } from "../../support/stage.ts";

const TRUNK: Place = { realm: "outside", ip: "198.51.100.88", port: 5060 };

test("where the registrar knows Path the box names itself there, and a call by that way comes to the phone", () => {
  const made = phonesAt({ domain: { path: true } });
  const { stage, registrar, alice } = made;
  alice.register();
  const register = registrar.registers.at(-1) ?? "";
  expect(lineOf(register, "Path")).toBe("<sip:10.9.0.1:5060;lr>");
  expect(lineOf(register, "Supported")).toContain("path");
  const [bound = ""] = registrar.bound.get("sip:alice@example.test")?.keys() ?? [];
  stage.leave(registrar);
  stage.leave(alice);
  const phone = stage.party("alice", AT_HOME);
  const inside = stage.party("pbx", BOB);
  stage.look();
  inside.invite(/sip:([^@]*)@/.exec(bound)?.[1] ?? "", {
    sdp: audio(BOB.ip),
    headers: ["Route: <sip:10.9.0.1:5060;lr>"],
  });
  expect(words(stage.look())).toEqual(["pbx > INVITE", "alice < INVITE"]);
  expect(phone.asked("INVITE")).toMatch(/^INVITE sip:alice@192\.168\.1\.10:5060 SIP\/2\.0\r\n/);
  expect(lineOf(phone.asked("INVITE"), "Route")).toBe("");
});

test("an edge proxy of the phone's own side that names itself in Path is on the way to the phone, and is told to nobody inside", () => {
  const made = phonesAt();
  const { stage, registrar, alice } = made;
  alice.register({ headers: ["Path: <sip:edge@192.168.1.1;lr>", "Supported: path"] });
  expect(alice.status).toBe(200);
  expect(registrar.got.join()).not.toContain("192.168.1.1;lr");
  const [bound = ""] = registrar.bound.get("sip:alice@example.test")?.keys() ?? [];
  stage.leave(registrar);
  stage.leave(alice);
  const phone = stage.party("alice", AT_HOME);
  const inside = stage.party("pbx", BOB);
  inside.invite(/sip:([^@]*)@/.exec(bound)?.[1] ?? "");
  expect(lineOf(phone.asked("INVITE"), "Route")).toBe("<sip:edge@192.168.1.1;lr>");
});

test("the PBX is away: a registered phone calls out by the fallback trunk, the operator is told, and it ends by itself", () => {
  const made = phonesAt({
    domain: { datagramSeconds: 3_600 },
    routes: [
      { when: { registered: true, peerDown: "pbx" }, to: ["trunk"] },
      { when: { registered: true }, to: ["pbx", "trunk"] },
    ],
    change: withTrunk,
  });
  const { stage, registrar, alice } = made;
  alice.register({ seconds: 3_600 });
  stage.leave(alice);
  const phone = stage.party("alice", AT_HOME);
  const trunk = stage.party("trunk", TRUNK);
  stage.unplug(registrar);
  stage.look();
  phone.invite("5551");
  stage.pass(7_000);
  expect(words(stage.look())).toContain("trunk < INVITE");
  trunk.answer(200, { sdp: audio(TRUNK.ip) });
  phone.ack();
  phone.request("BYE");
  trunk.answer(200, { method: "BYE" });
  stage.pass(60_000);
  expect(stage.factsOf("peer.down")).toMatchObject([{ peer: "pbx" }]);
  expect(stage.factsOf("registrar.away")).toMatchObject([{ peer: "pbx" }]);

  stage.look();
  phone.invite("5552"); // From now on nobody waits for the PBX to be silent.
  stage.pass(100);
  expect(words(stage.look())).toContain("trunk < INVITE");
  trunk.answer(486);
  phone.ackRefusal();

  stage.plug(registrar);
  stage.pass(90_000);
  expect(stage.factsOf("peer.up")).toMatchObject([{ peer: "pbx" }]);
  stage.leave(registrar);
  const inside = stage.party("pbx", BOB);
  stage.look();
  phone.invite("5553");
  stage.pass(100);
  expect(words(stage.look())).toContain("pbx < INVITE");
  expect(inside.asked("INVITE")).toContain("5553");
});

function withTrunk(settings: Settings): Settings {
  const carrier = settings.peers.get("carrier") as PeerSettings;
  const pbx = settings.peers.get("pbx") as PeerSettings;
  const target = { kind: "host", protocol: "udp", host: TRUNK.ip, port: TRUNK.port } as const;
  const peers = new Map(settings.peers)
    .set("pbx", { ...pbx, options: { everySeconds: 30, timeoutSeconds: 2 } as PeerSettings["options"] })
    .set("trunk", { ...carrier, name: "trunk", targets: [target], options: undefined });
  return { ...settings, peers };
}
