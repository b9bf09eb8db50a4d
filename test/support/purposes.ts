/** What the tests of test purposes have in common: their list, and requests written by hand. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { PeerSettings, RealmSettings, Settings } from "../../src/base/index.ts";
import { bodyOf, headerOf, headersOf, type ScriptedParty } from "./scripted-party.ts";
import { ALICE, BOB, BOX, Stage } from "./stage.ts";

const LIST = join(import.meta.dirname, "../conformance/ts-102-027.md");

/** Id and purpose of each line of the list that has a test. */
export function listedPurposes(): ReadonlyMap<string, string> {
  const rows = readFileSync(LIST, "utf8").matchAll(/^\| *(SIP_[A-Z_]+_\d{3}) *\| *([^|]*?) *\|$/gm);
  return new Map([...rows].map((match) => [match[1] as string, match[2] as string]));
}

/** One test a purpose, by its id; its name comes from the list. */
export function purposes(cases: Readonly<Record<string, () => void>>): void {
  const listed = listedPurposes();
  for (const [id, play] of Object.entries(cases)) {
    const purpose = listed.get(id);
    test(`${id}: ${purpose}`, () => {
      expect(purpose, `${id} stands in ts-102-027.md`).toBeDefined();
      play();
    });
  }
}

/** Header lines by name: `undefined` leaves one out, a list makes several lines. */
export type Lines = Readonly<Record<string, string | readonly string[] | undefined>>;

let written = 0;

/** A request of alice's, well formed but for what `lines` changes; `line`: the whole start line. */
export function requestText(method: string, lines: Lines = {}, body = "", line?: string): string {
  written += 1;
  const all: Lines = {
    Via: `SIP/2.0/UDP ${ALICE.ip}:5060;branch=z9hG4bK-tp-${written}`,
    "Max-Forwards": "70",
    From: `<sip:alice@${ALICE.ip}>;tag=tp-${written}`,
    To: `<sip:4711@${BOX.outside}>`,
    "Call-ID": `tp-${written}@${ALICE.ip}`,
    CSeq: `1 ${method}`,
    Contact: `<sip:alice@${ALICE.ip}>`,
    ...(body === "" ? {} : { "Content-Type": "application/sdp" }),
    "Content-Length": String(body.length),
    ...lines,
  };
  const rows = Object.entries(all).flatMap(([name, value]) =>
    (value === undefined ? [] : typeof value === "string" ? [value] : value).map((one) => `${name}: ${one}`),
  );
  return `${line ?? `${method} sip:4711@${BOX.outside} SIP/2.0`}\r\n${rows.join("\r\n")}\r\n\r\n${body}`;
}

/** Delivers it, and tells what the box said to it at once, 100 included. */
export function told(stage: Stage, alice: ScriptedParty, text: string): string[] {
  const before = alice.got.length;
  stage.deliver(alice, text);
  return alice.got.slice(before);
}

export const statusOf = (text: string | undefined): number => Number(text?.split(" ")[1]);

/** The statuses of all responses to requests of this method, in order, without 100. */
export function statuses(party: ScriptedParty, method: string): number[] {
  return party.got
    .filter((text) => text.startsWith("SIP/2.0 ") && headerOf(text, "CSeq").endsWith(` ${method}`))
    .map(statusOf)
    .filter((status) => status !== 100);
}

/** How many requests of this method came. */
export const asked = (party: ScriptedParty, method: string): number =>
  party.got.filter((text) => text.startsWith(`${method} `)).length;

export const branchOf = (text: string): string => /branch=([^;,\s]+)/.exec(headerOf(text, "Via"))?.[1] ?? "";
export const seqOf = (text: string): number => Number.parseInt(headerOf(text, "CSeq"), 10);

/** When the box sent this word to this party: `times(stage, "bob < INVITE")`. */
export const times = (stage: Stage, what: string): number[] =>
  stage.diary.filter((line) => line.slice(line.indexOf(" ") + 1) === what).map((line) => Number(line.split(" ")[0]));

export { bodyOf, headerOf, headersOf };

/** Alice speaks TLS, over a connection of hers or one that the box opens. */
export function overTls() {
  const change = (settings: Settings): Settings => {
    const outside = settings.realms.get("outside") as RealmSettings;
    const carrier = settings.peers.get("carrier") as PeerSettings;
    const address = { ip: BOX.outside, port: 5061 };
    const tls = { id: "outside/tls", realm: "outside", protocol: "tls", address } as const;
    const target = { kind: "host", protocol: "tls", host: ALICE.ip, port: 5061 } as const;
    return {
      ...settings,
      realms: new Map([...settings.realms, ["outside", { ...outside, listeners: [...outside.listeners, tls] }]]),
      peers: new Map([...settings.peers, ["carrier", { ...carrier, targets: [target] }]]),
    };
  };
  const stage = new Stage({ change });
  const alice = stage.party("alice", { ...ALICE, port: 5061, tls: 2 ** 31 });
  return { stage, alice, bob: stage.party("bob", BOB) };
}
