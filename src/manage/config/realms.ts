/** Realms of the file as settings. What is wrong is reported; the value returned is then good enough to check on. */
import { resolve } from "node:path";
import {
  addressText,
  type DscpSettings,
  familyOf,
  isSecure,
  isWeb,
  type ListenerSettings,
  type RealmMediaSettings,
  type RealmSettings,
  type TlsSettings,
} from "../../base/index.ts";
import { canonicalIp, isHostName, isWildcard, Malformed, parseListen, parsePorts } from "./addresses.ts";
import { checkTlsFiles } from "./certificates.ts";
import { didYouMean, type Path, quoted } from "./fault.ts";
import type { Findings } from "./findings.ts";
import { markNames, markOf } from "./marks.ts";
import { readMediaRules } from "./media-rules.ts";
import type { ConfigRealm } from "./schema.ts";

export interface ReadingContext {
  readonly findings: Findings;
  /** Paths in the file are relative to it: its directory. */
  readonly directory: string;
  /** Milliseconds since 1970: certificates are valid for a time. */
  readonly wallMs: number;
}

export function readRealm(name: string, realm: ConfigRealm, context: ReadingContext): RealmSettings {
  const path: Path = ["realms", name];
  const { findings } = context;
  const listeners = readListeners(name, realm, path, findings);
  const hasTls = listeners.some((listener) => isSecure(listener.protocol));

  if (hasTls && realm.tls === undefined) {
    const kind = listeners.find((listener) => isSecure(listener.protocol))?.protocol;
    findings.fault(
      [...path, "listen"],
      `a ${kind}: listener needs a certificate`,
      'write "tls" with certificate and key',
    );
  }
  if (realm.sips === "translate" && realm.trust !== "full")
    findings.fault([...path, "sips"], `"translate" needs full trust, and trust is "${realm.trust}"`, 'write "refuse"');
  if (realm.domain !== undefined && !isHostName(realm.domain) && canonicalIp(realm.domain) === undefined)
    findings.fault(
      [...path, "domain"],
      `${quoted(realm.domain)} is not a host name`,
      "write one as in sbc.example.com",
    );

  const settings: RealmSettings = {
    name,
    trust: realm.trust,
    listeners,
    domain: realm.domain?.toLowerCase(),
    advertise: readAdvertise(realm, listeners, path, findings),
    publicDomains: readPublicDomains(realm, path, findings),
    tls: readTls(realm, path, context),
    media: readMedia(realm, path, findings),
    srtp: realm.srtp,
    srtpKeys: realm.srtpKeys ?? ["sdes", "dtls"],
    sdesWithoutTls: realm.sdesWithoutTls ?? false,
    dscp: readDscp(realm, path, findings),
    origins: readOrigins(realm, listeners, path, findings),
    sips: realm.sips ?? "refuse",
    allowHeaders: readHeaders(realm, path, findings),
    otherMethods: realm.otherMethods ?? "refuse",
    sessionId: realm.sessionId ?? "pass",
    refer: realm.refer ?? "pass",
  };
  // Listeners that could not be read may be the TLS ones: their own fault is enough.
  checkKeys(settings, hasTls || listeners.length < realm.listen.length, path, findings);
  return settings;
}

/** Is there a way at all to agree on the keys that `srtp` asks for? */
function checkKeys(realm: RealmSettings, hasTls: boolean, path: Path, findings: Findings): void {
  if (realm.srtp === "off") return;
  const tell = realm.srtp === "required" ? findings.fault.bind(findings) : findings.warning.bind(findings);
  const effect = realm.srtp === "required" ? "no call can meet it" : "no call will be encrypted";
  if (!realm.srtpKeys.includes("dtls") && !hasTls && !realm.sdesWithoutTls)
    tell(
      [...path, "srtp"],
      `${effect}: SDES keys travel over TLS alone, and the realm has no tls: listener`,
      'add one, add "dtls" to "srtpKeys", or set "sdesWithoutTls"',
    );
}

function readListeners(realmName: string, realm: ConfigRealm, path: Path, findings: Findings): ListenerSettings[] {
  const listeners: ListenerSettings[] = [];
  for (const [index, text] of realm.listen.entries()) {
    const at = [...path, "listen", index];
    const read = parseListen(text);
    if (read instanceof Malformed) {
      findings.fault(at, read.problem, read.remedy);
      continue;
    }
    const { protocol, address } = read;
    if (isWildcard(address.ip) && realm.advertise == null)
      findings.fault(
        at,
        `${address.ip} is no address that others can answer to`,
        'write the address of one interface, or set "advertise"',
      );
    listeners.push({ id: `${realmName}/${protocol}:${addressText(address)}`, realm: realmName, protocol, address });
  }
  return listeners;
}

function readAdvertise(
  realm: ConfigRealm,
  listeners: readonly ListenerSettings[],
  path: Path,
  findings: Findings,
): string | undefined {
  if (realm.advertise == null) return undefined;
  const at = [...path, "advertise"];
  const ip = canonicalIp(realm.advertise);
  if (ip === undefined || isWildcard(ip)) {
    findings.fault(at, `${quoted(realm.advertise)} is not an IP address`, "write the public address, or null");
    return undefined;
  }
  if (listeners.length > 0 && !listeners.some((listener) => familyOf(listener.address.ip) === familyOf(ip)))
    findings.fault(at, `no listener of this realm has the address family of ${ip}`, "listen there too, or write null");
  return ip;
}

/** RFC 6454 §6.2, as browsers write it: in lower case, without a path and without the usual port. */
function readOrigins(
  realm: ConfigRealm,
  listeners: readonly ListenerSettings[],
  path: Path,
  findings: Findings,
): string[] | undefined {
  if (realm.origins === undefined) return undefined;
  for (const [index, text] of realm.origins.entries())
    if (!/^[a-z][a-z0-9+.-]*:\/\/(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i.test(text))
      findings.fault(
        [...path, "origins", index],
        `${quoted(text)} is not a web origin`,
        "write one as in https://phone.example.com",
      );
  if (!listeners.some(({ protocol }) => isWeb(protocol)) && listeners.length === realm.listen.length)
    findings.warning([...path, "origins"], "the realm has no ws: or wss: listener", "add one, or take it out");
  return realm.origins.map((text) => text.toLowerCase());
}

function readPublicDomains(realm: ConfigRealm, path: Path, findings: Findings): string[] {
  for (const [index, text] of (realm.publicDomains ?? []).entries())
    if (!isHostName(text) && canonicalIp(text) === undefined)
      findings.fault(
        [...path, "publicDomains", index],
        `${quoted(text)} is not a host name`,
        "write one as in example.com",
      );
  return (realm.publicDomains ?? []).map((text) => text.toLowerCase());
}

/** Names whose crossing would show one side to the other, or break the legs: the box makes them itself. */
const neverAllowed = new Set(
  "via v route record-route contact m call-id i cseq from f to t max-forwards content-length l content-type c path service-route authorization proxy-authorization www-authenticate proxy-authenticate".split(
    " ",
  ),
);

function readHeaders(realm: ConfigRealm, path: Path, findings: Findings): string[] {
  for (const [index, text] of (realm.allowHeaders ?? []).entries()) {
    const at = [...path, "allowHeaders", index];
    if (!/^[A-Za-z0-9!%'*+.`_~-]+$/.test(text))
      findings.fault(at, `${quoted(text)} is not a header name`, "write one as in X-Account");
    else if (neverAllowed.has(text.toLowerCase()))
      findings.fault(at, `${text} is made anew on each side`, "take it out");
  }
  return (realm.allowHeaders ?? []).map((text) => text.toLowerCase());
}

function readTls(realm: ConfigRealm, path: Path, context: ReadingContext): TlsSettings | undefined {
  if (realm.tls === undefined) return undefined;
  const { certificate, key, ca, verify = "server", others = [] } = realm.tls;
  const absolute = (file: string): string => resolve(context.directory, file);
  const tls: TlsSettings = {
    certificate: absolute(certificate),
    key: absolute(key),
    ...(others.length > 0 && {
      others: others.map((one) => ({ certificate: absolute(one.certificate), key: absolute(one.key) })),
    }),
    ca: ca === undefined ? undefined : absolute(ca),
    verify,
  };
  if (verify !== "none" && ca === undefined)
    context.findings.fault(
      [...path, "tls"],
      `"verify" is "${verify}", but there is no "ca" to verify with`,
      'name the file of the certificates you trust, or set "verify" to "none"',
    );
  checkTlsFiles(tls, [...path, "tls"], context.wallMs, context.findings);
  return tls;
}

const DEFAULT_SILENCE_SECONDS = 60;

function readMedia({ media }: ConfigRealm, path: Path, findings: Findings): RealmMediaSettings {
  const at = [...path, "media"];
  const written = typeof media.address === "string" ? [media.address] : media.address;
  const addresses: string[] = [];
  for (const [index, text] of written.entries()) {
    const where = typeof media.address === "string" ? [...at, "address"] : [...at, "address", index];
    const ip = canonicalIp(text);
    if (ip === undefined) findings.fault(where, `${quoted(text)} is not an IP address`, "write one of this machine");
    else if (isWildcard(ip))
      findings.fault(where, `${ip} is no address that others can send to`, "write one of this machine");
    else if (addresses.some((other) => familyOf(other) === familyOf(ip)))
      findings.fault(where, "two addresses are of one family", "keep one IPv4 and one IPv6 address at most");
    else addresses.push(ip);
  }
  const ports = parsePorts(media.ports);
  if (ports instanceof Malformed) findings.fault([...at, "ports"], ports.problem, ports.remedy);
  const { first, last } = ports instanceof Malformed ? { first: 1_024, last: 1_025 } : ports;
  return {
    addresses: ports instanceof Malformed ? [] : addresses,
    firstPort: first,
    lastPort: last,
    path: media.path ?? "auto",
    silenceLimitMs: (media.silenceSeconds ?? DEFAULT_SILENCE_SECONDS) * 1_000,
    rules: readMediaRules(media, undefined, at, findings),
  };
}

/** RFC 4594: signalling CS3 is common in place of its CS5; telephony EF; multimedia conferencing AF41. */
const defaultMarks = { signalling: "CS3", audio: "EF", video: "AF41", other: "AF41" } as const;

function readDscp({ dscp = {} }: ConfigRealm, path: Path, findings: Findings): DscpSettings {
  const read = (kind: keyof typeof defaultMarks): number => {
    const written = dscp[kind] ?? defaultMarks[kind];
    const mark = markOf(written);
    if (mark === undefined)
      findings.fault(
        [...path, "dscp", kind],
        `${quoted(written)} is not a code point`,
        `${didYouMean(String(written), markNames()).replace(/^write one of.*/, "write EF, AF41, CS3 … or 0 to 63")}`,
      );
    return mark ?? 0;
  };
  return { signalling: read("signalling"), audio: read("audio"), video: read("video"), other: read("other") };
}
