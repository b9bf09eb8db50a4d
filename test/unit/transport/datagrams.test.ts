import { expect, test } from "vitest";
import { parseMessage } from "../../../src/message/index.ts";
import { ALICE, Bench, requestText, responseText, settingsOf } from "./bench.ts";

test("a request goes up with received and rport in its Via, and the hop it came by", () => {
  const bench = new Bench();
  bench.datagram(requestText({ via: "SIP/2.0/UDP 10.9.9.9;rport;branch=z9hG4bKx" }));
  expect(bench.up).toHaveLength(1);
  const { message, hop } = bench.up[0]!;
  expect(message.headers.raw("Via")).toBe("SIP/2.0/UDP 10.9.9.9;rport=4242;branch=z9hG4bKx;received=192.0.2.7");
  expect(hop).toEqual({
    realm: "outside",
    listener: "outside/udp",
    protocol: "udp",
    remote: ALICE,
    connection: 0,
    tlsNames: [],
  });
});

test("the answer goes to the source's port with rport, to the sent-by port without unless a NAT is between, and never to maddr", () => {
  const to = (via: string) => {
    const bench = new Bench();
    bench.onMessage = ({ via: top }, hop) => bench.transport.sendResponse(hop, top, "answer", bench.now);
    bench.datagram(requestText({ via }));
    return bench.take();
  };
  const answer = (port: number) => [
    { out: "datagram", listener: "outside/udp", remote: { ip: ALICE.ip, port }, text: "answer" },
  ];
  expect(to("SIP/2.0/UDP 10.9.9.9:5099;rport;branch=z9hG4bKx")).toEqual(answer(4242));
  expect(to("SIP/2.0/UDP 10.9.9.9:5099;branch=z9hG4bKx")).toEqual(answer(4242));
  expect(to("SIP/2.0/UDP 192.0.2.7:5099;branch=z9hG4bKx")).toEqual(answer(5099));
  expect(to("SIP/2.0/UDP proxy.example.com:5099;branch=z9hG4bKx")).toEqual(answer(5099));
  expect(to("SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKx")).toEqual(answer(5060));
  expect(to("SIP/2.0/UDP 10.9.9.9;branch=z9hG4bKx;maddr=198.51.100.1;received=198.51.100.2")).toEqual(answer(4242));
});

test("responses come up only with one Via, and that ours", () => {
  const bench = new Bench();
  const ours = "SIP/2.0/UDP 203.0.113.1:5060;branch=z9hG4bKus";
  bench.datagram(responseText(ours));
  bench.datagram(responseText("SIP/2.0/UDP 203.0.113.1;branch=z9hG4bKus")); // 5060 is the default.
  expect(bench.up).toHaveLength(2);
  for (const via of [
    "SIP/2.0/UDP 203.0.113.2:5060;branch=x",
    "SIP/2.0/UDP 203.0.113.1:5061;branch=x",
    "SIP/2.0/UDP 10.0.0.1:5070;branch=x",
  ]) {
    bench.datagram(responseText(via));
  }
  bench.datagram(responseText(`${ours}, SIP/2.0/UDP 10.0.0.1`));
  bench.datagram(responseText(`${ours}\r\nVia: SIP/2.0/UDP 10.0.0.1`));
  expect(bench.up).toHaveLength(2);
  expect(bench.count("response.not-ours")).toBe(3);
  expect(bench.count("response.several-vias")).toBe(2);
});

test("an ICMP error that quotes a request is told by its branch; other quotations are counted", () => {
  const bench = new Bench();
  const via = "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKabc;rport\r\n";
  for (const text of [
    `INVITE sip:a@b SIP/2.0\r\n${via}From: `,
    `CANCEL sip:a@b SIP/2.0\r\n${via.slice(0, -2)}`, // Cut off behind the branch.
    `INVITE sip:a@b SIP/2.0\r\n${via.slice(0, 45)}`, // Cut off within the branch: whose it is cannot be told.
    `SIP/2.0 200 OK\r\n${via}`,
    "",
  ])
    bench.transport.handle({ in: "undelivered", text }, 0);
  expect(bench.undelivered).toEqual(["INVITE z9hG4bKabc", "CANCEL z9hG4bKabc"]);
  expect(bench.transport.view().counters["datagram.undelivered"]).toBe(5);
});

test("keepalives, STUN and datagrams for no listener are counted and dropped", () => {
  const bench = new Bench();
  for (const text of ["", "\r\n", "\r\n\r\n", "\0\0\0\0"]) bench.datagram(text);
  bench.datagram(`\0\x01${"x".repeat(20)}`);
  bench.datagram(requestText(), ALICE, "gone/udp");
  expect(bench.up).toEqual([]);
  expect(bench.outputs).toEqual([]);
  expect(bench.count("datagram.keepalive")).toBe(4);
  expect(bench.count("datagram.not-sip")).toBe(1);
  expect(bench.count("datagram.unknown-listener")).toBe(1);
});

test("a malformed request is answered in few words to its source; garbage, responses and ACKs are not", () => {
  const bench = new Bench();
  bench.datagram(
    requestText({ via: "SIP/2.0/UDP 10.9.9.9;rport;branch=z9hG4bKx" }).replace("CSeq: 1 OPTIONS", "CSeq: 1 BYE"),
  );
  const [sent] = bench.take();
  if (sent?.out !== "datagram") throw new Error("no answer");
  expect(sent.remote).toEqual(ALICE);
  const answer = parseMessage(sent.text);
  expect(answer).toMatchObject({ kind: "response", status: 400 });
  expect(answer.toTag).toBeDefined();

  bench.datagram(requestText().replace("SIP/2.0\r\n", "SIP/7.0\r\n"));
  expect(bench.take()).toMatchObject([{ text: expect.stringMatching(/^SIP\/2\.0 505 /) }]);

  for (const text of [
    "hello world",
    responseText("nothing"),
    requestText({ method: "ACK" }).replace("CSeq: 1 ACK", "CSeq: x"),
  ]) {
    bench.datagram(text);
  }
  expect(bench.take()).toEqual([]);
  expect(bench.count("bad.dropped")).toBe(3);
  expect(bench.up).toEqual([]);
  expect(bench.facts()[0]).toMatchObject({ fact: "message.bad", realm: "outside", source: ALICE.ip });
});

test("a flood of garbage makes neither a flood of answers nor of facts, and what follows is heard", () => {
  const bench = new Bench();
  const bad = requestText().replace("CSeq: 1 OPTIONS", "CSeq: 1 BYE");
  for (let i = 0; i < 10_000; i++) {
    bench.datagram(bad);
    bench.now += 0.1;
  }
  expect(bench.take().length).toBeLessThanOrEqual(20 + 50 + 1);
  expect(bench.facts().length).toBeLessThanOrEqual(20 + 2 + 1);
  expect(bench.count("bad.400")).toBe(10_000);
  bench.datagram(requestText());
  expect(bench.up).toHaveLength(1);
});

test("an answer to a bad request is never much longer than the request", () => {
  const bench = new Bench();
  const bad = "X sip:a SIP/9.0\r\nv:SIP/2.0/UDP a\r\nf:\r\nt:\r\ni:\r\nCSeq:\r\n\r\n";
  bench.datagram(bad);
  for (const sent of bench.take())
    if (sent.out === "datagram") expect(sent.text.length).toBeLessThanOrEqual(1.5 * bad.length);
  expect(bench.count("bad.amplifying") + bench.count("bad.answered") + bench.count("bad.dropped")).toBeGreaterThan(0);
});

test("requests go out of the realm's listener of that family, with its address in the Via", () => {
  const bench = new Bench();
  const four = bench.send({});
  expect(four.vias).toEqual([{ protocol: "udp", sentBy: "203.0.113.1:5060" }]);
  expect(four.hop).toMatchObject({ realm: "outside", listener: "outside/udp", remote: ALICE });
  const six = bench.send({ remote: { ip: "2001:db8::9", port: 5060 } });
  expect(six.vias).toEqual([{ protocol: "udp", sentBy: "[2001:db8::1]:5060" }]);
  const inside = bench.send({ realm: "inside", remote: { ip: "10.0.0.9", port: 5080 } });
  expect(inside.vias).toEqual([{ protocol: "udp", sentBy: "10.0.0.1:5070" }]);
  expect(bench.take().map((output) => ("listener" in output ? output.listener : ""))).toEqual([
    "outside/udp",
    "outside/udp6",
    "inside/udp",
  ]);
});

test("what no listener can send is told later, not from within", () => {
  const bench = new Bench();
  const { token } = bench.send({ realm: "inside", remote: { ip: "2001:db8::9", port: 5060 } });
  expect(bench.unreachable).toEqual([]);
  bench.pass(0);
  expect(bench.unreachable).toMatchObject([{ token }]);
  bench.send({ realm: "nowhere" }, 200, { waiting: false });
  bench.pass(0);
  expect(bench.unreachable).toHaveLength(1);
});

test("behind 1:1 NAT the public address stands in Via and Contact, and answers to it are ours", () => {
  const bench = new Bench(settingsOf({ outside: { advertise: "198.51.100.10", domain: "sbc.example.test" } }));
  expect(bench.send({}).vias).toEqual([{ protocol: "udp", sentBy: "198.51.100.10:5060" }]);
  expect(bench.transport.local("outside", "udp", 4)).toEqual({
    host: "sbc.example.test",
    port: 5060,
    ip: "198.51.100.10",
  });
  expect(bench.transport.local("outside", "udp", 6)?.ip).toBe("2001:db8::1");
  bench.datagram(responseText("SIP/2.0/UDP 198.51.100.10:5060;branch=z9hG4bKus"));
  bench.datagram(responseText("SIP/2.0/UDP 203.0.113.1:5060;branch=z9hG4bKus"));
  expect(bench.up).toHaveLength(1);
});

test("hosts of IPv6 listeners have brackets in Contact", () => {
  const bench = new Bench();
  expect(bench.transport.local("outside", "udp", 6)).toEqual({ host: "[2001:db8::1]", port: 5060, ip: "2001:db8::1" });
  expect(bench.transport.local("inside", "tls", 4)).toBeUndefined();
  expect(bench.transport.local("outside", "tls", 4)?.port).toBe(5061);
});

test("a reload takes listeners away and brings others", () => {
  const bench = new Bench();
  bench.datagram(requestText());
  const { hop } = bench.up[0]!;
  const settings = settingsOf();
  const listeners = settings.realms.get("outside")!.listeners;
  bench.transport.apply(
    settingsOf({ outside: { listeners: listeners.filter(({ id }) => id !== "outside/udp") } }),
    bench.now,
  );
  bench.datagram(requestText());
  expect(bench.up).toHaveLength(1);
  const token = { waiting: true };
  bench.transport.resend(hop, "again", token, bench.now);
  bench.pass(0);
  expect(bench.take()).toEqual([]);
  expect(bench.unreachable).toMatchObject([{ token }]);
  bench.transport.apply(settings, bench.now);
  bench.datagram(requestText());
  expect(bench.up).toHaveLength(2);
});
