/** Two baresip talk through the box, and one of them transfers the other to a third: the box does it. */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Softphone } from "../support/baresip.ts";
import { Box, makeFolder, makeTls } from "../support/box.ts";
import { betweenHosts } from "../support/configurations.ts";
import { type Hosts, makeHosts } from "../support/network-namespaces.ts";
import { hear } from "../support/tone.ts";

/** How long alice's phone runs. */
const SECONDS = 14;
/** How long two talk, so that there is something to hear: a tone has no event. */
const TALK = 2_500;

let hosts: Hosts;
let box: Box;
const folder = makeFolder("baresip-transfer");

beforeAll(async () => {
  hosts = makeHosts("syptr", 67);
  makeTls(folder);
  const { ip } = hosts;
  const config = betweenHosts(hosts, {
    carrier: `udp:${ip.outside}:5060`,
    pbx: `udp:${ip.inside}:5060`,
    srtp: "off",
  }) as { peers: Record<string, object>; routes: object[] };
  Object.assign(config.peers["pbx"] as object, { refer: "execute" });
  config.peers["desk"] = { realm: "inside", targets: [`udp:${ip.inside}:5080`] };
  config.routes.unshift({ when: { realm: "inside", number: "^carol$" }, to: ["desk"] });
  box = await Box.start(folder, config, { netns: hosts.box });
}, 60_000);

afterAll(async () => {
  await box?.stop();
  hosts?.remove();
});

test("who is transferred hears the third, and the third hears it", async () => {
  const tls = join(folder, "tls");
  const common = {
    folder,
    transport: "udp",
    encryption: "none",
    ca: join(tls, "ca.pem"),
    certificate: join(tls, "sbc.pem"),
  } as const;
  const inside = { ...common, ip: hosts.ip.inside, netns: hosts.inside, seconds: SECONDS + 15 };
  const bob = new Softphone({ ...inside, name: "bob", port: 5060, hertz: 1_000, firstRtpPort: 23_000, console: 5555 });
  const carol = new Softphone({ ...inside, name: "carol", port: 5080, hertz: 600, firstRtpPort: 25_000 });
  const story = (): string => [bob, carol].map(({ child }) => child.lines.slice(-40).join("\n")).join("\n---\n");
  try {
    await Promise.all([bob.ready(), carol.ready()]);
    const alice = new Softphone({
      ...{ ...common, ip: hosts.ip.outside, netns: hosts.outside, seconds: SECONDS },
      ...{ name: "alice", port: 5060, hertz: 440, firstRtpPort: 21_000 },
      dial: `sip:bob@${hosts.ip.boxOutside}:5060`,
    });
    await alice.child.line(/established/i);
    await sleep(TALK);
    bob.command("transfer", `sip:carol@${hosts.ip.boxInside}:5060`);
    const told = await box.fact("call.transferred", 1, 8_000).catch(() => ({ failed: story() }));
    expect(told).toMatchObject({ kind: "blind", status: 200 });
    await alice.child.exited;
    await box.fact("call.ended", 2, 8_000);
    await Promise.all([bob, carol].map((phone) => phone.child.stop("SIGINT")));
    const heard = [600, 1_000].map((hertz) => hear(alice.recording as string, hertz).share);
    expect(heard[0], story()).toBeGreaterThan(0.2);
    expect((heard[0] ?? 0) + (heard[1] ?? 0), story()).toBeGreaterThan(0.8);
    expect(hear(carol.recording as string, 440).share, story()).toBeGreaterThan(0.8);
  } finally {
    await Promise.all([bob, carol].map((phone) => phone.child.stop("SIGKILL")));
  }
}, 60_000);
