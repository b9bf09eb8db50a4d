/** IPv4 on one side and IPv6 on the other: signalling and media, both ways. */
import { expect, test } from "vitest";
import type { RealmSettings, Settings } from "../../../src/base/index.ts";
import { audio, bodyOf, headerOf, headersOf } from "../../support/scripted-party.ts";
import { ALICE, BOB, type Place, Stage } from "../../support/stage.ts";

const ALICE6: Place = { realm: "outside", ip: "2001:db8:1::7", port: 5060 };
const BOB6: Place = { realm: "inside", ip: "2001:db8:2::7", port: 5060 };
const BOX6 = { outside: "2001:db8:1::1", inside: "2001:db8:2::1" };

test.each([
  ["IPv4", "IPv6", ALICE, BOB6, { inside: BOX6.inside }],
  ["IPv6", "IPv4", ALICE6, BOB, { outside: BOX6.outside }],
  ["IPv6", "IPv6", ALICE6, BOB6, BOX6],
])("%s outside, %s inside: a call from each side, held, resumed and ended", (_outer, _inner, a, b, box) => {
  const stage = stageOf(a, b, { box });
  const alice = stage.party("alice", a);
  const bob = stage.party("bob", b);
  for (const [caller, callee] of [
    [alice, bob],
    [bob, alice],
  ] as const) {
    const ours = { caller: addressOf(stage, caller.place.realm), callee: addressOf(stage, callee.place.realm) };
    caller.invite("4711");
    const invite = callee.asked("INVITE");
    expect(invite).toMatch(new RegExp(`^INVITE sip:4711@${escaped(callee.host)} `));
    expect(headerOf(invite, "Via")).toContain(` ${ours.callee}`);
    expect(headerOf(invite, "Contact")).toContain(`@${ours.callee}`);
    expect(bodyOf(invite)).toContain(`\r\nc=${typed(ours.callee)}\r\n`);
    callee.answer(200, { sdp: audio(callee.place.ip, { port: 6000 }) });
    const answer = caller.response("INVITE");
    expect(headerOf(answer, "Contact")).toContain(`@${ours.caller}`);
    expect(bodyOf(answer)).toContain(`\r\nc=${typed(ours.caller)}\r\n`);
    caller.ack();
    const opened = stage.relay.findLast((command) => command.word === "open");
    const [first, second] = opened?.word === "open" ? opened.sides : [];
    expect([first?.remote?.ip, second?.remote?.ip]).toEqual([caller.place.ip, callee.place.ip]);

    for (const [version, direction] of [
      [2, "sendonly"],
      [3, "sendrecv"],
    ] as const) {
      callee.request("INVITE", { sdp: audio(callee.place.ip, { port: 6000, version, direction }) });
      expect(bodyOf(caller.asked("INVITE"))).toContain(`a=${direction}\r\n`);
      caller.answer(200, {
        sdp: audio(caller.place.ip, { version, direction: version === 2 ? "recvonly" : direction }),
      });
      callee.ack();
    }
    caller.request("BYE");
    callee.answer(200, { method: "BYE" });
  }
  expect(stage.factsOf("call.ended").map(({ cause }) => cause)).toEqual(["bye", "bye"]);
  for (const [realm, foreign] of [
    ["outside", [bob.place.ip, addressOf(stage, "inside")]],
    ["inside", [alice.place.ip, addressOf(stage, "outside")]],
  ] as const)
    for (const text of stage.sent[realm]) for (const secret of foreign) expect(text).not.toContain(secret);
});

test("a peer of both families: the IPv6 target is silent, the IPv4 one is offered IPv4", () => {
  const stage = stageOf(ALICE, BOB, { change: dual, insideTargets: [{ ip: BOB6.ip, port: 5060 }, BOB] });
  const alice = stage.party("alice", ALICE);
  const six = stage.party("six", BOB6);
  const bob = stage.party("bob", BOB);
  stage.unplug(six);
  alice.invite("4711");
  expect(bodyOf(stage.sent.inside[0] as string)).toContain("c=IN IP6 2001:db8:2::1");
  stage.pass(10_000);
  expect(bodyOf(bob.asked("INVITE"))).toContain("c=IN IP4 10.9.0.1");
  bob.answer(200, { sdp: audio(BOB.ip) });
  alice.ack();
  expect(stage.factsOf("call.answered").length).toBe(1);
});

test("an offer of both families (ANAT) may be required: the address that we can reach is taken", () => {
  const stage = stageOf(ALICE, BOB, {});
  const alice = stage.party("alice", ALICE);
  const bob = stage.party("bob", BOB);
  const anat = audio(ALICE.ip)
    .replace("t=0 0\r\n", "t=0 0\r\na=group:ANAT 1 2\r\n")
    .replace("m=audio", "m=audio 5000 RTP/AVP 0\r\nc=IN IP6 2001:db8:1::7\r\na=mid:1\r\nm=audio")
    .concat("a=mid:2\r\n");
  alice.invite("4711", { sdp: anat, headers: ["Require: sdp-anat"] });
  const offer = bodyOf(bob.asked("INVITE"));
  expect(offer.match(/^m=audio (?:0|[1-9]\d*)/gm)).toEqual(["m=audio 0", expect.stringMatching(/^m=audio [1-9]/)]);
  expect(headersOf(bob.asked("INVITE"), "Require")).toEqual([]);
  const declined = audio(BOB.ip).replace("m=audio", "m=audio 0 RTP/AVP 0\r\nm=audio");
  bob.answer(200, { sdp: declined });
  expect(bodyOf(alice.response("INVITE"))).toContain("a=group:ANAT 2\r\n");
});

/** Inside there is the other family, too. */
function dual(settings: Settings): Settings {
  const inside = settings.realms.get("inside") as RealmSettings;
  const six = {
    id: "inside/udp6",
    realm: "inside",
    protocol: "udp",
    address: { ip: BOX6.inside, port: 5060 },
  } as const;
  const media = { ...inside.media, addresses: [...inside.media.addresses, BOX6.inside] };
  const both = { ...inside, listeners: [...inside.listeners, six], media };
  return { ...settings, realms: new Map(settings.realms).set("inside", both) };
}

/** The carrier outside is where alice is, the PBX inside where bob is. */
function stageOf(a: Place, b: Place, options: ConstructorParameters<typeof Stage>[0]): Stage {
  const change = (settings: Settings): Settings => {
    const peers = new Map(settings.peers);
    const carrier = peers.get("carrier");
    if (carrier !== undefined)
      peers.set("carrier", { ...carrier, targets: [{ kind: "host", protocol: "udp", host: a.ip, port: a.port }] });
    return (options?.change ?? ((same) => same))({ ...settings, peers });
  };
  return new Stage({ insideTargets: [b], ...options, change });
}

function addressOf(stage: Stage, realm: "outside" | "inside"): string {
  const ip = stage.box[realm];
  return ip.includes(":") ? `[${ip}]` : ip;
}

const typed = (host: string): string => (host.startsWith("[") ? `IN IP6 ${host.slice(1, -1)}` : `IN IP4 ${host}`);

const escaped = (text: string): string => text.replace(/[.[\]]/g, "\\$&");
