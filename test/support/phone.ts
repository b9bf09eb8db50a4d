/**
 * A phone that registers, and a registrar inside, as simple as can be: their own reading of SIP and their own digests, so
 * that a mistake of the product does not hide.
 */
import { createHash } from "node:crypto";
import { DigestServer } from "./digest-server.ts";
import type { Actor, Place, Stage } from "./stage.ts";

const linesOf = (text: string, name: string): string[] =>
  [...text.matchAll(new RegExp(`^${name}: *(.*)\r$`, "gim"))].map((match) => match[1] as string);
export const lineOf = (text: string, name: string): string => linesOf(text, name)[0] ?? "";

export interface RegisterOptions {
  readonly seconds?: number;
  /** Whole Contact values in place of the phone's own. */
  readonly contacts?: readonly string[];
  readonly headers?: readonly string[];
  readonly seq?: number;
  readonly callId?: string;
}

export class Phone implements Actor {
  readonly name: string;
  place: Place;
  readonly domain: string;
  readonly password: string;
  readonly got: string[] = [];
  callId: string;
  seq = 0;
  contact: string;
  /** Where it believes to be. */
  host = "192.168.1.10";
  /** Preferred over the others when it is asked for. */
  algorithm: "MD5" | "SHA-256" | "SHA-512-256" = "MD5";
  /** Answers 401 by itself. */
  answers = true;
  readonly #stage: Stage;
  #branch = 0;
  #last: RegisterOptions = {};
  /** Of the challenge that came last. */
  #asked: { realm: string; nonce: string; algorithm: string; opaque: string } | undefined;
  #count = 0;
  /** How often this REGISTER was asked for credentials. */
  #tries = 0;

  constructor(stage: Stage, name: string, place: Place, domain = "example.test", password = `${name}-secret`) {
    this.#stage = stage;
    this.name = name;
    this.place = place;
    this.domain = domain;
    this.password = password;
    this.callId = `${name}-registration`;
    this.contact = `<sip:${name}@192.168.1.10:5060>`;
    stage.join(this);
  }

  get last(): string {
    return this.got.at(-1) ?? "";
  }

  /** Status of the answer that came last. */
  get status(): number {
    return Number(/^SIP\/2\.0 (\d+)/.exec(this.last)?.[1] ?? 0);
  }

  get contacts(): string[] {
    return linesOf(this.last, "Contact");
  }

  took(text: string): void {
    this.got.push(text);
    if (!text.startsWith("SIP/2.0 401") || !this.answers) return;
    this.learn(text);
    if (this.#tries === 0) this.#send(this.#last, 1);
  }

  /** The same phone, as another box meets it. */
  on(stage: Stage): Phone {
    const phone = new Phone(stage, this.name, this.place, this.domain, this.password);
    phone.callId = this.callId;
    phone.seq = this.seq;
    phone.contact = this.contact;
    phone.#asked = this.#asked;
    phone.#count = this.#count;
    phone.#branch = this.#branch;
    return phone;
  }

  /** What a challenge asks. */
  learn(text: string): void {
    const all = linesOf(text, "WWW-Authenticate").concat(linesOf(text, "Proxy-Authenticate"));
    const mine = all.find((one) => paramIn(one, "algorithm") === this.algorithm) ?? all[0] ?? "";
    const [realm, nonce] = [paramIn(mine, "realm"), paramIn(mine, "nonce")];
    this.#asked = { realm, nonce, algorithm: paramIn(mine, "algorithm") || "MD5", opaque: paramIn(mine, "opaque") };
    this.#count = 0;
  }

  /** The phone forgets what it was asked. */
  forget(): void {
    this.#asked = undefined;
  }

  register(options: RegisterOptions = {}): string {
    return this.#send(options, 0);
  }

  #send(options: RegisterOptions, tries: number): string {
    this.#tries = tries;
    this.#last = options;
    this.seq = options.seq ?? this.seq + 1;
    const uri = `sip:${this.domain}`;
    const aor = `sip:${this.name}@${this.domain}`;
    const contacts = options.contacts ?? [this.contact];
    return this.send("REGISTER", uri, [
      `From: <${aor}>;tag=${this.name}`,
      `To: <${aor}>`,
      `Call-ID: ${options.callId ?? this.callId}`,
      `CSeq: ${this.seq} REGISTER`,
      ...contacts.map((contact) => `Contact: ${contact}`),
      ...(options.seconds === undefined ? [] : [`Expires: ${options.seconds}`]),
      ...this.credentials("Authorization", "REGISTER", uri),
      ...(options.headers ?? []),
    ]);
  }

  credentials(header: string, method: string, uri: string): string[] {
    const asked = this.#asked;
    if (asked === undefined) return [];
    this.#count += 1;
    const nc = this.#count.toString(16).padStart(8, "0");
    const name = asked.algorithm.toLowerCase().replace("sha-", "sha");
    const hash = (text: string): string => createHash(name).update(text, "latin1").digest("hex");
    const a1 = hash(`${this.name}:${asked.realm}:${this.password}`);
    const response = hash(`${a1}:${asked.nonce}:${nc}:c0:auth:${hash(`${method}:${uri}`)}`);
    const opaque = asked.opaque === "" ? "" : `, opaque="${asked.opaque}"`;
    return [
      `${header}: Digest username="${this.name}", realm="${asked.realm}", nonce="${asked.nonce}", uri="${uri}", response="${response}", algorithm=${asked.algorithm}, cnonce="c0", qop=auth, nc=${nc}${opaque}`,
    ];
  }

  send(method: string, uri: string, lines: readonly string[], body = ""): string {
    this.#branch += 1;
    const { tls, tcp, wss } = this.place;
    const protocol = tls !== undefined ? "TLS" : tcp !== undefined ? "TCP" : wss !== undefined ? "WSS" : "UDP";
    const via = `Via: SIP/2.0/${protocol} ${this.host}:5060;rport;branch=z9hG4bK-${this.name}-${this.callId}-${this.place.ip}-${this.place.port}-${this.#branch}`;
    const head = [via, "Max-Forwards: 70", ...lines, `Content-Length: ${body.length}`].join("\r\n");
    const text = `${method} ${uri} SIP/2.0\r\n${head}\r\n\r\n${body}`;
    this.#stage.deliver(this, text);
    return text;
  }
}

/** Keeps what is registered, by the address of record. */
export class InsideRegistrar implements Actor {
  readonly name = "registrar";
  readonly place: Place;
  readonly got: string[] = [];
  readonly bound = new Map<string, Map<string, number>>();
  /** By user. */
  readonly #digests = new Map<string, DigestServer>();
  readonly #stage: Stage;
  asksDigest = true;
  /** Longest grant. */
  seconds = 3_600;
  minimum = 0;
  /** Lines of every 200. */
  more: string[] = [];
  /** Parameters of every Contact in a 200. */
  params = "";
  /** Answers with this alone. */
  status: number | undefined;

  constructor(stage: Stage, place: Place) {
    this.#stage = stage;
    this.place = place;
    stage.join(this);
  }

  get registers(): string[] {
    return this.got.filter((text) => text.startsWith("REGISTER "));
  }

  digestOf(user: string): DigestServer {
    let server = this.#digests.get(user);
    if (server === undefined) {
      server = new DigestServer({ user, password: `${user}-secret`, realm: "example.test" });
      this.#digests.set(user, server);
    }
    return server;
  }

  took(text: string): void {
    this.got.push(text);
    if (text.startsWith("OPTIONS ")) return this.answer(text, 200, []);
    if (!text.startsWith("REGISTER ")) return;
    const aor = /<([^>]*)>/.exec(lineOf(text, "To"))?.[1] ?? "";
    const user = /sip:([^@]*)@/.exec(aor)?.[1] ?? "";
    if (this.status !== undefined) return this.answer(text, this.status, []);
    const digest = this.digestOf(user);
    if (this.asksDigest && digest.judge(text, lineOf(text, "Authorization")) !== "right")
      return this.answer(text, 401, [`WWW-Authenticate: ${digest.challenge()}`]);
    const contacts = linesOf(text, "Contact");
    const wanted = contacts.map((contact) => Number(/;expires=(\d+)/.exec(contact)?.[1] ?? lineOf(text, "Expires")));
    if (wanted.some((seconds) => seconds > 0 && seconds < this.minimum))
      return this.answer(text, 423, [`Min-Expires: ${this.minimum}`]);
    const held = this.bound.get(aor) ?? new Map<string, number>();
    this.bound.set(aor, held);
    for (const [index, contact] of contacts.entries()) {
      const uri = /<([^>]*)>/.exec(contact)?.[1] ?? "";
      const seconds = Math.min(wanted[index] ?? 0, this.seconds);
      if (contact === "*") held.clear();
      else if (seconds === 0) held.delete(uri);
      else held.set(uri, seconds);
    }
    this.answer(text, 200, [
      ...[...held].map(([uri, seconds]) => `Contact: <${uri}>;expires=${seconds}${this.params}`),
      ...this.more,
    ]);
  }

  answer(request: string, status: number, lines: readonly string[]): void {
    const copied = ["Via", "From", "To", "Call-ID", "CSeq"].map((name) => `${name}: ${lineOf(request, name)}`);
    copied[2] += ";tag=registrar";
    const head = [`SIP/2.0 ${status} Said`, ...copied, ...lines, "Content-Length: 0"].join("\r\n");
    this.#stage.deliver(this, `${head}\r\n\r\n`);
  }
}

const paramIn = (value: string, name: string): string =>
  new RegExp(`[ ,]${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^,\\s]*))`).exec(value)?.slice(1).find(Boolean) ?? "";
