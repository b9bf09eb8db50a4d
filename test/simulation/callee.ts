/** The called half of a simulated phone: RFC 3261 §13.3, RFC 3262 §3, RFC 3264, with forks that it plays itself. */
import { below, type Millis, token } from "../../src/base/index.ts";
import { challenge, faultOfProof } from "./credentials.ts";
import { type Desk, type Headers, tagIn } from "./desk.ts";
import type { Dialog } from "./dialog.ts";
import { type CalleeScript, type CallerScript, isFair, type Ring, THIRD } from "./script.ts";
import { awaits, hasReserved } from "./sdp-text.ts";
import { WHO } from "./settings.ts";
import { cseqOf, headerOf, headersOf, type Sip, statusOf, tagOf, uriOf, writeSip } from "./sip-text.ts";
import type { Talk } from "./talk.ts";
import { agreeOnTimer, allowOf } from "./timer-text.ts";
import { type Client, GIVE_UP, T1, T2 } from "./wire.ts";
import { uuidOf } from "./words.ts";

/** Stands in the branch of an INVITE that goes back to where it came from. */
export const RETURNED = "-returned";

/** An INVITE that has no final answer yet is looked at again so soon. */
const AGAIN: Millis = 500;

/** With the status that told him, the nonce, and how often it was asked. */
type Challenged = Map<string, readonly [status: number, nonce: string, round: number]>;

export class Callee {
  readonly #desk: Desk;
  readonly #talk: Talk;
  readonly #calls = new Map<string, Called>();
  readonly #asked = new Map<string, number>();
  /** Call-IDs whose caller has to prove who he is. */
  readonly #challenged: Challenged = new Map();

  constructor(desk: Desk, talk: Talk) {
    this.#desk = desk;
    this.#talk = talk;
  }

  invite(request: Sip, key: string, replaced: Dialog | undefined): void {
    const known = this.#calls.get(key);
    if (known !== undefined) return known.again();
    const number = /^INVITE (?:sips?|tel):([^@;\s]*)/.exec(request.start)?.[1] ?? "";
    const script =
      replaced === undefined ? this.#desk.options.scriptFor(number) : this.#desk.options.scriptFor(replaced.number);
    if (script === undefined) {
      const to = `${headerOf(request, "to")};tag=${this.#desk.options.mark}none`;
      return this.#desk.wire.respond(request, key, 404, to, "honest");
    }
    const asked = (this.#asked.get(number) ?? 0) + 1;
    this.#asked.set(number, asked);
    const callId = headerOf(request, "call-id"); // Another one is another target, which has asked for nothing yet.
    const challenged = this.#challenged.get(callId);
    this.#challenged.delete(callId);
    if (challenged !== undefined && isFair(script.temper)) {
      const [status, nonce] = challenged;
      const fault = faultOfProof(request, status, nonce, script.proof, WHO);
      if (fault !== "") this.#desk.options.complain(`INVITE ${number}: ${fault}`);
    }
    const again = challenged?.[2] === 1 && script.proof.stale;
    const status = again ? challenged[0] : asked > 1 ? script.nextStatus : script.status;
    const waits = this.#desk.options.preconditions && awaits(request.body);
    // Resources are told of by UPDATE.
    const habits = { ...script, status, takesUpdate: script.takesUpdate || waits };
    const rounds = again ? 2 : 1;
    const called = new Called(this.#desk, this.#talk, request, key, number, habits, this.#challenged, rounds, waits);
    this.#calls.set(key, called);
    if (replaced !== undefined) return called.replace(replaced);
    const caller = this.#desk.options.callFor(number)?.caller;
    const told = headerOf(request, "session-id");
    if (caller !== undefined && hasOneEnd(caller, number) && !told.startsWith(`${uuidOf(number)};remote=`))
      this.#desk.options.complain(`INVITE ${number}: Session-ID ${told} of a caller that is ${uuidOf(number)}`);
    if (script.returns && isFair(script.temper)) called.sendBack();
    else called.start();
  }

  cancel(key: string): boolean {
    const called = this.#calls.get(key);
    called?.cancel();
    return called !== undefined;
  }

  prack(request: Sip, dialog: Dialog, key: string): void {
    for (const called of this.#calls.values()) if (called.prack(request, dialog, key)) return;
    this.#desk.wire.respond(request, key, 481, headerOf(request, "to"), "honest");
  }

  ack(request: Sip): void {
    for (const called of this.#calls.values()) called.ack(request);
  }

  /** BYE in an early dialog, or after the answer: nothing is to be resent. */
  ended(dialog: Dialog): void {
    for (const called of this.#calls.values()) called.dialogEnded(dialog);
  }
}

/** Its 503 asks that nobody be called for a second (RFC 3261 §21.5.4). */
export const asksForRest = ({ status, otherForkAfter }: CalleeScript): boolean =>
  status === 503 && otherForkAfter !== undefined;

/** Says its Session-ID, and says it rightly, in a call that is no transfer. */
const hasOneEnd = ({ words, temper }: CallerScript, number: string): boolean =>
  words.includes("Session-ID") && isFair(temper) && Number(number.slice(-6)) < THIRD;

/** One INVITE and its forks. */
class Called {
  readonly #desk: Desk;
  readonly #talk: Talk;
  readonly #invite: Sip;
  readonly #key: string;
  readonly #number: string;
  readonly #script: CalleeScript;
  readonly #challenged: Challenged;
  /** How often a challenge asks, with this one. */
  readonly #rounds: number;
  /** The caller's resources are not there yet (RFC 3312): nobody rings, and nobody answers. */
  readonly #waits: boolean;
  readonly #forks = new Map<number, Dialog>();
  /** Reliable 1xx that wait for their PRACK. */
  readonly #unpracked = new Map<Dialog, { readonly rseq: number; readonly offers: boolean }>();
  readonly #rseqs = new Map<Dialog, number>();
  readonly #unacked = new Set<Dialog>();
  #rang = false;
  #final = false;
  /** The INVITE as it was sent back to where it came from. */
  #returned: Client | undefined;
  /** The key of what was said last. */
  #said = "";

  constructor(
    desk: Desk,
    talk: Talk,
    invite: Sip,
    key: string,
    number: string,
    script: CalleeScript,
    challenged: Challenged,
    rounds: number,
    waits: boolean,
  ) {
    this.#desk = desk;
    this.#talk = talk;
    this.#invite = invite;
    this.#key = key;
    this.#number = number;
    this.#script = script;
    this.#challenged = challenged;
    this.#rounds = rounds;
    this.#waits = waits;
  }

  start(): void {
    const script = this.#script;
    if (script.temper === "mute") return;
    const answers = script.status < 300 && script.status > 0;
    if (this.#waits && answers)
      this.#ring({ after: 0, status: 183, fork: script.fork, sdp: true, reliable: true, media: "" });
    for (const ring of script.rings) this.#desk.after(ring.after, () => this.#ring(ring));
    if (this.#script.status !== 0) this.#desk.after(script.answerAfter, () => this.#finish(0));
  }

  /** As a proxy that believes us to be the way to its user (RFC 3261 §16.6, RFC 5393). */
  sendBack(): void {
    const { options, wire, address } = this.#desk;
    if (this.#script.temper === "mute") return;
    const random = options.diceOf(this.#number);
    const hops = Number(headerOf(this.#invite, "max-forwards"));
    const to = `${headerOf(this.#invite, "to")};tag=${this.#desk.tag(random)}`;
    if (hops <= 0) return this.#say(this.#key, 483, to, []);
    const lines = this.#invite.headers.map(([name, value]): [string, string] => [
      name,
      name === "max-forwards" ? String(hops - 1) : value,
    ]);
    const via = `SIP/2.0/${options.protocol} ${address};branch=${this.#desk.branch(random)}${RETURNED};rport`;
    const start = this.#invite.start.replace(/@[^ ;]*/, `@${options.box}`);
    const text = writeSip(
      start,
      [["Via", via], ...lines.filter(([name]) => name !== "content-length")],
      this.#invite.body,
    );
    const refused = (status: number): void => {
      this.#final = true;
      this.#say(this.#key, status, to, []);
    };
    this.#returned = wire.request(
      text,
      "INVITE",
      this.#script.temper,
      (response) => {
        if (statusOf(response) >= 300) refused(statusOf(response));
        else if (statusOf(response) >= 200)
          this.#desk.options.complain(`INVITE ${this.#number} went round, and was answered`);
      },
      () => refused(408),
    );
  }

  /** A copy of the INVITE came. */
  again(): void {
    this.#desk.wire.repeat(this.#said, this.#script.temper);
  }

  #say(key: string, status: number, to: string, headers: Headers, body = ""): void {
    this.#said = key;
    this.#desk.wire.respond(this.#invite, key, status, to, this.#script.temper, headers, body);
  }

  /** RFC 3891 §3: it takes the place of a call that stands. */
  replace(old: Dialog): void {
    if (this.#script.temper === "mute") return;
    if (old.state !== "up") return this.#refuse(old.state === "over" ? 603 : 481);
    this.#answer(this.#forkOf(0), () => this.#talk.bye(old));
  }

  cancel(): void {
    if (this.#final || this.#script.temper === "mute") return;
    if (this.#returned !== undefined) this.#desk.wire.cancel(this.#returned);
    this.#refuse(487);
  }

  dialogEnded(dialog: Dialog): void {
    if (![...this.#forks.values()].includes(dialog)) return;
    this.#unacked.delete(dialog);
    if (!this.#final) this.#refuse(487);
  }

  #refuse(status: number): void {
    this.#final = true;
    const dialog = this.#forkOf(this.#script.fork);
    for (const fork of this.#forks.values()) fork.state = "over";
    const contact: Headers =
      status >= 300 && status < 400 ? [["Contact", `<sip:${this.#number}@${this.#desk.address}>`]] : [];
    const retry: Headers = asksForRest({ ...this.#script, status }) ? [["Retry-After", "1"]] : [];
    this.#say(this.#key, status, dialog.local, [...contact, ...retry, ...this.#challenge(status, dialog)]);
  }

  #challenge(status: number, { random }: Dialog): Headers {
    if (!this.#desk.options.challenges || (status !== 401 && status !== 407)) return [];
    const nonce = token(random, 16);
    this.#challenged.set(headerOf(this.#invite, "call-id"), [status, nonce, this.#rounds]);
    return [challenge(status, this.#desk.host, this.#script.proof, nonce, this.#rounds > 1)];
  }

  #forkOf(number: number): Dialog {
    let dialog = this.#forks.get(number);
    if (dialog === undefined) {
      const invite = this.#invite;
      const random = this.#desk.options.diceOf(this.#number);
      const localTag = this.#desk.tag(random);
      const ids = {
        callId: headerOf(invite, "call-id"),
        local: `${headerOf(invite, "to")};tag=${localTag}`,
        localTag,
        remote: headerOf(invite, "from"),
        target: uriOf(headerOf(invite, "contact")),
      };
      const exchange = invite.body === "" ? "none" : "got";
      dialog = this.#desk.keep(this.#desk.newDialog(this.#number, this.#script, random, ids, exchange));
      dialog.route = headersOf(invite, "record-route");
      dialog.remoteCseq = cseqOf(invite).number;
      this.#forks.set(number, dialog);
    }
    return dialog;
  }

  /** RFC 3312 §6: has the caller what it waits for, as far as it told? */
  get #held(): boolean {
    return this.#waits && ![...this.#forks.values()].some(({ theirs }) => hasReserved(theirs));
  }

  #ring({ status, fork, sdp, reliable, media }: Ring): void {
    if (this.#final || (status === 180 && this.#held)) return;
    const invite = this.#invite;
    const dialog = this.#forkOf(fork);
    if (dialog.state === "over" || this.#unpracked.has(dialog)) return;
    const required = /100rel/.test(headerOf(invite, "require"));
    const reliably = required || (reliable && /100rel/.test(headerOf(invite, "supported")));
    const body = sdp ? this.#early(dialog, reliably) : "";
    const headers: (readonly [string, string])[] = [this.#desk.contact, ["Allow", allowOf(this.#script)]];
    if (media !== "") headers.push(["P-Early-Media", media]);
    const key = `${this.#key} ${fork}`;
    if (reliably) {
      const rseq = (this.#rseqs.get(dialog) ?? below(dialog.random, 1_000)) + 1;
      this.#rseqs.set(dialog, rseq);
      this.#unpracked.set(dialog, { rseq, offers: body !== "" && dialog.exchange === "sent" });
      headers.push(["Require", "100rel"], ["RSeq", String(rseq)]);
      this.#repeat(dialog, key, rseq, T1);
    }
    this.#say(key, status, dialog.local, headers, body);
    if (this.#rang) return;
    this.#rang = true;
    for (const { after, what } of this.#script.early) this.#desk.after(after, () => this.#talk.do(dialog, what));
  }

  #early(dialog: Dialog, reliably: boolean): string {
    if (dialog.exchange === "got") {
      const answer = dialog.sdp.answer(this.#invite.body);
      if (!reliably) return answer;
      this.#settle(dialog, this.#invite.body, answer);
      return answer;
    }
    if (dialog.exchange !== "none" || !reliably) return "";
    dialog.exchange = "sent";
    return (dialog.ours = dialog.sdp.offer());
  }

  #settle(dialog: Dialog, theirs: string, ours: string): void {
    dialog.exchange = "stable";
    dialog.theirs = theirs;
    dialog.ours = ours;
  }

  #repeat(dialog: Dialog, key: string, rseq: number, wait: Millis): void {
    this.#desk.after(wait, () => {
      if (this.#unpracked.get(dialog)?.rseq !== rseq || this.#final) return;
      if (wait > GIVE_UP) return this.#refuse(504); // RFC 3262 §3.
      this.#desk.wire.repeat(key, this.#script.temper);
      this.#repeat(dialog, key, rseq, wait * 2);
    });
  }

  /** False: it belongs to another INVITE. */
  prack(request: Sip, dialog: Dialog, key: string): boolean {
    const waiting = this.#unpracked.get(dialog);
    if (waiting === undefined) return false;
    const rack = `${waiting.rseq} ${cseqOf(this.#invite).number} INVITE`;
    if (headerOf(request, "rack") !== rack) {
      this.#desk.complain(dialog, `PRACK ${headerOf(request, "rack")} for ${rack}`);
      return false;
    }
    this.#unpracked.delete(dialog);
    let answer = "";
    if (waiting.offers) {
      if (request.body === "") this.#desk.complain(dialog, "a PRACK without the answer to the offer of the 1xx");
      else this.#settle(dialog, request.body, dialog.ours);
    } else if (request.body !== "") {
      // An UPDATE of ours, or the refusal of it, crossed the PRACK: the box is judged by what it had seen (offers.ts).
      if (dialog.exchange === "sent" && dialog.updating) {
        this.#desk.wire.respond(request, key, 491, headerOf(request, "to"), this.#script.temper);
        return true;
      }
      if (dialog.exchange !== "stable") this.#desk.complain(dialog, `a PRACK with an offer while "${dialog.exchange}"`);
      answer = dialog.sdp.answer(request.body);
      this.#settle(dialog, request.body, answer);
    }
    this.#desk.wire.respond(request, key, 200, headerOf(request, "to"), this.#script.temper, [], answer);
    return true;
  }

  /** `waited`: for PRACK, or for the answer to an offer of our own; RFC 3262 §3 lets no answer overtake them. */
  #finish(waited: Millis): void {
    if (this.#final) return;
    if (this.#script.status >= 300) return this.#refuse(this.#script.status);
    const dialog = this.#forkOf(this.#script.fork);
    if (dialog.state === "over") return;
    if (this.#unpracked.has(dialog) || dialog.exchange === "sent" || dialog.updating || this.#held) {
      if (waited >= GIVE_UP) return this.#refuse(this.#held ? 580 : 504);
      return this.#desk.after(AGAIN, () => this.#finish(waited + AGAIN));
    }
    this.#answer(dialog, () => {});
    const { otherForkAfter } = this.#script;
    if (otherForkAfter !== undefined) this.#desk.after(otherForkAfter, () => this.#answerToo());
  }

  /** Another fork picks up as well (RFC 3261 §13.2.2.4): it will get ACK and BYE. */
  #answerToo(): void {
    const other = this.#forkOf(this.#script.fork === 0 ? 1 : 0);
    if (this.#unpracked.has(other) || other.exchange === "sent" || other.state !== "early") return;
    if (this.#waits && !hasReserved(other.theirs)) return;
    this.#answer(other, () => {});
  }

  #answer(dialog: Dialog, then: () => void): void {
    this.#final = true;
    const invite = this.#invite;
    let body = "";
    if (dialog.exchange === "got") {
      body = dialog.sdp.answer(invite.body);
      this.#settle(dialog, invite.body, body);
    } else if (dialog.exchange === "none") {
      body = dialog.sdp.offer();
      dialog.ours = body;
      dialog.exchange = "sent";
    }
    const { mark } = this.#desk.options;
    const headers: Headers = [
      this.#desk.contact,
      ["Server", `${mark}-Phone/1.0`],
      ["Allow", allowOf(this.#script)],
      ["Supported", "replaces"],
      ...agreeOnTimer(this.#script.timer, invite),
      ["Warning", `399 ${this.#desk.host} "${mark}"`],
    ];
    dialog.state = "up";
    dialog.called = true;
    this.#unacked.add(dialog);
    const key = `${this.#key} answer ${dialog.localTag}`;
    this.#say(key, 200, dialog.local, headers, body);
    this.#repeatAnswer(dialog, key, T1, 0);
    this.#talk.begin(dialog, invite, "uas");
    then();
  }

  /** The 2xx is resent by the phone itself until the ACK (RFC 3261 §13.3.1.4); without one the call is ended. */
  #repeatAnswer(dialog: Dialog, key: string, wait: Millis, spent: Millis): void {
    this.#desk.after(wait, () => {
      if (!this.#unacked.has(dialog) || dialog.vanished) return;
      if (spent + wait >= GIVE_UP) {
        this.#unacked.delete(dialog);
        dialog.called = false;
        return this.#talk.bye(dialog);
      }
      this.#desk.wire.repeat(key, this.#script.temper);
      this.#repeatAnswer(dialog, key, Math.min(wait * 2, T2), spent + wait);
    });
  }

  ack(request: Sip): void {
    if (cseqOf(request).number !== cseqOf(this.#invite).number) return;
    const dialog = this.#desk.find(
      headerOf(request, "call-id"),
      tagOf(headerOf(request, "to")),
      tagIn(headerOf(request, "from")),
    );
    if (dialog === undefined || !this.#unacked.delete(dialog)) return;
    dialog.called = false;
    if (dialog.exchange !== "sent") return;
    if (request.body === "") {
      // Another fork is the chosen one, and this one is about to be ended: no answer is owed (a BYE follows).
      this.#desk.after(GIVE_UP, () => {
        if (dialog.state === "up" && !dialog.vanished)
          this.#desk.complain(dialog, "an ACK without the answer to our offer");
      });
      return;
    }
    this.#settle(dialog, request.body, dialog.ours);
  }
}
