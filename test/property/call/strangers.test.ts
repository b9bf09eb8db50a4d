/**
 * Who is no peer and not registered, on a realm of `trust: none`: whatever the method, whoever is named, with or without
 * the ids of dialogs that there are, nothing of it reaches the inside; and no answer tells who exists there.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Settings } from "../../../src/base/index.ts";
import { domainSettings, PHONE_ROUTES, usersNamed } from "../../support/phones.ts";
import { audio, headerOf } from "../../support/scripted-party.ts";
import { twoSides } from "../../support/stage.ts";

const MALLORY = { realm: "outside", ip: "198.51.100.66", port: 5060 } as const;

const METHODS = [
  ...["INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "REGISTER", "INFO", "UPDATE", "PRACK", "MESSAGE", "SUBSCRIBE"],
  ...["NOTIFY", "PUBLISH", "REFER", "PING", "FOO"],
];

/** Called by somebody at this moment; reachable; unknown; the box itself; and names that are none. */
const USERS = ["bob", "2000", "nobody", "", "bob%40inside", "+4930123"];

const WAYS = ["udp", "tcp"] as const;

describe("outside of any dialog", () => {
  test.each(METHODS)("%s reaches nobody, and its answer is the same for every user", (method) => {
    const answers = new Set(
      USERS.map((user) => {
        const { stage, mallory } = besieged();
        const before = stage.sent.inside.length;
        stage.deliver(mallory, requestOf({ method, user }));
        stage.pass(40_000);
        expect(stage.sent.inside.length, `inside was told of ${method} for "${user}"`).toBe(before);
        return mallory.got.map((text) => plain(text)).join("\n");
      }),
    );
    expect(answers.size).toBe(1);
    const [answer = ""] = answers;
    if (method === "ACK") expect(answer).toBe("");
    else expect(answer).toMatch(/^SIP\/2\.0 (403|481) [^\n]*$/m);
  });

  test("as many answers as requests, each at once and none longer than half as much again", () => {
    const { stage, mallory } = besieged();
    for (const method of METHODS) {
      const text = requestOf({ method, user: "bob" });
      const before = mallory.got.length;
      stage.deliver(mallory, text);
      const answers = mallory.got.slice(before);
      expect(answers.length, method).toBe(method === "ACK" ? 0 : 1);
      for (const answer of answers) expect(answer.length, method).toBeLessThanOrEqual(text.length * 1.5);
    }
  });
});

test("with phones registering here: REGISTER is asked for a password whoever is named, and all else stays as it was", () => {
  for (const method of METHODS) {
    const answers = new Set(
      ["bob", "2000", "nobody", "+4930123"].map((user) => {
        const { stage, mallory } = besieged(withPhones);
        const before = stage.sent.inside.length;
        stage.deliver(mallory, requestOf({ method, user }));
        stage.pass(40_000);
        expect(stage.sent.inside.length).toBe(before);
        return mallory.got.map((text) => plain(text).replace(/nonce="[^"]*"/g, "nonce")).join("\n");
      }),
    );
    expect(answers.size, method).toBe(1);
    if (method === "REGISTER") expect([...answers][0]).toMatch(/^SIP\/2\.0 401 /);
  }
});

describe("inside of a dialog that somebody else has", () => {
  /** What mallory may have learned of the call of alice and bob: all but what only its ends have seen. */
  const guesses = fc.record({
    method: fc.constantFrom(...METHODS),
    user: fc.constantFrom(...USERS),
    callId: fc.constantFrom("of alice", "of bob", "made up"),
    toTag: fc.constantFrom("alice-tag", "bob-tag", "x", ""),
    fromTag: fc.constantFrom("alice-tag", "bob-tag", "y"),
    cseq: fc.constantFrom(1, 101, 102, 2 ** 31 - 1),
    extra: fc.constantFrom("", "Replaces: {call};to-tag=bob-tag;from-tag=alice-tag", "Refer-To: <sip:1@198.51.100.66>"),
    body: fc.boolean(),
  });

  test("nothing that guesses its ids touches it, or reaches the inside", () => {
    fc.assert(
      fc.property(fc.array(guesses, { minLength: 1, maxLength: 12 }), fc.constantFrom(...WAYS), (sent, way) => {
        const { stage, alice, bob } = talking();
        const mallory = stage.party("mallory", way === "udp" ? MALLORY : { ...MALLORY, tcp: 2 ** 31 + 9 });
        if (way === "tcp") stage.connect(mallory, 2 ** 31 + 9);
        const calls = { "of alice": callIdOf(alice.got[0]!), "of bob": callIdOf(bob.got[0]!), "made up": "guess" };
        const [inside, outside] = [bob.got.length, alice.got.length];
        for (const { callId, extra, body, ...rest } of sent) {
          const more = extra.replace("{call}", calls[callId]);
          stage.deliver(mallory, requestOf({ ...rest, callId: calls[callId], extra: more, body, way }));
        }
        stage.pass(40_000);
        expect(bob.got.slice(inside)).toEqual([]);
        expect(alice.got.slice(outside)).toEqual([]);
        expect(stage.engine.view().calls()).toMatchObject([{ state: "up" }]);
      }),
      { numRuns: 60 },
    );
  });

  test("made-up responses go nowhere", () => {
    const { stage, alice, bob } = talking();
    const mallory = stage.party("mallory", MALLORY);
    const [inside, outside] = [bob.got.length, alice.got.length];
    for (const status of [100, 180, 200, 302, 401, 407, 486, 500, 603])
      for (const host of ["203.0.113.1:5060", "10.9.0.1:5060", "198.51.100.66"])
        for (const method of ["INVITE", "BYE", "REGISTER", "OPTIONS"])
          stage.deliver(
            mallory,
            `SIP/2.0 ${status} Guess\r\nVia: SIP/2.0/UDP ${host};branch=z9hG4bKguess\r\nFrom: <sip:a@b>;tag=alice-tag\r\nTo: <sip:c@d>;tag=bob-tag\r\nCall-ID: ${callIdOf(alice.got[0]!)}\r\nCSeq: 101 ${method}\r\nContact: <sip:m@198.51.100.66>\r\nContent-Length: 0\r\n\r\n`,
          );
    stage.pass(40_000);
    expect(bob.got.slice(inside)).toEqual([]);
    expect(alice.got.slice(outside)).toEqual([]);
    expect(mallory.got).toEqual([]);
  });
});

/** A box with strangers at its door, and a call under way for them to disturb. */
function besieged(change?: (settings: Settings) => Settings) {
  const { stage } = talking(change);
  return { stage, mallory: stage.party("mallory", MALLORY) };
}

/** bob has an account at the box. */
function withPhones(settings: Settings): Settings {
  const users = usersNamed("bob");
  const domain = domainSettings({ domain: "203.0.113.1", registrar: undefined, users });
  const registration = {
    domains: new Map([[domain.domain, domain]]),
    ...{ file: undefined, bindings: 100, perSecond: 100, pushGateway: undefined },
  };
  return { ...settings, routes: [...settings.routes, ...PHONE_ROUTES], registration };
}

function talking(change?: (settings: Settings) => Settings) {
  const scene = twoSides(change === undefined ? {} : { change });
  const { stage, alice, bob } = scene;
  alice.invite("bob");
  bob.answer(200, { sdp: audio(bob.place.ip) });
  alice.ack();
  stage.pass(100);
  return scene;
}

interface Wanted {
  readonly method: string;
  readonly user: string;
  readonly callId?: string;
  readonly toTag?: string;
  readonly fromTag?: string;
  readonly cseq?: number;
  readonly extra?: string;
  readonly body?: boolean;
  readonly way?: (typeof WAYS)[number];
}

let branches = 0;

function requestOf(wanted: Wanted): string {
  const { method, user, callId = "made-up", toTag = "", fromTag = "m", cseq = 1, extra = "", way = "udp" } = wanted;
  const body = wanted.body === true ? audio(MALLORY.ip) : "";
  const at = user === "" ? "203.0.113.1" : `${user}@203.0.113.1`;
  branches += 1;
  return [
    `${method} sip:${at} SIP/2.0`,
    `Via: SIP/2.0/${way.toUpperCase()} ${MALLORY.ip};rport;branch=z9hG4bK-m-${branches}`,
    "Max-Forwards: 70",
    `From: <sip:100@203.0.113.1>;tag=${fromTag}`,
    `To: <sip:${at}>${toTag === "" ? "" : `;tag=${toTag}`}`,
    `Call-ID: ${callId}`,
    `CSeq: ${cseq} ${method}`,
    `Contact: <sip:m@${MALLORY.ip}>`,
    ...(extra === "" ? [] : [extra]),
    ...(body === "" ? [] : ["Content-Type: application/sdp"]),
    `Content-Length: ${body.length}`,
    "",
    body,
  ].join("\r\n");
}

/** What an answer tells beyond what it mirrors of its request. */
const plain = (text: string): string =>
  text
    .split("\r\n")
    .filter((line) => !/^(via|from|to|call-id|cseq):/i.test(line))
    .join("\n");

const callIdOf = (text: string): string => headerOf(text, "Call-ID");
