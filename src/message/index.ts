export { INITIAL_MAX_FORWARDS, RequestDraft, ResponseDraft } from "./draft.ts";
export { MessageError } from "./errors.ts";
export type { HeaderField } from "./field.ts";
export { type Frame, type FramerLimits, StreamFramer } from "./framer.ts";
export { isToken, quote } from "./grammar.ts";
export * from "./headers/index.ts";
export { type HeaderLine, type Headers, splitList } from "./headers.ts";
export { canonicalIp6, isIp4, isIp6, sameHost } from "./host.ts";
export { limits } from "./limits.ts";
export { type Message, Request, Response } from "./message.ts";
export { formatMultipart, type Part, parseMultipart } from "./multipart.ts";
export { formatParams, NO_PARAMS, type ParamMap } from "./params.ts";
export { parseMessage } from "./parse.ts";
export { phraseOf } from "./phrases.ts";
export { responseTo } from "./response-to.ts";
export {
  escapeUser,
  formatUri,
  type OtherUri,
  parseUri,
  type SipUri,
  sameUri,
  type TelUri,
  type Uri,
  unescapeUser,
} from "./uri.ts";
