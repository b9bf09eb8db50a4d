/**
 * Chromium with JsSIP, registered over WebSocket, and a plain baresip inside: each calls each through the box, and both hear
 * the other's tone.
 */
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { Softphone } from "../support/baresip.ts";
import { Box, makeFolder, makeTls } from "../support/box.ts";
import { Browser } from "../support/browser.ts";
import { type Hosts, makeHosts } from "../support/network-namespaces.ts";
import { hear } from "../support/tone.ts";

const ALICE_HERTZ = 440;
const CAROL_HERTZ = 700;
const PHONE_HERTZ = 1_000;

const folder = makeFolder("webrtc");
const browsers: Browser[] = [];
const phones: Softphone[] = [];
let hosts: Hosts;
let box: Box;
let tls: string;
let own: string;
let calls = 0;

interface End {
  readonly keys: string;
  readonly suite?: string;
  readonly ice: boolean;
  readonly local: string;
  readonly profile: string;
  readonly codecs: readonly string[];
}
interface Live {
  readonly media: { readonly streams: readonly { readonly caller: End; readonly callee: End }[] };
}

beforeAll(async () => {
  hosts = makeHosts("sywrt", 71);
  tls = makeTls(folder);
  const md5 = (text: string): string => createHash("md5").update(text).digest("hex");
  const users = ["alice", "carol"].map((user) => `${user}:web.test:${md5(`${user}:web.test:secret`)}\n`);
  writeFileSync(join(folder, "users"), users.join(""));
  box = await Box.start(folder, configuration(hosts.ip), { netns: hosts.box });
}, 60_000);

beforeEach(() => {
  calls += 1;
  own = join(folder, `call-${calls}`);
  mkdirSync(own);
});

afterEach(async () => {
  await Promise.all(browsers.splice(0).map((one) => one.stop()));
  await Promise.all(phones.splice(0).map((one) => one.child.stop("SIGINT")));
});

afterAll(async () => {
  await box?.stop();
  hosts?.remove();
});

test.each(["ws", "wss"] as const)(
  "over %s a browser calls a phone: sound both ways, again after a hold, and after an ICE restart",
  async (scheme) => {
    const phone = baresip();
    await phone.ready();
    const alice = await registered("alice", ALICE_HERTZ, scheme);
    await alice.phone("dial", `sip:phone@web.test`);
    await alice.event("confirmed");
    expect(await talking()).toMatchObject({
      caller: { keys: "dtls", ice: true, profile: "UDP/TLS/RTP/SAVPF" },
      callee: { keys: "none", ice: false, profile: "RTP/AVP" },
    });
    await expectTone(alice, PHONE_HERTZ);
    await alice.phone("hold");
    await alice.phone("resume");
    await expectTone(alice, PHONE_HERTZ);
    await alice.phone("restart");
    await expectTone(alice, PHONE_HERTZ);
    expect(await alice.phone("stats")).toMatchObject({ dtls: "connected" });

    await alice.phone("hangUp");
    // Its recorder rests with the first hold; the box has counted until the end.
    await expectHeard(phone, ALICE_HERTZ, 2);
    const ended = await box.fact("call.ended", calls);
    expect(ended).toMatchObject({ cause: "bye", streams: [{ caller: { lost: 0 } }] });
    const [stream] = ended.streams as readonly { caller: { packets: number; dropped: number } }[];
    expect(stream?.caller.packets).toBeGreaterThan(400);
    expect(stream?.caller.dropped).toBeLessThan(20);
  },
  120_000,
);

test("a phone calls a user of a browser and of a phone over TLS: both ring, the browser answers, sound both ways", async () => {
  const desk = deskOf("alice");
  const alice = await registered("alice", ALICE_HERTZ, "wss");
  await box.until<readonly unknown[]>("/registrations", (rows) => rows.length === 2, 20_000);
  const phone = baresip(`sip:alice@${hosts.ip.boxInside}`);
  await alice.event("confirmed");
  expect(await talking("callee")).toMatchObject({
    caller: { keys: "none" },
    callee: { keys: "dtls", ice: true, profile: "UDP/TLS/RTP/SAVPF" },
  });
  expect(await desk.child.line(/^a=crypto:/)).toContain("inline:");
  expect(await desk.child.line(/^Reason: /)).toContain("Call completed elsewhere");
  await expectTone(alice, PHONE_HERTZ);
  await alice.phone("hangUp");
  await expectHeard(phone, ALICE_HERTZ, 2);
  expect(await box.fact("call.ended", calls)).toMatchObject({ cause: "bye" });
}, 120_000);

test("a browser calls a browser with sound and pictures: one transport on each side, and both see and hear", async () => {
  const alice = await registered("alice", ALICE_HERTZ, "ws", true);
  const carol = await registered("carol", CAROL_HERTZ, "wss", true);
  await alice.phone("dial", "sip:carol@web.test");
  await alice.event("confirmed");
  const end = { keys: "dtls", ice: true, profile: "UDP/TLS/RTP/SAVPF" };
  const stream = await talking("callee");
  expect(stream).toMatchObject({ caller: end, callee: end });
  expect(stream.caller.codecs).toContain("opus");
  for (const one of [alice, carol]) {
    const { seen, transports } = await one.phone<{ seen: number; transports: number }>("pictures", 10);
    expect(seen).toBeGreaterThanOrEqual(10);
    expect(transports).toBe(1);
  }
  const [live] = await box.until<readonly Live[]>("/calls", (calls) => calls[0]?.media.streams.length === 2);
  for (const side of ["caller", "callee"] as const) {
    const ports = live?.media.streams.map((each) => each[side].local);
    expect(new Set(ports).size, `transports of the ${side}`).toBe(1);
  }
  await expectTone(alice, CAROL_HERTZ);
  await expectTone(carol, ALICE_HERTZ);
  await carol.phone("hangUp");
  await alice.event("ended");
  expect(await box.fact("call.ended", calls)).toMatchObject({ cause: "bye", by: "callee" });
}, 120_000);

test("a browser's phone transfers the call: the browser shakes hands again, and hears the other phone", async () => {
  const desk = baresip(undefined, { name: "desk", port: 5_070, hertz: CAROL_HERTZ, firstRtpPort: 24_000 });
  const phone = baresip();
  await Promise.all([desk.ready(), phone.ready()]);
  const alice = await registered("alice", ALICE_HERTZ, "wss");
  await alice.phone("dial", `sip:phone@web.test`);
  await alice.event("confirmed");
  const before = await talking();
  await expectTone(alice, PHONE_HERTZ);
  await phone.command("transfer", `sip:desk@${hosts.ip.boxInside}:5060`);
  expect(await box.fact("call.transferred", 1)).toMatchObject({ kind: "blind", status: 200 });
  await expectTone(alice, CAROL_HERTZ);
  const after = await talking();
  expect(after.caller).toMatchObject({ keys: "dtls", ice: true });
  expect(after.caller.local).not.toBe(before.caller.local);
  const prints = await alice.phone<readonly string[]>("fingerprints");
  expect(new Set(prints).size).toBe(2);
  await alice.phone("hangUp");
  await expectHeard(desk, ALICE_HERTZ, 2);
}, 120_000);

async function registered(name: string, hertz: number, scheme: "ws" | "wss", video = false): Promise<Browser> {
  const browser = await Browser.start({ folder: own, name, hertz, netns: hosts.outside });
  browsers.push(browser);
  const socket = `${scheme}://${hosts.ip.boxOutside}:${scheme === "ws" ? 8_080 : 8_443}`;
  await browser.phone("start", { socket, uri: `sip:${name}@web.test`, password: "secret", video });
  await browser.event("registered");
  return browser;
}

/** A softphone of the same user outside, which rings and does not answer. */
function deskOf(name: string): Softphone {
  const phone = new Softphone({
    ...{ folder: join(own, "desk"), name, ip: hosts.ip.outside, port: 5_080, hertz: CAROL_HERTZ, netns: hosts.outside },
    ...{ transport: "tls", encryption: "srtp-mand", firstRtpPort: 25_000, seconds: 60, answers: false },
    ...{ ca: join(tls, "ca.pem"), certificate: join(tls, "sbc.pem") },
    account: { domain: "web.test", password: "secret", proxy: `${hosts.ip.boxOutside}:5061`, seconds: 60 },
  });
  phones.push(phone);
  return phone;
}

const PHONE = { name: "phone", port: 5_060, hertz: PHONE_HERTZ, firstRtpPort: 23_000 };

function baresip(dial?: string, which = PHONE): Softphone {
  const phone = new Softphone({
    folder: own,
    ip: hosts.ip.inside,
    ...which,
    console: which.port + 10_000,
    transport: "udp",
    encryption: "none",
    ca: join(tls, "ca.pem"),
    certificate: join(tls, "sbc.pem"),
    seconds: 60,
    netns: hosts.inside,
    ...(dial !== undefined && { dial }),
  });
  phones.push(phone);
  return phone;
}

/** The one call that is up, once the handshake of that side is through. */
async function talking(side: "caller" | "callee" = "caller"): Promise<Live["media"]["streams"][number]> {
  const up = (live: readonly Live[]): boolean => live[0]?.media?.streams[0]?.[side].suite !== undefined;
  const [live] = await box.until<readonly Live[]>("/calls", up);
  return (live as Live).media.streams[0] as Live["media"]["streams"][number];
}

async function expectTone(browser: Browser, hertz: number): Promise<void> {
  const { share, looks } = await browser.phone<{ share: number; looks: number }>("heard", hertz, 3);
  expect(share, `share of ${hertz} Hz in what the browser hears`).toBeGreaterThan(0.8);
  expect(looks).toBeGreaterThan(15);
}

/** Of all its recordings together, once its call has ended. */
async function expectHeard(phone: Softphone, hertz: number, seconds: number): Promise<void> {
  await phone.child.line(/session closed|terminated|: closed/i, 15_000);
  await phone.child.stop("SIGINT");
  const heard = phone.recordings.map((file) => hear(file, hertz));
  for (const { share } of heard) expect(share, `share of ${hertz} Hz in what baresip heard`).toBeGreaterThan(0.8);
  expect(heard.reduce((sum, each) => sum + each.seconds, 0)).toBeGreaterThan(seconds);
}

const configuration = (ip: Hosts["ip"]): object => ({
  name: "webrtc",
  realms: {
    outside: {
      trust: "none",
      listen: [`tls:${ip.boxOutside}:5061`, `ws:${ip.boxOutside}:8080`, `wss:${ip.boxOutside}:8443`],
      tls: { certificate: "tls/sbc.crt", key: "tls/sbc.key", ca: "tls/ca.pem", verify: "none" },
      media: { address: ip.boxOutside, ports: "20000-20999" },
      srtp: "required",
    },
    inside: {
      trust: "full",
      listen: [`udp:${ip.boxInside}:5060`],
      media: { address: ip.boxInside, ports: "30000-30999" },
      srtp: "off",
    },
  },
  peers: {
    pbx: { realm: "inside", targets: [`udp:${ip.inside}:5060`], refer: "execute" },
    desk: { realm: "inside", targets: [`udp:${ip.inside}:5070`], sources: ["203.0.113.9/32"] },
  },
  registration: {
    file: null,
    domains: { "web.test": { realm: "outside", registrar: "local", users: "users", algorithms: ["MD5"] } },
  },
  routes: [
    { when: { number: "^desk$" }, to: ["desk"] },
    { when: { realm: "outside", registered: "both" }, to: ["registration"] },
    { when: { realm: "outside", registered: true }, to: ["pbx"] },
    { when: { from: "pbx", registered: "callee" }, to: ["registration"] },
  ],
});
