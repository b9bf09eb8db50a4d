/**
 * A simulated endpoint: a small SIP user agent of its own (RFC 3261 §13 to §17), on one side of the box. It shares no
 * code with the product but the dice. Everything that it makes up carries its side's mark, so that a leak shows.
 */
import { Bystanders, type ErrandEnd } from "./bystanders.ts";
import { Callee } from "./callee.ts";
import { Caller } from "./caller.ts";
import { Desk, type PhoneOptions, tagIn } from "./desk.ts";
import type { Dialog } from "./dialog.ts";
import { Registrar } from "./registrar.ts";
import type { CallScript, ErrandScript, WorldScript } from "./script.ts";
import { branchOf, cseqOf, headerOf, isRequest, methodOf, readSip, type Sip, tagOf } from "./sip-text.ts";
import { Talk } from "./talk.ts";

export class Phone {
  readonly #desk: Desk;
  readonly #talk: Talk;
  readonly #caller: Caller;
  readonly #callee: Callee;
  readonly #bystanders: Bystanders;
  readonly #registrar: Registrar;
  readonly #seen = new Set<string>();

  /** `world`: how it answers as a registrar. */
  constructor(options: PhoneOptions, world: Pick<WorldScript, "registrar" | "proof">) {
    this.#desk = new Desk(options);
    this.#talk = new Talk(this.#desk);
    this.#caller = new Caller(this.#desk, this.#talk);
    this.#callee = new Callee(this.#desk, this.#talk);
    this.#bystanders = new Bystanders(this.#desk);
    this.#registrar = new Registrar(this.#desk, world.registrar, world.proof);
    this.#talk.caller = this.#caller;
    this.#talk.callee = this.#callee;
  }

  /** Those of calls to this number. */
  dialogsOf(number: string): readonly Dialog[] {
    return [...this.#desk.dialogs.values()].filter((dialog) => dialog.number === number);
  }

  call(number: string, script: CallScript): void {
    const { diceOf, box } = this.#desk.options;
    this.#caller.call({ number, target: `sip:${number}@${box}` }, script.caller, diceOf(number));
  }

  errand(number: string, script: ErrandScript): void {
    this.#bystanders.begin(number, script, this.#desk.options.diceOf(number));
  }

  /** What became of it; `undefined`: it did not begin here. */
  errandEnd(number: string): ErrandEnd | undefined {
    return this.#bystanders.ends.get(number);
  }

  receive(text: string): void {
    if (text.trim() === "") return;
    const sip = readSip(text);
    if (isRequest(sip)) this.#onRequest(sip);
    else this.#desk.wire.onResponse(sip);
  }

  #onRequest(request: Sip): void {
    const method = methodOf(request);
    const key = `${headerOf(request, "call-id")} ${cseqOf(request).number} ${method} ${branchOf(request)}`;
    const localTag = tagOf(headerOf(request, "to"));
    const callId = headerOf(request, "call-id");
    const dialog =
      this.#desk.find(callId, localTag, tagIn(headerOf(request, "from"))) ??
      (method === "NOTIFY" ? this.#bystanders.pending(callId, localTag) : undefined);
    if (dialog?.vanished || (dialog?.habits.temper === "mute" && method !== "ACK")) return;
    if (method === "ACK") {
      this.#callee.ack(request);
      return this.#talk.ack(request);
    }
    const { wire } = this.#desk;
    if (wire.answerTo(key) !== undefined) return wire.repeat(key, "honest");
    if (this.#seen.has(key) && (method !== "INVITE" || dialog !== undefined)) return; // A copy: we are thinking.
    this.#seen.add(key);
    if (method === "CANCEL") return this.#onCancel(request, key);
    if (dialog !== undefined && this.#bystanders.receive(request, key, method, dialog)) return;
    if (dialog !== undefined) return this.#talk.receive(request, key, dialog);
    if (localTag !== "") return wire.respond(request, key, 481, headerOf(request, "to"), "honest");
    if (method === "INVITE") return this.#callee.invite(request, key, this.#replacedBy(request));
    if (method === "REGISTER") return this.#registrar.receive(request, key);
    const number = /^\S+ (?:sips?|tel):([^@;\s]*)/.exec(request.start)?.[1] ?? "";
    const errand = this.#desk.options.errandFor(number);
    if (errand?.method === method) {
      return this.#bystanders.asked(request, key, method, number, errand, this.#desk.options.diceOf(number));
    }
    wire.respond(
      request,
      key,
      method === "OPTIONS" ? 200 : 405,
      `${headerOf(request, "to")};tag=${this.#desk.options.mark}none`,
      "honest",
    );
  }

  /** RFC 3891 §3: Replaces names the dialog as its other end sees it. */
  #replacedBy(invite: Sip): Dialog | undefined {
    const [callId = "", ...params] = headerOf(invite, "replaces").split(/\s*;\s*/);
    if (callId === "") return undefined;
    const value = (name: string): string =>
      params.find((one) => one.startsWith(`${name}=`))?.slice(name.length + 1) ?? "";
    return this.#desk.find(callId, value("to-tag"), value("from-tag"));
  }

  #onCancel(request: Sip, key: string): void {
    const inviteKey = key.replace(" CANCEL ", " INVITE ");
    const status = this.#talk.cancel(inviteKey) || this.#callee.cancel(inviteKey) ? 200 : 481;
    this.#desk.wire.respond(request, key, status, headerOf(request, "to"), "honest");
  }
}
