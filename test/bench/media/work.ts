/** What a relay under test is asked to do. */

export type Suite = "AES_CM_128_HMAC_SHA1_80" | "AES_CM_128_HMAC_SHA1_32" | "AEAD_AES_128_GCM" | "AEAD_AES_256_GCM";

/** What is sent and what is to come out; undefined: RTP. */
export interface Work {
  readonly sessions: number;
  readonly from: Suite | undefined;
  readonly to: Suite | undefined;
}

const MASTER_BYTES: Readonly<Record<Suite, number>> = {
  AES_CM_128_HMAC_SHA1_80: 30,
  AES_CM_128_HMAC_SHA1_32: 30,
  AEAD_AES_128_GCM: 28,
  AEAD_AES_256_GCM: 44,
};

/** Master key and salt under which the caller of this session sends; flood.cpp has the same. */
export const callerKey = (suite: Suite, session: number): Uint8Array =>
  new Uint8Array(MASTER_BYTES[suite]).map((_, i) => (3 * i + session + 1) & 0xff);

/** What the callee of this session is sent under. */
export const calleeKey = (suite: Suite, session: number): Uint8Array =>
  new Uint8Array(MASTER_BYTES[suite]).map((_, i) => (i + session) & 0xff);
