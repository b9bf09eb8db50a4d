import {
  Agenda,
  type Destination,
  type Fact,
  type Hop,
  type ListenerSettings,
  type Millis,
  type Protocol,
  type RealmSettings,
  type SendToken,
  type Settings,
  seededRandom,
} from "../../../src/base/index.ts";
import type { Message } from "../../../src/message/index.ts";
import { Transport, type TransportOutput } from "../../../src/transport/index.ts";
import { boxSettings, realmSettings } from "../../support/settings.ts";

export const ALICE = { ip: "192.0.2.7", port: 4242 };

/** A transport between a noting io and a noting user, in virtual time. */
export class Bench {
  readonly agenda = new Agenda();
  readonly up: { message: Message; hop: Hop }[] = [];
  readonly unreachable: { token: SendToken; reason: string }[] = [];
  readonly undelivered: string[] = [];
  readonly transport: Transport;
  outputs: TransportOutput[] = [];
  now: Millis = 1_000;
  onMessage: (message: Message, hop: Hop) => void = () => {};
  #lastAccepted = 2 ** 31;

  constructor(settings: Settings = settingsOf()) {
    this.transport = new Transport({
      settings,
      random: seededRandom(7),
      agenda: this.agenda,
      emit: (output) => this.outputs.push(output),
      user: {
        message: (message, hop) => {
          this.up.push({ message, hop });
          this.onMessage(message, hop);
        },
        unreachable: (token, reason) => this.unreachable.push({ token, reason }),
        undelivered: (branch, method) => this.undelivered.push(`${method} ${branch}`),
      },
    });
  }

  datagram(text: string, remote = ALICE, listener = "outside/udp"): void {
    this.transport.handle({ in: "datagram", listener, remote, text }, this.now);
  }

  accept(remote = ALICE, listener = "outside/tcp", tlsNames: readonly string[] = []): number {
    const connection = this.#lastAccepted++;
    this.transport.handle({ in: "accepted", connection, listener, remote, tlsNames }, this.now);
    return connection;
  }

  data(connection: number, text: string): void {
    this.transport.handle({ in: "data", connection, text }, this.now);
  }

  connected(connection: number, tlsNames: readonly string[] = []): void {
    this.transport.handle({ in: "connected", connection, tlsNames }, this.now);
  }

  closed(connection: number, reason = "reset"): void {
    this.transport.handle({ in: "closed", connection, reason }, this.now);
  }

  send(destination: Partial<Destination>, bytes = 200, token: SendToken = { waiting: true }) {
    const vias: { protocol: Protocol; sentBy: string }[] = [];
    const sent = this.transport.sendRequest(
      { realm: "outside", protocol: "udp", remote: ALICE, ...destination },
      token,
      (via) => {
        vias.push(via);
        return `${via.protocol} `.padEnd(bytes, "x");
      },
      this.now,
    );
    return { ...sent, vias, token };
  }

  /** Lets time pass, stopping at each deadline. */
  pass(ms: Millis): void {
    const end = this.now + ms;
    for (;;) {
      const at = this.agenda.nextDeadline();
      if (at === undefined || at > end) break;
      this.now = Math.max(this.now, at);
      this.agenda.expire(this.now);
    }
    this.now = end;
  }

  /** What io was asked since the last look, without the facts. */
  take(): Exclude<TransportOutput, { out: "fact" }>[] {
    const taken = this.outputs.filter((output) => output.out !== "fact");
    this.outputs = this.outputs.filter((output) => output.out === "fact");
    return taken;
  }

  facts(): Fact[] {
    return this.outputs.flatMap((output) => (output.out === "fact" ? [output.fact] : []));
  }

  count(name: Parameters<Transport["counters"]["get"]>[0]): number {
    return this.transport.counters.get(name);
  }
}

export interface World {
  readonly outside?: Partial<RealmSettings>;
  readonly inside?: Partial<RealmSettings>;
  readonly limits?: Partial<Settings["limits"]>;
}

export function settingsOf({ outside = {}, inside = {}, limits = {} }: World = {}): Settings {
  const realms = [
    realm("outside", ["udp 203.0.113.1 5060", "tcp 203.0.113.1 5060", "tls 203.0.113.1 5061", "udp 2001:db8::1 5060"], {
      trust: "none",
      tls: { certificate: "/c", key: "/k", ca: undefined, verify: "mutual" },
      ...outside,
    }),
    realm("inside", ["udp 10.0.0.1 5070", "tcp 10.0.0.1 5070"], { trust: "full", ...inside }),
  ];
  return boxSettings(realms, { limits: { transactions: 1_000, connections: 16, connectionsPerSource: 4, ...limits } });
}

function realm(name: string, listen: readonly string[], more: Partial<RealmSettings>): RealmSettings {
  const listeners = listen.map((text): ListenerSettings => {
    const [protocol, ip, port] = text.split(" ") as [Protocol, string, string];
    const id = `${name}/${protocol}${ip.includes(":") ? "6" : ""}`;
    return { id, realm: name, protocol, address: { ip, port: Number(port) } };
  });
  return realmSettings(name, "", { listeners, ...more });
}

export interface Text {
  readonly method?: string;
  readonly via?: string;
  readonly body?: string;
  readonly extra?: string;
}

export function requestText({
  method = "OPTIONS",
  via = "SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKx",
  body = "",
  extra = "",
}: Text = {}): string {
  return [
    `${method} sip:us@203.0.113.1 SIP/2.0`,
    `Via: ${via}`,
    "Max-Forwards: 70",
    "From: <sip:a@192.0.2.7>;tag=f",
    "To: <sip:us@203.0.113.1>",
    "Call-ID: c",
    `CSeq: 1 ${method}`,
    ...(extra === "" ? [] : [extra]),
    `Content-Length: ${body.length}`,
    "",
    body,
  ].join("\r\n");
}

export function responseText(via: string, status = 200): string {
  return [
    `SIP/2.0 ${status} OK`,
    `Via: ${via}`,
    "From: <sip:us@203.0.113.1>;tag=f",
    "To: <sip:a@192.0.2.7>;tag=t",
    "Call-ID: c",
    "CSeq: 1 OPTIONS",
    "Content-Length: 0",
    "",
    "",
  ].join("\r\n");
}
