/**
 * The last messages on every wire, for the two-leg ladder (`sallyport trace`). A ring of fixed size that holds
 * references to texts which exist anyway, so that recording costs next to nothing and is always on. Texts leave it as
 * summaries only: a body may hold keys.
 *
 * Limit: the ring holds the last 4,096 messages, and fewer when they have more than 16 MiB; older ones are forgotten.
 */
import { type Millis, withoutPasswords } from "../base/index.ts";
import type { TransportInput } from "../transport/index.ts";
import type { EngineOutput } from "./engine.ts";

const RING_MESSAGES = 4_096;
const RING_BYTES = 16 * 1_024 * 1_024;

/** One message as it crossed a wire. */
export interface TraceEntry {
  readonly at: Millis;
  readonly realm: string;
  readonly remote: string;
  readonly sent: boolean;
  /** The start line, without the password of its URI. */
  readonly line: string;
  readonly callId: string;
  readonly cseq: string;
  /** m-lines with their profile, `RTP/SAVP` and so on: what the ladder shows of the body. */
  readonly media: readonly string[];
}

interface Slot {
  at: Millis;
  realm: string;
  remote: string;
  sent: boolean;
  text: string;
}

interface Wire {
  readonly realm: string;
  readonly remote: string;
}

export class Recorder {
  readonly #slots: Slot[] = [];
  readonly #wires = new Map<number, Wire>();
  readonly #realmOf: (listener: string) => string;
  /** Messages recorded since the start; the last of them is in slot `(#count - 1) % RING_MESSAGES`. */
  #count = 0;
  /** The number of the oldest message that is still held. */
  #oldest = 0;
  #bytes = 0;

  /** `realmOf`: the realm of a listener by its id. */
  constructor(realmOf: (listener: string) => string) {
    this.#realmOf = realmOf;
  }

  input(input: TransportInput, now: Millis): void {
    switch (input.in) {
      case "datagram":
        return this.#record(this.#realmOf(input.listener), input.remote.ip, input.remote.port, false, input.text, now);
      case "accepted":
        this.#wires.set(input.connection, {
          realm: this.#realmOf(input.listener),
          remote: `${input.remote.ip}:${input.remote.port}`,
        });
        return;
      case "data":
        return this.#recordWire(input.connection, false, input.text, now);
      case "closed":
        this.#wires.delete(input.connection);
        return;
      default:
    }
  }

  output(output: EngineOutput, now: Millis): void {
    switch (output.out) {
      case "datagram":
        return this.#record(
          this.#realmOf(output.listener),
          output.remote.ip,
          output.remote.port,
          true,
          output.text,
          now,
        );
      case "connect":
        this.#wires.set(output.connection, {
          realm: output.realm,
          remote: `${output.remote.ip}:${output.remote.port}`,
        });
        return;
      case "write":
        return this.#recordWire(output.connection, true, output.text, now);
      case "close":
        this.#wires.delete(output.connection);
        return;
      default:
    }
  }

  /** The messages whose Call-ID is in `callIds` (all when absent), oldest first. */
  entries(callIds?: ReadonlySet<string>): readonly TraceEntry[] {
    const entries: TraceEntry[] = [];
    for (let number = this.#oldest; number < this.#count; number++) {
      const slot = this.#slots[number % RING_MESSAGES] as Slot;
      const entry = summary(slot);
      if (entry !== undefined && (callIds === undefined || callIds.has(entry.callId))) entries.push(entry);
    }
    return entries;
  }

  #recordWire(connection: number, sent: boolean, text: string, now: Millis): void {
    const wire = this.#wires.get(connection);
    if (wire !== undefined) this.#fill(wire.realm, wire.remote, sent, text, now);
  }

  #record(realm: string, ip: string, port: number, sent: boolean, text: string, now: Millis): void {
    this.#fill(realm, `${ip}:${port}`, sent, text, now);
  }

  #fill(realm: string, remote: string, sent: boolean, text: string, now: Millis): void {
    if (this.#count - this.#oldest === RING_MESSAGES) this.#forgetOldest();
    this.#bytes += text.length;
    const index = this.#count++ % RING_MESSAGES;
    const slot = this.#slots[index];
    if (slot === undefined) this.#slots.push({ at: now, realm, remote, sent, text });
    else {
      slot.at = now;
      slot.realm = realm;
      slot.remote = remote;
      slot.sent = sent;
      slot.text = text;
    }
    while (this.#bytes > RING_BYTES) this.#forgetOldest();
  }

  #forgetOldest(): void {
    const slot = this.#slots[this.#oldest++ % RING_MESSAGES] as Slot;
    this.#bytes -= slot.text.length;
    slot.text = "";
  }
}

/** `undefined` for what is no message: keepalives, the middle of a stream. */
function summary({ at, realm, remote, sent, text }: Slot): TraceEntry | undefined {
  const head = text.slice(0, text.indexOf("\r\n\r\n") + 2).replace(/^[\r\n]+/, "");
  const line = head.slice(0, head.indexOf("\r\n"));
  if (!line.includes("SIP/2.0")) return undefined;
  return {
    at,
    realm,
    remote,
    sent,
    line: withoutPasswords(line),
    callId: headerIn(head, /^(?:call-id|i)[ \t]*:[ \t]*([^\r\n]*)/im),
    cseq: headerIn(head, /^cseq[ \t]*:[ \t]*([^\r\n]*)/im),
    media: [...text.matchAll(/^m=(\S+ \d+ \S+)/gm)].map((match) => match[1] ?? ""),
  };
}

const headerIn = (head: string, pattern: RegExp): string => pattern.exec(head)?.[1]?.trim() ?? "";
