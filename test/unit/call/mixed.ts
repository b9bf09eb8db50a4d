/** One user with a desk phone on UDP, a softphone on TLS and a browser. */
import { expect } from "vitest";
import type { RealmSettings, Settings } from "../../../src/base/index.ts";
import { AT_HOME, type PhonesOptions, phonesAt } from "../../support/phones.ts";
import type { ScriptedParty } from "../../support/scripted-party.ts";
import { BOB, BOX, type Place } from "../../support/stage.ts";
import { FINGERPRINT } from "../media/kit.ts";

const CONNECTION = 2 ** 31;
export const SOFT: Place = { realm: "outside", ip: "198.51.100.31", port: 40_000, tls: CONNECTION + 1 };
export const PAGE: Place = { realm: "outside", ip: "198.51.100.32", port: 40_000, wss: CONNECTION + 2 };
export const DESK: Place = AT_HOME;

/** Alice's desk phone (UDP), her softphone (TLS) and her browser (WSS); whoever is inside calls. */
export function three(options: PhonesOptions = {}) {
  const made = phonesAt({
    ...options,
    fingerprint: FINGERPRINT,
    routes: [{ when: { from: "pbx", registered: "callee" }, to: ["registration"] }],
    change: (settings) => options.change?.(withWeb(settings)) ?? withWeb(settings),
  });
  made.registrar.asksDigest = false;
  const { stage } = made;
  stage.leave(made.alice);
  const desk = stage.party("desk", DESK);
  const soft = stage.party("soft", SOFT);
  const page = stage.party("page", PAGE);
  page.contactUri = "<sip:page@df7jal23ls0d.invalid;transport=ws>";
  for (const phone of [desk, soft, page]) register(made, phone);
  stage.leave(made.registrar);
  const inside = stage.party("pbx", BOB);
  stage.look();
  return { stage, desk, soft, page, inside };
}

function withWeb(settings: Settings): Settings {
  const outside = settings.realms.get("outside") as RealmSettings;
  const web = {
    id: "outside/wss",
    realm: "outside",
    protocol: "wss",
    address: { ip: BOX.outside, port: 8443 },
  } as const;
  const realm: RealmSettings = {
    ...{ ...outside, srtp: "preferred", srtpKeys: ["sdes", "dtls"] },
    listeners: [...outside.listeners, web],
  };
  return { ...settings, realms: new Map(settings.realms).set("outside", realm) };
}

let registrations = 0;

function register({ stage }: ReturnType<typeof phonesAt>, phone: ScriptedParty): void {
  registrations += 1;
  const { tls, wss } = phone.place;
  const via = tls !== undefined ? "TLS" : wss !== undefined ? "WSS" : "UDP";
  const contact = phone.contact.replace(phone.place.ip, "192.168.1.10");
  stage.deliver(
    phone,
    [
      "REGISTER sip:example.test SIP/2.0",
      `Via: SIP/2.0/${via} 192.168.1.10:5060;rport;branch=z9hG4bK-${phone.name}-${registrations}`,
      ...["Max-Forwards: 70", "From: <sip:alice@example.test>;tag=r", "To: <sip:alice@example.test>"],
      ...[`Call-ID: registration-${phone.name}`, "CSeq: 1 REGISTER", `Contact: ${contact}`, "Expires: 600"],
      "Content-Length: 0\r\n\r\n",
    ].join("\r\n"),
  );
  expect(phone.got.at(-1)).toMatch(/^SIP\/2\.0 200 /);
}

export const portsIn = ({ engine }: ReturnType<typeof phonesAt>["stage"]): number => {
  const { portsInUse } = engine.view().status().media as { portsInUse: ReadonlyMap<string, number> };
  return [...portsInUse.values()].reduce((sum, ports) => sum + ports, 0);
};

const PRINT = `sha-256 ${new Array(32).fill("AB").join(":")}`;

const browserLines = (setup: string): string[] => [
  ...["a=ice-ufrag:page", "a=ice-pwd:0123456789abcdefghijkl", `a=fingerprint:${PRINT}`, `a=setup:${setup}`],
  ...["a=mid:0", "a=rtcp-mux", "a=rtpmap:0 PCMU/8000", "a=sendrecv", ""],
];

const browserHead = ["v=0", "o=- 5 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0"];

export function browserAnswer(offer: string): string {
  const mid = /a=mid:(\S+)/.exec(offer)?.[1] ?? "0";
  const head = ["m=audio 9 UDP/TLS/RTP/SAVPF 0", "c=IN IP4 0.0.0.0"];
  return [...browserHead, ...head, ...browserLines("active")]
    .join("\r\n")
    .replaceAll("mid:0", `mid:${mid}`)
    .replace("BUNDLE 0", `BUNDLE ${mid}`);
}

export const browserOffer = (): string =>
  [...browserHead, "m=audio 9 UDP/TLS/RTP/SAVPF 0", "c=IN IP4 0.0.0.0", ...browserLines("actpass")].join("\r\n");
