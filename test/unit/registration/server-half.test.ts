/** The server's half: nonces that are not kept, counts that are, and answers that are right or not. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Secret, seededRandom } from "../../../src/base/index.ts";
import { machineHash } from "../../../src/io/hash.ts";
import { Authorization, parseMessage, RequestDraft, type Response } from "../../../src/message/index.ts";
import {
  type Algorithm,
  CountWindow,
  challengesFor,
  claimIn,
  ha1Of,
  isRight,
  Nonces,
  PeerAuthenticator,
} from "../../../src/registration/index.ts";

const MINUTE = 60_000;
const VECTORS = join(import.meta.dirname, "../../../../shared/testdata/digest-vectors/rfc7616-section-3.9.txt");

describe("nonces", () => {
  const nonces = (seed = 1) => new Nonces({ hash: machineHash, random: seededRandom(seed), lifetime: 5 * MINUTE });

  test("good for whom it was made, for as long as it lives", () => {
    const ours = nonces();
    const nonce = ours.make("192.0.2.1", 10_000);
    expect(ours.judge(nonce, "192.0.2.1", 10_000)).toEqual({ verdict: "good", madeAt: 10_000 });
    expect(ours.judge(nonce, "192.0.2.1", 10_000 + 5 * MINUTE - 1)).toMatchObject({ verdict: "good" });
    expect(ours.judge(nonce, "192.0.2.1", 10_000 + 5 * MINUTE)).toEqual({ verdict: "stale" });
    expect(ours.judge(nonce, "192.0.2.2", 10_000)).toEqual({ verdict: "unknown" });
    expect(nonces(2).judge(nonce, "192.0.2.1", 10_000)).toEqual({ verdict: "unknown" });
    expect(ours.make("192.0.2.1", 10_000)).not.toBe(nonce);
  });

  test("no change of one character makes another nonce, nor a younger one", () => {
    const ours = nonces();
    const nonce = ours.make("192.0.2.1", 10_000);
    fc.assert(
      fc.property(fc.nat(nonce.length - 1), fc.constantFrom(...'0123456789abcdefzZ-_ "'), (at, char) => {
        const forged = nonce.slice(0, at) + char + nonce.slice(at + 1);
        if (forged !== nonce) expect(ours.judge(forged, "192.0.2.1", 11_000).verdict).toBe("unknown");
      }),
    );
    for (const text of ["", "-", "--", nonce.repeat(50), "zzzzzzzzzzzzzzzz-12345678-" + "0".repeat(32)])
      expect(ours.judge(text, "192.0.2.1", 11_000).verdict).toBe("unknown");
  });
});

describe("counts", () => {
  test("each once, in any order within the window", () => {
    const window = new CountWindow(10);
    const use = (count: number) => window.use("n", 0, count);
    expect([1, 2, 5, 4, 3].map(use)).toEqual(["fresh", "fresh", "fresh", "fresh", "fresh"]);
    expect([1, 2, 3, 4, 5].map(use)).toEqual(["used", "used", "used", "used", "used"]);
    expect(use(100)).toBe("fresh");
    expect([5, 68, 69, 69].map(use)).toEqual(["stale", "stale", "fresh", "used"]);
  });

  test("whatever comes in whatever order: no count is taken twice", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 80 }), { maxLength: 200 }), (counts) => {
        const window = new CountWindow(4);
        const taken = counts.filter((count) => window.use("n", 0, count) === "fresh");
        expect(new Set(taken).size).toBe(taken.length);
      }),
    );
  });

  test("a full book forgets the oldest, and lets nothing of its age in again", () => {
    const window = new CountWindow(3);
    for (let i = 1; i <= 4; i++) expect(window.use(`n${i}`, i * 1_000, 1)).toBe("fresh");
    expect(window.size).toBe(3);
    expect(window.use("n1", 1_000, 1)).toBe("stale");
    expect(window.use("n2", 2_000, 1)).toBe("used");
    expect(window.use("older", 500, 1)).toBe("stale");
    window.sweep(4_000);
    expect(window.size).toBe(1);
  });

  test("all of one age, more than there is room for: asked anew, never let in twice", () => {
    const window = new CountWindow(3);
    const verdicts = ["a", "b", "c", "d"].map((nonce) => window.use(nonce, 7, 1));
    expect(verdicts).toEqual(["fresh", "fresh", "fresh", "stale"]);
    expect(window.use("a", 7, 1)).toBe("stale");
  });
});

describe("answers", () => {
  const ACCOUNT = { user: "alice", password: "a secret", realm: "example.test" };
  const ALGORITHMS: readonly Algorithm[] = ["MD5", "SHA-256", "SHA-512-256"];
  const known = (user: string, name: "MD5" | "SHA-256" | "SHA-512-256") =>
    user === ACCOUNT.user ? ha1Of(machineHash, name, user, ACCOUNT.realm, ACCOUNT.password) : undefined;

  test("RFC 7616 §3.9.1: both answers are right there, and neither for another method or password", () => {
    const text = readFileSync(VECTORS, "latin1").replace(/\n {10}(?=\S)/g, "");
    const values = [...text.matchAll(/Authorization: (Digest(?:\n {7}.*|.*,)+)/g)].slice(0, 2);
    for (const [, value = ""] of values) {
      const written = Authorization.parse(value.replace(/\n */g, " "));
      const claim = claimIn(written, "http-auth@example.org", ALGORITHMS);
      if (claim === undefined) throw new Error("no claim");
      const of = (password: string) => (user: string, name: "MD5" | "SHA-256" | "SHA-512-256") =>
        ha1Of(machineHash, name, user, "http-auth@example.org", password);
      const request = { method: "GET", uri: "/dir/index.html" };
      expect(isRight(claim, request, of("Circle of Life"), machineHash)).toBe(true);
      expect(isRight(claim, { ...request, method: "PUT" }, of("Circle of Life"), machineHash)).toBe(false);
      expect(isRight(claim, { ...request, uri: "/dir" }, of("Circle of Life"), machineHash)).toBe(false);
      expect(isRight(claim, request, of("Circle Of Life"), machineHash)).toBe(false);
    }
    expect(values).toHaveLength(2);
  });

  test("our two halves agree, and the client takes the strongest of what the server lists", () => {
    const claim = answered(challengesFor({ realm: ACCOUNT.realm, nonce: "n", algorithms: ALGORITHMS, stale: false }));
    expect(claim?.algorithm).toBe("SHA-512-256");
    if (claim === undefined) throw new Error("no claim");
    expect(isRight(claim, { method: "REGISTER", uri: "sip:example.test" }, known, machineHash)).toBe(true);
    // Another spelling of the same URI is no other.
    expect(isRight(claim, { method: "REGISTER", uri: "sip:EXAMPLE.test" }, known, machineHash)).toBe(true);
    expect(
      isRight({ ...claim, user: "bob" }, { method: "REGISTER", uri: "sip:example.test" }, known, machineHash),
    ).toBe(false);
    for (const change of [{ nonce: "m" }, { cnonce: "x" }, { count: 2 }, { algorithm: "SHA-256" as const }])
      expect(
        isRight({ ...claim, ...change }, { method: "REGISTER", uri: "sip:example.test" }, known, machineHash),
      ).toBe(false);
  });

  test("RFC 8760 §2.3: the strongest stands on top, and stale is said", () => {
    const lines = challengesFor({ realm: "r", nonce: "n", algorithms: ALGORITHMS, stale: true });
    expect(lines.map((line) => /algorithm=([^,]*)/.exec(line)?.[1])).toEqual(["SHA-512-256", "SHA-256", "MD5"]);
    expect(lines[0]).toBe('Digest realm="r", nonce="n", algorithm=SHA-512-256, qop="auth", stale=true');
  });

  test("what is not whole is no claim", () => {
    const whole = `Digest username="u", realm="r", nonce="n", uri="sip:a", response="${"0".repeat(32)}", cnonce="c", nc=00000001, qop=auth`;
    const claim = (text: string) => claimIn(Authorization.parse(text), "r", ALGORITHMS);
    expect(claim(whole)).toMatchObject({ user: "u", count: 1, algorithm: "MD5" });
    for (const [from, to] of [
      ["Digest", "Basic"],
      ['realm="r"', 'realm="s"'],
      [', cnonce="c"', ""],
      ['cnonce="c"', 'cnonce=""'],
      ['cnonce="c"', `cnonce="${"c".repeat(300)}"`],
      ["nc=00000001", "nc=1"],
      ["nc=00000001", "nc=00000000"],
      ["nc=00000001", "nc=0000000g"],
      ["qop=auth", "qop=auth-int"],
      [", qop=auth", ""],
      ["0".repeat(32), "0".repeat(31)],
      ['uri="sip:a", ', ""],
      ["qop=auth", "qop=auth, algorithm=SHA-256"],
      ["qop=auth", "qop=auth, algorithm=MD5-sess"],
      ["qop=auth", "qop=auth, userhash=true"],
    ] as const)
      expect([from, to, claim(whole.replace(from, to))]).toEqual([from, to, undefined]);
  });

  /** What our own client answers to these challenges, read as the server reads it. */
  function answered(lines: readonly string[]) {
    const client = new PeerAuthenticator({
      peer: "p",
      auth: {
        ...ACCOUNT,
        password: new Secret(ACCOUNT.password),
        ha1: new Map(),
        hashes: ["MD5", "SHA-256", "SHA-512-256"],
      },
      hash: machineHash,
      random: seededRandom(3),
      isPeer: () => true,
      fact: () => {},
    });
    const place = { realm: "r", protocol: "udp", remote: { ip: "192.0.2.1", port: 5060 } } as const;
    const hop = { ...place, listener: "l", connection: 0, tlsNames: [] };
    const draft = new RequestDraft("REGISTER", "sip:example.test");
    const text = lines.map((line) => `WWW-Authenticate: ${line}\r\n`).join("");
    const refusal = parseMessage(
      `SIP/2.0 401 No\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\n${text}Content-Length: 0\r\n\r\n`,
    ) as Response;
    expect(client.begin(draft, place).again(refusal, hop, 0)).toBe(true);
    return claimIn(Authorization.parse(draft.get("Authorization") ?? ""), ACCOUNT.realm, ALGORITHMS);
  }
});
