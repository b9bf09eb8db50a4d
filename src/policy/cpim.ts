/** Messages with headers of their own: RFC 3862, RFC 5438. Those that we know cross, with hosts hidden. */
import type { Hider } from "./text-hiding.ts";

/** Limit: header lines that are looked at. */
const LINES = 48;

const ADDRESS = /^([^<>]*)<([^<>\s]+)>$/;
const DATE_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)$/;
const NAMESPACE = /^[\w-]{0,20} ?<urn:[\w:.-]+>$/;
const WORDS = /^[\w-]+(?:, ?[\w-]+)*$/;

/** `inner` gives the body that the message holds, by its type in lower case; `undefined`: the whole may not cross. */
export function cpimAcross(
  body: string,
  hider: Hider,
  inner: (type: string, text: string) => string | undefined,
): string | undefined {
  const outerEnd = body.indexOf("\r\n\r\n");
  const innerEnd = outerEnd < 0 ? -1 : body.indexOf("\r\n\r\n", outerEnd + 4);
  if (innerEnd < 0) return undefined;
  const outer = linesOf(body.slice(0, outerEnd), (name, value) => messageHeader(name, value, hider));
  const content = linesOf(body.slice(outerEnd + 4, innerEnd), contentHeader);
  const type = /(?:^|\r\n)Content-Type:[ \t]*([\w.+-]+\/[\w.+-]+)/i.exec(body.slice(outerEnd + 4, innerEnd))?.[1];
  const text = inner((type ?? "text/plain").toLowerCase(), body.slice(innerEnd + 4));
  if (text === undefined) return undefined;
  return `${outer}\r\n\r\n${content}\r\n\r\n${text}`;
}

function linesOf(block: string, header: (name: string, value: string) => string | undefined): string {
  const kept: string[] = [];
  for (const line of block.split("\r\n", LINES)) {
    const colon = line.indexOf(":");
    if (colon <= 0) continue;
    const name = line.slice(0, colon);
    const value = header(name.toLowerCase(), line.slice(colon + 1).trim());
    if (value !== undefined) kept.push(`${name}: ${value}`);
  }
  return kept.join("\r\n");
}

function messageHeader(name: string, value: string, hider: Hider): string | undefined {
  switch (name) {
    case "from":
    case "to":
    case "cc":
      return addressAcross(value, hider);
    case "datetime":
      return DATE_TIME.test(value) ? value : undefined;
    case "subject":
      return hider.prose(value);
    case "ns":
      return NAMESPACE.test(value) ? value : undefined;
    case "imdn.message-id":
      return hider.id(value);
    case "imdn.disposition-notification":
      return WORDS.test(value) ? value : undefined;
    default:
      return undefined;
  }
}

function addressAcross(value: string, hider: Hider): string | undefined {
  const [, display = "", uri = ""] = ADDRESS.exec(value) ?? [];
  const hidden = hider.uri(uri);
  if (hidden === undefined) return undefined;
  const name = hider.prose(display.trim());
  return name === undefined || name === "" ? `<${hidden}>` : `${name} <${hidden}>`;
}

const PLAIN_TYPE = /^[\w.+-]+\/[\w.+-]+(?:;[ \t]*charset="?[\w.-]+"?)?$/i;

function contentHeader(name: string, value: string): string | undefined {
  if (name === "content-type") return PLAIN_TYPE.test(value) ? value : value.split(";")[0];
  if (name === "content-transfer-encoding" || name === "content-disposition")
    return WORDS.test(value) ? value : undefined;
  return undefined;
}
