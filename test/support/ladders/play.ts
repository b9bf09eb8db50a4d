/** Plays a ladder against the real engine in virtual time, and says at the first difference what should have been. */
import type { Fact } from "../../../src/base/index.ts";
import { headerOf, tagOf } from "../scripted-party.ts";
import { PartyDialog } from "./dialog.ts";
import type { Arrow, Happening, Ladder, Row } from "./format.ts";
import { differences } from "./judge.ts";
import { LadderLeaks } from "./ladder-leaks.ts";
import { laidOver, type MessageText } from "./message-text.ts";
import { fail, type LadderParty, type Wire } from "./party.ts";
import { rfcMessage } from "./rfc-message.ts";
import { broken } from "./rules.ts";
import { type Scene, sceneOf } from "./scene.ts";
import { soundOf } from "./sound.ts";
import { filledIn } from "./variables.ts";

const NOTHING_SAID: MessageText = { start: undefined, headers: [], body: undefined };
/** The longest that a transaction lingers after a call is twice 64*T1. */
const REST_MS = 75_000;

export interface PlayOptions {
  readonly wire: Wire;
  /** How a message is cut on a stream. */
  readonly cut?: (text: string) => readonly string[];
  /** What becomes of every message of the box on its way, for the tests of the rules. */
  readonly tamper?: (text: string) => string;
}

export function play(ladder: Ladder, options: PlayOptions): void {
  const player = new Player(ladder, options);
  try {
    player.play();
  } catch (error) {
    const where = `line ${player.line}: ${(error as Error).message}`;
    throw new Error(`${where}\n${player.scene.stage.diary.join("\n")}`, { cause: error });
  }
}

class Player {
  readonly scene: Scene;
  line: number;
  readonly #ladder: Ladder;
  readonly #leaks: LadderLeaks;
  #sound = "silence";

  constructor(ladder: Ladder, { wire, cut, tamper }: PlayOptions) {
    this.#ladder = ladder;
    this.line = ladder.line;
    this.scene = sceneOf(ladder, wire);
    this.#leaks = new LadderLeaks(this.scene.stage.box);
    if (cut !== undefined) this.scene.stage.cut = cut;
    if (tamper !== undefined) for (const party of this.scene.parties) party.tamper = tamper;
  }

  play(): void {
    if (this.#ladder.rows.length === 0) fail("a ladder without a row");
    for (const row of this.#ladder.rows) this.#row(row);
    this.line = this.#ladder.line;
    this.scene.stage.pass(REST_MS);
    this.#nothingLeft("after the end");
    this.#facts();
    this.#never();
    for (const party of this.scene.parties) this.scene.stage.disconnect(party);
    const remains = Object.entries(this.scene.stage.remains()).filter(([, count]) => count !== 0);
    if (remains.length > 0) fail(`remains: ${remains.map(([name, count]) => `${name} ${count}`).join(", ")}`);
  }

  #row(row: Row): void {
    this.line = row.line;
    if (row.afterMs > 0) this.scene.stage.pass(row.afterMs);
    const queues = this.scene.parties.map((party) => ({ party, items: [...(row.cells.get(party.name) ?? [])] }));
    if (queues.some(({ items }) => items[0] !== undefined && isCause(items[0]))) this.#nothingLeft("before this row");
    for (;;) {
      let moved = false;
      for (const { party, items } of queues) moved = this.#causes(party, items) || moved;
      for (const { party, items } of queues) moved = this.#effects(party, items) || moved;
      if (!moved) break;
    }
    for (const { party, items } of queues) {
      const [missing] = items as Arrow[];
      if (missing !== undefined) fail(`${party.name} did not get "${missing.text}", but ${inboxOf(party)}`);
    }
    this.#nothingLeft("in this row");
    this.#hear(row.sound);
  }

  /** What this party does now, up to what it waits for. */
  #causes(party: LadderParty, items: (Arrow | Happening)[]): boolean {
    let moved = false;
    for (let next = items[0]; next !== undefined && isCause(next); next = items[0]) {
      items.shift();
      moved = true;
      if ("happens" in next) this.#happen(party, next.happens);
      else this.#send(party, next);
    }
    return moved;
  }

  #effects(party: LadderParty, items: (Arrow | Happening)[]): boolean {
    let moved = false;
    for (let next = items[0]; next !== undefined && !isCause(next); next = items[0]) {
      const arrow = next as Arrow;
      const text = this.#next(party, arrow);
      if (text === undefined) break;
      this.#judge(party, arrow, text);
      if (arrow.repeated) while (party.inbox[0] === text) party.inbox.shift();
      for (let i = 1; i < arrow.times; i++) {
        if (party.inbox.shift() !== text) fail(`${party.name} did not get "${arrow.text}" ${arrow.times} times`);
      }
      items.shift();
      moved = true;
    }
    return moved;
  }

  #send(party: LadderParty, arrow: Arrow): void {
    const said = arrow.detail === undefined ? NOTHING_SAID : this.#detail(arrow.detail, party);
    const more = arrow.file === undefined ? said : laidOver(rfcMessage(arrow.file), said);
    const across = this.scene.parties.find(({ place }) => place.realm !== party.place.realm);
    const before = party.wrote.length;
    party.send(arrow, more, arrow.callee ?? across?.name ?? "nobody");
    for (const text of party.wrote.slice(before)) this.#leaks.wrote(party, text);
  }

  #detail(name: string, party: LadderParty): MessageText {
    const detail = this.#ladder.details.get(name) ?? fail(`no sip block ${name}`);
    return filledIn(detail, party, this.scene.parties);
  }

  #happen(party: LadderParty, what: string): void {
    const { stage } = this.scene;
    if (what === "gone") stage.unplug(party);
    else if (what === "line breaks") stage.disconnect(party);
    else if (what === "silent") stage.step({ in: "relay", event: { event: "silent", pair: 0, side: 0 } });
    else if (what === "forked") party.copyInvite();
    else fail(`nobody knows how "${what}" happens`);
  }

  /** The message that this arrow stands for, if it is the next one. */
  #next(party: LadderParty, arrow: Arrow): string | undefined {
    if (arrow.status !== 100) while (isTrying(party.inbox[0])) party.inbox.shift();
    const [text] = party.inbox;
    if (text === undefined) return undefined;
    const { method, status } = wordsOf(text);
    if (method !== arrow.method || status !== arrow.status) {
      fail(`${party.name} got ${inboxOf(party)} instead of "${arrow.text}"`);
    }
    return party.inbox.shift();
  }

  #judge(party: LadderParty, arrow: Arrow, text: string): void {
    const { method, status } = wordsOf(text);
    const dialog = dialogOf(party, arrow, text, method, status);
    const wanted = arrow.detail === undefined ? undefined : this.#detail(arrow.detail, party);
    const known = dialog.asked.get(method) === text;
    const problems = [
      ...(known ? [] : broken({ text, party, dialog, method, status })),
      ...this.#leaks.sent(party, text),
      ...differences(party.wire === "tls" ? text.replaceAll("sips:", "sip:") : text, arrow, wanted),
    ];
    if (problems.length > 0) fail(`"${arrow.text}": ${problems.join("; ")}\n${text}`);
    if (status === undefined) dialog.got(text, method);
    else dialog.took(text, method);
  }

  #hear(wanted: string): void {
    if (wanted !== "") this.#sound = wanted;
    const heard = soundOf(this.scene.stage.relay, this.scene.parties);
    if (heard !== this.#sound) fail(`sound is "${heard}" instead of "${this.#sound}"`);
  }

  #nothingLeft(when: string): void {
    for (const party of this.scene.parties) {
      while (isTrying(party.inbox[0])) party.inbox.shift();
      if (party.inbox.length > 0) fail(`${when} ${party.name} got ${inboxOf(party)}, which the ladder does not tell`);
    }
  }

  /** The facts of the kinds that the ladder names: those and no others, in this order. */
  #facts(): void {
    if (this.#ladder.facts === undefined) return;
    const wanted = this.#ladder.facts.split("·").map((one) => one.trim().split(/\s+/));
    const names = new Set(wanted.map(([name]) => name));
    const found = this.scene.stage.facts.filter(({ fact }) => names.has(fact));
    const told = found.map(({ fact }) => fact).join(", ");
    if (found.length !== wanted.length) fail(`facts are ${told || "none"}`);
    wanted.forEach(([name, ...pairs], i) => {
      const fact = found[i] as Fact & Record<string, unknown>;
      if (fact.fact !== name) fail(`facts are ${told}`);
      for (const pair of pairs) {
        const [key = "", value] = pair.split("=");
        if (`${fact[key]}` !== value) fail(`fact ${name} has ${key}=${fact[key]} instead of ${value}`);
      }
    });
  }

  #never(): void {
    for (const [name, words] of this.#ladder.never) {
      const party = this.scene.parties.find((one) => one.name === name) ?? fail(`never: no party ${name}`);
      const said = this.scene.stage.sent[party.place.realm].join("\n");
      for (const word of words) if (said.includes(word)) fail(`${name} was told "${word}"`);
    }
  }
}

const isCause = (item: Arrow | Happening): boolean => "happens" in item || item.direction === "to box";
const isTrying = (text: string | undefined): boolean => text?.startsWith("SIP/2.0 100 ") === true;
const inboxOf = (party: LadderParty): string => party.inbox.map(wordOf).join(", ") || "nothing";

function wordsOf(text: string): { method: string; status: number | undefined } {
  const [first = "", second = ""] = text.split(" ", 2);
  if (!first.startsWith("SIP/2.0")) return { method: first, status: undefined };
  return { method: headerOf(text, "CSeq").split(/\s+/)[1] ?? "", status: Number(second) };
}

function wordOf(text: string): string {
  const { method, status } = wordsOf(text);
  return status === undefined ? method : `${status} ${method}`;
}

/** The dialog of the party that this message belongs to; a request without To tag opens one. */
function dialogOf(
  party: LadderParty,
  arrow: Arrow,
  text: string,
  method: string,
  status: number | undefined,
): PartyDialog {
  const callId = headerOf(text, "Call-ID");
  const known = [...party.dialogs].find(([, dialog]) => dialog.callId === callId);
  const opens = status === undefined && tagOf(headerOf(text, "To")) === "" && method !== "CANCEL" && method !== "ACK";
  if (opens && known === undefined) {
    const dialog = PartyDialog.from(text);
    party.dialogs.set(arrow.dialog || "1", dialog);
    return dialog;
  }
  if (known === undefined) return fail(`"${arrow.text}" is of no dialog of ${party.name}`);
  if (arrow.dialog !== "" && arrow.dialog !== known[0]) return fail(`"${arrow.text}" came in dialog #${known[0]}`);
  return known[1];
}
