/**
 * A neighbour of a real box on real sockets: SIP over UDP written by hand, and an RTP port beside. It reads SIP with a
 * few regular expressions of its own, so that a mistake in the product's parser does not hide.
 */
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";

export interface Place {
  readonly ip: string;
  readonly port: number;
}

export interface Wishes {
  readonly user?: string;
  readonly from?: string;
  /** Whole header lines without their ends. */
  readonly headers?: readonly string[];
  readonly body?: string;
  readonly contentType?: string;
  readonly callId?: string;
  readonly branch?: string;
}

/** Waiting longer than this for anything on loopback is a failure. */
const WAIT_LIMIT_MS = 20_000;

/** T1 of RFC 3261 §17.1.1.1. */
const RESEND_MS = 500;

let lastNumber = 0;
/** Unlike every other of this process. */
const fresh = (): string => `${process.pid}x${++lastNumber}`;

export class SipParty {
  readonly place: Place;
  readonly media: MediaPort;
  readonly received: string[] = [];
  /** What it says to a request, as status and body; `undefined`: nothing. */
  answers: (request: string) => { status: string; body?: string } | undefined = (request) => this.#usual(request);
  readonly #socket: Socket;
  readonly #waiters = new Set<() => void>();

  static async start(ip: string, port = 0): Promise<SipParty> {
    const socket = createSocket("udp4").bind(port, ip);
    await once(socket, "listening");
    return new SipParty(socket, await MediaPort.start(ip));
  }

  private constructor(socket: Socket, media: MediaPort) {
    this.#socket = socket;
    this.media = media;
    this.place = { ip: socket.address().address, port: socket.address().port };
    socket.on("error", () => {});
    socket.on("message", (bytes, from) => this.#take(bytes.toString("latin1"), from));
  }

  get sdp(): string {
    return sdpOf(this.place.ip, this.media.place.port);
  }

  send(text: string, to: Place): void {
    this.#socket.send(Buffer.from(text, "latin1"), to.port, to.ip);
  }

  /** A request outside any dialog. */
  request(method: string, box: Place, wishes: Wishes = {}): string {
    const { ip, port } = this.place;
    const user = wishes.user ?? "100";
    return write(
      `${method} sip:${user}@${box.ip}:${box.port} SIP/2.0`,
      [
        `Via: SIP/2.0/UDP ${ip}:${port};branch=${wishes.branch ?? `z9hG4bK${fresh()}`};rport`,
        "Max-Forwards: 70",
        `From: ${wishes.from ?? `<sip:200@${ip}>`};tag=t${fresh()}`,
        `To: <sip:${user}@${box.ip}>`,
        `Call-ID: ${wishes.callId ?? `c${fresh()}`}`,
        `CSeq: 1 ${method}`,
        `Contact: <sip:200@${ip}:${port}>`,
        ...(wishes.headers ?? []),
      ],
      wishes.body ?? "",
      wishes.contentType,
    );
  }

  /** Sends a request, again every 500 ms as UDP asks for, and gives its final answer, acknowledged when it refuses an INVITE. */
  async ask(text: string, box: Place): Promise<string> {
    const [callId, cseq] = [headerOf(text, "Call-ID"), headerOf(text, "CSeq")];
    const isAnswer = (message: string): boolean =>
      /^SIP\/2\.0 [2-6]/.test(message) && headerOf(message, "Call-ID") === callId && headerOf(message, "CSeq") === cseq;
    this.send(text, box);
    const again = setInterval(() => this.send(text, box), RESEND_MS);
    try {
      const answer = await this.until(isAnswer, `the answer to ${text.split("\r\n")[0]}`);
      if (cseq.endsWith(" INVITE") && statusOf(answer) >= 300) this.send(ackOf(text, answer), box);
      return answer;
    } finally {
      clearInterval(again);
    }
  }

  /** A call that is answered. */
  async call(box: Place, wishes: Wishes = {}): Promise<Talk> {
    const invite = this.request("INVITE", box, { body: this.sdp, ...wishes });
    const answer = await this.ask(invite, box);
    if (statusOf(answer) !== 200) throw new Error(`the call was refused: ${answer.split("\r\n")[0]}`);
    const talk = new Talk(this, box, invite, answer);
    talk.send("ACK", 1);
    return talk;
  }

  /** The first message, old or new, that fits. */
  async until(fits: (message: string) => boolean, what: string, limitMs = WAIT_LIMIT_MS): Promise<string> {
    const deadline = performance.now() + limitMs;
    for (;;) {
      const found = this.received.find(fits);
      if (found !== undefined) return found;
      const left = deadline - performance.now();
      if (left <= 0)
        throw new Error(`${this.place.ip} waited in vain for ${what}; it got:\n${this.received.slice(-5).join("\n")}`);
      await this.#news(left);
    }
  }

  close(): void {
    this.#socket.close();
    this.media.close();
  }

  #news(limitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiters.delete(done);
        resolve();
      };
      const timer = setTimeout(done, limitMs);
      this.#waiters.add(done);
    });
  }

  #take(message: string, from: RemoteInfo): void {
    this.received.push(message);
    if (!message.startsWith("SIP/2.0") && !message.startsWith("ACK "))
      this.#answer(message, { ip: from.address, port: from.port });
    for (const wake of [...this.#waiters]) wake();
  }

  #usual(request: string): { status: string; body?: string } {
    return request.startsWith("INVITE ") ? { status: "200 OK", body: this.sdp } : { status: "200 OK" };
  }

  #answer(request: string, to: Place): void {
    const answer = this.answers(request);
    if (answer !== undefined) this.reply(request, answer.status, answer.body ?? "", "callee", to);
  }

  /** Says something more to a request, as whichever fork; to where its top Via says unless `to` is given. */
  reply(request: string, status: string, body = "", tag = "callee", to = viaOf(request)): void {
    const kept = linesOf(request).filter((line) => /^(?:Via|From|Call-ID|CSeq|Record-Route):/i.test(line));
    const asked = headerOf(request, "To");
    const tagged = asked.includes(";tag=") ? asked : `${asked};tag=${tag}`;
    const contact = `Contact: <sip:callee@${this.place.ip}:${this.place.port}>`;
    this.send(write(`SIP/2.0 ${status}`, [...kept, `To: ${tagged}`, contact], body), to);
  }
}

/** A dialog that `party` began. */
export class Talk {
  readonly answer: string;
  readonly #party: SipParty;
  readonly #box: Place;
  readonly #invite: string;
  #cseq = 1;

  constructor(party: SipParty, box: Place, invite: string, answer: string) {
    this.#party = party;
    this.#box = box;
    this.#invite = invite;
    this.answer = answer;
  }

  /** Where the box wants our media. */
  get mediaOfBox(): Place {
    return mediaIn(this.answer);
  }

  /** Writes a request of this dialog with the next CSeq, or with `cseq`. */
  write(method: string, wishes: Wishes = {}, cseq = ++this.#cseq): string {
    const { ip, port } = this.#party.place;
    const target = /<([^>]*)>/.exec(headerOf(this.answer, "Contact"))?.[1] ?? "";
    return write(
      `${method} ${target} SIP/2.0`,
      [
        `Via: SIP/2.0/UDP ${ip}:${port};branch=z9hG4bK${fresh()};rport`,
        "Max-Forwards: 70",
        `From: ${headerOf(this.#invite, "From")}`,
        `To: ${headerOf(this.answer, "To")}`,
        `Call-ID: ${headerOf(this.#invite, "Call-ID")}`,
        `CSeq: ${cseq} ${method}`,
        `Contact: <sip:200@${ip}:${port}>`,
        ...(wishes.headers ?? []),
      ],
      wishes.body ?? "",
      wishes.contentType,
    );
  }

  send(method: string, cseq?: number, wishes: Wishes = {}): void {
    this.#party.send(this.write(method, wishes, cseq), this.#box);
  }

  async ask(method: string, wishes: Wishes = {}): Promise<string> {
    const answer = await this.#party.ask(this.write(method, wishes), this.#box);
    if (method === "INVITE" && statusOf(answer) === 200) this.send("ACK", this.#cseq);
    return answer;
  }

  async hangUp(): Promise<void> {
    const answer = await this.ask("BYE");
    if (statusOf(answer) !== 200) throw new Error(`BYE was refused: ${answer.split("\r\n")[0]}`);
  }
}

/** An RTP port that keeps what it gets. */
export class MediaPort {
  readonly place: Place;
  readonly received: Buffer[] = [];
  readonly #socket: Socket;
  readonly #waiters = new Set<() => void>();

  static async start(ip: string, port = 0): Promise<MediaPort> {
    const socket = createSocket("udp4").bind(port, ip);
    await once(socket, "listening");
    return new MediaPort(socket);
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.place = { ip: socket.address().address, port: socket.address().port };
    socket.on("error", () => {});
    socket.on("message", (bytes) => {
      this.received.push(bytes);
      for (const wake of [...this.#waiters]) wake();
    });
  }

  send(bytes: Buffer, to: Place): void {
    this.#socket.send(bytes, to.port, to.ip);
  }

  /** Waits until `count` packets that fit have come. */
  async until(
    count: number,
    fits: (packet: Buffer) => boolean = () => true,
    limitMs = WAIT_LIMIT_MS,
  ): Promise<readonly Buffer[]> {
    const deadline = performance.now() + limitMs;
    for (;;) {
      const found = this.received.filter(fits);
      if (found.length >= count) return found;
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`${this.place.ip}: ${found.length} of ${count} packets came`);
      await new Promise<void>((resolve) => {
        const done = (): void => {
          clearTimeout(timer);
          this.#waiters.delete(done);
          resolve();
        };
        const timer = setTimeout(done, left);
        this.#waiters.add(done);
      });
    }
  }

  close(): void {
    this.#socket.close();
  }
}

/** An RTP packet of 20 ms of PCMU whose payload begins with `mark`. RFC 3550 §5.1. */
export function rtp(sequence: number, mark: string, ssrc = 0x1111_1111): Buffer {
  const packet = Buffer.alloc(172, 0xff);
  packet[0] = 0x80;
  packet[1] = 0;
  packet.writeUInt16BE(sequence & 0xffff, 2);
  packet.writeUInt32BE((sequence * 160) >>> 0, 4);
  packet.writeUInt32BE(ssrc, 8);
  packet.write(mark, 12, "latin1");
  return packet;
}

export const sdpOf = (ip: string, port: number, more: readonly string[] = []): string =>
  ["v=0", `o=- 1 1 IN IP4 ${ip}`, "s=-", `c=IN IP4 ${ip}`, "t=0 0", `m=audio ${port} RTP/AVP 0`, ...more, ""].join(
    "\r\n",
  );

export function write(start: string, headers: readonly string[], body: string, type = "application/sdp"): string {
  const typed = body === "" ? [] : [`Content-Type: ${type}`];
  return [start, ...headers, ...typed, `Content-Length: ${body.length}`, "", body].join("\r\n");
}

export const statusOf = (message: string): number => Number(/^SIP\/2\.0 (\d{3})/.exec(message)?.[1] ?? 0);
export const linesOf = (message: string): string[] => (message.split("\r\n\r\n")[0] ?? "").split("\r\n");
export const bodyOf = (message: string): string => message.slice(message.indexOf("\r\n\r\n") + 4);
export const headerOf = (message: string, name: string): string =>
  linesOf(message)
    .find((line) => line.toLowerCase().startsWith(`${name.toLowerCase()}:`))
    ?.slice(name.length + 1)
    .trim() ?? "";

export function mediaIn(message: string): Place {
  const body = bodyOf(message);
  const ip = /^c=IN IP[46] (\S+)/m.exec(body)?.[1] ?? "";
  return { ip, port: Number(/^m=\w+ (\d+)/m.exec(body)?.[1] ?? 0) };
}

function viaOf(request: string): Place {
  const [, ip = "", port = "5060"] = /^Via: SIP\/2\.0\/UDP ([\d.]+)(?::(\d+))?/im.exec(request) ?? [];
  return { ip, port: Number(port) };
}

/** The ACK for a refusal: same branch, same Request-URI. RFC 3261 §17.1.1.3. */
function ackOf(invite: string, answer: string): string {
  const kept = linesOf(invite).filter((line) => /^(?:Via|Max-Forwards|From|Call-ID):/i.test(line));
  const cseq = headerOf(invite, "CSeq").replace("INVITE", "ACK");
  const start = (linesOf(invite)[0] ?? "").replace(/^INVITE/, "ACK");
  return write(start, [...kept, `To: ${headerOf(answer, "To")}`, `CSeq: ${cseq}`], "");
}
