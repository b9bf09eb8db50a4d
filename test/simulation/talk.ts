/** A simulated phone inside a dialog: what it does, and what it answers. RFC 3261 §12.2, §14, §15; RFC 3311; RFC 4028 §10. */
import { below, type Millis } from "../../src/base/index.ts";
import type { Callee } from "./callee.ts";
import type { Caller } from "./caller.ts";
import { type Desk, type Headers, tagIn } from "./desk.ts";
import type { Dialog } from "./dialog.ts";
import { type Deed, THIRD } from "./script.ts";
import { cseqOf, headerOf, methodOf, type Sip, statusOf, uriOf } from "./sip-text.ts";
import { agreeOnTimer } from "./timer-text.ts";
import { GIVE_UP, T1, T2 } from "./wire.ts";

/** Each with what is written into it. */
const PLAIN: Readonly<Partial<Record<Deed, readonly [method: string, type: string, body: string]>>> = {
  INFO: ["INFO", "application/dtmf-relay", "Signal=5\r\nDuration=160\r\n"],
  OPTIONS: ["OPTIONS", "", ""],
  MESSAGE: ["MESSAGE", "text/plain", "lunch?"],
  unknown: ["WIBBLE", "", ""],
};

export class Talk {
  readonly #desk: Desk;
  caller!: Caller;
  callee!: Callee;
  readonly #unacked = new Map<string, Dialog>();
  /** INVITEs inside a dialog that are not answered yet. */
  readonly #ringing = new Map<string, { readonly request: Sip; readonly dialog: Dialog }>();

  constructor(desk: Desk) {
    this.#desk = desk;
  }

  // ---- what this phone does

  /** The call is up. `agreed`: the INVITE or the 2xx to it; `role`: ours in it. */
  begin(dialog: Dialog, agreed: Sip, role: "uac" | "uas"): void {
    const { habits } = dialog;
    if (habits.temper === "mute") return;
    for (const { after, what } of habits.steps) this.#desk.after(after, () => this.do(dialog, what));
    if (habits.byeAfter !== undefined) this.#desk.after(habits.byeAfter, () => this.bye(dialog));
    if (habits.vanishAfter !== undefined) {
      this.#desk.after(habits.vanishAfter, () => {
        dialog.vanished = true;
      });
    }
    const refresher = /refresher=(\w+)/.exec(headerOf(agreed, "session-expires"))?.[1];
    const ours = role === "uas" ? refresher !== "uac" && habits.timer.kind === "refreshes" : refresher === "uac";
    if (ours) this.#planRefresh(dialog, agreed);
  }

  do(dialog: Dialog, deed: Deed): void {
    if (dialog.vanished || dialog.state === "over") return;
    const plain = PLAIN[deed];
    if (plain !== undefined) {
      const [method, type, body] = plain;
      this.#desk.request(dialog, method, type === "" ? [] : [["Content-Type", type]], body, () => {});
      return;
    }
    if (deed === "UPDATE without offer") return this.#plainUpdate(dialog);
    if (deed === "REFER" || deed === "REFER attended") return this.#refer(dialog, deed);
    const early = dialog.state === "early";
    if (dialog.exchange !== "stable" || dialog.updating || (!early && (dialog.calling || dialog.called))) return;
    const back = dialog.sdp.rollback();
    if (deed === "resume") [dialog.sdp.wish, dialog.sdp.byNull] = ["sendrecv", false];
    if (deed === "hold") dialog.sdp.wish = "sendonly";
    if (deed === "inactive") dialog.sdp.wish = "inactive";
    if (deed === "hold by null") [dialog.sdp.wish, dialog.sdp.byNull] = ["sendonly", true];
    if (deed === "add video") dialog.sdp.setVideo(true);
    if (deed === "drop video") dialog.sdp.setVideo(false);
    if (deed === "UPDATE" || early) return this.offer(dialog, "UPDATE", [], back);
    this.#reinvite(dialog, deed, back);
  }

  /** An UPDATE or a PRACK with an offer. */
  offer(dialog: Dialog, method: "UPDATE" | "PRACK", headers: Headers, back = dialog.sdp.rollback()): void {
    const body = dialog.sdp.offer();
    dialog.exchange = "sent";
    dialog.updating = true;
    const undo = (): void => {
      back();
      dialog.updating = false;
      if (dialog.exchange === "sent") dialog.exchange = "stable";
    };
    const lines: Headers = method === "PRACK" ? headers : [this.#desk.contact, ...headers];
    const onResponse = (response: Sip): void => {
      const status = statusOf(response);
      if (status < 200) return;
      if (status >= 300) {
        undo();
        return this.#refusedInside(dialog, status);
      }
      dialog.updating = false;
      if (response.body === "") return this.#desk.complain(dialog, `a 200 to ${method} without the answer`);
      this.#settle(dialog, response.body, body);
    };
    this.#desk.request(dialog, method, lines, body, onResponse, undo);
  }

  #plainUpdate(dialog: Dialog): void {
    const onResponse = (response: Sip): void => this.#refusedInside(dialog, statusOf(response));
    this.#desk.request(dialog, "UPDATE", [this.#desk.contact], "", onResponse);
  }

  #settle(dialog: Dialog, theirs: string, ours: string): void {
    dialog.exchange = "stable";
    dialog.theirs = theirs;
    dialog.ours = ours;
  }

  #refusedInside(dialog: Dialog, status: number): void {
    if (status === 481 || status === 408) this.#leave(dialog);
  }

  /** RFC 3261 §12.2.1.2: whoever hears that the other end is gone, goes. */
  #leave(dialog: Dialog): void {
    if (dialog.state === "up") this.bye(dialog);
  }

  #reinvite(dialog: Dialog, deed: Deed, back: () => void): void {
    const late = deed === "late re-INVITE";
    const body = late ? "" : dialog.sdp.offer();
    if (!late) dialog.exchange = "sent";
    let acked = "";
    const undo = (): void => {
      dialog.calling = undefined;
      back();
      if (dialog.exchange === "sent") dialog.exchange = "stable";
    };
    const onResponse = (response: Sip): void => {
      const status = statusOf(response);
      if (status < 200) return;
      if (status >= 300) {
        undo();
        return this.#refusedInside(dialog, status);
      }
      if (acked !== "") return this.#desk.wire.transmit(acked, dialog.habits.temper);
      dialog.calling = undefined;
      dialog.target = uriOf(headerOf(response, "contact")) || dialog.target;
      if (response.body === "") this.#desk.complain(dialog, "a 200 to a re-INVITE without SDP");
      const answer = late && response.body !== "" ? dialog.sdp.answer(response.body) : "";
      this.#settle(dialog, response.body, late ? answer : body);
      const branch = this.#desk.branch(dialog.random);
      acked = this.#desk.write(dialog, "ACK", cseqOf(response).number, branch, [], answer);
      this.#desk.wire.transmit(acked, dialog.habits.temper);
    };
    const client = this.#desk.request(dialog, "INVITE", [this.#desk.contact], body, onResponse, () => {
      undo();
      this.#leave(dialog);
    });
    dialog.calling = client;
    if (deed !== "re-INVITE and CANCEL") return;
    for (const wait of [50, 600, 2_000]) this.#desk.after(wait, () => this.#desk.wire.cancel(client));
  }

  bye(dialog: Dialog): void {
    if (dialog.vanished || dialog.state === "over") return;
    // RFC 3261 §15: the called end waits for the ACK, or until none will come.
    if (dialog.state === "up" && dialog.called) return this.#desk.after(T1, () => this.bye(dialog));
    dialog.state = "over";
    this.#desk.request(dialog, "BYE", [], "", () => {});
  }

  /** RFC 4028 §10: half of the interval that `agreed` names from now. */
  #planRefresh(dialog: Dialog, agreed: Sip): void {
    const seconds = Number.parseInt(headerOf(agreed, "session-expires"), 10);
    if (seconds > 0) this.#desk.after(500 * seconds, () => this.#refresh(dialog, seconds));
  }

  #refresh(dialog: Dialog, seconds: number): void {
    if (dialog.state === "over" || dialog.vanished) return;
    const expires: Headers = [
      ["Supported", "timer"],
      ["Session-Expires", `${seconds};refresher=uac`],
    ];
    const onResponse = (response: Sip): void => {
      const status = statusOf(response);
      if (status < 200) return;
      if (status < 300) return this.#planRefresh(dialog, response);
      if (status === 481 || status === 408) this.#leave(dialog);
      else this.#desk.after(5_000, () => this.#refresh(dialog, seconds));
    };
    this.#desk.request(dialog, "UPDATE", [this.#desk.contact, ...expires], "", onResponse, () => this.#leave(dialog));
  }

  /** RFC 5589: asks the other end to call a third, or to take over another call of ours. */
  #refer(dialog: Dialog, deed: "REFER" | "REFER attended"): void {
    if (dialog.state !== "up") return;
    const third = `4930${String(THIRD + Number(dialog.number.slice(-6))).padStart(6, "0")}`;
    let to = `<sip:${third}@${this.#desk.options.box}>`;
    if (deed === "REFER attended") {
      const other = [...this.#desk.dialogs.values()].find(
        (one) => one.state === "up" && one !== dialog && !one.vanished,
      );
      if (other === undefined) return;
      const tags = `${other.callId};to-tag=${tagIn(other.remote)};from-tag=${other.localTag}`;
      to = `<${other.target}?Replaces=${encodeURIComponent(tags)}>`;
    }
    const by: Headers = [["Refer-To", to], ["Referred-By", `<sip:desk@${this.#desk.host}>`], this.#desk.contact];
    this.#desk.request(dialog, "REFER", by, "", () => {});
  }

  // ---- what this phone answers

  receive(request: Sip, key: string, dialog: Dialog): void {
    const method = methodOf(request);
    const cseq = cseqOf(request).number;
    if (cseq <= dialog.remoteCseq) return this.#reply(request, key, dialog, 500);
    dialog.remoteCseq = cseq;
    if (method === "BYE") {
      dialog.state = "over";
      for (const [ringing, one] of this.#ringing) if (one.dialog === dialog) this.#refuse(ringing, 487);
      this.callee.ended(dialog);
      return this.#reply(request, key, dialog, 200);
    }
    if (dialog.state === "over") return this.#reply(request, key, dialog, 481);
    if (method === "PRACK") return this.callee.prack(request, dialog, key);
    if (method === "INVITE") return this.#onReinvite(request, key, dialog);
    if (method === "UPDATE") return this.#onUpdate(request, key, dialog);
    if (method === "REFER") return this.#onRefer(request, key, dialog);
    const known = ["INFO", "OPTIONS", "MESSAGE", "NOTIFY"].includes(method);
    this.#desk.after(this.#desk.thought(dialog), () => this.#reply(request, key, dialog, known ? 200 : 501));
  }

  #reply(request: Sip, key: string, dialog: Dialog, status: number, headers: Headers = [], body = ""): void {
    if (!dialog.vanished)
      this.#desk.wire.respond(request, key, status, dialog.local, dialog.habits.temper, headers, body);
  }

  #onUpdate(request: Sip, key: string, dialog: Dialog): void {
    const { habits } = dialog;
    if (!habits.takesUpdate)
      return this.#reply(request, key, dialog, 405, [["Allow", "INVITE, ACK, BYE, CANCEL, PRACK"]]);
    const headers: Headers = [this.#desk.contact, ...agreeOnTimer(habits.timer, request)];
    if (request.body === "") return this.#reply(request, key, dialog, 200, headers);
    if (dialog.exchange === "sent") return this.#reply(request, key, dialog, 491);
    if (dialog.exchange !== "stable") return this.#reply(request, key, dialog, 500, [["Retry-After", "1"]]);
    const answer = dialog.sdp.answer(request.body);
    this.#settle(dialog, request.body, answer);
    this.#reply(request, key, dialog, 200, headers, answer);
  }

  #onReinvite(request: Sip, key: string, dialog: Dialog): void {
    if (dialog.called)
      return this.#reply(request, key, dialog, 500, [["Retry-After", String(below(dialog.random, 10))]]);
    if (dialog.calling !== undefined || dialog.exchange !== "stable") return this.#reply(request, key, dialog, 491);
    const { after, rings, status } = dialog.habits.toReinvite;
    dialog.called = true;
    if (request.body !== "") dialog.exchange = "got";
    this.#ringing.set(key, { request, dialog });
    const wait = after + this.#desk.thought(dialog);
    if (rings || status === 0) this.#reply(request, `${key} ringing`, dialog, 180, [this.#desk.contact]);
    if (status === 0) return; // The caller has to give up.
    this.#desk.after(wait, () => (status < 300 ? this.#accept(key) : this.#refuse(key, status)));
  }

  #accept(key: string): void {
    const ringing = this.#ringing.get(key);
    if (ringing === undefined || ringing.dialog.vanished) return;
    this.#ringing.delete(key);
    const { request, dialog } = ringing;
    let body: string;
    if (request.body === "") {
      body = dialog.sdp.offer();
      dialog.ours = body;
      dialog.exchange = "sent";
    } else {
      body = dialog.sdp.answer(request.body);
      this.#settle(dialog, request.body, body);
    }
    dialog.target = uriOf(headerOf(request, "contact")) || dialog.target;
    this.#reply(request, key, dialog, 200, [this.#desk.contact, ...agreeOnTimer(dialog.habits.timer, request)], body);
    this.#unacked.set(key, dialog);
    this.#awaitAck(dialog, key, T1, 0);
  }

  #refuse(key: string, status: number): void {
    const ringing = this.#ringing.get(key);
    if (ringing === undefined || !this.#ringing.delete(key)) return;
    const { request, dialog } = ringing;
    dialog.called = false;
    if (request.body !== "") dialog.exchange = "stable";
    this.#reply(request, key, dialog, status);
  }

  /** False: no INVITE inside a dialog is meant. */
  cancel(key: string): boolean {
    const ringing = this.#ringing.has(key);
    this.#refuse(key, 487);
    return ringing || this.#unacked.has(key);
  }

  #awaitAck(dialog: Dialog, key: string, wait: Millis, spent: Millis): void {
    this.#desk.after(wait, () => {
      if (!this.#unacked.has(key)) return;
      if (spent + wait >= GIVE_UP || dialog.state === "over" || dialog.vanished) {
        this.#unacked.delete(key);
        dialog.called = false;
        if (dialog.exchange === "sent") dialog.exchange = "stable";
        return this.bye(dialog);
      }
      this.#desk.wire.repeat(key, dialog.habits.temper);
      this.#awaitAck(dialog, key, Math.min(wait * 2, T2), spent + wait);
    });
  }

  ack(request: Sip): void {
    const callId = headerOf(request, "call-id");
    const { number } = cseqOf(request);
    for (const [key, dialog] of this.#unacked) {
      if (!key.startsWith(`${callId} ${number} `) || headerOf(request, "to") !== dialog.local) continue;
      this.#unacked.delete(key);
      dialog.called = false;
      if (dialog.exchange !== "sent") return;
      dialog.exchange = "stable";
      if (request.body === "" && dialog.state === "up") {
        // Nothing is owed when the call is being ended (RFC 3261 §15): a BYE follows.
        this.#desk.after(GIVE_UP, () => {
          if (dialog.state === "up" && !dialog.vanished)
            this.#desk.complain(dialog, "an ACK without the answer to our offer");
        });
      } else dialog.theirs = request.body;
      return;
    }
  }

  /** RFC 3515: the other end asks us to call somebody. */
  #onRefer(request: Sip, key: string, dialog: Dialog): void {
    const script = this.#desk.options.callFor(dialog.number);
    const to = uriOf(headerOf(request, "refer-to"));
    const number = /^sips?:([^@;?]*)/.exec(to)?.[1] ?? "";
    if (script === undefined || dialog.state !== "up" || number === "") return this.#reply(request, key, dialog, 603);
    this.#reply(request, key, dialog, 202, [this.#desk.contact]);
    this.#notify(dialog, "active;expires=60", "SIP/2.0 100 Trying");
    const replaces = decodeURIComponent(/[?&]Replaces=([^&]*)/i.exec(to)?.[1] ?? "");
    const headers: Headers =
      replaces === ""
        ? []
        : [
            ["Replaces", replaces],
            ["Require", "replaces"],
          ];
    const onEnd = (status: number): void =>
      this.#notify(dialog, "terminated;reason=noresource", `SIP/2.0 ${status === 0 ? 408 : status} Done`);
    const target = to.replace(/\?.*/, "");
    const { temper } = dialog.habits;
    const plain = { temper, steps: [], vanishAfter: undefined, byeAfter: 5_000, waits: "no", words: [] } as const;
    const habits = { ...script.caller, ...plain };
    const whom = replaces === "" ? `4930${number.slice(-6)}` : dialog.number;
    this.caller.call({ number: whom, target, headers, onEnd }, habits, dialog.random);
  }

  #notify(dialog: Dialog, state: string, line: string): void {
    if (dialog.state !== "up" || dialog.vanished) return;
    const headers: Headers = [
      ["Event", "refer"],
      ["Subscription-State", state],
      ["Content-Type", "message/sipfrag;version=2.0"],
      this.#desk.contact,
    ];
    this.#desk.request(dialog, "NOTIFY", headers, `${line}\r\n`, () => {});
  }
}
