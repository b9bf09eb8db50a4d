/** SUBSCRIBE and NOTIFY through hidden dialogs: RFC 6665, RFC 3842, RFC 3515. */
import { expect, test } from "vitest";
import type { Settings } from "../../../src/base/index.ts";
import { bodyOf, headerOf, tagOf, uriOf } from "../../support/scripted-party.ts";
import { type StageOptions, twoSides } from "../../support/stage.ts";
import { NOTHING } from "./scenes.ts";

const OF_ALICE = /198\.51\.100\.7|203\.0\.113\.1|alice-call|alice-tag|alice-phone/;
const OF_BOB = /10\.9\.0\.|bob-call|bob-tag|bob-phone/;
const MWI = "Event: message-summary";
const ACTIVE = "Subscription-State: active;expires=600";

test("SUBSCRIBE, NOTIFY, refresh and end cross, and each side knows only its own dialog", () => {
  const { stage, alice, bob } = subscribed();
  expect(stage.look()).toEqual([
    "0 alice > SUBSCRIBE",
    "0 bob < SUBSCRIBE",
    "0 bob > 200 SUBSCRIBE",
    "0 alice < 200 SUBSCRIBE",
    "0 bob > NOTIFY",
    "0 alice < NOTIFY",
    "0 alice > 200 NOTIFY",
    "0 bob < 200 NOTIFY",
  ]);
  const asked = bob.asked("SUBSCRIBE");
  expect(headerOf(asked, "Event")).toBe("message-summary");
  expect(headerOf(asked, "Expires")).toBe("600");
  const granted = alice.response("SUBSCRIBE");
  expect(headerOf(granted, "Expires")).toBe("600");
  expect(headerOf(granted, "Contact")).toMatch(/^<sip:[\w-]+@203\.0\.113\.1:5060>$/);
  const told = alice.asked("NOTIFY");
  expect(headerOf(told, "Subscription-State")).toBe("active;expires=600");
  expect(headerOf(told, "Event")).toBe("message-summary");
  expect(tagOf(headerOf(told, "From"))).toBe(tagOf(headerOf(granted, "To")));
  expect(bodyOf(told)).toBe("Messages-Waiting: no\r\n");

  stage.pass(300_000);
  alice.subscribed("SUBSCRIBE");
  alice.request("SUBSCRIBE", { headers: [MWI, "Expires: 600"] });
  bob.answer(200, { method: "SUBSCRIBE", headers: ["Expires: 500"] });
  expect(headerOf(alice.response("SUBSCRIBE"), "Expires")).toBe("500");
  expect(uriOf(bob.asked("SUBSCRIBE").split(" ")[1] ?? "")).toBe("sip:bob@10.9.0.7:5060");

  alice.request("SUBSCRIBE", { headers: [MWI, "Expires: 0"] });
  bob.answer(200, { method: "SUBSCRIBE", headers: ["Expires: 0"] });
  notify(bob, "Subscription-State: terminated;reason=timeout");
  alice.answer(200, { method: "NOTIFY" });
  expect(headerOf(alice.asked("NOTIFY"), "Subscription-State")).toBe("terminated;reason=timeout");
  expect(bob.response("NOTIFY")).toMatch(/^SIP\/2\.0 200 /);

  expect(stage.sent.inside.join("")).not.toMatch(OF_ALICE);
  expect(stage.sent.outside.join("")).not.toMatch(OF_BOB);
  expect(stage.factsOf("subscription.started")).toMatchObject([
    { event: "message-summary", peer: "carrier", to: "pbx" },
  ]);
  expect(stage.factsOf("subscription.ended")).toMatchObject([{ cause: "ended", notifies: 2, totalMs: 300_000 }]);
  stage.pass(40_000);
  expect(stage.remains()).toEqual(NOTHING);
});

test("a NOTIFY before the 2xx makes the dialog", () => {
  const { stage, alice, bob } = twoSides();
  alice.outside("SUBSCRIBE", "100", { headers: [MWI, "Expires: 600"] });
  bob.join("SUBSCRIBE");
  notify(bob);
  const early = alice.asked("NOTIFY");
  alice.answer(200, { method: "NOTIFY" });
  bob.answer(202, { method: "SUBSCRIBE", headers: ["Expires: 600"] });
  const granted = alice.response("SUBSCRIBE");
  expect(granted).toMatch(/^SIP\/2\.0 202 /);
  expect(tagOf(headerOf(granted, "To"))).toBe(tagOf(headerOf(early, "From")));
  expect(stage.engine.view().status().calls).toMatchObject({ subscriptions: 1, exchanges: 0 });
});

test("a fetch: the last NOTIFY overtakes the 2xx, and nothing is left", () => {
  const { stage, alice, bob } = twoSides();
  alice.outside("SUBSCRIBE", "100", { headers: [MWI, "Expires: 0"] });
  bob.join("SUBSCRIBE");
  notify(bob, "Subscription-State: terminated;reason=timeout");
  alice.answer(200, { method: "NOTIFY" });
  bob.answer(200, { method: "SUBSCRIBE", headers: ["Expires: 0"] });
  expect(headerOf(alice.response("SUBSCRIBE"), "Expires")).toBe("0");
  expect(stage.factsOf("subscription.ended")).toMatchObject([{ cause: "ended", notifies: 1 }]);
  stage.pass(40_000);
  expect(stage.remains()).toEqual(NOTHING);
});

test("a forked SUBSCRIBE: each notifier is a dialog of its own, and ends by itself", () => {
  const { stage, alice, bob } = subscribed();
  bob.join("SUBSCRIBE", "-second");
  notify(bob);
  const second = alice.asked("NOTIFY");
  expect(tagOf(headerOf(second, "From"))).not.toBe(tagOf(headerOf(alice.response("SUBSCRIBE"), "To")));
  alice.answer(200, { method: "NOTIFY" });
  expect(stage.engine.view().status().calls).toMatchObject({ subscriptions: 2 });
  alice.subscribed("NOTIFY");
  alice.request("SUBSCRIBE", { headers: [MWI, "Expires: 0"] });
  expect(headerOf(bob.asked("SUBSCRIBE"), "To")).toContain("bob-tag-second");
  bob.answer(200, { method: "SUBSCRIBE", headers: ["Expires: 0"] });
  notify(bob, "Subscription-State: terminated");
  alice.answer(200, { method: "NOTIFY" });
  expect(stage.engine.view().status().calls).toMatchObject({ subscriptions: 1 });
});

test("a fork that the subscriber does not want is told so, and the other one lives", () => {
  const { stage, alice, bob } = subscribed();
  bob.join("SUBSCRIBE", "-second");
  notify(bob);
  alice.answer(481, { method: "NOTIFY" });
  expect(bob.response("NOTIFY")).toMatch(/^SIP\/2\.0 481 /);
  expect(stage.engine.view().status().calls).toMatchObject({ subscriptions: 1 });
});

test("a notifier that comes after Timer N, or is one too many, gets 481", () => {
  const { stage, bob } = subscribed();
  for (let fork = 2; fork <= 9; fork++) {
    bob.join("SUBSCRIBE", `-${fork}`);
    notify(bob);
  }
  expect(bob.response("NOTIFY")).toMatch(/^SIP\/2\.0 481 /);
  expect(stage.engine.view().status().calls).toMatchObject({ subscriptions: 8 });
  const late = subscribed();
  late.stage.pass(33_000);
  late.bob.join("SUBSCRIBE", "-late");
  notify(late.bob);
  expect(late.bob.response("NOTIFY")).toMatch(/^SIP\/2\.0 481 /);
});

test("refusals cross: 489 with Allow-Events, 423 with Min-Expires, 403 in place of a challenge", () => {
  const { stage, alice, bob } = twoSides();
  for (const [theirs, header, ours] of [
    [489, "Allow-Events: presence", 489],
    [423, "Min-Expires: 900", 423],
    [401, 'WWW-Authenticate: Digest realm="10.9.0.7", nonce="1"', 403],
    [603, "Retry-After: 3600", 603],
  ] as const) {
    alice.outside("SUBSCRIBE", "100", { headers: [MWI] });
    bob.answer(theirs, { method: "SUBSCRIBE", headers: [header] });
    expect(alice.response("SUBSCRIBE")).toMatch(new RegExp(`^SIP/2\\.0 ${ours} `));
    if (ours !== 403) expect(alice.response("SUBSCRIBE")).toContain(header);
  }
  expect(stage.factsOf("request.relayed").map(({ status }) => status)).toEqual([489, 423, 403, 603]);
  alice.outside("SUBSCRIBE", "100");
  expect(alice.response("SUBSCRIBE")).toMatch(/^SIP\/2\.0 489 /);
  stage.pass(40_000);
  expect(stage.remains()).toEqual(NOTHING);
});

test("without a NOTIFY for 64*T1 there is no subscription (Timer N)", () => {
  const { stage, alice, bob } = twoSides();
  alice.outside("SUBSCRIBE", "100", { headers: [MWI, "Expires: 600"] });
  bob.answer(200, { method: "SUBSCRIBE", headers: ["Expires: 600"] });
  stage.pass(31_999);
  expect(stage.engine.view().status().calls).toMatchObject({ subscriptions: 1 });
  stage.pass(1);
  expect(stage.factsOf("subscription.ended")).toMatchObject([{ cause: "no-notify", notifies: 0 }]);
  stage.pass(40_000);
  expect(stage.remains()).toEqual(NOTHING);
});

test("time runs out: the subscriber is told by us", () => {
  const { stage, alice } = subscribed();
  stage.pass(631_999);
  expect(stage.factsOf("subscription.ended")).toEqual([]);
  stage.pass(1);
  const last = alice.asked("NOTIFY");
  expect(headerOf(last, "Subscription-State")).toBe("terminated;reason=timeout");
  expect(headerOf(last, "Event")).toBe("message-summary");
  alice.answer(200, { method: "NOTIFY" });
  expect(stage.factsOf("subscription.ended")).toMatchObject([{ cause: "expired" }]);
  stage.pass(40_000);
  expect(stage.remains()).toEqual(NOTHING);
});

test("a refresh that the notifier knows nothing of ends it on both sides; another refusal leaves it", () => {
  const { stage, alice, bob } = subscribed();
  alice.subscribed("SUBSCRIBE");
  alice.request("SUBSCRIBE", { headers: [MWI] });
  bob.answer(500, { method: "SUBSCRIBE" });
  expect(alice.response("SUBSCRIBE")).toMatch(/^SIP\/2\.0 500 /);
  expect(stage.engine.view().status().calls).toMatchObject({ subscriptions: 1 });
  alice.request("SUBSCRIBE", { headers: [MWI] });
  bob.answer(481, { method: "SUBSCRIBE" });
  expect(alice.response("SUBSCRIBE")).toMatch(/^SIP\/2\.0 481 /);
  expect(stage.factsOf("subscription.ended")).toMatchObject([{ cause: "notifier-gone" }]);
  notify(bob);
  expect(bob.response("NOTIFY")).toMatch(/^SIP\/2\.0 481 /);
});

test("a subscriber that answers no NOTIFY is gone", () => {
  const { stage, bob } = subscribed();
  notify(bob);
  stage.pass(40_000);
  expect(stage.factsOf("subscription.ended")).toMatchObject([{ cause: "subscriber-gone" }]);
  stage.pass(40_000);
  expect(stage.remains()).toEqual(NOTHING);
});

test("what fits no subscription: another event, no Subscription-State, another method, Max-Forwards 0", () => {
  const { alice, bob } = subscribed();
  bob.request("NOTIFY", { headers: ["Event: presence", ACTIVE] });
  expect(bob.response("NOTIFY")).toMatch(/^SIP\/2\.0 481 /);
  bob.request("NOTIFY", { headers: [MWI] });
  expect(bob.response("NOTIFY")).toMatch(/^SIP\/2\.0 400 /);
  bob.request("MESSAGE", {});
  expect(bob.response("MESSAGE")).toMatch(/^SIP\/2\.0 405 /);
  alice.subscribed("SUBSCRIBE");
  alice.request("SUBSCRIBE", { headers: ["Event: presence"] });
  expect(alice.response("SUBSCRIBE")).toMatch(/^SIP\/2\.0 489 /);
  alice.request("SUBSCRIBE", { headers: [MWI, "Max-Forwards: 0"] });
  expect(alice.response("SUBSCRIBE")).toMatch(/^SIP\/2\.0 483 /);
  const copy = alice.got.filter((one) => one.startsWith("NOTIFY")).length;
  expect(copy).toBe(1);
});

test("what a state may say is built anew, and a body that cannot be rewritten stays behind", () => {
  const { alice, bob } = subscribed();
  bob.request("NOTIFY", {
    headers: [MWI, "Subscription-State: pending;expires=60;server=10.9.0.7;reason=x"],
    body: { type: "application/x-secret", text: "10.9.0.7" },
  });
  const told = alice.asked("NOTIFY");
  expect(headerOf(told, "Subscription-State")).toBe("pending;expires=60");
  expect(bodyOf(told)).toBe("");
  expect(headerOf(told, "Content-Type")).toBe("");
  alice.answer(200, { method: "NOTIFY" });
  bob.request("NOTIFY", { headers: [MWI, "Subscription-State: terminated;reason=giveup;retry-after=30"] });
  expect(headerOf(alice.asked("NOTIFY"), "Subscription-State")).toBe("terminated;reason=giveup;retry-after=30");
});

test("a notifier that babbles gets 500 with Retry-After", () => {
  const { alice, bob } = subscribed();
  for (let i = 0; i < 30; i++) {
    notify(bob);
    const before = alice.got.at(-1) ?? "";
    if (before.startsWith("NOTIFY")) alice.answer(200, { method: "NOTIFY" });
  }
  expect(bob.response("NOTIFY")).toMatch(/^SIP\/2\.0 500 /);
  expect(headerOf(bob.response("NOTIFY"), "Retry-After")).toBe("1");
  expect(alice.got.filter((one) => one.startsWith("NOTIFY")).length).toBeLessThanOrEqual(21);
});

test("subscriptions of one source and of the box are bounded", () => {
  const { alice, bob } = twoSides({ change: limits({ subscriptions: 3, subscriptionsPerSource: 2 }) });
  for (let i = 0; i < 3; i++) {
    alice.outside("SUBSCRIBE", "100", { headers: [MWI, "Expires: 600"] });
    if (i < 2) bob.answer(200, { method: "SUBSCRIBE", headers: ["Expires: 600"] });
  }
  expect(alice.response("SUBSCRIBE")).toMatch(/^SIP\/2\.0 503 /);
  expect(headerOf(alice.response("SUBSCRIBE"), "Retry-After")).toBe("30");
  bob.outside("SUBSCRIBE", "200", { headers: [MWI] });
  alice.answer(200, { method: "SUBSCRIBE" });
  expect(bob.response("SUBSCRIBE")).toMatch(/^SIP\/2\.0 200 /);
  bob.outside("SUBSCRIBE", "200", { headers: [MWI] });
  expect(bob.response("SUBSCRIBE")).toMatch(/^SIP\/2\.0 503 /);
});

test("a stranger subscribes to nothing, unless a route names the realm and the method", () => {
  const { stage, bob } = twoSides({
    change: (settings) => ({ ...settings, routes: [{ when: { realm: "outside" }, to: ["pbx"] }] }),
  });
  const mallory = stage.party("mallory", { realm: "outside", ip: "192.0.2.66", port: 5060 });
  mallory.outside("SUBSCRIBE", "100", { headers: [MWI] });
  expect(mallory.response("SUBSCRIBE")).toMatch(/^SIP\/2\.0 403 /);
  expect(bob.got).toEqual([]);
});

test("a reload keeps subscriptions; the end of the box tells both ends", () => {
  const { stage, alice, bob } = subscribed();
  stage.step({ in: "reload", settings: { ...stage.settings } });
  notify(bob);
  alice.answer(200, { method: "NOTIFY" });
  expect(bob.response("NOTIFY")).toMatch(/^SIP\/2\.0 200 /);
  stage.look();
  stage.step({ in: "end-calls", cause: "shutdown" });
  expect(stage.look()).toEqual(["0 alice < NOTIFY", "0 bob < SUBSCRIBE"]);
  expect(headerOf(alice.asked("NOTIFY"), "Subscription-State")).toBe("terminated;reason=probation;retry-after=30");
  expect(headerOf(bob.asked("SUBSCRIBE"), "Expires")).toBe("0");
});

test("the answer of a second target counts; what the first one still says finds nobody", () => {
  const next = { ip: "10.9.0.8", port: 5060 };
  const { stage, alice, bob } = twoSides({ insideTargets: [{ ip: "10.9.0.7", port: 5060 }, next] });
  const second = stage.party("second", { realm: "inside", ...next });
  alice.outside("SUBSCRIBE", "100", { headers: [MWI, "Expires: 600"] });
  bob.join("SUBSCRIBE");
  stage.pass(6_000);
  second.answer(200, { method: "SUBSCRIBE", headers: ["Expires: 600"] });
  notify(bob);
  expect(bob.response("NOTIFY")).toMatch(/^SIP\/2\.0 481 /);
  notify(second);
  alice.answer(200, { method: "NOTIFY" });
  expect(second.response("NOTIFY")).toMatch(/^SIP\/2\.0 200 /);
});

test("REFER outside of a call, from a fully trusted side alone: its progress is told in its own dialog", () => {
  const { stage, alice, bob } = twoSides();
  bob.outside("REFER", "200", { headers: ["Refer-To: <sip:300@10.9.0.7:5080>"] });
  expect(headerOf(alice.asked("REFER"), "Refer-To")).toBe("<sip:300@203.0.113.1>");
  alice.answer(202, { method: "REFER" });
  alice.request("NOTIFY", {
    headers: ["Event: refer;id=4711", "Subscription-State: active;expires=60"],
    body: { type: "message/sipfrag", text: "SIP/2.0 180 Ringing at 198.51.100.7\r\n" },
  });
  expect(headerOf(bob.asked("NOTIFY"), "Event")).toBe("refer");
  bob.answer(200, { method: "NOTIFY" });
  alice.request("NOTIFY", {
    headers: ["Event: refer", "Subscription-State: terminated;reason=noresource"],
    body: { type: "message/sipfrag", text: "SIP/2.0 200 OK\r\n" },
  });
  bob.answer(200, { method: "NOTIFY" });
  expect(bodyOf(bob.asked("NOTIFY"))).toBe("SIP/2.0 200 OK\r\n");
  expect(stage.sent.inside.join("")).not.toMatch(OF_ALICE);
  expect(stage.sent.outside.join("")).not.toMatch(OF_BOB);
  alice.outside("REFER", "100", { headers: ["Refer-To: <sip:300@10.9.0.7:5080>"] });
  expect(alice.response("REFER")).toMatch(/^SIP\/2\.0 405 /);
  stage.pass(60_000);
  expect(stage.remains()).toEqual(NOTHING);
});

test("a REFER whose progress nobody wants makes no subscription (RFC 4488)", () => {
  const { stage, alice, bob } = twoSides();
  bob.outside("REFER", "200", { headers: ["Refer-To: <sip:300@10.9.0.7>", "Refer-Sub: false"] });
  expect(headerOf(alice.asked("REFER"), "Refer-Sub")).toBe("false");
  alice.answer(202, { method: "REFER", headers: ["Refer-Sub: false"] });
  expect(headerOf(bob.response("REFER"), "Refer-Sub")).toBe("false");
  stage.pass(40_000);
  expect(stage.remains()).toEqual(NOTHING);
});

type Scene = ReturnType<typeof twoSides>;

const notify = (bob: Scene["bob"], state = ACTIVE): string =>
  bob.request("NOTIFY", {
    headers: [MWI, state],
    body: { type: "application/simple-message-summary", text: "Messages-Waiting: no\r\n" },
  });

/** Alice has subscribed to waiting messages with bob for ten minutes, and was told once. */
function subscribed(options: StageOptions = {}): Scene {
  const scene = twoSides(options);
  const { alice, bob } = scene;
  alice.outside("SUBSCRIBE", "100", { headers: [MWI, "Expires: 600"] });
  bob.answer(200, { method: "SUBSCRIBE", headers: ["Expires: 600"] });
  notify(bob);
  alice.answer(200, { method: "NOTIFY" });
  return scene;
}

const limits =
  (wanted: Partial<Settings["limits"]>) =>
  (settings: Settings): Settings => ({ ...settings, limits: { ...settings.limits, ...wanted } });
