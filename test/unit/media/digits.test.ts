/** telephone-event in descriptions, and what the relay is told of it: RFC 4733, INFO on one side. */
import { expect, test } from "vitest";
import type { MediaRules } from "../../../src/base/index.ts";
import type { RelayCommand } from "../../../src/media/index.ts";
import { type Bench, call, insideParty, lines, realm, sdp } from "./kit.ts";

const LEFT = realm("left", "198.51.100.1");
const RIGHT = realm("right", "10.0.0.1");
const caller = {
  realm: "left",
  secureSignalling: false,
  family: 4,
  signallingSource: "203.0.113.5",
  nat: false,
} as const;
const callee = { ...insideParty, realm: "right" };

const events = (type: number, clock = 8_000): string[] => [
  `a=rtpmap:${type} telephone-event/${clock}`,
  `a=fmtp:${type} 0-15`,
];
const withEvents = (ip: string, type = 101): string => sdp(ip, `m=audio 4000 RTP/AVP 0 ${type}`, ...events(type));
const without = (ip: string): string => sdp(ip, "m=audio 7000 RTP/AVP 0");

interface Made {
  readonly bench: Bench;
  readonly offer: string;
  readonly answer: string;
  readonly opened: Extract<RelayCommand, { word: "open" }>;
}

function agreed(rules: { left?: MediaRules; right?: MediaRules }, offer: string, answer: string): Made {
  const bench = call([LEFT, RIGHT], {
    caller: { ...caller, rules: rules.left },
    callee: { ...callee, rules: rules.right },
  } as Parameters<typeof call>[1]);
  const onward = bench.media.offer("call", "caller", offer);
  const back = bench.media.answer("call", "callee", answer);
  const opened = bench.take().find((command) => command.word === "open");
  return { bench, offer: onward, answer: back, opened: opened as Made["opened"] };
}

const LEFT_IP = "203.0.113.5";
const RIGHT_IP = "10.0.0.9";

test("where nobody asks for more, digits are packets like others", () => {
  const { opened, bench } = agreed({}, withEvents(LEFT_IP), withEvents(RIGHT_IP));
  expect(opened.sides.map(({ digits }) => digits)).toEqual([undefined, undefined]);
  expect(bench.media.digitFacts("call", "caller")).toBe("off");
  expect(bench.media.mayPlay("call", "callee")).toBe(false);
});

test("a side whose digits are to be told is watched, under its own number and under the one that it was told", () => {
  const { opened } = agreed({ right: { digitFacts: "times" } }, withEvents(LEFT_IP, 101), withEvents(RIGHT_IP, 96));
  expect(opened.sides[0].digits).toBeUndefined();
  expect(opened.sides[1].digits).toEqual({
    events: [
      [96, 8_000],
      [101, 8_000],
    ],
    take: false,
    insert: false,
  });
});

test("a side with INFO: its description knows no telephone-event, the other's does, and its digits are taken", () => {
  const { offer, answer, opened } = agreed({ right: { dtmf: "info" } }, withEvents(LEFT_IP), without(RIGHT_IP));
  expect(lines(offer, "m=")[0]).toMatch(/ RTP\/AVP 0$/);
  expect(offer).not.toContain("telephone-event");
  expect(lines(answer, "m=")[0]).toMatch(/ RTP\/AVP 0 101$/);
  expect(answer).toContain("a=rtpmap:101 telephone-event/8000\r\n");
  expect(answer).toContain("a=fmtp:101 0-15\r\n");
  expect(opened.sides[0].digits).toEqual({ events: [[101, 8_000]], take: true, insert: false });
  expect(opened.sides[1].digits).toBeUndefined();
});

test("a caller with INFO toward RFC 4733: the box offers the events, takes them, and plays what comes as INFO", () => {
  const rules = { left: { dtmf: "info" }, right: { dtmf: "rfc4733" } } as const;
  const { offer, answer, opened, bench } = agreed(rules, without(LEFT_IP), withEvents(RIGHT_IP));
  expect(lines(offer, "m=")[0]).toMatch(/ RTP\/AVP 0 101$/);
  expect(lines(answer, "m=")[0]).toMatch(/ RTP\/AVP 0$/);
  expect(opened.sides[1].digits).toEqual({ events: [[101, 8_000]], take: true, insert: true });
  expect(bench.media.mayPlay("call", "callee")).toBe(true);
  expect(bench.media.mayPlay("call", "caller")).toBe(false);
  expect(bench.media.play("call", "callee", { event: 5, durationMs: 160 })).toBe(true);
  const digit = { event: 5, durationMs: 160, payloadType: 101, clockHz: 8_000 };
  expect(bench.take()).toEqual([{ word: "digit", pair: opened.pair, side: 1, digit }]);
});

test("events are offered for each clock, on numbers that are free, and played by the clock of the sound", () => {
  const rules = { left: { dtmf: "info" }, right: { dtmf: "rfc4733" } } as const;
  const offered = sdp(LEFT_IP, "m=audio 4000 RTP/AVP 101 8", "a=rtpmap:101 opus/48000/2");
  const taken = sdp(RIGHT_IP, "m=audio 7000 RTP/AVP 101 102", "a=rtpmap:101 opus/48000/2", ...events(102, 48_000));
  const { offer, bench } = agreed(rules, offered, taken);
  expect(lines(offer, "m=")[0]).toMatch(/ RTP\/AVP 101 8 102 103$/);
  expect(offer).toContain("a=rtpmap:102 telephone-event/48000");
  expect(offer).toContain("a=rtpmap:103 telephone-event/8000");
  bench.media.play("call", "callee", { event: 1, durationMs: 100 });
  expect(bench.take()).toMatchObject([{ digit: { payloadType: 102, clockHz: 48_000 } }]);
});

test("an end that takes no events is played none, and its INFO crosses", () => {
  const rules = { left: { dtmf: "info" }, right: { dtmf: "rfc4733" } } as const;
  const { bench, opened } = agreed(rules, without(LEFT_IP), without(RIGHT_IP));
  expect(opened.sides[1].digits).toBeUndefined();
  expect(bench.media.play("call", "callee", { event: 1, durationMs: 100 })).toBe(false);
});

test("both sides with INFO need nothing of the box", () => {
  const rules = { left: { dtmf: "info" }, right: { dtmf: "info" } } as const;
  const { offer, opened } = agreed(rules, withEvents(LEFT_IP), withEvents(RIGHT_IP));
  expect(offer).toContain("telephone-event");
  expect(opened.sides.map(({ digits }) => digits)).toEqual([undefined, undefined]);
});

test("a re-INVITE that changes nothing says nothing to the relay; hold says only that", () => {
  const { bench } = agreed({ right: { dtmf: "info" } }, withEvents(LEFT_IP), without(RIGHT_IP));
  bench.media.offer("call", "caller", withEvents(LEFT_IP));
  bench.media.answer("call", "callee", without(RIGHT_IP));
  expect(bench.take()).toEqual([]);
  const again = bench.media.repeat("call", "caller");
  expect(again).toContain("telephone-event");
  bench.media.answer("call", "caller", withEvents(LEFT_IP));
  expect(bench.take()).toEqual([]);
});

test("a line of events alone stays one", () => {
  const alone = sdp(LEFT_IP, "m=audio 4000 RTP/AVP 101", ...events(101));
  const { offer } = agreed(
    { right: { dtmf: "info" } },
    alone,
    sdp(RIGHT_IP, "m=audio 7000 RTP/AVP 101", ...events(101)),
  );
  expect(lines(offer, "m=")[0]).toMatch(/ RTP\/AVP 101$/);
});

test("RTCP of ours is asked for on the side that wants it, and not for fax", () => {
  const { opened } = agreed({ right: { rtcp: "generate" } }, without(LEFT_IP), without(RIGHT_IP));
  expect(opened.sides.map(({ reports }) => reports)).toEqual([false, true]);
});
