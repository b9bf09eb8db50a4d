/**
 * One party of a stage: writes SIP by hand, does only what the test tells it, and remembers what it got. Its own simple
 * reading of SIP, so that a mistake in the product's parser does not hide.
 */
import { hostText } from "../../src/base/index.ts";
import type { Place, Stage } from "./stage.ts";

export interface Extra {
  /** Header lines, `Name: value`. */
  readonly headers?: readonly string[];
  readonly sdp?: string | undefined;
  /** Any other body, with its type. */
  readonly body?: { readonly type: string; readonly text: string };
}

export class ScriptedParty {
  readonly name: string;
  readonly place: Place;
  /** Every message that arrived, oldest first. */
  readonly got: string[] = [];
  /** Every request that it sent inside or outside of dialogs, oldest first. */
  readonly sent: string[] = [];
  readonly #stage: Stage;
  readonly #box: string;
  #callId: string;
  #calls = 0;
  #cseq = 100;
  #branch = 0;
  /** From and To of our requests. */
  #local = "";
  #remote = "";
  #target = "";
  #inviteText = "";

  constructor(stage: Stage, name: string, place: Place, box: string) {
    this.#stage = stage;
    this.name = name;
    this.place = place;
    this.#box = box;
    this.contactPort = place.port;
    this.#callId = `${name}-call-1@${hostText(place.ip)}`;
  }

  /** Of the Request-URI of a new call, and of Contact. */
  scheme: "sip" | "sips" = "sip";
  /** As RFC 2543 was: no tags in our From and To. */
  tagless = false;
  /** What the branch of our Via begins with; RFC 2543 knew no magic cookie. */
  cookie = "z9hG4bK";
  withoutContact = false;
  /** Port that our Contact names. */
  contactPort: number;

  /** Stands in our Contact instead of what is right. */
  contactUri: string | undefined;

  /** Our address as it stands in SIP. */
  get host(): string {
    return hostText(this.place.ip);
  }

  get contact(): string {
    const transport = this.place.tls !== undefined && this.scheme === "sip" ? ";transport=tls" : "";
    return this.contactUri ?? `<${this.scheme}:${this.name}@${this.host}:${this.contactPort}${transport}>`;
  }

  // — Calling

  /** A new call. Returns the text as sent. */
  invite(number: string, extra: Extra = { sdp: audio(this.place.ip) }): string {
    this.#calls += 1;
    this.#callId = `${this.name}-call-${this.#calls}@${this.host}`;
    this.#local = `"${this.name}" <sip:${this.name}@${this.host}>${this.tagless ? "" : `;tag=${this.name}-tag`}`;
    this.#remote = `<sip:${number}@${this.#box}>`;
    this.#target = `${this.scheme}:${number}@${this.#box}`;
    this.#cseq += 1;
    this.#inviteText = this.#send("INVITE", this.#cseq, extra);
    return this.#inviteText;
  }

  /** The same INVITE once more, byte for byte. */
  inviteAgain(): void {
    this.#stage.deliver(this, this.#inviteText);
  }

  /** For the 2xx that came last. */
  ack(extra: Extra = {}): void {
    const answer = this.response("INVITE");
    this.#learn(answer, "to");
    this.#send("ACK", numberOf(answer), extra);
  }

  /** The ACK for the 2xx that came last is sent, and lost on its way: the dialog is known all the same. */
  loseAck(): void {
    this.#learn(this.response("INVITE"), "to");
  }

  /** For the non-2xx that came last: same branch and target as the INVITE (RFC 3261 §17.1.1.3). */
  ackRefusal(): void {
    const invite = this.#inviteText;
    const to = headerOf(this.response("INVITE"), "To");
    const text = `ACK ${invite.split(" ")[1]} SIP/2.0\r\nVia: ${headerOf(invite, "Via")}\r\nFrom: ${headerOf(invite, "From")}\r\nTo: ${to}\r\nCall-ID: ${headerOf(invite, "Call-ID")}\r\nCSeq: ${numberOf(invite)} ACK\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n`;
    this.#stage.deliver(this, text);
  }

  cancel(headers: readonly string[] = []): void {
    const invite = this.#inviteText;
    const lines = headers.map((line) => `${line}\r\n`).join("");
    const text = `CANCEL ${invite.split(" ")[1]} SIP/2.0\r\nVia: ${headerOf(invite, "Via")}\r\nFrom: ${headerOf(invite, "From")}\r\nTo: ${headerOf(invite, "To")}\r\nCall-ID: ${headerOf(invite, "Call-ID")}\r\nCSeq: ${numberOf(invite)} CANCEL\r\nMax-Forwards: 70\r\n${lines}Content-Length: 0\r\n\r\n`;
    this.#stage.deliver(this, text);
  }

  // — Inside the dialog

  /** Any request inside the dialog that the last INVITE, sent or received, made. Returns the text as sent. */
  request(method: string, extra: Extra = {}): string {
    this.#cseq += 1;
    const text = this.#send(method, this.#cseq, extra);
    if (method === "INVITE") this.#inviteText = text;
    return text;
  }

  /** For the reliable 1xx that came last. */
  prack(extra: Extra = {}): void {
    const reliable = this.response("INVITE");
    this.#learn(reliable, "to");
    const rack = `RAck: ${headerOf(reliable, "RSeq")} ${numberOf(reliable)} INVITE`;
    this.request("PRACK", { ...extra, headers: [rack, ...(extra.headers ?? [])] });
  }

  /** A request outside any dialog. */
  outside(method: string, number: string, extra: Extra = {}): string {
    this.#local = `<sip:${this.name}@${this.host}>;tag=${this.name}-tag`;
    this.#remote = `<sip:${number}@${this.#box}>`;
    this.#target = `sip:${number}@${this.#box}`;
    this.#calls += 1;
    this.#callId = `${this.name}-call-${this.#calls}@${this.host}`;
    this.#cseq += 1;
    return this.#send(method, this.#cseq, extra);
  }

  /** Sends the request of `method` that came last back to the box, as a proxy does, for this number. */
  bounce(number: string, method = "INVITE"): void {
    this.#branch += 1;
    const invite = this.asked(method);
    const rest = invite.slice(invite.indexOf("\r\n"));
    const via = `Via: SIP/2.0/UDP ${this.host}:${this.place.port};branch=z9hG4bK-${this.name}-${this.#branch}`;
    this.#stage.deliver(this, `${method} sip:${number}@${this.#box} SIP/2.0\r\n${via}${rest}`);
  }

  /** Passes the last response to a bounced INVITE on, as a proxy does: without the Via that is its own. */
  passBack(status: number): void {
    const text = this.got.findLast((one) => one.startsWith(`SIP/2.0 ${status} `));
    if (text === undefined) throw new Error(`${this.name} got no ${status}`);
    this.#stage.deliver(this, text.replace(/\r\nVia: [^\r]*/, ""));
  }

  // — Being called

  /** Answers the last request of `method` that came. `fork`: the tag of another branch of ours. */
  answer(status: number, extra: Extra & { readonly method?: string; readonly fork?: string } = {}): string {
    const { method = "INVITE", fork = "" } = extra;
    const request = this.asked(method);
    const to = headerOf(request, "To");
    const tagged = status === 100 || this.tagless || to.includes(";tag=") ? to : `${to};tag=${this.name}-tag${fork}`;
    if (MAKING.has(method) && status > 100) this.#becomeCallee(request, tagged);
    const lines = [
      `SIP/2.0 ${status} ${this.name}-says-${status}`,
      ...headersOf(request, "Via").map((via) => `Via: ${via}`),
      ...headersOf(request, "Record-Route").map((route) => `Record-Route: ${route}`),
      `From: ${headerOf(request, "From")}`,
      `To: ${tagged}`,
      `Call-ID: ${headerOf(request, "Call-ID")}`,
      `CSeq: ${headerOf(request, "CSeq")}`,
      ...(MAKING.has(method) || method === "UPDATE" ? [`Contact: ${this.contact}`] : []),
      `Server: ${this.name}-phone`,
    ];
    const text = whole(lines, extra);
    this.#stage.deliver(this, text);
    return text;
  }

  /** Takes the dialog of the last SUBSCRIBE or REFER that came, before it is answered. `fork`: as in `answer`. */
  join(method: string, fork = ""): void {
    const request = this.asked(method);
    this.#becomeCallee(request, `${headerOf(request, "To")};tag=${this.name}-tag${fork}`);
  }

  /** Takes the dialog that the last 2xx to our SUBSCRIBE or REFER, or the last NOTIFY, has made. */
  subscribed(by: string): void {
    if (by === "NOTIFY") this.#learn(this.asked("NOTIFY"), "from");
    else this.#learn(this.response(by), "to");
  }

  // — What came

  took(text: string): void {
    this.got.push(text);
  }

  /** The last request of this method that the box sent. */
  asked(method: string): string {
    const text = this.got.findLast((one) => one.startsWith(`${method} `));
    if (text === undefined) throw new Error(`${this.name} got no ${method}`);
    return text;
  }

  /** The last response to a request of this method, 100 left out. */
  response(method: string): string {
    const ours = new RegExp(`^SIP/2\\.0 (?!100)\\d{3} [^]*\\r\\nCSeq: *\\d+ ${method}\\r\\n`, "i");
    const text = this.got.findLast((one) => ours.test(one));
    if (text === undefined) throw new Error(`${this.name} got no response to ${method}`);
    return text;
  }

  #becomeCallee(invite: string, to: string): void {
    this.#callId = headerOf(invite, "Call-ID");
    this.#local = to;
    this.#remote = headerOf(invite, "From");
    this.#target = uriOf(headerOf(invite, "Contact"));
  }

  /** The other end's tag and target, from a message of the box. */
  #learn(message: string, header: "to" | "from"): void {
    this.#remote = headerOf(message, header);
    const contact = headerOf(message, "Contact");
    if (contact !== "") this.#target = uriOf(contact);
  }

  #send(method: string, cseq: number, extra: Extra): string {
    this.#branch += 1;
    const lines = [
      `${method} ${this.#target} SIP/2.0`,
      `Via: SIP/2.0/${this.place.tls === undefined ? "UDP" : "TLS"} ${this.host}:${this.place.port};branch=${this.cookie}-${this.name}-${this.#branch};rport`,
      ...(extra.headers?.some((line) => /^Max-Forwards:/i.test(line)) ? [] : ["Max-Forwards: 70"]),
      `From: ${this.#local}`,
      `To: ${this.#remote}`,
      `Call-ID: ${this.#callId}`,
      `CSeq: ${cseq} ${method}`,
      ...(this.withoutContact ? [] : [`Contact: ${this.contact}`]),
      `User-Agent: ${this.name}-phone`,
    ];
    const text = whole(lines, extra);
    this.sent.push(text);
    this.#stage.deliver(this, text);
    return text;
  }
}

function whole(lines: readonly string[], { headers = [], sdp, body }: Extra): string {
  const type = sdp !== undefined ? "application/sdp" : body?.type;
  const text = sdp ?? body?.text ?? "";
  const all = [...lines, ...headers, ...(type === undefined ? [] : [`Content-Type: ${type}`])];
  return `${all.join("\r\n")}\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
}

/** Methods that make dialogs. */
const MAKING: ReadonlySet<string> = new Set(["INVITE", "SUBSCRIBE", "REFER"]);

/** One audio stream, PCMU, with everything that must not cross. */
export function audio(ip: string, options: { direction?: string; version?: number; port?: number } = {}): string {
  const { direction = "sendrecv", version = 1, port = 4000 } = options;
  const typed = `IN IP${ip.includes(":") ? 6 : 4} ${ip}`;
  return `v=0\r\no=- 77 ${version} ${typed}\r\ns=-\r\nc=${typed}\r\nt=0 0\r\nm=audio ${port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=${direction}\r\n`;
}

export const headersOf = (text: string, name: string): string[] =>
  [...text.slice(0, text.indexOf("\r\n\r\n")).matchAll(new RegExp(`\\r\\n${name} *: *([^\\r]*)`, "gi"))].map(
    (match) => match[1] as string,
  );

export const headerOf = (text: string, name: string): string => headersOf(text, name)[0] ?? "";
export const bodyOf = (text: string): string => text.slice(text.indexOf("\r\n\r\n") + 4);
export const tagOf = (value: string): string => /;tag=([^;\s]+)/.exec(value)?.[1] ?? "";
export const uriOf = (value: string): string => /<([^>]*)>/.exec(value)?.[1] ?? value;
const numberOf = (text: string): number => Number(headerOf(text, "CSeq").split(" ")[0]);
