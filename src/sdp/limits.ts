/** Limit: a session description beyond any of these is refused with 400, whole. */
export const sdpLimits = {
  /** Bytes of the description. The largest honest one we met (a browser with simulcast) has 20 000. */
  textBytes: 65_536,
  /** Bytes of one line, without its end. `sprop-parameter-sets` of H.265 come near 4 000. */
  lineBytes: 8_192,
  /** Lines of the description. */
  lines: 2_048,
  /** `m=` lines. */
  mediaLines: 64,
  /** Formats of one `m=` line: RTP has 128 payload types. */
  formats: 128,
  /** Bytes of one word of an `m=` line: kind, protocol, format. */
  wordBytes: 64,
  /** Bytes of an address or a host name in `c=` and `o=`. RFC 1035 §2.3.4. */
  addressBytes: 255,
  /** `a=crypto` lines of one `m=` line that are looked at; more are left alone. */
  cryptoLines: 32,
  /** `a=fingerprint` lines of one `m=` line, or of the session, that are looked at; more are left alone. */
  fingerprints: 8,
  /** `a=candidate` lines of one `m=` line that are looked at; more are left alone. */
  candidates: 128,
} as const;
