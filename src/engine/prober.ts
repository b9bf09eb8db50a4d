/**
 * Health checks: one OPTIONS a round to each target that routing asks about (RFC 3261 §11). Any final answer means that
 * somebody is there and speaks SIP; 408 and 503, silence and a refused connection mean that it can take no calls.
 */
import { isSecure, type Millis, type Random, token, transportParam } from "../base/index.ts";
import { INITIAL_MAX_FORWARDS, RequestDraft, type Response } from "../message/index.ts";
import type { Routing, RoutingOutput, TargetState } from "../routing/index.ts";
import type { ClientOwner, Transactions } from "../transaction/index.ts";
import type { Destination, Transport } from "../transport/index.ts";

interface ProberOptions {
  readonly transport: Transport;
  readonly transactions: Transactions;
  readonly routing: Routing;
  readonly random: Random;
  readonly version: string;
}

type Question = Extract<RoutingOutput, { out: "probe" | "resolve" }>;

export class Prober {
  readonly #options: ProberOptions;

  constructor(options: ProberOptions) {
    this.#options = options;
  }

  /** Looks the target's name up, and asks the first address with OPTIONS when that is the question. */
  handle({ out, target }: Question, now: Millis): void {
    const { transport, routing } = this.#options;
    transport.resolve(
      { realm: target.realm, target: target.settings },
      (found, at) => {
        routing.resolvedAddresses(
          target,
          found.map((destination) => destination.remote.ip),
        );
        if (out === "resolve") return;
        const first = found[0];
        if (first === undefined) routing.probed(target, "down", "its name has no address", at);
        else this.#ask(target, first, at);
      },
      now,
    );
  }

  #ask(target: TargetState, destination: Destination, now: Millis): void {
    const { routing, transactions } = this.#options;
    const owner: ClientOwner = {
      response: (response, _transaction, at) => {
        if (response.status >= 200) routing.probed(target, verdict(response), `answered ${response.status}`, at);
      },
      failed: (cause, _transaction, at) => routing.probed(target, "down", cause, at),
    };
    transactions.request(this.#optionsRequest(destination), destination, owner, now);
  }

  #optionsRequest(destination: Destination): RequestDraft {
    const { transport, random } = this.#options;
    const here = transport.localFor(destination);
    const scheme = isSecure(destination.protocol) ? "sips" : "sip";
    const host = destination.serverName ?? hostPort(destination.remote.ip, destination.remote.port);
    const us = `${scheme}:${here.host}`;
    return new RequestDraft("OPTIONS", `${scheme}:${host}`)
      .add("Max-Forwards", String(INITIAL_MAX_FORWARDS))
      .add("From", `<${us}>;tag=${token(random, 16)}`)
      .add("To", `<${scheme}:${host}>`)
      .add("Call-ID", token(random, 24))
      .add("CSeq", "1 OPTIONS")
      .add("Contact", `<${contactOf(scheme, here, destination)}>`)
      .add("Accept", "application/sdp");
  }
}

const verdict = (response: Response): "up" | "down" =>
  response.status === 408 || response.status === 503 ? "down" : "up";

const hostPort = (ip: string, port: number): string => (ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`);

const contactOf = (scheme: string, here: { host: string; port: number }, destination: Destination): string =>
  `${scheme}:${here.host}:${here.port}${transportParam(destination.protocol, scheme === "sips")}`;
