/** What the parts of a simulated phone share: its name, its dialogs, and how it writes a request inside one. */
import { below, hostText, type Millis, type Random, token } from "../../src/base/index.ts";
import type { Dialog, Exchange } from "./dialog.ts";
import type { Clock } from "./network.ts";
import type { CalleeScript, CallScript, ErrandScript, Habits } from "./script.ts";
import { Description } from "./sdp-text.ts";
import { type Sip, writeSip } from "./sip-text.ts";
import { type Client, Wire } from "./wire.ts";

export interface PhoneOptions {
  readonly clock: Clock;
  /** Of the call that this message or number belongs to. */
  readonly diceOf: (text: string) => Random;
  /** Stands in all that this side makes up: hosts, tags, branches, Call-IDs, CNAMEs. */
  readonly mark: string;
  readonly ip: string;
  readonly port: number;
  /** Where its requests go: host and port of the box on this side. */
  readonly box: string;
  readonly reliable: boolean;
  readonly protocol: "UDP" | "TLS";
  readonly srtp: boolean;
  readonly send: (text: string) => void;
  /** How a call that arrives for this number is to be handled. */
  readonly scriptFor: (number: string) => CalleeScript | undefined;
  /** How a phone of this side calls when somebody else asks it to (REFER), within the call of this number. */
  readonly callFor: (number: string) => CallScript | undefined;
  /** How a request outside of calls to this number is to be handled. */
  readonly errandFor: (number: string) => ErrandScript | undefined;
  /** Its 401 and 407 carry a challenge, and what comes then must answer it. */
  readonly challenges: boolean;
  /** Does this side's peer have preconditions (RFC 3312)? */
  readonly preconditions: boolean;
  /** Something that an honest phone must not meet. */
  readonly complain: (what: string) => void;
}

export type Headers = readonly (readonly [string, string])[];

interface Ids {
  readonly callId: string;
  readonly local: string;
  readonly localTag: string;
  readonly remote: string;
  readonly target: string;
}

export class Desk {
  readonly options: PhoneOptions;
  readonly wire: Wire;
  readonly dialogs = new Map<string, Dialog>();

  constructor(options: PhoneOptions) {
    this.options = options;
    this.wire = new Wire(options);
  }

  get host(): string {
    return `${this.options.mark}.example`;
  }

  get address(): string {
    return `${hostText(this.options.ip)}:${this.options.port}`;
  }

  get contact(): readonly [string, string] {
    return ["Contact", `<sip:${this.options.mark}@${this.address}>`];
  }

  tag(random: Random): string {
    return `${this.options.mark}${token(random, 8)}`;
  }

  branch(random: Random): string {
    return `z9hG4bK${this.options.mark}${token(random, 12)}`;
  }

  after(wait: Millis, run: () => void): void {
    this.options.clock.after(wait, run);
  }

  /** How long this phone thinks before it answers. */
  thought({ habits, random }: Dialog): Millis {
    return habits.temper === "slow" ? below(random, 12_000) : 0;
  }

  newDialog(number: string, habits: Habits, random: Random, ids: Ids, exchange: Exchange): Dialog {
    const sdp = new Description(this.options, random);
    const state = { state: "early", theirs: "", ours: "", lastAck: "", lastRSeq: 0, remoteCseq: 0 } as const;
    const free = { calling: undefined, called: false, updating: false, vanished: false } as const;
    const cseq = below(random, 1_000);
    return { number, habits, random, ...ids, route: [], cseq, sdp, exchange, ...state, ...free, endAt: { bye: 0 } };
  }

  /** One more early dialog of the same INVITE. */
  fork(dialog: Dialog, changed: Partial<Dialog>): Dialog {
    const sdp = new Description(this.options, dialog.random, dialog.sdp);
    return { ...dialog, sdp, endAt: { bye: 0 }, ...changed };
  }

  /** Puts it where requests for it are looked up. */
  keep(dialog: Dialog): Dialog {
    this.dialogs.set(keyOf(dialog.callId, dialog.localTag, tagIn(dialog.remote)), dialog);
    return dialog;
  }

  find(callId: string, localTag: string, remoteTag: string): Dialog | undefined {
    return this.dialogs.get(keyOf(callId, localTag, remoteTag));
  }

  /** Inside a dialog; also the INVITE that makes one. */
  request(
    dialog: Dialog,
    method: string,
    headers: Headers,
    body: string,
    onResponse: (response: Sip) => void,
    onSilence: () => void = () => {},
  ): Client {
    dialog.cseq += 1;
    const text = this.write(dialog, method, dialog.cseq, this.branch(dialog.random), headers, body);
    return this.wire.request(text, method, dialog.habits.temper, onResponse, onSilence);
  }

  write(dialog: Dialog, method: string, cseq: number, branch: string, headers: Headers, body: string): string {
    const sdp = body.startsWith("v=0");
    return writeSip(
      `${method} ${dialog.target} SIP/2.0`,
      [
        ["Via", `SIP/2.0/${this.options.protocol} ${this.address};branch=${branch};rport`],
        ["Max-Forwards", "70"],
        ...dialog.route.map((route): [string, string] => ["Route", route]),
        ["From", dialog.local],
        ["To", dialog.remote],
        ["Call-ID", dialog.callId],
        ["CSeq", `${cseq} ${method}`],
        ...headers,
        ...(sdp ? [["Content-Type", "application/sdp"] as const] : []),
      ],
      body,
    );
  }

  complain(dialog: Dialog, what: string): void {
    const { temper } = dialog.habits;
    if (temper !== "honest" && temper !== "slow") return;
    this.options.complain(`${this.options.mark} in ${dialog.callId}: ${what}`);
  }
}

export const tagIn = (value: string): string => /;\s*tag=([^;\s]+)/.exec(value)?.[1] ?? "";
const keyOf = (callId: string, local: string, remote: string): string => `${callId} ${local} ${remote}`;
