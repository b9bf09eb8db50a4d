/** What the streams of a realm or a peer may be like, as written in its `media`. */
import type { CodecRules, MediaRules, SrtpKeying } from "../../base/index.ts";
import { type Path, quoted } from "./fault.ts";
import type { Findings } from "./findings.ts";
import type { ConfigMediaRules } from "./schema.ts";

/** `above`: those of the realm, which hold where a peer says nothing. `undefined`: there are none. */
export function readMediaRules(
  written: ConfigMediaRules & { readonly srtpKeys?: readonly SrtpKeying[] },
  above: MediaRules | undefined,
  path: Path,
  findings: Findings,
): MediaRules | undefined {
  const { codecs, allowAttributes } = written;
  if (RULES.every((member) => written[member] === undefined)) return above;
  return {
    codecs: codecs === undefined ? above?.codecs : readCodecs(codecs, [...path, "codecs"], findings),
    ptimeMs: written.ptime ?? above?.ptimeMs,
    bandwidth: written.bandwidth ?? above?.bandwidth,
    allowAttributes:
      allowAttributes === undefined ? above?.allowAttributes : readAttributes(allowAttributes, path, findings),
    ice: written.ice ?? above?.ice,
    srtpKeys: written.srtpKeys ?? above?.srtpKeys,
    srtpRekey: written.srtpRekey ?? above?.srtpRekey,
    srtpLifetime: written.srtpLifetime ?? above?.srtpLifetime,
    webrtc: written.webrtc ?? above?.webrtc,
    fax: written.fax ?? above?.fax,
    dtmf: written.dtmf ?? above?.dtmf,
    digitFacts: written.digitFacts ?? above?.digitFacts,
    rtcp: written.rtcp ?? above?.rtcp,
  };
}

const RULES = [
  "codecs",
  "ptime",
  "bandwidth",
  "allowAttributes",
  "ice",
  "srtpKeys",
  "srtpRekey",
  "srtpLifetime",
  "webrtc",
  "fax",
  "dtmf",
  "digitFacts",
  "rtcp",
] as const;

const CODEC = /^(?:[a-z0-9][a-z0-9._+-]*(?:\/[1-9][0-9]{0,8})?|[a-z]+\/\*)$/;

function readCodecs(written: NonNullable<ConfigMediaRules["codecs"]>, path: Path, findings: Findings): CodecRules {
  const read = (member: "allow" | "deny" | "order"): string[] =>
    (written[member] ?? []).map((text, index) => {
      const word = text.toLowerCase();
      if (!CODEC.test(word))
        findings.fault(
          [...path, member, index],
          `${quoted(text)} is no codec`,
          "write one as in opus, L16/44100 or video/*",
        );
      return word;
    });
  const rules = { allow: read("allow"), deny: read("deny"), order: read("order") };
  for (const member of ["allow", "order"] as const)
    for (const [index, word] of rules[member].entries())
      if (rules.deny.includes(word))
        findings.warning([...path, member, index], `${word} is denied, too`, "keep it in one of the two lists");
  return rules;
}

/** Attributes that each leg has of its own, or that would show one side to the other, or give its keys away. */
const OURS = new Set(
  "rtcp rtcp-mux rtcp-mux-only mid group bundle-only crypto fingerprint setup connection tls-id key-mgmt candidate remote-candidates end-of-candidates ice-ufrag ice-pwd ice-options ice-lite ice-mismatch ssrc ssrc-group msid msid-semantic cname identity altc sendrecv sendonly recvonly inactive".split(
    " ",
  ),
);

function readAttributes(names: readonly string[], path: Path, findings: Findings): readonly string[] {
  for (const [index, name] of names.entries()) {
    const at = [...path, "allowAttributes", index];
    if (!/^[A-Za-z0-9!#$%&'*+.^_`{|}~-]+$/.test(name))
      findings.fault(at, `${quoted(name)} is not the name of an attribute`, "write one as in X-nat");
    else if (OURS.has(name.toLowerCase())) findings.fault(at, `${name} is made anew on each side`, "take it out");
  }
  return names;
}
