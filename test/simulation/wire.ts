/**
 * The lower half of a simulated phone: its client transactions with their resending (RFC 3261 §17.1), the answers that it
 * repeats, and what its temper does to everything that it sends.
 */
import type { Millis, Random } from "../../src/base/index.ts";
import { garble } from "./garble.ts";
import { type Clock, chance, pick } from "./network.ts";
import type { Temper } from "./script.ts";
import { branchOf, cseqOf, headerOf, headersOf, readSip, type Sip, statusOf, writeSip } from "./sip-text.ts";

export const T1: Millis = 500;
export const T2: Millis = 4_000;
export const GIVE_UP: Millis = 64 * T1;

export interface WireOptions {
  readonly clock: Clock;
  /** Of the call that this message belongs to. */
  readonly diceOf: (text: string) => Random;
  readonly reliable: boolean;
  /** Stands in all that this side makes up. */
  readonly mark: string;
  readonly send: (text: string) => void;
}

export interface Client {
  readonly text: string;
  readonly method: string;
  provisional: boolean;
  done: boolean;
  readonly onResponse: (response: Sip) => void;
}

export class Wire {
  readonly #options: WireOptions;
  readonly #clients = new Map<string, Client>();
  readonly #sent: string[] = [];
  /** The last response to each request, by key: what an honest phone resends. */
  readonly #answers = new Map<string, string>();
  /** Final answers that our INVITEs got, by branch: the invariant is exactly one status each. */
  readonly finals = new Map<string, Set<number>>();

  constructor(options: WireOptions) {
    this.#options = options;
  }

  answerTo(key: string): string | undefined {
    return this.#answers.get(key);
  }

  client(branch: string): Client | undefined {
    return this.#clients.get(branch);
  }

  request(branch: string, method: string, text: string, temper: Temper, onResponse: (response: Sip) => void): void {
    const client: Client = { text, method, provisional: false, done: false, onResponse };
    this.#clients.set(branch, client);
    this.transmit(text, temper);
    this.#resend(client, T1, 0);
  }

  onResponse(response: Sip): void {
    const branch = branchOf(response);
    const client = this.#clients.get(branch);
    if (client === undefined) return;
    const status = statusOf(response);
    const { method } = cseqOf(response);
    if (method !== client.method) return;
    if (status < 200) client.provisional = true;
    if (status >= 200) {
      if (client.done && method !== "INVITE") return;
      const first = !client.done;
      client.done = true;
      if (method === "INVITE" && status >= 300) {
        this.#ackRefusal(client, response);
        if (!first) return this.noteFinal(branch, status);
      }
    }
    client.onResponse(response);
  }

  #ackRefusal(client: Client, response: Sip): void {
    const sip = readSip(client.text);
    const keep = sip.headers.filter(([name]) => ["via", "from", "call-id", "max-forwards", "route"].includes(name));
    const headers: [string, string][] = keep.map(([name, value]) => [name, value]);
    headers.push(["To", headerOf(response, "to")], ["CSeq", `${cseqOf(response).number} ACK`]);
    this.#options.send(writeSip(sip.start.replace(/^INVITE/, "ACK"), headers));
  }

  cancel(client: Client): void {
    const sip = readSip(client.text);
    const keep = sip.headers.filter(([name]) =>
      ["via", "from", "to", "call-id", "max-forwards", "route"].includes(name),
    );
    const headers: [string, string][] = keep.map(([name, value]) => [name, value]);
    headers.push(["CSeq", `${cseqOf(sip).number} CANCEL`]);
    const text = writeSip(sip.start.replace(/^INVITE/, "CANCEL"), headers);
    const cancel: Client = { text, method: "CANCEL", provisional: false, done: false, onResponse: () => {} };
    this.transmit(text, "honest");
    this.#resend(cancel, T1, 0);
  }

  noteFinal(branch: string, status: number): void {
    const seen = this.finals.get(branch) ?? new Set();
    seen.add(status);
    this.finals.set(branch, seen);
  }

  #resend(client: Client, wait: Millis, spent: Millis): void {
    if (this.#options.reliable) return;
    this.#options.clock.after(wait, () => {
      const invite = client.method === "INVITE";
      if (client.done || (invite && client.provisional) || spent + wait >= GIVE_UP) return;
      this.#options.send(client.text);
      this.#resend(client, invite ? wait * 2 : Math.min(wait * 2, T2), spent + wait);
    });
  }

  /** A babbler says everything up to three times and repeats old things; a liar garbles one message in five. */
  transmit(text: string, temper: Temper): void {
    const { diceOf, send } = this.#options;
    if (temper === "babbling") {
      const random = diceOf(text);
      this.#sent.push(text);
      if (this.#sent.length > 50) this.#sent.shift();
      send(text);
      if (chance(random, 0.3)) send(text);
      if (chance(random, 0.2)) send(pick(random, this.#sent));
      if (chance(random, 0.05)) send("\r\n\r\n");
      return;
    }
    if (temper !== "lying") return send(text);
    const random = diceOf(text);
    send(chance(random, 0.2) ? garble(text, random) : text);
  }

  answer(request: Sip, key: string, status: number, to: string, temper: Temper | readonly []): void {
    this.respond(request, key, status, to, [], "", typeof temper === "string" ? temper : "honest");
  }

  respond(
    request: Sip,
    key: string,
    status: number,
    to: string,
    headers: readonly (readonly [string, string])[],
    body: string,
    temper: Temper,
  ): void {
    const copied: [string, string][] = [
      ...headersOf(request, "via").map((via): [string, string] => ["Via", via]),
      ...headersOf(request, "record-route").map((route): [string, string] => ["Record-Route", route]),
      ["From", headerOf(request, "from")],
      ["To", to],
      ["Call-ID", headerOf(request, "call-id")],
      ["CSeq", headerOf(request, "cseq")],
    ];
    const typed: [string, string][] = body === "" ? [] : [["Content-Type", "application/sdp"]];
    const reason = `${this.#options.mark} says ${status}`;
    const text = writeSip(
      `SIP/2.0 ${status} ${reason}`,
      [...copied, ...(headers as [string, string][]), ...typed],
      body,
    );
    // A provisional response is resent only for a resent INVITE; so is a final one, until the transaction is over.
    this.#answers.set(key, text);
    this.transmit(text, temper);
  }
}
