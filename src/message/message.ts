/**
 * SIP messages as views over their text: nothing is copied, and values are read when they are asked for. What every
 * layer asks for (top Via, From, To, Call-ID, CSeq) was read once by `parseMessage` and is a plain property.
 */
import { PeerError } from "../base/index.ts";
import type { HeaderField } from "./field.ts";
import { CallId } from "./headers/call-id.ts";
import { Contact } from "./headers/contact.ts";
import { CSeq, type CSeqValue } from "./headers/cseq.ts";
import { From, type NameAddr, To } from "./headers/name-addr.ts";
import { Via, type ViaValue } from "./headers/via.ts";
import { type HeaderIndex, type Headers, splitList } from "./headers.ts";
import { limits } from "./limits.ts";
import { parseUri, type Uri } from "./uri.ts";

export type Message = Request | Response;

/** The values that a message cannot do without. RFC 3261 §8.1.1. */
export interface Core {
  /** The top one. */
  readonly via: ViaValue;
  readonly from: NameAddr;
  readonly to: NameAddr;
  readonly callId: string;
  readonly cseq: CSeqValue;
  /** The first one, where it was read already. */
  readonly contact: NameAddr | "*" | undefined;
}

abstract class Shared {
  readonly #index: HeaderIndex;
  readonly #core: Core;
  /** Asked for again and again, and found once. */
  #fromTag: string | undefined = undefined;
  #toTag: string | undefined = undefined;
  #branch: string | undefined = undefined;

  constructor(index: HeaderIndex, core: Core) {
    this.#index = index;
    this.#core = core;
  }

  get text(): string {
    return this.#index.text;
  }

  get headers(): Headers {
    return this.#index;
  }

  /** The top one. */
  get via(): ViaValue {
    return this.#core.via;
  }

  /** It has passed nobody but us: RFC 3261 §8.1.3.3. */
  get hasOneVia(): boolean {
    return this.#index.hasOneVia;
  }

  get from(): NameAddr {
    return this.#core.from;
  }

  get to(): NameAddr {
    return this.#core.to;
  }

  get callId(): string {
    return this.#core.callId;
  }

  get cseq(): CSeqValue {
    return this.#core.cseq;
  }

  get body(): string {
    return this.text.slice(this.#index.bodyStart);
  }

  /** Undefined before the dialog has one, and from RFC 2543 elements. */
  get fromTag(): string | undefined {
    this.#fromTag ??= this.from.params.get("tag");
    return this.#fromTag;
  }

  get toTag(): string | undefined {
    this.#toTag ??= this.to.params.get("tag");
    return this.#toTag;
  }

  /** The branch of the top Via. */
  get branch(): string | undefined {
    this.#branch ??= this.via.params.get("branch");
    return this.#branch;
  }

  /** The first value; `undefined` when absent. Throws PeerError(400) when it is malformed. */
  get<T>(field: HeaderField<T>): T | undefined {
    const known = this.#known(field as HeaderField<unknown>);
    if (known !== undefined) return known as T;
    const row = this.#index.row(field.name);
    if (row === 0) return undefined;
    const value = this.#index.value(row);
    if (field.list !== true) return field.parse(value);
    const first = splitList(value)[0];
    return first === undefined ? this.getAll(field)[0] : field.parse(first);
  }

  /** What was read when the message came. */
  #known(field: HeaderField<unknown>): unknown {
    if (field === Contact) return this.#core.contact;
    if (field === Via) return this.via;
    if (field === CSeq) return this.cseq;
    if (field === From) return this.from;
    if (field === To) return this.to;
    if (field === CallId) return this.callId;
    return undefined;
  }

  /** Does a list of tokens hold this one, whatever its case? It is lower case. A header that cannot be read holds nothing. */
  lists(field: HeaderField<string>, token: string): boolean {
    if (!this.headers.mentions(field.name, token)) return false;
    try {
      return this.getAll(field).some((one) => one.toLowerCase() === token);
    } catch (error) {
      if (error instanceof PeerError) return false;
      throw error;
    }
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

  #parsedUri: Uri | undefined;

  constructor(method: string, uri: string, index: HeaderIndex, core: Core) {
    super(index, core);
    this.method = method;
    this.uri = uri;
  }

  /** The Request-URI as a value, looked into once. */
  get requestUri(): Uri {
    this.#parsedUri ??= parseUri(this.uri);
    return this.#parsedUri;
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
