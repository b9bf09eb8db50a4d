/** A name server as a script, over UDP and TCP at one port; and its messages, built by hand. RFC 1035 §4. */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Server, type Socket as Stream } from "node:net";
import type { NameServer } from "../../../src/io/dns/exchange.ts";

export interface Asked {
  readonly over: "udp" | "tcp";
  readonly id: number;
  /** Lower case. */
  readonly name: string;
  readonly type: number;
  readonly isEdns: boolean;
  /** As it stands, with type and class. */
  readonly question: Buffer;
  readonly from: number;
  /** Another datagram to the same place, before the answer; over UDP only. */
  send(bytes: Buffer): void;
  /** The same from another port: somebody else's. */
  forge(bytes: Buffer): Promise<void>;
}

export const TYPE = { A: 1, CNAME: 5, SOA: 6, AAAA: 28, SRV: 33, NAPTR: 35, OPT: 41 } as const;
export const OK = 0x8180;
export const TRUNCATED = 0x8380;
export const SERVFAIL = 0x8182;
export const NXDOMAIN = 0x8183;

export interface RecordText {
  readonly name: string;
  readonly type: number;
  readonly ttl: number;
  readonly data: Buffer;
}

export class ScriptedNameServer {
  readonly asked: Asked[] = [];
  readonly #udp: Socket;
  readonly #tcp: Server;
  readonly #streams = new Set<Stream>();

  private constructor(udp: Socket, tcp: Server, answer: (asked: Asked) => readonly Buffer[]) {
    this.#udp = udp;
    this.#tcp = tcp;
    udp.on("message", (bytes, from) => {
      const send = (reply: Buffer): void => udp.send(reply, from.port, from.address);
      const forge = async (reply: Buffer): Promise<void> => {
        const other = createSocket("udp4").bind(0, "127.0.0.1");
        await once(other, "listening");
        await new Promise((sent) => other.send(reply, from.port, from.address, sent));
        other.close();
      };
      const asked = { ...parse(bytes), over: "udp", from: from.port, send, forge } as const;
      this.asked.push(asked);
      for (const reply of answer(asked)) send(reply);
    });
    tcp.on("connection", (stream) => {
      this.#streams.add(stream);
      stream.on("error", () => {});
      stream.on("data", (bytes: Buffer) => {
        const asked = {
          ...parse(bytes.subarray(2)),
          over: "tcp",
          from: 0,
          send: () => {},
          forge: async () => {},
        } as const;
        this.asked.push(asked);
        // A byte at a time, as a stream may.
        for (const reply of answer(asked))
          for (const byte of Buffer.concat([words(reply.length), reply])) stream.write(Buffer.from([byte]));
      });
    });
  }

  /** `answer` gives what is sent; nothing: silence. */
  static async start(answer: (asked: Asked) => readonly Buffer[]): Promise<ScriptedNameServer> {
    for (;;) {
      const tcp = createServer({ noDelay: true }).listen(0, "127.0.0.1");
      await once(tcp, "listening");
      const udp = createSocket("udp4");
      const { port } = tcp.address() as { port: number };
      const isFree = await new Promise<boolean>((resolve) => {
        udp.once("error", () => resolve(false));
        udp.bind(port, "127.0.0.1", () => resolve(true));
      });
      if (isFree) return new ScriptedNameServer(udp, tcp, answer);
      tcp.close();
    }
  }

  get address(): NameServer {
    return { ip: "127.0.0.1", port: this.#udp.address().port };
  }

  stop(): void {
    this.#udp.close();
    this.#tcp.close();
    for (const stream of this.#streams) stream.destroy();
  }
}

/** The whole answer to a question. Names in records are written out; `0xc00c` of a hand-made one points at the question. */
export function reply(
  asked: Pick<Asked, "id" | "question">,
  flags: number,
  answers: readonly (RecordText | Buffer)[] = [],
  authorities: readonly RecordText[] = [],
): Buffer {
  return Buffer.concat([
    words(asked.id, flags, 1, answers.length, authorities.length, 0),
    asked.question,
    ...answers.map((one) => (Buffer.isBuffer(one) ? one : recordBytes(one))),
    ...authorities.map(recordBytes),
  ]);
}

export const recordBytes = ({ name, type, ttl, data }: RecordText): Buffer =>
  Buffer.concat([nameBytes(name), words(type, 1, ttl >>> 16, ttl & 0xffff, data.length), data]);

export const a = (name: string, ip: string, ttl = 300): RecordText => ({
  name,
  type: TYPE.A,
  ttl,
  data: Buffer.from(ip.split(".").map(Number)),
});

export const srv = (name: string, port: number, target: string, ttl = 300): RecordText => ({
  name,
  type: TYPE.SRV,
  ttl,
  data: Buffer.concat([words(1, 2, port), nameBytes(target)]),
});

export const naptr = (name: string, replacement: string, ttl = 300): RecordText => ({
  name,
  type: TYPE.NAPTR,
  ttl,
  data: Buffer.concat([words(10, 20), text("s"), text("SIP+D2U"), text(""), nameBytes(replacement)]),
});

export const alias = (name: string, target: string, ttl = 300): RecordText => ({
  name,
  type: TYPE.CNAME,
  ttl,
  data: nameBytes(target),
});

export const soa = (zone: string, ttl: number, minimum: number): RecordText => ({
  name: zone,
  type: TYPE.SOA,
  ttl,
  data: Buffer.concat([nameBytes(`ns.${zone}`), nameBytes(`root.${zone}`), words(0, 1, 0, 2, 0, 3, 0, 4, 0, minimum)]),
});

export function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2);
  for (const [index, value] of values.entries()) bytes.writeUInt16BE(value, index * 2);
  return bytes;
}

export const text = (value: string): Buffer => Buffer.from(`${String.fromCharCode(value.length)}${value}`, "latin1");

export const nameBytes = (name: string): Buffer =>
  Buffer.concat([
    ...name
      .split(".")
      .filter((label) => label !== "")
      .map(text),
    Buffer.from([0]),
  ]);

function parse(bytes: Buffer): Pick<Asked, "id" | "name" | "type" | "isEdns" | "question"> {
  const labels: string[] = [];
  let at = 12;
  for (let length = bytes[at] ?? 0; length > 0; length = bytes[at] ?? 0) {
    labels.push(bytes.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  return {
    id: bytes.readUInt16BE(0),
    name: labels.join(".").toLowerCase(),
    type: bytes.readUInt16BE(at + 1),
    isEdns: bytes.readUInt16BE(10) === 1,
    question: bytes.subarray(12, at + 5),
  };
}
