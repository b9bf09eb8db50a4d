/** The two-leg ladder: what the last messages looked like on each side of the box, as text for people. */
import type { TraceEntry } from "../engine/index.ts";
import { printable } from "./show.ts";

const LANE = 34;

/**
 * One column for each realm with the box between them; times in seconds from the first message. Only start lines and
 * m-lines: bodies may hold keys.
 */
export function ladderText(entries: readonly TraceEntry[]): string {
  const first = entries[0];
  if (first === undefined) return "no messages\n";
  const realms = [...new Set(entries.map((entry) => entry.realm))];
  const [left = "", ...others] = realms;
  const right = others.join(", ");
  const lines = [`${"".padEnd(10)}${left.padEnd(LANE + 4)}box${" ".repeat(LANE - 3 + 4)}${right}`];
  for (const entry of entries) {
    const time = ((entry.at - first.at) / 1_000).toFixed(3).padStart(8);
    lines.push(`${time}  ${entry.realm === left ? leftArrow(entry) : `${"".padEnd(LANE + 4)}│ ${rightArrow(entry)}`}`);
    for (const media of entry.media) {
      const indent = entry.realm === left ? 12 : LANE + 20;
      lines.push(`${" ".repeat(indent)}${printable(media)}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

const leftArrow = (entry: TraceEntry): string =>
  entry.sent ? `◀─ ${label(entry).padEnd(LANE, "─")} │` : `── ${label(entry).padEnd(LANE, "─")}▶│`;

const rightArrow = (entry: TraceEntry): string =>
  entry.sent ? `── ${label(entry).padEnd(LANE, "─")}▶` : `◀─ ${label(entry).padEnd(LANE, "─")} `;

/** `INVITE`, or `200 OK (INVITE)`. */
function label({ line, cseq }: TraceEntry): string {
  const method = cseq.split(/\s+/)[1] ?? "";
  const text = line.startsWith("SIP/2.0 ") ? `${line.slice(8)} (${method})` : (line.split(" ")[0] ?? "");
  return `${printable(text.slice(0, LANE - 2))} `;
}
