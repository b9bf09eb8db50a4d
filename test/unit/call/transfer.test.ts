/** Requests inside the dialog that are none of the box's own, and the names of other dialogs in them. */
import { expect, test } from "vitest";
import { audio, bodyOf, headerOf, headersOf, tagOf } from "../../support/scripted-party.ts";
import { established, sdpOfBob } from "./scenes.ts";

test.each(["INFO", "MESSAGE", "REFER", "NOTIFY", "SUBSCRIBE", "OPTIONS"])(
  "%s crosses inside the dialog with numbers of its own, and its answer comes back",
  (method) => {
    const { alice, bob } = established();
    alice.request(method, { headers: ["Event: refer", "Subscription-State: active", "X-Secret: plan"] });
    const crossed = bob.asked(method);
    expect(headerOf(crossed, "CSeq")).toBe(`2 ${method}`);
    expect(headerOf(crossed, "Max-Forwards")).toBe("69");
    expect(headerOf(crossed, "X-Secret")).toBe("");
    expect(tagOf(headerOf(crossed, "To"))).toBe("bob-tag");
    bob.answer(202, { method });
    expect(alice.response(method)).toMatch(/^SIP\/2\.0 202 Accepted/);
  },
);

test("a body crosses when its format holds no address; others get 415", () => {
  const { alice, bob } = established();
  alice.request("INFO", { body: { type: "application/dtmf-relay", text: "Signal=5\r\nDuration=160\r\n" } });
  expect(bodyOf(bob.asked("INFO"))).toBe("Signal=5\r\nDuration=160\r\n");
  bob.answer(200, { method: "INFO" });
  alice.request("INFO", { body: { type: "application/x-secret", text: "<geo>198.51.100.7</geo>" } });
  expect(alice.response("INFO")).toMatch(/^SIP\/2\.0 415 /);
  expect(headerOf(alice.response("INFO"), "Accept")).toContain("application/dtmf-relay");
});

test("the progress of a transfer crosses as its status line alone", () => {
  const { alice, bob } = established();
  bob.request("NOTIFY", {
    headers: ["Event: refer", "Subscription-State: terminated;reason=noresource"],
    body: {
      type: "message/sipfrag;version=2.0",
      text: "SIP/2.0 486 carol-is-busy\r\nContact: <sip:carol@10.9.0.9>\r\n",
    },
  });
  expect(bodyOf(alice.asked("NOTIFY"))).toBe("SIP/2.0 486 Busy Here\r\n");
  expect(headerOf(alice.asked("NOTIFY"), "Subscription-State")).toBe("terminated;reason=noresource");
});

test("a blind transfer: Refer-To keeps the user, and its host becomes ours", () => {
  const { alice, bob } = established();
  bob.request("REFER", {
    headers: ["Refer-To: <sip:+4930555@10.9.0.44;user=phone>", "Referred-By: <sip:bob@10.9.0.7>"],
  });
  expect(headerOf(alice.asked("REFER"), "Refer-To")).toBe("<sip:+4930555@203.0.113.1;user=phone>");
  expect(alice.asked("REFER")).not.toMatch(/10\.9\./);
});

test("an attended transfer: Replaces leads through the box to the dialog that it means", () => {
  const { stage, alice, bob } = established();
  // Bob has a second call, with carol outside.
  const carol = stage.party("carol", { realm: "outside", ip: "198.51.100.7", port: 5090 });
  const bobs = stage.party("bobs", { realm: "inside", ip: "10.9.0.7", port: 5070 });
  alice.contactPort = 5060;
  bobs.invite("4712");
  expect(alice.asked("INVITE")).toContain("4712");
  const invite = alice.asked("INVITE");
  carol.got.push(invite); // The carrier's proxy hands it to carol.
  carol.answer(200, { sdp: audio("198.51.100.7", { port: 7000 }) });
  bobs.ack();
  const name = {
    callId: headerOf(bobs.response("INVITE"), "Call-ID"),
    to: tagOf(headerOf(bobs.response("INVITE"), "To")),
    from: tagOf(headerOf(bobs.response("INVITE"), "From")),
  };
  const replaces = encodeURIComponent(`${name.callId};to-tag=${name.to};from-tag=${name.from}`);
  bob.request("REFER", { headers: [`Refer-To: <sip:carol@10.9.0.1?Replaces=${replaces}>`] });
  const refer = headerOf(alice.asked("REFER"), "Refer-To");
  expect(refer).toMatch(/^<sip:carol@203\.0\.113\.1\?Replaces=/);
  expect(refer).not.toContain(name.callId);
  alice.answer(202, { method: "REFER" });

  const told = decodeURIComponent(/Replaces=([^>]*)/.exec(refer)?.[1] ?? "");
  alice.outside("INVITE", "carol", { sdp: audio("198.51.100.7"), headers: [`Replaces: ${told}`, "Require: replaces"] });
  const replacing = carol.asked("INVITE");
  expect(headerOf(replacing, "Replaces")).toBe(
    `${headerOf(invite, "Call-ID")};to-tag=carol-tag;from-tag=${tagOf(headerOf(invite, "From"))}`,
  );
  expect(replacing.split(" ")[1]).toBe("sip:carol@198.51.100.7:5090");
  carol.answer(200, { sdp: audio("198.51.100.7", { port: 7002 }) });
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 200 /);
});

test("an INVITE with Replaces that names the far end of a call picks that call up", () => {
  const { stage, alice, bob } = established();
  const pickup = stage.party("desk", { realm: "inside", ip: "10.9.0.7", port: 5071 });
  const invite = bob.asked("INVITE");
  const replaces = `Replaces: ${headerOf(invite, "Call-ID")};to-tag=${tagOf(headerOf(invite, "From"))};from-tag=bob-tag`;
  pickup.outside("INVITE", "whoever", { sdp: sdpOfBob, headers: [replaces] });
  const replacing = alice.asked("INVITE");
  expect(headerOf(replacing, "Replaces")).toBe(
    `alice-call-1@198.51.100.7;to-tag=alice-tag;from-tag=${tagOf(headerOf(alice.response("INVITE"), "To"))}`,
  );
});

test("Replaces that names nothing of ours gets 481", () => {
  const { alice } = established();
  alice.outside("INVITE", "4711", { headers: ["Replaces: x;to-tag=a;from-tag=b"] });
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 481 /);
});

test("a stranger who knows the name of a dialog takes nothing over by it, nor does a peer of another side", () => {
  const { stage, alice, bob } = established();
  const replaces = (invite: string, peer: string): string =>
    `Replaces: ${headerOf(invite, "Call-ID")};to-tag=${tagOf(headerOf(invite, "From"))};from-tag=${peer}`;
  const mallory = stage.party("mallory", { realm: "outside", ip: "198.51.100.66", port: 5060 });
  const answer = alice.response("INVITE");
  const name = `Replaces: ${headerOf(answer, "Call-ID")};to-tag=${tagOf(headerOf(answer, "To"))};from-tag=alice-tag`;
  mallory.outside("INVITE", "4711", { headers: [name] });
  expect(mallory.response("INVITE")).toMatch(/^SIP\/2\.0 403 /);
  alice.outside("INVITE", "x", { headers: [replaces(bob.asked("INVITE"), "bob-tag")] });
  expect(alice.response("INVITE")).toMatch(/^SIP\/2\.0 481 /);
  expect(stage.factsOf("call.started")).toHaveLength(1);
});

test("a request with tags that are not ours, from the wrong side, or with an old CSeq is not let in", () => {
  const { stage, alice, bob } = established();
  const before = bob.got.length;
  const info = alice.request("INFO");
  bob.answer(200, { method: "INFO" });
  const resend = (text: string): void =>
    stage.deliver(alice, text.replace(/branch=\S+;rport/, `branch=z9hG4bK-x${++n}`));
  let n = 0;
  resend(info.replace(/(To: .*;tag=)\S+/, "$1wrong"));
  expect(alice.response("INFO")).toMatch(/^SIP\/2\.0 481 /);
  resend(info.replace(/Call-ID: .*/, "Call-ID: wrong"));
  expect(alice.response("INFO")).toMatch(/^SIP\/2\.0 481 /);
  resend(info.replace(/tag=alice-tag/, "tag=wrong"));
  expect(alice.response("INFO")).toMatch(/^SIP\/2\.0 481 /);
  resend(info); // A new transaction with a CSeq that was used (RFC 3261 §12.2.2).
  expect(alice.response("INFO")).toMatch(/^SIP\/2\.0 500 /);
  stage.deliver(bob, info.replace(/branch=\S+;rport/, "branch=z9hG4bK-bob-steals"));
  expect(headersOf(bob.response("INFO"), "CSeq")).toHaveLength(1);
  expect(bob.response("INFO")).toMatch(/^SIP\/2\.0 481 /);
  expect(bob.got.length - before).toBe(2); // The first INFO, and the 481 to what it sent.
});

test("a method that nobody knows, or that the other end does not take, gets 405 and what it may use", () => {
  const { alice, bob } = established();
  alice.request("FOO");
  expect(alice.response("FOO")).toMatch(/^SIP\/2\.0 405 /);
  expect(headerOf(alice.response("FOO"), "Allow")).toContain("INFO");
  expect(() => bob.asked("FOO")).toThrow();
});
