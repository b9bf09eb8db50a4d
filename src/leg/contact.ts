/** What every leg tells of us: where its other end finds us, and what we take. */
import { hostText, type Protocol, transportParam } from "../base/index.ts";
import type { Local } from "./ports.ts";

export const ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, REFER, NOTIFY, SUBSCRIBE, MESSAGE";

/** RFC 3261 §12.1.1: methods whose Contact is where the peer finds us from then on, or answers to. */
export const TARGET_REFRESH: ReadonlySet<string> = new Set(["INVITE", "UPDATE", "SUBSCRIBE", "NOTIFY", "REFER"]);

/** `secure`: a sips URI (RFC 5630). */
export function contactOf(user: string, local: Local, protocol: Protocol, secure: boolean): string {
  const host = local.host.startsWith("[") ? local.host : hostText(local.host);
  return `<${secure ? "sips" : "sip"}:${user}@${host}:${local.port}${transportParam(protocol, secure)}>`;
}
