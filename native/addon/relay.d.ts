/**
 * The addon's door. Three columns line up: `src/media/relay-command.ts` (the words), this file (their types at the
 * addon) and `native/relay/relay.h` (their meaning to packets).
 *
 * Who opens and closes: `startRelay` starts the packet threads and `stop` ends them, closing every socket they hold.
 * A pair's sockets are opened after `open` and closed before its `closed` event. Objects are read inside the call and
 * never kept; keys are copied, and the copy is wiped once a packet thread has made its contexts.
 */

export type SrtpSuite =
  | "AES_CM_128_HMAC_SHA1_80"
  | "AES_CM_128_HMAC_SHA1_32"
  | "AES_192_CM_HMAC_SHA1_80"
  | "AES_192_CM_HMAC_SHA1_32"
  | "AES_256_CM_HMAC_SHA1_80"
  | "AES_256_CM_HMAC_SHA1_32"
  | "AEAD_AES_128_GCM"
  | "AEAD_AES_256_GCM";

export interface NativeMasterKey {
  readonly key: Uint8Array;
  readonly mki?: Uint8Array;
}

/** Meanings stand at SrtpKey in the first column. */
export interface NativeSrtpKey extends NativeMasterKey {
  readonly suite: SrtpSuite;
  /** Limit: 7; `open` throws beyond. */
  readonly others?: readonly NativeMasterKey[];
  /** 1 to 2^48. */
  readonly lifetimePackets?: number;
  readonly keepsRollover?: boolean;
}

export interface NativeAddress {
  readonly ip: string;
  readonly rtpPort: number;
  readonly rtcpPort: number;
}

export interface NativeIceCredentials {
  readonly localUfrag: string;
  readonly localPassword: string;
  readonly remoteUfrag: string;
  readonly remotePassword: string;
}

export interface NativeDtlsFingerprint {
  readonly hash: "sha-256" | "sha-384" | "sha-512";
  readonly value: Uint8Array;
}

/** A certificate of ours in DER, and its key as RFC 5915 has it. */
export interface NativeDtlsIdentity {
  readonly fingerprint: NativeDtlsFingerprint;
  /** Limit: 512 bytes. */
  readonly certificate: Uint8Array;
  /** Limit: 160 bytes. */
  readonly key: Uint8Array;
}

export interface NativeDtlsAssociation {
  readonly setup: "active" | "passive";
  readonly fingerprints: readonly NativeDtlsFingerprint[];
  readonly suites: readonly SrtpSuite[];
  readonly tlsId?: string;
  readonly identity?: NativeDtlsIdentity;
  readonly keys?: NativeDtlsKeys;
}

/** Meanings stand at DtlsKeys in the first column. */
export interface NativeDtlsKeys {
  readonly rtp: NativeDtlsMaster;
  readonly rtcp?: NativeDtlsMaster;
  readonly done: boolean;
}

export interface NativeDtlsMaster {
  readonly suite: SrtpSuite;
  readonly rx: Uint8Array;
  readonly tx: Uint8Array;
}

/** Meanings stand at RelaySide in the first column. */
export interface NativeSide {
  readonly local: NativeAddress;
  readonly remote: NativeAddress | undefined;
  readonly latch: "off" | "signalled" | "source";
  readonly latchFrom: string | undefined;
  readonly rx: NativeSrtpKey | undefined;
  readonly tx: NativeSrtpKey | undefined;
  readonly ice: NativeIceCredentials | undefined;
  readonly dtls: NativeDtlsAssociation | undefined;
  readonly dscp: number;
  readonly receive: boolean;
  readonly send: boolean;
  readonly cname: string;
  readonly silenceLimitMs: number;
  /** Limit: 32 renumberings a side; `open` throws beyond. */
  readonly payloadTypes: readonly (readonly [from: number, to: number])[];
  /** Limit: 4 payload types; `open` throws beyond. */
  readonly digits: NativeDigits | undefined;
  readonly reports: boolean;
  readonly maxDatagram: number;
  readonly bundle: NativeBundleLine | undefined;
}

/** Meanings stand at BundleLine in the first column. */
export interface NativeBundleLine {
  readonly pair: number;
  /** Limit: 16 bytes. */
  readonly mid: string;
  /** 0 to 14. */
  readonly midId: number;
  readonly payloadTypes: readonly number[];
}

export interface NativeDigits {
  readonly events: readonly (readonly [payloadType: number, clockHz: number])[];
  readonly take: boolean;
  readonly insert: boolean;
}

export interface NativeEvent {
  readonly event:
    | "latched"
    | "secured"
    | "expired"
    | "silent"
    | "heard"
    | "digit"
    | "keyLifetime"
    | "exported"
    | "failed"
    | "closed";
  readonly pair: number;
  readonly side: 0 | 1;
  /** With `latched` alone. */
  readonly ip?: string;
  readonly port?: number;
  /** With `failed`; with `exported` where there is no state. */
  readonly reason?: string;
  /** With `secured` alone. */
  readonly suite?: SrtpSuite | "DTLS";
  /** With `digit` alone. */
  readonly digit?: number;
  readonly durationMs?: number;
  /** With `keyLifetime` alone. */
  readonly whose?: "ours" | "theirs";
  readonly packetsLeft?: number;
  /** With `exported` alone, when there is one. */
  readonly state?: Uint8Array;
  /** With `state`, where a side has DTLS: by side. */
  readonly keys?: readonly (NativeDtlsKeys | undefined)[];
}

export interface NativeDigit {
  readonly event: number;
  readonly payloadType: number;
  readonly clockHz: number;
  readonly durationMs: number;
}

export interface NativeRelayOptions {
  /** One packet thread a core, pinned to it. Empty: one thread, not pinned. */
  readonly cores: readonly number[];
  /** Pair numbers are 0 to maxPairs - 1. */
  readonly maxPairs: number;
  /** `auto` probes io_uring and falls back to epoll. */
  readonly port: "auto" | "io_uring" | "epoll";
  /** Our media addresses whose flows the kernel may forward. [] or absent: none, and nothing is loaded into it. Limit: 256. */
  readonly kernelAddresses?: readonly string[];
  /** Our media addresses whose packets come and go by AF_XDP rings. [] or absent: none. Needs a lone packet thread. Limit: 256. */
  readonly ringAddresses?: readonly string[];
  /** RTP packets a second that are accepted from a side of such a pair; more are dropped. 0 or absent: any number. */
  readonly packetLimits?: { readonly audio: number; readonly other: number };
  onEvents(batch: readonly NativeEvent[]): void;
}

export interface NativeKernelPath {
  readonly ip: string;
  /** That the program is attached to; "" with `none`. */
  readonly interface: string;
  /** `generic`: the driver does not take the program, the network stack runs it. */
  readonly mode: "none" | "native" | "generic";
  /** With `none`: why. */
  readonly reason: string;
  /** Queues of that interface that have AF_XDP rings. */
  readonly rings: number;
  /** False: the kernel copies packets between them and the driver. */
  readonly zeroCopy: boolean;
}

export interface NativeRelay {
  /** What the probe chose. */
  readonly port: "io_uring" | "epoll";
  /** Of our certificate, which is made at start and shown in handshakes that have no `identity` of their own. */
  readonly fingerprint: NativeDtlsFingerprint;
  /** "": media ports get their sockets when they need them (native/io/porter.h); else why each gets them as it opens. */
  readonly socketsProblem: string;
  /** Why the kernel takes no program of ours; "" when it does, or was not asked to. */
  readonly kernelProblem: string;
  /** Two halves a word, the low one first: all words of a side, side 0 of pair 0 first. Packet threads write it, at any time. */
  readonly counters: Uint32Array;
  /** The order of the words of one side. */
  readonly counterNames: readonly string[];
  /** True when queued; false when the queue to that packet thread is full: try again. Throws TypeError on a wrong value. */
  open(
    pair: number,
    kind: "audio" | "video" | "other" | "udptl",
    caller: NativeSide,
    callee: NativeSide,
    /** Of `exported`, by a relay that is silent from now on. Never empty. */
    resumes?: Uint8Array,
  ): boolean;
  /** Both sides as they lie on `plainDesk`: PlainSide of native/addon/plain.h. */
  readonly plainDesk: Uint8Array;
  openPlain(pair: number): boolean;
  /** What the first place of `plainDesk` says. */
  changePlain(pair: number, side: 0 | 1): boolean;
  /** Tells the pair's state by `exported`. */
  export(pair: number): boolean;
  change(pair: number, side: 0 | 1, set: Partial<NativeSide> & { readonly relatch?: true }): boolean;
  /** Puts a digit into what goes to that side. */
  digit(pair: number, side: 0 | 1, digit: NativeDigit): boolean;
  close(pair: number): boolean;
  /** A certificate that nobody has seen yet; `undefined` when none can be made. */
  freshIdentity(): NativeDtlsIdentity | undefined;
  /** Other addresses whose flows the kernel may forward, and that have rings; those that are new are attached to soon. */
  setKernelAddresses(addresses: readonly string[], ringAddresses: readonly string[]): void;
  /** What became of each. */
  kernelPaths(): NativeKernelPath[];
  /** What AF_XDP rings did and did not: SALLYPORT_RING_COUNTERS of native/io/af_xdp_port.h. Zeros where there are none. */
  ringCounters(): Readonly<Record<string, number>>;
  /** Makes the packet threads look at what was queued: once a turn is enough, and each time costs a wake-up. */
  wake(): void;
  /** Ends the threads; the counters stay readable. */
  stop(): void;
}

export interface NativeUdpOptions {
  readonly ip: string;
  readonly port: number;
  readonly dscp: number;
  /** Receive slots one behind the other, `slotBytes` each: what arrived last call. */
  readonly receiveBuffer: Uint8Array;
  readonly sendBuffer: Uint8Array;
  readonly slotBytes: number;
  /**
   * Four words a datagram: length, port, the source's and the local address (0 unless bound to a wildcard address).
   * IPv4: the address itself, as 32 bits; IPv6: the length of its text in `addresses`. Filled before `onBatch`.
   */
  readonly receiveMeta: Int32Array;
  /** 96 bytes a datagram: source address at 0, local address at 48. */
  readonly addresses: Uint8Array;
  /** Four words a datagram to send: offset, length, port, and the address: its 32 bits, or the length of its text in `sendAddresses` (48 bytes each). */
  readonly sendMeta: Int32Array;
  readonly sendAddresses: Uint8Array;
  onBatch(count: number): void;
  /**
   * ICMP says that so many datagrams of ours found nobody. What it quotes of each, from its first byte, stands in the
   * receive slots, with its length in `receiveMeta`.
   */
  onUndelivered(count: number): void;
}

export interface NativeUdp {
  /** The bound port. */
  readonly port: number;
  /** Sends the first `count` of sendMeta. Returns how many the kernel took; the rest is lost, as UDP may. */
  flush(count: number): number;
  close(): void;
}

export interface Addon {
  readonly apiVersion: number;
  startRelay(options: NativeRelayOptions): NativeRelay;
  /** Throws with `code` (EADDRINUSE …) when the address cannot be bound. */
  openUdp(options: NativeUdpOptions): NativeUdp;
  /**
   * From now on counts each turn of this event loop by its length, the time it slept left out, until the returned
   * function is called. Of 234 words the last two are the longest turn in microseconds, and the most that one worked: the
   * rest of a turn somebody else had the processor. Of the others the first eight count turns of 0 to 7 microseconds, and
   * every next eight divide the next power of two.
   */
  watchTurns(counts: Int32Array): () => void;
}
