/**
 * A real call with two softphones through the box, in both directions: TLS and SRTP outside, UDP and RTP inside. Each
 * records what it hears; the tone of the other must be in it. Prints the ladder of both legs. Exits 1 when a tone is missing.
 */
import { join } from "node:path";
import type { TraceEntry } from "../../src/engine/index.ts";
import { ladderText } from "../../src/manage/index.ts";
import { Softphone } from "../support/baresip.ts";
import { Box, makeFolder, makeTls } from "../support/box.ts";
import { hear } from "../support/tone.ts";

const ALICE = { hertz: 440, port: 15_060, firstRtpPort: 21_000 };
const BOB = { hertz: 1_000, port: 15_080, firstRtpPort: 23_000 };
const TALK_SECONDS = 6;
/** Below this share of its energy a recording does not carry the tone. */
const TONE_SHARE = 0.8;

const folder = makeFolder("demo");
const tls = makeTls(folder);

const box = await Box.start(folder, configuration());
const good = [await call("outside to inside", "alice"), await call("inside to outside", "bob")];
await box.stop();
process.exit(good.every(Boolean) ? 0 : 1);

async function call(title: string, caller: "alice" | "bob"): Promise<boolean> {
  const at = join(folder, caller);
  const common = { folder: at, ip: "127.0.0.1", ca: join(tls, "ca.pem"), certificate: join(tls, "sbc.pem") };
  const alice = { ...common, ...ALICE, name: "alice", transport: "tls", encryption: "srtp-mand" } as const;
  const bob = { ...common, ...BOB, name: "bob", transport: "udp", encryption: "none" } as const;
  const called = new Softphone({ ...(caller === "alice" ? bob : alice), seconds: TALK_SECONDS + 6 });
  await called.ready();
  const dial = caller === "alice" ? "sip:bob@127.0.0.1:15161;transport=tls" : "sip:alice@127.0.0.1:15170;transport=udp";
  const calling = new Softphone({ ...(caller === "alice" ? alice : bob), seconds: TALK_SECONDS, dial });
  await Promise.all([calling.child.exited, called.child.line(/terminated|closed/i, 30_000)]);
  await called.child.stop("SIGINT");

  const trace = await box.get<TraceEntry[]>("/trace");
  const [heardByBob, heardByAlice] = caller === "alice" ? [called, calling] : [calling, called];
  console.log(`\n=== ${title}: alice (TLS, SRTP, ${ALICE.hertz} Hz) and bob (UDP, RTP, ${BOB.hertz} Hz)\n`);
  console.log(ladderText(lastCall(trace)));
  const forth = report("bob hears alice", heardByBob, ALICE.hertz);
  const back = report("alice hears bob", heardByAlice, BOB.hertz);
  return forth && back;
}

function report(title: string, listener: Softphone, hertz: number): boolean {
  const file = listener.recording;
  const heard = file === undefined ? { seconds: 0, share: 0, loudness: 0 } : hear(file, hertz);
  const good = heard.share >= TONE_SHARE && heard.seconds > TALK_SECONDS / 2;
  const percent = Math.round(heard.share * 100);
  console.log(`${good ? "ok  " : "FAIL"} ${title}: ${heard.seconds.toFixed(1)} s, ${percent} % of it is ${hertz} Hz`);
  if (!good) console.log(listener.child.lines.slice(-30).join("\n"));
  return good;
}

/** The messages since the last dialog-forming INVITE came in, less health checks. */
function lastCall(trace: readonly TraceEntry[]): TraceEntry[] {
  const messages = trace.filter((entry) => !entry.cseq.includes("OPTIONS"));
  const byCall = messages.filter((entry) => !entry.sent && entry.line.startsWith("INVITE "));
  const first = byCall.at(-1);
  return first === undefined ? [] : messages.filter((entry) => entry.at >= first.at);
}

function configuration(): object {
  const dscp = { signalling: "CS3", audio: "EF", video: "AF41" };
  return {
    name: "demo",
    realms: {
      outside: {
        trust: "none",
        listen: ["udp:127.0.0.1:15160", "tcp:127.0.0.1:15160", "tls:127.0.0.1:15161"],
        tls: { certificate: "tls/sbc.crt", key: "tls/sbc.key", ca: "tls/ca.pem", verify: "none" },
        media: { address: "127.0.0.1", ports: "24000-24999" },
        srtp: "required",
        srtpKeys: ["sdes"],
        sdesWithoutTls: false,
        dscp,
      },
      inside: {
        trust: "full",
        listen: ["udp:127.0.0.1:15170", "tcp:127.0.0.1:15170"],
        media: { address: "127.0.0.1", ports: "25000-25999" },
        srtp: "off",
        dscp,
      },
    },
    peers: {
      carrier: { realm: "outside", targets: [`tls:127.0.0.1:${ALICE.port + 1}`] },
      pbx: { realm: "inside", targets: [`udp:127.0.0.1:${BOB.port}`] },
    },
    routes: [
      { when: { from: "carrier" }, to: ["pbx"] },
      { when: { from: "pbx" }, to: ["carrier"] },
    ],
  };
}
