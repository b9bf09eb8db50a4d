/**
 * Looks at both ends of every wire of the box, where it stands itself: what came in is what it knows, what goes out is its
 * conduct. Judges each dialog by RFC 3261, 3262 and 3311; offers and answers are judged in offers.ts.
 */
import type { Millis } from "../../src/base/index.ts";
import { DialogOffers } from "./offers.ts";
import { awaits, hasReserved } from "./sdp-text.ts";
import { branchOf, cseqOf, headerOf, isRequest, methodOf, readSip, type Sip, statusOf, tagOf } from "./sip-text.ts";

/** A refusal that comes later, when nothing came before, meets no transaction (RFC 3261 §17.1.1.2). */
const TIMER_B: Millis = 32_000;

type Report = (what: string) => void;

/** One INVITE of the box: what was said to it. */
interface Asked {
  readonly at: Millis;
  /** Reliable 1xx by To tag, the last RSeq that came in order. */
  readonly reliable: Map<string, number>;
  readonly pracked: Set<string>;
  /** Its stream broke before it had any response: it failed, and what comes later meets no transaction. */
  broke: boolean;
  answered: boolean;
}

/** One leg: all dialogs of one Call-ID on one side. */
class LegRecord {
  readonly dialogs = new Map<string, DialogRecord>();
  readonly asked = new Map<number, Asked>();
  /** INVITEs that came, by CSeq: do they want 1xx to be reliable, and which were sent. */
  readonly came = new Map<
    number,
    {
      readonly sip: Sip;
      final: number;
      readonly unpracked: Map<string, number>;
      readonly last: Map<string, number>;
      /** It waits for resources (RFC 3312), knows from a 1xx what it has to reserve, and has not said yet that it did. */
      awaits: boolean;
      told: boolean;
    }
  >();
  /** The INVITE that made it, and who sent it. */
  first: { readonly by: "ours" | "theirs"; readonly sip: Sip } | undefined;
  /** Final responses to INVITEs of the box that want an ACK, by CSeq and To tag. */
  readonly owedAcks = new Set<string>();
}

class DialogRecord {
  readonly offers: DialogOffers;
  /** CSeq and branch of what the box asked last. */
  cseq = 0;
  readonly branches = new Set<string>();
  ended = "";

  constructor(name: string, report: Report) {
    this.offers = new DialogOffers(name, report);
  }
}

export class Referee {
  readonly #report: Report;
  readonly #legs = new Map<string, LegRecord>();
  readonly #broken = new Set<string>();
  #now: Millis = 0;
  /** Copies say nothing new. */
  readonly #seen = new Set<string>();

  constructor(report: Report) {
    this.#report = report;
  }

  /** A message of a fair peer that came to the box (`in`), or one of the box that goes to such a peer (`out`). */
  message(way: "in" | "out", side: string, text: string, now: Millis): void {
    this.#now = now;
    if (text.trim() === "") return;
    const copy = `${way} ${text}`;
    if (this.#seen.has(copy)) return;
    this.#seen.add(copy);
    const sip = readSip(text);
    const callId = headerOf(sip, "call-id");
    const key = `${side} ${callId}`;
    let leg = this.#legs.get(key);
    if (leg === undefined) this.#legs.set(key, (leg = new LegRecord()));
    const from = tagOf(headerOf(sip, "from"));
    const to = tagOf(headerOf(sip, "to"));
    const [box, peer] = (way === "out") === isRequest(sip) ? [from, to] : [to, from];
    const say: Report = (what) => this.#report(`${side} ${callId}: ${what}`);
    if (isRequest(sip)) this.#request(leg, way, side, sip, box, peer, say);
    else this.#response(leg, way, sip, box, peer, say);
  }

  /** The streams of this side broke. An INVITE that had no response yet has failed. */
  broke(side: string): void {
    this.#broken.add(side);
    for (const [name, leg] of this.#legs) {
      if (!name.startsWith(`${side} `)) continue;
      for (const asked of leg.asked.values()) if (!asked.answered) asked.broke = true;
    }
  }

  /** At rest nothing is owed any more. */
  end(): void {
    for (const [name, leg] of this.#legs) {
      for (const owed of leg.owedAcks) this.#report(`${name}: no ACK for ${owed}`);
      for (const dialog of leg.dialogs.values()) dialog.offers.end();
    }
  }

  #dialog(leg: LegRecord, box: string, peer: string, say: Report): DialogRecord {
    const key = `${box} ${peer}`;
    let dialog = leg.dialogs.get(key);
    if (dialog === undefined) {
      leg.dialogs.set(key, (dialog = new DialogRecord(key, say)));
      if (leg.first !== undefined) dialog.offers.begin(leg.first.by, leg.first.sip);
    }
    return dialog;
  }

  #request(leg: LegRecord, way: "in" | "out", side: string, sip: Sip, box: string, peer: string, say: Report): void {
    const method = methodOf(sip);
    const cseq = cseqOf(sip).number;
    // One that is sent again, with another CSeq, takes the place of the one before (422, 401).
    const first = method === "INVITE" && tagOf(headerOf(sip, "to")) === "";
    if (first) leg.first = { by: way === "in" ? "theirs" : "ours", sip };
    if (way === "in") {
      if (method === "INVITE") {
        const awaiting = { awaits: first && awaits(sip.body), told: false };
        leg.came.set(cseq, { sip, final: 0, unpracked: new Map(), last: new Map(), ...awaiting });
      }
      if (hasReserved(sip.body)) for (const came of leg.came.values()) came.awaits = false;
      if (box === "") return;
      const dialog = this.#dialog(leg, box, peer, say);
      if (method === "BYE") {
        dialog.ended = "it got BYE";
        for (const owed of leg.owedAcks) if (owed.endsWith(` ${peer}`)) leg.owedAcks.delete(owed);
      }
      if (method === "PRACK") this.#pracked(leg, sip, box);
      return dialog.offers.request("theirs", sip);
    }
    if (method === "CANCEL") return;
    if (method === "INVITE")
      leg.asked.set(cseq, { at: this.#now, reliable: new Map(), pracked: new Set(), broke: false, answered: false });
    if (method === "ACK") {
      if (!leg.owedAcks.delete(`${cseq} ${peer}`) && !leg.asked.has(cseq)) say(`ACK ${cseq} for no INVITE`);
      if (peer !== "") this.#dialog(leg, box, peer, say).offers.request("ours", sip);
      return;
    }
    if (peer === "") return; // It makes a dialog, or stands alone.
    const dialog = this.#dialog(leg, box, peer, say);
    if (!dialog.branches.has(branchOf(sip))) {
      if (cseq <= dialog.cseq) say(`${method} with CSeq ${cseq} after ${dialog.cseq}`);
      // What was on a stream when it broke is said again, or for the first time, on the next one: perhaps after a BYE that
      // came meanwhile on a stream of the peer's own, as requests cross on any wire.
      if (dialog.ended !== "" && !this.#broken.has(side)) say(`${method} after ${dialog.ended}`);
      dialog.cseq = Math.max(cseq, dialog.cseq);
      dialog.branches.add(branchOf(sip));
    }
    if (method === "BYE") dialog.ended = "its BYE";
    if (method === "PRACK") this.#pracks(leg, sip, peer, say);
    dialog.offers.request("ours", sip);
  }

  /** RFC 3262 §4: each reliable 1xx gets one PRACK, which names it. */
  #pracks(leg: LegRecord, prack: Sip, peer: string, say: Report): void {
    const [rseq = "", cseq = "", method = ""] = headerOf(prack, "rack").split(/\s+/);
    const asked = leg.asked.get(Number(cseq));
    if (method !== "INVITE" || asked?.reliable.get(peer) === undefined)
      return say(`PRACK for ${rseq} ${cseq} ${method}`);
    if (Number(rseq) > asked.reliable.get(peer)!) say(`PRACK for ${rseq}, which has not come`);
    const name = `${peer} ${rseq}`;
    if (asked.pracked.has(name)) say(`a second PRACK for ${rseq}`);
    asked.pracked.add(name);
  }

  #pracked(leg: LegRecord, prack: Sip, box: string): void {
    const [rseq = "", cseq = ""] = headerOf(prack, "rack").split(/\s+/);
    const came = leg.came.get(Number(cseq));
    if (came?.unpracked.get(box) === Number(rseq)) came.unpracked.delete(box);
  }

  #response(leg: LegRecord, way: "in" | "out", sip: Sip, box: string, peer: string, say: Report): void {
    const { method, number } = cseqOf(sip);
    const status = statusOf(sip);
    if (way === "in") return this.#answered(leg, sip, method, number, status, box, peer, say);
    if (method === "INVITE") this.#answers(leg, sip, number, status, box, say);
    if (status === 100 || box === "" || method === "CANCEL") return;
    const dialog = this.#dialog(leg, box, peer, say);
    dialog.offers.response("ours", sip);
  }

  #answered(
    leg: LegRecord,
    sip: Sip,
    method: string,
    cseq: number,
    status: number,
    box: string,
    peer: string,
    say: Report,
  ): void {
    const asked = leg.asked.get(cseq);
    if (method === "INVITE" && asked !== undefined) asked.answered = true;
    if (status === 100 || peer === "") return;
    if (method === "INVITE" && asked !== undefined) {
      if (status >= 200 && !asked.broke && !(status >= 300 && this.#now - asked.at > TIMER_B))
        leg.owedAcks.add(`${cseq} ${peer}`);
      const rseq = Number(headerOf(sip, "rseq"));
      const last = asked.reliable.get(peer);
      if (rseq > 0 && status < 200 && (last === undefined || rseq === last + 1)) asked.reliable.set(peer, rseq);
    }
    this.#dialog(leg, box, peer, say).offers.response("theirs", sip);
  }

  /** What the box says to an INVITE of theirs: RFC 3261 §13.3.1, RFC 3262 §3. */
  #answers(leg: LegRecord, sip: Sip, cseq: number, status: number, box: string, say: Report): void {
    const came = leg.came.get(cseq);
    if (came === undefined) return say(`${status} to an INVITE ${cseq} that never came`);
    if (status < 200 && came.final !== 0) say(`${status} after ${came.final}`);
    if (came.awaits && (status === 200 || (status === 180 && came.told)))
      say(`${status} before the resources of the caller are there`);
    if (status >= 200) {
      came.final = status;
      return;
    }
    const rseq = Number(headerOf(sip, "rseq"));
    if (status === 100) return;
    came.told ||= rseq > 0 && sip.body !== "";
    const wanted = `${headerOf(came.sip, "supported")},${headerOf(came.sip, "require")}`;
    if (!(rseq > 0)) {
      if (/100rel/.test(headerOf(came.sip, "require")))
        say(`a ${status} that is not reliable, where 100rel is required`);
      return;
    }
    if (!/100rel/.test(wanted)) say(`a reliable ${status} to one who does not know 100rel`);
    const last = came.last.get(box);
    if (last !== undefined && rseq !== last + 1) say(`RSeq ${rseq} after ${last}`);
    if (last === undefined && came.unpracked.has(box)) say("a second reliable 1xx before the first was acknowledged");
    came.last.set(box, rseq);
    came.unpracked.set(box, rseq);
  }
}
