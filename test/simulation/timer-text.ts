/** What a simulated phone says about session timers, and about UPDATE, which refreshes come as. */
import type { Habits, TimerTaste } from "./script.ts";
import { headerOf, type Sip } from "./sip-text.ts";

export const allowOf = ({ takesUpdate }: Habits): string =>
  `INVITE, ACK, CANCEL, BYE, ${takesUpdate ? "UPDATE, " : ""}PRACK, INFO, OPTIONS, MESSAGE, REFER, NOTIFY`;

/** What an INVITE says about session timers (RFC 4028 §7.1). `least`: what a 422 asked for. */
export function askForTimer({ kind, seconds }: TimerTaste, least: number): [string, string][] {
  if (kind === "none") return [];
  if (kind === "supports") return [];
  const asked: [string, string][] = [["Session-Expires", `${Math.max(seconds, least)};refresher=uac`]];
  return least > 0 ? [...asked, ["Min-SE", String(least)]] : asked;
}

/** What a 2xx says about them: the asker's choice of the refresher holds (RFC 4028 §9, table 2). */
export function agreeOnTimer({ kind }: TimerTaste, request: Sip): [string, string][] {
  const [seconds = "", role] = headerOf(request, "session-expires").split(/\s*;\s*/);
  if (kind === "none" || seconds === "") return [];
  const refresher = role ?? (kind === "refreshes" ? "refresher=uas" : "refresher=uac");
  return [
    ["Require", "timer"],
    ["Session-Expires", `${seconds};${refresher}`],
  ];
}
