/** Two boxes and a caller, in virtual time: what one sends to the other's address arrives there. No network, no loss. */
import type { Fact, Millis, PeerSettings, Settings } from "../../../src/base/index.ts";
import { seededRandom } from "../../../src/base/index.ts";
import { Engine, type EngineInput, type EngineOutput } from "../../../src/engine/index.ts";
import { NO_PACKETS } from "../../support/no-packets.ts";
import { realm } from "../policy/realms.ts";
import { peer, settings } from "../routing/peers.ts";

export const CALLER = { ip: "10.0.0.50", port: 5060 };

/** Limit: datagrams of one test. A loop that finds no end shows as this being reached. */
const DATAGRAMS = 20_000;

export class TwoBoxes {
  readonly facts: { readonly box: string; readonly fact: Fact }[] = [];
  readonly toCaller: string[] = [];
  invites = 0;
  now: Millis = 0;
  readonly #boxes = new Map<string, Engine>();
  #waiting: { readonly to: string; readonly from: string; readonly text: string }[] = [];
  #carried = 0;

  /** Each box sends every call on to the other. `targets`: under how many ports the other is known. */
  constructor(options: { readonly targets?: number; readonly change?: (settings: Settings) => Settings } = {}) {
    const { targets = 1, change = (same) => same } = options;
    this.#boxes.set("10.0.0.1", boxAt("10.0.0.1", "10.0.0.2", targets, change));
    this.#boxes.set("10.0.0.2", boxAt("10.0.0.2", "10.0.0.1", targets, change));
    this.pass(1);
  }

  /** The caller's message to the first box, and all that follows from it at once. */
  say(text: string): void {
    this.#waiting.push({ to: "10.0.0.1", from: CALLER.ip, text });
    this.#settle();
  }

  pass(millis: Millis): void {
    const end = this.now + millis;
    for (;;) {
      const next = Math.min(...[...this.#boxes.values()].map((box) => box.nextDeadline() ?? Number.POSITIVE_INFINITY));
      if (next > end) break;
      this.now = Math.max(this.now, next);
      for (const ip of this.#boxes.keys()) this.#step(ip, { in: "deadline" });
      this.#settle();
    }
    this.now = end;
  }

  started(box: string): number {
    return this.facts.filter((one) => one.box === box && one.fact.fact === "call.started").length;
  }

  calls(): number[] {
    return [...this.#boxes.values()].map((box) => (box.view().status().calls as { calls: number }).calls);
  }

  #settle(): void {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      if (++this.#carried > DATAGRAMS) throw new Error("the boxes do not come to rest");
      const { to, from, text } = next;
      if (to === CALLER.ip) this.toCaller.push(text);
      else if (text.startsWith("INVITE")) this.invites += 1;
      if (this.#boxes.has(to)) {
        this.#step(to, { in: "datagram", listener: "inside-udp", remote: { ip: from, port: 5060 }, text });
      }
    }
  }

  #step(ip: string, input: EngineInput): void {
    for (const output of this.#boxes.get(ip)?.step(input, this.now) ?? []) this.#take(ip, output);
  }

  #take(ip: string, output: EngineOutput): void {
    if (output.out === "fact") this.facts.push({ box: ip, fact: output.fact });
    if (output.out === "datagram") this.#waiting.push({ to: output.remote.ip, from: ip, text: output.text });
    if (output.out === "relay" && output.command.word === "close") {
      const event = { event: "closed", pair: output.command.pair, counters: [NO_PACKETS, NO_PACKETS] } as const;
      this.#step(ip, { in: "relay", event });
    }
  }
}

function boxAt(ip: string, other: string, targets: number, change: (settings: Settings) => Settings): Engine {
  const inside = realm("inside", {
    listeners: [{ id: "inside-udp", realm: "inside", protocol: "udp", address: { ip, port: 5060 } }],
    media: { addresses: [ip], firstPort: 20_000, lastPort: 29_999, path: "socket", silenceLimitMs: 0 },
  });
  const at = (host: string, count: number): PeerSettings["targets"] =>
    Array.from({ length: count }, (_, index) => ({ kind: "host", protocol: "udp", host, port: 5060 + index }));
  const peers = [peer("caller", { targets: at(CALLER.ip, 1) }), peer("other", { targets: at(other, targets) })];
  const routes = [{ when: { realm: "inside" }, to: ["other"] }];
  return new Engine({ settings: change(settings(peers, routes, [inside])), random: seededRandom(7), version: "1" });
}
