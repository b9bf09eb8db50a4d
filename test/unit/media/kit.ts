/** A box with an outside (SRTP over TLS) and an inside (plain), a relay that only remembers, and SDP from a few words. */
import { type RealmSettings, Secret, type Settings, seededRandom } from "../../../src/base/index.ts";
import {
  type DtlsIdentity,
  type MediaNews,
  type MediaParty,
  MediaSessions,
  type RelayCommand,
  type SideCounters,
} from "../../../src/media/index.ts";
import { boxSettings, realmSettings } from "../../support/settings.ts";

export const KEY_A = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd";
export const KEY_B = "HRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgEA";

export function realm(name: string, ip: string, changes: Partial<RealmSettings> = {}): RealmSettings {
  const media = { lastPort: 20_019, ...changes.media };
  return realmSettings(name, ip, { dscp: { signalling: 24, audio: 46, video: 34, other: 10 }, ...changes, media });
}

export const settingsWith = (realms: readonly RealmSettings[]): Settings =>
  boxSettings(realms, { limits: { transactions: 100 } });

export const OUTSIDE = realm("outside", "198.51.100.1", { srtp: "required" });
export const INSIDE = realm("inside", "10.0.0.1");

export const outsideParty: MediaParty = {
  realm: "outside",
  secureSignalling: true,
  family: 4,
  signallingSource: "203.0.113.5",
  nat: false,
};
export const insideParty: MediaParty = {
  realm: "inside",
  secureSignalling: false,
  family: 4,
  signallingSource: "10.0.0.9",
  nat: false,
};

export interface Bench {
  readonly media: MediaSessions;
  readonly commands: RelayCommand[];
  /** Takes the commands so far. */
  take(): RelayCommand[];
  /** Closes every pair that was asked to; gives the news. */
  relayLetsGo(): MediaNews[];
}

/** Of the box: SHA-256 of its certificate. */
export const FINGERPRINT = { hash: "sha-256", value: Uint8Array.from({ length: 32 }, (_, index) => index) } as const;
export const OUR_PRINT = `sha-256 ${Array.from(FINGERPRINT.value, octet).join(":")}`;

/** Certificates that the box makes for further associations: their fingerprints are all of one octet, from 0xc1 on. */
export function makeIdentities(): () => DtlsIdentity {
  let octets = 0xc0;
  return () => {
    octets++;
    const value = new Uint8Array(32).fill(octets);
    return {
      fingerprint: { hash: "sha-256", value },
      certificate: Uint8Array.of(octets),
      key: new Secret(Uint8Array.of(octets)),
    };
  };
}

/** A fingerprint of somebody, all of one octet. */
export const print = (value: number, hash = "sha-256", bytes = 32): string =>
  `a=fingerprint:${hash} ${new Array(bytes).fill(octet(value)).join(":")}`;

function octet(value: number): string {
  return value.toString(16).toUpperCase().padStart(2, "0");
}

/** `fingerprint`: the relay has a certificate to shake hands with. */
export function bench(
  realms: readonly RealmSettings[] = [OUTSIDE, INSIDE],
  seed = 1,
  maxPairs = 100,
  fingerprint?: typeof FINGERPRINT,
  identity: (() => DtlsIdentity | undefined) | undefined = fingerprint && makeIdentities(),
): Bench {
  const commands: RelayCommand[] = [];
  const closing: number[] = [];
  const media = new MediaSessions({
    settings: settingsWith(realms),
    random: seededRandom(seed),
    maxPairs,
    fingerprint,
    identity,
    emit: (command) => {
      commands.push(command);
      if (command.word === "close") closing.push(command.pair);
    },
  });
  return {
    media,
    commands,
    take: () => commands.splice(0),
    relayLetsGo: () =>
      closing
        .splice(0)
        .flatMap((pair) => media.handle({ event: "closed", pair, counters: [counted(7), counted(9)] }, 0)),
  };
}

/** From outside to inside, opened. */
export function call(
  realms?: readonly RealmSettings[],
  parties = { caller: outsideParty, callee: insideParty },
): Bench {
  const made = bench(realms);
  made.media.open("call", parties);
  return made;
}

/** From outside to inside, with a relay that does handshakes and ICE. */
export function dtlsCall(
  realms: readonly RealmSettings[],
  parties: { readonly caller: MediaParty; readonly callee: MediaParty } = { caller: outsideParty, callee: insideParty },
): Bench {
  const made = bench(realms, 1, 100, FINGERPRINT);
  made.media.open("call", parties);
  return made;
}

export function counted(packets: number): SideCounters {
  return {
    packets,
    bytes: packets * 172,
    lost: 1,
    jitterMs: 2,
    rtcpPackets: 3,
    sent: packets,
    sentBytes: packets * 172,
    droppedStranger: 1,
    droppedAuth: 10,
    droppedReplay: 100,
    droppedMalformed: 1_000,
    droppedUnsent: 10_000,
    droppedPoliced: 0,
    lossBursts: 1,
    rttMs: 0,
    reports: 0,
    reportedLost: 0,
    reportedJitterMs: 0,
    reportedMos: 0,
    digits: 0,
    made: 0,
    taken: 0,
    path: "socket",
  };
}

/** Lines without ends; `ip` stands in o= and c=. */
export function sdp(ip: string, ...lines: string[]): string {
  const type = ip.includes(":") ? "IP6" : "IP4";
  return ["v=0", `o=user 77 3 IN ${type} ${ip}`, "s=secret talk", `c=IN ${type} ${ip}`, "t=0 0", ...lines, ""].join(
    "\r\n",
  );
}

export const crypto = (tag: number, key = KEY_A, suite = "AES_CM_128_HMAC_SHA1_80"): string =>
  `a=crypto:${tag} ${suite} inline:${key}`;

export const secureOffer = sdp("203.0.113.5", "m=audio 4000 RTP/SAVP 0 8", crypto(1));
export const plainOffer = sdp("10.0.0.9", "m=audio 7000 RTP/AVP 0 8");
export const plainAnswer = sdp("10.0.0.9", "m=audio 7000 RTP/AVP 8");

/** The lines of a description that begin so, without that beginning. */
export const lines = (text: string, beginning: string): string[] =>
  text
    .split("\r\n")
    .filter((line) => line.startsWith(beginning))
    .map((line) => line.slice(beginning.length));

/** The whole text with what is random put in letters: session id, ports and keys. */
export function shape(text: string): string[] {
  return text
    .replace(/^o=- \d+ /m, "o=- ID ")
    .replace(/^m=(\w+) [1-9]\d* /gm, "m=$1 PORT ")
    .replace(/^a=rtcp:\d+/gm, "a=rtcp:PORT")
    .replace(/inline:\S+/g, "inline:KEY")
    .replace(/^a=fingerprint:.*/gm, (line) => (line === `a=fingerprint:${OUR_PRINT}` ? "a=fingerprint:OURS" : line))
    .replace(/^a=(tls-id|ice-ufrag|ice-pwd):\S+/gm, "a=$1:OURS")
    .replace(/^(a=candidate:\S+ . UDP \d+ \S+) \d+/gm, "$1 PORT")
    .split("\r\n")
    .filter((line) => line !== "");
}

export const statusOf = (operation: () => unknown): unknown => {
  try {
    operation();
  } catch (error) {
    return (error as { status?: number }).status ?? error;
  }
  return "done";
};

export const portsInUse = ({ media }: Bench): Record<string, number> => Object.fromEntries(media.view().portsInUse);

export const ICE = ["a=ice-ufrag:abcd", "a=ice-pwd:0123456789abcdefghijkl", "a=ice-options:trickle"];

/** As Chromium says it, with names for its addresses. */
export const chromium = (ice = ICE, setup = "actpass", ...more: string[]): string =>
  sdp(
    "0.0.0.0",
    "a=group:BUNDLE 0",
    "a=extmap-allow-mixed",
    "a=msid-semantic: WMS stream",
    "m=audio 9 UDP/TLS/RTP/SAVPF 111 0 8 110 126",
    "c=IN IP4 0.0.0.0",
    "a=rtcp:9 IN IP4 0.0.0.0",
    "a=candidate:1 1 udp 2113937151 3b2f.local 51000 typ host generation 0 network-cost 999",
    ...ice,
    print(0xab),
    `a=setup:${setup}`,
    "a=mid:0",
    "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid",
    "a=sendrecv",
    "a=msid:stream track",
    "a=rtcp-mux",
    "a=rtpmap:111 opus/48000/2",
    "a=rtcp-fb:111 transport-cc",
    "a=rtpmap:110 telephone-event/48000",
    "a=rtpmap:126 telephone-event/8000",
    "a=ssrc:3 cname:x",
    ...more,
  );
