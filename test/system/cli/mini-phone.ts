/** The least of a SIP phone over UDP, for tests of the command line: it answers everything at once, or calls once. */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";

export class MiniPhone {
  readonly received: string[] = [];
  readonly port: number;
  readonly #socket: Socket;
  readonly #media: number;
  #waiters: (() => void)[] = [];
  #dialog: { readonly to: string; readonly target: string } | undefined;
  #box = 0;

  static async start(media: number): Promise<MiniPhone> {
    const socket = createSocket("udp4").bind(0, "127.0.0.1");
    await once(socket, "listening");
    return new MiniPhone(socket, media);
  }

  private constructor(socket: Socket, media: number) {
    this.#socket = socket;
    this.#media = media;
    this.port = socket.address().port;
    socket.on("message", (bytes, from) => this.#take(bytes.toString("latin1"), from.port));
  }

  /** Sends an INVITE to the box and acknowledges its 200. */
  async call(box: number): Promise<void> {
    this.#box = box;
    this.#send(
      this.#request("INVITE", 1, "z9hG4bKinvite", `sip:100@127.0.0.1:${box}`, "<sip:100@box.test>", this.#sdp()),
    );
    await this.until(/^SIP\/2\.0 200 .*CSeq: 1 INVITE/s);
    const { to, target } = this.#dialog ?? { to: "", target: "" };
    this.#send(this.#request("ACK", 1, "z9hG4bKack", target, to, ""));
  }

  async hangUp(): Promise<void> {
    const { to, target } = this.#dialog ?? { to: "", target: "" };
    this.#send(this.#request("BYE", 2, "z9hG4bKbye", target, to, ""));
    await this.until(/^SIP\/2\.0 200 .*CSeq: 2 BYE/s);
  }

  /** Waits for a message that matches. */
  async until(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = this.received.find((message) => pattern.test(message));
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }

  close(): void {
    this.#socket.close();
  }

  #take(message: string, from: number): void {
    this.received.push(message);
    if (/^SIP\/2\.0 200 .*CSeq: 1 INVITE/s.test(message))
      this.#dialog = { to: header(message, "To"), target: /<([^>]*)>/.exec(header(message, "Contact"))?.[1] ?? "" };
    if (!message.startsWith("SIP/2.0") && !message.startsWith("ACK")) this.#answer(message, from);
    for (const wake of this.#waiters.splice(0)) wake();
  }

  #answer(request: string, from: number): void {
    const lines = request.split("\r\n\r\n")[0]?.split("\r\n") ?? [];
    const kept = lines.filter((line) => /^(?:Via|From|To|Call-ID|CSeq|Record-Route):/i.test(line));
    const copied = kept.map((line) => (/^To:/i.test(line) && !line.includes("tag=") ? `${line};tag=callee` : line));
    const body = request.startsWith("INVITE") ? this.#sdp() : "";
    this.#box = from;
    this.#send(["SIP/2.0 200 OK", ...copied, ...this.#ending(body)].join("\r\n") + body);
  }

  #request(method: string, cseq: number, branch: string, uri: string, to: string, body: string): string {
    const lines = [
      `${method} ${uri} SIP/2.0`,
      `Via: SIP/2.0/UDP 127.0.0.1:${this.port};branch=${branch}`,
      "Max-Forwards: 70",
      "From: <sip:200@phone.test>;tag=caller",
      `To: ${to}`,
      `Call-ID: mini-${this.port}`,
      `CSeq: ${cseq} ${method}`,
      ...this.#ending(body),
    ];
    return lines.join("\r\n") + body;
  }

  #ending(body: string): string[] {
    const type = body === "" ? [] : ["Content-Type: application/sdp"];
    return [`Contact: <sip:phone@127.0.0.1:${this.port}>`, ...type, `Content-Length: ${body.length}`, "", ""];
  }

  #sdp(): string {
    return `v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio ${this.#media} RTP/AVP 0\r\n`;
  }

  #send(message: string): void {
    this.#socket.send(Buffer.from(message, "latin1"), this.#box, "127.0.0.1");
  }
}

const header = (message: string, name: string): string =>
  new RegExp(`^${name}: (.*?)\\r$`, "im").exec(message)?.[1] ?? "";
