/**
 * The door of the room: bytes in and out as values, with everything about how they travel. `io` owns the sockets,
 * the transaction layer the meaning.
 */
import {
  type Agenda,
  BoundedMap,
  Counters,
  type Destination,
  defaultPort,
  type Family,
  familyOf,
  type Hop,
  hostText,
  isWeb,
  MINUTE,
  type Millis,
  type Protocol,
  type Random,
  type SendToken,
  type Settings,
  type TargetSettings,
} from "../base/index.ts";
import { isIp4, isIp6, type Message, parseMessage, type Response, sameHost, type ViaValue } from "../message/index.ts";
import { BAD_MESSAGES, type CloseReason, type Connection, type ConnectionHome } from "./connection.ts";
import { Connections, type ConnectionsCounter } from "./connections.ts";
import { FailureQueue } from "./failures.ts";
import { type Listener, Listeners } from "./listeners.ts";
import { type Found, Locator, type Reach } from "./locate.ts";
import { Names, type NamesCounter } from "./names.ts";
import { Refusals, type RefusalsCounter } from "./refusals.ts";
import { SourceRates } from "./source-rates.ts";
import { stunAnswer } from "./stun.ts";
import { stampVia } from "./via-stamp.ts";
import type { LocalAddress, TransportInput, TransportOutput, TransportUser } from "./words.ts";

/** Limit: a request of more bytes does not go by UDP when it may go by TCP. RFC 3261 §18.1.1. */
export const UDP_REQUEST_BYTES = 1_300;
/** How long we remember that a neighbour takes no TCP: its large requests then go by UDP at once. */
const NO_TCP_MEMORY: Millis = 5 * MINUTE;
/** Limit: neighbours remembered so; more are simply tried again each time. */
const NO_TCP_NEIGHBOURS = 1_024;

export type TransportCounter =
  | "datagram.in"
  | "datagram.unknown-listener"
  | "datagram.keepalive"
  | "datagram.not-sip"
  | "datagram.undelivered"
  | "datagram.stun-answered"
  | "source.over-rate"
  | "ping.answered"
  | "response.to-source"
  | "response.not-ours"
  | "response.several-vias"
  | "response.maddr-ignored"
  | "request.by-tcp-for-size"
  | "send.no-listener"
  | "send.unreachable"
  | ConnectionsCounter
  | NamesCounter
  | RefusalsCounter;

export interface TransportView {
  readonly connections: number;
  readonly listeners: readonly { readonly id: string; readonly realm: string; readonly sentBy: string }[];
  readonly dnsAnswers: number;
  readonly counters: Readonly<Partial<Record<TransportCounter, number>>>;
}

export interface TransportOptions {
  readonly settings: Settings;
  readonly random: Random;
  readonly emit: (output: TransportOutput) => void;
  readonly user: TransportUser;
  readonly agenda: Agenda;
}

export class Transport {
  readonly #own = new Counters<TransportCounter>();
  readonly #emit: (output: TransportOutput) => void;
  readonly #user: TransportUser;
  readonly #agenda: Agenda;
  readonly #names: Names;
  readonly #locator: Locator;
  readonly #refusals: Refusals;
  readonly #connections: Connections;
  readonly #failures: FailureQueue;
  readonly #rates: SourceRates;
  readonly #noTcp = new BoundedMap<string, Millis>(NO_TCP_NEIGHBOURS);
  #listeners: Listeners;

  constructor({ settings, random, emit, user, agenda }: TransportOptions) {
    this.#emit = emit;
    this.#user = user;
    this.#agenda = agenda;
    this.#listeners = new Listeners(settings);
    this.#rates = new SourceRates(settings.limits.messagesPerSource);
    this.#names = new Names(emit, agenda);
    this.#locator = new Locator(this.#names, random);
    this.#refusals = new Refusals(emit, random);
    this.#failures = new FailureQueue(user, agenda, this.#own);
    const home: ConnectionHome = {
      agenda,
      close: (connection, reason, now) => this.#close(connection, reason, now),
      ping: ({ id: connection, protocol }) =>
        this.#emit(isWeb(protocol) ? { out: "ping", connection } : { out: "write", connection, text: "\r\n\r\n" }),
    };
    this.#connections = new Connections({ home, emit, failures: this.#failures, limits: settings.limits });
  }

  get counters(): { snapshot(): Partial<Record<TransportCounter, number>>; get(name: TransportCounter): number } {
    const snapshot = (): Partial<Record<TransportCounter, number>> => ({
      ...this.#own.snapshot(),
      ...this.#connections.counters.snapshot(),
      ...this.#names.counters.snapshot(),
      ...this.#refusals.counters.snapshot(),
    });
    return { snapshot, get: (name) => snapshot()[name] ?? 0 };
  }

  view(): TransportView {
    return {
      connections: this.#connections.size,
      listeners: [...this.#listeners.values()].map(({ id, realm, sentBy }) => ({ id, realm: realm.name, sentBy })),
      dnsAnswers: this.#names.size,
      counters: this.counters.snapshot(),
    };
  }

  handle(input: TransportInput, now: Millis): void {
    switch (input.in) {
      case "datagram":
        return this.#datagram(input.listener, input.remote, input.text, now);
      case "undelivered":
        return this.#undelivered(input.text, now);
      case "data":
        return this.#data(input.connection, input.text, now);
      case "pong":
        return this.#connections.get(input.connection)?.heardPong(now);
      case "drained": {
        const connection = this.#connections.get(input.connection);
        if (connection !== undefined) connection.unsentBytes = input.unsentBytes;
        return;
      }
      case "accepted":
        return this.#accepted(input.connection, input.listener, input.remote, input.tlsNames, now);
      case "connected":
        return this.#connections.up(input.connection, input.tlsNames, now);
      case "closed":
        return this.#ended(input.connection, input.reason, now);
      case "resolved":
        return this.#names.resolved(input.query, input.records, input.negativeSeconds, now);
      case "resolve-failed":
        return this.#names.failed(input.query, now);
      default:
        input satisfies never;
    }
  }

  /**
   * Sends a request. `make` writes the text for the Via that it gets: called once, or twice when a request that is
   * too large for UDP goes by TCP. What cannot be sent is told to `unreachable` later, never from within.
   */
  sendRequest(
    destination: Destination,
    token: SendToken,
    make: (via: { readonly protocol: Protocol; readonly sentBy: string }) => string,
    now: Millis,
  ): { readonly protocol: Protocol; readonly hop: Hop } {
    if (destination.protocol !== "udp") return this.#sendOnStream(destination, token, make, now);

    const listener = this.#speaker(destination);
    if (listener === undefined) return this.#unsendable(destination, token, make, "no UDP listener for it", now);
    const text = make({ protocol: "udp", sentBy: listener.sentBy });
    if (text.length > UDP_REQUEST_BYTES && this.#mayUseTcp(destination, listener.family, now)) {
      this.#own.add("request.by-tcp-for-size");
      return this.#sendOnStream({ ...destination, protocol: "tcp" }, token, make, now);
    }
    const hop = listener.datagramHop(destination.remote);
    this.#emit({ out: "datagram", listener: listener.id, remote: destination.remote, text });
    return { protocol: "udp", hop };
  }

  /** Of a datagram: where the flow is that it goes back over, else the realm's first. */
  #speaker({ realm, remote, listener }: Destination): Listener | undefined {
    const own = listener === undefined ? undefined : this.#listeners.get(listener);
    return own?.realm.name === realm ? own : this.#listeners.find(realm, "udp", familyOf(remote.ip));
  }

  /** Sends a text again on the hop that it went at first. */
  resend(hop: Hop, text: string, token: SendToken, now: Millis): void {
    if (hop.protocol === "udp") return this.#sendDatagram(hop, text, token, now);
    const connection = this.#connections.get(hop.connection);
    if (connection === undefined) this.#failures.add([token], "its connection is gone", now);
    else this.#connections.write(connection, text, token, now);
  }

  /**
   * Sends a response where RFC 3261 §18.2.2 and RFC 3581 §4 want it: `hop` and `topVia` are those of its request.
   * Gives the hop that it went by, for `resend`.
   *
   * Deviation: RFC 3261 §18.2.2 lets `maddr` name another address for the response; we send to the source only, since
   * else anybody could aim our answers at anybody.
   */
  sendResponse(hop: Hop, topVia: ViaValue, text: string, now: Millis, token: SendToken = NOBODY): Hop {
    if (topVia.params.has("maddr")) this.#own.add("response.maddr-ignored");
    if (hop.protocol === "udp") {
      const port = this.#answersToSource(hop, topVia) ? hop.remote.port : (topVia.port ?? defaultPort("udp"));
      const way = port === hop.remote.port ? hop : { ...hop, remote: { ip: hop.remote.ip, port } };
      this.#sendDatagram(way, text, token, now);
      return way;
    }
    const connection = this.#connections.get(hop.connection) ?? this.#reconnect(hop, topVia, now);
    if (connection === undefined) {
      this.#failures.add([token], "no connection for the response", now);
      return hop;
    }
    // On an open connection nobody waits for the news: what was written before the end may have arrived.
    this.#connections.write(connection, text, connection.up ? undefined : token, now);
    return connection.hop;
  }

  /**
   * RFC 3581 §4. Deviation: RFC 3261 §18.2.2 wants the port of the Via where no rport is; a stranger whose address is not
   * the one in its Via has no such port on this side of its NAT.
   */
  #answersToSource(hop: Hop, { params, host }: ViaValue): boolean {
    if (params.has("rport")) return true;
    const trust = this.#listeners.get(hop.listener)?.realm.trust;
    if (trust !== "none" || !(isIp4(host) || isIp6(host)) || sameHost(host, hop.remote.ip)) return false;
    this.#own.add("response.to-source");
    return true;
  }

  local(realm: string, protocol: Protocol, family: Family): LocalAddress | undefined {
    return this.#listeners.speaker(realm, protocol, family)?.local;
  }

  /** As `local`, for the side of a message. Where no listener fits, the realm's first: what is sent will fail anyway. */
  localFor(place: Hop | Destination): LocalAddress {
    const byHop = place.listener === undefined ? undefined : this.#listeners.get(place.listener);
    if (byHop !== undefined) return byHop.local;
    const kept = place.connection === undefined ? undefined : this.#connections.get(place.connection)?.listener;
    if (kept !== undefined) return kept.local;
    const local = this.local(place.realm, place.protocol, familyOf(place.remote.ip));
    return local ?? this.#listeners.any(place.realm)?.local ?? NOWHERE;
  }

  /** RFC 3263. Calls back once, perhaps at once, with the places in the order to try; `[]`: nothing found. */
  resolve(
    target: { readonly realm: string } & ({ readonly uri: string } | { readonly target: TargetSettings }),
    done: Found,
    now: Millis,
  ): void {
    const reach: Reach = {
      realm: target.realm,
      can: (protocol, family) => this.#listeners.speaker(target.realm, protocol, family) !== undefined,
    };
    if ("uri" in target) this.#locator.uri(reach, target.uri, done, now);
    else this.#locator.target(reach, target.target, done, now);
  }

  /** Whoever needs a connection to stay (a dialog with somebody behind NAT) holds it, once or more; idle or not, it stays. */
  hold(connection: number): void {
    const held = this.#connections.get(connection);
    if (held !== undefined) held.held += 1;
  }

  release(connection: number): void {
    const held = this.#connections.get(connection);
    if (held === undefined || held.held === 0) return;
    held.held -= 1;
    this.#agenda.watch(held);
  }

  /** `token` hears of the end of this connection for as long as it waits; nothing when there is none. */
  expect(connection: number, token: SendToken): void {
    this.#connections.get(connection)?.expect(token);
  }

  /**
   * Reminds a NAT on the way of a UDP flow.
   *
   * Deviation: RFC 5626 §4.4.2 wants STUN, whose answer would prove the way; we send the CRLFs of streams, which servers
   * pass over in silence, and learn of a dead way at the next refresh.
   */
  keepAlive(hop: Hop): void {
    if (hop.protocol !== "udp" || this.#listeners.get(hop.listener) === undefined) return;
    this.#emit({ out: "datagram", listener: hop.listener, remote: hop.remote, text: "\r\n\r\n" });
  }

  /** After a reload: listeners come and go (their sockets are io's); connections in use live on with what they had. */
  apply(settings: Settings, _now: Millis): void {
    this.#listeners = new Listeners(settings);
    this.#connections.apply(settings.limits);
    this.#rates.perSecond = settings.limits.messagesPerSource;
  }

  #datagram(listenerId: string, remote: Hop["remote"], text: string, now: Millis): void {
    this.#own.add("datagram.in");
    const listener = this.#listeners.get(listenerId);
    if (listener === undefined) return this.#own.add("datagram.unknown-listener");
    if (text.length <= 4) return this.#own.add("datagram.keepalive"); // CRLFs, NULs, nothing: they hold NAT bindings open.
    const hop = listener.datagramHop(remote);
    if (!this.#mayEnter(hop, listener, now)) return;
    if (text.charCodeAt(0) < 4) return this.#stun(text, hop); // RFC 7983 §7.
    this.#message(text, hop, listener, undefined, now);
  }

  /** A phone behind NAT asks what it looks like from here. RFC 5626 §3.5.2. */
  #stun(text: string, { listener, remote }: Hop): void {
    const answer = stunAnswer(text, remote);
    if (answer === undefined) return this.#own.add("datagram.not-sip");
    this.#own.add("datagram.stun-answered");
    this.#emit({ out: "datagram", listener, remote, text: answer });
  }

  /** Nothing of what a stranger sends faster than he may is looked at. */
  #mayEnter(hop: Hop, { realm }: Listener, now: Millis): boolean {
    const { ip } = hop.remote;
    if (realm.trust === "full" || this.#rates.take(ip, now)) return true;
    if (this.#user.known?.(hop, now) === true) {
      this.#rates.exempt(ip, now);
      return true;
    }
    this.#own.add("source.over-rate");
    const source = this.#rates.dropped(ip, now);
    if (source !== undefined) this.#emit({ out: "fact", fact: { fact: "source.limited", realm: realm.name, source } });
    return false;
  }

  /**
   * Anybody can send ICMP errors; that this one quotes the branch, which only the neighbour and those on the way have
   * seen, makes it theirs. A response that found nobody is nobody's loss: its request comes again.
   */
  #undelivered(text: string, now: Millis): void {
    this.#own.add("datagram.undelivered");
    const request = /^([A-Z]+) [^\r\n]+\r\nVia: [^;\r\n]+;branch=([^;\r\n]+)[;\r]/.exec(text);
    if (request !== null) this.#user.undelivered(request[2]!, request[1]!, now);
  }

  #data(id: number, text: string, now: Millis): void {
    const connection = this.#connections.get(id);
    if (connection === undefined) return; // We closed it; these bytes were on their way.
    const { framer } = connection;
    try {
      for (const frame of framer.push(text)) {
        if (frame === "ping") this.#answerPing(connection, now);
        else if (frame === "pong") connection.heardPong(now);
        else if (!this.#mayEnter(connection.hop, connection.listener, now)) {
          return this.#close(connection, "over rate", now);
        } else {
          connection.heardMessage(now);
          this.#message(frame, connection.hop, connection.listener, connection, now);
        }
        if (this.#connections.get(id) === undefined) return; // Closed by what the message led to.
      }
      if (framer.failed !== undefined) throw framer.failed;
    } catch (error) {
      this.#refuse(error, connection.hop, text.length, now);
      return this.#close(connection, "malformed", now);
    }
    connection.heard(now);
  }

  #answerPing(connection: Connection, now: Millis): void {
    this.#own.add("ping.answered");
    connection.heardPing(now);
    this.#connections.write(connection, "\r\n", undefined, now);
  }

  #message(text: string, hop: Hop, listener: Listener, connection: Connection | undefined, now: Millis): void {
    let message: Message;
    try {
      message = parseMessage(text.startsWith("SIP/") ? text : stampVia(text, hop.remote));
    } catch (error) {
      this.#refuse(error, hop, text.length, now);
      if (connection !== undefined && ++connection.badMessages >= BAD_MESSAGES)
        this.#close(connection, "malformed", now);
      return;
    }
    if (message.kind === "response") {
      if (!this.#isOurs(message, listener)) return;
    } else if (connection !== undefined) this.#connections.alias(connection, message);
    this.#user.message(message, hop, now);
  }

  /** RFC 3261 §18.1.2: a response whose top Via is not ours has lost its way, or was made up; §8.1.3.3: one Via only. */
  #isOurs(response: Response, listener: Listener): boolean {
    const { via } = response;
    const port = via.port ?? defaultPort(listener.protocol);
    if (port !== listener.port || !sameHost(via.host, listener.ip)) {
      this.#own.add("response.not-ours");
      return false;
    }
    if (response.hasOneVia) return true;
    this.#own.add("response.several-vias");
    return false;
  }

  #refuse(error: unknown, hop: Hop, bytes: number, now: Millis): void {
    const answer = this.#refusals.handle(error, hop, bytes, now);
    if (answer !== undefined) this.sendResponse(hop, answer.to.via, answer.text, now);
  }

  #accepted(id: number, listenerId: string, remote: Hop["remote"], tlsNames: readonly string[], now: Millis): void {
    const listener = this.#listeners.get(listenerId);
    if (listener === undefined) {
      this.#emit({ out: "close", connection: id, reason: "its listener is gone" });
      return;
    }
    const refused = (reason: string): void =>
      this.#refusals.fact("connection.refused", listener.realm.name, remote.ip, `over the limit ${reason}`, now);
    this.#connections.accept(id, listener, remote, tlsNames, refused, now);
  }

  #ended(id: number, reason: string, now: Millis): void {
    const connection = this.#connections.ended(id, reason, now);
    if (connection !== undefined && !connection.up) this.#refuseTcp(connection, now);
  }

  #close(connection: Connection, reason: CloseReason, now: Millis): void {
    if (!connection.up) this.#refuseTcp(connection, now);
    this.#connections.close(connection, reason, now);
  }

  #refuseTcp({ protocol, hop }: Connection, now: Millis): void {
    if (protocol === "tcp") this.#noTcp.set(neighbour(hop.realm, hop.remote), now + NO_TCP_MEMORY);
  }

  #mayUseTcp(destination: Destination, family: Family, now: Millis): boolean {
    if (destination.tcpForLargeRequests !== true) return false;
    if (this.#listeners.find(destination.realm, "tcp", family) === undefined) return false;
    const key = neighbour(destination.realm, destination.remote);
    const until = this.#noTcp.get(key);
    if (until === undefined) return true;
    if (now < until) return false;
    this.#noTcp.delete(key);
    return true;
  }

  #sendOnStream(
    destination: Destination,
    token: SendToken,
    make: (via: { readonly protocol: Protocol; readonly sentBy: string }) => string,
    now: Millis,
  ): { readonly protocol: Protocol; readonly hop: Hop } {
    const { protocol } = destination;
    const listener = this.#listeners.speaker(destination.realm, protocol, familyOf(destination.remote.ip));
    if (listener === undefined) return this.#unsendable(destination, token, make, "no listener for it", now);
    const connection = this.#connections.forRequest(destination, listener, now);
    if (connection === undefined) {
      const reason = destination.flowOnly === true ? "its flow is gone" : "too many connections";
      return this.#unsendable(destination, token, make, reason, now);
    }
    const text = make({ protocol, sentBy: connection.listener.sentBy });
    this.#connections.write(connection, text, token, now);
    return { protocol, hop: connection.hop };
  }

  #unsendable(
    { realm, protocol, remote }: Destination,
    token: SendToken,
    make: (via: { readonly protocol: Protocol; readonly sentBy: string }) => string,
    reason: string,
    now: Millis,
  ): { readonly protocol: Protocol; readonly hop: Hop } {
    this.#own.add("send.no-listener");
    make({ protocol, sentBy: hostText("0.0.0.0") }); // The caller counts on a text, though this one goes nowhere.
    this.#failures.add([token], reason, now);
    return { protocol, hop: { realm, listener: "", protocol, remote, connection: 0, tlsNames: [] } };
  }

  #sendDatagram(hop: Hop, text: string, token: SendToken, now: Millis): void {
    if (this.#listeners.get(hop.listener) === undefined) {
      this.#own.add("send.no-listener");
      return this.#failures.add([token], "its listener is gone", now);
    }
    this.#emit({ out: "datagram", listener: hop.listener, remote: hop.remote, text });
  }

  #reconnect(hop: Hop, topVia: ViaValue, now: Millis): Connection | undefined {
    if (isWeb(hop.protocol)) return undefined; // RFC 7118 §5: back over its connection, or not at all.
    const listener = this.#listeners.speaker(hop.realm, hop.protocol, familyOf(hop.remote.ip));
    if (listener === undefined) return undefined;
    const remote = { ip: hop.remote.ip, port: topVia.port ?? defaultPort(hop.protocol) };
    return this.#connections.forResponse(hop, listener, remote, topVia.host, now);
  }
}

const NOBODY: SendToken = { waiting: false };
const NOWHERE: LocalAddress = { host: "0.0.0.0", port: 5060, ip: "0.0.0.0" };

const neighbour = (realm: string, remote: Hop["remote"]): string => `${realm} ${remote.ip} ${remote.port}`;
