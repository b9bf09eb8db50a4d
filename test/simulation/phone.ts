/**
 * A simulated endpoint: a small SIP user agent of its own (RFC 3261 §13 to §17), on one side of the box. It shares no
 * code with the product but the dice. Everything that it makes up carries its side's mark, so that a leak shows.
 */
import { below, type Millis, type Random, token } from "../../src/base/index.ts";
import type { Dialog, Ringing } from "./dialog.ts";
import type { PhoneOptions } from "./phone-options.ts";
import type { CalleeScript, CallerScript, CallScript, Change } from "./script.ts";
import { answerSdp, mirrorSdp, newTaste, offerSdp } from "./sdp-text.ts";
import {
  branchOf,
  cseqOf,
  headerOf,
  headersOf,
  isRequest,
  methodOf,
  readSip,
  type Sip,
  statusOf,
  tagOf,
  uriOf,
  writeSip,
} from "./sip-text.ts";
import { agreeOnTimer, allowOf, askForTimer } from "./timer-text.ts";
import { GIVE_UP, T1, T2, Wire } from "./wire.ts";

export class Phone {
  readonly #options: PhoneOptions;
  readonly #wire: Wire;
  readonly #dialogs = new Map<string, Dialog>();
  readonly #ringing = new Map<string, Ringing>();
  /** INVITEs that were sent as they should be: a babbler's or a liar's may rightly get two answers, or none. */
  readonly honestInvites = new Set<string>();
  answeredCalls = 0;

  constructor(options: PhoneOptions) {
    this.#options = options;
    this.#wire = new Wire(options);
  }

  get openDialogs(): number {
    return [...this.#dialogs.values()].filter((dialog) => dialog.answered && !dialog.ended).length;
  }

  // ---- calling

  call(number: string, script: CallScript): void {
    const { mark } = this.#options;
    const random = this.#options.diceOf(number);
    const dialog = this.#newDialog("caller", script.caller, random, {
      callId: `${mark}${token(random, 12)}@${this.#host}`,
      local: `"A Caller" <sip:caller@${this.#host}>;tag=${mark}${token(random, 8)}`,
      remote: `<sip:${number}@${this.#options.box}>`,
      target: `sip:${number}@${this.#options.box}`,
    });
    const body = script.caller.lateOffer ? "" : this.#offer(dialog);
    const headers: [string, string][] = [
      this.#contact,
      ["User-Agent", `${mark}-Phone/1.0`],
      ["Allow", allowOf(script.caller)],
      ["X-Secret", `${mark}-plan`],
      ["Subject", "lunch"],
      ...(script.caller.supports100rel ? ([["Supported", "100rel"]] as [string, string][]) : []),
      ...askForTimer(script.caller.timer),
    ];
    const branch = this.#request(dialog, "INVITE", headers, body, (response) =>
      this.#onInviteResponse(dialog, script.caller, branch, response),
    );
    const { cancelAfter } = script.caller;
    if (cancelAfter === undefined || script.caller.temper === "mute") return;
    this.#options.clock.after(cancelAfter, () => {
      const client = this.#wire.client(branch);
      if (client !== undefined && !client.done && client.provisional) this.#wire.cancel(client);
    });
  }

  #onInviteResponse(dialog: Dialog, script: CallerScript, branch: string, response: Sip): void {
    const status = statusOf(response);
    if (status >= 200) this.#wire.noteFinal(branch, status);
    if (script.temper === "mute") return;
    if (status < 200) this.#onProvisional(dialog, response);
    else if (status < 300) this.#onAnswer(dialog, response);
    else dialog.ended = true;
  }

  #onProvisional(dialog: Dialog, response: Sip): void {
    const rseq = headerOf(response, "rseq");
    if (rseq === "") return;
    const early: Dialog = { ...dialog, remote: headerOf(response, "to"), target: uriOf(headerOf(response, "contact")) };
    early.route = headersOf(response, "record-route").reverse();
    const cseq = cseqOf(response);
    this.#request(early, "PRACK", [["RAck", `${rseq} ${cseq.number} ${cseq.method}`]], "", () => {});
    dialog.cseq = early.cseq;
  }

  #onAnswer(dialog: Dialog, response: Sip): void {
    if (dialog.answered) {
      if (dialog.remote === headerOf(response, "to")) this.#wire.transmit(dialog.lastAck, dialog.temper);
      return;
    }
    this.answeredCalls += 1;
    dialog.answered = true;
    dialog.busy = false;
    dialog.remote = headerOf(response, "to");
    dialog.target = uriOf(headerOf(response, "contact"));
    dialog.route = headersOf(response, "record-route").reverse();
    this.#ack(dialog, response);
    this.#plan(dialog);
    if (/refresher=uac/.test(headerOf(response, "session-expires"))) this.#planRefresh(dialog, response);
  }

  #ack(dialog: Dialog, response: Sip): void {
    const late = response.body !== "" && dialog.inviteCseq === cseqOf(response).number && dialog.taste.lateOffer;
    dialog.taste.lateOffer = false;
    const body = late ? answerSdp(response.body, dialog.taste, dialog.sdpVersion++) : "";
    dialog.lastAck = this.#write(dialog, "ACK", cseqOf(response).number, this.#branch(dialog), [], body);
    this.#wire.transmit(dialog.lastAck, dialog.temper);
  }

  // ---- being called

  #onInvite(request: Sip, key: string): void {
    const number = /^INVITE (?:sips?|tel):([^@;\s]*)/.exec(request.start)?.[1] ?? "";
    const script = this.#options.scriptFor(number);
    if (script === undefined) return this.#wire.answer(request, key, 404, "none", []);
    const { mark, clock } = this.#options;
    const random = this.#options.diceOf(number);
    const dialog = this.#newDialog("callee", script, random, {
      callId: headerOf(request, "call-id"),
      local: `${headerOf(request, "to")};tag=${mark}${token(random, 8)}`,
      remote: headerOf(request, "from"),
      target: uriOf(headerOf(request, "contact")),
    });
    dialog.route = headersOf(request, "record-route");
    dialog.taste.lateOffer = request.body === "";
    const ringing: Ringing = { invite: request, script, dialog, rseq: 0, pracked: false, final: false, acked: false };
    this.#ringing.set(key, ringing);
    if (script.temper === "mute") return;
    clock.after(script.ringAfter, () => this.#ring(ringing, key));
    clock.after(script.ringAfter + script.answerAfter, () => this.#finish(ringing, key));
  }

  #ring(ringing: Ringing, key: string): void {
    if (ringing.final) return;
    const { script, invite, dialog } = ringing;
    const { random } = dialog;
    const { mark } = this.#options;
    if (script.fork) {
      const fork = `${headerOf(invite, "to")};tag=${mark}${token(random, 8)}`;
      this.#wire.respond(invite, key, 180, fork, [["Contact", `<sip:fork@${this.#address}>`]], "", "honest");
    }
    const offered = invite.body !== "";
    const body = script.earlyMedia && offered ? answerSdp(invite.body, dialog.taste, dialog.sdpVersion) : "";
    const reliable = script.reliable && /100rel/.test(headerOf(invite, "supported"));
    const headers: [string, string][] = [this.#contact];
    if (reliable) {
      ringing.rseq = 1 + below(random, 1_000);
      headers.push(["Require", "100rel"], ["RSeq", String(ringing.rseq)]);
      this.#resendReliable(ringing, key, T1);
    }
    this.#wire.respond(invite, key, body === "" ? 180 : 183, dialog.local, headers, body, script.temper);
  }

  #resendReliable(ringing: Ringing, key: string, wait: Millis): void {
    this.#options.clock.after(wait, () => {
      const text = this.#wire.answerTo(key);
      if (ringing.pracked || ringing.final || text === undefined || wait > GIVE_UP) return;
      this.#wire.transmit(text, ringing.script.temper);
      this.#resendReliable(ringing, key, wait * 2);
    });
  }

  #finish(ringing: Ringing, key: string): void {
    if (ringing.final) return;
    const { script, invite, dialog } = ringing;
    if (ringing.rseq > 0 && !ringing.pracked && script.status < 300) {
      // RFC 3262 §3: an answer waits for the PRACK of a reliable response; a phone does not wait for ever.
      this.#options.clock.after(T2, () => {
        ringing.rseq = 0;
        this.#finish(ringing, key);
      });
      return;
    }
    ringing.final = true;
    if (script.status >= 300) return this.#wire.answer(invite, key, script.status, dialog.local, ringing.script.temper);
    const { mark } = this.#options;
    const body = invite.body === "" ? this.#offer(dialog) : answerSdp(invite.body, dialog.taste, dialog.sdpVersion);
    const headers: [string, string][] = [
      this.#contact,
      ["Server", `${mark}-Phone/1.0`],
      ["Allow", allowOf(script)],
      ...agreeOnTimer(dialog.timer, invite),
      ["Warning", `399 ${this.#host} "${mark}"`],
    ];
    dialog.answered = true;
    this.#wire.respond(invite, key, 200, dialog.local, headers, body, script.temper);
    this.#resendOk(ringing, key, T1, 0);
    this.#plan(dialog);
    if (dialog.timer === "refreshes") this.#planRefresh(dialog, invite);
  }

  /** The 2xx is resent by the phone itself until the ACK (RFC 3261 §13.3.1.4); without one the call is ended. */
  #resendOk(ringing: Ringing, key: string, wait: Millis, spent: Millis): void {
    this.#options.clock.after(wait, () => {
      if (ringing.acked) return;
      if (spent + wait >= GIVE_UP) return this.#bye(ringing.dialog);
      const text = this.#wire.answerTo(key);
      if (text !== undefined) this.#wire.transmit(text, ringing.script.temper);
      this.#resendOk(ringing, key, Math.min(wait * 2, T2), spent + wait);
    });
  }

  // ---- in the call

  #plan(dialog: Dialog): void {
    const { clock } = this.#options;
    if (dialog.temper === "mute") return;
    for (const change of dialog.changes) clock.after(change.after, () => this.#change(dialog, change.what));
    if (dialog.byeAfter !== undefined) clock.after(dialog.byeAfter, () => this.#bye(dialog));
    const leave = (): void => {
      dialog.vanished = true;
    };
    if (dialog.vanishAfter !== undefined) clock.after(dialog.vanishAfter, leave);
  }

  /** RFC 4028 §10: half of the interval that `agreed` names from now. */
  #planRefresh(dialog: Dialog, agreed: Sip): void {
    const seconds = Number.parseInt(headerOf(agreed, "session-expires"), 10);
    if (dialog.temper === "mute" || !(seconds > 0)) return;
    this.#options.clock.after(500 * seconds, () => this.#refresh(dialog, seconds));
  }

  #refresh(dialog: Dialog, seconds: number): void {
    if (dialog.ended || dialog.vanished) return;
    const headers: [string, string][] = [
      this.#contact,
      ["Supported", "timer"],
      ["Session-Expires", `${seconds};refresher=uac`],
    ];
    this.#request(dialog, "UPDATE", headers, "", (response) => {
      const status = statusOf(response);
      if (status < 200) return;
      if (status < 300) return this.#planRefresh(dialog, response);
      if (status === 481 || status === 408) dialog.ended = true;
      else this.#options.clock.after(5_000, () => this.#refresh(dialog, seconds));
    });
  }

  #change(dialog: Dialog, what: Change["what"]): void {
    if (dialog.vanished || dialog.ended || !dialog.answered || dialog.busy) return;
    if (what === "INFO") {
      this.#request(
        dialog,
        "INFO",
        [["Content-Type", "application/dtmf-relay"]],
        "Signal=5\r\nDuration=160\r\n",
        () => {},
      );
      return;
    }
    if (what === "hold") dialog.taste.direction = "sendonly";
    if (what === "resume") dialog.taste.direction = "sendrecv";
    if (what === "add video") dialog.taste.video = true;
    const method = what === "UPDATE" ? "UPDATE" : "INVITE";
    const late = what === "late re-INVITE";
    dialog.busy = true;
    dialog.taste.lateOffer = late;
    const branch = this.#request(dialog, method, [this.#contact], late ? "" : this.#offer(dialog), (response) => {
      const status = statusOf(response);
      if (status < 200) return;
      dialog.busy = false;
      if (method === "INVITE") this.#wire.noteFinal(branch, status);
      if (status < 300 && method === "INVITE") this.#ack(dialog, response);
      if (status === 481 || status === 408) dialog.ended = true;
    });
  }

  #bye(dialog: Dialog): void {
    if (dialog.vanished || dialog.ended || !dialog.answered) return;
    dialog.ended = true;
    this.#request(dialog, "BYE", [], "", () => {});
  }

  #onRequestInDialog(request: Sip, key: string, dialog: Dialog): void {
    const method = methodOf(request);
    if (method === "BYE") {
      dialog.ended = true;
      return this.#wire.answer(request, key, 200, dialog.local, dialog.temper);
    }
    if (dialog.ended) return this.#wire.answer(request, key, 481, dialog.local, dialog.temper);
    if (method === "INVITE" || method === "UPDATE") {
      if (dialog.busy) return this.#wire.answer(request, key, 491, dialog.local, dialog.temper);
      const body =
        request.body === ""
          ? method === "INVITE"
            ? this.#offer(dialog)
            : ""
          : mirrorSdp(request.body, dialog.taste, ++dialog.sdpVersion);
      this.#wire.respond(
        request,
        key,
        200,
        dialog.local,
        [this.#contact, ...agreeOnTimer(dialog.timer, request)],
        body,
        dialog.temper,
      );
      if (method === "INVITE") this.#awaitAck(dialog, key, T1, 0);
      return;
    }
    this.#wire.answer(request, key, 200, dialog.local, dialog.temper);
  }

  readonly #unacked = new Set<string>();

  #awaitAck(dialog: Dialog, key: string, wait: Millis, spent: Millis): void {
    this.#unacked.add(key);
    dialog.busy = true;
    this.#options.clock.after(wait, () => {
      if (!this.#unacked.has(key)) return;
      if (spent + wait >= GIVE_UP || dialog.ended) {
        this.#unacked.delete(key);
        dialog.busy = false;
        return this.#bye(dialog);
      }
      const text = this.#wire.answerTo(key);
      if (text !== undefined && !dialog.vanished) this.#wire.transmit(text, dialog.temper);
      this.#awaitAck(dialog, key, Math.min(wait * 2, T2), spent + wait);
    });
  }

  #onAck(request: Sip): void {
    const callId = headerOf(request, "call-id");
    const { number } = cseqOf(request);
    for (const ringing of this.#ringing.values()) {
      if (headerOf(ringing.invite, "call-id") === callId && cseqOf(ringing.invite).number === number)
        ringing.acked = true;
    }
    const ended = [...this.#unacked].filter((key) => key.startsWith(`${callId} ${number} `));
    for (const key of ended) this.#unacked.delete(key);
    const dialog = this.#dialogs.get(callId);
    if (dialog !== undefined && ended.length > 0) dialog.busy = false;
  }

  // ---- the wire

  receive(text: string): void {
    if (text.trim() === "") return;
    const sip = readSip(text);
    if (isRequest(sip)) this.#onRequest(sip);
    else this.#wire.onResponse(sip);
  }

  #onRequest(request: Sip): void {
    const method = methodOf(request);
    const callId = headerOf(request, "call-id");
    const key = `${callId} ${cseqOf(request).number} ${method} ${branchOf(request)}`;
    if (method === "ACK") return this.#onAck(request);
    const earlier = this.#wire.answerTo(key);
    if (earlier !== undefined) return this.#wire.transmit(earlier, "honest");
    const dialog = this.#dialogs.get(callId);
    if (method === "CANCEL") return this.#onCancel(request, key);
    if (method === "OPTIONS") return this.#wire.answer(request, key, 200, headerOf(request, "to"), "honest");
    if (method === "PRACK") return this.#onPrack(request, key);
    if (method === "INVITE" && tagOf(headerOf(request, "to")) === "") {
      if (!this.#ringing.has(key)) this.#onInvite(request, key);
      return;
    }
    if (dialog === undefined) return this.#wire.answer(request, key, 481, headerOf(request, "to"), "honest");
    if (dialog.temper !== "mute" && !dialog.vanished) this.#onRequestInDialog(request, key, dialog);
  }

  #onCancel(request: Sip, key: string): void {
    const inviteKey = key.replace(" CANCEL ", " INVITE ");
    const ringing = this.#ringing.get(inviteKey);
    this.#wire.answer(request, key, ringing === undefined ? 481 : 200, headerOf(request, "to"), "honest");
    if (ringing === undefined || ringing.final || ringing.script.temper === "mute") return;
    ringing.final = true;
    this.#wire.answer(ringing.invite, inviteKey, 487, ringing.dialog.local, ringing.script.temper);
  }

  #onPrack(request: Sip, key: string): void {
    const callId = headerOf(request, "call-id");
    const ringing = [...this.#ringing.values()].find((one) => headerOf(one.invite, "call-id") === callId);
    const fits = ringing !== undefined && headerOf(request, "rack").startsWith(`${ringing.rseq} `);
    if (fits) ringing.pracked = true;
    this.#wire.answer(request, key, fits ? 200 : 481, headerOf(request, "to"), "honest");
  }

  #request(
    dialog: Dialog,
    method: string,
    headers: readonly (readonly [string, string])[],
    body: string,
    onResponse: (response: Sip) => void,
  ): string {
    const branch = this.#branch(dialog);
    dialog.cseq += 1;
    if (method === "INVITE") dialog.inviteCseq = dialog.cseq;
    if (method === "INVITE" && (dialog.temper === "honest" || dialog.temper === "mute")) this.honestInvites.add(branch);
    const typed =
      body !== "" && method !== "INFO" ? [...headers, ["Content-Type", "application/sdp"] as const] : headers;
    const text = this.#write(dialog, method, dialog.cseq, branch, typed, body);
    this.#wire.request(branch, method, text, dialog.temper, onResponse);
    return branch;
  }

  #write(
    dialog: Dialog,
    method: string,
    cseq: number,
    branch: string,
    headers: readonly (readonly [string, string])[],
    body: string,
  ): string {
    const typed =
      method === "ACK" && body !== "" ? [...headers, ["Content-Type", "application/sdp"] as const] : headers;
    return writeSip(
      `${method} ${dialog.target} SIP/2.0`,
      [
        ["Via", `SIP/2.0/${this.#options.protocol} ${this.#address};branch=${branch};rport`],
        ["Max-Forwards", "70"],
        ...dialog.route.map((route): [string, string] => ["Route", route]),
        ["From", dialog.local],
        ["To", dialog.remote],
        ["Call-ID", dialog.callId],
        ["CSeq", `${cseq} ${method}`],
        ...typed,
      ],
      body,
    );
  }

  #newDialog(
    role: "caller" | "callee",
    script: CallerScript | CalleeScript,
    random: Random,
    ids: { callId: string; local: string; remote: string; target: string },
  ): Dialog {
    const taste = newTaste({ ...this.#options, random }, "lateOffer" in script && script.lateOffer);
    const dialog: Dialog = {
      random,
      role,
      temper: script.temper,
      ...ids,
      route: [],
      cseq: below(random, 1_000),
      inviteCseq: 0,
      sdpVersion: 1,
      taste,
      answered: false,
      ended: false,
      busy: false,
      timer: script.timer,
      takesUpdate: script.takesUpdate,
      vanishAfter: script.vanishAfter,
      vanished: false,
      changes: script.changes,
      byeAfter: script.byeAfter,
      lastAck: "",
    };
    this.#dialogs.set(ids.callId, dialog);
    return dialog;
  }

  #offer(dialog: Dialog): string {
    return offerSdp(dialog.taste, dialog.sdpVersion++);
  }

  get #host(): string {
    return `${this.#options.mark}.example`;
  }

  get #contact(): [string, string] {
    return ["Contact", `<sip:${this.#options.mark}@${this.#address}>`];
  }

  get #address(): string {
    return `${this.#options.ip}:${this.#options.port}`;
  }

  #branch(dialog: Dialog): string {
    return `z9hG4bK${this.#options.mark}${token(dialog.random, 12)}`;
  }
}
