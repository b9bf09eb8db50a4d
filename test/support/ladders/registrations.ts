/**
 * Plays ladders of registrations: phones outside, the registrar inside, both written in the table. A phone is one party a flow.
 * The same words as in calls (test/ladders/README.md); `{contact}` is the Contact that the box registered last, `{name}` its URI.
 */
import type { ListenerSettings, RealmSettings, Settings } from "../../../src/base/index.ts";
import { expectNoLeaks } from "../leak-check.ts";
import { phonesAt } from "../phones.ts";
import { audio, headerOf, headersOf, tagOf } from "../scripted-party.ts";
import { type Actor, BOB, BOX, type Place, type Stage } from "../stage.ts";
import type { Arrow, Happening, Ladder } from "./format.ts";
import { differences } from "./judge.ts";
import { headerValue, laidOver, type MessageText, written } from "./message-text.ts";
import { rfcMessage } from "./rfc-message.ts";

export type RegistrationWire = "udp" | "tcp" | "tls" | "wss";

const NOTHING: MessageText = { start: undefined, headers: [], body: undefined };
const FIRST_CONNECTION = 2 ** 31 + 1;
/** What belongs to one dialog. */
const DIALOG = ["From", "To", "Call-ID", "CSeq"] as const;

class Party implements Actor {
  readonly name: string;
  readonly place: Place;
  readonly inbox: string[] = [];
  /** By method: the request to be answered, and the answer to be acknowledged. */
  readonly asked = new Map<string, string>();
  accepted = "";
  /** Of the dialog: as this party writes it, and where its requests go. */
  local = "";
  remote = "";
  callId = "";
  target = "";
  seq = 0;

  constructor(name: string, place: Place) {
    this.name = name;
    this.place = place;
  }

  took(text: string): void {
    if (!text.startsWith("SIP/2.0 100 ")) this.inbox.push(text);
  }
}

export function playRegistration(ladder: Ladder, wire: RegistrationWire): void {
  const player = new Player(ladder, wire);
  try {
    player.play();
  } catch (error) {
    const where = `line ${player.line}, over ${wire}: ${(error as Error).message}`;
    throw new Error(`${where}\n${player.stage.diary.join("\n")}`, { cause: error });
  }
}

class Player {
  readonly stage: Stage;
  line: number;
  readonly #ladder: Ladder;
  readonly #wire: RegistrationWire;
  readonly #parties: readonly Party[];
  #branch = 0;
  /** The Contact that the registrar was told last. */
  #contact = "";

  constructor(ladder: Ladder, wire: RegistrationWire) {
    this.#ladder = ladder;
    this.line = ladder.line;
    this.#wire = wire;
    const domain = ladder.settings.find((line) => line.startsWith("domain = "))?.slice(9) ?? "example.com";
    const { stage, registrar, alice } = phonesAt({ domain: { domain, calls: "flow" }, change: withWebSockets });
    for (const nobody of [registrar, alice]) stage.leave(nobody);
    this.stage = stage;
    this.#parties = ladder.parties.map(({ name, realm }, index) => {
      const place: Place = realm === "inside" ? BOB : { realm, ip: "192.0.2.201", port: 5_060 + index };
      const connection = FIRST_CONNECTION + index;
      const streams = realm === "inside" || wire === "udp" ? {} : { [wire]: connection };
      const party = stage.join(new Party(name, { ...place, ...streams }));
      if ("tcp" in party.place || "tls" in party.place || "wss" in party.place) stage.connect(party, connection);
      return party;
    });
  }

  play(): void {
    for (const row of this.#ladder.rows) {
      this.line = row.line;
      if (row.afterMs > 0) this.stage.pass(row.afterMs);
      const queues = this.#parties.map((party) => ({ party, items: [...(row.cells.get(party.name) ?? [])] }));
      for (let moved = true; moved; ) {
        moved = false;
        for (const { party, items } of queues) moved = this.#move(party, items) || moved;
      }
      for (const { party, items } of queues) {
        const [missing] = items;
        if (missing !== undefined)
          throw new Error(`${party.name} did not get "${wordsOf(missing)}"; ${inboxOf(party)}`);
        if (party.inbox.length > 0) throw new Error(`${party.name} was not to get ${inboxOf(party)}`);
      }
    }
    this.#end();
  }

  #move(party: Party, items: (Arrow | Happening)[]): boolean {
    const [next] = items;
    if (next === undefined) return false;
    if ("happens" in next) {
      if (next.happens !== "line breaks") throw new Error(`nobody knows how "${next.happens}" happens`);
      this.stage.disconnect(party);
    } else if (next.direction === "to box") this.#send(party, next);
    else {
      const text = party.inbox.shift();
      if (text === undefined) return false;
      this.#judge(party, next, text);
    }
    items.shift();
    return true;
  }

  #judge(party: Party, arrow: Arrow, text: string): void {
    const status = /^SIP\/2\.0 (\d+)/.exec(text)?.[1];
    const method =
      status === undefined ? text.slice(0, text.indexOf(" ")) : (headerOf(text, "CSeq").split(" ")[1] ?? "");
    if (
      method !== arrow.method ||
      (Number(status ?? Number.NaN) !== (arrow.status ?? Number.NaN) && status !== undefined)
    )
      throw new Error(`${party.name} got ${text.split("\r\n")[0]} instead of "${arrow.text}"`);
    if ((status === undefined) !== (arrow.status === undefined))
      throw new Error(`${party.name} got ${text.split("\r\n")[0]} instead of "${arrow.text}"`);
    const detail = arrow.detail === undefined ? undefined : this.#detail(arrow.detail, party);
    const problems = differences(text, arrow, detail);
    if (problems.length > 0) throw new Error(`"${arrow.text}": ${problems.join("; ")}\n${text}`);
    if (status === undefined) this.#asked(party, method, text);
    else if (method === "INVITE" && status.startsWith("2")) {
      party.accepted = text;
      party.remote = headerOf(text, "To");
      party.target = uriIn(headerOf(text, "Contact"));
    }
  }

  #asked(party: Party, method: string, text: string): void {
    party.asked.set(method, text);
    if (method === "REGISTER") {
      const contact = headersOf(text, "Contact")[0] ?? "";
      if (contact !== "*" && contact !== "") this.#contact = contact;
    }
    if (method !== "INVITE") return;
    party.local = `${headerOf(text, "To")};tag=${party.name}-answers`;
    party.remote = headerOf(text, "From");
    party.callId = headerOf(text, "Call-ID");
    party.target = uriIn(headerOf(text, "Contact"));
  }

  #send(party: Party, arrow: Arrow): void {
    const over = arrow.detail === undefined ? NOTHING : this.#detail(arrow.detail, party);
    const said = laidOver(arrow.file === undefined ? NOTHING : rfcMessage(arrow.file), over);
    const body = arrow.sdp === "sdp" ? audio(party.place.ip) : (said.body ?? "");
    const more = body === "" ? [] : [["Content-Type", "application/sdp"] as const];
    const rest = said.headers.filter(([name]) => !/^(from|to|call-id|cseq|max-forwards|content-type)$/i.test(name));
    const [start, head] = arrow.status === undefined ? this.#request(party, arrow, said) : this.#answer(party, arrow);
    this.stage.deliver(party, written(start, [...head, ...rest, ...more], body));
  }

  #request(party: Party, { method }: Arrow, said: MessageText): [string, (readonly [string, string])[]] {
    this.#branch += 1;
    const protocol = party.place.realm === "inside" ? "UDP" : this.#wire.toUpperCase();
    const via = `SIP/2.0/${protocol} ${party.place.ip}:5060;rport;branch=z9hG4bK-${party.name}-${this.#branch}`;
    const value = (name: string): string => headerValue(said, name) ?? "";
    const inDialog = method === "ACK" || method === "BYE";
    // The examples begin at 1 each time; here all of a phone's registrations follow each other.
    if (method !== "ACK") party.seq += 1;
    const dialog = inDialog ? [party.local, party.remote, party.callId] : DIALOG.slice(0, 3).map(value);
    if (method === "INVITE") [party.local, party.remote, party.callId] = dialog as [string, string, string];
    const start = inDialog ? `${method} ${party.target} SIP/2.0` : (said.start ?? "");
    const values = [...dialog, `${party.seq} ${method}`];
    const head = DIALOG.map((name, index) => [name, values[index] ?? ""] as const);
    const contact = said.headers.some(([name]) => name === "Contact") || method !== "INVITE";
    const own = contact ? [] : [["Contact", `<sip:${party.name}@${party.place.ip}:5060>`] as const];
    return [start, [["Via", via], ["Max-Forwards", "70"], ...head, ...own]];
  }

  #answer(party: Party, { method, status }: Arrow): [string, (readonly [string, string])[]] {
    const request = party.asked.get(method) ?? "";
    const head = ["Via", ...DIALOG].map((name): readonly [string, string] => {
      const value = headerOf(request, name);
      if (name !== "To" || tagOf(value) !== "") return [name, value];
      return [name, method === "INVITE" ? party.local : `${value};tag=${party.name}-answers`];
    });
    const invited = method === "INVITE" ? [["Contact", `<sip:${party.name}@${party.place.ip}:5060>`] as const] : [];
    return [`SIP/2.0 ${status} Said`, [...head, ...invited]];
  }

  #detail(name: string, party: Party): MessageText {
    const found = this.#ladder.details.get(name);
    if (found === undefined) throw new Error(`no sip block ${name}`);
    const words: Record<string, string> = {
      box: BOX[party.place.realm],
      ip: party.place.ip,
      contact: this.#contact.replace(/;.*/, ""),
      name: uriIn(this.#contact),
    };
    const fill = (text: string): string => text.replace(/\{(\w+)\}/g, (whole, word: string) => words[word] ?? whole);
    return {
      start: found.start === undefined ? undefined : fill(found.start),
      headers: found.headers.map(([one, value]) => [one, fill(value)] as const),
      body: found.body,
    };
  }

  #end(): void {
    this.line = this.#ladder.line;
    for (const [name, words] of this.#ladder.never) {
      const realm = this.#parties.find((party) => party.name === name)?.place.realm ?? "inside";
      const said = this.stage.sent[realm].join("\n");
      for (const word of words) if (said.includes(word)) throw new Error(`${name} was told "${word}"`);
    }
    expectNoLeaks(this.stage);
    this.stage.pass(70_000);
    const { calls, legs, dialogs, sessions } = this.stage.remains();
    if (calls || legs || dialogs || sessions)
      throw new Error(`remains: ${calls} calls, ${legs} legs, ${dialogs} dialogs`);
  }
}

function withWebSockets(settings: Settings): Settings {
  const outside = settings.realms.get("outside") as RealmSettings;
  const wss: ListenerSettings = {
    ...{ id: "outside/wss", realm: "outside", protocol: "wss" },
    address: { ip: BOX.outside, port: 8_443 },
  };
  const listeners = [...outside.listeners, wss];
  return { ...settings, realms: new Map(settings.realms).set("outside", { ...outside, listeners }) };
}

const uriIn = (value: string): string => /<([^>]*)>/.exec(value)?.[1] ?? value;
const wordsOf = (item: Arrow | Happening): string => ("happens" in item ? item.happens : item.text);
const inboxOf = (party: Party): string => party.inbox.map((text) => text.split("\r\n")[0]).join(", ") || "nothing";
