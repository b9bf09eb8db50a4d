/**
 * The validated configuration as the engine reads it: names resolved, addresses split, numbers instead of words.
 * `manage/config` makes it from the operator's file; nothing here is optional that has a default there.
 */
import type { HashName } from "./hash.ts";
import type { Address, Protocol } from "./net.ts";
import type { RegistrationSettings } from "./registration-settings.ts";
import type { Secret } from "./secret.ts";

export type Trust = "none" | "peer" | "full";
export type SrtpPolicy = "required" | "preferred" | "off";
export type SrtpKeying = "sdes" | "dtls";
/** ICE, as a lite agent: offered always; offered to browsers and answered where it is offered; never. RFC 8445 §2.5. */
export type IcePolicy = "lite" | "answer" | "off";
export type MediaPath = "auto" | "socket" | "af_xdp" | "xdp";
/** What a 3xx of a called peer does: the caller gets 480; its Contacts, rebuilt; or we follow them ourselves. */
export type RedirectPolicy = "refuse" | "pass" | "follow";
/** How a peer is told whom a call was meant for before (RFC 5806, RFC 7044): as it came, in one form, or not at all. */
export type DiversionPolicy = "pass" | "diversion" | "history-info" | "off";
/** What a peer is told by Reason (RFC 3326): as it came; with the missing Q.850 or SIP cause made; or nothing. */
export type ReasonPolicy = "pass" | "q850" | "sip" | "both" | "off";
/** Session-ID (RFC 7989) into and out of a realm: as the ends say, made for ends that say none, or never. */
export type SessionIdPolicy = "pass" | "create" | "off";
/** What a peer does with reliable 1xx (RFC 3262): `pass`: as the other side does; `require`: always; `off`: never. */
export type Reliable1xx = "pass" | "require" | "off";
/** Preconditions (RFC 3312) with a peer: none, those of the other side or ours in their place, or always. */
export type PreconditionPolicy = "off" | "pass" | "require";
/**
 * What becomes of a REFER inside a call (RFC 3515): `pass` hands it on to the far end, its names mapped; `execute` makes
 * the transfer here, so that the far end sees nothing but a re-INVITE; `assist` passes it to a far end whose Allow names
 * REFER, and executes it for any other.
 */
export type ReferPolicy = "pass" | "execute" | "assist";
export type TlsVerify = "none" | "server" | "mutual";

export interface Settings {
  readonly name: string;
  /** Path of the control socket. */
  readonly control: string;
  /** How long SIGTERM waits for calls to end, in seconds. 0 to 86 400. */
  readonly drainSeconds: number;
  readonly realms: ReadonlyMap<string, RealmSettings>;
  readonly peers: ReadonlyMap<string, PeerSettings>;
  readonly routes: readonly RouteSettings[];
  readonly limits: LimitSettings;
  readonly sessionTimer: SessionTimerSettings;
  /** Phones that register through the box or at it; absent: none may. */
  readonly registration?: RegistrationSettings | undefined;
}

/** Both ends of every leg must show that they are there, or the call is cleared. RFC 4028. */
export interface SessionTimerSettings {
  /** The interval that we ask for; half of it passes between two refreshes. 0: no session timers at all. */
  readonly seconds: number;
  /** The shortest interval that we take from others, at least 90 s; shorter ones get 422. */
  readonly minimumSeconds: number;
}

/** Limit: calls, transactions and connections beyond these are refused with 503 and Retry-After, or not accepted. */
export interface LimitSettings {
  /** Live calls of the whole box. */
  readonly calls: number;
  /** Live transactions of the whole box. */
  readonly transactions: number;
  /** Stream connections of the whole box. */
  readonly connections: number;
  /** Stream connections from one source address. Realms with `trust: full` are exempt. */
  readonly connectionsPerSource: number;
  /**
   * Messages in a second from one source address that is no peer's and no registered phone's, four times as many at once.
   * More are dropped unread, and a connection that brings them is closed. Realms with `trust: full` are exempt. 0: no limit.
   */
  readonly messagesPerSource: number;
  /** A call that is up for so long is cleared, cause `limit`. 0: no call is. */
  readonly callSeconds: number;
  /** Live subscriptions of the whole box. */
  readonly subscriptions: number;
  /** Live subscriptions of one source: a peer, or an address that is no peer's. Peers of `trust: full` are exempt. */
  readonly subscriptionsPerSource: number;
}

export interface ListenerSettings {
  /** Unique in the box and stable while the configuration names the same realm, protocol and address. */
  readonly id: string;
  readonly realm: string;
  readonly protocol: Protocol;
  readonly address: Address;
}

/** Absolute paths. The files were readable and fitted each other when the configuration was checked. */
export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

/** The certificate of its own is shown when we connect, and to clients whose wish no other one meets. */
export interface TlsSettings extends CertificateFiles {
  /** Shown in its place to clients that ask for a name which one of these is for (SNI, RFC 6066 §3). */
  readonly others?: readonly CertificateFiles[] | undefined;
  readonly ca: string | undefined;
  readonly verify: TlsVerify;
}

export interface RealmSettings {
  readonly name: string;
  readonly trust: Trust;
  readonly listeners: readonly ListenerSettings[];
  /** Our name on this side, in From, To, Contact and PAI. `undefined`: the listener's (advertised) address serves. */
  readonly domain: string | undefined;
  /** The public IP address, where the box itself is behind 1:1 NAT: stands in Via, Contact and SDP. */
  readonly advertise: string | undefined;
  /** Host names that may show on any side. Lower case. */
  readonly publicDomains: readonly string[];
  readonly tls: TlsSettings | undefined;
  readonly media: RealmMediaSettings;
  readonly srtp: SrtpPolicy;
  readonly srtpKeys: readonly SrtpKeying[];
  readonly sdesWithoutTls: boolean;
  readonly dscp: DscpSettings;
  /** Web origins, lower case, whose pages may open a WebSocket (RFC 6455 §10.2); absent or empty: all, and who names none. */
  readonly origins?: readonly string[] | undefined;
  /** May a `sips:` request leave over an insecure hop of this realm? Only honoured with `trust: full`. RFC 5630. */
  readonly sips: "refuse" | "translate";
  /** Names, lower case, of headers beyond the built-in list that may cross into this realm. */
  readonly allowHeaders: readonly string[];
  /** What becomes of a request from here whose method is of no RFC that we know: 405, or it crosses like a MESSAGE. */
  readonly otherMethods: "refuse" | "pass";
  readonly sessionId: SessionIdPolicy;
  /** REFERs that come from here, unless the peer says otherwise. */
  readonly refer: ReferPolicy;
}

export interface RealmMediaSettings {
  /** At most one IPv4 and one IPv6 address. */
  readonly addresses: readonly string[];
  readonly firstPort: number;
  readonly lastPort: number;
  readonly path: MediaPath;
  /** How long a leg may bring no media before the call is cleared, in milliseconds. 0: for ever. */
  readonly silenceLimitMs: number;
  /** What streams of this side may be like; absent: nothing is asked. */
  readonly rules?: MediaRules | undefined;
}

/** In which form digits go to a side: RFC 4733 events, INFO with `application/dtmf-relay`, or as the other side sends them. */
export type DigitForm = "pass" | "rfc4733" | "info";
/** What is told of a side's digits by facts: nothing; that there was one, and how long; or which (it may be of a PIN). */
export type DigitFacts = "off" | "times" | "digits";

/** What the streams of a side may be like: what it is offered, what of its own offers counts, and what it is answered. */
export interface MediaRules {
  readonly codecs?: CodecRules | undefined;
  /** Milliseconds of sound in a packet: what we ask that side to send, whatever the other one asked for. */
  readonly ptimeMs?: number | undefined;
  /** kbit/s: what that side may be asked for at most, by kind of stream. */
  readonly bandwidth?: { readonly audio?: number | undefined; readonly video?: number | undefined } | undefined;
  /** Names of attributes of an m-line, beyond the built-in list, that may cross to that side. */
  readonly allowAttributes?: readonly string[] | undefined;
  /** Absent: `answer`. */
  readonly ice?: IcePolicy | undefined;
  /** Of a peer, in place of those of its realm. */
  readonly srtpKeys?: readonly SrtpKeying[] | undefined;
  /** How it reads a new key in mid-call. Absent: `reset`. */
  readonly srtpRekey?: SrtpRekey | undefined;
  /** 2^n packets: how long a key of ours is good for it, said in our descriptions. 10 to 48; absent: 48, and unsaid. */
  readonly srtpLifetime?: number | undefined;
  /** What it is offered is made for a browser: RFC 8829, RFC 8834. Absent: whoever speaks over WebSocket is one. */
  readonly webrtc?: boolean | undefined;
  /**
   * T.38 (`m=image` over UDPTL). `secure`: to and from this side only in records of DTLS (RFC 7345). Absent: carried, but where
   * SRTP is required, since it knows none.
   */
  readonly fax?: FaxPolicy | undefined;
  /** Absent: `pass`. */
  readonly dtmf?: DigitForm | undefined;
  /** Absent: `off`. */
  readonly digitFacts?: DigitFacts | undefined;
  /** RTCP to that side: the other side's alone, or ours as long as that one sends none. Absent: `pass`. */
  readonly rtcp?: "pass" | "generate" | undefined;
}

export type FaxPolicy = "pass" | "refuse" | "secure";

/**
 * After a new SRTP key rollover counters begin at 0 (`reset`: RFC 4568 §7.1.4, a new context) or go on (`keep`: RFC 3711
 * §3.3.1). What the peer sends is understood either way.
 */
export type SrtpRekey = "reset" | "keep";

/**
 * Words, lower case: `opus` (the name in rtpmap), `l16/44100` (with its clock rate), or `video/*` (every codec of a kind).
 * telephone-event is there unless it is denied.
 */
export interface CodecRules {
  /** Empty: all. */
  readonly allow: readonly string[];
  /** Goes before `allow`. */
  readonly deny: readonly string[];
  /** These first, in this order; the others after them as they came. */
  readonly order: readonly string[];
}

/** DiffServ code points, 0 to 63. RFC 2474, RFC 4594. */
export interface DscpSettings {
  readonly signalling: number;
  readonly audio: number;
  readonly video: number;
  /** Every other RTP stream. */
  readonly other: number;
}

/** A target with a fixed protocol and port, or a SIP URI for RFC 3263. `host` is an IP address or a name. */
export type TargetSettings =
  | { readonly kind: "host"; readonly protocol: Protocol; readonly host: string; readonly port: number }
  | { readonly kind: "uri"; readonly uri: string };

export interface PeerSettings {
  readonly name: string;
  readonly realm: string;
  /** In order of preference. */
  readonly targets: readonly TargetSettings[];
  /** CIDRs. Non-empty: they alone tell who the peer is; else the addresses of the targets do. */
  readonly sources: readonly string[];
  /** OPTIONS health checks; `undefined`: the peer is believed to be up. */
  readonly options: { readonly everySeconds: number } | undefined;
  /** Live calls to and from the peer, in one sum. */
  readonly maxCalls: number | undefined;
  /** New calls to and from the peer, in one sum. */
  readonly maxCallsPerSecond: number | undefined;
  /** Requests outside of calls (MESSAGE, SUBSCRIBE, PUBLISH …) to and from the peer in a second, in one sum. */
  readonly maxRequestsPerSecond: number | undefined;
  /** REFERs that come from this peer; `undefined`: what its realm says. */
  readonly refer: ReferPolicy | undefined;
  /** May a request over the UDP size limit go by TCP to this peer? RFC 3261 §18.1.1. */
  readonly tcpForLargeRequests: boolean;
  /**
   * Calls to it: whether our INVITE says Supported or Require: 100rel, or nothing. Calls from it: whether it gets 1xx
   * reliably when the callee's came so, whenever it can take them, or never (then Require: 100rel gets 420).
   */
  readonly reliable1xx: Reliable1xx;
  /**
   * Does it wait for resources before it rings? `off`: it is told nothing of preconditions, and 420 when it requires them.
   * `pass`: they cross to a peer that has them, too; for any other the box answers as an end that has all it needs.
   * `require`: calls to it state them even when the caller's side has none.
   */
  readonly preconditions: PreconditionPolicy;
  readonly redirects: RedirectPolicy;
  /** By a final status of this peer, 400 to 699: the one that the caller is told instead. */
  readonly responses: ReadonlyMap<number, number>;
  readonly diversion: DiversionPolicy;
  readonly reasons: ReasonPolicy;
  /** In place of the rules of its realm, those included that it does not name itself; absent: the realm's hold. */
  readonly media?: MediaRules | undefined;
  /** What we answer its challenges with; absent: nothing. */
  readonly auth?: AuthSettings | undefined;
  /** We register there; absent: we do not. */
  readonly register?: RegisterSettings | undefined;
}

/** A registration of ours at a peer: RFC 3261 §10.2, RFC 6140. */
export interface RegisterSettings {
  /** The address of record, and what it is made of. */
  readonly aor: string;
  readonly scheme: "sip" | "sips";
  readonly user: string;
  readonly host: string;
  /** The user part of the Contact that we register; calls for it are calls for the address of record. */
  readonly contactUser: string;
  /** For how long we ask, in seconds; the registrar may grant less. */
  readonly everySeconds: number;
  /** All numbers of the account at once, each to be the user part of its calls. */
  readonly gin: boolean;
}

/** An account of ours at a peer: RFC 3261 §22, RFC 8760. */
export interface AuthSettings {
  /** Bytes, as they go into the digest. */
  readonly user: string;
  /** The digest realm that alone is answered; `undefined`: the first that takes our word. `*`: any. */
  readonly realm: string | undefined;
  /** `undefined`: `ha1` stands for it. */
  readonly password: Secret<string> | undefined;
  /** H(user:realm:password) by hash function, in lower-case hex. */
  readonly ha1: ReadonlyMap<HashName, Secret<string>>;
  /** Hash functions that we let ourselves be asked for. */
  readonly hashes: readonly HashName[];
}

export interface RouteSettings {
  readonly when: {
    readonly from?: string;
    readonly realm?: string;
    /** A regular expression over the user part (or the digits of a tel: URI) of the Request-URI. */
    readonly number?: RegExp;
    /** Lower case; matches the host of the Request-URI. */
    readonly host?: string;
    readonly method?: string;
    /** `true`: the caller is a registered phone. `callee`: the Request-URI names a registered user. `both`. */
    readonly registered?: true | "callee" | "both";
    /** No target of this peer can be reached now. */
    readonly peerDown?: string;
  };
  /** Peer names, in order of preference; `REGISTRATION`: the contacts of the user that is asked for. */
  readonly to: readonly string[];
}
