import {
  Agenda,
  type Destination,
  type Hop,
  type Millis,
  type Protocol,
  type SendToken,
  seededRandom,
} from "../../../src/base/index.ts";
import {
  parseMessage,
  type Request,
  RequestDraft,
  type Response,
  responseTo,
  type ViaValue,
} from "../../../src/message/index.ts";
import { type ServerTransaction, Transactions, type TransportPort } from "../../../src/transaction/index.ts";

export const HOP: Hop = {
  realm: "inside",
  listener: "inside/udp",
  protocol: "udp",
  remote: { ip: "10.0.0.9", port: 5060 },
  connection: 0,
  tlsNames: [],
};

export const TCP_HOP: Hop = { ...HOP, protocol: "tcp", connection: 7 };

export const DESTINATION: Destination = { realm: "inside", protocol: "udp", remote: HOP.remote };

/** A transport that notes what goes out, in place of a network. */
export class Wire implements TransportPort {
  sent: string[] = [];
  /** What a UDP request becomes when it is too large and may go by TCP. */
  largeBytes = Number.POSITIVE_INFINITY;

  sendRequest(
    destination: Destination,
    _token: SendToken,
    make: (via: { protocol: Protocol; sentBy: string }) => string,
    _now: Millis,
  ): { protocol: Protocol; hop: Hop } {
    let protocol = destination.protocol;
    let text = make({ protocol, sentBy: "10.0.0.1:5070" });
    if (text.length > this.largeBytes && destination.tcpForLargeRequests === true) {
      protocol = "tcp";
      text = make({ protocol, sentBy: "10.0.0.1:5070" });
    }
    this.sent.push(text);
    return { protocol, hop: protocol === "udp" ? HOP : TCP_HOP };
  }

  resend(_hop: Hop, text: string): void {
    this.sent.push(text);
  }

  sendResponse(hop: Hop, _topVia: ViaValue, text: string): Hop {
    this.sent.push(text);
    return hop;
  }

  /** What went out since the last look. */
  take(): string[] {
    return this.sent.splice(0);
  }

  /** The same, as start lines. */
  lines(): string[] {
    return this.take().map(startLine);
  }
}

export const startLine = (text: string): string => text.slice(0, text.indexOf("\r\n"));

/** A transaction layer with a noting transport below and a noting user above, in virtual time. */
export class Bench {
  readonly wire = new Wire();
  readonly agenda = new Agenda();
  readonly up: string[] = [];
  readonly servers: { request: Request; server: ServerTransaction }[] = [];
  readonly layer: Transactions;
  now: Millis = 1_000;

  constructor(
    options: { limit?: number; onRequest?: (request: Request, server: ServerTransaction, now: Millis) => void } = {},
  ) {
    this.layer = new Transactions({
      transport: this.wire,
      agenda: this.agenda,
      random: seededRandom(1),
      limit: options.limit ?? 1_000,
      user: {
        request: (request, server, _hop, now) => {
          this.up.push(request.method);
          this.servers.push({ request, server });
          options.onRequest?.(request, server, now);
        },
        ack: (request) => this.up.push(request.method),
        strayResponse: (response) => this.up.push(`stray ${response.status}`),
        lateFork: (response, _hop, first) => this.up.push(`${first ? "late" : "copy of late"} ${response.status}`),
      },
    });
  }

  receive(text: string, hop: Hop = HOP): void {
    this.layer.message(parseMessage(text), hop, this.now);
  }

  /** Lets time pass, stopping at each deadline. */
  pass(ms: Millis): void {
    const end = this.now + ms;
    for (;;) {
      const at = this.agenda.nextDeadline();
      if (at === undefined || at > end) break;
      this.now = Math.max(this.now, at);
      this.agenda.expire(this.now);
    }
    this.now = end;
  }

  /** Answers the request that went out last. */
  answer(status: number, requestText: string, hop: Hop = HOP, toTag = "b"): void {
    this.receive(responseTo(parseMessage(requestText) as Request, status, toTag).toText(), hop);
  }
}

export function draft(method: string, lines: readonly (readonly [string, string])[] = []): RequestDraft {
  const request = new RequestDraft(method, "sip:bob@10.0.0.9")
    .add("Max-Forwards", "70")
    .add("From", "<sip:a@10.0.0.1>;tag=f")
    .add("To", "<sip:bob@10.0.0.9>")
    .add("Call-ID", "c1")
    .add("CSeq", `1 ${method}`);
  for (const [name, value] of lines) request.add(name, value);
  return request;
}

export interface Incoming {
  readonly method?: string;
  readonly cseqMethod?: string;
  readonly branch?: string;
  readonly callId?: string;
  readonly cseq?: number;
  readonly toTag?: string;
  readonly sentBy?: string;
  readonly uri?: string;
}

export function incoming(of: Incoming = {}): string {
  const method = of.method ?? "INVITE";
  const branch = of.branch === "" ? "" : `;branch=${of.branch ?? "z9hG4bKabc"}`;
  return [
    `${method} ${of.uri ?? "sip:us@10.0.0.1"} SIP/2.0`,
    `Via: SIP/2.0/UDP ${of.sentBy ?? "10.0.0.9"}${branch}`,
    "Max-Forwards: 70",
    "From: <sip:bob@10.0.0.9>;tag=ft",
    `To: <sip:us@10.0.0.1>${of.toTag === undefined ? "" : `;tag=${of.toTag}`}`,
    `Call-ID: ${of.callId ?? "in1"}`,
    `CSeq: ${of.cseq ?? 1} ${method}`,
    "Content-Length: 0",
    "",
    "",
  ].join("\r\n");
}

export const asResponse = (text: string): Response => parseMessage(text) as Response;
