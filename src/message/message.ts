/**
 * SIP messages as views over their text: nothing is copied, and values are read when they are asked for. What every
 * layer asks for (top Via, From, To, Call-ID, CSeq) was read once by `parseMessage` and is a plain property.
 */
import { PeerError } from "../base/index.ts";
import type { HeaderField } from "./field.ts";
import type { CSeqValue } from "./headers/cseq.ts";
import type { NameAddr } from "./headers/name-addr.ts";
import type { ViaValue } from "./headers/via.ts";
import { type HeaderIndex, type Headers, splitList } from "./headers.ts";
import { limits } from "./limits.ts";

export type Message = Request | Response;

/** The values that a message cannot do without. RFC 3261 §8.1.1. */
export interface Core {
  /** The top one. */
  readonly via: ViaValue;
  readonly from: NameAddr;
  readonly to: NameAddr;
  readonly callId: string;
  readonly cseq: CSeqValue;
}

abstract class Shared {
  readonly text: string;
  readonly headers: Headers;
  readonly via: ViaValue;
  readonly from: NameAddr;
  readonly to: NameAddr;
  readonly callId: string;
  readonly cseq: CSeqValue;
  readonly #index: HeaderIndex;

  constructor(index: HeaderIndex, core: Core) {
    this.text = index.text;
    this.headers = index;
    this.#index = index;
    this.via = core.via;
    this.from = core.from;
    this.to = core.to;
    this.callId = core.callId;
    this.cseq = core.cseq;
  }

  get body(): string {
    return this.text.slice(this.#index.bodyStart);
  }

  /** Undefined before the dialog has one, and from RFC 2543 elements. */
  get fromTag(): string | undefined {
    return this.from.params.get("tag");
  }

  get toTag(): string | undefined {
    return this.to.params.get("tag");
  }

  /** The branch of the top Via. */
  get branch(): string | undefined {
    return this.via.params.get("branch");
  }

  /** The first value; `undefined` when absent. Throws PeerError(400) when it is malformed. */
  get<T>(field: HeaderField<T>): T | undefined {
    const row = this.#index.row(field.name);
    if (row < 0) return undefined;
    const value = this.#index.value(row);
    if (field.list !== true) return field.parse(value);
    const first = splitList(value)[0];
    return first === undefined ? this.getAll(field)[0] : field.parse(first);
  }

  /** All values of all lines, comma lists split. Throws PeerError(400) when one is malformed or there are too many. */
  getAll<T>(field: HeaderField<T>): readonly T[] {
    const values: T[] = [];
    for (const line of this.headers.rawAll(field.name)) {
      const texts = field.list === true ? splitList(line) : [line];
      if (values.length + texts.length > limits.valueCount)
        throw new PeerError(400, `${field.name}: more than ${limits.valueCount} values`);
      for (const text of texts) values.push(field.parse(text));
    }
    return values;
  }
}

export class Request extends Shared {
  readonly kind = "request";
  readonly method: string;
  /** The Request-URI as it stands; `parseMessage` has seen that `parseUri` takes it. */
  readonly uri: string;

  constructor(method: string, uri: string, index: HeaderIndex, core: Core) {
    super(index, core);
    this.method = method;
    this.uri = uri;
  }
}

export class Response extends Shared {
  readonly kind = "response";
  /** 100 to 699. */
  readonly status: number;
  readonly reason: string;

  constructor(status: number, reason: string, index: HeaderIndex, core: Core) {
    super(index, core);
    this.status = status;
    this.reason = reason;
  }
}
