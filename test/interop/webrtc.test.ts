/** Chromium with JsSIP, over WebSocket, and a plain baresip inside: they call each other through the box, and hear each other. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Softphone } from "../support/baresip.ts";
import { Box, makeFolder, makeTls } from "../support/box.ts";
import { Browser } from "../support/browser.ts";
import { type Hosts, makeHosts } from "../support/network-namespaces.ts";
import { hear } from "../support/tone.ts";

const folder = makeFolder("webrtc");
let hosts: Hosts;
let box: Box;
let tls: string;
let chromium: Browser;
let baresip: Softphone;
let calls = 0;

interface Live {
  readonly media: { readonly streams: readonly { readonly caller: End; readonly callee: End }[] };
}
interface End {
  readonly keys: string;
  readonly suite?: string;
  readonly ice: boolean;
  readonly rtcpMux: boolean;
  readonly profile: string;
}

beforeAll(async () => {
  hosts = makeHosts("sywrt", 71);
  tls = makeTls(folder);
  const { ip } = hosts;
  box = await Box.start(
    folder,
    {
      name: "webrtc",
      realms: {
        outside: {
          trust: "none",
          listen: [`ws:${ip.boxOutside}:8080`, `wss:${ip.boxOutside}:8443`],
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
        web: { realm: "outside", targets: [`ws:${ip.outside}:9999`], sources: [`${ip.outside}/32`] },
        pbx: { realm: "inside", targets: [`udp:${ip.inside}:5060`] },
      },
      routes: [{ when: { from: "web" }, to: ["pbx"] }],
    },
    { netns: hosts.box },
  );
}, 60_000);

beforeEach(async () => {
  calls += 1;
  const own = join(folder, `call-${calls}`);
  mkdirSync(own);
  baresip = new Softphone({
    folder: own,
    name: "callee",
    ip: hosts.ip.inside,
    port: 5060,
    transport: "udp",
    encryption: "none",
    hertz: 1_000,
    firstRtpPort: 23_000,
    ca: join(tls, "ca.pem"),
    certificate: join(tls, "sbc.pem"),
    seconds: 60,
    netns: hosts.inside,
  });
  await baresip.ready();
  chromium = await Browser.start({ folder: own, name: "chromium", hertz: 440, netns: hosts.outside });
}, 60_000);

afterEach(async () => {
  await chromium?.stop();
  await baresip?.child.stop("SIGINT");
});

afterAll(async () => {
  await box?.stop();
  hosts?.remove();
});

describe.each(["ws", "wss"] as const)("over %s", (scheme) => {
  test("the browser calls: sound both ways, on hold none, after an ICE restart again", async () => {
    const socket = `${scheme}://${hosts.ip.boxOutside}:${scheme === "ws" ? 8080 : 8443}`;
    await chromium.phone("start", { socket, uri: `sip:web@${hosts.ip.boxOutside}` });
    await chromium.event("connected");
    await chromium.phone("dial", `sip:callee@${hosts.ip.boxOutside}`);
    await chromium.event("confirmed");
    const [live] = await box.until<readonly Live[]>(
      "/calls",
      ([call]) => call?.media.streams[0]?.caller.suite !== undefined,
    );
    expect(live?.media.streams[0]).toMatchObject({
      caller: { keys: "dtls", ice: true, rtcpMux: true, profile: "UDP/TLS/RTP/SAVPF" },
      callee: { keys: "none", ice: false, profile: "RTP/AVP" },
    });
    await expectTone();

    await chromium.phone("hold");
    await chromium.phone("resume");
    await expectTone();

    await chromium.phone("restart");
    await expectTone();
    expect(await chromium.phone("stats")).toMatchObject({ dtls: "connected" });

    await chromium.phone("hangUp");
    await chromium.event("ended");
    await baresip.child.line(/session closed|terminated|: closed/i, 15_000);
    await baresip.child.stop("SIGINT");
    const heard = baresip.recordings.map((file) => hear(file, 440));
    for (const { share } of heard) expect(share, "share of 440 Hz in what baresip heard").toBeGreaterThan(0.8);
    // Its recorder rests with the first hold; the box has counted until the end.
    expect(heard.reduce((sum, { seconds }) => sum + seconds, 0)).toBeGreaterThan(2);
    const ended = await box.fact("call.ended", calls);
    expect(ended).toMatchObject({ cause: "bye", streams: [{ caller: { lost: 0 } }] });
    const [stream] = ended.streams as readonly {
      readonly caller: { readonly packets: number; readonly dropped: number };
    }[];
    expect(stream?.caller.packets).toBeGreaterThan(400);
    expect(stream?.caller.dropped).toBeLessThan(20);
  }, 120_000);
});

async function expectTone(): Promise<void> {
  const { share, looks } = await chromium.phone<{ share: number; looks: number }>("heard", 1_000, 3);
  expect(share, "share of 1000 Hz in what the browser hears").toBeGreaterThan(0.8);
  expect(looks).toBeGreaterThan(15);
}
