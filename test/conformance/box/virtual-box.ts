/** A whole box in virtual time between two mute neighbours: one message in, everything that it says out. */
import type { Fact, Millis, RealmSettings, Settings } from "../../../src/base/index.ts";
import { seededRandom } from "../../../src/base/index.ts";
import { Engine, type EngineInput, type EngineOutput } from "../../../src/engine/index.ts";
import { BOX, simulatedSettings } from "../../simulation/settings.ts";
import { NO_PACKETS } from "../../support/no-packets.ts";

/** Longer than every timer of the box. */
const REST: Millis = 3_600_000;
/** More steps than any timer needs until it has run out. */
const STEP_LIMIT = 10_000;

export interface Said {
  readonly side: "outside" | "inside";
  readonly text: string;
}

export class VirtualBox {
  readonly facts: Fact[] = [];
  readonly #engine: Engine;
  #now: Millis = 1_000;

  constructor() {
    this.#engine = new Engine({ settings: plainSettings(), random: seededRandom(4475), version: "virtual" });
    this.#step({ in: "deadline" });
  }

  get now(): Millis {
    return this.#now;
  }

  /** A datagram; gives what follows at once. */
  hear(side: "outside" | "inside", text: string, remote: { ip: string; port: number } = BOX[side].neighbour): Said[] {
    return this.#step({ in: "datagram", listener: BOX[side].udp, remote, text });
  }

  /** As the operator ends them. */
  endCalls(): Said[] {
    return this.#step({ in: "end-calls", cause: "operator" });
  }

  /** Lets `ms` pass; gives what the box says meanwhile. */
  pass(ms: Millis): Said[] {
    const until = this.#now + ms;
    const said: Said[] = [];
    for (let steps = 0; steps < STEP_LIMIT; steps++) {
      const next = this.#engine.nextDeadline();
      if (next === undefined || next > until) {
        this.#now = until;
        return said;
      }
      this.#now = Math.max(this.#now, next);
      said.push(...this.#step({ in: "deadline" }));
    }
    throw new Error("the box never comes to rest");
  }

  /** Every count that is not zero. What was dropped is counted for ever, so it is exempt. */
  held(): string[] {
    const { drops: _, ...status } = this.#engine.view().status();
    return counts(status).filter((line) => !line.endsWith(" 0"));
  }

  /** What is held an hour later; `[]` is good. */
  leftovers(): string[] {
    this.pass(REST);
    return this.held();
  }

  #step(input: EngineInput): Said[] {
    const said: Said[] = [];
    for (const output of this.#engine.step(input, this.#now)) this.#note(output, said);
    return said;
  }

  #note(output: EngineOutput, said: Said[]): void {
    if (output.out === "datagram")
      said.push({ side: output.listener === BOX.outside.udp ? "outside" : "inside", text: output.text });
    else if (output.out === "fact") this.facts.push(output.fact);
    else if (output.out === "relay" && output.command.word === "close") {
      const { pair } = output.command;
      this.#step({ in: "relay", event: { event: "closed", pair, counters: [NO_PACKETS, NO_PACKETS] } });
    }
  }
}

/** Without SRTP: what a message says about keys is another test's business. */
function plainSettings(): Settings {
  const settings = simulatedSettings({ outside: "udp" });
  const realms = [...settings.realms.values()].map((realm): RealmSettings => ({ ...realm, srtp: "off" }));
  return { ...settings, realms: new Map(realms.map((realm) => [realm.name, realm])) };
}

function counts(value: unknown, path = ""): string[] {
  if (typeof value === "number") return [`${path} ${value}`];
  if (typeof value !== "object" || value === null) return [];
  const entries = value instanceof Map ? [...value] : Object.entries(value);
  return entries.flatMap(([name, inner]) => (name === "counters" ? [] : counts(inner, `${path}/${name}`)));
}
