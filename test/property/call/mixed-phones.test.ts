/** Phones of several kinds ring for one call, and say whatever they like in whatever order: one of them at most has the call. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { audio, bodyOf, headerOf, type ScriptedParty } from "../../support/scripted-party.ts";
import { browserAnswer, portsIn, three } from "../../unit/call/mixed.ts";
import { NOTHING } from "../../unit/call/scenes.ts";

const NAMES = ["desk", "soft", "page"] as const;
type Name = (typeof NAMES)[number];

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ who: fc.constantFrom(...NAMES), says: fc.constantFrom(180, 183, 200, 480, 486, 603) }),
  },
  { weight: 1, arbitrary: fc.record({ wait: fc.integer({ min: 1, max: 1_500 }) }) },
  { weight: 1, arbitrary: fc.constant("cancel" as const) },
);

test("one final answer for the caller, one phone in the call, every other one told, and nothing left", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), fc.boolean(), (steps, crossing) => {
      const cast = three();
      const { stage, inside } = cast;
      inside.invite("alice");
      const finals = new Map<Name, number>();
      let cancelled = false;
      for (const one of steps) {
        if (one === "cancel") {
          if (!cancelled && finalsOf(inside).length === 0) inside.cancel();
          cancelled = true;
        } else if ("wait" in one) stage.pass(one.wait);
        else if (!finals.has(one.who)) {
          // Told to stop, it has mostly stopped; or its answer has crossed the CANCEL.
          const told = cast[one.who].got.some((text) => text.startsWith("CANCEL "));
          if (told && !crossing) continue;
          if (one.says >= 200) finals.set(one.who, one.says);
          cast[one.who].answer(one.says, withSdp(cast[one.who], one.says));
        }
      }
      if (finalsOf(inside).length === 0 && !cancelled) inside.cancel();
      for (const name of NAMES) {
        if (finals.has(name)) continue;
        const phone = cast[name];
        phone.answer(180); // Nobody may be told before it has said anything (RFC 3261 §9.1).
        expect(
          phone.got.some((text) => text.startsWith("CANCEL ")),
          `${name} is told to stop`,
        ).toBe(true);
        phone.answer(200, { method: "CANCEL" });
        phone.answer(487);
      }
      const statuses = new Set(finalsOf(inside).map((text) => text.slice(8, 11)));
      expect(statuses.size).toBe(1);
      const talking = NAMES.filter((name) => finals.get(name) === 200 && !ended(cast[name]));
      expect(talking.length).toBe(statuses.has("200") ? 1 : 0);
      for (const name of NAMES)
        if (finals.get(name) === 200) expect(cast[name].got.some((text) => text.startsWith("ACK "))).toBe(true);
      const open = stage.relay.filter(({ word }) => word === "open").length;
      const closed = stage.relay.filter(({ word }) => word === "close").length;
      expect(open - closed).toBe(talking.length);
      if (statuses.has("200")) {
        inside.ack();
        inside.request("BYE");
      } else inside.ackRefusal();
      stage.pass(240_000);
      expect(stage.remains()).toEqual({ ...NOTHING, timers: expect.any(Number) });
      expect(portsIn(stage)).toBe(0);
    }),
    { numRuns: 150 },
  );
});

const finalsOf = (party: ScriptedParty): string[] =>
  party.got.filter((text) => /^SIP\/2\.0 [2-6]/.test(text) && headerOf(text, "CSeq").endsWith(" INVITE"));

const ended = (party: ScriptedParty): boolean => party.got.some((text) => text.startsWith("BYE "));

function withSdp(phone: ScriptedParty, status: number): { sdp: string } | object {
  if (status !== 183 && status !== 200) return {};
  const offer = bodyOf(phone.asked("INVITE"));
  if (phone.name === "page") return { sdp: browserAnswer(offer) };
  if (phone.name === "desk") return { sdp: audio("192.168.1.10") };
  const tag = /a=crypto:(\d+) AES_CM_128_HMAC_SHA1_80/.exec(offer)?.[1] ?? "";
  const profile = /m=audio \d+ (\S+)/.exec(offer)?.[1] ?? "";
  const key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd";
  const sdp = `${audio("192.168.1.31")}a=crypto:${tag} AES_CM_128_HMAC_SHA1_80 inline:${key}\r\n`;
  return { sdp: sdp.replace("RTP/AVP", profile) };
}
