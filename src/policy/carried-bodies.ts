/**
 * Bodies of requests outside of calls, and of events inside them, as the other side may read them: hosts, addresses,
 * Call-IDs and tags of one side mean nothing on the other, and tell too much. A type that we cannot rewrite crosses
 * between realms of `trust: full` alone.
 */
import type { RealmSettings } from "../base/index.ts";
import type { DialogName, MediaType, Message, ParamMap } from "../message/index.ts";
import { cpimAcross } from "./cpim.ts";
import { SideNames } from "./leaks.ts";
import { summaryAcross } from "./message-summary.ts";
import { reasonPhrase } from "./responses.ts";
import { Hider } from "./text-hiding.ts";
import { ourHost } from "./topology.ts";
import { xmlAcross } from "./xml-events.ts";

export interface BodyContext {
  readonly from: RealmSettings;
  readonly to: RealmSettings;
  /** Our name on the `to` side, as in a URI: IPv6 in brackets. */
  readonly host: string;
  /** A word that stands for `text`, the same each time, and tells nothing of it. */
  readonly pseudonym: (text: string) => string;
  /** The name by which the other side may ask us for this dialog (RFC 3891). */
  readonly dialog: (name: DialogName) => DialogName;
}

export interface CarriedBody {
  readonly type: string;
  readonly body: string;
}

/** Words between people, and formats that hold no place. */
const AS_THEY_ARE: ReadonlySet<string> = new Set([
  "text/plain",
  "application/im-iscomposing+xml",
  "application/dtmf",
  "application/dtmf-relay",
  "application/media_control+xml",
  "application/kpml-request+xml",
  "application/kpml-response+xml",
]);

/** RFC 3863, RFC 4235, RFC 3680, RFC 3858, RFC 4575, RFC 5262, RFC 5438, RFC 4661; and their kin. */
const REWRITTEN_XML: ReadonlySet<string> = new Set([
  "application/pidf+xml",
  "application/pidf-diff+xml",
  "application/dialog-info+xml",
  "application/reginfo+xml",
  "application/watcherinfo+xml",
  "application/conference-info+xml",
  "application/simple-filter+xml",
  "message/imdn+xml",
]);

const SUMMARY = "application/simple-message-summary";
const CPIM = "message/cpim";
const SIPFRAG = "message/sipfrag";

/** All that cross between any two realms, for Accept. */
export const CARRIED_TYPES: readonly string[] = [...AS_THEY_ARE, ...REWRITTEN_XML, SUMMARY, CPIM, SIPFRAG];

const PLAIN_PARAM = /^[\w.+-]{1,40}$/;

/** `undefined`: it may not cross, or cannot be read. `message` is the one that it came in. */
export function bodyAcross(
  message: Message,
  type: MediaType,
  body: string,
  context: BodyContext,
): CarriedBody | undefined {
  const name = `${type.type}/${type.subtype}`;
  const { from, to } = context;
  if (AS_THEY_ARE.has(name)) return { type: name + charsetOf(type.params), body };
  if (name === SIPFRAG) return { type: "message/sipfrag;version=2.0", body: sipfragAcross(body) };
  const hider = new Hider(namesOf(message, context), context);
  const rewritten = across(name, body, hider);
  if (rewritten !== undefined) return { type: name + charsetOf(type.params), body: rewritten };
  const known = REWRITTEN_XML.has(name) || name === SUMMARY || name === CPIM;
  if (known || from.trust !== "full" || to.trust !== "full") return undefined;
  return { type: name + paramsOf(type.params), body };
}

/** RFC 3420, RFC 3515 §2.4.4: the first line says how the transfer goes; the rest, and its phrase, tell where. */
function sipfragAcross(body: string): string {
  const status = /^SIP\/2\.0 (\d{3}) /.exec(body)?.[1] ?? "100";
  return `SIP/2.0 ${status} ${reasonPhrase(Number(status))}\r\n`;
}

function across(name: string, body: string, hider: Hider): string | undefined {
  if (REWRITTEN_XML.has(name)) return xmlAcross(body, hider);
  if (name === SUMMARY) return summaryAcross(body, hider);
  if (name !== CPIM) return undefined;
  return cpimAcross(body, hider, (inner, text) => {
    if (AS_THEY_ARE.has(inner)) return text;
    return inner === CPIM ? undefined : across(inner, text, hider);
  });
}

const namesOf = (message: Message, { from, to, host }: BodyContext): SideNames =>
  new SideNames(
    message,
    message.headers.entries(),
    from,
    new Set([...to.publicDomains, host.toLowerCase(), ourHost(to).toLowerCase()]),
  );

const charsetOf = (params: ParamMap): string => {
  const charset = params.get("charset");
  return charset !== undefined && PLAIN_PARAM.test(charset) ? `;charset=${charset}` : "";
};

/** Between those who trust each other fully: a boundary may be any text. */
function paramsOf(params: ParamMap): string {
  let text = "";
  for (const [name, value] of params) {
    if (value === undefined) text += `;${name}`;
    else text += PLAIN_PARAM.test(value) ? `;${name}=${value}` : `;${name}="${value.replace(/["\\]/g, "")}"`;
  }
  return text;
}
