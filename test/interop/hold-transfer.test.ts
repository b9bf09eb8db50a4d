/** Softphones hold, resume and transfer through the box; after each step it is measured who hears whom. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Softphone } from "../support/baresip.ts";
import { Box, makeFolder, makeTls } from "../support/box.ts";
import { run } from "../support/child.ts";
import { twoDoors } from "../support/configurations.ts";
import { Linphone } from "../support/linphone.ts";
import { type Hosts, makeHosts } from "../support/network-namespaces.ts";
import { Wiretap } from "../support/wiretap.ts";

const ALICE = { port: 5060, hertz: 440 };
const BOB = { port: 5080, hertz: 700 };
const CAROL = { port: 5090, hertz: 1_000 };
/** After a step of the call so much of the right tone must come, in seconds. */
const ENOUGH = 2;

let hosts: Hosts;
let tls: string;
let box: Box;
let folder: string;
let rounds = 0;
let phones: { readonly child: Softphone["child"] }[];
const root = makeFolder("hold");

beforeAll(() => {
  hosts = makeHosts("sypht", 68);
  // By its default route linphone finds its own address. The box forwards nothing.
  run("ip", ["-n", hosts.inside, "route", "add", "default", "via", hosts.ip.boxInside]);
  run("ip", ["-n", hosts.outside, "route", "add", "default", "via", hosts.ip.boxOutside]);
});

afterAll(() => hosts?.remove());

beforeEach(() => {
  folder = join(root, String(++rounds));
  mkdirSync(folder, { recursive: true });
  tls = makeTls(folder);
  phones = [];
});

afterEach(async () => {
  await box?.stop();
  await Promise.all(phones.map((phone) => phone.child.stop("SIGINT", 2_000)));
});

describe("hold and resume", () => {
  test("by baresip outside", async () => {
    await startBox("pass");
    const bob = await linphone("bob", BOB, "inside");
    const alice = await baresip("alice", ALICE, "outside", `sip:bob@${hosts.ip.boxOutside}:5060`);
    await hears(bob, ALICE);
    await hears(alice, BOB);
    await alice.command("hold");
    await silence(bob, ALICE);
    await alice.command("resume");
    await hears(bob, ALICE);
    await hears(alice, BOB);
  }, 60_000);

  test("by linphone inside", async () => {
    await startBox("pass");
    const bob = await linphone("bob", BOB, "inside");
    const alice = await baresip("alice", ALICE, "outside", `sip:bob@${hosts.ip.boxOutside}:5060`);
    await hears(bob, ALICE);
    await hears(alice, BOB);
    await bob.command("pause");
    await silence(bob, ALICE); // What a holder sends is music, and linphone's is its tone.
    await bob.command("resume");
    await hears(alice, BOB);
    await hears(bob, ALICE);
  }, 60_000);
});

describe.each(["pass", "execute"] as const)("refer: %s", (refer) => {
  test("blind, by baresip: the caller and the third hear each other, and the second is out", async () => {
    await startBox(refer);
    const carol = await baresip("carol", CAROL, "inside");
    const bob = await baresip("bob", BOB, "inside");
    const alice = await baresip("alice", ALICE, "outside", `sip:bob@${hosts.ip.boxOutside}:5060`);
    await hears(alice, BOB);
    await bob.command("transfer", `sip:carol@${hosts.ip.boxInside}:5060`);
    await hears(carol, ALICE);
    await hears(alice, CAROL);
    await onlyOneCallLeft();
  }, 60_000);

  test("attended, by linphone: the two that it spoke to hear each other, and it is out", async () => {
    await startBox(refer);
    // Not baresip: it cannot replace a call, nor let one be replaced.
    const carol = await linphone("carol", CAROL, "inside");
    const bob = await linphone("bob", BOB, "inside");
    const alice = await linphone("alice", ALICE, "outside");
    await alice.command(`call sip:bob@${hosts.ip.boxOutside}:5060`);
    await hears(alice, BOB);
    await bob.command("pause");
    await silence(bob, ALICE); // What a holder sends is music, and linphone's is its tone.
    await bob.command(`call sip:carol@${hosts.ip.boxInside}:5060`);
    await hears(carol, BOB);
    await bob.command("transfer 1 --to-call 2");
    await hears(carol, ALICE);
    await hears(alice, CAROL);
    await onlyOneCallLeft();
  }, 60_000);
});

/** A softphone, and what comes to its ears. Recorders of softphones do not survive a hold, so it is taken from the wire. */
interface Phone {
  readonly child: Softphone["child"];
  readonly tap: Wiretap;
  command(command: string, parameters?: string): void | Promise<void>;
}
type Who = typeof ALICE;
type Side = "outside" | "inside";

async function startBox(refer: "pass" | "execute"): Promise<void> {
  const { ip } = hosts;
  const base = twoDoors({ ...ip, srtp: "off", carrier: `udp:${ip.outside}:${ALICE.port}`, pbx: "" }) as {
    realms: { inside: { media: object } };
  };
  box = await Box.start(
    folder,
    {
      ...base,
      // Of the calls between two linphone, too, for that is what the wiretap understands.
      realms: {
        ...base.realms,
        inside: { ...base.realms.inside, media: { ...base.realms.inside.media, codecs: { allow: ["PCMU"] } } },
      },
      peers: {
        carrier: { realm: "outside", targets: [`udp:${ip.outside}:${ALICE.port}`] },
        bob: { realm: "inside", targets: [`udp:${ip.inside}:${BOB.port}`], refer },
        // Who calls from this host is bob.
        carol: { realm: "inside", targets: [`udp:${ip.inside}:${CAROL.port}`], sources: ["203.0.113.9/32"] },
      },
      routes: [
        { when: { number: "^bob$" }, to: ["bob"] },
        { when: { number: "^carol$" }, to: ["carol"] },
      ],
    },
    { netns: hosts.box },
  );
}

async function baresip(name: string, who: Who, side: Side, dial?: string): Promise<Phone> {
  const files = { ca: join(tls, "ca.pem"), certificate: join(tls, "sbc.pem") };
  const { ports, tap } = await listenTo(who, side);
  const phone = new Softphone({
    ...files,
    folder,
    name,
    ip: hosts.ip[side],
    port: who.port,
    transport: "udp",
    encryption: "none",
    hertz: who.hertz,
    firstRtpPort: ports,
    seconds: 55,
    netns: hosts[side],
    console: who.port + 10_000,
    ...(dial === undefined ? {} : { dial }),
  });
  phones.push(phone);
  await phone.ready();
  return { child: phone.child, tap, command: (command, parameters) => phone.command(command, parameters) };
}

async function linphone(name: string, who: Who, side: Side): Promise<Phone> {
  const { ports, tap } = await listenTo(who, side);
  const phone = new Linphone({ folder, name, ip: hosts.ip[side], ...who, rtpPort: ports, netns: hosts[side] });
  phones.push(phone);
  await phone.ready();
  return { child: phone.child, tap, command: (command) => phone.command(command) };
}

/** Each has a hundred ports for its media. */
async function listenTo(who: Who, side: Side): Promise<{ ports: number; tap: Wiretap }> {
  const ports = 10_000 + (who.port - 5_000) * 100;
  const tap = await Wiretap.start(
    hosts[side],
    `dst host ${hosts.ip[side]} and udp dst portrange ${ports}-${ports + 99}`,
  );
  phones.push(tap);
  return { ports, tap };
}

const heard = (phone: Phone, who: Who): number => phone.tap.secondsOf(who.hertz);

/** From now on so much more of that one's tone. */
async function hears(phone: Phone, who: Who): Promise<void> {
  const before = heard(phone, who);
  const deadline = performance.now() + 20_000;
  while (heard(phone, who) < before + ENOUGH) {
    if (performance.now() > deadline)
      expect.fail(
        `${who.hertz} Hz: ${heard(phone, who)} s, of which ${before} before\n${[...phones, box].map(storyOf).join("\n----\n")}`,
      );
    await pass(200);
  }
}

/** Without the packets. */
const storyOf = ({ child }: { readonly child: Softphone["child"] }): string =>
  child.lines
    .filter((line) => !/^[0-9a-f]+$/.test(line))
    .slice(-20)
    .join("\n");

/** Once what was on its way has come, nothing more comes. */
async function silence(phone: Phone, who: Who): Promise<void> {
  const deadline = performance.now() + 10_000;
  for (let last = -1; ; ) {
    const now = heard(phone, who);
    if (now === last) return;
    if (performance.now() > deadline) expect.fail(`${who.hertz} Hz goes on`);
    last = now;
    await pass(1_500);
  }
}

async function onlyOneCallLeft(): Promise<void> {
  await box.until<readonly unknown[]>("/calls", (calls) => calls.length === 1);
}

const pass = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));
