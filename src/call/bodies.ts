/** What a message carries, and what of it may go on to the other leg. */
import { PeerError } from "../base/index.ts";
import {
  ContentDisposition,
  ContentEncoding,
  ContentType,
  type Headers,
  type Message,
  parseMultipart,
  type Request,
} from "../message/index.ts";
import { CARRIED_TYPES } from "../policy/index.ts";

export interface Content {
  readonly sdp: string | undefined;
  /** Anything else that is the whole body. */
  readonly other: { readonly type: string; readonly body: string } | undefined;
}

const EMPTY: Content = { sdp: undefined, other: undefined };

/** All that the box takes and carries. RFC 3261 §20.1. */
export const ACCEPT = ["application/sdp", ...CARRIED_TYPES].join(", ");

/**
 * The SDP of a message, whole body or the first such part of a multipart one (RFC 5621); the other parts stay behind.
 * Throws PeerError(400) when malformed, PeerError(415) when encoded.
 */
export function contentOf(message: Message): Content {
  const { body } = message;
  if (body === "") return EMPTY;
  if (message.headers.has("content-encoding")) {
    const plain = message.getAll(ContentEncoding).every((encoding) => encoding.toLowerCase() === "identity");
    if (!plain) throw new PeerError(415, "Content-Encoding: only identity is understood");
  }
  if (isEarlySession(message.headers)) return EMPTY;
  const raw = message.headers.raw("content-type");
  if (raw === "application/sdp") return { sdp: body, other: undefined };
  const type = message.get(ContentType);
  if (type === undefined) return EMPTY; // RFC 3261 §20.15 asks for it; a body without a meaning is none.
  const name = `${type.type}/${type.subtype}`;
  if (name === "application/sdp") return { sdp: body, other: undefined };
  if (type.type !== "multipart") return { sdp: undefined, other: { type: name, body } };
  const boundary = unquoted(type.params.get("boundary") ?? "");
  for (const part of parseMultipart(body, boundary)) {
    if (isEarlySession(part.headers)) continue;
    if (/^application\/sdp\b/i.test(part.headers.raw("content-type") ?? ""))
      return { sdp: part.body, other: undefined };
  }
  return EMPTY;
}

/**
 * The offer of an INVITE or UPDATE; `undefined`: it has no body. Throws PeerError(415) for a body that is none, unless its
 * sender can do without it: what we would not carry on must not get lost in silence (RFC 3261 §8.2.3, §20.11).
 */
export function offerIn(request: Request): string | undefined {
  const { sdp, other } = contentOf(request);
  if (other !== undefined && !isOptional(request)) throw new PeerError(415, "a body that is no session description");
  return sdp;
}

const isOptional = (request: Request): boolean =>
  request.get(ContentDisposition)?.params.get("handling")?.toLowerCase() === "optional";

/** RFC 3959: a session beside the one of the call, which we do not offer to carry. */
const isEarlySession = (headers: Headers): boolean =>
  /^early-session\b/i.test(headers.raw("content-disposition") ?? "");

const unquoted = (text: string): string => (text.startsWith('"') ? text.slice(1, -1) : text);
