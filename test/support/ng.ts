/** rtpengine's NG protocol, as far as a peer to compare with needs it: bencoded words in a datagram, each behind a cookie. */
import dgram from "node:dgram";
import { once } from "node:events";
import { setTimeout as after } from "node:timers/promises";

export type Bencoded = string | number | readonly Bencoded[] | { readonly [key: string]: Bencoded };
export type NgWords = { readonly [key: string]: Bencoded };

const ANSWER_LIMIT_MS = 10_000;
const READY_TRIES = 100;

export class Ng {
  readonly #socket: dgram.Socket;

  private constructor(socket: dgram.Socket) {
    this.#socket = socket;
  }

  /** It takes a moment to start, and says to nobody when it has: asked until it answers. */
  static async connect(port: number, ip = "127.0.0.1"): Promise<Ng> {
    const socket = dgram.createSocket("udp4");
    socket.connect(port, ip);
    await once(socket, "connect");
    socket.on("error", () => {}); // Refused while it is not there yet.
    const ng = new Ng(socket);
    for (let attempt = 1; ; attempt += 1) {
      try {
        await ng.#said({ command: "ping" }, "6:result4:pong", 500);
        return ng;
      } catch (error) {
        if (attempt === READY_TRIES) throw error;
        await after(50);
      }
    }
  }

  /** The description in the answer; empty where it has none. Throws on anything but `ok`. */
  async ask(words: NgWords): Promise<string> {
    const text = await this.#said(words, "6:result2:ok", ANSWER_LIMIT_MS);
    const found = /3:sdp(\d+):/.exec(text);
    if (found === null) return "";
    const start = found.index + found[0].length;
    return text.slice(start, start + Number(found[1]));
  }

  close(): void {
    this.#socket.close();
  }

  async #said(words: NgWords, good: string, limitMs: number): Promise<string> {
    const cookie = Math.random().toString(36).slice(2);
    const limit = AbortSignal.timeout(limitMs);
    this.#socket.send(`${cookie} ${encode(words)}`);
    for (;;) {
      const text = String((await once(this.#socket, "message", { signal: limit }))[0]);
      if (!text.startsWith(`${cookie} `)) continue; // Late, and to something asked before.
      if (!text.includes(good)) throw new Error(`rtpengine: ${text}`);
      return text;
    }
  }
}

function encode(value: Bencoded): string {
  if (typeof value === "number") return `i${value}e`;
  if (typeof value === "string") return `${Buffer.byteLength(value)}:${value}`;
  if (Array.isArray(value)) return `l${value.map(encode).join("")}e`;
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `d${members.map(([key, member]) => encode(key) + encode(member)).join("")}e`;
}
