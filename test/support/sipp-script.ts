/**
 * Scenarios for sipp, written as what one end of a dialog does, step by step. sipp fails the call when something else
 * comes than the script says, so a script is a test of each message's place in the dialog.
 */

export interface Words {
  /** Whole header lines. */
  readonly headers?: readonly string[];
  readonly body?: string;
}

/** A header value to keep under a name, and to use again as `[$NAME]`. */
export interface Keep {
  readonly header: string;
  readonly pattern: string;
  readonly name: string;
}

export class SippScript {
  readonly #name: string;
  readonly #role: "caller" | "callee";
  readonly #steps: string[] = [];
  readonly #kept = new Set<string>();
  #seq = 0;
  #inviteSeq = 0;
  /** The method of the last request. */
  #asked = "INVITE";

  constructor(name: string, role: "caller" | "callee") {
    this.#name = name;
    this.#role = role;
    this.#seq = role === "caller" ? 0 : 100;
  }

  // — The caller's first transaction

  invite({ headers = [], body }: Words = {}): this {
    const uri = "sip:[service]@[remote_ip]:[remote_port]";
    this.#inviteSeq = this.#seq += 1;
    return this.#send(
      `INVITE ${uri} SIP/2.0`,
      [...FRESH_VIA, ...this.#ours(), `To: <${uri}>`, ...this.#rest("INVITE"), ...headers],
      body,
      true,
    );
  }

  /** The ACK of a refusal belongs to its transaction: same branch, same To. */
  ackRefusal(): this {
    return this.#send(
      "ACK sip:[service]@[remote_ip]:[remote_port] SIP/2.0",
      [
        "[last_Via:]",
        ...this.#ours(),
        "[last_To:]",
        "Call-ID: [call_id]",
        `CSeq: ${this.#seq} ACK`,
        "Max-Forwards: 70",
      ],
      undefined,
      false,
    );
  }

  /** After a 1xx: it has the branch that the CANCEL needs. */
  cancel(): this {
    this.#asked = "CANCEL";
    const uri = "sip:[service]@[remote_ip]:[remote_port]";
    const lines = ["[last_Via:]", ...this.#ours(), `To: <${uri}>`, "Call-ID: [call_id]", `CSeq: ${this.#seq} CANCEL`];
    return this.#send(`CANCEL ${uri} SIP/2.0`, [...lines, "Max-Forwards: 70"], undefined, true);
  }

  // — Inside the dialog, by either end

  /** `ACK` of a 2xx, and every request but the first INVITE. */
  request(method: string, { headers = [], body }: Words = {}): this {
    if (method !== "ACK") this.#seq += 1;
    if (method === "INVITE") this.#inviteSeq = this.#seq;
    this.#asked = method;
    const to =
      this.#role === "caller" ? "To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]" : "To: [$remote]";
    const lines = [...FRESH_VIA, "[routes]", ...this.#ours(), to, ...this.#rest(method), ...headers];
    return this.#send(`${method} [next_url] SIP/2.0`, lines, body, method !== "ACK");
  }

  /** The callee's answer to the INVITE, whatever came since. */
  reply(status: string, { headers = [], body }: Words = {}, resend = false): this {
    const lines = ["Via:[$via]", "From:[$remote]", `To:[$local]${CALLEE_TAG}`, "Call-ID: [call_id]", "CSeq:[$cseq]"];
    return this.#send(`SIP/2.0 ${status}`, [...lines, CONTACT, ...headers], body, resend);
  }

  /** To the request that came last, inside the dialog: its To has our tag already. */
  replyInside(status: string, { headers = [], body }: Words = {}, resend = false): this {
    const lines = ["[last_Via:]", "[last_From:]", "[last_To:]", "[last_Call-ID:]", "[last_CSeq:]"];
    return this.#send(`SIP/2.0 ${status}`, [...lines, CONTACT, ...headers], body, resend);
  }

  replyToCancel(): this {
    const lines = ["[last_Via:]", "[last_From:]", `[last_To:]${CALLEE_TAG}`, "[last_Call-ID:]", "[last_CSeq:]"];
    return this.#send("SIP/2.0 200 OK", lines, undefined, false);
  }

  // — What must come

  /** A status, or a method. A call in which something else comes has failed. */
  expect(what: number | string, options: { optional?: boolean; keep?: Keep } = {}): this {
    const kind = typeof what === "number" ? "response" : "request";
    const optional = options.optional === true ? ' optional="true"' : "";
    const actions: string[] = [];
    if (options.keep !== undefined) actions.push(this.#keep(options.keep));
    if (what === "INVITE" && this.#role === "callee" && !this.#kept.has("remote")) {
      for (const [header, name] of INVITE_HEADERS) actions.push(this.#keep({ header, pattern: ".*", name }));
    }
    const action = actions.length === 0 ? "" : `<action>${actions.join("")}</action>`;
    // The route set is taken from what makes the dialog; nobody else may change it.
    const makesDialog = what === 183 || what === "INVITE" || (what === 200 && this.#asked === "INVITE");
    const route = makesDialog ? ' rrs="true"' : "";
    this.#steps.push(`<recv ${kind}="${what}"${optional}${route}>${action}</recv>`);
    return this;
  }

  pause(milliseconds: number): this {
    this.#steps.push(`<pause milliseconds="${milliseconds}"/>`);
    return this;
  }

  toXml(): string {
    const variables = this.#kept.size === 0 ? "" : `<Reference variables="${[...this.#kept].join(",")}"/>`;
    return `<?xml version="1.0" encoding="ISO-8859-1" ?>\n<scenario name="${this.#name}">\n${this.#steps.join("\n")}\n${variables}\n</scenario>\n`;
  }

  #ours(): string[] {
    return [
      `From: <sip:${this.#role}@[local_ip]:[local_port]>${this.#role === "caller" ? ";tag=[pid]a[call_number]" : CALLEE_TAG}`,
    ];
  }

  #rest(method: string): string[] {
    const seq = method === "ACK" ? this.#inviteSeq : this.#seq;
    return ["Call-ID: [call_id]", `CSeq: ${seq} ${method}`, CONTACT, "Max-Forwards: 70"];
  }

  #keep({ header, pattern, name }: Keep): string {
    this.#kept.add(name);
    return `<ereg regexp="${pattern}" search_in="hdr" header="${header}:" check_it="true" assign_to="${name}"/>`;
  }

  #send(startLine: string, lines: readonly string[], body: string | undefined, resend: boolean): this {
    const content = body === undefined ? [] : ["Content-Type: application/sdp"];
    const typed = lines.some((line) => line.startsWith("Content-Type")) ? [] : content;
    const text = [startLine, ...lines, ...typed, "Content-Length: [len]", "", body ?? ""].join("\n");
    this.#steps.push(`<send${resend ? ' retrans="500"' : ""}><![CDATA[\n${text}\n]]></send>`);
    return this;
  }
}

/** What answers to the INVITE are made of. */
const INVITE_HEADERS = [
  ["From", "remote"],
  ["To", "local"],
  ["Via", "via"],
  ["CSeq", "cseq"],
] as const;

const FRESH_VIA = ["Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]"];
const CONTACT = "Contact: <sip:[local_ip]:[local_port];transport=[transport]>";
const CALLEE_TAG = ";tag=[pid]b[call_number]";

/** An audio description; `version` goes up with each that differs. */
export const sdp = (direction = "sendrecv", version = 1): string =>
  [
    "v=0",
    `o=sipp 1 ${version} IN IP[local_ip_type] [local_ip]`,
    "s=-",
    "c=IN IP[media_ip_type] [media_ip]",
    "t=0 0",
    "m=audio [media_port] RTP/AVP 0 8", // No media is sent; one of its own for each call runs out in the end.
    `a=${direction}`,
    "",
  ].join("\n");
