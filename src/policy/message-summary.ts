/** Waiting messages: RFC 3842 §5.2. Only what counts them crosses; the headers of single messages name their senders. */
import type { Hider } from "./text-hiding.ts";

/** Limit: lines that are looked at. */
const LINES = 64;

const STATUS = /^Messages-Waiting[ \t]*:[ \t]*(yes|no)[ \t]*$/i;
const ACCOUNT = /^Message-Account[ \t]*:[ \t]*<?([^\s<>]+)>?[ \t]*$/i;
const COUNTS =
  /^([\w-]{1,40})[ \t]*:[ \t]*(\d{1,9})[ \t]*\/[ \t]*(\d{1,9})(?:[ \t]*\([ \t]*(\d{1,9})[ \t]*\/[ \t]*(\d{1,9})[ \t]*\))?$/;

/** `undefined`: it says nothing that we understand. */
export function summaryAcross(body: string, hider: Hider): string | undefined {
  const lines: string[] = [];
  let told = false;
  for (const line of body.split(/\r?\n/, LINES)) {
    if (line === "" && told) break; // What follows are the headers of single messages.
    const shown = lineAcross(line.trimEnd(), hider);
    if (shown === undefined) continue;
    told ||= STATUS.test(line);
    lines.push(shown);
  }
  return told ? `${lines.join("\r\n")}\r\n` : undefined;
}

function lineAcross(line: string, hider: Hider): string | undefined {
  const status = STATUS.exec(line);
  if (status !== null) return `Messages-Waiting: ${status[1]}`;
  const account = ACCOUNT.exec(line);
  if (account !== null) {
    const uri = hider.uri(account[1] ?? "");
    return uri === undefined ? undefined : `Message-Account: ${uri}`;
  }
  const counts = COUNTS.exec(line);
  if (counts === null) return undefined;
  const [, name, fresh, old, urgentNew, urgentOld] = counts;
  return `${name}: ${fresh}/${old}${urgentNew === undefined ? "" : ` (${urgentNew}/${urgentOld})`}`;
}
