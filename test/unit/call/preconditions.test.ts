/** Preconditions (RFC 3312, RFC 4032) across the box: passed, or answered by it for a side that has none. */
import { afterEach, expect, test } from "vitest";
import type { PreconditionPolicy } from "../../../src/base/index.ts";
import { expectNoLeaks } from "../../support/leak-check.ts";
import { audio, bodyOf, headerOf, headersOf } from "../../support/scripted-party.ts";
import { ALICE, BOB, type Stage, twoSides } from "../../support/stage.ts";
import { NOTHING, sdpOfBob } from "./scenes.ts";

let stage: Stage;
let alice: ReturnType<typeof twoSides>["alice"];
let bob: ReturnType<typeof twoSides>["bob"];

afterEach(() => {
  stage.pass(300_000);
  expect(stage.remains()).toEqual(NOTHING);
  expect(stage.factsOf("call.ended")).toHaveLength(stage.factsOf("call.started").length);
  expectNoLeaks(stage);
});

const TAGS = ["Supported: 100rel", "Require: precondition"];
const UNMET =
  "a=curr:qos local none\r\na=curr:qos remote none\r\na=des:qos mandatory local sendrecv\r\na=des:qos none remote sendrecv\r\n";
const MET = UNMET.replace("local none", "local sendrecv");
const offer = (lines: string, version = 1): string => audio(ALICE.ip, { version }) + lines;
const words = (): string[] => stage.look().map((line) => line.slice(line.indexOf(" ") + 1));
const reliable = (rseq: number, sdp?: string, ...headers: string[]) => ({
  sdp,
  headers: ["Require: 100rel", `RSeq: ${rseq}`, ...headers],
});
const preconditions = (text: string): string[] =>
  bodyOf(text)
    .split("\r\n")
    .filter((line) => /^a=(curr|des|conf)/.test(line));

test("both peers have them: option tags and lines cross, in INVITE, 183, PRACK and UPDATE, and in their answers", () => {
  calling("pass", "pass");
  expect(headersOf(bob.asked("INVITE"), "Require")).toEqual(["precondition"]);
  expect(preconditions(bob.asked("INVITE"))).toEqual(UNMET.trim().split("\r\n"));
  const answer = `${sdpOfBob}a=curr:qos local none\r\na=curr:qos remote none\r\na=des:qos mandatory local sendrecv\r\na=des:qos mandatory remote sendrecv\r\na=conf:qos remote sendrecv\r\n`;
  bob.answer(183, reliable(1, answer, "Require: precondition"));
  expect(headersOf(alice.response("INVITE"), "Require").toSorted()).toEqual(["100rel", "precondition"]);
  expect(preconditions(alice.response("INVITE"))).toContain("a=conf:qos remote sendrecv");
  alice.prack();
  bob.answer(200, { method: "PRACK" });
  alice.request("UPDATE", { sdp: offer(MET, 2), headers: ["Require: precondition"] });
  expect(headerOf(bob.asked("UPDATE"), "Require")).toBe("precondition");
  expect(preconditions(bob.asked("UPDATE"))).toContain("a=curr:qos local sendrecv");
  bob.answer(200, { method: "UPDATE", sdp: answer.replace("remote none", "remote sendrecv") });
  expect(preconditions(alice.response("UPDATE"))).toContain("a=curr:qos remote sendrecv");
  bob.answer(180);
  bob.answer(200);
  hangUp();
});

test("a 1xx whose body is encoded is heard without it while the caller waits", () => {
  calling("pass", "off");
  bob.answer(180, { sdp: sdpOfBob, headers: ["Content-Encoding: gzip"] });
  bob.answer(486);
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 486 /);
  alice.ackRefusal();
});

test("580 crosses between peers that have them, and is 488 to one that has not", () => {
  calling("pass", "pass");
  bob.answer(580);
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 580 /);
  alice.ackRefusal();
  calling("off", "require", [], audio(ALICE.ip));
  bob.answer(580);
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 488 /);
  alice.ackRefusal();
});

test("off, as it is by default: 420 to those who require them, and nothing of them crosses for the others", () => {
  calling("off", "pass");
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 420 /);
  expect(headerOf(alice.response("INVITE"), "Unsupported")).toBe("precondition");
  alice.ackRefusal();
  calling("off", "pass", ["Supported: 100rel, precondition"]);
  expect(headerOf(bob.asked("INVITE"), "Supported")).not.toContain("precondition");
  expect(preconditions(bob.asked("INVITE"))).toEqual([]);
  bob.answer(200, { sdp: sdpOfBob });
  expect(preconditions(alice.response("INVITE"))).toEqual([]);
  hangUp();
});

test("a callee without them: the box answers, and keeps its ringing back until the caller has its resources", () => {
  calling("pass", "off");
  expect(headersOf(bob.asked("INVITE"), "Require")).toEqual([]);
  expect(preconditions(bob.asked("INVITE"))).toEqual([]);
  bob.answer(183, { sdp: sdpOfBob }); // Plainly: the caller gets it reliably all the same.
  const early = alice.response("INVITE");
  expect(headerOf(early, "RSeq")).not.toBe("");
  expect(preconditions(early)).toEqual([
    "a=curr:qos remote none",
    "a=curr:qos local sendrecv",
    "a=des:qos mandatory remote sendrecv",
    "a=des:qos none local sendrecv",
    "a=conf:qos remote sendrecv",
  ]);
  alice.prack();
  words();
  bob.answer(180);
  expect(words()).toEqual(["bob > 180"]);
  alice.request("UPDATE", { sdp: offer(MET, 2), headers: ["Require: precondition"] });
  expect(words()).toEqual(["alice > UPDATE", "alice < 200 UPDATE", "alice < 180"]);
  expect(preconditions(alice.response("UPDATE"))).toContain("a=curr:qos remote sendrecv");
  expect(() => bob.asked("UPDATE")).toThrow();
  bob.answer(200, { sdp: sdpOfBob });
  hangUp();
});

test("a 180 with the answer in it is a 183 to a caller that still waits", () => {
  calling("pass", "off");
  bob.answer(180, reliable(4, sdpOfBob));
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 183 /);
  alice.prack();
  bob.answer(200, { method: "PRACK" });
  words();
  alice.request("UPDATE", { sdp: offer(MET, 2) });
  expect(words()).toEqual(["alice > UPDATE", "bob < UPDATE"]); // This callee has UPDATE: it is told where media goes.
  expect(preconditions(bob.asked("UPDATE"))).toEqual([]);
  bob.answer(200, { method: "UPDATE", sdp: sdpOfBob });
  expect(words()).toEqual(["bob > 200 UPDATE", "alice < 200 UPDATE", "alice < 180"]);
  bob.answer(200);
  hangUp();
});

test("two forks: one that rings without a word of its media is kept back as well, once the caller knows of another's", () => {
  calling("pass", "off");
  words();
  bob.answer(180, { fork: "-a" });
  expect(words()).toEqual(["bob > 180", "alice < 180"]); // Nothing to reserve by yet: it hears what there is to hear.
  bob.answer(183, { fork: "-b", sdp: sdpOfBob });
  alice.prack();
  words();
  bob.answer(180, { fork: "-a" });
  expect(words()).toEqual(["bob > 180"]);
  alice.request("UPDATE", { sdp: offer(MET, 2) });
  expect(words()).toEqual(["alice > UPDATE", "alice < 200 UPDATE", "alice < 180"]);
  bob.answer(200, { fork: "-b", sdp: sdpOfBob });
  hangUp();
});

test("a callee that answers at once: the caller gets the answer in a 183, and the 200 when it has its resources", () => {
  calling("pass", "off");
  words();
  bob.answer(200, { sdp: sdpOfBob });
  expect(words()).toEqual(["bob > 200", "alice < 183", "bob < ACK"]);
  alice.prack();
  expect(words()).toEqual(["alice > PRACK", "alice < 200 PRACK"]);
  alice.request("UPDATE", { sdp: offer(MET, 2) });
  bob.answer(200, { method: "UPDATE", sdp: audio(BOB.ip, { port: 6000, version: 2 }) });
  expect(words()).toEqual(["alice > UPDATE", "bob < UPDATE", "bob > 200 UPDATE", "alice < 200 UPDATE", "alice < 200"]);
  hangUp();
});

test("resources that never come: 580 to the caller and BYE to the callee after 32 s", () => {
  calling("pass", "off");
  bob.answer(200, { sdp: sdpOfBob });
  alice.prack();
  words();
  stage.pass(32_000);
  expect(words()).toEqual(["bob < BYE", "alice < 580"]);
  alice.ackRefusal();
  bob.answer(200, { method: "BYE" });
});

test("a caller whose resources are there already waits for nothing", () => {
  calling("pass", "off", TAGS, offer(MET));
  bob.answer(180);
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 180 /);
  bob.answer(200, { sdp: sdpOfBob });
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 200 /);
  expect(preconditions(alice.response("INVITE"))).toContain("a=curr:qos remote sendrecv");
  hangUp();
});

test("CANCEL while the 200 waits for resources: 487, and the callee gets BYE", () => {
  calling("pass", "off");
  bob.answer(200, { sdp: sdpOfBob });
  alice.prack();
  words();
  alice.cancel();
  expect(words()).toEqual(["alice > CANCEL", "alice < 200 CANCEL", "alice < 487", "bob < BYE"]);
  alice.ackRefusal();
  bob.answer(200, { method: "BYE" });
});

test("a callee that requires them, and a caller without: our INVITE says that this end is ready", () => {
  calling("off", "require", ["Supported: 100rel"], audio(ALICE.ip));
  expect(headersOf(bob.asked("INVITE"), "Require")).toEqual(["precondition"]);
  expect(preconditions(bob.asked("INVITE"))).toEqual([
    "a=curr:qos local sendrecv",
    "a=curr:qos remote none",
    "a=des:qos mandatory local sendrecv",
    "a=des:qos none remote sendrecv",
  ]);
  const waits = `${sdpOfBob}a=curr:qos local none\r\na=curr:qos remote sendrecv\r\na=des:qos mandatory local sendrecv\r\na=des:qos mandatory remote sendrecv\r\n`;
  bob.answer(183, reliable(1, waits));
  expect(preconditions(alice.response("INVITE"))).toEqual([]);
  alice.prack();
  bob.answer(200, { method: "PRACK" });
  bob.request("UPDATE", {
    sdp: waits.replace("local none", "local sendrecv").replace("77 1", "77 2"),
    headers: ["Require: precondition"],
  });
  expect(headerOf(alice.asked("UPDATE"), "Require")).toBe("");
  expect(preconditions(alice.asked("UPDATE"))).toEqual([]);
  alice.answer(200, { method: "UPDATE", sdp: audio(ALICE.ip, { version: 2 }) });
  expect(preconditions(bob.response("UPDATE"))).toContain("a=curr:qos local sendrecv");
  bob.answer(180);
  bob.answer(200);
  hangUp();
});

test("an UPDATE that requires them from a peer with none gets 420", () => {
  calling("off", "off", ["Supported: 100rel"], audio(ALICE.ip));
  bob.answer(183, reliable(1, sdpOfBob));
  alice.prack();
  bob.answer(200, { method: "PRACK" });
  alice.request("UPDATE", { sdp: offer(MET, 2), headers: ["Require: precondition"] });
  expect(alice.response("UPDATE")).toMatch(/^SIP\/2\.0 420 /);
  bob.answer(200);
  hangUp();
});

/** Alice calls; `caller` and `callee`: what the configuration says of the two peers. */
function calling(
  caller: PreconditionPolicy,
  callee: PreconditionPolicy,
  headers: readonly string[] = TAGS,
  sdp: string = offer(UNMET),
): void {
  if (stage !== undefined) {
    stage.pass(300_000);
    expectNoLeaks(stage);
  }
  ({ stage, alice, bob } = twoSides({
    change: (settings) => ({
      ...settings,
      peers: new Map(
        [...settings.peers].map(([name, peer]) => [
          name,
          { ...peer, preconditions: name === "carrier" ? caller : callee },
        ]),
      ),
    }),
  }));
  alice.invite("4711", { sdp, headers });
}

function hangUp(): void {
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 200 /);
  alice.ack();
  alice.request("BYE");
  bob.answer(200, { method: "BYE" });
}
