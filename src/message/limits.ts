/**
 * Limit: what one SIP message may cost. Whatever goes over is refused with the status beside it; nothing is cut off
 * in silence. The bounds are far above what honest equipment sends and far below what hurts.
 */
export const limits = {
  /** Start line, header section and body together, in bytes. Over it: 413. */
  messageBytes: 65_536,
  /** The start line, in bytes. Over it: 414 for a request, 400 for a response. */
  startLineBytes: 4_096,
  /** The Request-URI, and every URI that is looked into, in bytes. Over it: 414 in the start line, 400 elsewhere. */
  uriBytes: 2_048,
  /** The method, in bytes. Over it: 400. */
  methodBytes: 64,
  /** Header lines (a folded one counts once). Over it: 400. */
  headerLines: 256,
  /** One header line with its folds, in bytes. Over it: 400. */
  lineBytes: 8_192,
  /** Values of one header field over all its lines, after commas are split. Over it: 400. */
  valueCount: 256,
  /** Via lines: more hops than Max-Forwards allows by default. Over it: 400. */
  viaCount: 70,
  /** A multipart boundary, in bytes: RFC 2046 §5.1.1. Over it: 400. */
  boundaryBytes: 70,
  /** Parts of one multipart body. Over it: 400. */
  parts: 16,
  /** CSeq numbers are below this: RFC 3261 §8.1.1.5. At or over it: 400. */
  cseqNumber: 2 ** 31,
  /** Delta-seconds are at most this: RFC 3261 §20.19 lets larger ones be taken as this. */
  deltaSeconds: 2 ** 32 - 1,
} as const;
