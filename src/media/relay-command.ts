/**
 * The words between the media room and the native relay. Three columns line up: this file, `native/addon/relay.d.ts`
 * (their types at the addon) and `native/relay/relay.h` (their meaning to packets). A word added to one is missing in two.
 *
 * Who opens and closes: the media room opens a pair for each m-line once it knows where to send, and closes each
 * pair exactly once. The relay answers a `close` with one `closed`; only then is the pair number used again.
 * Ports belong to the room's port book: the relay binds them at `open` and frees them at `close`.
 */
import type { Secret } from "../base/index.ts";

/** RFC 4568 §6.2, RFC 6188 and RFC 7714 names. */
export type SrtpSuite =
  | "AES_CM_128_HMAC_SHA1_80"
  | "AES_CM_128_HMAC_SHA1_32"
  | "AES_192_CM_HMAC_SHA1_80"
  | "AES_192_CM_HMAC_SHA1_32"
  | "AES_256_CM_HMAC_SHA1_80"
  | "AES_256_CM_HMAC_SHA1_32"
  | "AEAD_AES_128_GCM"
  | "AEAD_AES_256_GCM";

/** `DTLS`: no SRTP, but records of DTLS itself. */
export type SecuredBy = SrtpSuite | "DTLS";

export interface MasterKey {
  /** Master key, then master salt. */
  readonly key: Secret<Uint8Array>;
  /** As it stands in each packet, 1 to 128 bytes; absent: packets carry none. RFC 3711 §8.1. */
  readonly mki?: Uint8Array;
}

export interface SrtpKey extends MasterKey {
  readonly suite: SrtpSuite;
  /** Of `rx`: further keys that the peer may go over to, told apart by MKIs of one length. RFC 4568 §6.1. */
  readonly others?: readonly MasterKey[];
  /** How many packets it is good for, 0 to 2^48; absent: 2^48. We send none beyond; of a peer's key we only tell. RFC 3711 §9.2. */
  readonly lifetimePackets?: number;
  /** Of `tx` in a change: its rollover counters go on from the key before (RFC 3711 §3.3.1), else from 0. */
  readonly keepsRollover?: boolean;
}

/** `rtcpPort` equal to `rtpPort`: both share one port. RFC 5761. */
export interface MediaAddress {
  readonly ip: string;
  readonly rtpPort: number;
  readonly rtcpPort: number;
}

/**
 * Whom we believe at first. `off`: packets from `remote` alone. `signalled`: the first acceptable packet from the
 * address of `remote`, whatever its port. `source`: the first acceptable packet from `latchFrom` or from the address
 * of `remote`. With SRTP a packet is acceptable only once it authenticates. After that, only the learnt source.
 */
export type LatchPolicy = "off" | "signalled" | "source";

/**
 * Credentials of one ICE session, ours and theirs: RFC 8445 §5.3. We are always the lite agent. Ours: a ufrag of 4 to 32
 * characters, a password of 22 to 64; theirs up to 256 each. New ones are an ICE restart (RFC 8445 §9): the way in use
 * stays in use until the peer has nominated another one.
 */
export interface IceCredentials {
  readonly localUfrag: string;
  readonly localPassword: Secret<string>;
  readonly remoteUfrag: string;
  /** Never used: a lite agent sends no checks. */
  readonly remotePassword: Secret<string>;
}

/** RFC 8122 §5. `value`: 32, 48 or 64 bytes. */
export interface DtlsFingerprint {
  readonly hash: "sha-256" | "sha-384" | "sha-512";
  readonly value: Uint8Array;
}

/** A certificate of ours in DER, and its private key as RFC 5915 has it. */
export interface DtlsIdentity {
  /** Of the certificate. */
  readonly fingerprint: DtlsFingerprint;
  readonly certificate: Uint8Array;
  readonly key: Secret<Uint8Array>;
}

/**
 * A DTLS association of this side: RFC 5763. Another `setup`, another set of fingerprints, another `identity` or another `tlsId` is a new
 * association (RFC 8842 §4); the same again is none. The keys in use stay in use until the new handshake is through.
 */
export interface DtlsAssociation {
  /** What we are: `active` sends the ClientHello. */
  readonly setup: "active" | "passive";
  /** Of the peer's certificate: it must fit one of each hash it names. 1 to 8. */
  readonly fingerprints: readonly DtlsFingerprint[];
  /** For SRTP, in our order: AES_CM_128_HMAC_SHA1_80, AES_CM_128_HMAC_SHA1_32, AEAD_AES_128_GCM, AEAD_AES_256_GCM; others are refused. */
  readonly suites: readonly SrtpSuite[];
  /** The peer's a=tls-id, up to 255 characters. */
  readonly tlsId?: string;
  /** What we show; absent: the certificate that the relay made at its start. */
  readonly identity?: DtlsIdentity;
  /** With `resumes` alone: what `exported` told of this side. */
  readonly keys?: DtlsKeys;
}

/** What handshakes of a side have brought, for a relay that goes on with it. */
export interface DtlsKeys {
  readonly rtp: DtlsMaster;
  /** Of RTCP, where it has a port of its own and has shaken hands there. */
  readonly rtcp?: DtlsMaster;
  /** They are the named association's. Else those of the one before, which serve until a new handshake is through. */
  readonly done: boolean;
}

/** Master keys, each with its salt. */
export interface DtlsMaster {
  readonly suite: SrtpSuite;
  /** What that side encrypts with. */
  readonly rx: Secret<Uint8Array>;
  readonly tx: Secret<Uint8Array>;
}

/** One side of one m-line. */
export interface RelaySide {
  readonly local: MediaAddress;
  /** Where we send; `undefined` while it is not known: nothing is sent and nothing is accepted. */
  readonly remote: MediaAddress | undefined;
  readonly latch: LatchPolicy;
  readonly latchFrom: string | undefined;
  /** What that side encrypts with; `undefined`: it sends plain RTP. */
  readonly rx: SrtpKey | undefined;
  /** What we encrypt with toward that side; `undefined`: we send plain RTP. */
  readonly tx: SrtpKey | undefined;
  /**
   * ICE-lite: only sources that an authenticated check proved are heard, and what the peer nominated is where we send.
   * `latch` and `latchFrom` mean nothing then, and of `remote` only whether both its ports are one.
   */
  readonly ice: IceCredentials | undefined;
  /** Keys from a handshake; `rx` and `tx` are `undefined` then, and nothing passes until `secured`. */
  readonly dtls: DtlsAssociation | undefined;
  /** DiffServ code point of what we send, 0 to 63. */
  readonly dscp: number;
  /** Accept RTP from it? RTCP always is. */
  readonly receive: boolean;
  /** Forward RTP to it? RTCP always is. */
  readonly send: boolean;
  /** Replaces the CNAMEs in RTCP that goes to this side. RFC 3550 §6.5.1. */
  readonly cname: string;
  /** Silence of this side, in milliseconds, after which `silent` is reported once. 0: never. */
  readonly silenceLimitMs: number;
  /** Renumbering of the payload types of packets that go to this side; [] = none. */
  readonly payloadTypes: readonly (readonly [from: number, to: number])[];
  /** RFC 4733 digits from and to this side; `undefined`: they pass like any packet. */
  readonly digits: SideDigits | undefined;
  /** Make RTCP toward this side as long as the other one sends none? */
  readonly reports: boolean;
  /** UDPTL: the longest datagram that this side takes, in bytes (T38FaxMaxDatagram). 0: it did not say. */
  readonly maxDatagram: number;
  /** Lines of this side that share a transport (RFC 9143); `undefined`: this one has its own. */
  readonly bundle: BundleLine | undefined;
}

/**
 * A line in a bundle. The transport is that of `pair`, which was opened before, or is this one: there alone stand `remote`,
 * `latch`, `rx`, `tx`, `ice` and `dtls`, and its `local` is that of all. What arrives there is this line's if it bears its name,
 * or else has a payload type that no other line has, or comes from a source that did so before; RTCP goes by sources.
 */
export interface BundleLine {
  /** Never changes. */
  readonly pair: number;
  /** On this leg, up to 16 bytes; "" without `midId`. */
  readonly mid: string;
  /** Header extension that bears `mid` in packets of both directions, 1 to 14; 0: none is agreed. */
  readonly midId: number;
  /** Of packets that may come from this side. */
  readonly payloadTypes: readonly number[];
}

export interface SideDigits {
  /** Payload types of telephone-event in packets that come from this side. They are told as they end. */
  readonly events: readonly (readonly [payloadType: number, clockHz: number])[];
  /** They are not passed on: they cross in another way. */
  readonly take: boolean;
  /** `digit` may be said for this side. */
  readonly insert: boolean;
}

/** An RFC 4733 event of ours. `event`: its code, 0 to 16. `durationMs`: 40 to 6000, made so where it is not. */
export interface Digit {
  readonly event: number;
  readonly payloadType: number;
  readonly clockHz: number;
  readonly durationMs: number;
}

/**
 * A side as it changes. `rx` or `tx` present: a fresh context, unless that key stood there before: then its old context
 * goes on, so that no index is used twice. A peer's counters are heard whether it keeps them or begins at 0. Absent: the context lives on. `local` never changes: other ports are
 * another pair. What was on its way under the old key or from the old source still counts for two seconds.
 */
export type RelayChange = Partial<Omit<RelaySide, "local">> & {
  /** Learn the source again by `latch`. The old one is heard until then, two seconds at most, and not learnt meanwhile. */
  readonly relatch?: true;
};

/** `udptl`: T.38 fax, whose datagrams pass as they are; with DTLS each in a record of its own (RFC 7345). */
export type PairKind = "audio" | "video" | "other" | "udptl";

export type RelayCommand =
  | {
      readonly word: "open";
      /** A slot number, chosen by the media room, from 0 up and reused after `closed`. */
      readonly pair: number;
      readonly kind: PairKind;
      readonly sides: readonly [caller: RelaySide, callee: RelaySide];
      /**
       * What another relay `exported` of the pair, which sends no more: this one goes on, with the same keys. Refused as a whole,
       * by `failed`, when it is not whole, older than a minute, or of other keys.
       */
      readonly resumes?: Uint8Array;
    }
  /** What a standby needs of the pair beside these words: told by `exported`. The pair lives on. */
  | { readonly word: "export"; readonly pair: number }
  | { readonly word: "change"; readonly pair: number; readonly side: 0 | 1; readonly set: RelayChange }
  /** Play a digit toward that side, in place of its sound, after those said before. */
  | { readonly word: "digit"; readonly pair: number; readonly side: 0 | 1; readonly digit: Digit }
  | { readonly word: "close"; readonly pair: number };

export type RelayEvent =
  /** The source of this side's RTP is learnt; with ICE: nominated. */
  | {
      readonly event: "latched";
      readonly pair: number;
      readonly side: 0 | 1;
      readonly ip: string;
      readonly port: number;
    }
  /** The handshake is through, or a new one (RTP's, where RTCP has ports and a handshake of its own). */
  | { readonly event: "secured"; readonly pair: number; readonly side: 0 | 1; readonly suite: SecuredBy }
  /** No check came for 30 s (RFC 7675 §5.1): nothing is sent to that side until it nominates again, with `latched`. */
  | { readonly event: "expired"; readonly pair: number; readonly side: 0 | 1 }
  | { readonly event: "silent"; readonly pair: number; readonly side: 0 | 1 }
  /** After `silent`: packets come again. */
  | { readonly event: "heard"; readonly pair: number; readonly side: 0 | 1 }
  /** That side has sent an RFC 4733 event; its code, and how long it was. Each once. */
  | {
      readonly event: "digit";
      readonly pair: number;
      readonly side: 0 | 1;
      readonly digit: number;
      readonly durationMs: number;
    }
  /**
   * A key comes to its end: ours toward that side, or the side's own. Told some minutes before, then each time half of
   * what was left is gone, last with 0: nothing is sent under it any more.
   */
  | {
      readonly event: "keyLifetime";
      readonly pair: number;
      readonly side: 0 | 1;
      readonly whose: "ours" | "theirs";
      readonly packetsLeft: number;
    }
  /**
   * Whom the pair has learnt, where its SRTP indices stand, and its sources' names and numbers; no keys. `undefined`: `reason`
   * says why there is none. Whoever resumes leaves out what may have been sent since under each key: 30,000 packets. Lines of
   * a bundle have a state each, and are opened after the pair that carries them. `keys`: of sides with DTLS.
   */
  | {
      readonly event: "exported";
      readonly pair: number;
      readonly state: Uint8Array | undefined;
      readonly reason: string;
      readonly keys: readonly [caller: DtlsKeys | undefined, callee: DtlsKeys | undefined];
    }
  /** The side cannot work: a port could not be bound, a key was not taken, a handshake ended badly. */
  | { readonly event: "failed"; readonly pair: number; readonly side: 0 | 1; readonly reason: string }
  | {
      readonly event: "closed";
      readonly pair: number;
      readonly counters: readonly [caller: SideCounters, callee: SideCounters];
    };

/** `xdp`: the kernel forwards it. `socket` is where each flow begins, and where whatever is unusual goes. */
export type FlowPath = "socket" | "xdp" | "af_xdp";

/** What arrived from one side, what left to it, and what was dropped on arrival, by reason. */
export interface SideCounters {
  /** RTP packets accepted from this side, and their bytes with headers, after decryption. */
  readonly packets: number;
  readonly bytes: number;
  /** RTP packets that never came, by RFC 3550 §A.3 arithmetic. Never negative. */
  readonly lost: number;
  /** Interarrival jitter at the end, in milliseconds. RFC 3550 §6.4.1. */
  readonly jitterMs: number;
  readonly rtcpPackets: number;
  /** RTP packets sent to this side, and their bytes with headers, before encryption. */
  readonly sent: number;
  readonly sentBytes: number;
  /** From a source that may not send here. */
  readonly droppedStranger: number;
  /** SRTP tag wrong. */
  readonly droppedAuth: number;
  /** SRTP index seen before, or too old. */
  readonly droppedReplay: number;
  /** Not RTP or RTCP. */
  readonly droppedMalformed: number;
  /** Accepted, but the other side takes none now, or its address is not known. */
  readonly droppedUnsent: number;
  /** RTP packets beyond the rate that is accepted from one side. */
  readonly droppedPoliced: number;
  /** How often packets were lost one after the other; alone counts, too. Known within a second. */
  readonly lossBursts: number;
  /** Round trip between us and this side, in milliseconds, as RTCP told it last. 0: it did not. */
  readonly rttMs: number;
  /** RTCP reports of this side on what it got from us; 0: the next two say nothing. */
  readonly reports: number;
  /** Packets on the whole way to this side that never came, as it says. */
  readonly reportedLost: number;
  /** In milliseconds. */
  readonly reportedJitterMs: number;
  /** Conversational MOS in tenths, as this side says itself (RFC 3611 §4.7.5). 0: it did not. */
  readonly reportedMos: number;
  /** RFC 4733 events of this side. */
  readonly digits: number;
  /** Packets of our own to this side: reports and digits. */
  readonly made: number;
  /** Packets from this side that a digit stood for, or that told one which crosses in another way. */
  readonly taken: number;
  /** What carries this side's RTP on now. */
  readonly path: FlowPath;
}
