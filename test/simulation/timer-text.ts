/** What a simulated phone says about session timers, and about UPDATE, which refreshes come as. */
import type { TimerTaste } from "./script.ts";
import { headerOf, type Sip } from "./sip-text.ts";

export const allowOf = ({ takesUpdate }: { readonly takesUpdate: boolean }): string =>
  `INVITE, ACK, CANCEL, BYE, ${takesUpdate ? "UPDATE, " : ""}PRACK, INFO, OPTIONS`;

/** What an INVITE says about session timers (RFC 4028 §7.1). */
export function askForTimer(timer: TimerTaste): [string, string][] {
  if (timer === "none") return [];
  const supported: [string, string] = ["Supported", "timer"];
  return timer === "supports" ? [supported] : [supported, ["Session-Expires", "240;refresher=uac"]];
}

/** What a 2xx says about them: the asker's choice of the refresher holds (RFC 4028 §9, table 2). */
export function agreeOnTimer(timer: TimerTaste, request: Sip): [string, string][] {
  const [seconds = "", role] = headerOf(request, "session-expires").split(/\s*;\s*/);
  if (timer === "none" || seconds === "") return [];
  const refresher = role ?? (timer === "refreshes" ? "refresher=uas" : "refresher=uac");
  return [
    ["Require", "timer"],
    ["Session-Expires", `${seconds};${refresher}`],
  ];
}
