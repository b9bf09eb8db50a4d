/** `registration` of the operator's file. */
import Type, { type Static } from "typebox";
import { closed, count, table, text, word } from "./schema-words.ts";

const DOMAIN_PATTERN = "^[A-Za-z0-9][A-Za-z0-9.-]{0,252}$";

const seconds = (description: string, minimum: number, maximum: number) =>
  Type.Optional(count(description, minimum, maximum));

const Domain = Type.Object(
  {
    realm: text("The realm that its phones are in."),
    registrar: text("The peer that holds the registrations, or local: the box itself."),
    users: Type.Optional(
      text(
        "Users whose password the box can check: a file with a line user:realm:[algorithm:]digest for each, or an http address that is asked. Needed for local.",
        4_096,
      ),
    ),
    digestRealm: Type.Optional(text("The realm that our own challenges name. Default: the domain.")),
    algorithms: Type.Optional(
      Type.Array(word("A hash function.", ["MD5", "SHA-256", "SHA-512-256"]), {
        description: "Hash functions of our own challenges (RFC 8760). Default SHA-256, MD5.",
        minItems: 1,
        maxItems: 3,
        uniqueItems: true,
      }),
    ),
    contacts: Type.Optional(count("Contacts of one user; a further one gets 403. Default 10.", 1, 100)),
    datagramSeconds: seconds(
      "The longest time that a phone on UDP is bound before it must come again. Default 60.",
      20,
      86_400,
    ),
    streamSeconds: seconds("The same for a phone on a connection. Default 600.", 20, 86_400),
    keepalive: Type.Optional(
      word(
        "Between the REGISTERs of a phone on UDP behind NAT: it is asked by OPTIONS, sent a CRLF, or left alone. Default options.",
        ["options", "crlf", "off"],
      ),
    ),
    keepaliveSeconds: seconds("The longest silence toward such a phone. Default 25.", 5, 3_600),
    shortestSeconds: seconds("The shortest time that a phone may ask for; less gets 423. Default 20.", 5, 3_600),
    registrarSeconds: seconds("How long the inside registrar is asked for. Default 3600.", 60, 86_400),
    calls: Type.Optional(
      word(
        "What a registered phone must show with a call, where the box knows its password: that password, but on the connection that it registered on (challenge); or only that it comes from where it registered (flow). Default challenge.",
        ["challenge", "flow"],
      ),
    ),
    fork: Type.Optional(
      word("Contacts of one q ring together, or one after the other. Default parallel.", ["parallel", "serial"]),
    ),
    ringSeconds: seconds("How long a contact rings before the next one is asked. Default 20.", 1, 300),
    path: Type.Optional(
      Type.Boolean({ description: "Is the inside registrar told a Path (RFC 3327) through us? Default false." }),
    ),
    survivalSeconds: seconds(
      "How long bindings live on by our own word while the registrar is away. 0: not at all. Default 86400.",
      0,
      604_800,
    ),
    wakeSeconds: seconds("How long a call waits for a phone that is being woken (RFC 8599). Default 10.", 1, 60),
  },
  { ...closed, description: "Phones of one domain." },
);

export const Registration = Type.Object(
  {
    domains: table("By the host part of the addresses of record.", Domain, {
      min: 1,
      max: 1_000,
      names: DOMAIN_PATTERN,
    }),
    file: Type.Optional(
      Type.Unsafe<string | null>({
        type: ["string", "null"],
        description:
          "File that keeps bindings over a restart. null: none. Default /var/lib/sallyport/NAME.registrations.",
        minLength: 1,
        maxLength: 4_096,
      }),
    ),
    bindings: Type.Optional(count("Bindings of the whole box; more get 503. Default 100000.", 1, 10_000_000)),
    perSecond: Type.Optional(
      count("REGISTERs to each inside registrar in a second; what comes faster has to wait. Default 100.", 1, 100_000),
    ),
    pushGateway: Type.Optional(text("An http address that wakes sleeping phones (RFC 8599).", 1_024)),
  },
  { ...closed, description: "Phones that register. Absent: none may." },
);

export type ConfigRegistration = Static<typeof Registration>;
