/** Commas outside quotes and angle brackets. RFC 3261 §7.3.1. */
export function splitList(line: string): readonly string[] {
  const parts: string[] = [];
  let quoted = false;
  let angled = false;
  let start = 0;
  for (let at = 0; at < line.length; at++) {
    const char = line[at];
    if (quoted && char === "\\") at++;
    else if (char === '"' && !angled) quoted = !quoted;
    else if (char === "<" && !quoted) angled = true;
    else if (char === ">" && !quoted) angled = false;
    else if (char === "," && !quoted && !angled) {
      parts.push(line.slice(start, at).trim());
      start = at + 1;
    }
  }
  parts.push(line.slice(start).trim());
  return parts.filter((part) => part !== "");
}
