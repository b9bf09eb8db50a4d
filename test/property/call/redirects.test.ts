/** Whatever a peer answers with 3xx: the search ends, asks few, sends nothing to anybody else, and leaves nothing behind. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { PeerSettings, RedirectPolicy, Settings } from "../../../src/base/index.ts";
import { twoSides } from "../../support/stage.ts";
import { NOTHING } from "../../unit/call/scenes.ts";

/** ATTEMPT_LIMIT of the search. */
const MOST = 12;

const uri = fc.oneof(
  fc.integer({ min: 0, max: 6 }).map((user) => `<sip:${user}@10.9.0.7>`),
  fc.constantFrom("<sip:1@10.9.0.99>", "<sips:1@10.9.0.7:5060>", "<tel:+49301>", "<sip:10.9.0.7>", "*", "<sip:@@>", ""),
  fc.constantFrom("<sip:2@10.9.0.1>", "<sip:3@203.0.113.1>", "<mailto:a@b>", "<sip:4@10.9.0.7?Route=%3Csip:x%3E>"),
);
const contact = fc
  .tuple(uri, fc.constantFrom("", ";q=0.1", ";q=0.9", ";q=x", ";expires=0"))
  .map((parts) => parts.join(""));
const answer = fc.record({
  status: fc.constantFrom(180, 300, 301, 302, 302, 302, 305, 380, 404, 408, 482, 486, 503, 603),
  contacts: fc.array(contact, { maxLength: 12 }),
});

test("redirects end, and are bounded", () => {
  fc.assert(
    fc.property(
      fc.array(answer, { minLength: 1, maxLength: 20 }),
      fc.constantFrom<RedirectPolicy>("refuse", "pass", "follow"),
      fc.constantFrom<PeerSettings["diversion"]>("pass", "diversion", "history-info", "off"),
      (answers, redirects, diversion) => {
        const { stage, alice, bob } = twoSides({ change: (settings) => wishing(settings, { redirects, diversion }) });
        bob.contactUri = "<sip:10.9.0.7>";
        alice.invite("0");
        for (const { status, contacts } of answers) {
          bob.answer(status, { headers: contacts.map((value) => `Contact: ${value}`) });
        }
        alice.cancel();
        stage.pass(1);
        if (bob.got.some((text) => text.startsWith("CANCEL "))) bob.answer(487);
        const finals = alice.got.filter((text) => /^SIP\/2\.0 [3-6]/.test(text) && /\r\nCSeq: *\d+ INVITE/i.test(text));
        expect(new Set(finals).size).toBe(1);
        alice.ackRefusal();
        stage.pass(200_000);
        expect(new Set(bob.got.filter((text) => text.startsWith("INVITE "))).size).toBeLessThanOrEqual(MOST);
        expect(stage.diary.filter((line) => line.includes("nobody"))).toEqual([]);
        expect(stage.sent.outside.join("")).not.toMatch(/10\.9\.0\.|pbx/);
        expect(stage.remains()).toEqual(NOTHING);
      },
    ),
    { numRuns: 150 },
  );
});

/** Nobody but the PBX itself is to be reached by what it redirects. */
const wishing = (settings: Settings, set: Partial<PeerSettings>): Settings => ({
  ...settings,
  peers: new Map([...settings.peers].map(([name, peer]) => [name, name === "pbx" ? { ...peer, ...set } : peer])),
  routes: [{ when: { from: "carrier" }, to: ["pbx"] }],
});
