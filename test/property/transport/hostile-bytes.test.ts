/** Whatever arrives, in datagrams or streams: nothing throws, nothing stays, and the next good request is served. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { seededRandom } from "../../../src/base/index.ts";
import { responseTo } from "../../../src/message/index.ts";
import { Transactions } from "../../../src/transaction/index.ts";
import { Bench, requestText, responseText } from "../../unit/transport/bench.ts";

const piece = fc.constantFrom(
  "\r\n",
  "\r",
  "\n",
  "\0",
  " ",
  "\t",
  ",",
  ";",
  ":",
  '"',
  "\\",
  "<",
  ">",
  "=",
  "rport",
  "received=1.1.1.1",
  "v:",
  "Via:",
  "maddr=1.2.3.4",
  "branch=z9hG4bK",
  "Content-Length: 99999999999",
  "l: 5",
  "SIP/2.0",
  "SIP/3.0",
  "ACK",
  "CANCEL",
  "INVITE",
  "[::1]",
  "\xff",
  ";tag=",
  "z".repeat(300),
);

const spoilt = fc
  .tuple(
    fc.constantFrom("OPTIONS", "INVITE", "CANCEL", "ACK", "BYE", "response"),
    fc.array(fc.record({ at: fc.nat(400), cut: fc.nat(30), put: piece }), { maxLength: 6 }),
  )
  .map(([method, edits]) => {
    const via = "SIP/2.0/UDP 203.0.113.1:5060;branch=z9hG4bKx;rport";
    let text = method === "response" ? responseText(via) : requestText({ method, via });
    for (const { at, cut, put } of edits) text = text.slice(0, at) + put + text.slice(at + cut);
    return text;
  });

test("spoilt messages in datagrams and streams", () => {
  fc.assert(
    fc.property(fc.array(spoilt, { maxLength: 8 }), fc.nat(50), (texts, cut) => {
      const bench = new Bench();
      const layer = layerOver(bench);
      const connection = bench.accept();
      for (const text of texts) {
        bench.datagram(text);
        bench.data(connection, text.slice(0, cut));
        bench.data(connection, text.slice(cut));
      }
      bench.take();
      bench.datagram(
        requestText({ via: "SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKgood" }).replace("Call-ID: c", "Call-ID: good"),
      );
      expect(bench.take()).toMatchObject([{ out: "datagram", text: expect.stringMatching(/^SIP\/2\.0 200 /) }]);
      bench.pass(700_000);
      expect(layer.counts()).toEqual({ client: 0, server: 0, lingering: 0 });
      expect(bench.agenda.size).toBe(0);
    }),
    { numRuns: 500 },
  );
});

function layerOver(bench: Bench): Transactions {
  const layer: Transactions = new Transactions({
    transport: bench.transport,
    random: seededRandom(5),
    agenda: bench.agenda,
    limit: 100,
    user: {
      request: (request, server) => server.respond(responseTo(request, 200, "t"), bench.now),
      ack() {},
      strayResponse() {},
      lateFork() {},
    },
  });
  bench.onMessage = (message, hop) => layer.message(message, hop, bench.now);
  return layer;
}
