import { expect, test } from "vitest";
import { seededRandom } from "../../../src/base/index.ts";
import { PortBook } from "../../../src/media/port-book.ts";
import {
  bench,
  call,
  counted,
  INSIDE,
  insideParty,
  OUTSIDE,
  outsideParty,
  plainAnswer,
  plainOffer,
  portsInUse,
  realm,
  sdp,
  secureOffer,
  settingsWith,
  statusOf,
} from "./kit.ts";

test("a book gives every even port once, in no order to guess, and the longest free one first", () => {
  const book = new PortBook(20_001, 20_041, seededRandom(5));
  const ports = Array.from({ length: 20 }, () => book.reserve() as number);
  expect([...ports].sort()).toEqual(Array.from({ length: 20 }, (_, index) => 20_002 + 2 * index));
  expect(ports).not.toEqual([...ports].sort());
  expect(book.reserve()).toBeUndefined();
  for (const port of [ports[4], ports[9], ports[1]]) book.release(port as number);
  expect([book.reserve(), book.reserve(), book.inUse]).toEqual([ports[4], ports[9], 19]);
});

test("a port is not used again while another is free", () => {
  const book = new PortBook(20_000, 20_019, seededRandom(7));
  const last: number[] = [];
  for (let i = 0; i < 100; i++) {
    const port = book.reserve() as number;
    expect(last.slice(-9)).not.toContain(port);
    last.push(port);
    book.release(port);
  }
});

test("a port given back twice is our own mistake", () => {
  const book = new PortBook(20_000, 20_009, seededRandom(1));
  const port = book.reserve() as number;
  book.release(port);
  expect(() => book.release(port)).toThrow("bug: a media port is released once");
});

test("two boxes do not begin at the same port", () => {
  const first = (seed: number) => new PortBook(20_000, 29_999, seededRandom(seed)).reserve();
  expect(new Set([1, 2, 3, 4, 5].map(first)).size).toBeGreaterThan(3);
});

test("a changed range keeps what is out and inside, and forgets what is outside", () => {
  const book = new PortBook(20_000, 20_009, seededRandom(3));
  const ports = Array.from({ length: 5 }, () => book.reserve() as number);
  book.resize(20_004, 20_013, seededRandom(3));
  expect(book.inUse).toBe(3);
  const fresh = [book.reserve(), book.reserve()];
  expect([...fresh].sort()).toEqual([20_010, 20_012]);
  expect(book.reserve()).toBeUndefined();
  for (const port of ports) book.release(port);
  expect(book.inUse).toBe(2);
  for (const port of fresh) book.release(port as number);
  expect(book.inUse).toBe(0);
});

test("ports stay reserved until the relay has let go of them", () => {
  const made = call();
  made.media.offer("call", "caller", secureOffer);
  made.media.answer("call", "callee", plainAnswer);
  expect(made.media.delete("call")).toBe(1);
  expect(made.media.view()).toMatchObject({ sessions: 0, pairs: 1 });
  expect(portsInUse(made)).toEqual({ outside: 2, inside: 2 });
  made.relayLetsGo();
  expect(portsInUse(made)).toEqual({ outside: 0, inside: 0 });
  expect(made.media.view().pairs).toBe(0);
});

test("a session that was never answered gives its ports back at once", () => {
  const made = call();
  made.media.offer("call", "caller", secureOffer);
  expect(made.media.delete("call")).toBe(0);
  expect(portsInUse(made)).toEqual({ outside: 0, inside: 0 });
  expect(made.media.delete("call")).toBe(0);
});

test("the relay's events become news of the call", () => {
  const { media, commands } = call();
  media.offer("call", "caller", secureOffer);
  media.answer("call", "callee", plainAnswer);
  const pair = commands[0]?.pair ?? -1;
  expect(media.handle({ event: "latched", pair, side: 0, ip: "2001:db8::5", port: 4002 }, 0)).toEqual([
    { news: "latched", session: "call", side: "caller", stream: 0, remote: "[2001:db8::5]:4002" },
  ]);
  expect(media.handle({ event: "silent", pair, side: 1 }, 0)).toEqual([
    { news: "silent", session: "call", side: "callee", stream: 0 },
  ]);
  expect(media.handle({ event: "heard", pair, side: 1 }, 0)).toMatchObject([{ news: "heard" }]);
  expect(media.handle({ event: "failed", pair, side: 0, reason: "EADDRINUSE" }, 0)).toMatchObject([
    { news: "failed", reason: "EADDRINUSE" },
  ]);
  expect(media.handle({ event: "silent", pair: 99, side: 1 }, 0)).toEqual([]);
  expect(media.handle({ event: "closed", pair, counters: [counted(1), counted(1)] }, 0)).toEqual([]);
  expect(media.view().pairs).toBe(1);
});

test("silence that was on its way when the call was held is no news", () => {
  const { media, commands } = call([realm("outside", "198.51.100.1"), INSIDE]);
  media.offer("call", "caller", sdp("203.0.113.5", "m=audio 4000 RTP/AVP 8", "a=sendonly"));
  media.answer("call", "callee", sdp("10.0.0.9", "m=audio 7000 RTP/AVP 8", "a=recvonly"));
  expect(media.handle({ event: "silent", pair: commands[0]?.pair ?? -1, side: 0 }, 0)).toEqual([]);
});

test("closing brings the counters of both sides, and says when it is the last", () => {
  const made = call([INSIDE], { caller: insideParty, callee: insideParty });
  const two = sdp("10.0.0.9", "m=audio 7000 RTP/AVP 0", "m=video 7002 RTP/AVP 96");
  made.media.offer("call", "caller", two);
  made.media.answer("call", "callee", two);
  made.media.delete("call");
  expect(made.media.handle({ event: "silent", pair: 0, side: 0 }, 0)).toEqual([]);
  const quality = (packets: number) => ({ packets, bytes: packets * 172, lost: 1, jitterMs: 2, dropped: 11_111 });
  expect(made.relayLetsGo()).toEqual([
    {
      news: "closed",
      session: "call",
      stream: 0,
      kind: "audio",
      quality: { caller: quality(7), callee: quality(9) },
      last: false,
    },
    {
      news: "closed",
      session: "call",
      stream: 1,
      kind: "video",
      quality: { caller: quality(7), callee: quality(9) },
      last: true,
    },
  ]);
});

test("pair numbers are used again once the relay has let go", () => {
  const made = bench([INSIDE]);
  const talk = (id: string) => {
    made.media.open(id, { caller: insideParty, callee: insideParty });
    made.media.offer(id, "caller", plainOffer);
    made.media.answer(id, "callee", plainAnswer);
    return made.take().at(-1)?.pair;
  };
  expect([talk("a"), talk("b")]).toEqual([0, 1]);
  made.media.delete("a");
  expect(talk("c")).toBe(2);
  made.relayLetsGo();
  expect(talk("d")).toBe(0);
});

test("no pair is left: the answer is refused with 503, and may come again", () => {
  const made = bench([INSIDE], 1, 1);
  const talk = (id: string) => {
    made.media.open(id, { caller: insideParty, callee: insideParty });
    made.media.offer(id, "caller", plainOffer);
    return statusOf(() => made.media.answer(id, "callee", plainAnswer));
  };
  expect([talk("a"), talk("b")]).toEqual(["done", 503]);
  made.media.delete("a");
  expect(statusOf(() => made.media.answer("b", "callee", plainAnswer))).toBe(503);
  made.relayLetsGo();
  expect(statusOf(() => made.media.answer("b", "callee", plainAnswer))).toBe("done");
});

test("a reload gives new calls the new ports and address, and live calls keep theirs", () => {
  const made = call();
  const { media } = made;
  media.offer("call", "caller", secureOffer);
  media.answer("call", "callee", plainAnswer);
  const moved = realm("inside", "10.0.0.2", {
    media: { ...INSIDE.media, addresses: ["10.0.0.2"], firstPort: 40_000, lastPort: 40_009 },
  });
  media.apply(settingsWith([OUTSIDE, moved]));
  media.open("next", { caller: outsideParty, callee: insideParty });
  expect(media.offer("next", "caller", secureOffer)).toMatch(/c=IN IP4 10\.0\.0\.2\r\n[\s\S]*m=audio 4000\d /);
  expect(media.offer("call", "caller", secureOffer)).toContain("c=IN IP4 10.0.0.1\r\n");
  media.apply(settingsWith([OUTSIDE]));
  expect(statusOf(() => media.open("x", { caller: outsideParty, callee: insideParty }))).toBe(500);
  for (const id of ["call", "next"]) media.delete(id);
  made.relayLetsGo();
  expect(portsInUse(made)).toEqual({ outside: 0 });
});

test("a realm that leaves the kernel by reload: its pairs are looked at again, those of others and closing ones are not", () => {
  const path = (name: "auto" | "socket") => [{ ...OUTSIDE, media: { ...OUTSIDE.media, path: name } }, INSIDE];
  const made = call(path("auto"));
  made.media.offer("call", "caller", secureOffer);
  made.media.answer("call", "callee", plainAnswer);
  const [opened] = made.take();
  made.media.apply(settingsWith(path("auto")));
  expect(made.take()).toEqual([]);
  made.media.apply(settingsWith(path("socket")));
  expect(made.take()).toEqual([{ word: "change", pair: opened?.pair, side: 0, set: {} }]);
  made.media.apply(settingsWith(path("auto")));
  made.media.delete("call");
  made.take();
  made.media.apply(settingsWith(path("socket")));
  expect(made.take()).toEqual([]);
});
