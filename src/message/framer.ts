/** Messages out of a stream of bytes. RFC 3261 §18.3, §7.5; RFC 5626 §3.5.1 for keepalives. */
import { PeerError } from "../base/index.ts";
import { MessageError } from "./errors.ts";
import { HeaderIndex } from "./headers.ts";
import { limits as messageLimits } from "./limits.ts";
import { answerTo, contentLength } from "./parse.ts";

export interface FramerLimits {
  /** The longest message, in bytes; what is longer is refused with 413. Nothing more than that is ever held. */
  readonly messageBytes: number;
}

/** `ping`: CRLFCRLF, to be answered with CRLF. `pong`: a CRLF alone, the answer to our own ping. */
export type Frame = string | "ping" | "pong";

const CR = 0x0d;
const LF = 0x0a;
const CRLFCRLF = "\r\n\r\n";

/**
 * Every byte is looked at once for the end of the headers, and joined to its neighbours once when a message is
 * complete, whatever the pieces are in which it arrives.
 *
 * An error ends the stream: where the next message begins can no longer be known. The frames before it are still
 * handed out; the error is thrown at once when there are none, else by the next `push`, and `failed` tells of it.
 */
export class StreamFramer {
  readonly #messageBytes: number;
  /** The bytes of the message under way, in the pieces in which they came. */
  #pieces: string[] = [];
  #buffered = 0;
  /** How much of CRLFCRLF the last bytes are. */
  #matched = 0;
  /** Length of the whole message, once its headers are complete; 0 before. */
  #length = 0;
  /** Between messages: a CR is held back, or a CRLF was handed out as a pong and may become a ping. */
  #heldCr = false;
  #afterCrlf = false;
  #failed: PeerError | undefined;

  constructor(limits: Partial<FramerLimits> = {}) {
    this.#messageBytes = Math.min(limits.messageBytes ?? messageLimits.messageBytes, messageLimits.messageBytes);
  }

  /** Bytes held of a message that is not complete. */
  get buffered(): number {
    return this.#buffered;
  }

  /** What is wrong with the stream; it must be closed. */
  get failed(): PeerError | undefined {
    return this.#failed;
  }

  /**
   * Takes the next bytes and gives the messages that they complete, and at most one ping and one pong.
   * Throws PeerError: 400 for headers that leave the length in doubt, 413 for too much.
   */
  push(bytes: Uint8Array | string): readonly Frame[] {
    if (this.#failed !== undefined) throw this.#failed;
    const text = typeof bytes === "string" ? bytes : latin1(bytes);
    const frames: Frame[] = [];
    try {
      for (let at = 0; at < text.length; ) at = this.#take(text, at, frames);
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      this.#failed = error;
      this.#forget();
      if (frames.length === 0) throw error;
    }
    return frames;
  }

  #take(text: string, at: number, frames: Frame[]): number {
    if (this.#buffered === 0) {
      at = this.#between(text, at, frames);
      if (at === text.length) return at;
    }
    return this.#length === 0 ? this.#head(text, at, frames) : this.#body(text, at, frames);
  }

  /** Eats CRLFs; returns where a message begins. */
  #between(text: string, at: number, frames: Frame[]): number {
    for (; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (this.#heldCr) {
        this.#heldCr = false;
        if (code !== LF) throw new PeerError(400, "CR alone between messages");
        this.#crlf(frames);
      } else if (code === CR) this.#heldCr = true;
      else break;
    }
    if (at < text.length) this.#afterCrlf = false;
    return at;
  }

  /** Two in a row are a ping, one is a pong. Frames are few however many CRLFs come: each would cost us an answer. */
  #crlf(frames: Frame[]): void {
    const word = this.#afterCrlf ? "ping" : "pong";
    this.#afterCrlf = !this.#afterCrlf;
    if (word === "ping" && frames.at(-1) === "pong") frames.pop();
    if (!frames.includes(word)) frames.push(word);
  }

  /** Looks for the end of the headers in what is new. */
  #head(text: string, at: number, frames: Frame[]): number {
    const end = this.#headEnd(text, at);
    const held = (end < 0 ? text.length : end) - at;
    if (this.#buffered + held > this.#messageBytes) throw tooLarge(this.#messageBytes);
    if (end < 0) {
      this.#hold(text.slice(at));
      return text.length;
    }
    // The usual case: the message is whole in this piece. It is cut out without another copy of its headers.
    const head = this.#buffered === 0 ? text.slice(at, end) : this.#join(text.slice(at, end));
    const length = head.length + bodyLength(head);
    if (length > this.#messageBytes) throw tooLarge(this.#messageBytes);
    if (this.#buffered === 0 && at + length <= text.length) {
      this.#matched = 0;
      frames.push(text.slice(at, at + length));
      return at + length;
    }
    this.#pieces = [head];
    this.#buffered = head.length;
    this.#length = length;
    return this.#body(text, end, frames);
  }

  /** Where the headers end, in `text`; -1 when they do not yet. `matched` carries a match over the joints of pieces. */
  #headEnd(text: string, at: number): number {
    while (at < text.length && this.#matched > 0) {
      const code = text.charCodeAt(at++);
      if (code === CRLFCRLF.charCodeAt(this.#matched)) {
        if (++this.#matched === 4) return at;
      } else this.#matched = code === CR ? 1 : 0;
    }
    const found = text.indexOf(CRLFCRLF, at);
    if (found >= 0) return found + 4;
    for (let tail = Math.min(3, text.length - at); tail > 0; tail--) {
      if (!CRLFCRLF.startsWith(text.slice(text.length - tail))) continue;
      this.#matched = tail;
      break;
    }
    return -1;
  }

  #body(text: string, at: number, frames: Frame[]): number {
    const end = at + this.#length - this.#buffered;
    if (end > text.length) {
      this.#hold(text.slice(at));
      return text.length;
    }
    frames.push(this.#join(text.slice(at, end)));
    this.#forget();
    return end;
  }

  #hold(piece: string): void {
    if (piece === "") return;
    this.#pieces.push(piece);
    this.#buffered += piece.length;
  }

  #join(last: string): string {
    return this.#pieces.length === 0 ? last : this.#pieces.join("") + last;
  }

  #forget(): void {
    this.#pieces = [];
    this.#buffered = 0;
    this.#matched = 0;
    this.#length = 0;
  }
}

const tooLarge = (bytes: number): PeerError => new PeerError(413, `a message of more than ${bytes} bytes`);

/** Of a complete header section. On a stream it must be said, once: RFC 3261 §20.14. */
function bodyLength(head: string): number {
  const index = new HeaderIndex(head, head.indexOf("\r\n") + 2);
  try {
    if (index.problem !== undefined) throw new PeerError(400, index.problem);
    const length = contentLength(index);
    if (length < 0) throw new PeerError(400, "Content-Length: missing on a stream");
    return length;
  } catch (error) {
    if (error instanceof PeerError) throw new MessageError(error.status, error.message, answerTo(head));
    throw error;
  }
}

/** In slices, since a call takes only so many arguments. */
function latin1(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 4_096) {
    text += String.fromCharCode.apply(undefined, bytes.subarray(at, at + 4_096) as unknown as number[]);
  }
  return text;
}
