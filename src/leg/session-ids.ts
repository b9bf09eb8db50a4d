/**
 * Session-ID end to end through a B2BUA: RFC 7989 §7. Each end has a UUID; what goes to one end names the other's first
 * and its own as `remote`. A call without it has none of this.
 */
import { type Random, randomBytes, type SessionIdPolicy } from "../base/index.ts";
import {
  type Message,
  type Request,
  type RequestDraft,
  type Response,
  type ResponseDraft,
  SessionId,
} from "../message/index.ts";
import type { Dialog } from "./dialog.ts";
import type { LegClient } from "./ports.ts";

/** An end that is not known. RFC 7989 §5. */
const NIL = "0".repeat(32);

/**
 * Versions 4 (dice) and 5 (a hash), of the variant of RFC 4122: what the RFC lets cross (§4.1). Any other may hold the
 * hardware address of its maker, and is told as one of our own making.
 */
const SAFE = /^[0-9a-f]{12}[45][0-9a-f]{3}[89ab][0-9a-f]{15}$/;

/** Limit: UUIDs of one call that stand for others. An end that goes on changing its own shows as unknown. */
const MASKS = 16;

export class SessionIds {
  readonly #random: Random;
  readonly #caller: string;
  /** RFC 7329: one UUID for the whole call, in both directions. §11. */
  readonly #single: boolean;
  #callee: string | undefined;
  #makesForCallee = false;
  #masks: Map<string, string> | undefined;

  constructor(random: Random, caller: string, single: boolean) {
    this.#random = random;
    this.#caller = caller;
    this.#single = single;
  }

  /** Those of a call that begins; `undefined`: its caller has no UUID, and gets none from us. */
  static of(request: Request, policy: SessionIdPolicy, random: Random): SessionIds | undefined {
    if (policy === "off") return undefined;
    const value = policy === "create" || request.headers.has("session-id") ? valueIn(request) : undefined;
    if (value !== undefined) return new SessionIds(random, value.local, value.remote === undefined);
    return policy === "create" ? new SessionIds(random, uuid(random), false) : undefined;
  }

  /** Somebody else is being asked: what the one before said of itself counts no more. */
  asking(policy: SessionIdPolicy): void {
    this.#callee = undefined;
    this.#makesForCallee = policy === "create";
  }

  /** The pair as the caller's end would write it. */
  get text(): string {
    return `${this.#caller};remote=${this.#callee ?? NIL}`;
  }

  /** The value for a message that goes out in this dialog. */
  toward(dialog: Dialog): string {
    if (this.#single) return this.#shown(this.#caller);
    const twin = dialog.meets ?? dialog.twin;
    // After a transfer the other end is of another call, which has its own.
    const far = twin === undefined ? this.#expected(dialog) : twin.leg.ids?.endOf(twin);
    return `${far === undefined ? NIL : this.#shown(far)};remote=${this.endOf(dialog) ?? NIL}`;
  }

  /** How the end of this dialog would begin another call, which is of the same session: RFC 7989 §6. */
  beginning(dialog: Dialog): string | undefined {
    const end = this.endOf(dialog);
    return end === undefined ? undefined : `${end};remote=${NIL}`;
  }

  /** An answer of the other end, or its ACK: its UUID counts from now on. §8. */
  learn(dialog: Dialog, message: Message): void {
    const told = this.#toldBy(dialog, message);
    if (told !== undefined) this.#accept(dialog, told);
  }

  /** A request of the other end: its UUID counts when the answer is a good one. §8. */
  hear(dialog: Dialog, request: Request): void {
    dialog.newEnd = this.#toldBy(dialog, request);
  }

  /** After the final answer to what was heard was written. */
  settle(dialog: Dialog, status: number): void {
    const told = dialog.newEnd;
    if (told === undefined || status < 200) return;
    dialog.newEnd = undefined;
    if (status < 400) this.#accept(dialog, told);
  }

  #toldBy(dialog: Dialog, message: Message): string | undefined {
    if (!message.headers.has("session-id")) return undefined;
    const told = valueIn(message)?.local;
    // RFC 7329: an end that answers with the caller's UUID has none of its own (§11).
    return dialog.leg.side === "callee" && told === this.#shown(this.#caller) ? undefined : told;
  }

  #accept(dialog: Dialog, told: string): void {
    dialog.end = told;
    if (dialog.leg.side === "callee") this.#callee = told;
  }

  /** Who is at the other side of a dialog that has no counterpart yet. */
  #expected({ leg }: Dialog): string | undefined {
    return leg.side === "callee" ? this.#caller : this.#callee;
  }

  /** The UUID of the end of this dialog, as that end itself knows it. */
  endOf(dialog: Dialog): string | undefined {
    const known = dialog.newEnd ?? dialog.end;
    if (known !== undefined) return known;
    if (dialog.leg.side === "caller") return this.#caller;
    if (!this.#makesForCallee || dialog.remoteTag === undefined) return undefined;
    dialog.end = uuid(this.#random);
    this.#callee = dialog.end;
    return dialog.end;
  }

  /** The UUID of one end as the other may see it. */
  #shown(end: string): string {
    if (SAFE.test(end)) return end;
    this.#masks ??= new Map();
    let mask = this.#masks.get(end);
    if (mask === undefined) {
      if (this.#masks.size === MASKS) return NIL;
      mask = uuid(this.#random);
      this.#masks.set(end, mask);
    }
    return mask;
  }
}

/** Writes Session-ID into what goes out in `dialog`, where the call has it. */
export function mark(draft: RequestDraft, dialog: Dialog): void {
  const { ids } = dialog.leg;
  if (ids !== undefined) draft.add("Session-ID", ids.toward(dialog));
}

/** The same for an answer. */
export function markAnswer(draft: ResponseDraft, dialog: Dialog): void {
  const { ids } = dialog.leg;
  if (ids === undefined) return;
  draft.add("Session-ID", ids.toward(dialog));
  ids.settle(dialog, draft.status);
}

/** Looks at the answers to a request of ours before its owner does. */
export function heeding(dialog: Dialog, owner: LegClient): LegClient {
  const { ids } = dialog.leg;
  if (ids === undefined) return owner;
  return {
    response: (response: Response, transaction, now) => {
      ids.learn(dialog, response);
      owner.response(response, transaction, now);
    },
    failed: (cause, transaction, now) => owner.failed(cause, transaction, now),
  };
}

/** RFC 7989 §6: one that cannot be read is as good as none. */
function valueIn(message: Message): { readonly local: string; readonly remote?: string } | undefined {
  try {
    const value = message.get(SessionId);
    return value === undefined || value.local === NIL ? undefined : value;
  } catch {
    return undefined;
  }
}

/** RFC 4122 §4.4: dice and nothing else, so that it tells of nobody and nothing. */
function uuid(random: Random): string {
  const bytes = randomBytes(random, 16);
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}
