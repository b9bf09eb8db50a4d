/** Registrations of the box at a peer: bob is the registrar. */
import { expect, test } from "vitest";
import {
  type AuthSettings,
  type PeerSettings,
  type RegisterSettings,
  Secret,
  type Settings,
} from "../../../src/base/index.ts";
import { DigestServer } from "../../support/digest-server.ts";
import { headerOf, headersOf, type ScriptedParty } from "../../support/scripted-party.ts";
import { BOB, type Stage, type StageOptions, twoSides } from "../../support/stage.ts";
import { NOTHING } from "../call/scenes.ts";

const ACCOUNT = { user: "trunk1", password: "secret", realm: "carrier.example" };
const SECOND = 1_000;
const HOUR = 3_600 * SECOND;

test("REGISTER, 401, REGISTER with credentials, 200: registered, and refreshed at half to three quarters of the grant", () => {
  const { stage, bob } = scene();
  const server = new DigestServer(ACCOUNT, "SHA-256");
  const first = bob.asked("REGISTER");
  expect(first.split("\r\n")[0]).toBe("REGISTER sip:carrier.example SIP/2.0");
  expect(headerOf(first, "To")).toBe("<sip:trunk1@carrier.example>");
  expect(headerOf(first, "From")).toMatch(/^<sip:trunk1@carrier\.example>;tag=/);
  expect(headerOf(first, "Contact")).toBe("<sip:trunk1@10.9.0.1:5060>");
  expect(headerOf(first, "Expires")).toBe("600");
  expect(headerOf(first, "Require")).toBe("");
  challenge(bob, server);
  const second = bob.asked("REGISTER");
  expect(server.judge(second, headerOf(second, "Authorization"))).toBe("right");
  grant(bob, 300);
  expect(view(stage)).toMatchObject({
    state: "registered",
    expiresSeconds: 300,
    target: "udp:10.9.0.7:5060",
    reason: "",
  });
  stage.look();
  stage.pass(HOUR - 10 * SECOND);
  const times = stage.look().flatMap((line) => (line.endsWith("bob < REGISTER") ? [Number(line.split(" ")[0])] : []));
  expect(times[0]).toBeGreaterThanOrEqual(152 * SECOND);
  expect(times[0]).toBeLessThanOrEqual(228 * SECOND);
});

test("each refresh bears the next count of the nonce, a higher CSeq and the same Call-ID; the log hears of it once", () => {
  const { stage, bob } = scene();
  const server = new DigestServer(ACCOUNT);
  challenge(bob, server);
  grant(bob, 600);
  const callId = headerOf(bob.asked("REGISTER"), "Call-ID");
  for (let seq = 3; seq < 8; seq++) {
    nextRegister(stage, bob);
    const request = bob.asked("REGISTER");
    expect([headerOf(request, "CSeq"), headerOf(request, "Call-ID")]).toEqual([`${seq} REGISTER`, callId]);
    expect(server.judge(request, headerOf(request, "Authorization"))).toBe("right");
    grant(bob, 600);
  }
  expect(stage.factsOf("trunk.registered")).toEqual([
    { fact: "trunk.registered", peer: "pbx", target: "udp:10.9.0.7:5060", expiresSeconds: 600 },
  ]);
});

test("423: it asks again for as long as the registrar wants, and keeps to that", () => {
  const { stage, bob } = scene();
  bob.answer(423, { method: "REGISTER", headers: ["Min-Expires: 1800"] });
  expect(headerOf(bob.asked("REGISTER"), "Expires")).toBe("1800");
  grant(bob, 1_800);
  nextRegister(stage, bob);
  expect(headerOf(bob.asked("REGISTER"), "Expires")).toBe("1800");
  // A 423 that asks for what was asked is a refusal, not a loop.
  bob.answer(423, { method: "REGISTER", headers: ["Min-Expires: 1800"] });
  expect(view(stage)).toMatchObject({ state: "waiting", reason: "refused with 423" });
});

test("a registrar that wants a little more each time is heeded three times", () => {
  const { stage, bob } = scene();
  for (let more = 1; more <= 10 && registers(bob) === more; more++) {
    bob.answer(423, { method: "REGISTER", headers: [`Min-Expires: ${1_800 + more}`] });
  }
  expect(registers(bob)).toBe(4);
  expect(view(stage)).toMatchObject({ state: "waiting", reason: "refused with 423" });
});

test("a wrong password: two REGISTERs, then long waits, and the alarm says why", () => {
  const { stage, bob } = scene();
  const server = new DigestServer({ ...ACCOUNT, password: "another" });
  let answered = 0;
  for (; stage.now < 24 * HOUR; stage.pass(10 * SECOND)) {
    for (; answered < registers(bob); answered++) challenge(bob, server);
  }
  expect(stage.factsOf("trunk.failed")[0]).toMatchObject({ peer: "pbx", reason: "refused with 401" });
  const waits = stage.factsOf("trunk.failed").map(({ retrySeconds }) => retrySeconds);
  expect(waits[0]).toBeGreaterThanOrEqual(60);
  expect(Math.max(...waits)).toBeLessThanOrEqual(3_600);
  expect(registers(bob)).toBeLessThanOrEqual(2 * 60); // In a day.
  expect(registers(bob)).toBeGreaterThan(2 * 20); // It does not give up either.
});

test("403 and its Retry-After: nothing is sent before", () => {
  const { stage, bob } = scene();
  bob.answer(403, { method: "REGISTER", headers: ["Retry-After: 1800"] });
  stage.pass(1_799 * SECOND);
  expect(registers(bob)).toBe(1);
  stage.pass(2 * SECOND);
  expect(registers(bob)).toBe(2);
});

test("a silent target loses to the next after 8 s; calls that come from there are known", () => {
  const spare = { ...BOB, ip: "10.9.0.8" };
  const { stage, bob } = scene({}, { insideTargets: [BOB, spare] });
  const other = stage.party("other", spare);
  stage.pass(8 * SECOND);
  expect(registers(other)).toBe(1);
  grant(other, 600);
  expect(view(stage)).toMatchObject({ state: "registered", target: "udp:10.9.0.8:5060" });
  // Whoever comes back from the dead is too late to take us over.
  bob.answer(200, { method: "REGISTER", headers: ["Contact: <sip:trunk1@10.9.0.1:5060>;expires=60"] });
  expect(view(stage)).toMatchObject({ target: "udp:10.9.0.8:5060" });
});

test("503 of the first and silence of the second: back off, begin again with the best", () => {
  const spare = { ...BOB, ip: "10.9.0.8" };
  const { stage, bob } = scene({}, { insideTargets: [BOB, spare] });
  bob.answer(503, { method: "REGISTER" });
  stage.pass(32 * SECOND); // Timer F: there is nobody left to ask.
  expect(stage.factsOf("trunk.failed")).toMatchObject([{ reason: "no answer" }]);
  const [{ retrySeconds } = { retrySeconds: 0 }] = stage.factsOf("trunk.failed");
  expect(retrySeconds).toBeGreaterThanOrEqual(15);
  expect(retrySeconds).toBeLessThanOrEqual(30);
  nextRegister(stage, bob);
  grant(bob, 600);
  expect(view(stage)).toMatchObject({ state: "registered", target: "udp:10.9.0.7:5060" });
});

test("when the target that holds us goes down, we register at the next", () => {
  const spare = { ...BOB, ip: "10.9.0.8" };
  const { stage, alice, bob } = scene({}, { insideTargets: [BOB, spare] });
  const other = stage.party("other", spare);
  grant(bob, 600);
  stage.unplug(bob);
  alice.invite("4711");
  stage.pass(10 * SECOND);
  expect(registers(other)).toBe(1);
  grant(other, 600);
  expect(view(stage)).toMatchObject({ state: "registered", target: "udp:10.9.0.8:5060" });
  expect(stage.factsOf("trunk.failed")).toMatchObject([{ reason: "its target went down" }]);
});

test("Service-Route leads the calls of this trunk, and its domain stands in them", () => {
  const { alice, bob } = scene();
  const routes = ["<sip:edge.carrier.example;lr>", "<sip:core.carrier.example;lr>"];
  grant(bob, 600, [`Service-Route: ${routes.join(", ")}`, "P-Associated-URI: <sip:+4930123@carrier.example>"]);
  alice.invite("4711");
  const invite = bob.asked("INVITE");
  expect(headersOf(invite, "Route")).toEqual(routes);
  expect(invite.split(" ")[1]).toBe("sip:4711@carrier.example");
  expect(headerOf(invite, "From")).toMatch(/^"alice" <sip:alice@carrier\.example>;tag=/);
  expect(headerOf(invite, "To")).toBe("<sip:4711@carrier.example>");
  alice.cancel();
  bob.answer(180);
  expect(headersOf(bob.asked("CANCEL"), "Route")).toEqual(routes);
});

test("identities bear the domain of the account", () => {
  const trusting = (settings: Settings): Settings => {
    const outside = settings.realms.get("outside");
    if (outside === undefined) throw new Error("no outside");
    return { ...settings, realms: new Map(settings.realms).set("outside", { ...outside, trust: "full" }) };
  };
  const { alice, bob } = scene({}, { change: trusting });
  grant(bob, 600);
  alice.invite("4711", { headers: ["P-Asserted-Identity: <sip:+4930999@198.51.100.7>"] });
  expect(headerOf(bob.asked("INVITE"), "P-Asserted-Identity")).toBe("<sip:+4930999@carrier.example>");
});

test("P-Associated-URI is shown", () => {
  const { stage, bob } = scene();
  grant(bob, 600, ["P-Associated-URI: <sip:+4930123@carrier.example>, <tel:+4930124>"]);
  expect(view(stage)?.associated).toEqual(["<sip:+4930123@carrier.example>", "<tel:+4930124>"]);
});

test("GIN: all numbers at once, by a Contact without user", () => {
  const { alice, bob } = scene({ gin: true });
  const register = bob.asked("REGISTER");
  expect(headerOf(register, "Contact")).toBe("<sip:10.9.0.1:5060;bnc>");
  expect([headerOf(register, "Require"), headerOf(register, "Proxy-Require")]).toEqual(["gin", "gin"]);
  expect(headerOf(register, "Supported")).toContain("path");
  bob.answer(200, { method: "REGISTER", headers: ["Contact: <sip:10.9.0.1:5060;bnc>;expires=7200"] });
  bob.invite("+12145550102");
  expect(alice.asked("INVITE").split(" ")[1]).toBe("sip:+12145550102@198.51.100.7");
});

test("a call for the registered Contact is one for the address of record, from that peer alone", () => {
  const { stage, alice, bob } = scene({ contactUser: "x7f" });
  expect(headerOf(bob.asked("REGISTER"), "Contact")).toBe("<sip:x7f@10.9.0.1:5060>");
  grant(bob, 600);
  bob.invite("x7f");
  expect(alice.asked("INVITE").split(" ")[1]).toBe("sip:trunk1@198.51.100.7");
  expect(stage.factsOf("call.started")[0]?.from.peer).toBe("pbx");
  // The same name from another side is nobody's.
  alice.invite("x7f");
  expect(bob.asked("INVITE").split(" ")[1]).toBe("sip:x7f@carrier.example");
});

test("two accounts at one address: the Contact tells whose call it is", () => {
  const { stage, bob } = scene(
    { contactUser: "one" },
    {
      change: (settings) => {
        const pbx = settings.peers.get("pbx") as PeerSettings;
        const twin = {
          ...pbx,
          name: "twin",
          register: { ...registration, aor: "sip:two@carrier.example", user: "two", contactUser: "two" },
        };
        return {
          ...settings,
          peers: new Map([...settings.peers, ["twin", twin]]),
          routes: [{ when: { from: "twin" }, to: ["carrier"] }, ...settings.routes],
        };
      },
    },
  );
  bob.invite("two");
  bob.invite("one");
  expect(stage.factsOf("call.started").map(({ from }) => from.peer)).toEqual(["twin", "pbx"]);
});

test("the box goes: it takes itself out before anything else, and nothing is left", () => {
  const { stage, bob } = scene();
  const server = new DigestServer(ACCOUNT);
  challenge(bob, server);
  grant(bob, 600);
  stage.step({ in: "shutdown" });
  const last = bob.asked("REGISTER");
  expect([headerOf(last, "Expires"), headerOf(last, "Contact")]).toEqual(["0", "<sip:trunk1@10.9.0.1:5060>"]);
  expect(server.judge(last, headerOf(last, "Authorization"))).toBe("right");
  bob.answer(200, { method: "REGISTER" });
  stage.pass(300 * SECOND);
  expect(stage.remains()).toEqual(NOTHING);
});

test("a reload that takes the trunk away takes it out; one that changes it comes back with the new one", () => {
  const { stage, bob, settings } = scene();
  grant(bob, 600);
  stage.step({ in: "reload", settings: withRegister(settings, { ...registration, contactUser: "new" }) });
  expect(headerOf(bob.asked("REGISTER"), "Expires")).toBe("0");
  bob.answer(200, { method: "REGISTER" });
  stage.pass(2 * SECOND);
  expect(headerOf(bob.asked("REGISTER"), "Contact")).toBe("<sip:new@10.9.0.1:5060>");
  grant(bob, 600);
  stage.step({ in: "reload", settings: withRegister(settings, undefined) });
  expect(headerOf(bob.asked("REGISTER"), "Expires")).toBe("0");
  bob.answer(200, { method: "REGISTER" });
  stage.pass(300 * SECOND);
  expect(view(stage)).toBeUndefined();
  expect(stage.remains()).toEqual(NOTHING);
});

test("a reload that changes nothing of it asks nothing", () => {
  const { stage, bob, settings } = scene();
  grant(bob, 600);
  const before = bob.got.length;
  stage.step({ in: "reload", settings });
  stage.pass(100 * SECOND);
  expect(bob.got.filter((text) => text.includes("SIP/2.0"))).toHaveLength(before);
  expect(view(stage)).toMatchObject({ state: "registered" });
});

test("a reload with the right password ends the waiting", () => {
  const { stage, bob, settings } = scene();
  const server = new DigestServer({ ...ACCOUNT, password: "another" });
  challenge(bob, server);
  challenge(bob, server);
  expect(view(stage)).toMatchObject({ state: "waiting", reason: "refused with 401" });
  stage.step({ in: "reload", settings });
  stage.pass(10 * SECOND);
  expect(registers(bob)).toBe(2); // Nothing has changed: the wait goes on.
  const pbx = settings.peers.get("pbx") as PeerSettings;
  const auth = { ...(pbx.auth as AuthSettings), password: new Secret("another") };
  stage.step({ in: "reload", settings: { ...settings, peers: new Map(settings.peers).set("pbx", { ...pbx, auth }) } });
  stage.pass(2 * SECOND);
  challenge(bob, server);
  const request = bob.asked("REGISTER");
  expect(server.judge(request, headerOf(request, "Authorization"))).toBe("right");
  grant(bob, 600);
  expect(view(stage)).toMatchObject({ state: "registered" });
});

test("a MESSAGE goes the way of calls, by the names of the account", () => {
  const { alice, bob } = scene();
  grant(bob, 600, ["Service-Route: <sip:edge.carrier.example;lr>"]);
  alice.outside("MESSAGE", "4711", { body: { type: "text/plain", text: "Watson" } });
  const message = bob.asked("MESSAGE");
  expect(message.split(" ")[1]).toBe("sip:4711@carrier.example");
  expect(headerOf(message, "From")).toMatch(/^<sip:alice@carrier\.example>;tag=/);
  expect(headersOf(message, "Route")).toEqual(["<sip:edge.carrier.example;lr>"]);
});

test("a NAT on the way is reminded of the flow every half minute", () => {
  const { stage, bob } = scene();
  grant(bob, 3_600);
  stage.look();
  stage.pass(300 * SECOND);
  const pings = stage.look().length;
  expect(pings).toBeGreaterThanOrEqual(10);
  expect(pings).toBeLessThanOrEqual(13);
});

test("the connection of the registration breaks: it is made again within two seconds", () => {
  const tls = { kind: "host", protocol: "tls", host: BOB.ip, port: 5061 } as const;
  const { stage } = scene(
    {},
    {
      change: (settings) => {
        const inside = settings.realms.get("inside");
        const pbx = settings.peers.get("pbx");
        if (inside === undefined || pbx === undefined) throw new Error("who is who");
        const listener = {
          id: "inside/tls",
          realm: "inside",
          protocol: "tls",
          address: { ip: "10.9.0.1", port: 5061 },
        } as const;
        return {
          ...settings,
          realms: new Map(settings.realms).set("inside", { ...inside, listeners: [...inside.listeners, listener] }),
          peers: new Map(settings.peers).set("pbx", { ...pbx, targets: [tls] }),
        };
      },
    },
  );
  stage.pass(30 * SECOND); // Nobody was there yet.
  const registrar = stage.party("registrar", { ...BOB, port: 5061, tls: 2 ** 31 + 7 });
  stage.pass(60 * SECOND);
  grant(registrar, 600, [], "<sip:trunk1@10.9.0.1:5061;transport=tls>");
  expect(headerOf(registrar.asked("REGISTER"), "Contact")).toBe("<sip:trunk1@10.9.0.1:5061;transport=tls>");
  expect(view(stage)).toMatchObject({ state: "registered" });
  const before = registrar.got.length;
  stage.disconnect(registrar);
  stage.pass(0);
  expect(view(stage)).toMatchObject({ state: "waiting", reason: "its connection broke" });
  stage.pass(2 * SECOND);
  expect(registrar.got).toHaveLength(before + 1);
  grant(registrar, 600, [], "<sip:trunk1@10.9.0.1:5061;transport=tls>");
  expect(view(stage)).toMatchObject({ state: "registered", reason: "" });

  // That it was lost is no failure of ours: the first one after it is the first.
  stage.disconnect(registrar);
  stage.pass(2 * SECOND);
  registrar.answer(503, { method: "REGISTER" });
  const { retrySeconds } = stage.factsOf("trunk.failed").at(-1) ?? { retrySeconds: 0 };
  expect(retrySeconds).toBeGreaterThanOrEqual(15);
  expect(retrySeconds).toBeLessThanOrEqual(30);
  const told = stage.factsOf("trunk.registered").length;
  stage.pass(retrySeconds * SECOND);
  grant(registrar, 600, [], "<sip:trunk1@10.9.0.1:5061;transport=tls>");
  expect(stage.factsOf("trunk.registered")).toHaveLength(told + 1);
});

test("what a registrar grants is bounded on both sides, and what it says without sense is passed over", () => {
  for (const [header, seconds] of [
    ["Contact: <sip:trunk1@10.9.0.1:5060>;expires=1", 30],
    ["Contact: <sip:trunk1@10.9.0.1:5060>;expires=999999999", 86_400],
    ["Contact: <sip:trunk1@192.0.2.9:1234>;expires=120", 120],
    ["Contact: <sip:a@b>;expires=77, <sip:trunk1@10.9.0.1>;expires=99, <sip:trunk1@10.9.0.1:5060>;expires=111", 111],
    ["Expires: 90", 90],
    ["Contact: <sip:trunk1@10.9.0.1:5060>;expires=soon", 600],
    ["Service-Route: <sip:", 600],
    ["Contact: <sip:[::zz]:99999999>;expires=100, <sip:trunk1@10.9.0.1:5060>;expires=130", 130],
    ["Contact: <sip:[::zz]:99999999>;expires=100", 100],
    ["Contact: *", 600],
    ["Contact: <x", 600],
  ] as const) {
    const { stage, bob } = scene();
    bob.answer(200, { method: "REGISTER", headers: [header] });
    expect([header, view(stage)]).toMatchObject([header, { state: "registered", expiresSeconds: seconds }]);
  }
});

// — How they begin.

const registration: RegisterSettings = {
  aor: "sip:trunk1@carrier.example",
  scheme: "sip",
  user: "trunk1",
  host: "carrier.example",
  contactUser: "trunk1",
  everySeconds: 600,
  gin: false,
};

function scene(register: Partial<RegisterSettings> = {}, options: StageOptions = {}) {
  let settings: Settings | undefined;
  const sides = twoSides({
    ...options,
    change: (plain) => {
      const ours = withRegister(plain, { ...registration, ...register });
      settings = options.change?.(ours) ?? ours;
      return settings;
    },
  });
  if (settings === undefined) throw new Error("no settings");
  sides.stage.pass(2 * SECOND);
  return { ...sides, settings };
}

function withRegister(settings: Settings, register: RegisterSettings | undefined): Settings {
  const pbx = settings.peers.get("pbx") as PeerSettings;
  const auth = {
    user: ACCOUNT.user,
    realm: ACCOUNT.realm,
    password: new Secret(ACCOUNT.password),
    ha1: new Map(),
    hashes: ["MD5", "SHA-256"] as const,
  };
  return { ...settings, peers: new Map(settings.peers).set("pbx", { ...pbx, auth, register }) };
}

function challenge(party: ScriptedParty, server: DigestServer): void {
  party.answer(401, { method: "REGISTER", headers: [`WWW-Authenticate: ${server.challenge()}`] });
}

function grant(
  party: ScriptedParty,
  seconds: number,
  headers: readonly string[] = [],
  contact = headerOf(party.asked("REGISTER"), "Contact"),
): void {
  party.answer(200, { method: "REGISTER", headers: [`Contact: ${contact};expires=${seconds}`, ...headers] });
}

/** Lets time pass until the next REGISTER comes. */
function nextRegister(stage: Stage, party: ScriptedParty): void {
  const before = registers(party);
  for (let i = 0; i < 2_000; i++) {
    stage.pass(SECOND);
    if (registers(party) > before) return;
  }
  throw new Error("no REGISTER came");
}

/** How many different ones came: a copy has the branch of the first. */
const registers = (party: ScriptedParty): number =>
  new Set(party.got.filter((text) => text.startsWith("REGISTER")).map((text) => headerOf(text, "Via"))).size;

const view = (stage: Stage) =>
  stage.engine
    .view()
    .peers()
    .find(({ name }) => name === "pbx")?.registration;
