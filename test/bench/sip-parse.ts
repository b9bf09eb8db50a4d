/**
 * `sip.parse`: an INVITE of about 850 bytes to values, six of them read: top Via, From, To, Call-ID, CSeq, Contact.
 * Beside the parsers on npm, which live in `peers/` and are no part of the product. `sip.build`: the same INVITE written.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { Contact, parseMessage, RequestDraft } from "../../src/message/index.ts";
import { type Bench, compare, median, round } from "./bench.ts";

const ROUNDS = 7;
/** One round of each parser, so that slow ones do not stretch the run. */
const ROUND_NS = 150_000_000;
const PEERS = join(import.meta.dirname, "peers");
const NAMES = ["drachtio-sip", "sip", "jssip", "sip.js"] as const;

type Read = (text: string) => number;

export const bench: Bench = {
  names: ["sip.parse", ...NAMES.map((name) => `sip.parse.${name}`), "sip.build"],

  async run(wanted, report) {
    const texts = Array.from({ length: 64 }, (_, call) => invite(call));
    if (bench.names.some((name) => name.startsWith("sip.parse") && wanted(name))) await parsing(texts, wanted, report);
    if (wanted("sip.build")) {
      const ours = rounds([build], texts)[0] as number[];
      report({ bench: "sip.build", ours: round(median(ours)), unit: "ns/message", runs: ROUNDS });
    }
  },
};

async function parsing(
  texts: readonly string[],
  wanted: (name: string) => boolean,
  report: Parameters<Bench["run"]>[1],
) {
  const peers = await loadPeers();
  const [ours = [], ...theirs] = rounds([readOurs, ...peers.map(([, read]) => read)], texts);
  const lines = peers.map(([name], i) => [name, theirs[i] ?? []] as const);
  const [fastest] = [...lines].sort((a, b) => median(a[1]) - median(b[1]));
  const bytes = Math.round(texts.reduce((sum, text) => sum + text.length, 0) / texts.length);
  if (wanted("sip.parse") && fastest !== undefined)
    report(compare("sip.parse", "ns/message", ours, fastest[0], fastest[1], { bytes, fastestPeer: true }));
  for (const [name, costs] of lines) {
    if (wanted(`sip.parse.${name}`)) report(compare(`sip.parse.${name}`, "ns/message", ours, name, costs, { bytes }));
  }
}

/** Nanoseconds a message, a list of rounds for each reader; in every round each has its turn. */
function rounds(readers: readonly Read[], texts: readonly string[]): number[][] {
  const costs = readers.map((): number[] => []);
  for (const read of readers) measure(read, texts); // Warm, and never counted.
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, read] of readers.entries()) costs[i]?.push(measure(read, texts));
  }
  return costs;
}

function measure(read: Read, texts: readonly string[]): number {
  // CPU time: what else runs on the machine is not our cost.
  const start = process.cpuUsage().user;
  let messages = 0;
  let sum = 0;
  let spent = 0;
  while (spent < ROUND_NS) {
    for (const text of texts) sum += read(text);
    messages += texts.length;
    spent = (process.cpuUsage().user - start) * 1_000;
  }
  if (sum <= 0) throw new Error("a parser found nothing");
  return spent / messages;
}

const readOurs: Read = (text) => {
  const message = parseMessage(text);
  const contact = message.get(Contact);
  const { via, from, to, callId, cseq } = message;
  if (contact === undefined || contact === "*") return 0;
  return via.host.length + from.uri.length + to.uri.length + callId.length + cseq.number + contact.uri.length;
};

/** Each peer as it is meant to be used, asked for the same six values. One that does not load is left out, loudly. */
async function loadPeers(): Promise<(readonly [name: string, read: Read])[]> {
  if (!existsSync(join(PEERS, "node_modules")))
    execFileSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: PEERS, stdio: "ignore" });
  const load = createRequire(join(PEERS, "package.json"));
  const makers: Record<(typeof NAMES)[number], () => Read | Promise<Read>> = {
    "drachtio-sip": () => drachtio(load("drachtio-sip").SipMessage),
    sip: () => sip(load("sip/sip.js").parse),
    jssip: () => jssip(load("jssip/lib/Parser.js").parseMessage),
    "sip.js": async () => sipjs((await import(join(PEERS, "node_modules/sip.js/lib/core/messages/parser.js"))).Parser),
  };
  const peers: (readonly [string, Read])[] = [];
  for (const name of NAMES) {
    try {
      const read = await makers[name]();
      if (read(invite(0)) > 0) peers.push([name, read]);
    } catch (error) {
      console.error(`sip.parse: ${name} is left out: ${(error as Error).message}`);
    }
  }
  return peers;
}

// biome-ignore lint/suspicious/noExplicitAny: the peers bring no types.
type Untyped = any;

const drachtio =
  (SipMessage: Untyped): Read =>
  (text) => {
    const message = new SipMessage(text);
    const header = (name: string): Untyped => message.getParsedHeader(name);
    const sum = header("via")[0].host.length + header("from").uri.length + header("to").uri.length;
    return sum + message.get("call-id").length + header("cseq").seq + header("contact")[0].uri.length;
  };

const sip =
  (parse: Untyped): Read =>
  (text) => {
    const { headers } = parse(text);
    const sum = headers.via[0].host.length + headers.from.uri.length + headers.to.uri.length;
    return sum + headers["call-id"].length + headers.cseq.seq + headers.contact[0].uri.length;
  };

const jssip =
  (parse: Untyped): Read =>
  (text) => {
    const message = parse(text, {});
    const sum = message.via.host.length + message.from.uri.host.length + message.to.uri.host.length;
    return sum + message.call_id.length + message.cseq + message.parseHeader("contact").uri.host.length;
  };

const sipjs =
  (Parser: Untyped): Read =>
  (text) => {
    const message = Parser.parseMessage(text, console);
    const sum = message.via.host.length + message.from.uri.host.length + message.to.uri.host.length;
    return sum + message.callId.length + message.cseq + message.parseHeader("contact").uri.host.length;
  };

const build: Read = (text) =>
  new RequestDraft("INVITE", "sip:+4930123456@192.0.2.1:5060;user=phone")
    .add("Via", "SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-524287-1---f3ab9c1d2e4f5a6b;rport")
    .add("Max-Forwards", "69")
    .add("From", '"Alice Example" <sip:alice@example.test>;tag=8d2f4a1c')
    .add("To", "<sip:+4930123456@sbc.example.test>")
    .add("Call-ID", "84a1f0c2b3d4e5f60718293a4b5c6d7e")
    .add("CSeq", "1 INVITE")
    .add("Contact", "<sip:alice@192.0.2.10:5060;transport=udp>")
    .add("Allow", "INVITE, ACK, CANCEL, BYE, NOTIFY, REFER, MESSAGE, OPTIONS, INFO, SUBSCRIBE, UPDATE, PRACK")
    .add("Supported", "replaces, 100rel, timer, norefersub")
    .add("Session-Expires", "1800;refresher=uac")
    .add("Content-Type", "application/sdp")
    .toText().length + text.length;

/** One INVITE of a series: every call has its own branch, tag and Call-ID, as on the wire. */
function invite(call: number): string {
  const id = (0x10000 + call * 977).toString(16);
  const body = [
    "v=0",
    "o=- 3842663842 3842663842 IN IP4 192.0.2.10",
    "s=-",
    "c=IN IP4 192.0.2.10",
    "t=0 0",
    "m=audio 40000 RTP/AVP 0 8 101",
    "a=rtpmap:101 telephone-event/8000",
    "a=sendrecv",
    "",
  ].join("\r\n");
  const head = [
    "INVITE sip:+4930123456@sbc.example.test:5060;user=phone SIP/2.0",
    `Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-524287-1---f3ab9c1d2e4f${id};rport`,
    "Max-Forwards: 70",
    "Contact: <sip:alice@192.0.2.10:5060;transport=udp>",
    "To: <sip:+4930123456@sbc.example.test>",
    `From: "Alice Example" <sip:alice@example.test>;tag=8d2f4a1c${id}`,
    `Call-ID: 84a1f0c2b3d4e5f60718293a4b5c${id}@192.0.2.10`,
    "CSeq: 1 INVITE",
    "Allow: INVITE, ACK, CANCEL, BYE, NOTIFY, REFER, MESSAGE, OPTIONS, INFO, SUBSCRIBE, UPDATE, PRACK",
    "Content-Type: application/sdp",
    "Supported: replaces, 100rel, timer, norefersub",
    "User-Agent: ExamplePhone 5.1.2",
    "Session-Expires: 1800;refresher=uac",
    `Content-Length: ${body.length}`,
    "",
    body,
  ].join("\r\n");
  // A copy without joints, as it comes from a socket.
  return Buffer.from(head, "latin1").toString("latin1");
}
