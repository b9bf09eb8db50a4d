/** Peers that challenge: what the box answers, with what, and to whom it says nothing. */
import { expect, test } from "vitest";
import { type AuthSettings, type PeerSettings, Secret } from "../../../src/base/index.ts";
import { machineHash } from "../../../src/io/hash.ts";
import { DigestServer } from "../../support/digest-server.ts";
import { audio, headerOf, headersOf, type ScriptedParty } from "../../support/scripted-party.ts";
import { ALICE, BOB, type Stage, type StageOptions, twoSides } from "../../support/stage.ts";
import { NOTHING, sdpOfBob } from "./scenes.ts";

const ACCOUNT = { user: "trunk;1", password: 'se"cret', realm: "pbx.example" };

test("INVITE, 407, INVITE with credentials, answered: one more CSeq in the same attempt", () => {
  const { stage, alice, bob } = withAccount();
  const server = new DigestServer(ACCOUNT);
  alice.invite("4711");
  const first = bob.asked("INVITE");
  expect(headerOf(first, "Proxy-Authorization")).toBe("");
  challenge(bob, server, "proxy");
  const second = bob.asked("INVITE");
  expect(server.judge(second, headerOf(second, "Proxy-Authorization"))).toBe("right");
  expect([headerOf(first, "CSeq"), headerOf(second, "CSeq")]).toEqual(["1 INVITE", "2 INVITE"]);
  for (const same of ["Call-ID", "From", "To", "Contact", "Max-Forwards"]) {
    expect(headerOf(second, same)).toBe(headerOf(first, same));
  }
  expect(headerOf(second, "Via")).not.toBe(headerOf(first, "Via"));
  bob.answer(180);
  bob.answer(200, { sdp: sdpOfBob });
  alice.ack();
  // RFC 3261 §22.1: the ACK bears what the INVITE bore.
  expect(headerOf(bob.asked("ACK"), "Proxy-Authorization")).toBe(headerOf(second, "Proxy-Authorization"));
  expect(headerOf(bob.asked("ACK"), "CSeq")).toBe("2 ACK");
  expect(stage.look().map((line) => line.split(" ").slice(1).join(" "))).toEqual([
    "alice > INVITE",
    "bob < INVITE",
    "bob > 407",
    "bob < ACK",
    "bob < INVITE",
    "bob > 180",
    "alice < 180",
    "bob > 200",
    "bob < ACK",
    "alice < 200",
    "alice > ACK",
  ]);
  for (const text of stage.sent.outside) expect(text).not.toMatch(/uthenticate|trunk|pbx\.example/);
  expect(stage.factsOf("auth.failed")).toEqual([]);
});

test("the ACK of the refusal bears the credentials that the refused INVITE bore", () => {
  const { alice, bob } = withAccount();
  const server = new DigestServer(ACCOUNT);
  alice.invite("4711");
  challenge(bob, server, "proxy");
  bob.answer(486);
  const ack = bob.asked("ACK");
  expect(headerOf(ack, "CSeq")).toBe("2 ACK");
  expect(headerOf(ack, "Proxy-Authorization")).toBe(headerOf(bob.asked("INVITE"), "Proxy-Authorization"));
});

test("the caller's PRACK comes when the INVITE that it speaks of was asked for credentials: it ends here", () => {
  const { alice, bob } = withAccount();
  const server = new DigestServer(ACCOUNT);
  alice.invite("4711", { sdp: audio(ALICE.ip), headers: ["Supported: 100rel"] });
  bob.answer(183, { sdp: sdpOfBob, headers: ["Require: 100rel", "RSeq: 7"] });
  challenge(bob, server, "proxy");
  alice.prack();
  expect(alice.response("PRACK")).toMatch(/^SIP\/2\.0 200 /);
  expect(() => bob.asked("PRACK")).toThrow();
  bob.answer(200, { sdp: sdpOfBob });
  alice.ack();
  expect(headerOf(bob.asked("ACK"), "CSeq")).toBe("2 ACK");
});

test("a nonce is used again, with the next count, for BYE, re-INVITE and the next call, and nobody asks twice", () => {
  const { alice, bob, server } = talking();
  for (const method of ["INVITE", "UPDATE", "INFO", "BYE"]) {
    alice.request(method, method === "INVITE" ? { sdp: sdpOfBob.replace("77 1", "77 2") } : {});
    const request = bob.asked(method);
    expect(`${method} ${server.judge(request, headerOf(request, "Authorization"))}`).toBe(`${method} right`);
    bob.answer(200, { method, ...(method === "INVITE" ? { sdp: sdpOfBob } : {}) });
    if (method === "INVITE") alice.ack();
  }
  alice.invite("4712");
  const next = bob.asked("INVITE");
  expect(headerOf(next, "CSeq")).toBe("1 INVITE");
  expect(server.judge(next, headerOf(next, "Authorization"))).toBe("right");
});

test.each(["BYE", "UPDATE", "INFO", "INVITE"])("a challenge of %s inside the dialog is answered there", (method) => {
  const { stage, alice, bob, server } = talking();
  server.expire();
  alice.request(method, method === "INVITE" ? { sdp: sdpOfBob } : {});
  const first = bob.asked(method);
  challenge(bob, server, "server", method, ", stale=true");
  const second = bob.asked(method);
  expect(server.judge(second, headerOf(second, "Authorization"))).toBe("right");
  expect(numberIn(second)).toBe(numberIn(first) + 1);
  bob.answer(200, { method, ...(method === "INVITE" ? { sdp: sdpOfBob } : {}) });
  expect(headerOf(alice.response(method), "CSeq")).toContain(method);
  if (method !== "BYE") alice.request("BYE");
  expect(numberIn(bob.asked("BYE"))).toBeGreaterThan(numberIn(first));
  expect(stage.factsOf("auth.failed")).toEqual([]);
});

test("a BYE of ours to a caller that challenges is answered with the caller's account", () => {
  const { stage, alice, bob } = withAccount({}, "carrier");
  const server = new DigestServer(ACCOUNT);
  alice.invite("4711");
  bob.answer(200, { sdp: sdpOfBob });
  alice.ack();
  bob.request("BYE");
  challenge(alice, server, "proxy", "BYE");
  const bye = alice.asked("BYE");
  expect(server.judge(bye, headerOf(bye, "Proxy-Authorization"))).toBe("right");
  alice.answer(200, { method: "BYE" });
  stage.pass(300_000);
  expect(stage.remains()).toEqual(NOTHING);
});

test("a wrong password ends at once: two INVITEs, then 403 to the caller, and a fact that says so", () => {
  const { stage, alice, bob } = withAccount();
  const server = new DigestServer({ ...ACCOUNT, password: "another" });
  alice.invite("4711");
  challenge(bob, server, "server");
  expect(server.judge(bob.asked("INVITE"), headerOf(bob.asked("INVITE"), "Authorization"))).toBe("wrong");
  challenge(bob, server, "server");
  expect(bob.got.filter((text) => text.startsWith("INVITE"))).toHaveLength(2);
  expect(alice.response("INVITE").split("\r\n")[0]).toBe("SIP/2.0 403 Forbidden");
  expect(stage.factsOf("auth.failed")).toEqual([
    {
      fact: "auth.failed",
      peer: "pbx",
      method: "INVITE",
      status: 401,
      digestRealm: "pbx.example",
      reason: "user or password were not taken",
    },
  ]);
  alice.ackRefusal();
  stage.pass(300_000);
  expect(stage.remains()).toEqual(NOTHING);
});

test("a server that calls every nonce stale gets no more than four answers", () => {
  const { stage, alice, bob } = withAccount();
  const server = new DigestServer(ACCOUNT);
  alice.invite("4711");
  for (let i = 0; i < 10; i++) challenge(bob, server, "server", "INVITE", ", stale=true");
  expect(bob.got.filter((text) => text.startsWith("INVITE"))).toHaveLength(5);
  expect(stage.factsOf("auth.failed")).toMatchObject([{ reason: "challenged again and again" }]);
  expect(alice.response("INVITE")).toContain("403 Forbidden");
});

test("a proxy and the server behind it: the second attempt bears one set, the third both", () => {
  const { alice, bob } = withAccount({ realm: "*" });
  const proxy = new DigestServer({ ...ACCOUNT, realm: "proxy.example" });
  const server = new DigestServer(ACCOUNT, "SHA-256");
  alice.invite("4711");
  challenge(bob, proxy, "proxy");
  challenge(bob, server, "server");
  const third = bob.asked("INVITE");
  expect(headerOf(third, "CSeq")).toBe("3 INVITE");
  expect(proxy.judge(third, headerOf(third, "Proxy-Authorization"))).toBe("right");
  expect(server.judge(third, headerOf(third, "Authorization"))).toBe("right");
});

test("several proxies that were asked at once are all answered at once", () => {
  const { alice, bob } = withAccount({ realm: "*" });
  const one = new DigestServer({ ...ACCOUNT, realm: "one" });
  const two = new DigestServer({ ...ACCOUNT, realm: "two" });
  alice.invite("4711");
  bob.answer(407, {
    headers: [`Proxy-Authenticate: ${one.challenge()}`, `Proxy-Authenticate: ${two.challenge()}`],
  });
  const values = headersOf(bob.asked("INVITE"), "Proxy-Authorization");
  expect(values.map((value) => [one, two].map((proxy) => proxy.judge(bob.asked("INVITE"), value)))).toEqual([
    ["right", "unknown nonce"],
    ["unknown nonce", "right"],
  ]);
});

test("early dialogs of the INVITE that was refused do not stand in the way of the next", () => {
  const { stage, alice, bob } = withAccount();
  const server = new DigestServer(ACCOUNT);
  alice.invite("4711");
  bob.answer(183, { fork: "-one", sdp: sdpOfBob });
  bob.answer(180, { fork: "-two" });
  challenge(bob, server, "proxy");
  bob.answer(180, { fork: "-three" });
  bob.answer(200, { fork: "-three", sdp: sdpOfBob });
  alice.ack();
  expect(headerOf(bob.asked("ACK"), "CSeq")).toBe("2 ACK");
  alice.request("BYE");
  expect(numberIn(bob.asked("BYE"))).toBe(3);
  bob.answer(200, { method: "BYE" });
  stage.pass(300_000);
  expect(stage.remains()).toEqual(NOTHING);
});

test("a callee behind the peer that wants to be spoken to directly gets the ACK, and no credentials", () => {
  const { stage, alice, bob } = withAccount();
  const server = new DigestServer(ACCOUNT);
  alice.invite("4711");
  challenge(bob, server, "proxy");
  expect(headerOf(bob.asked("INVITE"), "Proxy-Authorization")).not.toBe("");
  bob.contactUri = "<sip:phone@10.66.0.1:5060>";
  bob.answer(200, { sdp: sdpOfBob });
  alice.ack();
  const acks = stage.sent.inside.filter((text) => text.startsWith("ACK sip:phone@10.66.0.1"));
  expect(acks).toHaveLength(1);
  expect(acks[0]).not.toContain("uthorization");
});

test("a CANCEL that crosses the challenge wins: nothing is asked again", () => {
  const { stage, alice, bob } = withAccount();
  const server = new DigestServer(ACCOUNT);
  alice.invite("4711");
  bob.answer(100);
  alice.cancel();
  challenge(bob, server, "proxy");
  expect(bob.got.filter((text) => text.startsWith("INVITE"))).toHaveLength(1);
  expect(alice.response("INVITE")).toContain("487");
  alice.ackRefusal();
  bob.answer(200, { method: "CANCEL" });
  stage.pass(300_000);
  expect(stage.remains()).toEqual(NOTHING);
});

test("a CANCEL after the challenge reaches the second INVITE", () => {
  const { stage, alice, bob } = withAccount();
  const server = new DigestServer(ACCOUNT);
  alice.invite("4711");
  challenge(bob, server, "proxy");
  bob.answer(180);
  alice.cancel();
  expect(headerOf(bob.asked("CANCEL"), "CSeq")).toBe("2 CANCEL");
  bob.answer(200, { method: "CANCEL" });
  bob.answer(487);
  alice.ackRefusal();
  stage.pass(300_000);
  expect(stage.remains()).toEqual(NOTHING);
});

test("without an account a challenge is a refusal, and nothing of it reaches the caller", () => {
  const { stage, alice, bob } = twoSides();
  alice.invite("4711");
  challenge(bob, new DigestServer(ACCOUNT), "proxy");
  expect(bob.got.filter((text) => text.startsWith("INVITE"))).toHaveLength(1);
  expect(alice.response("INVITE").split("\r\n")[0]).toBe("SIP/2.0 403 Forbidden");
  expect(stage.sent.outside.join()).not.toMatch(/uthenticate/);
});

test("another digest realm than the account's is not answered", () => {
  const { stage, alice, bob } = withAccount({ realm: "pbx.example" });
  alice.invite("4711");
  challenge(bob, new DigestServer({ ...ACCOUNT, realm: "evil.example" }), "proxy");
  expect(bob.got.filter((text) => text.startsWith("INVITE"))).toHaveLength(1);
  expect(alice.response("INVITE")).toContain("403");
  expect(stage.factsOf("auth.failed")).toMatchObject([
    { digestRealm: "evil.example", reason: "not the realm of our account" },
  ]);
});

test("once a realm has taken our word, a callee behind the peer cannot ask for a digest of his own", () => {
  const { alice, bob, server, stage } = talking();
  alice.request("BYE");
  expect(server.judge(bob.asked("BYE"), headerOf(bob.asked("BYE"), "Authorization"))).toBe("right");
  challenge(bob, new DigestServer({ ...ACCOUNT, realm: "leak" }), "server", "BYE");
  expect(bob.got.filter((text) => text.startsWith("BYE"))).toHaveLength(1);
  expect(stage.factsOf("auth.failed")).toMatchObject([{ method: "BYE", digestRealm: "leak" }]);
});

test("a dialog that leads away from the peer takes no credentials along, and is not proven there", () => {
  const { alice, bob, stage } = talking("<sip:bob@10.9.0.66>");
  const elsewhere = stage.party("mallory", { ...BOB, ip: "10.9.0.66" });
  alice.request("BYE");
  expect(headerOf(elsewhere.asked("BYE"), "Authorization")).toBe("");
  challenge(elsewhere, new DigestServer(ACCOUNT), "server", "BYE");
  expect(elsewhere.got.filter((text) => text.startsWith("BYE"))).toHaveLength(1);
  expect(bob.got.filter((text) => text.startsWith("BYE"))).toHaveLength(0);
  expect(stage.factsOf("auth.failed")).toMatchObject([{ reason: "it was not the peer that asked" }]);
});

test("the strongest algorithm is answered, wherever in the list it stands", () => {
  for (const order of [0, 1, 2]) {
    const { alice, bob } = withAccount();
    const servers = (["MD5", "SHA-256", "SHA-512-256"] as const).map((name) => new DigestServer(ACCOUNT, name));
    const lines = servers.map((server) => `WWW-Authenticate: ${server.challenge()}`);
    alice.invite("4711");
    bob.answer(401, { headers: [...lines.slice(order), ...lines.slice(0, order), "WWW-Authenticate: Basic realm=x"] });
    const request = bob.asked("INVITE");
    expect(headersOf(request, "Authorization")).toHaveLength(1);
    expect(servers[2]?.judge(request, headerOf(request, "Authorization"))).toBe("right");
  }
});

test("what cannot be answered is a refusal: Basic, an unknown algorithm, an unknown protection, a nonce without end", () => {
  for (const value of [
    'Basic realm="pbx.example"',
    'Digest realm="pbx.example", nonce="1", algorithm=AKAv1-MD5',
    'Digest realm="pbx.example", nonce="1", qop="auth-conf"',
    `Digest realm="pbx.example", nonce="${"n".repeat(600)}"`,
    'Digest realm="pbx.example"',
    "Digest",
    "",
  ]) {
    const { stage, alice, bob } = withAccount();
    alice.invite("4711");
    bob.answer(401, { headers: [`WWW-Authenticate: ${value}`] });
    expect(alice.response("INVITE")).toContain("403");
    expect(stage.factsOf("auth.failed")).toMatchObject([{ reason: "no challenge that we can answer" }]);
  }
});

test("a nonce goes ahead of its question only where its domain says so, whatever stands there", () => {
  for (const [domain, ahead] of [
    ["", true],
    ["sip:10.9.0.7", true],
    ["sip:elsewhere.example sip:10.9.0.7:5060", true],
    ["sip:elsewhere.example", false],
    ["sip:[::zz %% \\x01", false],
    ["sip:a ".repeat(20), false],
  ] as const) {
    const { alice, bob } = withAccount();
    const server = new DigestServer(ACCOUNT);
    alice.invite("4711");
    challenge(bob, server, "server", "INVITE", `, domain="${domain}"`);
    bob.answer(486);
    alice.ackRefusal();
    alice.invite("4712");
    expect([domain, headerOf(bob.asked("INVITE"), "Authorization") !== ""]).toEqual([domain, ahead]);
  }
});

test("the server's next nonce is used next, unless its proof is wrong", () => {
  for (const [proof, used] of [
    ["", true],
    [`, rspauth="${"0".repeat(32)}"`, false],
  ] as const) {
    const { alice, bob } = withAccount();
    const server = new DigestServer(ACCOUNT);
    alice.invite("4711");
    challenge(bob, server, "server");
    const next = /nonce="([^"]*)"/.exec(server.challenge())?.[1];
    bob.answer(200, { sdp: sdpOfBob, headers: [`Authentication-Info: nextnonce="${next}"${proof}`] });
    alice.ack();
    alice.request("BYE");
    const value = headerOf(bob.asked("BYE"), "Authorization");
    expect(value.includes(`nonce="${next}"`)).toBe(used);
    expect(server.judge(bob.asked("BYE"), value)).toBe("right");
  }
});

test("a MESSAGE outside of any call is proven, too", () => {
  const { stage, alice, bob } = withAccount();
  const server = new DigestServer(ACCOUNT, "SHA-256");
  for (const asked of [true, false]) {
    alice.outside("MESSAGE", "100", { body: { type: "text/plain", text: "Watson, come here." } });
    if (asked) challenge(bob, server, "proxy", "MESSAGE");
    const message = bob.asked("MESSAGE");
    expect(server.judge(message, headerOf(message, "Proxy-Authorization"))).toBe("right");
    bob.answer(202, { method: "MESSAGE" });
    expect(alice.response("MESSAGE")).toContain("202");
  }
  stage.pass(300_000);
  expect(stage.remains()).toEqual(NOTHING);
});

test("a SUBSCRIBE is proven, and so are its refreshes, each with a CSeq of its own", () => {
  const { alice, bob } = withAccount();
  const server = new DigestServer(ACCOUNT);
  alice.outside("SUBSCRIBE", "100", { headers: ["Event: presence", "Expires: 600", "Accept: application/pidf+xml"] });
  challenge(bob, server, "proxy", "SUBSCRIBE");
  const first = bob.asked("SUBSCRIBE");
  expect([server.judge(first, headerOf(first, "Proxy-Authorization")), numberIn(first)]).toEqual(["right", 2]);
  bob.answer(200, { method: "SUBSCRIBE", headers: ["Expires: 600", `Contact: ${bob.contact}`] });
  server.expire();
  alice.subscribed("SUBSCRIBE");
  alice.request("SUBSCRIBE", { headers: ["Event: presence", "Expires: 600"] });
  expect(numberIn(bob.asked("SUBSCRIBE"))).toBe(3);
  challenge(bob, server, "proxy", "SUBSCRIBE", ", stale=true");
  const second = bob.asked("SUBSCRIBE");
  expect([server.judge(second, headerOf(second, "Proxy-Authorization")), numberIn(second)]).toEqual(["right", 4]);
});

test.each([
  ["MD5-sess", "auth"],
  ["SHA-256-sess", "auth"],
  ["SHA-512-256-sess", "auth-int"],
  ["SHA-512-256", "auth-int"],
  ["MD5", undefined],
] as const)("%s with %s is computed as the server does, for bodies and for none", (algorithm, qop) => {
  const { alice, bob } = withAccount();
  // Not the default of a parameter: no qop at all, as in RFC 2069.
  const server = new DigestServer(ACCOUNT, algorithm, qop ?? "");
  alice.invite("4711");
  challenge(bob, server, "server");
  expect(server.judge(bob.asked("INVITE"), headerOf(bob.asked("INVITE"), "Authorization"))).toBe("right");
  bob.answer(200, { sdp: sdpOfBob });
  alice.ack();
  alice.request("BYE");
  expect(server.judge(bob.asked("BYE"), headerOf(bob.asked("BYE"), "Authorization"))).toBe("right");
});

test("with a digest in place of the password only its algorithm is answered, and MD5 may be shut out", () => {
  const digest = machineHash("SHA-256", `${ACCOUNT.user}:${ACCOUNT.realm}:${ACCOUNT.password}`);
  for (const auth of [
    { password: undefined, realm: ACCOUNT.realm, ha1: new Map([["SHA-256" as const, new Secret(digest)]]) },
    { hashes: ["SHA-256" as const] },
  ]) {
    const { alice, bob } = withAccount(auth);
    const strong = new DigestServer(ACCOUNT, "SHA-256");
    alice.invite("4711");
    challenge(bob, strong, "server");
    expect(strong.judge(bob.asked("INVITE"), headerOf(bob.asked("INVITE"), "Authorization"))).toBe("right");
    bob.answer(486);
    alice.ackRefusal();
    alice.invite("4712");
    challenge(bob, new DigestServer(ACCOUNT, "MD5"), "proxy");
    expect(alice.response("INVITE")).toContain("403");
  }
});

// — How they begin.

function withAccount(auth: Partial<AuthSettings> = {}, peer = "pbx", options: StageOptions = {}) {
  const account: AuthSettings = {
    user: ACCOUNT.user,
    realm: undefined,
    password: new Secret(ACCOUNT.password),
    ha1: new Map(),
    hashes: ["MD5", "SHA-256", "SHA-512-256"],
    ...auth,
  };
  return twoSides({
    ...options,
    change: (settings) => ({
      ...settings,
      peers: new Map(
        [...settings.peers].map(([name, one]): [string, PeerSettings] => [
          name,
          name === peer ? { ...one, auth: account } : one,
        ]),
      ),
    }),
  });
}

/** A call to a peer that has challenged its INVITE, and was answered. */
function talking(contact?: string): { stage: Stage; alice: ScriptedParty; bob: ScriptedParty; server: DigestServer } {
  const { stage, alice, bob } = withAccount();
  if (contact !== undefined) bob.contactUri = contact;
  const server = new DigestServer(ACCOUNT);
  alice.invite("4711");
  challenge(bob, server, "server");
  const request = bob.asked("INVITE");
  expect(server.judge(request, headerOf(request, "Authorization"))).toBe("right");
  bob.answer(200, { sdp: sdpOfBob });
  alice.ack();
  return { stage, alice, bob, server };
}

function challenge(
  party: ScriptedParty,
  server: DigestServer,
  asker: "server" | "proxy",
  method = "INVITE",
  more = "",
) {
  const name = asker === "server" ? "WWW-Authenticate" : "Proxy-Authenticate";
  party.answer(asker === "server" ? 401 : 407, { method, headers: [`${name}: ${server.challenge(more)}`] });
}

const numberIn = (text: string): number => Number.parseInt(headerOf(text, "CSeq"), 10);
