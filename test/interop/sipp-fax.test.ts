/**
 * sipp on both sides: a call goes from sound to fax and back by re-INVITE (T.38 Annex D, RFC 3362), and while it is fax UDPTL
 * goes both ways as it is, with its redundancy.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
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

const folder = makeFolder("fax");
let box: Box;
let phones: readonly [Peer, Peer];

beforeAll(async () => {
  makeTls(folder);
  phones = [await Peer.open(CARRIER), await Peer.open(PBX)];
  const doors = { outside: CARRIER, boxOutside: "127.95.0.1", boxInside: "127.95.0.2", inside: PBX };
  box = await Box.start(
    folder,
    twoDoors({ ...doors, srtp: "off", carrier: `udp:${CARRIER}:5060`, pbx: `udp:${PBX}:5060` }),
  );
}, 60_000);
afterAll(async () => {
  await box?.stop();
  for (const phone of phones ?? []) phone.close();
  rmSync(folder, { recursive: true, force: true });
});

test("from sound to fax and back: each script ends as written, and each end gets the other's datagrams as they were sent", async () => {
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
      phones[at].send(datagram, port, at === 0 ? "127.95.0.1" : "127.95.0.2");
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
  await box.until<{ media: { pairs: number } }>("/status", ({ media }) => media.pairs === 0);
  expect(await box.fact("call.ended", 1)).toMatchObject({ cause: "bye" });
}, 60_000);

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
  const args = ["-sf", file, "-i", ip, "-p", "5060", "-m", "1", "-nostdin", "-timeout", "40s", ...logs, ...more];
  return new Child("sipp", args, { cwd: folder, env: { TERM: "xterm" } });
}
