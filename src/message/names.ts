/** Header names: their canonical spelling, their compact form, and a small number that stands for them inside. */

/** In the order of their numbers, from 1. "x=Name" gives the compact form. */
const KNOWN = [
  "v=Via", "f=From", "t=To", "i=Call-ID", "CSeq", "Max-Forwards", "l=Content-Length", "m=Contact", "c=Content-Type",
  "Accept", "a=Accept-Contact", "Accept-Encoding", "Accept-Language", "Accept-Resource-Priority", "Alert-Info", "Allow",
  "u=Allow-Events", "Answer-Mode", "Authentication-Info", "Authorization", "Call-Info", "Content-Disposition",
  "e=Content-Encoding", "Content-ID", "Content-Language", "Content-Transfer-Encoding", "Date", "Diversion", "Error-Info",
  "o=Event", "Expires", "Feature-Caps", "Flow-Timer", "Geolocation", "Geolocation-Error", "Geolocation-Routing",
  "History-Info", "y=Identity", "n=Identity-Info", "In-Reply-To", "Info-Package", "Join", "Max-Breadth", "MIME-Version",
  "Min-Expires", "Min-SE", "Organization", "P-Access-Network-Info", "P-Asserted-Identity", "P-Asserted-Service",
  "P-Associated-URI", "P-Called-Party-ID", "P-Charging-Function-Addresses", "P-Charging-Vector", "P-Early-Media",
  "P-Media-Authorization", "P-Preferred-Identity", "P-Preferred-Service", "P-Profile-Key", "P-Served-User",
  "P-Visited-Network-ID", "Path", "Priority", "Priv-Answer-Mode", "Privacy", "Proxy-Authenticate",
  "Proxy-Authorization", "Proxy-Require", "RAck", "Reason", "Record-Route", "Recv-Info", "Refer-Sub", "r=Refer-To",
  "b=Referred-By", "j=Reject-Contact", "Remote-Party-ID", "Replaces", "Reply-To", "d=Request-Disposition", "Require",
  "Resource-Priority", "Retry-After", "Route", "RSeq", "Security-Client", "Security-Server", "Security-Verify", "Server",
  "Service-Route", "Session-ID", "x=Session-Expires", "SIP-ETag", "SIP-If-Match", "s=Subject", "Subscription-State",
  "k=Supported", "Suppress-If-Match", "Target-Dialog", "Timestamp", "Unsupported", "User-Agent", "User-to-User",
  "Warning", "WWW-Authenticate",
]; // biome-ignore format: one block, read as a list

/** The number of a name that is not in the list. */
export const UNKNOWN = 0;
export const VIA = 1;
export const FROM = 2;
export const TO = 3;
export const CALL_ID = 4;
export const CSEQ = 5;
export const MAX_FORWARDS = 6;
export const CONTENT_LENGTH = 7;
export const CONTACT = 8;
/** The numbers up to this are those that `coreAt` tells. */
export const LAST_CORE = CONTACT;

/** Canonical spelling and lower-case key, by number. */
export const canonical: string[] = [""];
export const keys: string[] = [""];

const numbers = new Map<string, number>();
/** Spellings by hash: the numbers of those that share one are linked through `nextSpelling`. */
const HASHES = 1_024;
const firstSpelling = new Int16Array(HASHES);
const nextSpelling: number[] = [0];
const spellings: Uint8Array[] = [new Uint8Array()];
const spellingNumbers: number[] = [UNKNOWN];

const hash = (length: number, first: number, last: number): number =>
  ((length * 61) ^ ((first | 32) * 7) ^ ((last | 32) * 19)) & (HASHES - 1);

function learn(spelling: string, number: number): void {
  const key = spelling.toLowerCase();
  numbers.set(spelling, number).set(key, number);
  const at = hash(key.length, key.charCodeAt(0), key.charCodeAt(key.length - 1));
  spellings.push(Uint8Array.from(key, (char) => char.charCodeAt(0)));
  spellingNumbers.push(number);
  nextSpelling.push(firstSpelling[at]!);
  firstSpelling[at] = spellings.length - 1;
}

for (const entry of KNOWN) {
  const [name, compact] = entry.split("=").reverse() as [string, string?];
  const number = canonical.push(name) - 1;
  keys.push(name.toLowerCase());
  learn(name, number);
  if (compact !== undefined) learn(compact, number);
}

/**
 * The number of the core name that the line at `start` begins with; `first` is its first byte. UNKNOWN when it is
 * another, or when something other than white space stands between name and colon. A tree of letters, since this is
 * asked of every line of every message.
 */
export function coreAt(text: string, start: number, first: number): number {
  switch (first | 32) {
    case 0x76: // v
      return long(text, start, "ia", VIA) || compact(text, start, VIA);
    case 0x66: // f
      return long(text, start, "rom", FROM) || compact(text, start, FROM);
    case 0x74: // t
      return long(text, start, "o", TO) || compact(text, start, TO);
    case 0x69: // i
      return compact(text, start, CALL_ID);
    case 0x6c: // l
      return compact(text, start, CONTENT_LENGTH);
    case 0x6d: // m
      return long(text, start, "ax-forwards", MAX_FORWARDS) || compact(text, start, CONTACT);
    case 0x63: // c
      return beginsWithC(text, start);
  }
  return UNKNOWN;
}

function beginsWithC(text: string, start: number): number {
  switch (text.charCodeAt(start + 1) | 32) {
    case 0x61: // a
      return long(text, start, "all-id", CALL_ID);
    case 0x73: // s
      return long(text, start, "seq", CSEQ);
    case 0x6f: // o
      if ((text.charCodeAt(start + 4) | 32) === 0x61) return long(text, start, "ontact", CONTACT); // a
      if ((text.charCodeAt(start + 8) | 32) === 0x6c) return long(text, start, "ontent-length", CONTENT_LENGTH); // l
  }
  return UNKNOWN;
}

function long(text: string, start: number, rest: string, number: number): number {
  for (let i = 0; i < rest.length; i++) {
    if ((text.charCodeAt(start + 1 + i) | 32) !== rest.charCodeAt(i)) return UNKNOWN;
  }
  return endsName(text, start + 1 + rest.length) ? number : UNKNOWN;
}

const compact = (text: string, start: number, number: number): number => (endsName(text, start + 1) ? number : UNKNOWN);

function endsName(text: string, at: number): boolean {
  let code = text.charCodeAt(at);
  while (code === 0x20 || code === 0x09) code = text.charCodeAt(++at);
  return code === 0x3a;
}

/** The number of the name that stands at `start` to `end`, in any case, long or compact. */
export function numberAt(text: string, start: number, end: number): number {
  const length = end - start;
  let spelling = firstSpelling[hash(length, text.charCodeAt(start), text.charCodeAt(end - 1))]!;
  for (; spelling !== 0; spelling = nextSpelling[spelling]!) {
    const codes = spellings[spelling]!;
    if (codes.length !== length) continue;
    let at = 0;
    // Setting this bit lowers letters; of all bytes of a token it turns no other into one of a known name.
    while (at < length && (text.charCodeAt(start + at) | 32) === codes[at]) at++;
    if (at === length) return spellingNumbers[spelling]!;
  }
  return UNKNOWN;
}

/** The number of a name, in any case, long or compact. */
export const numberOf = (name: string): number => numbers.get(name) ?? numbers.get(name.toLowerCase()) ?? UNKNOWN;

/** The lower-case long name: what two spellings of one header share. */
export function keyOf(name: string): string {
  const number = numberOf(name);
  return number === UNKNOWN ? name.toLowerCase() : keys[number]!;
}
