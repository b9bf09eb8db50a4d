/**
 * A second, much simpler reading of SIP text, for the simulated phones: they must not share the product's parser, or a
 * mistake in it would be invisible.
 */
export interface Sip {
  readonly start: string;
  /** Lower-case long names. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

const LONG: Record<string, string> = { v: "via", f: "from", t: "to", i: "call-id", m: "contact", l: "content-length" };

export function readSip(text: string): Sip {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) throw new Error(`the box sent something that is not SIP: ${JSON.stringify(text.slice(0, 80))}`);
  const [start = "", ...lines] = text.slice(0, end).split("\r\n");
  const headers = lines.map((line): readonly [string, string] => {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).trim().toLowerCase();
    return [LONG[name] ?? name, line.slice(colon + 1).trim()];
  });
  return { start, headers, body: text.slice(end + 4) };
}

export const isRequest = (sip: Sip): boolean => !sip.start.startsWith("SIP/2.0 ");
export const methodOf = (sip: Sip): string => (isRequest(sip) ? (sip.start.split(" ")[0] ?? "") : cseqOf(sip).method);
export const statusOf = (sip: Sip): number => (isRequest(sip) ? 0 : Number(sip.start.split(" ")[1]));
export const headerOf = (sip: Sip, name: string): string => sip.headers.find(([key]) => key === name)?.[1] ?? "";
export const headersOf = (sip: Sip, name: string): string[] =>
  sip.headers.filter(([key]) => key === name).map(([, value]) => value);
export const tagOf = (value: string): string => /;\s*tag=([^;\s]+)/.exec(value)?.[1] ?? "";
export const uriOf = (value: string): string => /<([^>]*)>/.exec(value)?.[1] ?? value.split(";")[0]!.trim();
export const branchOf = (sip: Sip): string => /;\s*branch=([^;,\s]+)/.exec(headerOf(sip, "via"))?.[1] ?? "";

export function cseqOf(sip: Sip): { number: number; method: string } {
  const [number = "0", method = ""] = headerOf(sip, "cseq").split(/\s+/);
  return { number: Number(number), method };
}

export function writeSip(start: string, headers: readonly (readonly [string, string])[], body = ""): string {
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return `${start}\r\n${lines}Content-Length: ${body.length}\r\n\r\n${body}`;
}
