/**
 * Does a captured SRTP packet authenticate? RFC 3711 in a few lines over node:crypto, for AES_CM_128_HMAC_SHA1_80
 * alone: an oracle that shares nothing with the product's own code. A stream starts with ROC 0 here.
 */
import { createCipheriv, createHmac } from "node:crypto";

export class SrtpCheck {
  readonly #authKey: Buffer;

  /** `inline`: base64 of master key (16 bytes) and master salt (14), as in a=crypto. */
  constructor(inline: string) {
    const master = Buffer.from(inline, "base64");
    if (master.length !== 30) throw new Error(`inline key of ${master.length} bytes, not 30`);
    this.#authKey = derive(master.subarray(0, 16), master.subarray(16), 1, 20);
  }

  /** `packet`: the whole SRTP packet with its tag of 10 bytes. */
  authenticates(packet: Buffer, roc = 0): boolean {
    if (packet.length < 22) return false;
    const body = packet.subarray(0, packet.length - 10);
    const rollover = Buffer.alloc(4);
    rollover.writeUInt32BE(roc);
    const tag = createHmac("sha1", this.#authKey).update(body).update(rollover).digest().subarray(0, 10);
    return tag.equals(packet.subarray(packet.length - 10));
  }
}

/** RFC 3711 §4.3.3 with key derivation rate 0: the AES counter keystream at (label << 48) XOR salt. */
function derive(key: Buffer, salt: Buffer, label: number, length: number): Buffer {
  const counter = Buffer.concat([salt, Buffer.alloc(2)]);
  counter[7] = (counter[7] as number) ^ label;
  return createCipheriv("aes-128-ctr", key, counter).update(Buffer.alloc(length));
}
