/** Settings in the words of the file: what `diff` names must be found there. */
import { addressText, type ListenerSettings, type RealmMediaSettings, type TargetSettings } from "../base/index.ts";

type Member = readonly [name: string, value: unknown];

/** Members that the file has by another name, with the same value. */
const NAMES: Readonly<Record<string, string>> = {
  addresses: "address",
  hashes: "algorithms",
  minimumSeconds: "minimum",
  ptimeMs: "ptime",
  reasons: "reason",
};

/** The members of one object of the settings, as the file has them. Tables of realms and peers are no such objects. */
export function writtenMembers(object: object): readonly Member[] {
  const members = "firstPort" in object ? mediaMembers(object as RealmMediaSettings) : Object.entries(object);
  // The rest of an account of record is taken from `aor`.
  const kept = "aor" in object ? members.filter(([name]) => !["scheme", "user", "host"].includes(name)) : members;
  return kept.map(([name, value]) => writtenMember(name, value));
}

function writtenMember(name: string, value: unknown): Member {
  // Their order means nothing.
  if (name === "listeners") return ["listen", (value as readonly ListenerSettings[]).map(listenText).sort()];
  if (name === "targets") return [name, (value as readonly TargetSettings[]).map(targetText)];
  return [NAMES[name] ?? name, value];
}

function mediaMembers({ rules, firstPort, lastPort, silenceLimitMs, ...same }: RealmMediaSettings): readonly Member[] {
  const silenceSeconds = silenceLimitMs / 1_000;
  return Object.entries({ ...same, ports: `${firstPort}-${lastPort}`, silenceSeconds, ...rules });
}

const listenText = ({ protocol, address }: ListenerSettings): string => `${protocol}:${addressText(address)}`;

const targetText = (target: TargetSettings): string =>
  target.kind === "uri" ? target.uri : `${target.protocol}:${addressText({ ip: target.host, port: target.port })}`;
