/** Whoever watches the dialogs of the other side can take them over: RFC 4235 §4, RFC 3891. */
import { expect, test } from "vitest";
import { seededRandom } from "../../../src/base/index.ts";
import { Aliases } from "../../../src/call/aliases.ts";
import { audio, bodyOf, headerOf, tagOf } from "../../support/scripted-party.ts";
import { ALICE, twoSides } from "../../support/stage.ts";
import { ringing } from "./scenes.ts";

const DIALOG = "Event: dialog";

test("a dialog with us is told by a name of ours, and an INVITE that replaces it reaches the phone that rings", () => {
  const { stage, alice, bob } = ringing();
  const ringingAt = {
    callId: headerOf(bob.asked("INVITE"), "Call-ID"),
    ours: tagOf(headerOf(bob.asked("INVITE"), "From")),
  };
  const watcher = watch(stage, alice, bob, document(ringingAt.callId, "bob-tag", ringingAt.ours));
  const [callId, local, remote] = watcher.told;
  expect(watcher.body).not.toMatch(/10\.9\.0\.|bob-tag|bob-call/);
  expect(watcher.body).not.toContain(ringingAt.callId);

  alice.invite("100", {
    sdp: audio(ALICE.ip),
    headers: [`Replaces: ${callId};to-tag=${local};from-tag=${remote};early-only`, "Require: replaces"],
  });
  const invite = bob.asked("INVITE");
  expect(invite).toMatch(/^INVITE sip:bob@10\.9\.0\.7:5060 /);
  expect(headerOf(invite, "Replaces")).toBe(`${ringingAt.callId};to-tag=bob-tag;from-tag=${ringingAt.ours};early-only`);
});

test("the phone whose dialog is to be taken over cannot be asked: nobody else is", () => {
  const { stage, alice, bob } = ringing();
  const invite = bob.asked("INVITE");
  const ours = tagOf(headerOf(invite, "From"));
  const [callId, local, remote] = watch(stage, alice, bob, document(headerOf(invite, "Call-ID"), "bob-tag", ours)).told;
  alice.invite("100", { headers: [`Replaces: ${callId};to-tag=${local};from-tag=${remote}`] });
  bob.answer(503);
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 500 /);
  const asked = stage.sent.inside.filter((text) => text.startsWith("INVITE ") && text.includes("\r\nReplaces: "));
  expect(asked).toHaveLength(1);
});

test("a dialog of the other side alone is told by names that mean nothing, and replaced by what they stand for", () => {
  const { stage, alice, bob } = twoSides();
  const { told, body } = watch(stage, alice, bob, document("pbx-call-7", "tag-of-phone", "tag-of-caller"));
  expect(body).not.toMatch(/pbx-call|tag-of/);
  const [callId, local, remote] = told;
  alice.invite("100", { sdp: audio(ALICE.ip), headers: [`Replaces: ${callId};to-tag=${local};from-tag=${remote}`] });
  const invite = bob.asked("INVITE");
  expect(headerOf(invite, "Replaces")).toBe("pbx-call-7;to-tag=tag-of-phone;from-tag=tag-of-caller");
  expect(headerOf(invite, "Require")).toContain("replaces");
  expect(stage.sent.outside.join("")).not.toMatch(/10\.9\.0\.|pbx-call|tag-of/);

  alice.invite("100", { sdp: audio(ALICE.ip), headers: [`Replaces: ${callId};to-tag=${local};from-tag=guessed`] });
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 481 /);
  bob.invite("200", { sdp: audio("10.9.0.7"), headers: [`Replaces: ${callId};to-tag=${local};from-tag=${remote}`] });
  expect(bob.response("INVITE")).toMatch(/^SIP\/2\.0 481 /);
});

test.each(["x;y=1", "two words", "a,b"])("a name that is none in a header is nobody's: %s", (name) => {
  const { stage, alice, bob } = twoSides();
  const { told } = watch(stage, alice, bob, document(name, "tag-of-phone", "tag-of-caller"));
  const [callId, local, remote] = told;
  alice.invite("100", { sdp: audio(ALICE.ip), headers: [`Replaces: ${callId};to-tag=${local};from-tag=${remote}`] });
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 481 /);
});

test("a name that would break out of its header reaches none", () => {
  const { stage, alice, bob } = twoSides();
  const text = document("c", "tag-of-phone", "tag-of-caller").replace(
    "<state>",
    "<call-id>c&#13;&#10;X-Evil: 1</call-id><state>",
  );
  const { told, body } = watch(stage, alice, bob, text);
  const broken = /<call-id>([^<]+)<\/call-id>/.exec(body)?.[1] ?? "";
  expect(broken).not.toBe("");
  alice.invite("100", { sdp: audio(ALICE.ip), headers: [`Replaces: ${broken};to-tag=${told[1]};from-tag=${told[2]}`] });
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 481 /);
});

test("the same name gets the same word until it is forgotten for newer ones; a word goes home as what it meant", () => {
  const aliases = new Aliases(seededRandom(1), 2);
  const first = aliases.across("one", "inside", "outside");
  expect(aliases.across("one", "inside", "outside")).toBe(first);
  expect(aliases.across("one", "elsewhere", "outside")).not.toBe(first);
  expect(aliases.across(first, "outside", "inside")).toBe("one");
  expect(aliases.across(first, "outside", "elsewhere")).not.toBe("one");
  expect(aliases.size).toBe(2);
  expect(aliases.across("one", "inside", "outside")).not.toBe(first);
});

type Scene = ReturnType<typeof twoSides>;

/** Alice subscribes to bob's dialogs and is told of one: what she reads of it. */
function watch(stage: Scene["stage"], alice: Scene["alice"], bob: Scene["bob"], text: string) {
  alice.outside("SUBSCRIBE", "100", { headers: [DIALOG, "Expires: 600"] });
  bob.answer(200, { method: "SUBSCRIBE", headers: ["Expires: 600"] });
  bob.request("NOTIFY", {
    headers: [DIALOG, "Subscription-State: active"],
    body: { type: "application/dialog-info+xml", text },
  });
  alice.answer(200, { method: "NOTIFY" });
  const body = bodyOf(alice.asked("NOTIFY"));
  const attribute = (name: string): string => new RegExp(` ${name}="([^"]*)"`).exec(body)?.[1] ?? "";
  expect(stage.factsOf("subscription.started")).toHaveLength(1);
  return { body, told: [attribute("call-id"), attribute("local-tag"), attribute("remote-tag")] as const };
}

const document = (callId: string, localTag: string, remoteTag: string): string =>
  '<?xml version="1.0"?><dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="0" state="full" entity="sip:100@10.9.0.7">' +
  `<dialog id="${callId}" call-id="${callId}" local-tag="${localTag}" remote-tag="${remoteTag}" direction="recipient">` +
  "<state>early</state></dialog></dialog-info>";
