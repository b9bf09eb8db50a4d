/** The PBX dies and comes back without its memory: phones call each other meanwhile, and all is as before soon after. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Softphone } from "../support/baresip.ts";
import { Box, makeFolder, makeTls } from "../support/box.ts";
import { Child } from "../support/child.ts";
import { type Hosts, makeHosts } from "../support/network-namespaces.ts";
import { hear } from "../support/tone.ts";

const DOMAIN = "example.test";
const REGISTER_SECONDS = 20;
const ALICE_HERTZ = 440;
const BOB_HERTZ = 700;
/** What the operator is promised. */
const WITHOUT_LIMIT_MS = 10_000;
const BACK_LIMIT_MS = 30_000;

const folder = makeFolder("survival");
let hosts: Hosts;
let box: Box;
let kamailio: Child;
let alice: Softphone;
let bob: Softphone;

beforeAll(async () => {
  hosts = makeHosts("sypsv", 103);
  makeTls(folder);
  const config = readFileSync(join(import.meta.dirname, "kamailio/registrar.cfg"), "utf8")
    .replaceAll("ADDRESS", hosts.ip.inside)
    .replaceAll("OWN", `pbx@${hosts.ip.inside}:5090`);
  writeFileSync(join(folder, "registrar.cfg"), config);
  kamailio = startKamailio();
  box = await Box.start(folder, configuration(), { netns: hosts.box });
  await box.until<unknown>("/peers", (now) => JSON.stringify(now).includes('"state":"up"'), 15_000);
  alice = softphone("alice", ALICE_HERTZ, 5_060, 21_000);
  bob = softphone("bob", BOB_HERTZ, 5_062, 23_000);
  await Promise.all([alice.ready(), bob.ready()]);
  await box.until<readonly unknown[]>("/registrations", (rows) => rows.length === 2, 30_000);
}, 90_000);

afterAll(async () => {
  await Promise.all([alice, bob].map((phone) => phone?.child.stop("SIGINT", 2_000)));
  await box?.stop();
  await kamailio?.stop();
  hosts?.remove();
});

test("with the PBX a call goes through it", async () => {
  expect(await call(5_000)).toMatchObject({ to: { peer: "pbx" } });
}, 30_000);

test("without it they call each other within 10 s, and go on registering", async () => {
  await kamailio.stop("SIGTERM");
  expect(await call(WITHOUT_LIMIT_MS)).toMatchObject({ to: { peer: "registration" } });
  const heard = bob.recordings.map((file) => hear(file, ALICE_HERTZ).share);
  expect(Math.max(...heard)).toBeGreaterThan(0.8);
  expect(await box.fact("registrar.away", 1, 2 * REGISTER_SECONDS * 1_000)).toMatchObject({ peer: "pbx" });
  await box.until<readonly Row[]>(
    "/registrations",
    all((row) => row.registrar === "owed"),
    2 * REGISTER_SECONDS * 1_000,
  );
  expect(await call(WITHOUT_LIMIT_MS)).toMatchObject({ to: { peer: "registration" } });
}, 120_000);

test("when it is back, which knows nobody, all is as before within 30 s", async () => {
  kamailio = startKamailio();
  await box.until<readonly Row[]>(
    "/registrations",
    all((row) => row.registrar === "held"),
    BACK_LIMIT_MS,
  );
  expect(await call(5_000)).toMatchObject({ to: { peer: "pbx" } });
  expect(box.facts("registrar.back").length).toBe(1);
  expect(box.facts("phone.gone")).toEqual([]);
}, 90_000);

interface Row {
  readonly registrar: string;
}

const all =
  (holds: (row: Row) => boolean) =>
  (rows: readonly Row[]): boolean =>
    rows.length === 2 && rows.every(holds);

interface Live {
  readonly state: string;
  readonly to?: { readonly peer?: string };
}

/** Alice calls bob, talks with him for a while, and hangs up. Gives the call as the box saw it. */
async function call(limitMs: number): Promise<Live> {
  await alice.command("dial", `sip:bob@${DOMAIN}`);
  const calls = await box.until<readonly Live[]>("/calls", ([one]) => one?.state === "up", limitMs);
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  await alice.command("hangup");
  await box.until<readonly unknown[]>("/calls", (now) => now.length === 0, 10_000);
  // The last one that ended was, between the phones, a leg through the PBX when there is one.
  return calls[0] as Live;
}

function startKamailio(): Child {
  const args = ["-f", join(folder, "registrar.cfg"), "-DD", "-E", "-m", "32", "-M", "4", "-Y", folder];
  return new Child("kamailio", args, { netns: hosts.inside });
}

function softphone(name: string, hertz: number, port: number, firstRtpPort: number): Softphone {
  const proxy = `${hosts.ip.boxOutside}:5060`;
  return new Softphone({
    ...{ folder, name, ip: hosts.ip.outside, port, hertz, netns: hosts.outside, firstRtpPort },
    ...{ transport: "udp", encryption: "none", seconds: 300, console: 15_000 + (port % 100) },
    ca: join(folder, "tls/ca.pem"),
    certificate: join(folder, "tls/sbc.pem"),
    account: { domain: DOMAIN, password: "secret", proxy, seconds: REGISTER_SECONDS },
  });
}

function configuration(): object {
  const { ip } = hosts;
  const realm = (trust: string, address: string, ports: string): object => ({
    ...{ trust, listen: [`udp:${address}:5060`], media: { address, ports }, srtp: "off" },
  });
  return {
    name: "survival",
    realms: {
      outside: realm("none", ip.boxOutside, "20000-20999"),
      inside: realm("full", ip.boxInside, "30000-30999"),
    },
    peers: { pbx: { realm: "inside", targets: [`udp:${ip.inside}:5060`], options: { everySeconds: 2 } } },
    registration: {
      file: null,
      domains: { [DOMAIN]: { realm: "outside", registrar: "pbx", datagramSeconds: REGISTER_SECONDS } },
    },
    routes: [
      { when: { registered: "both", peerDown: "pbx" }, to: ["registration"] },
      { when: { registered: true }, to: ["pbx", "registration"] },
      { when: { from: "pbx", registered: "callee" }, to: ["registration"] },
    ],
  };
}
