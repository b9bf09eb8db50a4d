/**
 * `signalling.engine`: what a plain call (INVITE, 180, 200, ACK, BYE, 200) costs the engine alone, both legs, SDP written
 * anew and media opened and closed, in nanoseconds and in bytes that the garbage collector has to take away again.
 * One loop in one process, without sockets: for tuning. `signalling.calls` is what counts.
 */
import { getHeapStatistics } from "node:v8";
import { type Address, seededRandom } from "../../src/base/index.ts";
import { Engine, type EngineOutput } from "../../src/engine/index.ts";
import { machineHash } from "../../src/io/hash.ts";
import { NO_PACKETS } from "../support/no-packets.ts";
import { boxSettings, byName, peerSettings, realmSettings } from "../support/settings.ts";
import { type Bench, median, round } from "./bench.ts";

const ROUNDS = Number(process.env["ROUNDS"] ?? 9);
const CALLS = 4_000;
/** As in `signalling.calls`: code is compiled while it runs, and finished transactions stay for 32 s. */
const WARM_UP = 40_000;
/** 1,000 calls/s. */
const CALL_EVERY_MS = 1;

const CALLER = { ip: "127.0.0.1", port: 16_000 };
const CALLEE = { ip: "127.0.0.1", port: 16_001 };

export const bench: Bench = {
  names: ["signalling.engine"],
  async run(_wanted, report) {
    const loop = new Loop();
    loop.calls(WARM_UP);
    const rounds = Array.from({ length: ROUNDS }, () => measure(loop));
    const costs = rounds.map(({ nanos }) => nanos);
    const bytes = round(median(rounds.map((one) => one.bytes)), 0);
    const fastest = round(Math.min(...costs), 0);
    report({
      bench: "signalling.engine",
      ours: round(median(costs), 0),
      unit: "ns/call",
      runs: ROUNDS,
      fastest,
      bytes,
    });
  },
};

function measure(loop: Loop): { nanos: number; bytes: number } {
  const before = { user: process.cpuUsage().user, bytes: getHeapStatistics().total_allocated_bytes };
  loop.calls(CALLS);
  const after = { user: process.cpuUsage().user, bytes: getHeapStatistics().total_allocated_bytes };
  return { nanos: ((after.user - before.user) * 1_000) / CALLS, bytes: (after.bytes - before.bytes) / CALLS };
}

/** A box, and both of its neighbours as texts. */
class Loop {
  readonly #engine: Engine;
  readonly #wire = Buffer.alloc(65_536);
  #now = 0;
  #count = 0;

  constructor() {
    const realms = [
      realmSettings("outside", "127.9.0.1", { media: { firstPort: 10_000, lastPort: 29_999 } }),
      realmSettings("inside", "127.9.0.2", { trust: "full", media: { firstPort: 10_000, lastPort: 29_999 } }),
    ];
    const at = ({ ip, port }: Address) => ({ targets: [{ kind: "host", protocol: "udp", host: ip, port }] as const });
    const settings = boxSettings(realms, {
      peers: byName([peerSettings("caller", "outside", at(CALLER)), peerSettings("callee", "inside", at(CALLEE))]),
      routes: [{ when: { from: "caller" }, to: ["callee"] }],
      limits: { calls: 10_000, transactions: 100_000, messagesPerSource: 100 },
      sessionTimer: { seconds: 1_800, minimumSeconds: 90 },
    });
    this.#engine = new Engine({ settings, random: seededRandom(1), version: "1", hash: machineHash });
  }

  calls(count: number): void {
    for (let i = 0; i < count; i++) this.#call(this.#count++);
  }

  #call(call: number): void {
    this.#now += CALL_EVERY_MS;
    const sent = this.#send("outside/udp", CALLER, invite(call));
    const callee = atCallee(sent, "INVITE", call);
    this.#send("inside/udp", CALLEE, `SIP/2.0 180 Ringing\r\n${callee}Content-Length: 0\r\n\r\n`);
    const answered = this.#send("inside/udp", CALLEE, `SIP/2.0 200 OK\r\n${callee}${ANSWER}`);
    const ok = one(answered, CALLER, "SIP/2.0 200");
    const [contact, to] = [headerIn(ok, "Contact"), headerIn(ok, "To")];
    this.#send("outside/udp", CALLER, inDialog(call, contact.slice(1, contact.indexOf(">")), to, "ACK", 1));
    const bye = this.#send("outside/udp", CALLER, inDialog(call, contact.slice(1, contact.indexOf(">")), to, "BYE", 2));
    const end = `SIP/2.0 200 OK\r\n${echoed(one(bye, CALLEE, "BYE"), "")}Content-Length: 0\r\n\r\n`;
    this.#send("inside/udp", CALLEE, end);
    for (let at = this.#engine.nextDeadline(); at !== undefined && at <= this.#now; at = this.#engine.nextDeadline())
      this.#engine.step({ in: "deadline" }, this.#now);
  }

  /** What left at once, as the callers' sockets would have it. */
  #send(listener: string, remote: Address, text: string): Extract<EngineOutput, { out: "datagram" }>[] {
    const input = { in: "datagram", listener, remote, text: this.#overTheWire(text) } as const;
    const sent: Extract<EngineOutput, { out: "datagram" }>[] = [];
    for (const output of this.#engine.step(input, this.#now)) {
      if (output.out === "datagram") sent.push({ ...output, text: this.#overTheWire(output.text) });
      else if (output.out === "relay" && output.command.word === "close") {
        const { pair } = output.command;
        this.#engine.step(
          { in: "relay", event: { event: "closed", pair, counters: [NO_PACKETS, NO_PACKETS] } },
          this.#now,
        );
      }
    }
    return sent;
  }

  /** A text in one piece, as it comes from a socket. */
  #overTheWire(text: string): string {
    return this.#wire.toString("latin1", 0, this.#wire.write(text, "latin1"));
  }
}

function one(sent: readonly Extract<EngineOutput, { out: "datagram" }>[], to: Address, start: string): string {
  const found = sent.find(({ remote, text }) => remote.port === to.port && text.startsWith(start));
  if (found === undefined) throw new Error(`no ${start} went to ${to.port}`);
  return found.text;
}

function headerIn(text: string, name: string): string {
  const at = text.indexOf(`\r\n${name}: `) + name.length + 4;
  return text.slice(at, text.indexOf("\r\n", at));
}

const atCallee = (sent: readonly Extract<EngineOutput, { out: "datagram" }>[], method: string, call: number): string =>
  echoed(one(sent, CALLEE, method), `;tag=77b${call}`);

/** The headers that an answer copies from its request. */
const echoed = (request: string, tag: string): string =>
  `Via: ${headerIn(request, "Via")}\r\nFrom: ${headerIn(request, "From")}\r\nTo: ${headerIn(request, "To")}${tag}\r\n` +
  `Call-ID: ${headerIn(request, "Call-ID")}\r\nCSeq: ${headerIn(request, "CSeq")}\r\n` +
  `Contact: <sip:callee@${CALLEE.ip}:${CALLEE.port}>\r\n`;

const via = (call: number, branch: string): string =>
  `Via: SIP/2.0/UDP ${CALLER.ip}:${CALLER.port};rport;branch=z9hG4bK-77-${call}-${branch}\r\nMax-Forwards: 70\r\n` +
  `From: "Bench Caller" <sip:+4930987654@${CALLER.ip}:${CALLER.port}>;tag=77a${call}\r\n`;

const inDialog = (call: number, uri: string, to: string, method: string, cseq: number): string =>
  `${method} ${uri} SIP/2.0\r\n${via(call, method)}To: ${to}\r\nCall-ID: ${call}-77@${CALLER.ip}\r\n` +
  `CSeq: ${cseq} ${method}\r\nContent-Length: 0\r\n\r\n`;

const sdp = (name: string, port: number, formats: string): string =>
  `v=0\r\no=${name} 53655765 2353687637 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n` +
  `m=audio ${port} RTP/AVP ${formats}\r\n` +
  formats
    .split(" ")
    .map((format) => `a=rtpmap:${format} ${CODECS[format as keyof typeof CODECS]}/8000\r\n`)
    .join("") +
  "a=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";

const CODECS = { "8": "PCMA", "0": "PCMU", "101": "telephone-event" } as const;
const withBody = (body: string): string =>
  `Content-Type: application/sdp\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const OFFER = withBody(sdp("caller", 16_386, "8 0 101"));
const ANSWER = `Allow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\nSupported: timer\r\n${withBody(sdp("callee", 16_384, "8 101"))}`;

const invite = (call: number): string =>
  `INVITE sip:+4930123456${call}@127.9.0.1:5060 SIP/2.0\r\n${via(call, "INVITE")}` +
  `To: <sip:+4930123456${call}@127.9.0.1:5060>\r\nCall-ID: ${call}-77@${CALLER.ip}\r\nCSeq: 1 INVITE\r\n` +
  `Contact: <sip:+4930987654@${CALLER.ip}:${CALLER.port}>\r\n` +
  "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, REFER, NOTIFY\r\nSupported: timer, replaces\r\n" +
  `User-Agent: Bench Caller 1.0\r\nAccept: application/sdp\r\n${OFFER}`;
