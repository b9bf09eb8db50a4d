/**
 * The shape of the operator's file: JSON Schema 2020-12 and TypeScript types in one. `config/schema/` holds it as a
 * file for editors, and a test holds that file to this one. The format grows; it does not break.
 *
 * Alternatives are written as `type: [...]`, never as `anyOf`: a fault then names one thing that is wrong.
 */
import Type, { type Static } from "typebox";
import { Registration } from "./registration-schema.ts";
import { closed, count, NAME_PATTERN, table, text, texts, word } from "./schema-words.ts";

export { NAME_PATTERN } from "./schema-words.ts";

const mark = (description: string) =>
  Type.Unsafe<string | number>({
    type: ["string", "integer"],
    description: `${description}: a name as in RFC 4594 (EF, AF41, CS3, BE …) or a number.`,
    minimum: 0,
    maximum: 63,
    minLength: 1,
    maxLength: 8,
  });

const certificateFiles = {
  certificate: text("PEM file: our certificate, then those between it and the root.", 4_096),
  key: text("PEM file: the private key of the certificate, not encrypted.", 4_096),
};

const Tls = Type.Object(
  {
    ...certificateFiles,
    others: Type.Optional(
      Type.Array(Type.Object(certificateFiles, closed), {
        description: "Further certificates, each shown to clients that ask for a name it is for (SNI).",
        maxItems: 64,
      }),
    ),
    ca: Type.Optional(text("PEM file: the certificates that we trust the other side by.", 4_096)),
    verify: Type.Optional(
      word(
        "Whose certificate is checked: nobody's, the server's when we connect, or also the client's when we accept. RFC 5922 names. Default server.",
        ["none", "server", "mutual"],
      ),
    ),
  },
  { ...closed, description: "What TLS listeners and TLS connections of this realm use." },
);

const codecs = (description: string) => texts(description, 64);

/** Members of `media` that realms and peers both have. */
const mediaRules = {
  codecs: Type.Optional(
    Type.Object(
      {
        allow: Type.Optional(codecs("These alone, and telephone-event. Absent or empty: all.")),
        deny: Type.Optional(codecs("Never these.")),
        order: Type.Optional(codecs("These first, in this order; the others follow as they came.")),
      },
      {
        ...closed,
        description:
          "Codecs that this side may offer, be offered and answer: opus (as in rtpmap), L16/44100 (with clock rate), video/* (all of a kind).",
      },
    ),
  ),
  ptime: Type.Optional(count("Milliseconds of sound in a packet: what this side is asked to send.", 5, 200)),
  bandwidth: Type.Optional(
    Type.Object(
      {
        audio: Type.Optional(count("kbit/s of an audio stream, at most.", 1, 10_000_000)),
        video: Type.Optional(count("kbit/s of a video stream, at most.", 1, 10_000_000)),
      },
      { ...closed, description: "What this side is told that it may send (b=AS, b=TIAS)." },
    ),
  ),
  allowAttributes: Type.Optional(
    texts("SDP attributes of a stream, beyond the built-in list, that may cross to this side.", 64),
  ),
  ice: Type.Optional(
    word(
      "ICE, as a lite agent (RFC 8445): offered and answered; offered to browsers, and answered where it is offered; never. Default answer.",
      ["lite", "answer", "off"],
    ),
  ),
  srtpRekey: Type.Optional(
    word(
      "Rollover counters under a new SRTP key: from 0 (RFC 4568 §7.1.4; Microsoft Teams), or carried on (RFC 3711 §3.3.1). Default reset.",
      ["reset", "keep"],
    ),
  ),
  srtpLifetime: Type.Optional(
    count(
      "2^n packets that an SDES key of ours is good for; it is renewed by re-INVITE in time. Default 48, unsaid.",
      10,
      48,
    ),
  ),
  webrtc: Type.Optional(
    Type.Boolean({
      description:
        "What this side is offered is made for browsers (DTLS-SRTP, ICE, rtcp-mux, BUNDLE). Default: whoever speaks over WebSocket.",
    }),
  ),
  fax: Type.Optional(
    word(
      "T.38 fax (m=image over UDPTL). secure: on this side only over DTLS (RFC 7345). Default pass, but refuse where srtp is required: fax knows no SRTP.",
      ["pass", "refuse", "secure"],
    ),
  ),
  dtmf: Type.Optional(
    word(
      "How digits go to this side: as the other side sends them, as RFC 4733 events, or by INFO (application/dtmf-relay). Default pass.",
      ["pass", "rfc4733", "info"],
    ),
  ),
  digitFacts: Type.Optional(
    word(
      "What the log tells of digits from this side: nothing, that there was one, or which one (it may be of a PIN). Default off.",
      ["off", "times", "digits"],
    ),
  ),
  rtcp: Type.Optional(
    word("RTCP to this side: what the other side sends, or our own while it sends none. Default pass.", [
      "pass",
      "generate",
    ]),
  ),
};

const Media = Type.Object(
  {
    address: Type.Unsafe<string | string[]>({
      type: ["string", "array"],
      description: "The IP address that media flows through, or an array of one IPv4 and one IPv6 address.",
      minLength: 1,
      maxLength: 255,
      items: { type: "string", minLength: 1, maxLength: 255 },
      minItems: 1,
      maxItems: 2,
    }),
    ports: text("UDP ports for media, as in 20000-29999. A call with audio and video takes four."),
    path: Type.Optional(
      word(
        "How packets travel. xdp: forwarded by the kernel; af_xdp: all by AF_XDP rings; auto: xdp where it can be; else, and with socket, by sockets. Default auto.",
        ["auto", "socket", "af_xdp", "xdp"],
      ),
    ),
    silenceSeconds: Type.Optional(
      count("How long a side may bring no media before the call is cleared. 0: for ever. Default 60.", 0, 86_400),
    ),
    ...mediaRules,
  },
  { ...closed, description: "Where media flows on this side, and what its streams may be like." },
);

const keyings = (description: string) =>
  Type.Optional(
    Type.Array(word("How SRTP keys are agreed.", ["sdes", "dtls"]), {
      description,
      minItems: 1,
      maxItems: 2,
      uniqueItems: true,
    }),
  );

const PeerMedia = Type.Object(
  { ...mediaRules, srtpKeys: keyings("How SRTP keys are agreed with it, best first.") },
  { ...closed, description: "What its streams may be like: each member in place of that of its realm." },
);

const Dscp = Type.Object(
  {
    signalling: Type.Optional(mark("SIP")),
    audio: Type.Optional(mark("Audio")),
    video: Type.Optional(mark("Video")),
    other: Type.Optional(mark("Every other RTP stream")),
  },
  { ...closed, description: "DiffServ code points of what we send into this realm. Default CS3, EF, AF41, AF41." },
);

/** RFC 3515. */
const refer = (description: string) => Type.Optional(word(description, ["pass", "execute", "assist"]));

const Realm = Type.Object(
  {
    trust: word("How far this side is trusted.", ["none", "peer", "full"]),
    listen: texts("Where we take SIP: udp:, tcp:, tls:, ws: or wss:, then the IP address and the port.", 64, 1),
    domain: Type.Optional(text("Our name on this side: in From, To, Contact and P-Asserted-Identity.")),
    advertise: Type.Optional(
      Type.Unsafe<string | null>({
        type: ["string", "null"],
        description: "The public IP address, where the box itself is behind 1:1 NAT.",
        minLength: 1,
        maxLength: 255,
      }),
    ),
    origins: Type.Optional(
      texts(
        "Web origins whose pages may open a WebSocket, as in https://phone.example.com. Absent or empty: all.",
        256,
      ),
    ),
    publicDomains: Type.Optional(texts("Host names that may show on any side.", 256)),
    tls: Type.Optional(Tls),
    media: Media,
    srtp: word("Must media be encrypted on this side?", ["required", "preferred", "off"]),
    srtpKeys: keyings(
      "How SRTP keys are agreed, best first: in SDP over TLS, or by a handshake on the media path. Default sdes, dtls.",
    ),
    sdesWithoutTls: Type.Optional(
      Type.Boolean({ description: "May SDES keys travel over signalling that is not encrypted? Default false." }),
    ),
    dscp: Type.Optional(Dscp),
    sips: Type.Optional(
      word("A sips: request that would leave over an insecure hop of this realm. RFC 5630. Default refuse.", [
        "refuse",
        "translate",
      ]),
    ),
    allowHeaders: Type.Optional(texts("Header names, beyond the built-in list, that may cross into this realm.", 64)),
    otherMethods: Type.Optional(
      word("Requests from here with a method that no RFC known to the box has. Default refuse.", ["refuse", "pass"]),
    ),
    sessionId: Type.Optional(
      word(
        "Session-ID (RFC 7989): taken from and told to this realm as the ends say; made for ends that say none; or never. Default pass.",
        ["pass", "create", "off"],
      ),
    ),
    refer: refer(
      "Transfers asked for from here: handed on to the far end, made by the box, or made where the far end cannot. Default pass.",
    ),
  },
  closed,
);

const digest = (name: string, digits: number) =>
  Type.Optional(
    Type.String({ description: `${name}(user:realm:password) in hex.`, pattern: `^[0-9A-Fa-f]{${digits}}$` }),
  );

const Auth = Type.Object(
  {
    user: text("The user of our account there."),
    password: Type.Optional(text("Its password. Better in a file: see passwordFile.")),
    passwordFile: Type.Optional(text("File whose first line is the password.", 4_096)),
    ha1: Type.Optional(
      Type.Object(
        {
          MD5: digest("MD5", 32),
          "SHA-256": digest("SHA-256", 64),
          "SHA-512-256": digest("SHA-512-256", 64),
        },
        { ...closed, description: "Digests in place of the password. They need the realm." },
      ),
    ),
    realm: Type.Optional(
      text("The digest realm that alone is answered. Absent: the first that takes our word. *: any, which is unsafe."),
    ),
    algorithms: Type.Optional(
      Type.Array(word("A hash function.", ["MD5", "SHA-256", "SHA-512-256"]), {
        description: "Hash functions that we let ourselves be asked for. Default: all.",
        minItems: 1,
        maxItems: 3,
        uniqueItems: true,
      }),
    ),
  },
  { ...closed, description: "What its challenges are answered with (RFC 3261 §22, RFC 8760). Absent: nothing." },
);

const Register = Type.Object(
  {
    aor: text("Our address of record there, as in sip:12345@carrier.example.com."),
    contactUser: Type.Optional(
      Type.String({
        description: "The user of the Contact that we register. Default: that of the address of record.",
        pattern: "^[A-Za-z0-9._+-]{1,64}$",
      }),
    ),
    everySeconds: Type.Optional(count("For how long we register, in seconds. Default 600.", 60, 86_400)),
    gin: Type.Optional(
      Type.Boolean({ description: "Register all numbers of the account at once (RFC 6140). Default false." }),
    ),
  },
  { ...closed, description: "We register there. Absent: we do not." },
);

const Peer = Type.Object(
  {
    realm: text("The realm that it lives in."),
    targets: texts(
      "Where it is, best first: udp:, tcp:, tls:, ws: or wss: with host:port, or a SIP URI (RFC 3263).",
      32,
      1,
    ),
    sources: Type.Optional(texts("CIDRs: when not empty, they alone tell who the peer is.", 256)),
    options: Type.Optional(
      Type.Object(
        { everySeconds: count("Time between two OPTIONS to each target.", 1, 3_600) },
        { ...closed, description: "Health checks. Absent: the peer is believed to be up." },
      ),
    ),
    maxCalls: Type.Optional(count("Live calls to and from the peer, in one sum.", 1, 1_000_000)),
    maxCallsPerSecond: Type.Optional(
      Type.Number({
        description: "New calls to and from the peer, in one sum.",
        exclusiveMinimum: 0,
        maximum: 100_000,
      }),
    ),
    maxRequestsPerSecond: Type.Optional(
      Type.Number({
        description: "Requests outside of calls (MESSAGE, SUBSCRIBE …) to and from the peer, in one sum.",
        exclusiveMinimum: 0,
        maximum: 100_000,
      }),
    ),
    auth: Type.Optional(Auth),
    media: Type.Optional(PeerMedia),
    refer: refer("Transfers that this peer asks for. Default: as its realm says."),
    register: Type.Optional(Register),
    tcpForLargeRequests: Type.Optional(
      Type.Boolean({
        description: "May a request over the UDP size limit go by TCP? RFC 3261 §18.1.1. Default false.",
      }),
    ),
    redirects: Type.Optional(
      word(
        "A 3xx of this peer: the caller gets 480, or the 3xx with Contacts that lead through us, or we follow them by the routes from this peer. Default refuse.",
        ["refuse", "pass", "follow"],
      ),
    ),
    responses: Type.Optional(
      Type.Unsafe<Record<string, number>>({
        type: "object",
        description: 'What the caller is told instead of a final status of this peer, as in { "486": 603 }.',
        maxProperties: 300,
        propertyNames: { type: "string", pattern: "^[4-6][0-9][0-9]$" },
        additionalProperties: count("A final status.", 400, 699),
      }),
    ),
    diversion: Type.Optional(
      word(
        "How this peer is told who a call was meant for before: as it came, by Diversion (RFC 5806), by History-Info (RFC 7044), or not. Default pass.",
        ["pass", "diversion", "history-info", "off"],
      ),
    ),
    reason: Type.Optional(
      word(
        "Reason (RFC 3326) toward this peer: as it came, with a Q.850 cause, with a SIP cause, with both, or never. Default pass.",
        ["pass", "q850", "sip", "both", "off"],
      ),
    ),
    preconditions: Type.Optional(
      word(
        "Preconditions (RFC 3312): this peer has none, or those that the other side has too (else the box answers them), or always. Default off.",
        ["off", "pass", "require"],
      ),
    ),
    reliable1xx: Type.Optional(
      word("Reliable 1xx (RFC 3262): as the other side of a call does, always, or never. Default pass.", [
        "pass",
        "require",
        "off",
      ]),
    ),
  },
  closed,
);

const Route = Type.Object(
  {
    when: Type.Optional(
      Type.Object(
        {
          from: Type.Optional(text("The peer that the request comes from.")),
          realm: Type.Optional(text("The realm that the request comes from.")),
          number: Type.Optional(text("A regular expression over the user part of the Request-URI.", 512)),
          host: Type.Optional(text("The host of the Request-URI.")),
          method: Type.Optional(Type.String({ description: "The method.", pattern: "^[A-Z]{1,32}$" })),
          registered: Type.Optional(
            Type.Unsafe<true | "callee" | "both">({
              type: ["boolean", "string"],
              description:
                "true: it comes from a registered phone, by the way that it registered. callee: the Request-URI names a registered user. both: both.",
              enum: [true, "callee", "both"],
            }),
          ),
          peerDown: Type.Optional(text("No target of this peer can be reached now.")),
        },
        { ...closed, description: "Every condition must hold. Absent or empty: it always does." },
      ),
    ),
    to: texts("Peers, best first; registration: the contacts of the registered user.", 32, 1),
  },
  closed,
);

const Limits = Type.Object(
  {
    calls: Type.Optional(count("Live calls of the whole box. More get 503. Default 10000.", 1, 1_000_000)),
    transactions: Type.Optional(
      count("Live transactions of the whole box. More get 503. Default 200000.", 1, 10_000_000),
    ),
    connections: Type.Optional(
      count("Stream connections of the whole box. More are not accepted. Default 10000.", 1, 1_000_000),
    ),
    connectionsPerSource: Type.Optional(
      count("Stream connections from one address. Realms with full trust are exempt. Default 100.", 1, 1_000_000),
    ),
    messagesPerSource: Type.Optional(
      count(
        "Messages in a second from one address that is no peer's and no registered phone's; more are dropped unread. Realms with full trust are exempt. 0: no limit. Default 100.",
        0,
        1_000_000,
      ),
    ),
    callSeconds: Type.Optional(
      count("The longest call; it is cleared then. 0: for ever. Default 86400, a day.", 0, 31_536_000),
    ),
    subscriptions: Type.Optional(
      count("Live subscriptions of the whole box. More get 503. Default 10000.", 0, 1_000_000),
    ),
    subscriptionsPerSource: Type.Optional(
      count(
        "Live subscriptions of one peer or address. Realms with full trust are exempt. Default 1000.",
        0,
        1_000_000,
      ),
    ),
  },
  { ...closed, description: "What the whole box may have at once." },
);

/** RFC 4028 §5: no interval may be shorter than 90 s. */
const SessionTimer = Type.Object(
  {
    seconds: Type.Optional(
      count(
        "The interval that we ask for. 0: no session timers, neither asked for nor given. Default 1800.",
        0,
        86_400,
      ),
    ),
    minimum: Type.Optional(
      count("The shortest interval that we take from others; shorter ones get 422. Default 90.", 90, 86_400),
    ),
  },
  { ...closed, description: "Session timers (RFC 4028): calls whose ends have vanished are found and cleared." },
);

export const FileSchema = Type.Object(
  {
    $schema: Type.Optional(Type.String({ description: "For editors.", maxLength: 4_096 })),
    name: Type.Optional(
      Type.String({ description: "Name of this box, in logs. Default sallyport.", pattern: NAME_PATTERN }),
    ),
    control: Type.Optional(text("Path of the control socket. Default /run/sallyport/control.sock.", 4_096)),
    drainSeconds: Type.Optional(count("How long SIGTERM waits for calls to end. Default 0.", 0, 86_400)),
    realms: table("The sides of the box.", Realm, { min: 1, max: 64 }),
    peers: Type.Optional(table("Neighbours with a static address.", Peer, { max: 10_000 })),
    routes: Type.Optional(
      Type.Array(Route, { description: "The first whose every condition holds is taken.", maxItems: 10_000 }),
    ),
    limits: Type.Optional(Limits),
    registration: Type.Optional(Registration),
    sessionTimer: Type.Optional(SessionTimer),
  },
  closed,
);

export type ConfigFile = Static<typeof FileSchema>;
export type ConfigRealm = ConfigFile["realms"][string];
export type ConfigMediaRules = Static<typeof PeerMedia>;
export type ConfigPeer = NonNullable<ConfigFile["peers"]>[string];
export type ConfigRoute = NonNullable<ConfigFile["routes"]>[number];

/** The schema as editors read it from `config/schema/`. */
export const schemaDocument = (): object => ({
  $schema: "https://json-schema.org/draft/2020-12/schema",
  title: "Sallyport configuration",
  ...FileSchema,
});
