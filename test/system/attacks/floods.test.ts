/** Much at once: the PROTOS suite message by message, and a flood from strangers while the peers go on with their calls. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { dataPath } from "../../conformance/message/corpus.ts";
import { run } from "../../support/child.ts";
import { bodyOf, SipParty, statusOf } from "../../support/sip-party.ts";
import { Siege, type Status } from "./siege.ts";

const MEGABYTE = 1024 * 1024;

let siege: Siege;
beforeAll(async () => {
  siege = await Siege.start("floods");
});
afterAll(async () => {
  await siege.stop();
});

test("20,000 requests from strangers: every call of the peer succeeds meanwhile, and memory comes back", async () => {
  await siege.alive();
  const before = (await siege.status()).memoryBytes;
  const old = await siege.carrier.call(siege.outside);
  const toPbx = siege.pbxMedia();
  const strangers = await Promise.all([1, 2, 3, 4].map((host) => SipParty.start(`127.91.1.${host}`)));
  let sent = 0;
  const flood = (async () => {
    for (; sent < 20_000; sent += 20) {
      for (let i = 0; i < 20; i++) floodWith(strangers[i % 4] as SipParty, sent + i);
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  for (let call = 0; call < 50; call++) {
    const talk = await siege.carrier.call(siege.outside);
    await siege.talksBothWays(talk);
    await talk.hangUp();
  }
  const during = sent;
  await flood;
  await siege.talksBothWays(old, "from before", toPbx);
  await old.hangUp();
  expect(during, "the flood was on while calls were made").toBeGreaterThan(1_000);
  await siege.alive();
  const heard = strangers.flatMap(({ received }) => received);
  expect(heard.filter((message) => !/^SIP\/2\.0 (?:400|403|481|503) /.test(message))).toEqual([]);
  expect(siege.pbxGot("127.91.1.")).toEqual([]);
  const { memoryBytes, transactions } = await siege.status();
  expect(transactions.server).toBeLessThan(100);
  expect(memoryBytes - before).toBeLessThan(100 * MEGABYTE);
  for (const stranger of strangers) stranger.close();
});

test("6,000 datagrams of 60 kB from a stranger are not kept", async () => {
  const before = (await siege.status()).memoryBytes;
  const text = siege.stranger.request("OPTIONS", siege.outside, {
    body: "x".repeat(60_000),
    contentType: "text/plain",
  });
  for (let i = 0; i < 6_000; i++) {
    siege.stranger.send(text.replace("Call-ID: ", `Call-ID: ${i}`), siege.outside);
    if (i % 10 === 9) await new Promise((resolve) => setImmediate(resolve));
  }
  await siege.alive();
  expect((await siege.status()).memoryBytes - before).toBeLessThan(200 * MEGABYTE);
});

test("every message of PROTOS c07 from a peer: the box answers OPTIONS after each", { timeout: 120_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-protos-"));
  run("tar", ["-xJf", dataPath("protos-c07-sip/testcases.tar.xz"), "-C", folder]);
  const cases = readdirSync(join(folder, "testcases")).sort();
  expect(cases.length).toBeGreaterThan(2_000);
  const { carrier, pbx, outside } = siege;
  pbx.answers = (request) => ({ status: request.startsWith("INVITE ") ? "486 Busy Here" : "200 OK" });
  const before = (await siege.status()).memoryBytes;
  let called = 0;
  for (const [index, name] of cases.entries()) {
    for (const unit of unitsOf(readFileSync(join(folder, "testcases", name), "latin1"))) {
      carrier.send(filled(unit, index), outside);
    }
    expect(statusOf(await carrier.ask(carrier.request("OPTIONS", outside), outside)), name).toBe(200);
    carrier.received.splice(0);
    called += pbx.received.splice(0).filter((message) => message.startsWith("INVITE ")).length;
  }
  expect(called, "the control: many a message is good enough for a call").toBeGreaterThan(100);
  rmSync(folder, { recursive: true });
  pbx.answers = (request) => ({ status: "200 OK", ...(request.startsWith("INVITE ") && { body: pbx.sdp }) });
  await siege.alive();
  expect((await siege.status()).memoryBytes - before).toBeLessThan(150 * MEGABYTE);
});

test("and when the last timer has run out, nothing is left", async () => {
  await siege.empty(45_000);
  const { transactions } = await siege.box.until<Status>(
    "/status",
    (status) => status.transactions.client === 0,
    5_000,
  );
  expect(transactions.server).toBe(0);
});

function floodWith(stranger: SipParty, number: number): void {
  const { outside } = siege;
  switch (number % 5) {
    case 0:
      return stranger.send(stranger.request("INVITE", outside, { user: String(number), body: stranger.sdp }), outside);
    case 1:
      return stranger.send(stranger.request("REGISTER", outside, { user: String(number) }), outside);
    case 2:
      return stranger.send(stranger.request("OPTIONS", outside), outside);
    case 3:
      return stranger.send(
        stranger.request("INVITE", outside, { body: stranger.sdp }).replace("Via:", "Vai:"),
        outside,
      );
    default:
      return stranger.send("x".repeat(1_200), outside);
  }
}

/** A case is a row of `length, blank, that many bytes`: the INVITE, then what ends it. */
function unitsOf(text: string): string[] {
  const units: string[] = [];
  for (let at = 0; at < text.length; ) {
    const blank = text.indexOf(" ", at);
    const length = Number(text.slice(at, blank));
    if (!Number.isInteger(length) || blank < 0) break;
    units.push(text.slice(blank + 1, blank + 1 + length));
    at = blank + 1 + length;
    while (text[at] === "\n" || text[at] === "\r") at++;
  }
  return units;
}

/** The placeholders of the suite, filled in. Datagrams end at 65,507 bytes. */
function filled(unit: string, index: number): string {
  const { carrier, outside } = siege;
  const words: Record<string, string> = {
    To: `100@${outside.ip}`,
    From: `200@${carrier.place.ip}`,
    "From-Address": carrier.place.ip,
    "From-IP": carrier.place.ip,
    "Local-Port": String(carrier.place.port),
    "Branch-ID": `protos${index}`,
    "Call-ID": `protos${index}`,
    CSeq: "1",
    "Teardown-Method": "CANCEL",
  };
  const text = unit.replace(/<([A-Z][A-Za-z-]*)>/g, (whole, word: string) => words[word] ?? whole);
  return text.replace("<Content-Length>", String(bodyOf(text).length)).slice(0, 65_507);
}
