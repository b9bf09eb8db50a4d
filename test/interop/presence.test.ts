/** Kamailio as presence server inside: SUBSCRIBE, NOTIFY and PUBLISH of somebody outside, through a real box. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Box, makeFolder, makeTls } from "../support/box.ts";
import { Child } from "../support/child.ts";
import { twoDoors } from "../support/configurations.ts";
import { bodyOf, headerOf, SipParty, statusOf, Talk, type Wishes } from "../support/sip-party.ts";

/** Addresses of these tests alone. */
const [PARTY, OUTSIDE, INSIDE, SERVER] = ["127.92.1.2", "127.92.1.1", "127.92.2.1", "127.92.2.2"];
/** Somebody inside, who asks the server directly. */
const INSIDER = "127.92.2.3";
const DOOR = { ip: OUTSIDE, port: 5060 };

let kamailio: Child;
let box: Box;
let party: SipParty;
const folder = makeFolder("presence");

beforeAll(async () => {
  makeTls(folder);
  const tables = join(folder, "tables");
  mkdirSync(tables);
  for (const table of ["presentity", "active_watchers", "watchers", "xcap", "version"])
    cpSync(join("/usr/share/kamailio/dbtext/kamailio", table), join(tables, table));
  const file = join(folder, "presence.cfg");
  const config = readFileSync(join(import.meta.dirname, "kamailio/presence.cfg"), "utf8");
  writeFileSync(file, config.replaceAll("ADDRESS", SERVER).replaceAll("TABLES", tables));
  kamailio = new Child("kamailio", ["-f", file, "-DD", "-E", "-m", "32", "-M", "4", "-Y", folder]);
  const wishes = { outside: PARTY, boxOutside: OUTSIDE, boxInside: INSIDE, inside: SERVER, srtp: "off" } as const;
  box = await Box.start(folder, twoDoors({ ...wishes, carrier: `udp:${PARTY}:5060`, pbx: `udp:${SERVER}:5060` }));
  party = await SipParty.start(PARTY, 5060);
  await kamailio.line(/processes at startup|io_wait|ready|presence/i, 15_000).catch(() => "");
  await until(async () => statusOf(await ask("MESSAGE", { body: "hello", contentType: "text/plain" })) === 202);
}, 60_000);

afterAll(async () => {
  party?.close();
  await box?.stop();
  await kamailio?.stop();
});

test("presence: published, told, changed, refreshed, ended; and neither side sees the other", async () => {
  const first = await ask("PUBLISH", { headers: ["Event: presence", "Expires: 600"], ...presence("open") });
  expect(statusOf(first)).toBe(200);
  const tag = headerOf(first, "SIP-ETag");
  expect(tag).not.toBe("");

  const subscribe = party.request("SUBSCRIBE", DOOR, {
    user: "anna",
    headers: ["Event: presence", "Accept: application/pidf+xml", "Expires: 600"],
  });
  const granted = await party.ask(subscribe, DOOR);
  expect(statusOf(granted)).toBeGreaterThanOrEqual(200);
  expect(statusOf(granted)).toBeLessThan(300);
  expect(headerOf(granted, "Contact")).toContain(OUTSIDE);
  const told = await notified(({ body }) => body.includes("<basic>open</basic>"));
  expect(headerOf(told, "Subscription-State")).toMatch(/^active;expires=\d+$/);
  expect(bodyOf(told)).toContain(`<contact>sip:anna@${OUTSIDE}</contact>`);
  expect(/tag=([^;\s]+)/.exec(headerOf(told, "From"))?.[1]).toBe(/tag=([^;\s]+)/.exec(headerOf(granted, "To"))?.[1]);

  const changed = await ask("PUBLISH", {
    headers: ["Event: presence", `SIP-If-Match: ${tag}`, "Expires: 600"],
    ...presence("closed"),
  });
  expect(statusOf(changed)).toBe(200);
  await notified(({ body }) => body.includes("<basic>closed</basic>"));
  const stale = await ask("PUBLISH", {
    headers: ["Event: presence", `SIP-If-Match: ${tag}`, "Expires: 600"],
    ...presence("open"),
  });
  expect(statusOf(stale)).toBe(412);

  const watch = new Talk(party, DOOR, subscribe, granted);
  const refreshed = await watch.ask("SUBSCRIBE", { headers: ["Event: presence", "Expires: 300"] });
  expect(headerOf(refreshed, "Expires")).toBe("300");
  const ended = await watch.ask("SUBSCRIBE", { headers: ["Event: presence", "Expires: 0"] });
  expect(headerOf(ended, "Expires")).toBe("0");
  await notified(({ text }) => /^Subscription-State: terminated/m.test(text));
  await box.until<{ calls: Record<string, number> }>("/status", ({ calls }) => calls["subscriptions"] === 0);
  await box.fact("subscription.ended", 1);
  expect(box.facts("subscription.ended")[0]).toMatchObject({ event: "presence", cause: "ended" });
  expect(party.received.join("")).not.toMatch(/127\.92\.2\./);
}, 30_000);

test("dialogs: Call-ID and tags are other ones inside, and mean what they meant when they come home", async () => {
  const published = await ask("PUBLISH", {
    headers: ["Event: dialog", "Expires: 600"],
    body: DIALOG,
    contentType: "application/dialog-info+xml",
  });
  expect(statusOf(published)).toBe(200);
  const subscribe = party.request("SUBSCRIBE", DOOR, { user: "anna", headers: ["Event: dialog", "Expires: 600"] });
  expect(statusOf(await party.ask(subscribe, DOOR))).toBeLessThan(300);
  const told = await notified(({ body }) => body.includes("<dialog-info") && body.includes("call-id="));
  expect(bodyOf(told)).toContain(`entity="sip:anna@${OUTSIDE}"`);
  expect(bodyOf(told)).toContain('call-id="secret-call" local-tag="l1" remote-tag="r1"'); // Home again.

  const beside = await SipParty.start(INSIDER, 5060);
  const server = { ip: SERVER, port: 5060 };
  await beside.ask(
    beside.request("SUBSCRIBE", server, { user: "anna", headers: ["Event: dialog", "Expires: 0"] }),
    server,
  );
  const kept = await beside.until((text) => text.startsWith("NOTIFY ") && text.includes("<dialog-info"), "a NOTIFY");
  beside.close();
  expect(bodyOf(kept)).toMatch(/call-id="[\w-]{20}" local-tag="[\w-]{20}" remote-tag="[\w-]{20}"/);
  expect(kept).not.toMatch(/secret-call|127\.92\.1\./);
});

test("waiting messages, and the end of a fetch", async () => {
  const summary = "Messages-Waiting: yes\r\nMessage-Account: sip:anna@mail.example\r\nVoice-Message: 4/8 (1/2)\r\n";
  const published = await ask("PUBLISH", {
    headers: ["Event: message-summary", "Expires: 600"],
    body: summary,
    contentType: "application/simple-message-summary",
  });
  expect(statusOf(published)).toBe(200);
  const fetch = party.request("SUBSCRIBE", DOOR, { user: "anna", headers: ["Event: message-summary", "Expires: 0"] });
  expect(headerOf(await party.ask(fetch, DOOR), "Expires")).toBe("0");
  const told = await notified(
    ({ text, body }) => /^Event: message-summary/m.test(text) && body.includes("Voice-Message"),
  );
  expect(headerOf(told, "Subscription-State")).toMatch(/^terminated/);
  expect(bodyOf(told)).toBe(summary.replace("mail.example", OUTSIDE));
});

test("refusals cross: a package that the server does not know, and too short a time", async () => {
  const unknown = party.request("SUBSCRIBE", DOOR, { user: "anna", headers: ["Event: x-weather"] });
  expect(statusOf(await party.ask(unknown, DOOR))).toBe(489);
  const short = party.request("SUBSCRIBE", DOOR, { user: "anna", headers: ["Event: presence", "Expires: 5"] });
  const refused = await party.ask(short, DOOR);
  expect(statusOf(refused)).toBe(423);
  expect(headerOf(refused, "Min-Expires")).toBe("60");
});

/** The server needs a moment before it answers through the box. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + 15_000; !(await holds().catch(() => false)); ) {
    if (performance.now() > deadline) throw new Error(`no answer of the server:\n${kamailio.output}`);
  }
}

const ask = (method: string, wishes: Wishes): Promise<string> =>
  party.ask(party.request(method, DOOR, { user: "anna", ...wishes }), DOOR);

/** The first NOTIFY that fits; each has been answered with 200. */
const notified = (fits: (notify: { readonly text: string; readonly body: string }) => boolean): Promise<string> =>
  party.until((text) => text.startsWith("NOTIFY ") && fits({ text, body: bodyOf(text) }), "a NOTIFY", 10_000);

const presence = (basic: string): Wishes => ({
  contentType: "application/pidf+xml",
  body:
    `<?xml version="1.0" encoding="UTF-8"?><presence xmlns="urn:ietf:params:xml:ns:pidf" entity="pres:anna@${PARTY}">` +
    `<tuple id="t1"><status><basic>${basic}</basic></status><contact>sip:anna@${PARTY}:5060</contact></tuple></presence>`,
});

const DIALOG =
  '<?xml version="1.0"?><dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="0" state="full" entity="sip:anna@example.test">' +
  '<dialog id="a1" call-id="secret-call" local-tag="l1" remote-tag="r1" direction="initiator"><state>confirmed</state></dialog></dialog-info>';
