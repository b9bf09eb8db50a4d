import fc from "fast-check";
import { expect, test } from "vitest";
import { PeerError } from "../../../src/base/index.ts";
import { From, formatUri, parseUri } from "../../../src/message/index.ts";
import { hideNameAddr, requestUriFor } from "../../../src/policy/index.ts";
import { realm } from "../../unit/policy/realms.ts";

/** Places of the inside. A user may be called anything; none of these stands in a user part here. */
const places = ["10.0.0.9", "pbx.lan", "[2001:db8::9]"];
const words = places.map((place) => place.replace(/[[\]]/g, ""));

const user = fc.constantFrom("", "alice@", "+4930@", "alice:pw@", "22;phone-context=pbx.lan@", "22;phone-context=+49@");
const params = fc
  .array(
    fc.constantFrom(
      ...[";user=phone", ";maddr=10.0.0.9", ";transport=tcp", ";lr", ";x=pbx.lan", ";cpc=pbx.lan", ";isub=10.0.0.9"],
      ...[";phone-context=pbx.lan", ";gr=pbx.lan", "?Subject=pbx.lan"],
    ),
    { maxLength: 4 },
  )
  .map((all) => [...all].sort((a, b) => Number(a.startsWith("?")) - Number(b.startsWith("?"))).join(""));
const uri = fc
  .tuple(fc.constantFrom("sip:", "sips:"), user, fc.constantFrom(...places), fc.constantFrom("", ":5080"), params)
  .map((parts) => parts.join(""));
const display = fc.constantFrom(undefined, "Alice", "alice@pbx.lan", "PBX.LAN", "10.0.0.9 desk");

test("an identity on the other side names no place of this one, and is a URI that can be read", () => {
  fc.assert(
    fc.property(uri, display, (text, name) => {
      const parsed = readable(text);
      fc.pre(parsed && (name !== "PBX.LAN" || text.includes("@pbx.lan"))); // A lone word is a host only to who knows it.
      const value = { uri: text, params: new Map([["tag", "t"]]), ...(name === undefined ? {} : { display: name }) };
      const hidden = hideNameAddr(value, { to: realm("outside"), host: "sbc.example.test" });
      const line = From.format(hidden).toLowerCase();
      for (const word of words) expect(line).not.toContain(word);
      expect(line).not.toContain("tag=");
      expect(line).not.toContain("pw");
      expect(formatUri(parseUri(hidden.uri))).toBe(hidden.uri);
    }),
    { numRuns: 1_000 },
  );
});

test("a Request-URI toward a target keeps the user and nothing of the way", () => {
  fc.assert(
    fc.property(uri, (text) => {
      fc.pre(readable(text));
      const out = requestUriFor(parseUri(text), { host: "192.0.2.7", port: 5060, scheme: "sip" });
      for (const word of words) expect(out).not.toContain(word);
      expect(parseUri(out)).toMatchObject({ host: "192.0.2.7", port: 5060 });
    }),
    { numRuns: 500 },
  );
});

function readable(text: string): boolean {
  try {
    parseUri(text);
    return true;
  } catch (error) {
    if (error instanceof PeerError) return false;
    throw error;
  }
}
