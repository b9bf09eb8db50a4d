/** Phones that register: from the file to settings. */
import { resolve } from "node:path";
import {
  type DomainSettings,
  type HashName,
  type PeerSettings,
  REGISTRATION,
  type RealmSettings,
  type RegistrationSettings,
  Secret,
  type UserSource,
} from "../../base/index.ts";
import { canonicalIp, isHostName } from "./addresses.ts";
import { didYouMean, type Path, quoted } from "./fault.ts";
import type { Findings } from "./findings.ts";
import type { ConfigRegistration } from "./registration-schema.ts";
import type { ConfigFile } from "./schema.ts";
import { readUsers } from "./users.ts";

type ConfigDomain = ConfigRegistration["domains"][string];

const DEFAULT_ALGORITHMS: readonly HashName[] = ["SHA-256", "MD5"];
const STATE_DIRECTORY = "/var/lib/sallyport";

interface House {
  readonly realms: ReadonlyMap<string, RealmSettings>;
  readonly peers: ReadonlyMap<string, PeerSettings>;
  readonly directory: string;
  readonly findings: Findings;
}

export function readRegistration(config: ConfigFile, house: House): RegistrationSettings | undefined {
  const { peers, directory, findings } = house;
  if (peers.has(REGISTRATION))
    findings.fault(["peers", REGISTRATION], "in a route this name stands for registered phones", "name it otherwise");
  const { registration } = config;
  if (registration === undefined) return undefined;
  const domains = new Map<string, DomainSettings>();
  for (const [name, domain] of Object.entries(registration.domains))
    domains.set(name.toLowerCase(), readDomain(name, domain, house));
  if (registration.pushGateway !== undefined)
    checkUrl(registration.pushGateway, ["registration", "pushGateway"], house);
  const file = registration.file ?? `${STATE_DIRECTORY}/${config.name ?? "sallyport"}.registrations`;
  return {
    domains,
    file: registration.file === null ? undefined : resolve(directory, file),
    bindings: registration.bindings ?? 100_000,
    perSecond: registration.perSecond ?? 100,
    pushGateway: registration.pushGateway,
  };
}

function readDomain(name: string, domain: ConfigDomain, house: House): DomainSettings {
  const { realms, peers, findings } = house;
  const path: Path = ["registration", "domains", name];
  if (!isHostName(name) && canonicalIp(name) === undefined)
    findings.fault(path, `${quoted(name)} is neither a host name nor an IP address`, "write one of them");
  if (!realms.has(domain.realm))
    findings.fault(
      [...path, "realm"],
      `there is no realm ${quoted(domain.realm)}`,
      didYouMean(domain.realm, [...realms.keys()]),
    );
  const local = domain.registrar === "local";
  if (!local && !peers.has(domain.registrar))
    findings.fault(
      [...path, "registrar"],
      `there is no peer ${quoted(domain.registrar)}`,
      didYouMean(domain.registrar, ["local", ...peers.keys()]),
    );
  if (local && domain.users === undefined)
    findings.fault([...path, "registrar"], "nobody is known to it", 'write "users"');
  const digestRealm = domain.digestRealm ?? name;
  const { users, algorithms } = readSource(domain, digestRealm, path, house);
  const datagramSeconds = domain.datagramSeconds ?? 60;
  const streamSeconds = domain.streamSeconds ?? 600;
  const shortestSeconds = domain.shortestSeconds ?? 20;
  if (shortestSeconds > Math.min(datagramSeconds, streamSeconds))
    findings.fault(
      [...path, "shortestSeconds"],
      `${shortestSeconds} s are more than the longest time that is granted`,
      "write less",
    );
  return {
    domain: name.toLowerCase(),
    realm: domain.realm,
    registrar: local ? undefined : domain.registrar,
    users,
    digestRealm,
    algorithms,
    contacts: domain.contacts ?? 10,
    datagramSeconds,
    streamSeconds,
    keepalive: domain.keepalive ?? "options",
    keepaliveSeconds: domain.keepaliveSeconds ?? 25,
    shortestSeconds,
    registrarSeconds: domain.registrarSeconds ?? 3_600,
    calls: domain.calls ?? "challenge",
    fork: domain.fork ?? "parallel",
    ringSeconds: domain.ringSeconds ?? 20,
    path: domain.path ?? false,
    survivalSeconds: domain.survivalSeconds ?? 86_400,
    wakeSeconds: domain.wakeSeconds ?? 10,
  };
}

/** All users are asked for the same, or the question would tell them apart: so each must have what we ask for. */
function readSource(
  domain: ConfigDomain,
  digestRealm: string,
  path: Path,
  house: House,
): { readonly users: UserSource | undefined; readonly algorithms: readonly HashName[] } {
  const wanted = domain.algorithms;
  if (domain.users === undefined) return { users: undefined, algorithms: wanted ?? DEFAULT_ALGORITHMS };
  if (/^https?:/i.test(domain.users)) {
    checkUrl(domain.users, [...path, "users"], house);
    return { users: { kind: "http", url: domain.users }, algorithms: wanted ?? DEFAULT_ALGORITHMS };
  }
  const { directory, findings } = house;
  const table = readUsers(resolve(directory, domain.users), digestRealm, [...path, "users"], findings);
  const common = table.common();
  const lacking = wanted?.find((name) => !common.includes(name));
  if (lacking !== undefined)
    findings.fault([...path, "algorithms"], `some users have no digest by ${lacking}`, "add it, or do not ask for it");
  if (table.size > 0 && common.length === 0)
    findings.fault([...path, "users"], "there is no algorithm that all users have", "add what is missing");
  return { users: { kind: "table", table: new Secret(table) }, algorithms: wanted ?? common };
}

function checkUrl(text: string, path: Path, { findings }: House): void {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol))
    findings.fault(path, `${quoted(text)} is no http address`, "write it as in http://127.0.0.1:8080/users");
  else if (url.username !== "" || url.password !== "")
    findings.fault(path, "it has a user or a password in it", "take them out");
}
