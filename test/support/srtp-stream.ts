/**
 * One SRTP stream, written and read: RFC 3711 over node:crypto for AES_CM_128_HMAC_SHA1_80 with ROC 0. It shares nothing
 * with the product's own code.
 */
import { createCipheriv, createHmac, randomBytes } from "node:crypto";

const TAG_BYTES = 10;
const HEADER_BYTES = 12;

export const newInlineKey = (): string => randomBytes(30).toString("base64");

export class SrtpStream {
  readonly #key: Buffer;
  readonly #authKey: Buffer;
  readonly #salt: Buffer;

  /** `inline`: base64 of master key (16 bytes) and master salt (14), as in a=crypto. */
  constructor(inline: string) {
    const master = Buffer.from(inline, "base64");
    const [key, salt] = [master.subarray(0, 16), master.subarray(16, 30)];
    this.#key = derive(key, salt, 0, 16);
    this.#authKey = derive(key, salt, 1, 20);
    this.#salt = derive(key, salt, 2, 14);
  }

  /** `packet`: RTP with a header of 12 bytes. */
  protect(packet: Buffer): Buffer {
    const body = this.#crypt(packet);
    return Buffer.concat([body, this.#tag(body)]);
  }

  /** The RTP packet; `undefined` when it does not authenticate. */
  unprotect(packet: Buffer): Buffer | undefined {
    if (packet.length < HEADER_BYTES + TAG_BYTES) return undefined;
    const body = packet.subarray(0, packet.length - TAG_BYTES);
    return this.#tag(body).equals(packet.subarray(packet.length - TAG_BYTES)) ? this.#crypt(body) : undefined;
  }

  #tag(body: Buffer): Buffer {
    return createHmac("sha1", this.#authKey).update(body).update(Buffer.alloc(4)).digest().subarray(0, TAG_BYTES);
  }

  /** RFC 3711 §4.1.1: the counter is salt, SSRC and index, each at its place. */
  #crypt(packet: Buffer): Buffer {
    const counter = Buffer.concat([this.#salt, Buffer.alloc(2)]);
    for (let i = 0; i < 4; i++) counter[4 + i] = (counter[4 + i] as number) ^ (packet[8 + i] as number);
    for (let i = 0; i < 2; i++) counter[12 + i] = (counter[12 + i] as number) ^ (packet[2 + i] as number);
    const payload = createCipheriv("aes-128-ctr", this.#key, counter).update(packet.subarray(HEADER_BYTES));
    return Buffer.concat([packet.subarray(0, HEADER_BYTES), payload]);
  }
}

/** RFC 3711 §4.3.3 with key derivation rate 0. */
function derive(key: Buffer, salt: Buffer, label: number, length: number): Buffer {
  const counter = Buffer.concat([salt, Buffer.alloc(2)]);
  counter[7] = (counter[7] as number) ^ label;
  return createCipheriv("aes-128-ctr", key, counter).update(Buffer.alloc(length));
}
