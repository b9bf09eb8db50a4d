/** Reliable 1xx (RFC 3262): each leg for itself, with every mixture of phones that have them and phones that do not. */
import { afterEach, expect, test } from "vitest";
import type { PeerSettings } from "../../../src/base/index.ts";
import { expectNoLeaks } from "../../support/leak-check.ts";
import { audio, bodyOf, headerOf } from "../../support/scripted-party.ts";
import { ALICE, type Stage, type StageOptions, twoSides, words } from "../../support/stage.ts";
import { NOTHING, sdpOfBob } from "./scenes.ts";

let stage: Stage;

afterEach(() => {
  stage.pass(300_000);
  expect(stage.remains()).toEqual(NOTHING);
  expect(stage.factsOf("call.ended")).toHaveLength(stage.factsOf("call.started").length);
  expectNoLeaks(stage);
});

const ofAlice = audio(ALICE.ip);
const SUPPORTED = ["Supported: 100rel"];
const REQUIRED = ["Require: 100rel"];
const reliable = (rseq: number, sdp?: string) => ({ sdp, headers: ["Require: 100rel", `RSeq: ${rseq}`] });
test("two reliable 1xx in a row: the second waits for the PRACK of the first, and its number follows", () => {
  const { alice, bob } = invited(SUPPORTED);
  bob.answer(183, reliable(20, sdpOfBob));
  const first = Number(headerOf(alice.response("INVITE"), "RSeq"));
  bob.answer(180, reliable(21));
  expect(words(stage.look()).slice(-2)).toEqual(["alice < 183", "bob > 180"]);
  alice.prack();
  expect(Number(headerOf(alice.response("INVITE"), "RSeq"))).toBe(first + 1);
  bob.answer(200, { method: "PRACK" });
  alice.prack();
  expect(headerOf(bob.asked("PRACK"), "RAck")).toBe("21 1 INVITE");
  bob.answer(200, { method: "PRACK" });
  hangUp();
});

test.each([
  ["one that knows both", SUPPORTED, 2],
  ["one that takes nothing else", REQUIRED, 0],
])("more 1xx than may wait for a PRACK, to %s", (_, headers, plain) => {
  const { alice, bob } = invited(headers);
  for (let rseq = 1; rseq <= 10; rseq++) bob.answer(183, reliable(rseq));
  const unreliable = () => words(stage.look()).filter((word) => word === "alice < 183").length - 1;
  expect(unreliable()).toBe(plain);
  for (let acknowledged = 0; acknowledged < 8; acknowledged++) {
    alice.prack();
    bob.answer(200, { method: "PRACK" });
  }
  hangUp();
});

test("forks: each early dialog counts its reliable 1xx for itself, and waits for its own PRACKs alone", () => {
  const { alice, bob } = invited(SUPPORTED);
  bob.answer(183, { ...reliable(5, sdpOfBob), fork: "-a" });
  const ofA = alice.response("INVITE");
  bob.answer(183, { ...reliable(900, sdpOfBob), fork: "-b" });
  const ofB = alice.response("INVITE"); // It did not wait for the PRACK of the other.
  expect(headerOf(ofB, "To")).not.toBe(headerOf(ofA, "To"));
  alice.prack();
  bob.answer(200, { method: "PRACK" });
  bob.answer(180, { ...reliable(901), fork: "-b" });
  expect(Number(headerOf(alice.response("INVITE"), "RSeq"))).toBe(Number(headerOf(ofB, "RSeq")) + 1);
  alice.prack();
  bob.answer(200, { method: "PRACK" });
  stage.look();
  bob.answer(200, { fork: "-b" }); // What fork a said was never acknowledged: this 200 waits for none of it.
  expect(words(stage.look())).toEqual(["bob > 200", "bob < ACK", "alice < 200"]);
  alice.ack();
  alice.request("BYE");
  bob.answer(200, { method: "BYE" });
});

test("one fork's PRACKs never come: it is given up, and the other one may still answer", () => {
  const { alice, bob } = invited(SUPPORTED);
  bob.answer(183, { ...reliable(5, sdpOfBob), fork: "-a" });
  bob.answer(180, { fork: "-b" });
  stage.pass(40_000);
  bob.answer(200, { sdp: sdpOfBob, fork: "-b" });
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 200 /);
  alice.ack();
  alice.request("BYE");
  bob.answer(200, { method: "BYE" });
});

test("a fork that was given up answers: the caller gets 504, the callee BYE", () => {
  const { alice, bob } = invited(SUPPORTED);
  bob.answer(180, { fork: "-b" });
  bob.answer(183, { ...reliable(5, sdpOfBob), fork: "-a" });
  stage.pass(40_000);
  stage.look();
  bob.answer(200, { fork: "-a" });
  expect(words(stage.look())).toEqual(["bob > 200", "bob < ACK", "bob < BYE", "alice < 504"]);
  alice.ackRefusal();
  bob.answer(200, { method: "BYE" });
});

test("the PRACK is lost, and comes again byte for byte: one answer twice, one PRACK to the callee", () => {
  const { alice, bob } = invited(SUPPORTED);
  bob.answer(183, reliable(5, sdpOfBob));
  stage.look();
  alice.prack();
  const text = alice.sent.at(-1) as string;
  stage.deliver(alice, text);
  expect(words(stage.look())).toEqual([
    "alice > PRACK",
    "alice < 200 PRACK",
    "bob < PRACK",
    "alice > PRACK",
    "alice < 200 PRACK",
  ]);
  bob.answer(200, { method: "PRACK" });
  hangUp();
});

test("a PRACK that names another 1xx, INVITE or method gets 481, and the 1xx is still repeated", () => {
  const { alice, bob } = invited(SUPPORTED);
  bob.answer(183, reliable(5, sdpOfBob));
  const early = alice.response("INVITE");
  const [rseq, seq] = [Number(headerOf(early, "RSeq")), headerOf(early, "CSeq").split(" ")[0]];
  alice.ack(); // Learns the early dialog.
  for (const rack of [`${rseq + 1} ${seq} INVITE`, `${rseq} 9999 INVITE`, `${rseq} ${seq} UPDATE`]) {
    alice.request("PRACK", { headers: [`RAck: ${rack}`] });
    expect(alice.response("PRACK")).toMatch(/^SIP\/2\.0 481 /);
  }
  alice.request("PRACK");
  expect(alice.response("PRACK")).toMatch(/^SIP\/2\.0 481 /);
  alice.request("PRACK", { headers: ["RAck: rubbish"] });
  expect(alice.response("PRACK")).toMatch(/^SIP\/2\.0 400 /);
  stage.look();
  stage.pass(600);
  expect(words(stage.look())).toEqual(["alice < 183"]);
  alice.prack();
  bob.answer(200, { method: "PRACK" });
  hangUp();
});

test("a PRACK that comes after the 200 that needed none: it is answered, and the callee's 1xx gets its own", () => {
  const { alice, bob } = invited(SUPPORTED);
  bob.answer(180, reliable(5)); // No SDP: nothing that the 200 could overtake.
  const ringing = alice.response("INVITE");
  stage.look();
  bob.answer(200, { sdp: sdpOfBob });
  expect(words(stage.look())).toEqual(["bob > 200", "bob < ACK", "alice < 200"]);
  alice.request("PRACK", { headers: [`RAck: ${headerOf(ringing, "RSeq")} ${headerOf(ringing, "CSeq")}`] });
  expect(alice.response("PRACK")).toMatch(/^SIP\/2\.0 481 /); // It was sent before alice knew our tag.
  alice.ack();
  alice.request("PRACK", { headers: [`RAck: ${headerOf(ringing, "RSeq")} ${headerOf(ringing, "CSeq")}`] });
  expect(alice.response("PRACK")).toMatch(/^SIP\/2\.0 200 /);
  expect(headerOf(bob.asked("PRACK"), "RAck")).toBe("5 1 INVITE");
  bob.answer(200, { method: "PRACK" });
  alice.request("BYE");
  bob.answer(200, { method: "BYE" });
});

test("the callee's 200 before our PRACK could reach it: the caller's 200 waits for the caller's PRACK", () => {
  const { alice, bob } = invited(SUPPORTED);
  bob.answer(183, reliable(5, sdpOfBob));
  bob.answer(200);
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 183 /);
  stage.look();
  alice.prack();
  expect(words(stage.look())).toEqual(["alice > PRACK", "alice < 200 PRACK", "bob < PRACK", "alice < 200"]);
  bob.answer(481, { method: "PRACK" });
  alice.ack();
  alice.request("BYE");
  bob.answer(200, { method: "BYE" });
});

test("the callee changes its mind while the caller's 200 waits for a PRACK: 500 and Retry-After", () => {
  const { alice, bob } = invited(SUPPORTED);
  bob.answer(183, reliable(5, sdpOfBob));
  bob.answer(200);
  stage.look();
  bob.request("UPDATE", { sdp: sdpOfBob.replace("77 1", "77 2") });
  expect(bob.response("UPDATE")).toMatch(/^SIP\/2\.0 500 /);
  expect(() => alice.asked("UPDATE")).toThrow();
  alice.prack();
  bob.answer(200, { method: "PRACK" });
  alice.ack();
  alice.request("BYE");
  bob.answer(200, { method: "BYE" });
});

test("CANCEL while a 200 waits for its PRACK: the caller gets 487, the callee BYE", () => {
  const { alice, bob } = invited(SUPPORTED);
  bob.answer(183, reliable(5, sdpOfBob));
  bob.answer(200);
  stage.look();
  alice.cancel();
  expect(words(stage.look())).toEqual(["alice > CANCEL", "alice < 200 CANCEL", "alice < 487", "bob < BYE"]);
  alice.ackRefusal();
  bob.answer(200, { method: "BYE" });
});

test("PRACK never comes while a 200 waits for it: the caller gets 504, the callee BYE", () => {
  const { alice, bob } = invited(SUPPORTED);
  bob.answer(183, reliable(5, sdpOfBob));
  bob.answer(200);
  stage.look();
  stage.pass(32_000);
  expect(words(stage.look()).slice(-2)).toEqual(["bob < BYE", "alice < 504"]);
  alice.ackRefusal();
  bob.answer(200, { method: "BYE" });
});

test("a caller that takes nothing else, and no offer from the callee yet: its 1xx are held back, its offer is not", () => {
  const { alice, bob } = invited(REQUIRED, {}, "late offer");
  bob.answer(180);
  bob.answer(183, { sdp: sdpOfBob }); // Plain: an offer in it would be none.
  expect(words(stage.look()).filter((line) => line.startsWith("alice <"))).toEqual([]);
  bob.answer(183, reliable(3, sdpOfBob));
  expect(bodyOf(alice.response("INVITE"))).toContain("203.0.113.1");
  alice.prack({ sdp: ofAlice });
  expect(bodyOf(bob.asked("PRACK"))).toContain("10.9.0.1");
  bob.answer(200, { method: "PRACK" });
  hangUp();
});

test("a late offer in a reliable 1xx, and a PRACK without the answer: the call ends, nobody waits for ever", () => {
  const { alice, bob } = invited(SUPPORTED, {}, "late offer");
  bob.answer(183, reliable(3, sdpOfBob));
  alice.prack();
  expect(alice.response("PRACK")).toMatch(/^SIP\/2\.0 (400|488) /);
  stage.look();
  bob.answer(200, { method: "CANCEL" });
  bob.answer(487);
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 488 /);
  alice.ackRefusal();
});

test("a new offer in the PRACK crosses, and its answer comes back in the 200", () => {
  const { alice, bob } = invited(SUPPORTED);
  bob.answer(183, reliable(3, sdpOfBob));
  stage.look();
  alice.prack({ sdp: audio(ALICE.ip, { version: 2, port: 4444 }) });
  expect(words(stage.look())).toEqual(["alice > PRACK", "bob < PRACK"]);
  expect(bodyOf(bob.asked("PRACK"))).toContain("10.9.0.1");
  bob.answer(200, { method: "PRACK", sdp: audio("10.9.0.7", { version: 2, port: 6000 }) });
  expect(bodyOf(alice.response("PRACK"))).toContain("203.0.113.1");
  hangUp();
});

test("a new offer in the PRACK for a 1xx that the callee sent plainly: the box answers with what the callee said", () => {
  const { alice, bob } = invited(REQUIRED);
  bob.answer(183, { sdp: sdpOfBob });
  stage.look();
  alice.prack({ sdp: audio(ALICE.ip, { version: 2, port: 4444 }) });
  expect(words(stage.look())).toEqual(["alice > PRACK", "alice < 200 PRACK"]);
  expect(bodyOf(alice.response("PRACK"))).toContain("m=audio");
  bob.answer(200, { sdp: sdpOfBob });
  expect(bodyOf(alice.response("INVITE"))).toBe("");
  alice.ack();
  const remotes = stage.relay.flatMap((one) => (one.word === "change" && one.side === 0 ? [one.set.remote] : []));
  expect(remotes.findLast((remote) => remote !== undefined)).toMatchObject({ ip: ALICE.ip, rtpPort: 4444 });
  alice.request("BYE");
  bob.answer(200, { method: "BYE" });
});

// — By policy

test("reliable1xx require, on the caller's side: it gets 1xx reliably from a callee that knows none", () => {
  const { alice, bob } = invited(SUPPORTED, { carrier: { reliable1xx: "require" } });
  bob.answer(183, { sdp: sdpOfBob });
  expect(headerOf(alice.response("INVITE"), "Require")).toBe("100rel");
  alice.prack();
  expect(alice.response("PRACK")).toMatch(/^SIP\/2\.0 200 /);
  bob.answer(183, { sdp: sdpOfBob });
  expect(bodyOf(alice.response("INVITE"))).toBe(""); // An answer that was given reliably is not given again.
  alice.prack();
  bob.answer(200, { sdp: sdpOfBob });
  expect(bodyOf(alice.response("INVITE"))).toBe("");
  expect(() => bob.asked("PRACK")).toThrow();
  alice.ack();
  alice.request("BYE");
  bob.answer(200, { method: "BYE" });
});

test("reliable1xx require: a 200 whose answer is another than that of the 183 is told by a re-INVITE of the box", () => {
  const codecs = (ip: string, formats: string, version = 1) =>
    audio(ip, { version }).replace("RTP/AVP 0\r\na=rtpmap:0 PCMU/8000", `RTP/AVP ${formats}`);
  cast = twoSides({
    change: (settings) => ({
      ...settings,
      peers: new Map([...settings.peers].map(([name, peer]) => [name, { ...peer, reliable1xx: "require" as const }])),
    }),
  });
  const { alice, bob } = cast;
  stage = cast.stage;
  alice.invite("4711", { sdp: codecs(ALICE.ip, "0 8"), headers: SUPPORTED });
  bob.answer(183, { sdp: codecs("10.9.0.7", "0") });
  alice.prack();
  bob.answer(200, { sdp: codecs("10.9.0.7", "8", 2) });
  expect(bodyOf(alice.response("INVITE"))).toBe("");
  stage.look();
  alice.ack();
  expect(words(stage.look())).toEqual(["alice > ACK", "alice < INVITE"]);
  expect(bodyOf(alice.asked("INVITE"))).toMatch(/m=audio \d+ RTP\/AVP 8\r\n/);
  alice.answer(488);
  expect(words(stage.look())).toEqual(["alice > 488", "alice < ACK"]); // Nobody is worse off than before.
  alice.request("BYE");
  bob.answer(200, { method: "BYE" });
});

test("reliable1xx require cannot ask of a caller what it does not have", () => {
  const { alice, bob } = invited([], { carrier: { reliable1xx: "require" } });
  bob.answer(180);
  expect(headerOf(alice.response("INVITE"), "RSeq")).toBe("");
  hangUp();
});

test("reliable1xx require, on the callee's side: our INVITE says so, and we acknowledge for a caller that has none", () => {
  const { alice, bob } = invited([], { pbx: { reliable1xx: "require" } });
  expect(headerOf(bob.asked("INVITE"), "Require")).toBe("100rel");
  bob.answer(180, reliable(1));
  bob.answer(200, { method: "PRACK" });
  expect(headerOf(alice.response("INVITE"), "Require")).toBe("");
  hangUp();
});

test("a late offer of a caller without 100rel asks for no reliable 1xx, whatever the policy: nobody could answer", () => {
  const { bob } = invited([], { pbx: { reliable1xx: "require" } }, "late offer");
  expect(headerOf(bob.asked("INVITE"), "Require")).toBe("");
  expect(headerOf(bob.asked("INVITE"), "Supported")).not.toContain("100rel");
  bob.answer(486);
});

test("reliable1xx off: our INVITE does not name it, and what comes reliably all the same is acknowledged", () => {
  const { alice, bob } = invited(SUPPORTED, { pbx: { reliable1xx: "off" } });
  expect(headerOf(bob.asked("INVITE"), "Supported")).not.toContain("100rel");
  bob.answer(180, reliable(8));
  expect(headerOf(alice.response("INVITE"), "Require")).toBe("100rel");
  alice.prack();
  bob.answer(200, { method: "PRACK" });
  hangUp();
});

test("reliable1xx off, on the caller's side: it gets plain ones, and 420 when it insists", () => {
  const { alice, bob } = invited(SUPPORTED, { carrier: { reliable1xx: "off" } });
  bob.answer(183, reliable(8, sdpOfBob));
  bob.answer(200, { method: "PRACK" });
  expect(headerOf(alice.response("INVITE"), "RSeq")).toBe("");
  hangUp();
  alice.invite("4712", { sdp: ofAlice, headers: REQUIRED });
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 420 /);
  expect(headerOf(alice.response("INVITE"), "Unsupported")).toBe("100rel");
  alice.ackRefusal();
});

/** Alice calls with these headers, with an offer or without. */
function invited(
  headers: readonly string[],
  policy: Readonly<Record<string, Partial<PeerSettings>>> = {},
  ...late: readonly ["late offer"] | readonly []
) {
  const change: StageOptions["change"] = (settings) => ({
    ...settings,
    peers: new Map([...settings.peers].map(([name, peer]) => [name, { ...peer, ...policy[name] }])),
  });
  cast = twoSides({ change });
  stage = cast.stage;
  cast.alice.invite("4711", { sdp: late.length > 0 ? undefined : ofAlice, headers });
  return cast;
}

let cast: ReturnType<typeof twoSides>;

/** Bob answers, alice acknowledges, alice hangs up. */
function hangUp(): void {
  const { alice, bob } = cast;
  bob.answer(200, { sdp: sdpOfBob });
  alice.ack();
  alice.request("BYE");
  bob.answer(200, { method: "BYE" });
  expect(stage.factsOf("call.ended").at(-1)).toMatchObject({ cause: "bye" });
}
