/** Linphone outside, with each of its encryptions, and another one inside: they hear each other through the box. */
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Box, makeFolder, makeTls } from "../support/box.ts";
import { run } from "../support/child.ts";
import { betweenHosts, type Wishes } from "../support/configurations.ts";
import { Linphone, type LinphoneOptions } from "../support/linphone.ts";
import { type Hosts, makeHosts } from "../support/network-namespaces.ts";
import { hear } from "../support/tone.ts";

const OUTSIDE = { port: 5_060, hertz: 440 };
const INSIDE = { port: 5_060, hertz: 1_000 };

const root = makeFolder("linphone");
let hosts: Hosts;
let box: Box;
let folder: string;
let rounds = 0;
let phones: Linphone[] = [];

beforeAll(() => {
  hosts = makeHosts("sylin", 73);
  // By its default route linphone finds its own address. The box forwards nothing.
  run("ip", ["-n", hosts.inside, "route", "add", "default", "via", hosts.ip.boxInside]);
  run("ip", ["-n", hosts.outside, "route", "add", "default", "via", hosts.ip.boxOutside]);
});

afterAll(() => hosts?.remove());

beforeEach(() => {
  folder = join(root, String(++rounds));
  mkdirSync(folder, { recursive: true });
  makeTls(folder);
});

afterEach(async () => {
  for (const phone of phones) phone.command("quit");
  await Promise.all(phones.splice(0).map((phone) => phone.child.stop("SIGTERM", 3_000)));
  await box?.stop();
});

type Encryption = NonNullable<LinphoneOptions["encryption"]>;

describe.each<[Encryption, Partial<Wishes>, object]>([
  ["dtls", { srtp: "required", srtpKeys: ["dtls"] }, { keys: "dtls" }],
  ["dtls", { srtp: "required", srtpKeys: ["sdes", "dtls"] }, { keys: "dtls" }],
  ["srtp", { srtp: "required", srtpKeys: ["dtls", "sdes"], sdesWithoutTls: true }, { keys: "sdes" }],
])("%s outside, where the box has %j", (encryption, wishes, expected) => {
  test("called from inside, and calling", async () => {
    const [outer, inner] = await cast(encryption, "none", wishes);
    for (const [round, [caller, callee, side]] of [
      [inner, outer, "callee"] as const,
      [outer, inner, "caller"] as const,
    ].entries()) {
      caller.command(`call sip:other@${caller === inner ? hosts.ip.boxInside : hosts.ip.boxOutside}:5060`);
      const [live] = await box.until<readonly Live[]>("/calls", ([call]) => call?.state === "up");
      await box.until<readonly Live[]>("/calls", ([call]) => call?.media.streams[0]?.[side].suite !== undefined);
      expect(live?.media.streams[0]?.[side]).toMatchObject(expected);
      await sound(4, side);
      callee.command("terminate");
      expect(await box.fact("call.ended", round + 1, 20_000)).toMatchObject({ cause: "bye" });
    }
    heard(outer, INSIDE.hertz);
    heard(inner, OUTSIDE.hertz);
  }, 60_000);
});

test("ZRTP between the two passes in plain RTP: both read the same words to each other", async () => {
  const [outer, inner] = await cast("zrtp", "zrtp", { srtp: "off" });
  inner.command(`call sip:other@${hosts.ip.boxInside}:5060`);
  await box.until<readonly Live[]>("/calls", ([call]) => call?.state === "up");
  await sound(5, "caller");
  outer.command("terminate");
  await box.fact("call.ended", 1, 20_000);
  const [one, other] = [sasOf(outer), sasOf(inner)];
  expect(one).toMatch(/^\S+$/);
  expect(other).toBe(one);
  heard(outer, INSIDE.hertz);
}, 60_000);

interface Live {
  readonly state: string;
  readonly media: { readonly streams: readonly { readonly caller: End; readonly callee: End }[] };
}
interface End {
  readonly keys: string;
  readonly suite?: string;
  readonly quality?: { readonly packets: number };
}

async function cast(outer: Encryption, inner: Encryption, wishes: Partial<Wishes>): Promise<[Linphone, Linphone]> {
  const { ip } = hosts;
  const targets = { carrier: `udp:${ip.outside}:5060`, pbx: `udp:${ip.inside}:5060` };
  box = await Box.start(folder, betweenHosts(hosts, { ...targets, ...wishes }), { netns: hosts.box });
  const common = { folder, rtpPort: 7_078 };
  phones = [
    new Linphone({ ...common, ...OUTSIDE, name: "outer", ip: ip.outside, netns: hosts.outside, encryption: outer }),
    new Linphone({ ...common, ...INSIDE, name: "inner", ip: ip.inside, netns: hosts.inside, encryption: inner }),
  ];
  await Promise.all(phones.map((phone) => phone.ready()));
  return phones as [Linphone, Linphone];
}

/** So many seconds of packets have come from that side. */
const sound = (seconds: number, side: "caller" | "callee"): Promise<unknown> =>
  box.until<readonly Live[]>(
    "/calls",
    ([call]) => (call?.media.streams[0]?.[side].quality?.packets ?? 0) > seconds * 50,
    20_000,
  );

function heard(phone: Linphone, hertz: number): void {
  const { share, seconds } = hear(phone.recording, hertz);
  expect(share, `share of ${hertz} Hz in ${phone.recording}`).toBeGreaterThan(0.8);
  expect(seconds).toBeGreaterThan(3);
}

/** The short authentication string of ZRTP, as the phone would read it out. RFC 6189 §4.5.2. */
const sasOf = (phone: Linphone): string => /SAS is (\S+)/.exec(readFileSync(phone.log, "latin1"))?.[1] ?? "";
