/**
 * A box, its neighbours and a bad network, in virtual time from a seed. After every step the invariants are checked;
 * when all has ended, the box must be as empty as at its start.
 */
import { createHash } from "node:crypto";
import { below, type Fact, hostText, type Millis, type Random, seededRandom } from "../../src/base/index.ts";
import { Engine, type EngineInput, type EngineOutput } from "../../src/engine/index.ts";
import { machineHash } from "../../src/io/hash.ts";
import type { RelayCommand } from "../../src/media/index.ts";
import { NO_PACKETS } from "../support/no-packets.ts";
import { asksForRest, RETURNED } from "./callee.ts";
import type { Climate } from "./climate.ts";
import type { PhoneOptions } from "./desk.ts";
import { Leaks } from "./leaks.ts";
import { leftovers } from "./leftovers.ts";
import { Clock, carry, chance } from "./network.ts";
import { disappointments } from "./outcome.ts";
import { Phone } from "./phone.ts";
import { Referee } from "./referee.ts";
import { RelayOrders } from "./relay-orders.ts";
import {
  type CalleeScript,
  type CallScript,
  type ErrandScript,
  type Happening,
  isFair,
  type Temper,
  THIRD,
  type WorldScript,
} from "./script.ts";
import { type Box, boxIn, DEAD, PBX_NAME, preconditionsOf, simulatedSettings, type Ways } from "./settings.ts";

export interface Plan extends Climate {
  /** Keeps the ladder of every message, for a replay that is read by people. */
  readonly keepLadder?: boolean;
}

export interface Outcome {
  /** Every invariant that did not hold, in words. Empty is good. */
  readonly broken: readonly string[];
  readonly ladder: readonly string[];
  /** Of all bytes that the box sent: the same seed must give the same. */
  readonly digest: string;
  readonly started: number;
  readonly answered: number;
  readonly causes: Readonly<Record<string, number>>;
  /** Calls in which somebody was to go away without a word. */
  readonly left: number;
}

type Side = "outside" | "inside";

/** Longer than every timer of the box: ring limit, 64·T1, idle connections, session interval, longest call. */
const REST_LIMIT: Millis = 7_200_000;
/** When the box is told to register no more: after the longest call. */
const LAST_REGISTRATION: Millis = 1_300_000;
const TIMER_L: Millis = 32_000;

/** Limit: the call of a message is told by the number in it, which has so many digits after the prefix. */
const NUMBER = /4930(\d{6})/;
/** From here on numbers are those of requests outside of calls. */
const ERRAND = 900_000;
/** What may be left: a bounded store of what DNS said. */
const KEPT = ["dnsAnswers"];
/** Between the beginnings of two calls. */
const PAUSE: Millis = 50;

export function simulate(script: WorldScript, plan: Plan): Outcome {
  return new World(script, plan).run();
}

class World {
  readonly #plan: Plan;
  readonly #script: WorldScript;
  readonly #clock = new Clock();
  /** Of the calls, and of what belongs to none. */
  readonly #dice: readonly Random[];
  readonly #errandDices = new Map<ErrandScript, Random>();
  readonly #random: Random;
  readonly #engine: Engine;
  readonly #phones: Record<Side, Phone>;
  readonly #box: Box;
  readonly #leaks: Leaks;
  readonly #referee = new Referee((what) => {
    this.#broken.add(what);
  });
  readonly #hash = createHash("sha256");
  readonly #broken = new Set<string>();
  readonly #ladder: string[] = [];
  readonly #relayOrders = new RelayOrders((what) => {
    this.#broken.add(what);
  });
  readonly #started = new Map<string, number>();
  readonly #ended = new Map<string, number>();
  readonly #causes: Record<string, number> = {};
  /** Distinct final statuses that the box sent for each INVITE it got, by branch. */
  readonly #finals = new Map<string, { readonly at: Millis; readonly statuses: Set<string> }>();
  readonly #invites = new Set<string>();
  readonly #streams = new Map<number, Side>();
  #outsideStream = 0;
  /** A stream broke before it was up: what waited for it reached nobody, and is not sent again (RFC 3261 §18.4). */
  #brokeRising = false;
  #nextStream = 2 ** 31;
  #wakeAt: Millis | undefined;
  #answered = 0;
  #left = 0;

  constructor(script: WorldScript, plan: Plan) {
    this.#plan = plan;
    this.#script = script;
    this.#box = boxIn(plan);
    this.#leaks = new Leaks(this.#box);
    this.#random = seededRandom(script.seed);
    this.#dice = script.calls.map(({ seed }) => seededRandom(seed));
    this.#engine = new Engine({
      settings: simulatedSettings(plan),
      hash: machineHash,
      random: seededRandom(script.seed ^ 0x5a5a5a5a),
      version: "simulated",
    });
    this.#phones = { outside: this.#phone("outside"), inside: this.#phone("inside") };
  }

  run(): Outcome {
    const { calls } = this.#script;
    for (const [index, call] of calls.entries()) {
      if (call.caller.vanishAfter !== undefined || call.callee.vanishAfter !== undefined) this.#left += 1;
      this.#clock.at(index * PAUSE, () => this.#call(numberOf(index), call));
    }
    for (const [index, errand] of this.#script.errands.entries()) {
      this.#clock.at(errand.at, () => this.#beginner(errand).errand(errandNumber(index), errand));
    }
    for (const { at, what } of this.#script.happenings) this.#clock.at(at, () => this.#happen(what));
    if (this.#plan.registers) {
      this.#step({ in: "deadline" }); // It begins at once.
      this.#clock.at(LAST_REGISTRATION, () => this.#reload({ ...this.#plan, registers: false }));
    }
    this.#settle(this.#clock.now + REST_LIMIT);
    this.#checkRest();
    return {
      broken: [...this.#broken],
      ladder: this.#ladder,
      digest: this.#hash.digest("hex"),
      started: this.#started.size,
      answered: this.#answered,
      causes: this.#causes,
      left: this.#left,
    };
  }

  #happen(what: Happening["what"]): void {
    if (what === "lose media") return this.#loseMedia();
    if (what === "end calls") return this.#step({ in: "end-calls", cause: "operator" });
    if (what === "shut down") return this.#step({ in: "end-calls", cause: "shutdown" });
    if (what === "reload") return this.#reload(this.#plan);
    this.#referee.broke("outside");
    this.#brokeRising ||= this.#streams.size > 0 && this.#outsideStream === 0;
    for (const connection of [...this.#streams.keys()]) {
      this.#streams.delete(connection);
      if (this.#outsideStream === connection) this.#outsideStream = 0;
      this.#step({ in: "closed", connection, reason: "reset" });
    }
  }

  #reload(ways: Ways): void {
    this.#step({ in: "reload", settings: simulatedSettings(ways) });
  }

  #beginner({ direction }: ErrandScript): Phone {
    return direction === "inward" ? this.#phones.outside : this.#phones.inside;
  }

  #call(number: string, script: CallScript): void {
    const from = script.direction === "inward" ? this.#phones.outside : this.#phones.inside;
    from.call(number, script);
  }

  /** Runs until nothing is left to happen, or until `limit`. */
  #settle(limit: Millis): void {
    for (;;) {
      const next = this.#clock.nextAt();
      if (next === undefined || next > limit) return;
      this.#clock.step();
    }
  }

  /**
   * Some calls that are still up have no media any more: the relay reports it, and the box must clear them. Whoever went
   * mute in the others, or is gone, is found by session timers alone.
   */
  #loseMedia(): void {
    for (const pair of this.#relayOrders.pairs) {
      if (!chance(this.#random, 0.3)) continue;
      for (const side of [0, 1] as const) this.#step({ in: "relay", event: { event: "silent", pair, side } });
    }
  }

  // ---- the box

  #step(input: EngineInput): void {
    const { now } = this.#clock;
    let outputs: readonly EngineOutput[];
    try {
      outputs = this.#engine.step(input, now);
    } catch (error) {
      this.#broken.add(
        `the box threw at ${now} ms on ${JSON.stringify(input).slice(0, 300)}: ${(error as Error).stack}`,
      );
      return;
    }
    for (const output of outputs) this.#carryOut(output);
    this.#planWake();
  }

  #planWake(): void {
    const deadline = this.#engine.nextDeadline();
    if (deadline === undefined || (this.#wakeAt !== undefined && this.#wakeAt <= deadline)) return;
    const at = Math.max(deadline, this.#clock.now + (deadline <= this.#clock.now ? 1 : 0));
    this.#wakeAt = at;
    this.#clock.at(at, () => {
      if (this.#wakeAt !== at) return;
      this.#wakeAt = undefined;
      this.#step({ in: "deadline" });
    });
  }

  #carryOut(output: EngineOutput): void {
    switch (output.out) {
      case "datagram":
        if (output.remote.ip === DEAD) return this.#noteSent("inside", output.text);
        return this.#fromBox(output.listener.includes("outside") ? "outside" : "inside", output.text, "udp");
      case "write":
        this.#clock.after(1, () => this.#step({ in: "drained", connection: output.connection, unsentBytes: 0 }));
        return this.#fromBox(this.#streams.get(output.connection) ?? "outside", output.text, "stream");
      case "connect":
        this.#streams.set(output.connection, "outside");
        this.#clock.after(20, () => {
          if (!this.#streams.has(output.connection)) return; // It broke before it was up.
          this.#outsideStream = output.connection;
          this.#step({ in: "connected", connection: output.connection, tlsNames: ["carrier.outside.example"] });
        });
        return;
      case "close":
        this.#referee.broke("outside");
        this.#streams.delete(output.connection);
        if (this.#outsideStream === output.connection) this.#outsideStream = 0;
        return;
      case "relay":
        return this.#relay(output.command);
      case "fact":
        return this.#fact(output.fact);
      case "resolve":
        return this.#resolve(output);
    }
  }

  /** DNS knows one name; it is slow, and fails now and then. */
  #resolve({ query, type, name }: Extract<EngineOutput, { out: "resolve" }>): void {
    const fails = chance(this.#random, 0.2);
    const known = type === "A" && name === PBX_NAME;
    const records = known ? [{ type: "A" as const, ip: this.#box.inside.neighbour.ip, ttlSeconds: 5 }] : [];
    this.#clock.after(below(this.#random, 3_000), () =>
      this.#step(fails ? { in: "resolve-failed", query, reason: "SERVFAIL" } : { in: "resolved", query, records }),
    );
  }

  #noteSent(side: Side, text: string): void {
    this.#hash.update(`${this.#clock.now} ${side} ${text}`);
    this.#note(`box -> ${side}`, text);
    for (const leak of this.#leaks.sent(side, text)) this.#broken.add(`on the ${side} wire: ${leak}`);
    this.#noteFinals(text);
    if (OF_PRECONDITIONS.test(text) && !this.#hasPreconditions(side))
      this.#broken.add(`preconditions on the ${side} side, which has none: ${text.slice(0, text.indexOf("\r\n"))}`);
    if (this.#isFair(side, text)) this.#referee.message("out", side, text, this.#clock.now);
  }

  #fromBox(side: Side, text: string, how: "udp" | "stream"): void {
    this.#noteSent(side, text);
    if (text.trim() === "") return;
    const weather = how === "udp" ? this.#script.weather : { loss: 0, duplicate: 0, reorder: 0 };
    carry(this.#clock, this.#diceOf(text), weather, () => this.#phones[side].receive(text));
  }

  #toBox(side: Side, text: string): void {
    const stream = side === "outside" && this.#plan.outside === "tls";
    const weather = stream ? { loss: 0, duplicate: 0, reorder: 0 } : this.#script.weather;
    const deliver = (): void => {
      this.#note(`${side} -> box`, text);
      if (this.#isFair(side, text)) this.#referee.message("in", side, text, this.#clock.now);
      if (/^INVITE /.test(text) && this.#isFair(side, text)) this.#invites.add(branchIn(text));
      if (stream) this.#step({ in: "data", connection: this.#openStream(), text });
      else this.#step({ in: "datagram", listener: this.#box[side].udp, remote: this.#box[side].neighbour, text });
    };
    if (stream) this.#clock.after(10, deliver);
    else carry(this.#clock, this.#diceOf(text), weather, deliver);
  }

  #openStream(): number {
    if (this.#outsideStream !== 0) return this.#outsideStream;
    const connection = this.#nextStream++;
    this.#outsideStream = connection;
    this.#streams.set(connection, "outside");
    const tlsNames = ["carrier.outside.example"];
    const { tls: listener, neighbour: remote } = this.#box.outside;
    this.#step({ in: "accepted", connection, listener, remote, tlsNames });
    return connection;
  }

  // ---- what the box does, judged

  #noteFinals(text: string): void {
    const status = /^SIP\/2\.0 ([2-6]\d\d) /.exec(text)?.[1];
    if (status === undefined || !/\r\nCSeq: *\d+ +INVITE/i.test(text)) return;
    const branch = branchIn(text);
    const seen = this.#finals.get(branch) ?? { at: this.#clock.now, statuses: new Set() };
    this.#finals.set(branch, seen);
    // A copy that the network held back for longer than 64·T1 meets no transaction any more (RFC 6026 §8.7, timer L).
    if (this.#clock.now - seen.at >= TIMER_L) return;
    const { statuses } = seen;
    statuses.add(status);
    if (statuses.size > 1 && this.#invites.has(branch))
      this.#broken.add(`INVITE ${branch} got more than one final answer: ${[...statuses].join(", ")}`);
  }

  #relay(command: RelayCommand): void {
    this.#relayOrders.take(command);
    if (command.word !== "close") return;
    const { pair } = command;
    this.#clock.after(1, () =>
      this.#step({ in: "relay", event: { event: "closed", pair, counters: [NO_PACKETS, NO_PACKETS] } }),
    );
  }

  #fact(fact: Fact): void {
    const text = JSON.stringify(fact);
    if (/inline:|a=crypto|m=audio/.test(text)) this.#broken.add(`a fact carries a body or a key: ${text}`);
    if (fact.fact === "call.started") bump(this.#started, fact.call);
    if (fact.fact === "call.answered") this.#answered += 1;
    if (fact.fact !== "call.ended") return;
    bump(this.#ended, fact.call);
    this.#causes[fact.cause] = (this.#causes[fact.cause] ?? 0) + 1;
    if (this.#ended.get(fact.call) !== 1) this.#broken.add(`call ${fact.call} ended more than once`);
    if (!this.#started.has(fact.call)) this.#broken.add(`call ${fact.call} ended but never started`);
  }

  #checkRest(): void {
    for (const [call, times] of this.#started) {
      if (times !== 1) this.#broken.add(`call ${call} started ${times} times`);
      if (!this.#ended.has(call)) this.#broken.add(`call ${call} never ended`);
    }
    const open = this.#relayOrders.pairs.length;
    if (open > 0) this.#broken.add(`${open} relay pairs are still open`);
    for (const branch of this.#invites) {
      const unreachable = this.#brokeRising && branch.includes(this.#box.outside.mark);
      if (!this.#finals.has(branch) && !unreachable) this.#broken.add(`INVITE ${branch} got no final answer`);
    }
    this.#referee.end();
    this.#checkOutcomes();
    const status = this.#engine.view().status();
    // A name of a target is looked up again and again.
    const named = this.#plan.targets === "by name" ? ["timers"] : [];
    const left = leftovers(status, [
      ...KEPT,
      ...named,
      ...(this.#plan.outside === "tls" ? ["connections", "streams", "timers"] : []),
    ]);
    for (const line of left) this.#broken.add(`at rest: ${line}`);
  }

  /** In fair weather, among the honest, with nothing that happens to all, scripts come to pass. */
  #checkOutcomes(): void {
    const { loss, tempers, happenings, refer, targets } = this.#plan;
    if (loss > 0 || tempers.some((one) => one !== "honest") || happenings.length > 0) return;
    if (this.#script.calls.some(({ callee }) => mayAskForRest(callee))) return;
    for (const what of this.#lostErrands()) this.#broken.add(what);
    if (refer !== "pass" || targets !== "one") return;
    const { outside, inside } = this.#phones;
    for (const [index, script] of this.#script.calls.entries()) {
      const number = numberOf(index);
      const [from, to] = script.direction === "inward" ? [outside, inside] : [inside, outside];
      // A transfer moves a call from one number to another.
      if ([...script.caller.steps, ...script.callee.steps].some(({ what }) => what.startsWith("REFER"))) continue;
      const ends = { number, script, caller: from.dialogsOf(number), callee: to.dialogsOf(number) };
      for (const what of disappointments(ends, this.#plan.challenges, this.#relayOrders.carriedBothWays))
        this.#broken.add(what);
    }
  }

  /** Requests outside of calls get the answer that was given, and subscriptions begin and end. */
  #lostErrands(): string[] {
    return this.#script.errands.flatMap((errand, index) => {
      const end = this.#beginner(errand).errandEnd(errandNumber(index));
      const name = `${errand.method} ${errandNumber(index)}`;
      if (end?.status !== errand.status) return [`${name}: ${end?.status} where ${errand.status} was said`];
      if (errand.method !== "SUBSCRIBE" || errand.status >= 300) return [];
      if (errand.silent || errand.ends === "nobody") return [];
      return end.told === "terminated" ? [] : [`${name}: its last NOTIFY, of ${end.notified}, says "${end.told}"`];
    });
  }

  /** May the box expect of this message what the RFCs say? */
  #isFair(side: Side, text: string): boolean {
    return isFair(this.#temperOf(side, text)) && !text.includes(RETURNED);
  }

  #temperOf(side: Side, text: string): Temper {
    const errand = this.#errandOf(text);
    if (errand !== undefined) return (side === "outside") === (errand.direction === "inward") ? errand.from : errand.to;
    const call = this.#callOf(text);
    if (call === undefined) return "lying";
    return (side === "outside") === (call.direction === "inward") ? call.caller.temper : call.callee.temper;
  }

  #callOf(text: string): CallScript | undefined {
    return this.#script.calls[indexIn(text) % THIRD];
  }

  #errandOf(text: string): ErrandScript | undefined {
    return this.#script.errands[indexIn(text) - ERRAND];
  }

  /** Whoever has this number on this side. */
  #calleeOf(side: Side, number: string): CalleeScript | undefined {
    const callee = this.#callOf(number)?.callee;
    if (callee === undefined || indexIn(number) < THIRD) return callee;
    const fair = {
      status: 200,
      returns: false,
      steps: [],
      early: [],
      otherForkAfter: undefined,
      vanishAfter: undefined,
    };
    return { ...callee, ...fair, temper: this.#temperOf(side, number), byeAfter: 8_000 };
  }

  #note(arrow: string, text: string): void {
    if (this.#plan.keepLadder !== true) return;
    const lines = text.split("\r\n");
    const what = lines[0] ?? "";
    const cseq = lines.find((line) => /^cseq:/i.test(line)) ?? "";
    const callId = lines.find((line) => /^call-id:/i.test(line)) ?? "";
    this.#ladder.push(
      `${String(this.#clock.now).padStart(9)} ${arrow.padEnd(15)} ${what}  [${cseq}] [${callId}] ${branchIn(text)}`,
    );
  }

  #phone(side: Side): Phone {
    const { neighbour, box, mark } = this.#box[side];
    const tls = side === "outside" && this.#plan.outside === "tls";
    const options: PhoneOptions = {
      clock: this.#clock,
      diceOf: (text) => this.#diceOf(text),
      mark,
      ip: neighbour.ip,
      port: neighbour.port,
      box: hostText(box),
      reliable: tls,
      protocol: tls ? "TLS" : "UDP",
      srtp: side === "outside",
      send: (text) => this.#toBox(side, text),
      scriptFor: (number) => this.#calleeOf(side, number),
      callFor: (number) => this.#callOf(number),
      errandFor: (number) => this.#errandOf(number),
      challenges: this.#plan.challenges,
      preconditions: this.#hasPreconditions(side),
      complain: (what) => this.#broken.add(what),
    };
    return new Phone(options, this.#script);
  }

  #hasPreconditions(side: Side): boolean {
    return preconditionsOf(side, this.#plan.preconditions) !== "off";
  }

  #errandDice(errand: ErrandScript): Random {
    let random = this.#errandDices.get(errand);
    if (random === undefined) this.#errandDices.set(errand, (random = seededRandom(errand.seed)));
    return random;
  }

  #diceOf(text: string): Random {
    const errand = this.#errandOf(text);
    if (errand !== undefined) return this.#errandDice(errand);
    return this.#dice[indexIn(text) % THIRD] ?? this.#random;
  }
}

/** An option tag, or what SDP says of them. */
const OF_PRECONDITIONS = /\r\n(?:a=(?:curr|des|conf):|(?:Require|Supported):[^\r\n]*precondition)/i;
const mayAskForRest = (callee: CalleeScript): boolean =>
  asksForRest(callee) || asksForRest({ ...callee, status: callee.nextStatus });
const numberOf = (index: number): string => `4930${String(index).padStart(6, "0")}`;
const errandNumber = (index: number): string => numberOf(ERRAND + index);
const indexIn = (text: string): number => Number(NUMBER.exec(text)?.[1] ?? -1);
const branchIn = (text: string): string => /\r\n(?:Via|v) *:[^\r\n]*?branch=([^;,\s]+)/i.exec(text)?.[1] ?? "";
const bump = (counts: Map<string, number>, key: string): void => void counts.set(key, (counts.get(key) ?? 0) + 1);
