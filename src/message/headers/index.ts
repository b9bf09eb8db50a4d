export * from "./authentication.ts";
export { CallId } from "./call-id.ts";
export { Contact } from "./contact.ts";
export * from "./content-disposition.ts";
export * from "./content-type.ts";
export { CSeq, type CSeqValue } from "./cseq.ts";
export * from "./dialog-id.ts";
export * from "./event.ts";
export {
  AlertInfo,
  CallInfo,
  Diversion,
  ErrorInfo,
  From,
  formatNameAddr,
  HistoryInfo,
  type NameAddr,
  PAssertedIdentity,
  PAssociatedUri,
  Path,
  PCalledPartyId,
  PPreferredIdentity,
  RecordRoute,
  ReferredBy,
  ReferTo,
  RemotePartyId,
  ReplyTo,
  Route,
  ServiceRoute,
  To,
} from "./name-addr.ts";
export * from "./numbers.ts";
export * from "./privacy.ts";
export * from "./rack.ts";
export * from "./reason.ts";
export * from "./retry-after.ts";
export * from "./session-expires.ts";
export * from "./session-id.ts";
export * from "./texts.ts";
export * from "./timestamp.ts";
export * from "./tokens.ts";
export { Via, type ViaValue } from "./via.ts";
export * from "./warning.ts";
