/** INFO and other requests inside of calls that cross as they are: RFC 6086, RFC 3428, RFC 4235. */
import { expect, test } from "vitest";
import type { Settings } from "../../../src/base/index.ts";
import { audio, bodyOf, headerOf } from "../../support/scripted-party.ts";
import { ALICE, type StageOptions, twoSides } from "../../support/stage.ts";
import { established, sdpOfBob } from "./scenes.ts";

test("an INFO with a package crosses to who said that it takes it; to another it gets 469 with what that one takes", () => {
  const { alice, bob } = established2("Recv-Info: dtmf-x, Other;p=1", "Recv-Info: trickle-ice");
  alice.request("INFO", { headers: ["Info-Package: trickle-ice"], body: { type: "text/plain", text: "x" } });
  expect(headerOf(bob.asked("INFO"), "Info-Package")).toBe("trickle-ice");
  bob.answer(200, { method: "INFO" });
  alice.request("INFO", { headers: ["Info-Package: other"] });
  expect(alice.response("INFO")).toMatch(/^SIP\/2\.0 469 /);
  expect(headerOf(alice.response("INFO"), "Recv-Info")).toBe("trickle-ice");
  bob.request("INFO", { headers: ["Info-Package: other"] });
  expect(headerOf(alice.asked("INFO"), "Info-Package")).toBe("other");
});

test("an end that names no packages takes none, and an INFO of before packages crosses by its body", () => {
  const { alice, bob } = established();
  alice.request("INFO", { headers: ["Info-Package: dtmf"] });
  expect(alice.response("INFO")).toMatch(/^SIP\/2\.0 469 /);
  alice.request("INFO", { body: { type: "application/dtmf-relay", text: "Signal=5\r\nDuration=160\r\n" } });
  expect(bodyOf(bob.asked("INFO"))).toBe("Signal=5\r\nDuration=160\r\n");
});

test("MESSAGE inside a call crosses, and an event whose body cannot be rewritten crosses without it", () => {
  const { alice, bob } = established();
  alice.request("MESSAGE", { body: { type: "text/plain", text: "hello" } });
  expect(bodyOf(bob.asked("MESSAGE"))).toBe("hello");
  bob.answer(200, { method: "MESSAGE" });
  expect(alice.response("MESSAGE")).toMatch(/^SIP\/2\.0 200 /);
  alice.request("NOTIFY", {
    headers: ["Event: x-vendor", "Subscription-State: active"],
    body: { type: "application/x-vendor", text: "198.51.100.7" },
  });
  expect(bodyOf(bob.asked("NOTIFY"))).toBe("");
});

test.each([
  ["encoded", ["Content-Encoding: gzip"], "text/plain"],
  ["a multipart without a boundary", [], "multipart/mixed"],
])("an answer whose body is %s crosses without it", (_, headers, type) => {
  const { alice, bob } = established();
  alice.request("MESSAGE", { body: { type: "text/plain", text: "hello" } });
  bob.answer(200, { method: "MESSAGE", headers, body: { type, text: "x" } });
  expect(alice.response("MESSAGE")).toMatch(/^SIP\/2\.0 200 /);
  expect(bodyOf(alice.response("MESSAGE"))).toBe("");
});

test("a method of no RFC crosses inside a call where the realm of its sender says so", () => {
  const refusing = established();
  refusing.alice.request("NEWMETHOD");
  expect(refusing.alice.response("NEWMETHOD")).toMatch(/^SIP\/2\.0 405 /);
  const { alice, bob } = established({ change: passing });
  alice.request("NEWMETHOD");
  expect(bob.asked("NEWMETHOD")).toBeTruthy();
  bob.answer(200, { method: "NEWMETHOD" });
  expect(alice.response("NEWMETHOD")).toMatch(/^SIP\/2\.0 200 /);
  alice.request("PUBLISH", { headers: ["Event: presence"] });
  expect(alice.response("PUBLISH")).toMatch(/^SIP\/2\.0 405 /);
});

/** A call whose two ends say what they take. */
function established2(ofAlice: string, ofBob: string, options: StageOptions = {}) {
  const scene = twoSides(options);
  scene.alice.invite("4711", { sdp: audio(ALICE.ip), headers: [ofAlice] });
  expect(headerOf(scene.bob.asked("INVITE"), "Recv-Info")).toBe(ofAlice.slice("Recv-Info: ".length));
  scene.bob.answer(200, { sdp: sdpOfBob, headers: [ofBob] });
  scene.alice.ack();
  return scene;
}

const passing = (settings: Settings): Settings => {
  const realms = new Map(settings.realms);
  realms.set("outside", { ...realms.get("outside")!, otherMethods: "pass" });
  return { ...settings, realms };
};
