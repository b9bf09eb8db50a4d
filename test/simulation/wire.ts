/**
 * The lower half of a simulated phone: its client transactions with their resending and their end (RFC 3261 §17.1), the
 * answers that it repeats, and what its temper does to everything that it sends.
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
  cancelled: boolean;
  readonly onResponse: (response: Sip) => void;
  /** No answer came in time. */
  readonly onSilence: () => void;
}

export class Wire {
  readonly #options: WireOptions;
  readonly #clients = new Map<string, Client>();
  readonly #sent: string[] = [];
  /** The last response to each request, by key: what an honest phone resends. */
  readonly #answers = new Map<string, string>();

  constructor(options: WireOptions) {
    this.#options = options;
  }

  answerTo(key: string): string | undefined {
    return this.#answers.get(key);
  }

  request(
    text: string,
    method: string,
    temper: Temper,
    onResponse: (response: Sip) => void,
    onSilence: () => void,
  ): Client {
    const client: Client = { text, method, provisional: false, done: false, cancelled: false, onResponse, onSilence };
    this.#clients.set(`${branchOf(readSip(text))} ${method}`, client);
    this.transmit(text, temper);
    this.#resend(client, T1, 0);
    this.#options.clock.after(GIVE_UP, () => {
      if (!client.done && !(method === "INVITE" && client.provisional)) this.#fallSilent(client);
    });
    return client;
  }

  onResponse(response: Sip): void {
    const { method } = cseqOf(response);
    const client = this.#clients.get(`${branchOf(response)} ${method}`);
    if (client === undefined) return;
    const status = statusOf(response);
    if (status < 200) {
      if (client.done) return;
      client.provisional = true;
    } else {
      if (client.done && method !== "INVITE") return;
      const first = !client.done;
      client.done = true;
      if (method === "INVITE" && status >= 300) {
        this.#ackRefusal(client, response);
        if (!first) return;
      }
    }
    client.onResponse(response);
  }

  #fallSilent(client: Client): void {
    client.done = true;
    client.onSilence();
  }

  #ackRefusal(client: Client, response: Sip): void {
    const sip = readSip(client.text);
    const keep = sip.headers.filter(([name], index) =>
      name === "via" ? index === 0 : ["from", "call-id", "max-forwards", "route"].includes(name),
    );
    const headers: [string, string][] = keep.map(([name, value]) => [name, value]);
    headers.push(["To", headerOf(response, "to")], ["CSeq", `${cseqOf(response).number} ACK`]);
    this.#options.send(writeSip(sip.start.replace(/^INVITE/, "ACK"), headers));
  }

  /** Of an INVITE that was answered by a 1xx, and by nothing more (RFC 3261 §9.1). */
  cancel(client: Client): void {
    if (client.done || client.cancelled || !client.provisional) return;
    client.cancelled = true;
    const sip = readSip(client.text);
    const keep = sip.headers.filter(([name], index) =>
      name === "via" ? index === 0 : ["from", "to", "call-id", "max-forwards", "route"].includes(name),
    );
    const headers: [string, string][] = keep.map(([name, value]) => [name, value]);
    headers.push(["CSeq", `${cseqOf(sip).number} CANCEL`]);
    const text = writeSip(sip.start.replace(/^INVITE/, "CANCEL"), headers);
    const nothing = () => {};
    this.request(text, "CANCEL", "honest", nothing, nothing);
    this.#options.clock.after(GIVE_UP, () => {
      if (!client.done) this.#fallSilent(client);
    });
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
    send(chance(random, 0.2) ? garble(text, random, this.#options.reliable) : text);
  }

  /** A response to `request`, remembered under `key`. Lines of `headers` come after those that are copied. */
  respond(
    request: Sip,
    key: string,
    status: number,
    to: string,
    temper: Temper,
    headers: readonly (readonly [string, string])[] = [],
    body = "",
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
    const lines = [...copied, ...(headers as [string, string][]), ...typed];
    const text = writeSip(`SIP/2.0 ${status} ${reason}`, lines, body);
    this.#answers.set(key, text);
    this.transmit(text, temper);
  }

  repeat(key: string, temper: Temper): void {
    const text = this.#answers.get(key);
    if (text !== undefined) this.transmit(text, temper);
  }
}
