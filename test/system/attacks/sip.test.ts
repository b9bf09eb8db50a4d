/** Attacks by SIP over UDP: smuggled headers, strangers' requests, descriptions and parsers, dialogs turned inside out. */
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { samples } from "../../conformance/message/corpus.ts";
import { headerOf, linesOf, type Place, sdpOf, statusOf } from "../../support/sip-party.ts";
import { Siege } from "./siege.ts";

let siege: Siege;
beforeAll(async () => {
  siege = await Siege.start("sip");
});
afterAll(async () => {
  await siege.stop();
});
afterEach(async () => {
  siege.pbx.answers = (request) => ({
    status: "200 OK",
    ...(request.startsWith("INVITE ") && { body: siege.pbx.sdp }),
  });
  await siege.alive();
});

// ---- smuggled headers

const smuggled: readonly (readonly [string, string])[] = [
  ["as it is", "P-Asserted-Identity: <sip:SMUGGLED@ceo.example>"],
  ["in capitals", "P-ASSERTED-IDENTITY: <sip:SMUGGLED@ceo.example>"],
  ["with a blank before the colon", "P-Asserted-Identity : <sip:SMUGGLED@ceo.example>"],
  ["with a tab before the colon", "P-Asserted-Identity\t: <sip:SMUGGLED@ceo.example>"],
  ["folded", "P-Asserted-Identity:\r\n <sip:SMUGGLED@ceo.example>"],
  ["behind another's fold", "Subject: x\r\n\tP-Asserted-Identity: <sip:SMUGGLED@ceo.example>"],
  ["with a NUL in its name", "P-Asserted\0-Identity: <sip:SMUGGLED@ceo.example>"],
  ["with a NUL behind its name", "P-Asserted-Identity\0: <sip:SMUGGLED@ceo.example>"],
  ["behind a bare line feed", "Subject: x\nP-Asserted-Identity: <sip:SMUGGLED@ceo.example>"],
  ["behind a bare carriage return", "Subject: x\rP-Asserted-Identity: <sip:SMUGGLED@ceo.example>"],
  ["as a header of ours", "X-SMUGGLED: yes"],
  ["as a route", "Route: <sip:SMUGGLED.example;lr>"],
  ["as a diversion", "Diversion: <sip:SMUGGLED@ceo.example>;reason=unconditional"],
  ["as a path", "Path: <sip:SMUGGLED.example;lr>"],
  ["as history", "History-Info: <sip:SMUGGLED@ceo.example>;index=1"],
  ["as charging", "P-Charging-Vector: icid-value=SMUGGLED"],
  ["as credentials", 'Authorization: Digest username="SMUGGLED"'],
  ["as a served user", "P-Served-User: <sip:SMUGGLED@ceo.example>"],
];

test.each(smuggled)("an identity or an unknown header %s does not get inside", async (_how, line) => {
  const mark = `smuggle${siege.pbx.received.length}`;
  const text = siege.carrier.request("INVITE", siege.outside, { user: mark, headers: [line], body: siege.carrier.sdp });
  const answer = await answerTo(text);
  expect([200, 400, 0]).toContain(statusOf(answer));
  // A Subject may cross: then only what is one word of it, on its own line, and never a line of its own.
  const names = siege
    .pbxGot(mark)
    .flatMap((message) => linesOf(message).map((one) => one.split(":")[0]?.trim().toLowerCase()));
  for (const name of [
    "p-asserted-identity",
    "x-smuggled",
    "diversion",
    "path",
    "history-info",
    "p-charging-vector",
    "authorization",
    "p-served-user",
  ])
    expect(names).not.toContain(name);
  for (const message of siege.pbxGot(mark)) expect(message.replace(/^Subject:.*$/m, "")).not.toContain("SMUGGLED");
  if (statusOf(answer) === 200)
    await siege.box.get<{ call: string }[]>("/calls").then((calls) => Promise.all(calls.map(({ call }) => end(call))));
});

test("the control: a header that may cross does", async () => {
  const talk = await siege.carrier.call(siege.outside, { headers: ["Subject: CROSSING"] });
  expect(siege.pbxGot("CROSSING")).not.toEqual([]);
  await talk.hangUp();
});

// ---- strangers

const METHODS = [
  "MESSAGE",
  "SUBSCRIBE",
  "INVITE",
  "REGISTER",
  "PUBLISH",
  "REFER",
  "NOTIFY",
  "INFO",
  "BYE",
  "UPDATE",
  "PRACK",
  "OPTIONS",
  "FOO",
];

test.each(METHODS)("%s from a stranger is refused in few words, and nobody inside hears of it", async (method) => {
  const before = siege.pbx.received.length;
  const text = siege.stranger.request(method, siege.outside, {
    from: "<sip:911@127.91.0.11>",
    headers: ["Event: presence"],
    body: "hello",
    contentType: "text/plain",
  });
  const answer = await siege.stranger.ask(text, siege.outside);
  expect(statusOf(answer)).toBe(403);
  expect(answer.length).toBeLessThanOrEqual(1.5 * text.length);
  expect(headerOf(answer, "Server")).toBe("");
  expect(siege.pbx.received).toHaveLength(before);
});

test("a stranger's CANCEL, ACK and responses find nothing", async () => {
  const before = siege.pbx.received.length;
  const { stranger, outside } = siege;
  expect(statusOf(await stranger.ask(stranger.request("CANCEL", outside), outside))).toBe(481);
  stranger.send(stranger.request("ACK", outside), outside);
  for (const status of ["100 Trying", "180 Ringing", "200 OK", "401 Unauthorized", "999 Nonsense"]) {
    const lines = linesOf(stranger.request("INVITE", outside)).slice(1);
    stranger.send([`SIP/2.0 ${status}`, ...lines, "", ""].join("\r\n"), outside);
    const ours = lines.map((line) =>
      line.replace(/^Via:.*/, `Via: SIP/2.0/UDP ${outside.ip}:${outside.port};branch=z9hG4bKnobody`),
    );
    stranger.send([`SIP/2.0 ${status}`, ...ours, "", ""].join("\r\n"), outside);
  }
  await siege.alive();
  expect(siege.pbx.received.slice(before).filter((message) => !/CSeq: \d+ (?:INVITE|ACK|BYE)/.test(message))).toEqual(
    [],
  );
});

test("a stranger who knows a call's every tag cannot end or change it from another side, nor cancel it", async () => {
  const talk = await siege.carrier.call(siege.outside);
  siege.stranger.send(talk.write("BYE"), siege.inside);
  siege.stranger.send(talk.write("INVITE", { body: sdpOf(siege.stranger.place.ip, 4_000) }), siege.inside);
  await siege.talksBothWays(talk);
  expect(await siege.box.get<object[]>("/calls")).toHaveLength(1);
  await talk.hangUp();
});

// ---- amplification

test("what a stranger sends is answered with at most one and a half times its bytes, whatever it is", async () => {
  const { stranger, outside } = siege;
  const short = [
    "X sip:a SIP/2.0\r\nv: SIP/2.0/UDP h;rport\r\n\r\n",
    "OPTIONS sip:a@b SIP/2.0\r\nv:SIP/2.0/UDP h;branch=z9hG4bKa;rport\r\nf:<sip:a@b>;tag=1\r\nt:<sip:a@b>\r\ni:1\r\nCSeq:1 OPTIONS\r\n\r\n",
    "INVITE sip:a@b SIP/2.0\r\nv:SIP/2.0/UDP h;branch=z9hG4bKb;rport\r\nf:<sip:a@b>;tag=1\r\nt:<sip:a@b>\r\ni:2\r\nCSeq:1 INVITE\r\nm:<sip:a@b>\r\n\r\n",
    "INVITE sip:a@b SIP/9.0\r\nv:SIP/2.0/UDP h;branch=z9hG4bKc;rport\r\nf:<sip:a@b>;tag=1\r\nt:<sip:a@b>\r\ni:3\r\nCSeq:1 INVITE\r\n\r\n",
    "A",
    "\r\n\r\n",
    "\0\0\0\0\0\0\0\0",
  ];
  const asked = short.reduce((sum, text) => sum + text.length, 0);
  for (const text of short) stranger.send(text, outside);
  // An INVITE that is refused and not acknowledged is answered again and again: five copies would be here by then.
  await new Promise((resolve) => setTimeout(resolve, 9_000));
  const got = stranger.received
    .filter((text) => text.includes("SIP/2.0/UDP h;"))
    .reduce((sum, text) => sum + text.length, 0);
  expect(got / asked).toBeLessThanOrEqual(1.5);
});

test("a request whose Via names a third party is answered to its source", async () => {
  const { stranger, outside, pbx } = siege;
  const text = stranger
    .request("OPTIONS", outside)
    .replace(
      /^Via:.*$/m,
      `Via: SIP/2.0/UDP ${pbx.place.ip}:5060;maddr=${pbx.place.ip};received=${pbx.place.ip};rport;branch=z9hG4bKreflect\r`,
    );
  const before = pbx.received.length;
  await stranger.ask(text, outside);
  expect(pbx.received).toHaveLength(before);
});

test("no hop is left: 483; a call that comes back to us twice as it was: 482", async () => {
  const { carrier, outside, pbx, inside } = siege;
  const answersOfCarrier = carrier.answers;
  const invite = carrier
    .request("INVITE", outside, { body: carrier.sdp })
    .replace("Max-Forwards: 70", "Max-Forwards: 0");
  expect(statusOf(await carrier.ask(invite, outside))).toBe(483);

  pbx.answers = () => undefined;
  carrier.answers = () => undefined;
  const looping = carrier.request("INVITE", outside, { body: carrier.sdp, user: "loop" });
  carrier.send(looping, outside);
  const isAsked = (message: string): boolean => message.startsWith("INVITE sip:loop");
  pbx.send(sentOn(await pbx.until(isAsked, "the INVITE"), pbx.place), inside); // A spiral: our PBX may well do that.
  carrier.send(sentOn(await carrier.until(isAsked, "the INVITE again"), carrier.place), outside); // A loop.
  await carrier.until((message) => message.startsWith("SIP/2.0 482 "), "482");

  pbx.answers = () => ({ status: "486 Busy" });
  carrier.answers = () => ({ status: "486 Busy" });
  carrier.send(looping.replace(/INVITE/g, "CANCEL"), outside);
  await carrier.until((message) => message.startsWith("SIP/2.0 487") && message.includes("INVITE"), "487");
  carrier.answers = answersOfCarrier;
});

// ---- descriptions, multiparts and parsers

const long = (count: number, part: string): string => part.repeat(count);
const SDP = "v=0\r\no=- 1 1 IN IP4 127.91.0.11\r\ns=-\r\nc=IN IP4 127.91.0.11\r\nt=0 0\r\n";

const descriptions: readonly (readonly [string, string])[] = [
  ["a NUL", `${SDP}m=audio 4000 RTP/AVP 0\r\na=fmtp\0:101 0-16\r\n`],
  ["a format of 2^32", `${SDP}m=audio 4000 RTP/AVP 4294967296\r\n`],
  ["a port of 2^32 + 4000", `${SDP}m=audio 4294971296 RTP/AVP 0\r\n`],
  ["a kind of 1 kB", `${SDP}m=${long(1_024, "A")} 4000 RTP/AVP 0\r\n`],
  ["64 streams", SDP + long(64, "m=audio 4000 RTP/AVP 0\r\n")],
  ["5000 streams", SDP + long(2_500, "m=audio 4000 RTP/AVP 0\r\n")],
  ["5000 formats", `${SDP}m=audio 4000 RTP/AVP${long(5_000, " 0")}\r\n`],
  ["only the version", "v=0\r\n"],
  ["nothing but line ends", "\r\n\r\n\r\n"],
  ["60 kB on one line", `${SDP}m=audio 4000 RTP/AVP 0\r\na=${long(50_000, "x")}\r\n`],
  ["a negative port", `${SDP}m=audio -1 RTP/AVP 0\r\n`],
  ["a port that is a word", `${SDP}m=audio port RTP/AVP 0\r\n`],
  [
    "fmtp without anything",
    `${SDP}m=audio 4000 RTP/AVP 0\r\na=fmtp\r\na=rtpmap\r\na=rtpmap:\r\na=crypto\r\na=crypto:1\r\n`,
  ],
];

test.each(descriptions)("an offer with %s is answered in time: refused, or taken without harm", async (_what, body) => {
  const { carrier, outside } = siege;
  const answer = await carrier.ask(carrier.request("INVITE", outside, { body }), outside);
  expect([200, 400, 413, 488]).toContain(statusOf(answer));
  await endAll();
});

test.each(descriptions)(
  "an answer with %s ends the call with ACK and BYE, or is taken without harm",
  async (_what, body) => {
    const { carrier, outside, pbx } = siege;
    pbx.answers = (request) => ({ status: "200 OK", ...(request.startsWith("INVITE ") && { body }) });
    const answer = await carrier.ask(carrier.request("INVITE", outside, { body: carrier.sdp }), outside);
    expect(statusOf(answer)).toBeGreaterThanOrEqual(200);
    await endAll();
  },
);

test("T.38 that is declined, and an offer of nothing but port 0, harm nobody", async () => {
  const talk = await siege.carrier.call(siege.outside);
  const declined = `${SDP}m=audio 0 RTP/AVP 0\r\nm=image 0 udptl t38\r\n`;
  expect(statusOf(await talk.ask("INVITE", { body: declined }))).toBeGreaterThanOrEqual(200);
  siege.pbx.answers = (request) => ({
    status: "200 OK",
    ...(request.startsWith("INVITE ") && { body: `${SDP}m=audio 0 RTP/AVP 0\r\nm=image 0 udptl t38\r\n` }),
  });
  expect(
    statusOf(await talk.ask("INVITE", { body: `${SDP}m=audio 4000 RTP/AVP 0\r\nm=image 4002 udptl t38\r\n` })),
  ).toBeGreaterThanOrEqual(200);
  await endAll();
});

const BOUNDARY = "b".repeat(70);
const multiparts: readonly (readonly [string, string, string])[] = [
  ["no boundary", "multipart/mixed", `--x\r\n\r\n${SDP}\r\n--x--`],
  ["an empty boundary", 'multipart/mixed;boundary=""', `--\r\n\r\n${SDP}\r\n----`],
  ["a boundary of 5000", `multipart/mixed;boundary=${long(5_000, "b")}`, "x"],
  ["a boundary that never comes", "multipart/mixed;boundary=never", long(8_000, "--neve")],
  [
    "a boundary that nearly comes everywhere",
    `multipart/mixed;boundary=${BOUNDARY}`,
    long(800, `\r\n--${BOUNDARY.slice(1)}`),
  ],
  ["a thousand parts", "multipart/mixed;boundary=b", `${long(1_000, "--b\r\n\r\n\r\n")}--b--`],
  ["a part that never ends", "multipart/mixed;boundary=b", `--b\r\nContent-Type: application/sdp\r\n\r\n${SDP}`],
  [
    "a part inside itself",
    "multipart/mixed;boundary=b",
    `--b\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n--b\r\n\r\n--b--\r\n--b--`,
  ],
  ["headers without end", "multipart/mixed;boundary=b", `--b\r\n${long(5_000, "X: y\r\n")}`],
];

test.each(multiparts)("a multipart body with %s is answered in time", async (_what, contentType, body) => {
  const { carrier, outside } = siege;
  const answer = await carrier.ask(carrier.request("INVITE", outside, { body, contentType }), outside);
  expect(statusOf(answer)).toBeGreaterThanOrEqual(200);
  await endAll();
});

const lines: readonly string[] = [
  "Contact: %",
  "Contact: *",
  `Contact: ${long(300, "<sip:a@b>,")}<sip:a@b>`,
  "Authorization: Digest",
  'Authorization: Digest username="a',
  "Authorization: Digest =,=,=",
  `Authorization: Digest ${long(2_000, 'a="b",')}`,
  "Proxy-Authorization: \0",
  "Via: SIP/2.0/UDP",
  "Via: SIP/2.0/UDP [::1",
  "Via: SIP/2.0/UDP h:99999999999;branch=",
  `Via: ${long(80, "SIP/2.0/UDP h,")}SIP/2.0/UDP h`,
  "Route: <sip:",
  "Route: <sip:@;lr>",
  "Record-Route: <sip:[",
  "Max-Forwards: 99999999999999999999",
  "Session-Expires: -1",
  "Min-SE: 18446744073709551616",
  "Replaces: ;;;;to-tag=;from-tag=",
  "Supported: ,,,,,,",
  "Require: \x80",
  "Content-Encoding: gzip",
  "Content-Disposition: ;handling",
  "Accept: ///",
  "Date: ",
  "Subject: \xff\xfe\x00",
  ": nothing",
  " folded from nowhere",
  `${long(7_000, "N")}: x`,
  long(300, "X: y\r\n").slice(0, -2),
];

test("broken headers of every kind are answered or dropped, and none is a surprise", async () => {
  const { carrier, outside } = siege;
  for (const method of ["INVITE", "OPTIONS", "BYE"]) {
    for (const line of lines)
      carrier.send(
        carrier.request(method, outside, { headers: [line], ...(method === "INVITE" && { body: carrier.sdp }) }),
        outside,
      );
    await siege.alive();
  }
  await endAll();
});

const uris = [
  "sip:",
  "sip:@",
  "sip:%@b",
  "sip:a%@b",
  "sip:a@[",
  "sip:a@[::",
  "sip:a@b:",
  "sip:a@b:999999",
  "sip:a@b;",
  "sip:a@b;=",
  "sip:a@b?",
  "tel:",
  "tel:;",
  "sips:a@b;transport=",
  `sip:${long(3_000, "a")}@b`,
  "sip:a\0@b",
  "%",
  "*",
  "",
];

test.each(["INVITE", "OPTIONS"])("%s to broken URIs, in the start line, From, To and Contact", async (method) => {
  const { carrier, outside } = siege;
  for (const uri of uris) {
    const whole = carrier.request(method, outside, method === "INVITE" ? { body: carrier.sdp } : {});
    carrier.send(whole.replace(/^(\w+) \S+/, `$1 ${uri}`), outside);
    for (const name of ["From", "To", "Contact"])
      carrier.send(whole.replace(new RegExp(`^${name}: <[^>]*>`, "m"), `${name}: <${uri}>`), outside);
  }
  await siege.alive();
  await endAll();
});

test("the messages of the advisories, from a peer and from a stranger", async () => {
  for (const { text } of samples("advisory-messages", /\.sip$/)) {
    siege.carrier.send(text, siege.outside);
    siege.stranger.send(text, siege.outside);
  }
  await siege.alive();
  await endAll();
});

test("when the last timer has run out, nothing is left of all this", () => siege.empty(40_000));

/** The final answer, if one has come before a whole later call was made and ended; "" when the message was dropped. */
async function answerTo(text: string): Promise<string> {
  siege.carrier.send(text, siege.outside);
  await siege.alive();
  const callId = headerOf(text, "Call-ID");
  return (
    siege.carrier.received.find((message) => statusOf(message) >= 200 && headerOf(message, "Call-ID") === callId) ?? ""
  );
}

/** As a proxy sends it on. */
const sentOn = (request: string, { ip, port }: Place): string =>
  request.replace(/^Via:/m, `Via: SIP/2.0/UDP ${ip}:${port};branch=z9hG4bKon${Math.random()}\r\nVia:`);

async function endAll(): Promise<void> {
  for (const { call } of await siege.box.get<{ call: string }[]>("/calls")) await end(call);
}

const end = (call: string): Promise<unknown> => siege.box.remove(`/calls/${call}`);
