/**
 * `make fuzz FOR=60s`: spoils good messages in small and large ways and feeds them to the parsers. They may refuse with
 * a PeerError and nothing else, and quickly. A failing input is written to build/fuzz with its seed. Environment: SEED.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { below, PeerError, type Random, seededRandom } from "../../src/base/index.ts";
import * as message from "../../src/message/index.ts";
import { bodyAcross, CARRIED_TYPES } from "../../src/policy/index.ts";
import { codecsOf, dtlsWords, iceWords, parseSdp, type Sdp, usableCryptos } from "../../src/sdp/index.ts";
import { secondsOf } from "../support/seconds-of.ts";
import { realm } from "../unit/policy/realms.ts";
import { documents } from "./documents.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const CORPUS = join(ROOT, "../shared/testdata");
/** Limit: files and bytes taken from the corpus, so that the start is quick. */
const CORPUS_FILES = 6_000;
const CORPUS_FILE_BYTES = 65_536;
/** A parser that thinks longer than this about one message can be made to think for ever. */
const SLOW_MS = 250;

const seconds = secondsOf(process.argv[2] ?? "60s");
const seed = Number(process.env["SEED"] ?? Math.floor(performance.timeOrigin) % 1_000_000);
const dice = seededRandom(seed);
const seeds = [...builtIn(), ...documents, ...corpus()].filter((text) => text !== "");
const fields = (Object.values(message) as unknown[]).filter(isField);

const NOTIFY = message.parseMessage(
  "NOTIFY sip:x@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP pbx.lan;branch=z9hG4bK1\r\nFrom: <sip:200@pbx.lan>;tag=1\r\nTo: <sip:x@y>;tag=2\r\nCall-ID: n1\r\nCSeq: 1 NOTIFY\r\nContact: <sip:10.0.0.9>\r\nContent-Length: 0\r\n\r\n",
);
const crossing = {
  from: realm("inside"),
  to: realm("outside"),
  host: "sbc.example.test",
  pseudonym: () => "word",
  dialog: (name: message.DialogName) => name,
};

let tried = 0;
let refused = 0;
let failed = 0;
let slowestMs = 0;

function one(): void {
  const text = spoil(seeds[below(dice, seeds.length)] as string, dice);
  const start = performance.now();
  for (const [name, target] of targets) {
    try {
      target(text);
    } catch (error) {
      if (error instanceof PeerError) refused += 1;
      else keep(name, text, error);
    }
  }
  const took = performance.now() - start;
  slowestMs = Math.max(slowestMs, took);
  if (took > SLOW_MS) keep("time", text, new Error(`${took} ms`));
}

type Target = readonly [name: string, run: (text: string) => void];

/** What may throw PeerError, each on its own. */
const targets: readonly Target[] = [
  ["message", (text) => everyField(message.parseMessage(text))],
  ["stream", inPieces],
  ["sdp", (text) => everyLine(parseSdp(text.slice(text.indexOf("\r\n\r\n") + 4)))],
  ["uri", (text) => void message.formatUri(message.parseUri(text.slice(text.indexOf(" ") + 1, text.indexOf(" SIP/"))))],
  ["body", inEveryType],
];

/** All that is read out of a description, line by line. */
function everyLine(sdp: Sdp): void {
  for (const media of sdp.media) {
    dtlsWords(media, sdp);
    iceWords(media, sdp);
    usableCryptos(media);
    codecsOf(media);
  }
}

/** The body, or all of it where it has none, as if it were of each type that is rewritten. */
function inEveryType(text: string): void {
  const end = text.indexOf("\r\n\r\n");
  const bodies = end < 0 ? [text] : [text, text.slice(end + 4)];
  for (const type of CARRIED_TYPES) {
    for (const body of bodies) bodyAcross(NOTIFY, message.ContentType.parse(type), body, crossing);
  }
}

function everyField(parsed: message.Message): void {
  for (const field of fields) {
    try {
      for (const value of parsed.getAll(field)) field.format(value);
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
    }
  }
}

function inPieces(text: string): void {
  const framer = new message.StreamFramer();
  for (let at = 0; at < text.length; ) {
    const size = 1 + below(dice, 300);
    framer.push(text.slice(at, at + size));
    at += size;
  }
}

/** One to four small accidents. */
function spoil(text: string, random: Random): string {
  let spoilt = text;
  for (let left = 1 + below(random, 4); left > 0; left--) spoilt = accident(spoilt, random);
  return spoilt;
}

const NASTY = [
  "\0",
  "\r\n",
  "\n",
  "\r\n ",
  '"',
  "\\",
  "<",
  ">",
  ";",
  ",",
  ":",
  "=",
  "%",
  "%0",
  "@",
  "[",
  "]",
  "(",
  ")",
];
const LONG = [
  " ".repeat(5_000),
  "(".repeat(3_000),
  "a,".repeat(4_000),
  "%41".repeat(3_000),
  "9".repeat(400),
  "\t\r\n ".repeat(900),
];

function accident(text: string, random: Random): string {
  const at = below(random, text.length + 1);
  const length = below(random, 40);
  switch (below(random, 7)) {
    case 0:
      return text.slice(0, at) + text.slice(at + length);
    case 1:
      return text.slice(0, at) + text.slice(at, at + length).repeat(1 + below(random, 50)) + text.slice(at);
    case 2:
      return text.slice(0, at) + String.fromCharCode(below(random, 256)) + text.slice(at + 1);
    case 3:
      return text.slice(0, at) + NASTY[below(random, NASTY.length)] + text.slice(at);
    case 4:
      return text.slice(0, at) + LONG[below(random, LONG.length)] + text.slice(at);
    case 5:
      return text.slice(0, at);
    default: {
      const other = seeds[below(random, seeds.length)] as string;
      return text.slice(0, at) + other.slice(below(random, other.length));
    }
  }
}

function keep(name: string, text: string, error: unknown): void {
  failed += 1;
  const folder = join(ROOT, "build/fuzz");
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${name}-${seed}-${tried}.bin`);
  writeFileSync(file, text, "latin1");
  console.error(`${name}: ${error instanceof Error ? error.stack : String(error)}\n  input kept in ${file}`);
}

function isField(value: unknown): value is message.HeaderField<unknown> {
  return typeof value === "object" && value !== null && "parse" in value && "format" in value && "name" in value;
}

function corpus(): string[] {
  const found: string[] = [];
  const look = (folder: string): void => {
    for (const name of readdirSync(folder).sort()) {
      const path = join(folder, name);
      const stat = statSync(path);
      if (stat.isDirectory()) look(path);
      else if (stat.size <= CORPUS_FILE_BYTES && found.length < CORPUS_FILES) found.push(readFileSync(path, "latin1"));
    }
  };
  if (existsSync(CORPUS)) look(CORPUS);
  return found;
}

function builtIn(): string[] {
  const sdp =
    "v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 9 RTP/SAVP 0 8\r\na=rtpmap:0 PCMU/8000\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAA\r\n";
  const head = (start: string): string =>
    `${start}\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport\r\nMax-Forwards: 70\r\nFrom: "A" <sip:a@example.com;user=phone>;tag=1\r\nTo: <sip:b@example.com>\r\nCall-ID: 1@example.com\r\nCSeq: 1 INVITE\r\nContact: <sip:a@192.0.2.1>;q=0.5, <tel:+1>\r\nRecord-Route: <sip:p.example.com;lr>, <sip:q.example.com;lr>\r\nReason: Q.850;cause=16;text="x"\r\nSession-Expires: 90;refresher=uac\r\nWarning: 399 h "t"\r\nContent-Type: application/sdp\r\nContent-Length: ${sdp.length}\r\n\r\n${sdp}`;
  return [head("INVITE sip:b@example.com SIP/2.0"), head("SIP/2.0 200 OK"), head("INVITE tel:+1-2 SIP/2.0")];
}

// Last, so that all of the above is there.
for (const end = performance.now() + seconds * 1_000; performance.now() < end && failed < 10; tried++) one();
console.log(
  `seed ${seed}: ${tried} inputs from ${seeds.length} seeds, ${refused} refused, ${failed} failed, slowest ${slowestMs.toFixed(1)} ms`,
);
process.exit(failed === 0 ? 0 : 1);
