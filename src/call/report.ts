/** What a call tells about itself: its facts and its view. Users and addresses of each side, never a body or a key. */
import {
  addressText,
  type CallAnswered,
  type CallEnded,
  type CallStarted,
  type EndCause,
  inOnePiece,
  type Millis,
  type Party,
  type Side,
  type StreamQuality,
} from "../base/index.ts";
import type { Dialog, SessionIds } from "../leg/index.ts";
import { joined, type MediaNews, type MediaView } from "../media/index.ts";
import { parseUri, unescapeUser } from "../message/index.ts";
import { NORMAL_CLEARING, q850Of } from "../policy/index.ts";
import type { Call } from "./call.ts";
import type { CallStart } from "./call-start.ts";
import type { CallView } from "./call-view.ts";
import { BYE_REASON, type Verdict } from "./verdict.ts";

interface Stream {
  readonly kind: string;
  caller: StreamQuality;
  callee: StreamQuality;
}

export class Report {
  readonly #start: CallStart;
  readonly #ids: SessionIds | undefined;
  #from: Party;
  #to: Party | undefined;
  #beganAt: Millis = 0;
  #answeredAt: Millis | undefined;
  #overAt: Millis = 0;
  #end:
    | { readonly cause: EndCause; readonly by: Side | undefined; readonly status: number; readonly q850: number }
    | undefined;
  readonly #streams: (Stream | undefined)[] = [];

  constructor(start: CallStart, ids: SessionIds | undefined) {
    this.#start = start;
    this.#ids = ids;
    const { request } = start;
    this.#from = {
      realm: start.realm.name,
      peer: start.fromPeer?.name,
      user: userOf(request.from.uri),
      callId: inOnePiece(request.callId),
      remote: inOnePiece(start.remote),
    };
  }

  began(now: Millis): void {
    this.#beganAt = now;
  }

  started(): CallStarted {
    const { peers, request, pickup } = this.#start;
    const first = peers[0];
    const to: Party = {
      realm: pickup?.realm.name ?? first?.realm ?? "",
      peer: pickup?.peer?.name ?? first?.name,
      user: userOf(request.uri),
      callId: "",
      remote: "",
    };
    return { fact: "call.started", call: this.#start.id, from: this.#from, to };
  }

  /** The callee gave its 2xx. */
  answered(call: Call, dialog: Dialog, now: Millis): void {
    this.#answeredAt = now;
    const hop = dialog.hop;
    this.#to = {
      realm: dialog.leg.realm,
      peer: call.calleePeer?.name,
      user: userOf(this.#start.request.uri),
      callId: dialog.callId,
      remote: hop === undefined ? "" : inOnePiece(addressText(hop.remote)),
    };
  }

  answeredFact(call: Call, now: Millis): CallAnswered {
    const fact: CallAnswered = {
      fact: "call.answered",
      call: call.id,
      afterMs: Math.round(now - this.#beganAt),
      callee: this.#to as Party,
      media: call.house.media.ends(call.id),
    };
    return this.#ids === undefined ? fact : { ...fact, sessionId: inOnePiece(this.#ids.text) };
  }

  over({ cause, by, status, reason }: Verdict, now: Millis): void {
    this.#overAt = now;
    const q850 =
      reason === BYE_REASON ? NORMAL_CLEARING : q850Of(reason, status, cause !== "bye" && cause !== "cancelled");
    this.#end = { cause, by, status: this.#answeredAt === undefined ? status : 200, q850 };
  }

  /** The last counters of a stream. One that moved to other ports is counted in parts. */
  counted(news: Extract<MediaNews, { news: "closed" }>): void {
    const held = this.#streams[news.stream];
    if (held === undefined) {
      this.#streams[news.stream] = { kind: news.kind, ...news.quality };
      return;
    }
    held.caller = joined(held.caller, news.quality.caller);
    held.callee = joined(held.callee, news.quality.callee);
  }

  ended(): CallEnded {
    const { cause, by, status, q850 } = this.#end ?? UNTOLD;
    const fact: CallEnded = {
      fact: "call.ended",
      call: this.#start.id,
      cause,
      by,
      status,
      q850,
      totalMs: Math.round(this.#overAt - this.#beganAt),
      answeredMs: this.#answeredAt === undefined ? 0 : Math.round(this.#overAt - this.#answeredAt),
      from: this.#from,
      to: this.#to,
      streams: this.#streams.filter((stream) => stream !== undefined),
    };
    return this.#ids === undefined ? fact : { ...fact, sessionId: inOnePiece(this.#ids.text) };
  }

  view(state: string, media: MediaView | undefined, now: Millis): CallView {
    const seen: CallView = {
      call: this.#start.id,
      state,
      ageMs: Math.round(now - this.#beganAt),
      answeredMs: this.#answeredAt === undefined ? undefined : Math.round(now - this.#answeredAt),
      from: this.#from,
      to: this.#to,
      media,
    };
    return this.#ids === undefined ? seen : { ...seen, sessionId: this.#ids.text };
  }
}

const UNTOLD = { cause: "protocol-error", by: undefined, status: 500, q850: 41 } as const;

function userOf(text: string): string {
  try {
    const uri = parseUri(text);
    if (uri.scheme === "tel") return inOnePiece(uri.number);
    return uri.scheme === "other" ? "" : inOnePiece(unescapeUser(uri.user ?? ""));
  } catch {
    return "";
  }
}
