/**
 * Event documents in XML: dialogs (RFC 4235), presence (RFC 3863 and its extensions), registrations (RFC 3680), watchers
 * (RFC 3858), conferences (RFC 4575), notifications of messages (RFC 5438). They differ in what they say, and agree in
 * what they give away: URIs, ids, Call-IDs and tags.
 */
import type { Hider } from "./text-hiding.ts";
import { rewriteXml, type XmlAttribute } from "./xml.ts";

/** What describes a side's machines, or holds bodies of its own. */
const STAYS_BEHIND: ReadonlySet<string> = new Set([
  "session-description",
  "route-set",
  "hop",
  "user-agent",
  "signature",
  "encrypteddata",
]);

const ALWAYS_NEW: ReadonlySet<string> = new Set(["call-id", "callid", "local-tag", "remote-tag"]);

export const xmlAcross = (document: string, hider: Hider): string | undefined =>
  rewriteXml(document, {
    element: (name, attributes) => (STAYS_BEHIND.has(name) ? undefined : keep(name, attributes, hider)),
    text: (text, element) => {
      if (element === "call-id" || element === "callid") return hider.pseudonym(text.trim());
      if (element === "message-id") return hider.id(text.trim());
      return hider.value(text) ?? "";
    },
  });

function keep(element: string, attributes: readonly XmlAttribute[], hider: Hider): readonly XmlAttribute[] {
  const named = dialogNamed(attributes, hider);
  const kept: XmlAttribute[] = [];
  for (const { name, value } of attributes) {
    const shown = named.get(name) ?? attribute(element, name, value, hider);
    if (shown !== undefined) kept.push({ name, value: shown });
  }
  return kept;
}

function attribute(element: string, name: string, value: string, hider: Hider): string | undefined {
  if (name === "xmlns" || name.startsWith("xmlns:")) return hider.namespace(value);
  if (ALWAYS_NEW.has(name)) return hider.pseudonym(value);
  if (name === "id") return element === "dialog" ? hider.pseudonym(value) : hider.id(value);
  if (name === "pname") return hider.feature(value);
  if (name.toLowerCase().endsWith("schemalocation")) return undefined;
  return hider.value(value);
}

/** A dialog that is named in full is one that somebody may want to take over: it gets a name that means it to us. */
function dialogNamed(attributes: readonly XmlAttribute[], hider: Hider): ReadonlyMap<string, string> {
  const of = (name: string): string | undefined => attributes.find((one) => one.name === name)?.value;
  const callId = of("call-id");
  const toTag = of("local-tag");
  const fromTag = of("remote-tag");
  if (callId === undefined || toTag === undefined || fromTag === undefined) return NONE;
  const name = hider.dialog({ callId, toTag, fromTag });
  return new Map([
    ["call-id", name.callId],
    ["local-tag", name.toTag],
    ["remote-tag", name.fromTag],
  ]);
}

const NONE: ReadonlyMap<string, string> = new Map();
