/** The calling half of a simulated phone: RFC 3261 §13.2, RFC 3262 §4, RFC 3264, RFC 4028 §7. */
import { type Millis, type Random, token } from "../../src/base/index.ts";
import { type Desk, type Headers, tagIn } from "./desk.ts";
import type { Dialog } from "./dialog.ts";
import type { CallerScript } from "./script.ts";
import { hasReserved } from "./sdp-text.ts";
import { cseqOf, headerOf, headersOf, type Sip, statusOf, uriOf } from "./sip-text.ts";
import type { Talk } from "./talk.ts";
import { allowOf, askForTimer } from "./timer-text.ts";
import type { Client } from "./wire.ts";
import { wordsOf } from "./words.ts";

/** Whom to call, and what is to be said besides. */
export interface Errand {
  readonly number: string;
  readonly target: string;
  readonly headers?: Headers;
  /** How it ended: the final status, 0 for none. */
  readonly onEnd?: (status: number) => void;
}

/** Resources that could not be told of are told of again so soon, and so often. */
const TELL_AGAIN: Millis = 700;
const TELLINGS = 40;

/** Does this caller wait for resources? They are told of in PRACK and UPDATE, which take an offer of its own first. */
export const waitsAt = ({ options }: Desk, { waits, lateOffer }: CallerScript): boolean =>
  waits !== "no" && !lateOffer && options.preconditions;

export class Caller {
  readonly #desk: Desk;
  readonly #talk: Talk;

  constructor(desk: Desk, talk: Talk) {
    this.#desk = desk;
    this.#talk = talk;
  }

  call(errand: Errand, script: CallerScript, random: Random): void {
    const { mark } = this.#desk.options;
    const localTag = this.#desk.tag(random);
    const ids = {
      callId: `${mark}${token(random, 12)}@${this.#desk.host}`,
      local: `"A Caller" <sip:caller@${this.#desk.host}>;tag=${localTag}`,
      localTag,
      remote: `<sip:${errand.number}@${this.#desk.options.box}>`,
      target: errand.target,
    };
    const waits = waitsAt(this.#desk, script);
    const habits = waits ? { ...script, takesUpdate: true } : script;
    const base = this.#desk.newDialog(errand.number, habits, random, ids, script.lateOffer ? "none" : "sent");
    if (waits) base.sdp.reserved = false;
    if (!script.lateOffer) base.ours = base.sdp.offer();
    const attempt = new Attempt(this.#desk, this.#talk, errand, script, base);
    attempt.start(0);
  }
}

/** One INVITE, with the early dialogs that its 1xx make. */
class Attempt {
  readonly #desk: Desk;
  readonly #talk: Talk;
  readonly #errand: Errand;
  readonly #script: CallerScript;
  readonly #base: Dialog;
  readonly #early = new Map<string, Dialog>();
  #client!: Client;
  #winner: Dialog | undefined;
  #rang = false;
  #ended = false;
  /** Where its resources are being reserved. */
  readonly #reserving = new Set<Dialog>();
  readonly #pracked = new Set<Dialog>();

  constructor(desk: Desk, talk: Talk, errand: Errand, script: CallerScript, base: Dialog) {
    this.#desk = desk;
    this.#talk = talk;
    this.#errand = errand;
    this.#script = script;
    this.#base = base;
  }

  /** `least`: the Min-SE of a 422, in seconds. */
  start(least: number): void {
    const script = this.#script;
    const { mark } = this.#desk.options;
    const waits = this.#base.sdp.reserved !== undefined;
    const required = [
      ...(script.rel100 === "required" ? ["100rel"] : []),
      ...(waits && script.waits === "required" ? ["precondition"] : []),
    ];
    const supported = [
      ...(script.rel100 === "supported" || (waits && script.rel100 === "none") ? ["100rel"] : []),
      ...(waits && script.waits === "supported" ? ["precondition"] : []),
      ...(script.timer.kind === "none" ? [] : ["timer"]),
    ];
    const headers: [string, string][] = [
      [...this.#desk.contact],
      ["User-Agent", `${mark}-Phone/1.0`],
      ["Allow", allowOf(this.#base.habits)],
      ["X-Secret", `${mark}-plan`],
      ["Subject", "lunch"],
      ...(supported.length > 0 ? [["Supported", supported.join(", ")] as [string, string]] : []),
      ...(required.length > 0 ? [["Require", required.join(", ")] as [string, string]] : []),
      ...wordsOf(script, this.#errand.number, this.#desk.host),
      ...askForTimer(script.timer, least),
      ...((this.#errand.headers ?? []) as [string, string][]),
    ];
    const body = script.lateOffer ? "" : this.#base.ours;
    const { temper } = script;
    this.#client = this.#desk.request(
      this.#base,
      "INVITE",
      headers,
      body,
      (response) => this.#onResponse(response),
      () => this.#over(0),
    );
    if (script.cancelAfter === undefined || temper === "mute") return;
    this.#desk.after(script.cancelAfter, () => this.#giveUp());
  }

  #giveUp(): void {
    if (this.#client.done) return;
    const early = [...this.#early.values()][0];
    if (!this.#script.byBye || early === undefined) return this.#desk.wire.cancel(this.#client);
    // RFC 3261 §15.1.1: a caller may end an early dialog by BYE; the INVITE gets its 487 all the same.
    this.#talk.bye(early);
  }

  #onResponse(response: Sip): void {
    const status = statusOf(response);
    if (this.#script.temper === "mute") return;
    if (status < 200) return this.#onProvisional(response, status);
    if (status < 300) return this.#onAnswer(response);
    if (status === 422 && !this.#ended && this.#early.size === 0 && !this.#client.cancelled) {
      const least = Number(headerOf(response, "min-se"));
      if (least > this.#script.timer.seconds) return this.start(least);
    }
    this.#over(status);
  }

  #over(status: number): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const dialog of this.#early.values()) if (dialog !== this.#winner) dialog.state = "over";
    this.#errand.onEnd?.(status);
  }

  #dialogOf(response: Sip): Dialog {
    const remote = headerOf(response, "to");
    const tag = tagIn(remote);
    let dialog = this.#early.get(tag);
    if (dialog === undefined) {
      const seen = { remote, target: uriOf(headerOf(response, "contact")) };
      const route = headersOf(response, "record-route").reverse();
      dialog = this.#desk.keep(this.#desk.fork(this.#base, { ...seen, route, calling: this.#client }));
      this.#early.set(tag, dialog);
    }
    return dialog;
  }

  #onProvisional(response: Sip, status: number): void {
    if (status === 100 || this.#ended || tagIn(headerOf(response, "to")) === "") return;
    const dialog = this.#dialogOf(response);
    if (!this.#rang) {
      this.#rang = true;
      for (const { after, what } of this.#script.early) this.#desk.after(after, () => this.#talk.do(dialog, what));
    }
    const rseq = Number(headerOf(response, "rseq"));
    if (!(rseq > 0) || (dialog.lastRSeq > 0 && rseq !== dialog.lastRSeq + 1)) return;
    dialog.lastRSeq = rseq;
    const { body } = response;
    let answer = "";
    if (body !== "" && dialog.exchange === "sent") {
      dialog.exchange = "stable";
      dialog.theirs = body;
    } else if (body !== "" && dialog.exchange === "none") {
      answer = dialog.sdp.answer(body);
      dialog.theirs = body;
      dialog.ours = answer;
      dialog.exchange = "stable";
    }
    const { prackAfter, reservesAfter } = this.#script;
    this.#desk.after(prackAfter + this.#desk.thought(dialog), () =>
      this.#prack(dialog, rseq, cseqOf(response).number, answer),
    );
    if (dialog.sdp.reserved === false && dialog.exchange === "stable" && !this.#reserving.has(dialog)) {
      if (!dialog.theirs.includes("a=curr:qos"))
        this.#desk.complain(dialog, `a ${status} that says nothing of the resources that were asked for`);
      this.#reserving.add(dialog);
      this.#desk.after(reservesAfter, () => this.#reserved(dialog, TELLINGS));
    }
  }

  /** RFC 3312 §6: its resources are there, and the other end is told. */
  #reserved(dialog: Dialog, left: number): void {
    if (dialog.state !== "early" || dialog.vanished || left === 0 || hasReserved(dialog.ours)) return;
    this.#desk.after(TELL_AGAIN, () => this.#reserved(dialog, left - 1));
    // One request at a time: on a bad network an UPDATE would overtake the PRACK, which is of no use then (RFC 3261 §12.2.2).
    if (dialog.exchange !== "stable" || dialog.updating || !this.#pracked.has(dialog)) return;
    const back = dialog.sdp.rollback();
    dialog.sdp.reserved = true;
    this.#talk.offer(dialog, "UPDATE", [], back);
  }

  #prack(dialog: Dialog, rseq: number, cseq: number, answer: string): void {
    if (dialog.state === "over" || dialog.vanished) return;
    const rack: Headers = [["RAck", `${rseq} ${cseq} INVITE`]];
    const offers = answer === "" && this.#script.prackOffers && dialog.exchange === "stable" && !dialog.updating;
    if (offers) {
      this.#pracked.add(dialog); // It is "updating" until the answer.
      return this.#talk.offer(dialog, "PRACK", rack);
    }
    this.#desk.request(dialog, "PRACK", rack, answer, () => this.#pracked.add(dialog));
  }

  #onAnswer(response: Sip): void {
    const tag = tagIn(headerOf(response, "to"));
    if (this.#winner !== undefined) {
      if (tagIn(this.#winner.remote) === tag) this.#desk.wire.transmit(this.#winner.lastAck, this.#script.temper);
      return;
    }
    const dialog = this.#dialogOf(response);
    this.#winner = dialog;
    dialog.remote = headerOf(response, "to");
    dialog.target = uriOf(headerOf(response, "contact"));
    dialog.route = headersOf(response, "record-route").reverse();
    dialog.calling = undefined;
    if (dialog.sdp.reserved === false) dialog.sdp.reserved = true; // They are this phone's, whichever fork it was.
    const body = this.#takeAnswer(dialog, response.body);
    const branch = this.#script.acksInBranch
      ? (/branch=([^;\r]+)/.exec(this.#client.text)?.[1] ?? "")
      : this.#desk.branch(dialog.random);
    dialog.lastAck = this.#desk.write(dialog, "ACK", cseqOf(response).number, branch, [], body);
    this.#desk.after(this.#desk.thought(dialog), () => {
      this.#desk.wire.transmit(dialog.lastAck, this.#script.temper);
      if (dialog.state === "over") return; // It was ended by a BYE that crossed the answer.
      dialog.state = "up";
      this.#talk.begin(dialog, response, "uac");
    });
    this.#over(200);
  }

  /** The answer that our ACK carries, when the 2xx made the offer. */
  #takeAnswer(dialog: Dialog, body: string): string {
    if (dialog.exchange === "stable" || dialog.updating) return ""; // `updating`: an offer of ours in PRACK or UPDATE.
    if (body === "") {
      this.#desk.complain(dialog, `a 2xx without SDP, though the exchange is "${dialog.exchange}"`);
      return "";
    }
    const late = dialog.exchange === "none";
    dialog.exchange = "stable";
    dialog.theirs = body;
    if (late) dialog.ours = dialog.sdp.answer(body);
    return late ? dialog.ours : "";
  }
}
