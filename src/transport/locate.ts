/** From a URI or a configured target to the places to try, in order: RFC 3263 §4, RFC 7984 for both families. */
import {
  type Destination,
  defaultPort,
  type Family,
  familyOf,
  isSecure,
  type Millis,
  type Protocol,
  type Random,
  type TargetSettings,
} from "../base/index.ts";
import { canonicalIp6, isIp4, parseUri, type SipUri } from "../message/index.ts";
import type { Names } from "./names.ts";
import { orderServers } from "./weights.ts";
import type { DnsRecord } from "./words.ts";

/** Limit: places to try for one request. The rest is ignored: nobody waits for a tenth failure. */
const PLACES = 16;
/** Limit: SRV servers whose addresses are looked up. */
const SERVERS = 16;

export type Found = (found: readonly Destination[], now: Millis) => void;

/** What can be sent from a realm. */
export interface Reach {
  readonly realm: string;
  can(protocol: Protocol, family: Family): boolean;
}

/** Where to look next: a host, what is known about the way to it, and the name its certificate must show. */
interface Goal {
  readonly host: string;
  readonly port: number | undefined;
  readonly protocol: Protocol | undefined;
  readonly secure: boolean;
  readonly name: string;
}

interface Server {
  readonly protocol: Protocol;
  readonly host: string;
  readonly port: number;
}

type HostTarget = Extract<TargetSettings, { kind: "host" }>;
type Srv = Extract<DnsRecord, { type: "SRV" }>;
type Naptr = Extract<DnsRecord, { type: "NAPTR" }>;

/** RFC 3263 §4.1: what a NAPTR service means. SCTP and others are not ours. */
const SERVICES: Readonly<Record<string, Protocol>> = {
  "sips+d2t": "tls",
  "sip+d2t": "tcp",
  "sip+d2u": "udp",
  "sips+d2w": "wss", // RFC 7118 §5.5.
  "sip+d2w": "ws",
};

/** WebSocket has none of its own: only NAPTR leads to its SRV records. */
const SRV_PREFIX: Readonly<Partial<Record<Protocol, string>>> = {
  udp: "_sip._udp.",
  tcp: "_sip._tcp.",
  tls: "_sips._tcp.",
};

const PROTOCOLS: readonly Protocol[] = ["udp", "tcp", "tls"];
const FAMILIES: readonly Family[] = [6, 4]; // RFC 6724 §2.1: IPv6 first, where the realm has it.

export class Locator {
  readonly #names: Names;
  readonly #random: Random;
  readonly #literals = new WeakMap<HostTarget, readonly [Destination]>();

  constructor(names: Names, random: Random) {
    this.#names = names;
    this.#random = random;
  }

  /** Throws nothing: a URI that leads nowhere gives `[]`. */
  uri(reach: Reach, text: string, done: Found, now: Millis): void {
    const goal = goalOf(text);
    if (goal === undefined) done([], now);
    else this.#find(reach, goal, done, now);
  }

  target(reach: Reach, target: TargetSettings, done: Found, now: Millis): void {
    if (target.kind === "uri") return this.uri(reach, target.uri, done, now);
    const literal = this.#literals.get(target) ?? this.#literal(reach, target);
    if (literal !== undefined) {
      const [{ protocol, remote, realm }] = literal;
      return done(realm === reach.realm && reach.can(protocol, familyOf(remote.ip)) ? literal : [], now);
    }
    const { protocol, port } = target;
    const name = target.host.toLowerCase();
    this.#find(reach, { host: name, port, protocol, secure: isSecure(protocol), name }, done, now);
  }

  /** A target that is an address needs no search, and is asked for with every call: its place is made once. */
  #literal(reach: Reach, target: HostTarget): readonly [Destination] | undefined {
    const ip = addressOf(target.host.toLowerCase());
    if (ip === undefined || isNowhere(ip)) return undefined;
    const { protocol, port } = target;
    const place = { realm: reach.realm, protocol, remote: { ip, port } };
    const literal = [isSecure(protocol) ? { ...place, serverName: target.host.toLowerCase() } : place] as const;
    this.#literals.set(target, literal);
    return literal;
  }

  #find(reach: Reach, goal: Goal, done: Found, now: Millis): void {
    const fallback = goal.protocol ?? usual(reach, goal.secure);
    const direct = { protocol: fallback, host: goal.host, port: goal.port ?? defaultPort(fallback) };
    const ip = addressOf(goal.host);
    if (ip !== undefined) {
      const places: Destination[] = [];
      this.#add(places, reach, goal, direct, ip);
      return done(places, now);
    }
    const collect = (servers: readonly Server[], at: Millis): void => this.#addresses(reach, goal, servers, done, at);
    if (goal.port !== undefined) return collect([direct], now); // RFC 3263 §4.2: nothing more to ask.
    if (goal.protocol !== undefined) {
      const prefix = SRV_PREFIX[goal.protocol];
      if (prefix === undefined) return collect([direct], now);
      return this.#services([{ protocol: goal.protocol, name: prefix + goal.host }], direct, collect, now);
    }
    this.#names.ask(
      "NAPTR",
      goal.host,
      (records, at) => this.#services(servicesOf(reach, goal, records), direct, collect, at),
      now,
    );
  }

  /** Asks for the servers of each service; when there are none at all the host itself is the server. */
  #services(
    services: readonly { readonly protocol: Protocol; readonly name: string }[],
    direct: Server,
    done: (servers: readonly Server[], now: Millis) => void,
    now: Millis,
  ): void {
    gather(
      services.map(({ name }) => ({ type: "SRV" as const, name })),
      this.#names,
      (answers, at) => {
        const servers: Server[] = [];
        let any = false;
        for (const [i, records] of answers.entries()) {
          const found = records.filter((record): record is Srv => record.type === "SRV");
          any ||= found.length > 0;
          for (const { target, port } of orderServers(found, this.#random)) {
            const host = withoutDot(target);
            // RFC 2782: a lone dot says that the service is decidedly not there.
            if (host !== "" && port > 0) servers.push({ protocol: services[i]!.protocol, host, port });
          }
        }
        done(any ? servers.slice(0, SERVERS) : [direct], at);
      },
      now,
    );
  }

  /** The addresses of all servers, kept in their order. */
  #addresses(reach: Reach, goal: Goal, servers: readonly Server[], done: Found, now: Millis): void {
    const questions: { type: "A" | "AAAA"; name: string; server: Server }[] = [];
    for (const server of servers) {
      if (addressOf(server.host) !== undefined) continue;
      for (const family of FAMILIES) {
        if (!reach.can(server.protocol, family)) continue;
        questions.push({ type: family === 6 ? "AAAA" : "A", name: server.host, server });
      }
    }
    gather(
      questions,
      this.#names,
      (answers, at) => {
        const places: Destination[] = [];
        for (const server of servers) {
          const literal = addressOf(server.host);
          const ips = literal === undefined ? [] : [literal];
          for (const [i, question] of questions.entries()) {
            if (question.server !== server) continue;
            for (const record of answers[i] ?? []) if ("ip" in record) ips.push(record.ip);
          }
          for (const ip of ips) this.#add(places, reach, goal, server, ip);
        }
        done(places, at);
      },
      now,
    );
  }

  #add(places: Destination[], reach: Reach, goal: Goal, server: Server, text: string): void {
    const ip = addressOf(text);
    if (ip === undefined || isNowhere(ip) || places.length >= PLACES) return;
    const { protocol, port } = server;
    if (!reach.can(protocol, familyOf(ip)) || (goal.secure && !isSecure(protocol))) return;
    const known = places.some((p) => p.protocol === protocol && p.remote.ip === ip && p.remote.port === port);
    if (known) return;
    const place = { realm: reach.realm, protocol, remote: { ip, port } };
    // RFC 5922 §4: the certificate must be the one of the name that was asked for, whatever the DNS made of it.
    places.push(isSecure(protocol) ? { ...place, serverName: goal.name } : place);
  }
}

/** What a URI asks for; `undefined` when it asks for something we do not speak. */
function goalOf(text: string): Goal | undefined {
  let uri: SipUri;
  try {
    const parsed = parseUri(text);
    if (parsed.scheme !== "sip" && parsed.scheme !== "sips") return undefined;
    uri = parsed;
  } catch {
    return undefined; // parseUri throws nothing but PeerError.
  }
  const secure = uri.scheme === "sips";
  const host = withoutDot((uri.params.get("maddr") ?? uri.host).toLowerCase());
  const transport = uri.params.get("transport")?.toLowerCase();
  const protocol = transport === undefined ? undefined : protocolFor(transport, secure);
  if (transport !== undefined && protocol === undefined) return undefined;
  return { host, port: uri.port, protocol, secure, name: withoutDot(uri.host) };
}

/** RFC 3261 §26.2.2: with `sips:`, `transport=tcp` means TLS over TCP. `tls` itself is deprecated, and common. */
function protocolFor(transport: string, secure: boolean): Protocol | undefined {
  if (transport === "tls") return "tls";
  if (transport === "tcp") return secure ? "tls" : "tcp";
  if (transport === "ws") return secure ? "wss" : "ws"; // RFC 7118 §5.2.
  return transport === "udp" && !secure ? "udp" : undefined;
}

/** RFC 3263 §4.1: UDP, or TLS for `sips:`; the first that the realm has, where it has no UDP. */
function usual(reach: Reach, secure: boolean): Protocol {
  if (secure) return "tls";
  return PROTOCOLS.find((protocol) => speaks(reach, protocol)) ?? "udp";
}

const speaks = (reach: Reach, protocol: Protocol): boolean => FAMILIES.some((family) => reach.can(protocol, family));

/** The SRV names to ask for: those of the NAPTR records that we can use, in their order, else one a protocol. */
function servicesOf(reach: Reach, goal: Goal, records: readonly DnsRecord[]): { protocol: Protocol; name: string }[] {
  const services: { protocol: Protocol; name: string }[] = [];
  const usable = records.filter((record): record is Naptr => record.type === "NAPTR");
  usable.sort((a, b) => a.order - b.order || a.preference - b.preference);
  for (const record of usable) {
    const protocol = SERVICES[record.service.toLowerCase()];
    const name = withoutDot(record.replacement.toLowerCase());
    if (protocol === undefined || name === "" || record.flags.toLowerCase() !== "s") continue;
    if (speaks(reach, protocol) && (!goal.secure || isSecure(protocol))) services.push({ protocol, name });
  }
  if (services.length > 0) return services;
  return PROTOCOLS.filter((protocol) => speaks(reach, protocol) && (!goal.secure || protocol === "tls")).map(
    (protocol) => ({ protocol, name: `${SRV_PREFIX[protocol]}${goal.host}` }),
  );
}

/** Asks all questions at once and calls back when the last is answered. */
function gather(
  questions: readonly { readonly type: "SRV" | "A" | "AAAA"; readonly name: string }[],
  names: Names,
  done: (answers: readonly (readonly DnsRecord[])[], now: Millis) => void,
  now: Millis,
): void {
  const answers: (readonly DnsRecord[])[] = questions.map(() => []);
  let open = questions.length;
  if (open === 0) return done(answers, now);
  for (const [i, question] of questions.entries()) {
    names.ask(
      question.type,
      question.name,
      (records, at) => {
        answers[i] = records;
        if (--open === 0) done(answers, at);
      },
      now,
    );
  }
}

const withoutDot = (name: string): string => (name.endsWith(".") ? name.slice(0, -1) : name);

/** The one text form of an IP address; `undefined` for a name. */
const addressOf = (host: string): string | undefined => (isIp4(host) ? host : canonicalIp6(host));

const DOT = 46;
const ZERO = 48;

/** Addresses that no SIP neighbour has: unspecified, broadcast, multicast (RFC 3261 §18.1.1 with maddr is not served). */
function isNowhere(ip: string): boolean {
  if (ip.includes(":")) return ip === "::" || ip.startsWith("ff") || ip.startsWith("::ffff:");
  let first = 0;
  for (let i = 0; i < 3 && ip.charCodeAt(i) !== DOT; i++) first = 10 * first + ip.charCodeAt(i) - ZERO;
  return first === 0 || first >= 224;
}
