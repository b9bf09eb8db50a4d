/**
 * sipp on both sides: a call goes from sound to fax and back by re-INVITE (T.38 Annex D, RFC 3362), and while it is fax UDPTL
 * goes both ways as it is, with its redundancy. Through one box, and through two with records of DTLS between them (RFC 7345).
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, expect, test } from "vitest";
import { Peer } from "../native/wire.ts";
import { Box, makeFolder, makeTls } from "../support/box.ts";
import { Child } from "../support/child.ts";
import { twoDoors } from "../support/configurations.ts";
import { SippScript } from "../support/sipp-script.ts";

const CARRIER = "127.95.0.11";
const PBX = "127.95.0.12";
/** The scripts give the fax so long; it goes on all the while, and needs a moment. */
const FAX_MS = 4_000;
const EVERY_MS = 20;
const ENOUGH = 10;

const NEAR = ["127.95.0.1", "127.95.0.2"] as const;
const FAR = ["127.95.0.21", "127.95.0.22"] as const;

const root = makeFolder("fax");
let folder: string;
let boxes: Box[] = [];
let phones: readonly [Peer, Peer];

afterEach(async () => {
  await Promise.all(boxes.map((box) => box.stop()));
  for (const phone of phones ?? []) phone.close();
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** Each box in a folder of its own, from the caller's to the callee's. Between two either refuses fax in the clear. */
async function start(count: 1 | 2): Promise<void> {
  folder = join(root, String(count));
  phones = [await Peer.open(CARRIER), await Peer.open(PBX)];
  boxes = [];
  for (const [index, [boxOutside, boxInside]] of [NEAR, FAR].slice(0, count).entries()) {
    const own = join(folder, `box-${index}`);
    mkdirSync(own, { recursive: true });
    makeTls(own);
    const [first, last] = [index === 0, index === count - 1];
    const [outside, inside] = [first ? CARRIER : NEAR[1], last ? PBX : FAR[0]];
    const doors = { outside, boxOutside, boxInside, inside };
    const config = twoDoors({ ...doors, srtp: "off", carrier: `udp:${outside}:5060`, pbx: `udp:${inside}:5060` });
    const { peers } = config as { peers: Record<"carrier" | "pbx", object> };
    const secure = { media: { fax: "secure" } };
    const carrier = first ? peers.carrier : { ...peers.carrier, ...secure };
    const pbx = last ? peers.pbx : { ...peers.pbx, ...secure };
    boxes.push(await Box.start(own, { ...config, peers: { carrier, pbx } }));
  }
}

test.each<[1 | 2, string]>([
  [1, "one box"],
  [2, "two boxes with records between them"],
])(
  "from sound to fax and back through %i: %s",
  async (count) => {
    await start(count);
    const caller = new SippScript("fax", "caller");
    const callee = new SippScript("fax", "callee");
    caller.invite({ body: sound(1, 0) });
    caller.expect(100, { optional: true }).expect(180, { optional: true }).expect(200).request("ACK");
    callee
      .expect("INVITE")
      .reply("180 Ringing")
      .reply("200 OK", { body: sound(1, 1) }, true)
      .expect("ACK");
    for (const [version, describe, after] of [
      [2, fax, FAX_MS],
      [3, sound, 200],
    ] as const) {
      caller.request("INVITE", { body: describe(version, 0) });
      caller.expect(100, { optional: true }).expect(200).request("ACK");
      callee
        .expect("INVITE")
        .replyInside("200 OK", { body: describe(version, 1) }, true)
        .expect("ACK");
      caller.pause(after);
    }
    caller.request("BYE").expect(200);
    callee.expect("BYE").replyInside("200 OK");

    const called = sipp(PBX, callee, "callee", []);
    const calling = sipp(CARRIER, caller, "caller", ["-s", "4930123456", "127.95.0.1:5060"]);
    let over = false;
    const ended = Promise.all([calling.exited, called.exited]).finally(() => {
      over = true;
    });
    const sent: [string[], string[]] = [[], []];
    for (let sequence = 0; !over; sequence += 1) {
      for (const [at, who] of [
        [0, "caller"],
        [1, "callee"],
      ] as const) {
        const port = boxPort(who);
        if (port === undefined) continue;
        const datagram = udptl(sequence, at);
        sent[at].push(datagram.toString("hex"));
        phones[at].send(datagram, port, at === 0 ? NEAR[0] : count === 1 ? NEAR[1] : FAR[1]);
      }
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
    expect(await ended, `${calling.output.slice(-2_000)}\n${called.output.slice(-2_000)}`).toEqual([0, 0]);
    for (const [at, other] of [
      [0, 1],
      [1, 0],
    ] as const) {
      const got = phones[at].got.map(({ bytes }) => bytes.toString("hex"));
      expect(got.length).toBeGreaterThan(ENOUGH);
      const places = got.map((datagram) => sent[other].indexOf(datagram));
      expect(places).not.toContain(-1);
      expect(places).toEqual([...new Set(places)].sort((one, two) => one - two));
    }
    for (const box of boxes) {
      await box.until<{ media: { pairs: number } }>("/status", ({ media }) => media.pairs === 0);
      expect(await box.fact("call.ended", 1)).toMatchObject({ cause: "bye" });
    }
  },
  120_000,
);

/** Where the box wants the fax of that end: as it says in the last description of a fax that sipp got. */
function boxPort(who: "caller" | "callee"): number | undefined {
  let text: string;
  try {
    text = readFileSync(join(folder, `${who}.messages`), "utf8");
  } catch {
    return undefined; // Nothing was said yet.
  }
  const got = text.split(/^-{20,}.*$/m).filter((part) => /message received/.test(part));
  const port = /m=image (\d+) udptl t38/.exec(got.findLast((part) => part.includes("m=image")) ?? "")?.[1];
  return port === undefined ? undefined : Number(port);
}

const head = (version: number): string[] => [
  "v=0",
  `o=sipp 1 ${version} IN IP4 [local_ip]`,
  "s=-",
  "c=IN IP4 [local_ip]",
  "t=0 0",
];
const sound = (version: number, _at: 0 | 1): string =>
  [...head(version), "m=audio [media_port] RTP/AVP 0", ""].join("\n");
const fax = (version: number, at: 0 | 1): string =>
  [
    ...head(version),
    `m=image ${phones[at].port} udptl t38`,
    "a=T38FaxVersion:0",
    "a=T38MaxBitRate:14400",
    "a=T38FaxRateManagement:transferredTCF",
    "a=T38FaxMaxBuffer:1800",
    "a=T38FaxMaxDatagram:400",
    "a=T38FaxUdpEC:t38UDPRedundancy",
    "",
  ].join("\n");

/** A primary packet and one before it, as redundancy repeats it. */
const udptl = (sequence: number, at: number): Buffer =>
  Buffer.from([sequence >> 8, sequence & 0xff, 3, at, sequence & 0xff, 0x55, 0, 1, 3, at, (sequence - 1) & 0xff, 0x55]);

function sipp(ip: string, script: SippScript, who: string, more: readonly string[]): Child {
  const file = join(folder, `${who}.xml`);
  writeFileSync(file, script.toXml());
  const logs = [
    "-trace_msg",
    "-message_file",
    join(folder, `${who}.messages`),
    "-trace_err",
    "-error_file",
    join(folder, `${who}.errors`),
  ];
  const args = ["-sf", file, "-i", ip, "-p", "5060", "-m", "1", "-nostdin", "-timeout", "90s", ...logs, ...more];
  return new Child("sipp", args, { cwd: folder, env: { TERM: "xterm" } });
}
