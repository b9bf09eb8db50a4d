/**
 * A party of a ladder: sends what the arrows say, takes what the box sends, and fills in what belongs to the hop and
 * the dialog (Via, tags, Call-ID, CSeq, Request-URI, routes). Its own reading of SIP, not the product's.
 */
import { hostText } from "../../../src/base/index.ts";
import { headerOf, headersOf, tagOf } from "../scripted-party.ts";
import type { Actor, Place, Stage } from "../stage.ts";
import { CAST, type Member, NAMES } from "./cast.ts";
import { PartyDialog } from "./dialog.ts";
import type { Arrow } from "./format.ts";
import { headerValue, type MessageText, written } from "./message-text.ts";

export type Wire = "udp" | "tcp" | "tls" | "ws";

export class LadderParty implements Actor {
  readonly name: string;
  readonly place: Place;
  readonly member: Member;
  /** Address of the box on this side, and as it stands in a URI. */
  readonly boxIp: string;
  readonly box: string;
  readonly wire: Wire;
  /** What came and is not judged yet. */
  readonly inbox: string[] = [];
  readonly dialogs = new Map<string, PartyDialog>();
  /** The box has an account there: its own credentials are for this party. */
  account = false;
  /** Addresses in the `c=` lines that we sent. */
  readonly soundsFrom = new Set<string>();
  /** Everything we ever wrote. */
  readonly wrote: string[] = [];
  readonly #stage: Stage;
  #branch = 0;
  #calls = 0;

  constructor(stage: Stage, name: string, place: Place, box: string, wire: Wire) {
    this.#stage = stage;
    this.name = name;
    this.place = place;
    this.member = memberOf(name);
    this.boxIp = box;
    this.box = hostText(box);
    this.wire = wire;
  }

  boxAt(realm: "outside" | "inside"): string {
    return hostText(this.#stage.box[realm]);
  }

  tamper: (text: string) => string = (text) => text;

  took(text: string): void {
    this.inbox.push(this.tamper(text));
  }

  // — Sending

  /** `more`: what the ladder says about this message, already with its variables. `callee`: whom a new call is for. */
  send(arrow: Arrow, more: MessageText, callee: string): void {
    const label = arrow.dialog || "1";
    const key = arrow.status === undefined ? arrow.method : `${arrow.status} ${arrow.method}`;
    if (arrow.again) return this.#deliver(this.#known(label).sent.get(key) ?? fail(`no ${key} was sent before`));
    const made =
      arrow.status === undefined ? this.#request(arrow, more, label, callee) : this.#answer(arrow, more, label);
    // Over TLS everything is a sips: call: RFC 3261 §12.1.1 then wants sips: in every Contact.
    const text =
      this.wire === "tls" ? made.replace(/^.*?\r\n\r\n/s, (head) => head.replaceAll(/\bsip:/g, "sips:")) : made;
    if (arrow.method === "INVITE" && arrow.status === undefined) this.#known(label).invite = text;
    this.#known(label).sent.set(key, text);
    this.#deliver(text);
  }

  /** The INVITE of the first call as a proxy's other branch has it: the same but for its branch. */
  copyInvite(): void {
    this.#branch += 1;
    const { invite } = this.#known("1");
    this.#deliver(invite.replace(/branch=[^\r]+/, `branch=z9hG4bK-${this.name}-${this.#branch}`));
  }

  /** Bytes as they are. */
  #deliver(text: string): void {
    for (const match of text.matchAll(/\r\nc=IN IP[46] (\S+)/g)) this.soundsFrom.add(match[1] as string);
    this.wrote.push(text);
    const connection = this.place.tls ?? this.place.tcp ?? this.place.ws;
    if (connection !== undefined && !this.#stage.connected(this)) this.#stage.connect(this, connection);
    this.#stage.deliver(this, text);
  }

  #known(label: string): PartyDialog {
    return this.dialogs.get(label) ?? fail(`${this.name} has no dialog #${label}`);
  }

  #request(arrow: Arrow, more: MessageText, label: string, callee: string): string {
    const { method } = arrow;
    if (method === "CANCEL") return this.#sameHop(this.#known(label), "CANCEL", more);
    const dialog = this.#dialogFor(label, more, callee);
    const answer = (arrow.accepted ? dialog.accepted : dialog.answers.get("INVITE")) ?? "";
    if (method === "ACK" && Number(answer.split(" ")[1]) >= 300) return this.#sameHop(dialog, "ACK", more);
    if (method !== "ACK") dialog.cseq += 1;
    const cseq = method === "ACK" ? Number.parseInt(headerOf(answer, "CSeq"), 10) : dialog.cseq;
    this.#branch += 1;
    const body = this.#body(arrow, more, dialog);
    const headers: [string, string][] = [
      [
        "Via",
        `SIP/2.0/${this.wire.toUpperCase()} ${this.member.host}:5060;branch=z9hG4bK-${this.name}-${this.#branch}`,
      ],
      ["Max-Forwards", headerValue(more, "Max-Forwards") ?? "70"],
      ...dialog.routes.map((route): [string, string] => ["Route", route]),
      ["From", dialog.local],
      ["To", dialog.remote],
      ["Call-ID", dialog.callId],
      ["CSeq", `${cseq} ${method}`],
      ...this.#contact(method !== "BYE" && method !== "ACK" && method !== "PRACK", more),
      ...(method === "PRACK" && headerValue(more, "RAck") === undefined ? [rackOf(answer)] : []),
      ...rest(more, body),
    ];
    return written(`${method} ${dialog.target} SIP/2.0`, headers, body);
  }

  /** CANCEL, and ACK of a refusal: on the hop of the INVITE. RFC 3261 §9.1, §17.1.1.3. */
  #sameHop(dialog: PartyDialog, method: "CANCEL" | "ACK", more: MessageText): string {
    const { invite } = dialog;
    const cseq = Number.parseInt(headerOf(invite, "CSeq"), 10);
    const to = method === "ACK" ? headerOf(dialog.answers.get("INVITE") ?? "", "To") : headerOf(invite, "To");
    const headers: [string, string][] = [
      ["Via", headerOf(invite, "Via")],
      ["Max-Forwards", "70"],
      ["From", headerOf(invite, "From")],
      ["To", to],
      ["Call-ID", headerOf(invite, "Call-ID")],
      ["CSeq", `${cseq} ${method}`],
      ...rest(more, ""),
    ];
    return written(`${method} ${invite.split(" ")[1]} SIP/2.0`, headers, "");
  }

  #dialogFor(label: string, more: MessageText, callee: string): PartyDialog {
    const known = this.dialogs.get(label);
    if (known !== undefined) return known;
    this.#calls += 1;
    const user = /^[A-Z]+ (?:sip|tel):([^@;\s]+)/.exec(more.start ?? "")?.[1] ?? callee;
    const params = /^[A-Z]+ sip:[^@]+@[^;\s]+(;\S*)? SIP/.exec(more.start ?? "")?.[1] ?? "";
    const to = headerValue(more, "To")?.replace(/;tag=.*/, "") ?? `<sip:${user}@${this.box}>`;
    const from = headerValue(more, "From") ?? `<sip:${this.name}@${this.member.domain}>`;
    const tag = `;tag=${this.name}-tag-${this.#calls}`;
    const dialog = new PartyDialog({
      callId: `${this.name}-${this.#calls}-${headerValue(more, "Call-ID") ?? `call@${this.member.host}`}`,
      local: tagOf(from) === "" ? `${from}${tag}` : from,
      remote: to,
      target: `sip:${user}@${this.box}${params.replace(/;(transport|gr|maddr)(=[^;]*)?/g, "")}`,
      cseq: Number.parseInt(headerValue(more, "CSeq") ?? "101", 10) - 1,
    });
    this.dialogs.set(label, dialog);
    return dialog;
  }

  #answer(arrow: Arrow, more: MessageText, label: string): string {
    const { method, status = 0, fork } = arrow;
    const dialog = this.#known(label);
    const request = dialog.asked.get(method) ?? fail(`${this.name} got no ${method} in dialog #${label}`);
    const to = headerOf(request, "To");
    const tag =
      fork === ""
        ? `${this.name}-${tagOf(headerValue(more, "To") ?? "") || `tag-${label}`}`
        : `${this.name}-tag-${fork}`;
    const tagged = status === 100 || tagOf(to) !== "" ? to : `${to};tag=${tag}`;
    if (status > 100 && tagOf(to) === "") dialog.local = tagged;
    dialog.tags.add(tagOf(tagged));
    const body = this.#body(arrow, more, dialog);
    const takesContact =
      (method === "INVITE" && status > 100 && status < 300) || method === "UPDATE" || method === "SUBSCRIBE";
    const headers: [string, string][] = [
      ...headersOf(request, "Via").map((via): [string, string] => ["Via", via]),
      ...headersOf(request, "Record-Route").map((route): [string, string] => ["Record-Route", route]),
      ["From", headerOf(request, "From")],
      ["To", tagged],
      ["Call-ID", headerOf(request, "Call-ID")],
      ["CSeq", headerOf(request, "CSeq")],
      ...this.#contact(takesContact, more),
      ...rest(more, body),
    ];
    return written(more.start ?? `SIP/2.0 ${status} ${this.name}-says-so`, headers, body);
  }

  /** The RFC's own Contact, or ours; with the transport that we speak, and an address that leads to us. */
  #contact(wanted: boolean, more: MessageText): [string, string][] {
    const given = headerValue(more, "Contact");
    if (given === undefined && !wanted) return [];
    if (given?.includes(";as-is")) return [["Contact", given.replaceAll(";as-is", "")]];
    const value = (given ?? `<sip:${this.name}@${this.member.host}>`).replace(/;transport=\w+/, "");
    const here = value.replace(/(sip:[^@>]*@)([\w.-]+)/g, (all, user: string, host: string) =>
      NAMES[host] === this.place.ip || host === this.place.ip ? all : `${user}${this.member.host}`,
    );
    const transport = this.wire === "udp" || this.wire === "tls" ? "" : `;transport=${this.wire}`;
    return [["Contact", here.replace(/>/, `${transport}>`)]];
  }

  #body(arrow: Arrow, more: MessageText, dialog: PartyDialog): string {
    if (arrow.sdp === undefined || arrow.sdp === "no-sdp") {
      // The box takes addresses in c=, and no names.
      return arrow.sdp === "no-sdp"
        ? ""
        : (more.body ?? "").replace(/^c=IN IP4 [a-z][\w.]*/gm, `c=${typed(this.place.ip)}`);
    }
    const direction = arrow.sdp.split(":")[1] ?? "sendrecv";
    dialog.sdpVersion += 1;
    const { ip } = this.place;
    return `v=0\r\no=${this.name} 77 ${dialog.sdpVersion} IN ${ip.includes(":") ? "IP6" : "IP4"} ${this.member.host}\r\ns=-\r\nc=${typed(ip)}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=${direction}\r\n`;
  }
}

const typed = (ip: string): string => `IN ${ip.includes(":") ? "IP6" : "IP4"} ${ip}`;

export function memberOf(name: string): Member {
  return CAST[name] ?? fail(`${name} is not in the cast`);
}

/** What the dialog and the hop decide is not taken from a message of an RFC; what is for the RFC's proxies neither. */
const OWN = /^(via|max-forwards|from|to|call-id|cseq|contact|content-length)$/i;

function rest({ headers }: MessageText, body: string): [string, string][] {
  const own = headers.filter(([name]) => !OWN.test(name)).map(([name, value]): [string, string] => [name, value]);
  const typed = own.some(([name]) => /^content-type$/i.test(name));
  if (body === "") return own.filter(([name]) => !/^content-type$/i.test(name));
  return typed ? own : [...own, ["Content-Type", "application/sdp"]];
}

const rackOf = (reliable: string): [string, string] => [
  "RAck",
  `${headerOf(reliable, "RSeq")} ${headerOf(reliable, "CSeq")}`,
];

export function fail(problem: string): never {
  throw new Error(problem);
}
