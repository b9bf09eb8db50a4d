/** Several lines of a leg on one transport: BUNDLE, RFC 9143. */
import { expect, test } from "vitest";
import type { RelayCommand, RelaySide } from "../../../src/media/index.ts";
import {
  chromium,
  dtlsCall,
  ICE,
  INSIDE,
  insideParty,
  lines,
  outsideParty,
  plainAnswer,
  portsInUse,
  print,
  realm,
  sdp,
  statusOf,
} from "./kit.ts";

const WEB = realm("outside", "198.51.100.1", { srtp: "required", srtpKeys: ["sdes", "dtls"] });
const browser = { ...outsideParty, web: true };
const outward = { caller: insideParty, callee: browser };
const inward = { caller: browser, callee: insideParty };

const video = (port: number, ...more: string[]): string[] => [
  `m=video ${port} UDP/TLS/RTP/SAVPF 96`,
  "a=rtpmap:96 VP8/90000",
  "a=mid:1",
  "a=rtcp-mux",
  ...ICE,
  print(0xab),
  "a=setup:actpass",
  ...more,
];
const bundle = (...more: string[]): string => chromium(ICE, "actpass", ...more).replace("BUNDLE 0", "BUNDLE 0 1");
const phone = sdp("10.0.0.9", "m=audio 7000 RTP/AVP 8", "m=video 7002 RTP/AVP 96");
const ports = (text: string): boolean[] => lines(text, "m=").map((line) => line.split(" ")[1] !== "0");

const sides = (commands: readonly RelayCommand[], side: 0 | 1): readonly RelaySide[] =>
  commands.flatMap((each) => (each.word === "open" ? [each.sides[side]] : []));
const numbers = (text: string): string[] => lines(text, "m=").map((line) => line.split(" ")[1] ?? "");

test.each<[string, string[]]>([
  ["has ports of its own", video(9)],
  ["says that it stands on the first one's port", video(9, "a=bundle-only")],
  [
    "is bundle-only, with nothing of a transport",
    video(0, "a=bundle-only").filter((line) => !/ice|print|setup|mux/.test(line)),
  ],
])("the second line %s: both go by one transport outside, by ports of their own inside", (_case, second) => {
  const { media, take } = dtlsCall([WEB, INSIDE], inward);
  const onward = media.offer("call", "caller", bundle(...second));
  expect([ports(onward), new Set(numbers(onward)).size, lines(onward, "a=group:")]).toEqual([[true, true], 2, []]);
  const answer = media.answer("call", "callee", phone);
  expect([lines(answer, "a=group:"), new Set(numbers(answer)).size]).toEqual([["BUNDLE 0 1"], 1]);
  const told = ["a=ice-ufrag:", "a=fingerprint:", "a=candidate:", "a=rtcp-mux"].map((one) => lines(answer, one).length);
  expect(told).toEqual([1, 1, 1, 2]);
  const [voice, picture] = sides(take(), 0);
  expect([voice?.bundle, picture?.bundle]).toEqual([
    { pair: 0, mid: "0", midId: 4, payloadTypes: [111, 0, 8, 110, 126] },
    { pair: 0, mid: "", midId: 0, payloadTypes: [96] },
  ]);
  expect([voice?.dtls !== undefined, voice?.ice !== undefined, picture?.dtls, picture?.ice]).toEqual([
    true,
    true,
    undefined,
    undefined,
  ]);
  expect(picture?.local).toEqual(voice?.local);
});

const MID = "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid";
const named = (): string => bundle(...video(9, MID));

test("names inside of packets, where both lines have them", () => {
  const { media, take } = dtlsCall([WEB, INSIDE], inward);
  expect(media.offer("call", "caller", named())).not.toContain("sdes:mid");
  const answer = media.answer("call", "callee", phone);
  expect(lines(answer, "a=extmap:4")).toEqual([
    " urn:ietf:params:rtp-hdrext:sdes:mid",
    " urn:ietf:params:rtp-hdrext:sdes:mid",
  ]);
  expect(sides(take(), 0).map((side) => [side.bundle?.mid, side.bundle?.midId])).toEqual([
    ["0", 4],
    ["1", 4],
  ]);
});

test("the first line declined inside: the second one leads, with what it said of its own transport", () => {
  const { media, take } = dtlsCall([WEB, INSIDE], inward);
  media.offer("call", "caller", bundle(...video(9)).replace(/(m=video.*?a=ice-ufrag:)\w+/s, "$1wxyz"));
  const answer = media.answer("call", "callee", phone.replace("audio 7000", "audio 0"));
  expect([lines(answer, "a=group:"), ports(answer), lines(answer, "a=ice-ufrag:").length]).toEqual([
    ["BUNDLE 1"],
    [false, true],
    1,
  ]);
  expect(sides(take(), 0).map(({ ice }) => ice?.remoteUfrag)).toEqual(["wxyz"]);
});

test("a line joins a bundle that stands: its transport is not touched", () => {
  const { media, take } = dtlsCall([WEB, INSIDE], inward);
  media.offer("call", "caller", chromium());
  const before = media.answer("call", "callee", plainAnswer);
  take();
  media.offer("call", "caller", bundle(...video(9)));
  const answer = media.answer("call", "callee", phone);
  expect(new Set([...numbers(before), ...numbers(answer)]).size).toBe(1);
  expect([lines(answer, "a=ice-ufrag:"), lines(answer, "a=ice-pwd:")]).toEqual([
    lines(before, "a=ice-ufrag:"),
    lines(before, "a=ice-pwd:"),
  ]);
  const commands = take();
  expect(commands.filter((each) => each.word === "close")).toEqual([]);
  expect(sides(commands, 0).map((side) => side.bundle?.pair)).toEqual([0]);
  expect(
    commands.some((each) => each.word === "change" && each.side === 0 && ("ice" in each.set || "dtls" in each.set)),
  ).toBe(false);
});

test("the line that carries goes off and comes back: its pair stays for the other, and the ports go when both are gone", () => {
  const made = dtlsCall([WEB, INSIDE], inward);
  const { media, take } = made;
  media.offer("call", "caller", bundle(...video(9)));
  media.answer("call", "callee", phone);
  take();
  const off = bundle(...video(9))
    .replace("m=audio 9", "m=audio 0")
    .replace("BUNDLE 0 1", "BUNDLE 1");
  media.offer("call", "caller", off);
  const answer = media.answer("call", "callee", phone.replace("audio 7000", "audio 0"));
  expect([lines(answer, "a=group:"), ports(answer), lines(answer, "a=ice-ufrag:").length]).toEqual([
    ["BUNDLE 1"],
    [false, true],
    1,
  ]);
  const asleep = take();
  expect(asleep.every((each) => each.word === "change")).toBe(true);
  expect(asleep.flatMap((each) => (each.word === "change" && each.side === 0 ? [each.set.bundle] : []))[0]).toEqual({
    pair: 0,
    mid: "",
    midId: 0,
    payloadTypes: [],
  });
  media.offer("call", "caller", bundle(...video(9)));
  const again = media.answer("call", "callee", phone);
  expect([lines(again, "a=group:"), new Set(numbers(again)).size]).toEqual([["BUNDLE 0 1"], 1]);
  expect(take().every((each) => each.word === "change")).toBe(true);
  media.delete("call");
  expect(made.relayLetsGo().length).toBe(2);
  expect(portsInUse(made)).toEqual({ outside: 0, inside: 0 });
});

const answered = (...more: string[]): string => sdp("203.0.113.5", ...more);
const web = (mid: number, port: number, what: string, ...more: string[]): string[] => [
  `m=${what}`.replace("PORT", String(port)),
  `a=mid:${mid}`,
  "a=rtcp-mux",
  ...more,
];
const TRANSPORT = [...ICE, print(0xab), "a=setup:active"];
const AUDIO = "audio PORT UDP/TLS/RTP/SAVPF 8";
const VIDEO = "video PORT UDP/TLS/RTP/SAVPF 96";

test("what a phone offers is offered to a browser as a bundle, each line with ports of its own; taken, they are one", () => {
  const made = dtlsCall([WEB, INSIDE], outward);
  const { media, take } = made;
  const onward = media.offer("call", "caller", phone);
  expect([lines(onward, "a=group:"), new Set(numbers(onward)).size, lines(onward, "a=ice-ufrag:").length]).toEqual([
    ["BUNDLE 0 1"],
    2,
    2,
  ]);
  const mid = lines(onward, "a=extmap:");
  expect(mid).toEqual([mid[0], mid[0]]);
  media.answer(
    "call",
    "callee",
    answered(
      "a=group:BUNDLE 0 1",
      ...web(0, 9, AUDIO, `a=extmap:${mid[0]}`, ...TRANSPORT),
      ...web(1, 9, VIDEO, `a=extmap:${mid[0]}`),
    ),
  );
  const [voice, picture] = sides(take(), 1);
  expect([voice?.bundle, picture?.bundle]).toEqual([
    { pair: 0, mid: "0", midId: 1, payloadTypes: [8] },
    { pair: 0, mid: "1", midId: 1, payloadTypes: [96] },
  ]);
  expect(picture?.local).toEqual(voice?.local);
  expect(portsInUse(made)).toEqual({ outside: 2, inside: 4 });
  // The next offer to it goes by the one transport.
  const next = media.offer("call", "caller", phone);
  expect([lines(next, "a=group:"), new Set(numbers(next)).size, lines(next, "a=ice-ufrag:").length]).toEqual([
    ["BUNDLE 0 1"],
    1,
    1,
  ]);
  media.answer(
    "call",
    "callee",
    answered("a=group:BUNDLE 0 1", ...web(0, 9, AUDIO, ...TRANSPORT), ...web(1, 9, VIDEO)),
  );
  media.delete("call");
  made.relayLetsGo();
  expect(portsInUse(made)).toEqual({ outside: 0, inside: 0 });
});

test("a browser that takes no bundle has two transports; another fork may not take it once they are open", () => {
  const made = dtlsCall([WEB, INSIDE], outward);
  const { media, take } = made;
  media.offer("call", "caller", phone);
  const split = answered(...web(0, 9, AUDIO, ...TRANSPORT), ...web(1, 9, VIDEO, ...TRANSPORT));
  media.answer("call", "callee", split, { provisional: true, dialog: "one" });
  const [voice, picture] = sides(take(), 1);
  expect([voice?.dtls !== undefined, picture?.dtls !== undefined]).toEqual([true, true]);
  expect(picture?.local.rtpPort).not.toBe(voice?.local.rtpPort);
  const joined = answered("a=group:BUNDLE 0 1", ...web(0, 9, AUDIO, ...TRANSPORT), ...web(1, 9, VIDEO));
  expect(statusOf(() => media.answer("call", "callee", joined, { provisional: false, dialog: "two" }))).toBe(488);
  media.answer("call", "callee", split, { provisional: false, dialog: "one" });
  media.delete("call");
  made.relayLetsGo();
  expect(portsInUse(made)).toEqual({ outside: 0, inside: 0 });
});

test("consent that is lost is that of all lines of the transport, and comes back for all", () => {
  const made = dtlsCall([WEB, INSIDE], inward);
  made.media.offer("call", "caller", bundle(...video(9)));
  made.media.answer("call", "callee", phone);
  const news = (event: "expired" | "latched") =>
    made.media
      .handle({ event, pair: 0, side: 0, ip: "203.0.113.5", port: 9 }, 0)
      .map((each) => `${each.news} ${"stream" in each ? each.stream : ""}`);
  expect(news("expired")).toEqual(["consent-lost 0", "consent-lost 1"]);
  expect(news("latched")).toEqual(["latched 0", "heard 1"]);
});

test("a browser that declines the first line: the second stands on its own ports", () => {
  const { media, take } = dtlsCall([WEB, INSIDE], outward);
  const onward = media.offer("call", "caller", phone);
  const one = answered(
    "a=group:BUNDLE 1",
    "m=audio 0 UDP/TLS/RTP/SAVPF 8",
    "a=mid:0",
    ...web(1, 9, VIDEO, ...TRANSPORT),
  );
  media.answer("call", "callee", one);
  expect(sides(take(), 1).map(({ local }) => String(local.rtpPort))).toEqual([numbers(onward)[1]]);
});

test("payload types that two lines have are not offered in one bundle", () => {
  const { media } = dtlsCall([WEB, INSIDE], outward);
  const onward = media.offer("call", "caller", sdp("10.0.0.9", "m=audio 7000 RTP/AVP 96", "m=video 7002 RTP/AVP 96"));
  expect(lines(onward, "a=group:")).toEqual(["BUNDLE 0"]);
});

test("a line of another kind before it does not stand for the bundle", () => {
  const { media } = dtlsCall([WEB, INSIDE], inward);
  const data = ["m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "a=mid:1", ...ICE, print(0xab)];
  media.offer("call", "caller", bundle(...data).replace("BUNDLE 0 1", "BUNDLE 1 0"));
  const answer = media.answer("call", "callee", sdp("10.0.0.9", "m=audio 7000 RTP/AVP 8", "m=application 0 x y"));
  expect([lines(answer, "a=group:"), ports(answer)]).toEqual([["BUNDLE 0"], [true, false]]);
});
