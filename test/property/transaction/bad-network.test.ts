/** A client and a server with a network between them that loses, doubles, delays and reorders, in virtual time. */
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  Agenda,
  below,
  type Destination,
  type Hop,
  type Millis,
  type Random,
  type SendToken,
  seededRandom,
} from "../../../src/base/index.ts";
import { parseMessage, RequestDraft, type ResponseDraft, responseTo } from "../../../src/message/index.ts";
import {
  type SentAck,
  type ServerTransaction,
  Transactions,
  type TransportPort,
} from "../../../src/transaction/index.ts";

interface Weather {
  readonly seed: number;
  /** Per cent of the messages. */
  readonly loss: number;
  readonly doubling: number;
  /** Each message takes up to so long, so that they overtake each other. */
  readonly delayMs: number;
}

const weather = fc.record({
  seed: fc.integer({ min: 1, max: 2 ** 31 }),
  loss: fc.constantFrom(0, 10, 40, 80, 100),
  doubling: fc.constantFrom(0, 20, 50),
  delayMs: fc.integer({ min: 0, max: 400 }),
});

const plan = fc.record({
  method: fc.constantFrom("INVITE", "OPTIONS", "BYE"),
  reliable: fc.boolean(),
  status: fc.constantFrom(200, 302, 404, 486, 603),
  ringsAfterMs: fc.constantFrom(undefined, 10, 300),
  answersAfterMs: fc.constantFrom(0, 50, 500, 3_000, 20_000),
  cancelAfterMs: fc.constantFrom(undefined, 0, 100, 700, 4_000),
});

type Plan = typeof plan extends fc.Arbitrary<infer T> ? T : never;

test("exactly one outcome goes up, a request goes up at most once, and everything returns to zero", () => {
  fc.assert(
    fc.property(weather, plan, (skies, script) => {
      const seen = run(skies, script);
      expect(seen.outcomes).toHaveLength(1);
      expect(seen.requests).toBeLessThanOrEqual(1);
      expect(seen.cancels).toBeLessThanOrEqual(1);
      expect(seen.left).toEqual({ client: 0, server: 0, lingering: 0 });
      expect(seen.deadlines).toBe(0);
      if (skies.loss === 0 && script.method !== "INVITE") expect(seen.outcomes).toEqual([`${script.status}`]);
      if (skies.loss === 0 && script.method === "INVITE")
        expect(["timeout", "unreachable"]).not.toContain(seen.outcomes[0]);
      if (skies.loss === 100 && !script.reliable) expect(seen.outcomes).toEqual(["timeout"]);
    }),
    { numRuns: 400 },
  );
});

test("the same seed gives the same bytes", () => {
  fc.assert(
    fc.property(weather, plan, (skies, script) => {
      expect(run(skies, script).bytes).toEqual(run(skies, script).bytes);
    }),
    { numRuns: 30 },
  );
});

function run(skies: Weather, script: Plan) {
  const random = seededRandom(skies.seed);
  const clock = new Clock();
  const bytes: string[] = [];
  const seen = { outcomes: [] as string[], requests: 0, cancels: 0 };
  // Layers know each other only by the network.
  const toServer = (text: string): void => server.message(parseMessage(text), hopOf(script.reliable), clock.now);
  const toClient = (text: string): void => client.message(parseMessage(text), hopOf(script.reliable), clock.now);
  const network = (deliver: (text: string) => void) => (text: string) => {
    bytes.push(text);
    carry(random, skies, script.reliable, clock, () => deliver(text));
  };
  const client = layer(clock, random, port(network(toServer), script.reliable), () => {});
  const server = layer(clock, random, port(network(toClient), script.reliable), (transaction, request) => {
    seen.requests += 1;
    serve(
      clock,
      script,
      transaction,
      (status) => responseTo(request, status, "tag"),
      () => (seen.cancels += 1),
    );
  });
  call(clock, script, client, (outcome) => seen.outcomes.push(outcome));
  clock.run(200_000);
  const left = [client.counts(), server.counts()].reduce((a, b) => ({
    client: a.client + b.client,
    server: a.server + b.server,
    lingering: a.lingering + b.lingering,
  }));
  return { ...seen, left, deadlines: clock.agenda.size, bytes };
}

/** The caller: one outcome, the first; each 2xx is ACKed as a leg does it. */
function call(clock: Clock, script: Plan, layer: Transactions, outcome: (what: string) => void): void {
  const request = new RequestDraft(script.method, "sip:b@10.0.0.2")
    .add("From", "<sip:a@10.0.0.1>;tag=f")
    .add("To", "<sip:b@10.0.0.2>")
    .add("Call-ID", "c")
    .add("CSeq", `1 ${script.method}`);
  let ack: SentAck | undefined;
  let done = false;
  const once = (what: string): void => {
    if (!done || ack === undefined) outcome(what);
    done = true;
  };
  const transaction = layer.request(
    request,
    DESTINATION,
    {
      response: (response, _transaction, now) => {
        if (response.status < 200) return;
        if (script.method !== "INVITE" || response.status >= 300) return once(String(response.status));
        if (ack !== undefined) return ack.resend(now);
        once(String(response.status));
        const draft = new RequestDraft("ACK", "sip:b@10.0.0.2").add("From", "<sip:a@10.0.0.1>;tag=f");
        draft.add("To", "<sip:b@10.0.0.2>;tag=tag").add("Call-ID", "c").add("CSeq", "1 ACK");
        ack = layer.ack(draft, DESTINATION, now);
      },
      failed: (cause) => once(cause),
    },
    clock.now,
  );
  const { cancelAfterMs } = script;
  // A patient caller gives up in the end, as legs do: a lost final answer over UDP must not last for ever.
  for (const at of [cancelAfterMs, 60_000]) if (at !== undefined) clock.at(at, () => transaction.cancel([], clock.now));
}

/** The callee, with a leg's copies of the 2xx. */
function serve(
  clock: Clock,
  script: Plan,
  transaction: ServerTransaction,
  answer: (status: number) => ResponseDraft,
  cancelled: () => void,
): void {
  transaction.setOwner({
    cancelled: () => {
      cancelled();
      transaction.respond(answer(487), clock.now);
    },
  });
  const { ringsAfterMs, answersAfterMs, status } = script;
  if (ringsAfterMs !== undefined) clock.in(ringsAfterMs, () => transaction.respond(answer(180), clock.now));
  clock.in(answersAfterMs, () => transaction.respond(answer(status), clock.now));
  for (let i = 1; i < 60; i++) clock.in(answersAfterMs + i * 500, () => transaction.resendFinal(clock.now));
}

function carry(random: Random, skies: Weather, reliable: boolean, clock: Clock, deliver: () => void): void {
  if (reliable) return clock.in(1, deliver);
  const copies = below(random, 100) < skies.doubling ? 2 : 1;
  for (let i = 0; i < copies; i++) {
    if (below(random, 100) >= skies.loss) clock.in(below(random, skies.delayMs + 1), deliver);
  }
}

const DESTINATION: Destination = { realm: "r", protocol: "udp", remote: { ip: "10.0.0.2", port: 5060 } };

const hopOf = (reliable: boolean): Hop => ({
  realm: "r",
  listener: "l",
  protocol: reliable ? "tcp" : "udp",
  remote: DESTINATION.remote,
  connection: reliable ? 1 : 0,
  tlsNames: [],
});

function port(send: (text: string) => void, reliable: boolean): TransportPort {
  const hop = hopOf(reliable);
  return {
    sendRequest(_destination, _token: SendToken, make) {
      send(make({ protocol: hop.protocol, sentBy: "10.0.0.1" }));
      return { protocol: hop.protocol, hop };
    },
    resend: (_hop, text) => send(text),
    sendResponse(_hop, _via, text) {
      send(text);
      return hop;
    },
  };
}

function layer(
  clock: Clock,
  random: Random,
  transport: TransportPort,
  request: (server: ServerTransaction, request: Parameters<Transactions["message"]>[0] & { kind: "request" }) => void,
): Transactions {
  return new Transactions({
    transport,
    random,
    agenda: clock.agenda,
    limit: 100,
    user: { request: (incoming, server) => request(server, incoming), ack() {}, strayResponse() {}, lateFork() {} },
  });
}

/** Virtual time: the agenda of the layers, and what the test itself has to do. */
class Clock {
  readonly agenda = new Agenda();
  now: Millis = 0;
  #order = 0;
  readonly #todo: { at: Millis; order: number; act: () => void }[] = [];

  at(when: Millis, act: () => void): void {
    this.#todo.push({ at: when, order: this.#order++, act });
    this.#todo.sort((a, b) => a.at - b.at || a.order - b.order);
  }

  in(ms: Millis, act: () => void): void {
    this.at(this.now + ms, act);
  }

  run(until: Millis): void {
    for (;;) {
      const timer = this.agenda.nextDeadline() ?? Number.POSITIVE_INFINITY;
      const todo = this.#todo[0]?.at ?? Number.POSITIVE_INFINITY;
      const at = Math.min(timer, todo);
      if (at > until) return;
      this.now = Math.max(this.now, at);
      if (timer <= todo) this.agenda.expire(this.now);
      else this.#todo.shift()?.act();
    }
  }
}
