/** Challenges in every form: what is written is read back, and whatever comes is read without harm. */
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  Authorization,
  parseMessage,
  type Request,
  RequestDraft,
  type Response,
  Route,
  WwwAuthenticate,
} from "../../../src/message/index.ts";
import { challengesIn, grantOf, minExpiresIn, readChallenge, retryAfterIn } from "../../../src/registration/index.ts";

const ALGORITHMS = ["MD5", "MD5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256", "SHA-512-256-sess"] as const;

/** Any text that a quoted string can say: RFC 3261 §25.1 lets a backslash stand before any byte but CR and LF. */
const quotable = fc
  .string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)) })
  .map((text) => text.replace(/[\r\n]/g, ""));

test("what a server writes by the grammar is what we read", () => {
  const challenge = fc.record({
    realm: quotable,
    nonce: quotable,
    opaque: fc.option(quotable, { nil: undefined }),
    algorithm: fc.constantFrom(...ALGORITHMS),
    qop: fc.constantFrom("auth", "auth-int", "auth,auth-int", "auth-int , AUTH"),
    stale: fc.boolean(),
  });
  fc.assert(
    fc.property(challenge, ({ realm, nonce, opaque, algorithm, qop, stale }) => {
      const params = new Map<string, string | undefined>([
        ["realm", realm],
        ["nonce", nonce],
        ["qop", qop],
      ]);
      params.set("algorithm", algorithm).set("stale", String(stale));
      if (opaque !== undefined) params.set("opaque", opaque);
      const read = readChallenge("server", WwwAuthenticate.format({ scheme: "Digest", params }));
      expect(read).toMatchObject({ realm, nonce, algorithm, stale, qop: qop === "auth-int" ? "auth-int" : "auth" });
      expect(read?.opaque).toBe(opaque);
    }),
  );
});

test("credentials are written so that a reader gets back what was meant", () => {
  fc.assert(
    fc.property(quotable, quotable, quotable, (username, realm, nonce) => {
      const params = new Map([
        ["username", username],
        ["realm", realm],
        ["nonce", nonce],
        ["nc", "00000001"],
      ]);
      const text = Authorization.format({ scheme: "Digest", params });
      expect(text).not.toMatch(/[\r\n]/);
      expect([...Authorization.parse(text).params]).toEqual([...params]);
    }),
  );
});

test("whatever stands in the header: a challenge or none, never an error", () => {
  const noise = fc.string({
    unit: fc.constantFrom(...'Digest realm=nonce,"\\ \t=;qopauth-int\xe4stale1'.split("")),
    maxLength: 80,
  });
  fc.assert(
    fc.property(noise, (text) => {
      const line = `Digest ${text}`;
      const read = readChallenge("proxy", line);
      if (read !== undefined) expect(ALGORITHMS).toContain(read.algorithm);
    }),
    { numRuns: 2_000 },
  );
});

test("of each realm the strongest algorithm is taken, whatever the order", () => {
  fc.assert(
    fc.property(fc.shuffledSubarray([...ALGORITHMS], { minLength: 1 }), (algorithms) => {
      const lines = algorithms.map(
        (name) => `WWW-Authenticate: Digest realm="r", nonce="${name}", qop="auth", algorithm=${name}\r\n`,
      );
      const taken = challengesIn(refusal(lines.join("")), () => true);
      const strongest = ALGORITHMS.findLast((name) => algorithms.some((one) => hashIn(one) === hashIn(name)));
      expect(taken).toHaveLength(1);
      expect(hashIn(taken[0]?.algorithm ?? "")).toBe(hashIn(strongest ?? ""));
    }),
  );
});

test("whatever a registrar says with its 200: a grant within bounds, and lines that can be sent", () => {
  const noise = fc.string({
    unit: fc.constantFrom(...'<sip:a@b>;expires=0123,"\\ \t[]%*lr\xe4'.split("")),
    maxLength: 60,
  });
  const name = fc.constantFrom("Contact", "Service-Route", "P-Associated-URI", "Expires", "Min-Expires", "Retry-After");
  const line = fc.tuple(name, noise).map(([header, value]) => `${header}: ${value}\r\n`);
  fc.assert(
    fc.property(fc.array(line, { maxLength: 6 }), (lines) => {
      const response = refusal(lines.join(""));
      const grant = grantOf(response, "<sip:a@b>", 600);
      expect(grant.seconds).toBeGreaterThanOrEqual(30);
      expect(grant.seconds).toBeLessThanOrEqual(86_400);
      expect([minExpiresIn(response), retryAfterIn(response)]).toHaveLength(2);
      const draft = new RequestDraft("INVITE", "sip:a@b");
      for (const route of grant.routes) draft.add("Route", route);
      expect(parseRoutes(draft)).toHaveLength(grant.routes.length);
    }),
    { numRuns: 2_000 },
  );
});

const parseRoutes = (draft: RequestDraft): readonly unknown[] => {
  for (const [header, value] of [
    ["Via", "SIP/2.0/UDP a;branch=z9hG4bK1"],
    ["From", "<sip:a@b>;tag=1"],
    ["To", "<sip:a@b>"],
    ["Call-ID", "1"],
    ["CSeq", "1 INVITE"],
  ] as const)
    draft.add(header, value);
  return (parseMessage(draft.toText()) as Request).getAll(Route);
};

const hashIn = (algorithm: string): string => algorithm.replace("-sess", "");

const refusal = (lines: string): Response =>
  parseMessage(
    `SIP/2.0 401 No\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n${lines}Content-Length: 0\r\n\r\n`,
  ) as Response;
