/**
 * Is what one end says in a dialog a legal history of offers and answers? RFC 3264, with RFC 4568, 5761, 5888 and 9143 as far
 * as descriptions go. It reads text by itself: nothing here knows how the product does it.
 */

import { faultsOfAnswer, faultsOfBundles, faultsOfLine, LineSecurity } from "./secure-media-rules.ts";

export interface Section {
  readonly kind: string;
  readonly port: number;
  readonly protocol: string;
  readonly formats: readonly string[];
  readonly lines: readonly string[];
}

export interface Description {
  readonly text: string;
  readonly session: readonly string[];
  readonly sections: readonly Section[];
}

type Said = { readonly by: "us" | "them"; readonly what: Description };

/** One dialog; `us` is the end that is judged. */
export class DialogHistory {
  readonly faults: string[] = [];
  #offer: Said | undefined;
  /** What we said last, refused or not. */
  #last: Description | undefined;
  #least = 0;
  /** Codecs that we gave a number, by line; a line that was off begins anew. */
  readonly #numbers: Map<string, string>[] = [];
  readonly #security: LineSecurity[] = [];

  weOffer(text: string): void {
    const what = read(text);
    this.#ours(what, true);
    this.#expect(what.sections.length >= this.#least, `${what.sections.length} m= lines, there were ${this.#least}`);
    this.#expect(all(what.session, "t=").join() === "0 0", "an offer whose time is not 0 0");
    this.#offer = { by: "us", what };
  }

  theyOffer(text: string): void {
    this.#offer = { by: "them", what: read(text) };
  }

  /** The answer to their offer; `final`: of several early ones it is the last. */
  weAnswer(text: string, final = true): void {
    const offer = this.#offer;
    const what = read(text);
    this.#ours(what, false);
    this.#expect(offer?.by === "them", "an answer to no offer of theirs");
    if (offer !== undefined) this.#judge(offer.what, what);
    if (final && offer !== undefined) this.#secure(what, offer.what, true);
    if (final) this.#agree(what);
  }

  theyAnswer(text: string): void {
    const what = read(text);
    if (this.#offer?.by === "us") this.#secure(this.#offer.what, what, false);
    this.#agree(what);
  }

  /** The offer that is under way is gone. */
  refuse(): void {
    this.#offer = undefined;
  }

  #secure(us: Description, them: Description, weAnswered: boolean): void {
    for (const [index, line] of us.sections.entries()) {
      const theirs = them.sections[index];
      if (theirs === undefined) continue;
      const known = (this.#security[index] ??= new LineSecurity());
      for (const fault of known.agreed(line, theirs, them.session, weAnswered)) {
        this.faults.push(`m= line ${index + 1} (${line.kind}): ${fault}`);
      }
    }
  }

  #agree({ sections }: Description): void {
    this.#offer = undefined;
    this.#least = Math.max(this.#least, sections.length);
  }

  /** What holds of each description by itself, and beside the one before. */
  #ours(what: Description, offer: boolean): void {
    this.#expect(
      /^v=0\r\no=\S+ \d+ \d+ IN IP[46] \S+\r\ns=.+\r\n/.test(what.text),
      "it does not begin with v=, o=, s=",
    );
    this.#expect(!/[^\r]\n|\r[^\n]/.test(what.text), "a line end that is not CRLF");
    const last = this.#last;
    this.#last = what;
    if (last !== undefined) this.#sequel(last, what);
    const bundled = new Set(bundlesIn(what.session, what.sections).flatMap((bundle) => bundle.slice(1)));
    const ports = what.sections.filter((each) => each.port !== 0 && !bundled.has(each)).map(({ port }) => port);
    this.#expect(new Set(ports).size === ports.length, "two lines on one port");
    const mids = what.sections.flatMap(({ lines }) => all(lines, "a=mid:"));
    this.#expect(new Set(mids).size === mids.length, "two lines of one name");
    this.faults.push(...faultsOfBundles(what));
    for (const group of all(what.session, "a=group:"))
      for (const tag of group.split(" ").slice(1)) {
        const named = what.sections.find(({ lines }) => lines.includes(`a=mid:${tag}`));
        this.#expect(named !== undefined && named.port !== 0, `a group names ${tag}, which is off or nobody`);
      }
    for (const [index, section] of what.sections.entries()) this.#line(what, section, index, offer, last === undefined);
  }

  /** RFC 3264 §8. */
  #sequel(last: Description, next: Description): void {
    const [before, after] = [origin(last), origin(next)];
    const same = [0, 1, 3, 4, 5].every((index) => before[index] === after[index]);
    this.#expect(same, "o= changed in more than its version");
    const step = Number(after[2]) - Number(before[2]);
    if (next.text === last.text) return;
    this.#expect(step === 1, `another description, and the version went ${step} up`);
  }

  #line(what: Description, section: Section, index: number, offer: boolean, first: boolean): void {
    const { kind, port, formats, lines } = section;
    const at = `m= line ${index + 1} (${kind})`;
    this.#expect(formats.length > 0, `${at} has no format`);
    if (port === 0) {
      delete this.#numbers[index];
      return;
    }
    const address = all(lines, "c=")[0] ?? all(what.session, "c=")[0] ?? "";
    this.#expect(/^IN IP4 (?!0\.)[\d.]+$|^IN IP6 (?!::$)[\da-f:]+$/.test(address), `${at} has no address: ${address}`);
    this.#expect(port % 2 === 0, `${at} has an odd port`);
    this.#expect(directionsOf(lines).length === 1, `${at} has not one direction`);
    for (const fault of faultsOfLine(what, section, offer, first)) this.faults.push(`${at}: ${fault}`);
    const numbers = (this.#numbers[index] ??= new Map());
    if (numbers.get("kind") !== kind) numbers.clear();
    numbers.set("kind", kind);
    for (const map of all(lines, "a=rtpmap:")) {
      const [format = "", codec = ""] = map.trim().split(" ");
      this.#expect(formats.includes(format), `${at} explains ${format}, which it does not list`);
      const before = numbers.get(format);
      const now = codec.toLowerCase().replace(/\/1$/, "");
      this.#expect(Number(format) < 96 || before === undefined || before === now, `${at}: ${format} was ${before}`);
      numbers.set(format, now);
    }
  }

  /** Our answer beside their offer: RFC 3264 §6. */
  #judge(offer: Description, answer: Description): void {
    const counts = [offer.sections.length, answer.sections.length];
    this.#expect(counts[0] === counts[1], `${counts[1]} m= lines answer ${counts[0]}`);
    this.#expect(timeOf(offer) === timeOf(answer), "the time is not the offer's");
    for (const group of all(answer.session, "a=group:")) {
      const [semantics, ...tags] = group.split(" ");
      const asked = all(offer.session, "a=group:").map((each) => each.split(" "));
      const fits = asked.some(([name, ...named]) => name === semantics && tags.every((tag) => named.includes(tag)));
      this.#expect(fits, `a group that was not offered: ${group}`);
    }
    for (const [index, answered] of answer.sections.entries()) {
      const offered = offer.sections[index];
      if (offered !== undefined) this.#answered(offer, offered, answered, `m= line ${index + 1} (${answered.kind})`);
    }
  }

  #answered(offer: Description, offered: Section, answered: Section, at: string): void {
    this.#expect(offered.kind === answered.kind, `${at} answers ${offered.kind}`);
    this.#expect(offered.protocol === answered.protocol, `${at}: ${answered.protocol} answers ${offered.protocol}`);
    const mids = [offered, answered].map(({ lines }) => all(lines, "a=mid:").join());
    this.#expect(mids[0] === mids[1], `${at} is called ${mids[1]}, it was ${mids[0]}`);
    if (answered.port === 0) return;
    this.#expect(offered.port !== 0, `${at} answers a line that is off`);
    const wanted = directionsOf(offered.lines)[0] ?? directionsOf(offer.session)[0] ?? "sendrecv";
    const told = directionsOf(answered.lines)[0] ?? "sendrecv";
    this.#expect(MAY_ANSWER[wanted]?.includes(told) === true, `${at}: ${told} answers ${wanted}`);
    const common = codecsOf(answered).some((codec) => codecsOf(offered).includes(codec));
    this.#expect(common, `${at}: no format of the offer's`);
    for (const [codec, number] of numbersOf(answered)) {
      const was = numbersOf(offered).get(codec);
      const free = was === undefined || was === number || answered.formats.includes(was);
      this.#expect(free, `${at}: ${codec} was ${was}, and is ${number}`);
    }
    const has = (line: string): boolean => offered.lines.includes(line) || !answered.lines.includes(line);
    this.#expect(has("a=rtcp-mux"), `${at} shares a port that was not offered to be shared`);
    for (const fault of faultsOfAnswer(offer, offered, answered)) this.faults.push(`${at}: ${fault}`);
    const tags = all(offered.lines, "a=crypto:").map((line) => line.split(" ").slice(0, 2).join(" "));
    const picked = all(answered.lines, "a=crypto:").map((line) => line.split(" ").slice(0, 2).join(" "));
    this.#expect(picked.length <= 1 && picked.every((one) => tags.includes(one)), `${at}: a key that was not offered`);
  }

  #expect(holds: boolean, fault: string): void {
    if (!holds) this.faults.push(fault);
  }
}

const MAY_ANSWER: Readonly<Record<string, readonly string[]>> = {
  sendrecv: ["sendrecv", "sendonly", "recvonly", "inactive"],
  sendonly: ["recvonly", "inactive"],
  recvonly: ["sendonly", "inactive"],
  inactive: ["inactive"],
};

export function read(text: string): Description {
  const session: string[] = [];
  const sections: (Section & { lines: string[] })[] = [];
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith("m=")) {
      const [kind = "", port = "", protocol = "", ...formats] = line.slice(2).trim().split(/ +/);
      sections.push({ kind, port: Number.parseInt(port, 10), protocol, formats, lines: [] });
    } else if (line !== "") (sections.at(-1)?.lines ?? session).push(line);
  }
  for (const bundle of bundlesIn(session, sections)) for (const section of bundle.slice(1)) inherit(section, bundle[0]);
  return { text, session, sections };
}

/** Lines of one BUNDLE on one port, in the order of their group: RFC 9143 §7.1.3 has the first speak for all. */
export function bundlesIn<T extends Section>(session: readonly string[], sections: readonly T[]): T[][] {
  return all(session, "a=group:BUNDLE ").map((group) => {
    const named = group.trim().split(/ +/);
    const lines = named.flatMap((tag) => sections.filter((each) => each.lines.includes(`a=mid:${tag}`)));
    return lines.filter(({ port }) => port !== 0 && port === lines[0]?.port);
  });
}

const OF_THE_TRANSPORT = [
  "fingerprint:",
  "setup:",
  "tls-id:",
  "crypto:",
  "candidate:",
  "ice-ufrag:",
  "ice-pwd:",
  "rtcp:",
  "rtcp-mux-only",
];

function inherit(section: Section & { lines: string[] }, first: Section | undefined): void {
  for (const name of OF_THE_TRANSPORT) {
    if (all(section.lines, `a=${name}`).length > 0) continue;
    for (const value of all(first?.lines ?? [], `a=${name}`)) section.lines.push(`a=${name}${value}`);
  }
}

/** The lines that begin so, without that beginning. */
export const all = (lines: readonly string[], beginning: string): string[] =>
  lines.filter((line) => line.startsWith(beginning)).map((line) => line.slice(beginning.length));

export const directionsOf = (lines: readonly string[]): string[] =>
  all(lines, "a=").filter((name) => Object.hasOwn(MAY_ANSWER, name));

/** The codec of each format by name; numbers stand for themselves. */
export const codecsOf = ({ formats, lines }: Section): string[] =>
  formats.map((format) => {
    const map = all(lines, "a=rtpmap:").find((each) => each.startsWith(`${format} `));
    if (map !== undefined && Number(format) > 95) return (map.split(" ")[1] ?? "").toLowerCase().replace(/\/1$/, "");
    return format;
  });

/** Codecs that have one number. */
function numbersOf({ formats, lines }: Section): Map<string, string> {
  const maps = all(lines, "a=rtpmap:").map((map) => map.trim().toLowerCase().split(" "));
  const listed = maps.filter(([format = ""]) => formats.includes(format));
  const single = listed.filter(([, codec]) => listed.filter(([, other]) => other === codec).length === 1);
  return new Map(single.map(([format = "", codec = ""]) => [codec, format]));
}

const timeOf = ({ session }: Description): string => all(session, "t=").join() || "0 0";

const origin = ({ session }: Description): string[] => (all(session, "o=")[0] ?? "").split(" ");

export interface Answerer {
  readonly ip: string;
  readonly port: number;
  /** For each key that it takes: base 64 of 46 bytes at least. */
  readonly key: string;
}

const KEY_BYTES: Readonly<Record<string, number>> = {
  AES_CM_128_HMAC_SHA1_80: 30,
  AES_CM_128_HMAC_SHA1_32: 30,
  AES_256_CM_HMAC_SHA1_80: 46,
  AEAD_AES_128_GCM: 28,
};

/** A legal answer that takes all that it is offered. */
export function honestAnswer(offer: string, { ip, port, key }: Answerer): string {
  const { session, sections } = read(offer);
  const type = `IN IP${ip.includes(":") ? 6 : 4} ${ip}`;
  let text = `v=0\r\no=answerer 5 1 ${type}\r\ns=-\r\nc=${type}\r\nt=${all(session, "t=")[0] ?? "0 0"}\r\n`;
  for (const group of all(session, "a=group:")) if (!group.startsWith("BUNDLE")) text += `a=group:${group}\r\n`;
  for (const [index, { kind, port: offered, protocol, formats, lines }] of sections.entries()) {
    text += `m=${kind} ${offered === 0 ? 0 : port + 2 * index} ${protocol} ${formats.join(" ")}\r\n`;
    for (const mid of all(lines, "a=mid:")) text += `a=mid:${mid}\r\n`;
    if (offered === 0) continue;
    for (const line of lines) if (/^a=(rtpmap|fmtp|ptime|rtcp-fb|rtcp-mux)\b/.test(line)) text += `${line}\r\n`;
    const wanted = directionsOf(lines)[0] ?? directionsOf(session)[0] ?? "sendrecv";
    text += `a=${MAY_ANSWER[wanted]?.[0]}\r\n${iceFor(lines)}${handshakeFor(lines) || cryptoFor(lines, key)}`;
  }
  return text;
}

const iceFor = (lines: readonly string[]): string =>
  all(lines, "a=ice-ufrag:").length > 0 ? `a=ice-ufrag:seven\r\na=ice-pwd:${"7".repeat(24)}\r\n` : "";

/** Of an end that begins the handshake, with a certificate whose hash is all sevens. */
function handshakeFor(lines: readonly string[]): string {
  if (all(lines, "a=fingerprint:").length === 0) return "";
  const text = `a=fingerprint:sha-256 ${new Array(32).fill("77").join(":")}\r\na=setup:active\r\n`;
  return all(lines, "a=tls-id:").length > 0 ? `${text}a=tls-id:${"seven".repeat(5)}\r\n` : text;
}

function cryptoFor(lines: readonly string[], key: string): string {
  for (const line of all(lines, "a=crypto:")) {
    const [tag, suite = ""] = line.split(" ");
    const bytes = KEY_BYTES[suite];
    if (bytes === undefined) continue;
    return `a=crypto:${tag} ${suite} inline:${Buffer.from(key, "base64").subarray(0, bytes).toString("base64")}\r\n`;
  }
  return "";
}
