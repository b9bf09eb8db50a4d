/**
 * Three phones behind one symmetric NAT (baresip, linphone, and JsSIP in Chromium) register through the box to a registrar
 * inside, and call each other and the PBX; the way to them stays open while they are idle, and is found again after their
 * router has forgotten everything.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Softphone } from "../support/baresip.ts";
import { Box, makeFolder, makeTls } from "../support/box.ts";
import { Browser } from "../support/browser.ts";
import { Child } from "../support/child.ts";
import { Linphone } from "../support/linphone.ts";
import { type Home, homeBehind } from "../support/nat.ts";
import { type Hosts, makeHosts } from "../support/network-namespaces.ts";
import { Wiretap } from "../support/wiretap.ts";

const DOMAIN = "example.test";
const REGISTER_SECONDS = 20;
/** The router forgets a mapping well before the phones register again: only keepalives hold it. */
const KEEPALIVE_SECONDS = 6;
const NAT = { oneWay: 10, bothWays: 12 };
/** `NAT_IDLE_SECONDS=600` for the long form. */
const IDLE_SECONDS = Number(process.env["NAT_IDLE_SECONDS"] ?? 30);
/** They are called so often meanwhile. */
const ONCE_SECONDS = 30;
const ENOUGH = 1.5;
/** No call lasts longer: baresip reads its whole tone for each, and does nothing else meanwhile. */
const CALL_SECONDS = 120;

interface Phone {
  readonly name: string;
  readonly hertz: number;
  /** How much more of this tone has come since `before`, or ever; in seconds. */
  heard(hertz: number): number | Promise<number>;
  call(number: string): void | Promise<void>;
  hangUp(): void | Promise<void>;
}

type Where = Home["phones"][number];

let hosts: Hosts;
let home: Home;
let box: Box;
let browser: Browser | undefined;
let tls: string;
const children: { readonly child: Child }[] = [];
const phones: Record<string, Phone> = {};
const folder = makeFolder("nat");

beforeAll(async () => {
  hosts = makeHosts("sypnat", 95);
  home = homeBehind(hosts, "sypnat", 3, NAT);
  tls = makeTls(folder);
  const { ip } = hosts;
  const config = readFileSync(join(import.meta.dirname, "kamailio/registrar.cfg"), "utf8")
    .replaceAll("ADDRESS", ip.inside)
    .replaceAll("OWN", `pbx@${ip.inside}:5090`);
  const file = join(folder, "registrar.cfg");
  writeFileSync(file, config);
  const args = ["-f", file, "-DD", "-E", "-m", "32", "-M", "4", "-Y", folder];
  children.push({ child: new Child("kamailio", args, { netns: hosts.inside }) });
  box = await Box.start(folder, configuration(), { netns: hosts.box });
  const [first, second, third] = home.phones as [Where, Where, Where];
  phones["pbx"] = await baresip("pbx", 1_000, hosts.inside, ip.inside, 5_090);
  phones["alice"] = await baresip("alice", 440, first.netns, first.ip, 5_060);
  phones["bob"] = await linphone("bob", 700, second.netns, second.ip);
  phones["carol"] = await chromium("carol", 880, third.netns);
  await registered(3);
}, 120_000);

afterAll(async () => {
  await browser?.stop();
  await box?.stop();
  await Promise.all(children.map(({ child }) => child.stop("SIGINT", 2_000)));
  home?.remove();
  hosts?.remove();
});

test("all have one public address, and the registrar knows neither it nor theirs", async () => {
  const rows = await flows();
  expect(rows.map(({ flow, nat }) => [flow.replace(/:\d+$/, ""), nat])).toEqual([
    [`udp:${hosts.ip.outside}`, true],
    [`udp:${hosts.ip.outside}`, true],
    [`wss:${hosts.ip.outside}`, true],
  ]);
  const kamailio = children[0]?.child.output ?? "";
  expect(kamailio).not.toContain(hosts.ip.outside);
  expect(kamailio).not.toContain("192.168.77.");
});

test.each([
  ["alice", "900", "pbx"],
  ["bob", "900", "pbx"],
  ["pbx", "alice", "alice"],
  ["pbx", "bob", "bob"],
  ["alice", "bob", "bob"],
  ["bob", "alice", "alice"],
  ["carol", "900", "pbx"],
  ["pbx", "carol", "carol"],
  ["carol", "alice", "alice"],
  ["alice", "carol", "carol"],
  ["carol", "bob", "bob"],
  ["bob", "carol", "carol"],
])(
  "%s calls %s: each hears the other's tone",
  async (from, number, to) => {
    await talk(from, number, to);
  },
  60_000,
);

test(
  `a call from inside reaches idle phones each time, for ${IDLE_SECONDS} s`,
  async () => {
    for (let idle = 0; idle < IDLE_SECONDS; idle += ONCE_SECONDS) {
      const before = await keepalive();
      await pass(ONCE_SECONDS * 1_000);
      expect((await keepalive()).answered).toBeGreaterThan(before.answered + 2);
      await talk("pbx", "alice", "alice");
      await talk("pbx", "bob", "bob");
      await talk("pbx", "carol", "carol");
    }
  },
  (2 * IDLE_SECONDS + 60) * 1_000,
);

test("the router has forgotten every mapping: with the next REGISTER a call that is up is heard again, and all are called", async () => {
  const [alice, pbx] = [phones["alice"], phones["pbx"]] as [Phone, Phone];
  await alice.call("900");
  await hears(pbx, alice);
  const before = (await flows()).map(({ flow }) => flow);
  home.reboot();
  await box.until<readonly Registered[]>(
    "/registrations",
    (rows) => rows.length === 3 && rows.every(({ flow, nat }) => nat && !before.includes(flow)),
    (REGISTER_SECONDS + 5) * 1_000,
  );
  // Its sound comes from another port of the router, and is wanted at another.
  await hears(pbx, alice);
  await hears(alice, pbx);
  await alice.hangUp();
  await box.until<readonly unknown[]>("/calls", (calls) => calls.length === 0, 15_000);
  await talk("pbx", "alice", "alice");
  await talk("alice", "bob", "bob");
  await talk("bob", "carol", "carol");
}, 180_000);

/** Each hears the other for a while; then it is over. */
async function talk(from: string, number: string, to: string): Promise<void> {
  const [caller, callee] = [phones[from] as Phone, phones[to] as Phone];
  await caller.call(number);
  try {
    await hears(callee, caller);
    await hears(caller, callee);
  } finally {
    await caller.hangUp();
  }
  await box.until<readonly unknown[]>("/calls", (calls) => calls.length === 0, 15_000);
}

async function hears(phone: Phone, who: Phone): Promise<void> {
  const before = await phone.heard(who.hertz);
  const deadline = performance.now() + 25_000;
  while ((await phone.heard(who.hertz)) < before + ENOUGH) {
    if (performance.now() > deadline)
      expect.fail(
        `${phone.name} heard ${who.name} for less than ${ENOUGH} s\n${[...children, box].map(storyOf).join("\n----\n")}`,
      );
    await pass(200);
  }
}

const storyOf = ({ child }: { readonly child: Child }): string =>
  child.lines
    .filter((line) => !/^[0-9a-f]+$/.test(line))
    .slice(-15)
    .join("\n");

const pass = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

interface Registrations {
  readonly registrations: { readonly bindings: number; readonly keepalive: { readonly answered: number } };
}

const keepalive = async (): Promise<{ answered: number }> =>
  (await box.get<Registrations>("/status")).registrations.keepalive;

async function registered(count: number): Promise<void> {
  await box.until<readonly unknown[]>("/registrations", (rows) => rows.length === count, 30_000);
}

interface Registered {
  readonly flow: string;
  readonly nat: boolean;
}

const flows = (): Promise<readonly Registered[]> => box.get("/registrations");

function configuration(): object {
  const { ip } = hosts;
  const codecs = { allow: ["PCMU"] };
  return {
    name: "nat",
    realms: {
      outside: {
        trust: "none",
        listen: [`udp:${ip.boxOutside}:5060`, `wss:${ip.boxOutside}:8443`],
        tls: { certificate: "tls/sbc.crt", key: "tls/sbc.key", ca: "tls/ca.pem", verify: "none" },
        media: { address: ip.boxOutside, ports: "20000-20999", codecs },
        srtp: "preferred",
      },
      inside: {
        trust: "full",
        listen: [`udp:${ip.boxInside}:5060`],
        media: { address: ip.boxInside, ports: "30000-30999", codecs },
        srtp: "off",
      },
    },
    peers: { pbx: { realm: "inside", targets: [`udp:${ip.inside}:5060`] } },
    registration: {
      domains: {
        [DOMAIN]: {
          realm: "outside",
          registrar: "pbx",
          datagramSeconds: REGISTER_SECONDS,
          streamSeconds: REGISTER_SECONDS,
          keepaliveSeconds: KEEPALIVE_SECONDS,
        },
      },
      file: null,
    },
    routes: [
      { when: { realm: "outside", registered: true }, to: ["pbx"] },
      { when: { from: "pbx", registered: "callee" }, to: ["registration"] },
    ],
  };
}

const account = () => ({
  domain: DOMAIN,
  password: "secret",
  proxy: `${hosts.ip.boxOutside}:5060`,
  seconds: REGISTER_SECONDS,
});

async function baresip(name: string, hertz: number, netns: string, ip: string, port: number): Promise<Phone> {
  const { ports, tap } = await listenTo(netns, ip, port);
  const phone = new Softphone({
    ...{ folder, name, ip, port, hertz, netns, transport: "udp", encryption: "none", firstRtpPort: ports },
    ca: join(tls, "ca.pem"),
    certificate: join(tls, "sbc.pem"),
    ...{ seconds: 2 * IDLE_SECONDS + 900, toneSeconds: CALL_SECONDS },
    console: 15_000 + (port % 100),
    ...(name === "pbx" ? {} : { account: account() }),
  });
  children.push(phone);
  await phone.ready();
  const domain = name === "pbx" ? `${hosts.ip.inside}:5060` : DOMAIN;
  return {
    ...{ name, hertz, heard: (tone: number) => tap.secondsOf(tone) },
    call: (number) => phone.command("dial", `sip:${number}@${domain}`),
    hangUp: () => phone.command("hangup"),
  };
}

async function linphone(name: string, hertz: number, netns: string, ip: string): Promise<Phone> {
  const { ports, tap } = await listenTo(netns, ip, 5_070);
  const rtp = { rtpPort: ports, netns, account: account() };
  const phone = new Linphone({ folder, name, ip, port: 5_070, hertz, ...rtp });
  children.push(phone);
  await phone.ready();
  return {
    ...{ name, hertz, heard: (tone: number) => tap.secondsOf(tone) },
    call: (number) => phone.call(`sip:${number}@${DOMAIN}`),
    hangUp: () => phone.command("terminate"),
  };
}

async function chromium(name: string, hertz: number, netns: string): Promise<Phone> {
  const page = await Browser.start({ folder, name, hertz, netns });
  browser = page;
  const socket = `wss://${hosts.ip.boxOutside}:8443`;
  await page.phone("start", { socket, uri: `sip:${name}@${DOMAIN}`, password: "secret" });
  await page.event("registered");
  let sum = 0;
  return {
    ...{ name, hertz },
    heard: async (tone) => {
      const { share, looks } = await page
        .phone<{ share: number; looks: number }>("heard", tone, 0.5)
        .catch(() => ({ share: 0, looks: 0 })); // Before its first call there is nothing to listen to.
      if (share > 0.8 && looks > 3) sum += 0.5;
      return sum;
    },
    call: (number) => page.phone("dial", `sip:${number}@${DOMAIN}`),
    hangUp: () => page.phone("hangUp"),
  };
}

/** Each has a hundred ports for its media. */
async function listenTo(netns: string, ip: string, port: number): Promise<{ ports: number; tap: Wiretap }> {
  const ports = 10_000 + (port - 5_000) * 100;
  const tap = await Wiretap.start(netns, `dst host ${ip} and udp dst portrange ${ports}-${ports + 99}`);
  children.push(tap);
  return { ports, tap };
}
