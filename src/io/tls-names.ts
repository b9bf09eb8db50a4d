/** Who a certificate says the other end is: RFC 5922 §7.1 and §7.2. */
import type { X509Certificate } from "node:crypto";
import { isIP } from "node:net";

/** Limit: names taken from one certificate; the rest is not looked at. */
const MAX_NAMES = 100;

interface AlternativeName {
  /** `DNS`, `URI`, `IP Address` … as OpenSSL names them. */
  readonly kind: string;
  readonly value: string;
}

/** The part of X509Certificate that is read here. */
export type Certificate = Pick<X509Certificate, "subject" | "subjectAltName">;

/**
 * The SIP domain identities of a certificate that is otherwise valid, lower case: hosts of `sip:` URIs without a user;
 * else DNS names; else, only when there is no subjectAltName at all, the common name.
 */
export function sipIdentities(certificate: Certificate): readonly string[] {
  const alternatives = alternativeNames(certificate.subjectAltName);
  if (alternatives === undefined) return commonName(certificate.subject);
  const domains = alternatives.filter(({ kind }) => kind === "URI").flatMap(({ value }) => sipDomain(value));
  if (domains.length > 0) return unique(domains);
  return unique(alternatives.filter(({ kind }) => kind === "DNS").map(({ value }) => bare(value)));
}

/**
 * Whether the certificate belongs to `name`, compared whole: neither a suffix nor a wildcard matches (RFC 5922 §7.2).
 * An IP address, which RFC 5922 does not speak of, must stand as such in the subjectAltName.
 */
export function belongsTo(certificate: Certificate, name: string): boolean {
  if (isIP(name) === 0) return sipIdentities(certificate).includes(bare(name));
  const alternatives = alternativeNames(certificate.subjectAltName) ?? [];
  return alternatives.some(({ kind, value }) => kind === "IP Address" && sameIp(value, name));
}

/**
 * The names, lower case, by which a client may ask for this certificate of ours: all that stand in it, wildcards as they
 * are written. Never asked of a peer's certificate, of which RFC 5922 §7.1 takes less.
 */
export function namesAskedBy(certificate: Certificate): readonly string[] {
  const alternatives = alternativeNames(certificate.subjectAltName);
  if (alternatives === undefined) return commonName(certificate.subject);
  return unique(
    alternatives.flatMap(({ kind, value }) =>
      kind === "DNS" ? [bare(value)] : kind === "URI" ? sipDomain(value) : [],
    ),
  );
}

/** What stands under the name that a client asks for, or under a wildcard for its first label (RFC 6125 §6.4.3). */
export function askedFor<T>(byName: ReadonlyMap<string, T>, name: string): T | undefined {
  const asked = bare(name);
  const dot = asked.indexOf(".");
  return byName.get(asked) ?? (dot > 0 ? byName.get(`*${asked.slice(dot)}`) : undefined);
}

/** The host of `sip:example.com;transport=tcp`; nothing of `sips:` URIs and of those with a user. */
function sipDomain(uri: string): string[] {
  const match = /^sip:([^@:;?/]+|\[[^\]@]+\])(?:[:;?][^@]*)?$/i.exec(uri);
  return match === null ? [] : [bare(match[1] as string)];
}

function commonName(subject: string): readonly string[] {
  const line = subject.split("\n").find((part) => part.startsWith("CN="));
  const name = bare(line?.slice(3) ?? "");
  return /^[a-z0-9-]+(?:\.[a-z0-9-]+)*$/.test(name) && isIP(name) === 0 ? [name] : [];
}

/**
 * OpenSSL's one-line form, as Node gives it: `DNS:a, URI:sip:b`. A value that could be mistaken for more than one is in
 * JSON quotes, so a comma inside quotes does not part. `undefined`: the extension is absent.
 */
function alternativeNames(text: string | undefined): readonly AlternativeName[] | undefined {
  if (text === undefined || text === "") return undefined;
  const names: AlternativeName[] = [];
  for (const part of text.match(/(?:[^,"]|"(?:[^"\\]|\\.)*")+/g)?.slice(0, MAX_NAMES) ?? []) {
    const entry = part.trim();
    const colon = entry.indexOf(":");
    if (colon > 0) names.push({ kind: entry.slice(0, colon), value: unquoted(entry.slice(colon + 1)) });
  }
  return names;
}

function unquoted(value: string): string {
  if (!value.startsWith('"')) return value;
  try {
    return String(JSON.parse(value));
  } catch {
    return ""; // Matches nothing.
  }
}

/** Lower case, without the dot of the root. */
const bare = (name: string): string => name.toLowerCase().replace(/\.$/, "");

const unique = (names: readonly string[]): readonly string[] => [...new Set(names)].filter((name) => name !== "");

/** OpenSSL writes IPv6 addresses out in full, in capitals. */
function sameIp(a: string, b: string): boolean {
  const canonical = (ip: string): string => (isIP(ip) === 6 ? new URL(`http://[${ip}]`).hostname : ip);
  return canonical(a) === canonical(b);
}
