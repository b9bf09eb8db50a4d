/**
 * Media before the answer: which fork of the callee the relay follows, and what P-Early-Media (RFC 5009) lets through. The
 * fork that said something last is followed, but one whose media is not authorised steps back behind one whose is.
 */
import { PeerError } from "../base/index.ts";
import type { Dialog } from "../leg/index.ts";
import type { Gate } from "../media/index.ts";
import { type Message, PEarlyMedia } from "../message/index.ts";
import type { Call } from "./call.ts";

/** By m-line, the last one for all that follow. Forward is from the caller to the callee. RFC 5009 §8. */
const GATES: ReadonlyMap<string, Gate> = new Map([
  ["sendrecv", { forward: true, backward: true }],
  ["sendonly", { forward: false, backward: true }],
  ["recvonly", { forward: true, backward: false }],
  ["inactive", { forward: false, backward: false }],
]);

/** Limit: m-lines that are told apart; the last one counts for all beyond. */
const GATE_LIMIT = 16;

export class EarlyMedia {
  readonly #call: Call;
  /** Forks that described their media, whoever said something last at the end. */
  #forks: Dialog[] = [];
  readonly #gates = new Map<Dialog, readonly Gate[]>();
  #followed: Dialog | undefined;
  #gated = false;

  constructor(call: Call) {
    this.#call = call;
  }

  /** What a message of the callee's side authorises. Untrusted words change nothing. */
  hear(dialog: Dialog, message: Message): void {
    if (this.#call.calleeRealm?.trust === "none") return;
    const gates = gatesIn(message);
    if (gates === undefined) return;
    this.#gates.set(dialog, gates);
    if (this.#forks.includes(dialog)) this.#toFront(dialog);
    this.#follow();
  }

  /** A fork answers: its answer for the caller. Throws PeerError, and nothing has changed then. */
  answer(dialog: Dialog, sdp: string): string {
    const { id, house } = this.#call;
    const before = this.#forks;
    this.#toFront(dialog);
    const followed = this.#best() === dialog;
    try {
      const { alternative, localTag } = dialog;
      const options = { provisional: true, dialog: localTag, aside: !followed, alternative };
      const answer = house.media.answer(id, "callee", sdp, options);
      dialog.earlyRemote = sdp;
      if (followed) this.#followed = dialog;
      this.#gate();
      return answer;
    } catch (error) {
      this.#forks = before;
      throw error;
    }
  }

  /** This fork rings no more (199, RFC 6228). */
  ended(dialog: Dialog): void {
    this.#forks = this.#forks.filter((one) => one !== dialog);
    this.#follow();
  }

  /** The call is answered: from now on all media is authorised. */
  close(): void {
    if (!this.#gated) return;
    this.#gated = false;
    this.#call.house.media.gate(this.#call.id, undefined);
  }

  /** The relay follows the fork that it should. */
  #follow(): void {
    const best = this.#best();
    if (best?.earlyRemote !== undefined && best !== this.#followed && !this.#call.settled) {
      const { id, house } = this.#call;
      try {
        const { alternative, localTag } = best;
        house.media.answer(id, "callee", best.earlyRemote, { provisional: true, dialog: localTag, alternative });
        this.#followed = best;
      } catch (error) {
        if (!(error instanceof PeerError)) throw error; // Another offer is under way: it stays as it is.
      }
    }
    this.#gate();
  }

  #gate(): void {
    const gates = this.#followed === undefined ? undefined : this.#gates.get(this.#followed);
    if (gates === undefined && !this.#gated) return;
    this.#gated = gates !== undefined;
    this.#call.house.media.gate(this.#call.id, gates);
  }

  #best(): Dialog | undefined {
    const { callee } = this.#call;
    const heard = this.#followed?.leg === callee ? this.#followed : undefined;
    // One of another kind has other ports than those that are open: it is not heard before its answer.
    const forks = this.#forks.filter(
      ({ alternative, leg }) => leg === callee && (heard === undefined || alternative === heard.alternative),
    );
    return forks.findLast((dialog) => this.#sounds(dialog)) ?? forks.at(-1);
  }

  /** May the caller hear this fork? */
  #sounds(dialog: Dialog): boolean {
    return this.#gates.get(dialog)?.some(({ backward }) => backward) ?? true;
  }

  #toFront(dialog: Dialog): void {
    this.#forks = [...this.#forks.filter((one) => one !== dialog), dialog];
  }
}

/** `undefined`: no word of it says a direction, or it cannot be read. */
function gatesIn(message: Message): readonly Gate[] | undefined {
  if (!message.headers.has("p-early-media")) return undefined;
  try {
    const gates: Gate[] = [];
    for (const word of message.getAll(PEarlyMedia)) {
      const gate = GATES.get(word.toLowerCase());
      if (gate !== undefined && gates.length < GATE_LIMIT) gates.push(gate);
    }
    return gates.length === 0 ? undefined : gates;
  } catch (error) {
    if (error instanceof PeerError) return undefined;
    throw error;
  }
}
