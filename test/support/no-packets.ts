/** Counters of a relay side that carried nothing. */
export const NO_PACKETS = {
  packets: 0,
  bytes: 0,
  lost: 0,
  jitterMs: 0,
  rtcpPackets: 0,
  sent: 0,
  sentBytes: 0,
  droppedStranger: 0,
  droppedAuth: 0,
  droppedReplay: 0,
  droppedMalformed: 0,
  droppedUnsent: 0,
} as const;
