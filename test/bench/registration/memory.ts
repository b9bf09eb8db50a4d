/**
 * What a binding takes: `memory.ts COUNT`, with --expose-gc. The engine alone, phones and registrar made of text, in
 * virtual time. Prints {"count":…,"bytes":…}: of the heap, for each binding, when all transactions have died out.
 */
import { type Settings, seededRandom } from "../../../src/base/index.ts";
import { Engine, type EngineInput } from "../../../src/engine/index.ts";
import { machineHash } from "../../../src/io/hash.ts";
import { readSettings } from "../../../src/manage/index.ts";
import { configurationFor } from "./configuration.ts";

const [count = 0] = process.argv.slice(2).map(Number);
const loaded = readSettings(
  "bench.json",
  JSON.stringify(configurationFor({ folder: "/", port: 16_100, perSecond: 100_000 })),
  0,
);
if (!loaded.ok) throw new Error(JSON.stringify(loaded.faults));
const settings: Settings = loaded.settings;
const [outside = "", inside = ""] = ["outside", "inside"].map((name) => settings.realms.get(name)?.listeners[0]?.id);
const engine = new Engine({ settings, random: seededRandom(1), version: "0", hash: machineHash });
let now = 1_000;

function step(input: EngineInput): void {
  for (const output of engine.step(input, now)) {
    if (output.out !== "datagram" || output.listener !== inside || !output.text.startsWith("REGISTER")) continue;
    const line = (name: string): string => new RegExp(`\r\n(${name}: [^\r]*)`).exec(output.text)?.[1] ?? "";
    const lines = [line("Via"), line("From"), `${line("To")};tag=r`, line("Call-ID"), line("CSeq"), line("Contact")];
    const text = `SIP/2.0 200 OK\r\n${lines.join("\r\n")}\r\nContent-Length: 0\r\n\r\n`;
    step({ in: "datagram", listener: inside, remote: output.remote, text });
  }
}

function register(i: number): void {
  const [user, ip, port] = [`u${i}`, `198.18.${(i >> 8) & 255}.${i & 255}`, 1_024 + (i >> 16)];
  const aor = `sip:${user}@bench.example.test`;
  const text = [
    "REGISTER sip:bench.example.test SIP/2.0",
    `Via: SIP/2.0/UDP 192.168.1.10:5060;rport;branch=z9hG4bK${user}`,
    ...["Max-Forwards: 70", `From: <${aor}>;tag=t${user}`, `To: <${aor}>`],
    ...[
      `Call-ID: ${user}-0-7c1d0f2a9b`,
      "CSeq: 1 REGISTER",
      `Contact: <sip:${user}@192.168.1.10:5060>`,
      "Expires: 3600",
    ],
    `Authorization: Digest username="${user}", realm="bench.example.test", nonce="ZWZlOTc2NDIzNDk4NzIzNDk4NzI", uri="sip:bench.example.test", response="8c1b3a5e7d9f0a2b4c6d8e0f1a3b5c7d", algorithm=MD5`,
    "User-Agent: bench phone\r\nContent-Length: 0\r\n\r\n",
  ].join("\r\n");
  step({ in: "datagram", listener: outside, remote: { ip, port }, text });
  now += 1;
}

/** Until every transaction is over; bindings are granted for longer. */
function rest(ms: number): void {
  const end = now + ms;
  for (let next = engine.nextDeadline(); next !== undefined && next <= end; next = engine.nextDeadline()) {
    now = Math.max(now, next);
    step({ in: "deadline" });
  }
  now = end;
}

function heap(): number {
  for (let i = 0; i < 4; i++) globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

const WARM = 2_000;
for (let i = 0; i < WARM; i++) register(i);
rest(70_000);
const before = heap();
const first = engine.view(now).registrations().length;
for (let i = WARM; i < WARM + count; i++) register(i);
rest(70_000);
const held = engine.view(now).registrations().length - first;
console.log(JSON.stringify({ count: held, bytes: Math.round((heap() - before) / Math.max(1, held)) }));
