/**
 * The last messages on every wire, for the two-leg ladder (`sallyport trace`): a ring of fixed size beside columns of
 * fixed length, so that recording leaves nothing on the heap and is always on. Texts leave it as summaries only: a body
 * may hold keys.
 *
 * Limit: the ring holds the last 4,096 messages, and fewer when they have more than 8 MiB; older ones are forgotten.
 */
import { type Millis, withoutPasswords } from "../base/index.ts";
import type { TransportInput } from "../transport/index.ts";
import type { EngineOutput } from "./engine.ts";
import { TextRing } from "./text-ring.ts";

const RING_MESSAGES = 4_096;
const RING_BYTES = 8 * 1_024 * 1_024;

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

interface Wire {
  readonly realm: string;
  readonly ip: string;
  readonly port: number;
}

export class Recorder {
  readonly #texts = new TextRing(RING_BYTES, RING_MESSAGES);
  readonly #times = new Float64Array(RING_MESSAGES);
  readonly #ports = new Uint16Array(RING_MESSAGES);
  readonly #sent = new Uint8Array(RING_MESSAGES);
  readonly #realms: string[] = new Array<string>(RING_MESSAGES).fill("");
  readonly #ips: string[] = new Array<string>(RING_MESSAGES).fill("");
  readonly #wires = new Map<number, Wire>();
  readonly #realmOf: (listener: string) => string;

  /** `realmOf`: the realm of a listener by its id. */
  constructor(realmOf: (listener: string) => string) {
    this.#realmOf = realmOf;
  }

  input(input: TransportInput, now: Millis): void {
    switch (input.in) {
      case "datagram":
        return this.#record(this.#realmOf(input.listener), input.remote.ip, input.remote.port, false, input.text, now);
      case "accepted":
        this.#wires.set(input.connection, { realm: this.#realmOf(input.listener), ...input.remote });
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
        this.#wires.set(output.connection, { realm: output.realm, ...output.remote });
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
    for (let number = this.#texts.oldest; number < this.#texts.count; number++) {
      const entry = this.#entry(number);
      if (entry !== undefined && (callIds === undefined || callIds.has(entry.callId))) entries.push(entry);
    }
    return entries;
  }

  #recordWire(connection: number, sent: boolean, text: string, now: Millis): void {
    const wire = this.#wires.get(connection);
    if (wire !== undefined) this.#record(wire.realm, wire.ip, wire.port, sent, text, now);
  }

  #record(realm: string, ip: string, port: number, sent: boolean, text: string, now: Millis): void {
    const index = this.#texts.indexOf(this.#texts.count);
    this.#texts.add(text);
    this.#times[index] = now;
    this.#ports[index] = port;
    this.#sent[index] = sent ? 1 : 0;
    if (this.#realms[index] !== realm) this.#realms[index] = realm;
    // The one that stands there is old already: a new string of the same chars would keep the collector busy.
    if (this.#ips[index] !== ip) this.#ips[index] = ip;
  }

  /** `undefined` for what is no message: keepalives, the middle of a stream. */
  #entry(number: number): TraceEntry | undefined {
    const index = this.#texts.indexOf(number);
    const text = this.#texts.text(number);
    const head = text.slice(0, text.indexOf("\r\n\r\n") + 2).replace(/^[\r\n]+/, "");
    const line = head.slice(0, head.indexOf("\r\n"));
    if (!line.includes("SIP/2.0")) return undefined;
    return {
      at: this.#times[index] as Millis,
      realm: this.#realms[index] as string,
      remote: `${this.#ips[index]}:${this.#ports[index]}`,
      sent: this.#sent[index] === 1,
      line: withoutPasswords(line),
      callId: headerIn(head, /^(?:call-id|i)[ \t]*:[ \t]*([^\r\n]*)/im),
      cseq: headerIn(head, /^cseq[ \t]*:[ \t]*([^\r\n]*)/im),
      media: [...text.matchAll(/^m=(\S+ \d+ \S+)/gm)].map((match) => match[1] ?? ""),
    };
  }
}

const headerIn = (head: string, pattern: RegExp): string => pattern.exec(head)?.[1]?.trim() ?? "";
