/** How long something is to run: `60s`, `5m`, `1h`, or a bare number of seconds. Throws when it is none of these. */
export function secondsOf(text: string): number {
  const match = /^(\d+)(s|m|h)?$/.exec(text);
  if (match === null) throw new Error(`FOR=${text}: write it like 60s, 5m or 1h`);
  return Number(match[1]) * { s: 1, m: 60, h: 3_600 }[(match[2] ?? "s") as "s" | "m" | "h"];
}
