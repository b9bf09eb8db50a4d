/** SIP text as values that a ladder can change: start line, header lines in order, body. A reading of its own. */
export interface MessageText {
  /** `undefined` where a ladder leaves it to the dialog. */
  readonly start: string | undefined;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string | undefined;
}

const START = /^(?:[A-Z]+ \S+ SIP\/2\.0|SIP\/2\.0 \d{3})/;

/** Lines may end in LF or CRLF, headers may be folded; a body is given CRLF line ends. */
export function readMessage(text: string): MessageText {
  const lines = text.replaceAll("\r\n", "\n").replace(/\n+$/, "").split("\n");
  const start = START.test(lines[0] ?? "") ? lines.shift() : undefined;
  const end = lines.indexOf("");
  const head = end < 0 ? lines : lines.slice(0, end);
  const rest = end < 0 ? [] : lines.slice(end + 1);
  const headers: [string, string][] = [];
  for (const line of head) {
    const last = headers.at(-1);
    if (/^[ \t]/.test(line) && last !== undefined) last[1] += ` ${line.trim()}`;
    else headers.push([line.slice(0, line.indexOf(":")).trim(), line.slice(line.indexOf(":") + 1).trim()]);
  }
  return { start, headers, body: rest.length === 0 ? undefined : rest.map((line) => `${line}\r\n`).join("") };
}

/** What the second one says stands in place of what the first one says. */
export function laidOver(under: MessageText, over: MessageText): MessageText {
  const named = new Set(over.headers.map(([name]) => name.toLowerCase()));
  return {
    start: over.start ?? under.start,
    headers: [...under.headers.filter(([name]) => !named.has(name.toLowerCase())), ...over.headers],
    body: over.body ?? under.body,
  };
}

export const headerValue = (message: MessageText, name: string): string | undefined =>
  message.headers.find(([one]) => one.toLowerCase() === name.toLowerCase())?.[1];

/** The text on the wire, with the right Content-Length. */
export function written(
  start: string,
  headers: readonly (readonly [name: string, value: string])[],
  body: string,
): string {
  const lines = headers.filter(([name]) => name.toLowerCase() !== "content-length");
  return `${[start, ...lines.map(([name, value]) => `${name}: ${value}`)].join("\r\n")}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}
