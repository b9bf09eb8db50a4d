/** What becomes of bytes that are no good message: a short answer where the RFC wants one, a counter, seldom a fact. */
import { Counters, type Hop, hash32, type Millis, PeerError, type Random } from "../base/index.ts";
import { MessageError, type Request, responseTo } from "../message/index.ts";
import { Rate } from "./rate.ts";
import type { TransportOutput } from "./words.ts";

/** Limit: answers to malformed requests, of the whole box. Beyond, they are dropped. */
const ANSWERS_PER_SECOND = 50;
/** Limit: facts about them: the log of a flood must not be a flood. Counters tell the rest. */
const FACTS_PER_SECOND = 2;
const BURST = 20;
/** Limit: an answer goes only if it is at most this many times as long as what it answers. */
const AMPLIFICATION = 1.5;

export type RefusalsCounter = "bad.answered" | "bad.dropped" | "bad.rate" | "bad.amplifying" | `bad.${number}`;

export class Refusals {
  readonly counters = new Counters<RefusalsCounter>();
  readonly #emit: (output: TransportOutput) => void;
  readonly #seed: number;
  readonly #answers = new Rate(ANSWERS_PER_SECOND, BURST);
  readonly #facts = new Rate(FACTS_PER_SECOND, BURST);

  constructor(emit: (output: TransportOutput) => void, random: Random) {
    this.#emit = emit;
    this.#seed = random.uint32();
  }

  /**
   * Notes the error. Gives the answer to be sent for `bytes` of input, if there is to be one; throws what is not the
   * peer's mistake.
   */
  handle(
    error: unknown,
    hop: Hop,
    bytes: number,
    now: Millis,
  ): { readonly to: Request; readonly text: string } | undefined {
    if (!(error instanceof PeerError)) throw error;
    this.counters.add(`bad.${error.status}`);
    this.fact("message.bad", hop.realm, hop.remote.ip, error.message, now);
    const request = error instanceof MessageError ? error.answerTo : undefined;
    const text = request && this.#answer(request, error.status, bytes, now);
    if (request === undefined || text === undefined) {
      this.counters.add("bad.dropped");
      return undefined;
    }
    this.counters.add("bad.answered");
    return { to: request, text };
  }

  /** As seldom as the limit says. */
  fact(fact: "message.bad" | "connection.refused", realm: string, source: string, reason: string, now: Millis): void {
    if (this.#facts.take(now)) this.#emit({ out: "fact", fact: { fact, realm, source, reason } });
  }

  #answer(request: Request, status: number, bytes: number, now: Millis): string | undefined {
    if (request.method === "ACK") return undefined;
    // Without a transaction: a copy of the request must get the same tag (RFC 3261 §8.2.7).
    const text = responseTo(request, status, hash32(request.callId, this.#seed).toString(36)).toText();
    if (text.length > bytes * AMPLIFICATION) {
      this.counters.add("bad.amplifying");
      return undefined;
    }
    if (this.#answers.take(now)) return text;
    this.counters.add("bad.rate");
    return undefined;
  }
}
