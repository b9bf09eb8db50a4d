import { describe, expect, test } from "vitest";
import { Agenda, hash32, seededRandom } from "../../../src/base/index.ts";
import { Finished, NONE, type Remains } from "../../../src/transaction/finished.ts";
import { TEXT_LIMIT, TextPages } from "../../../src/transaction/text-pages.ts";
import { HOP } from "./wire.ts";

const LONG = 32_000;
const SHORT = 5_000;

describe("finished transactions", () => {
  test("are found by their key until their time is over, those of one wait in the order in which they came", () => {
    const { agenda, finished, add } = shelf(100);
    add("a", { endAt: LONG });
    add("b", { endAt: SHORT, wait: "short" });
    add("c", { endAt: LONG + 1_000 });
    expect(held(finished, "a", "b", "c")).toEqual(["a", "b", "c"]);
    pass(agenda, SHORT + 100);
    expect(held(finished, "a", "b", "c")).toEqual(["a", "c"]);
    pass(agenda, LONG + 100);
    expect(held(finished, "a", "b", "c")).toEqual(["c"]);
    pass(agenda, LONG + 1_100);
    expect(finished.size).toBe(0);
    expect(agenda.size).toBe(0);
  });

  test("keep what their last state needs", () => {
    const { finished, add } = shelf(100);
    add("a", { state: "server completed", text: "SIP/2.0 200 Grüße\r\n", hop: HOP });
    add("b", { state: "INVITE client accepted", winner: 0, late: [7] });
    const [a, b] = [place(finished, "a"), place(finished, "b")];
    expect(finished.effects(a, "request")).toEqual(["resend response"]);
    expect(finished.effects(a, "ACK")).toEqual([]);
    expect(finished.effects(b, "2xx")).toEqual(["pass up"]);
    expect(finished.text(a)).toBe("SIP/2.0 200 Grüße\r\n");
    expect(finished.hop(a)).toBe(HOP);
    expect(finished.winner(a)).toBeUndefined();
    expect(finished.text(b)).toBe("");
    finished.addLate(b, 9);
    expect(finished.winner(b)).toBe(0);
    expect(finished.late(b)).toEqual([7, 9]);
  });

  test("of one hash are told apart by their keys", () => {
    const { finished } = shelf(100);
    finished.add("one", 5, remains({ text: "1" }));
    finished.add("two", 5, remains({ text: "2" }));
    finished.add("three", 5, remains({ text: "3" }));
    expect(["one", "two", "three"].map((key) => finished.text(finished.find(key, 5)))).toEqual(["1", "2", "3"]);
    expect(finished.find("four", 5)).toBe(NONE);
  });

  test("one that comes late to the queue ends after those before it, so none behind it waits for it", () => {
    const { agenda, finished, add } = shelf(100);
    add("prompt", { endAt: LONG });
    add("let go of late", { endAt: SHORT });
    add("next", { endAt: LONG });
    pass(agenda, LONG - 1);
    expect(finished.size).toBe(3);
    pass(agenda, LONG + 100);
    expect(finished.size).toBe(0);
  });

  test("beyond the limit the oldest gives way, and that is counted", () => {
    const { finished, add, shed } = shelf(3);
    for (const key of ["a", "b", "c", "d", "e"]) add(key, {});
    expect(held(finished, "a", "b", "c", "d", "e")).toEqual(["c", "d", "e"]);
    expect(shed()).toBe(2);
  });

  test("long texts push the oldest out before there are many", () => {
    const { finished, add, shed } = shelf(1_000);
    for (let i = 0; i < 500; i++) add(`key ${i}`, { state: "server completed", text: "x".repeat(60_000) });
    expect(finished.size).toBeGreaterThan(50);
    expect(finished.size).toBeLessThan(150);
    expect(shed()).toBe(500 - finished.size);
    expect(held(finished, "key 0", "key 499")).toEqual(["key 499"]);
    for (let i = 0; i < 500; i++) add(`short ${i}`, {});
    expect(held(finished, "short 0", "short 499")).toEqual(["short 0", "short 499"]);
  });

  test("a text that is too long is not kept", () => {
    const { finished, add } = shelf(3);
    add("a", { state: "server completed", text: "x".repeat(TEXT_LIMIT + 1) });
    expect(finished.text(place(finished, "a"))).toBe("");
  });

  test("many come and go as in a plain table, and the room is used again", () => {
    const random = seededRandom(7);
    const { agenda, finished, add } = shelf(100_000);
    let now = 0;
    const model = new Map<string, { endAt: number; text: string }>();
    for (let i = 0; i < 30_000; i++) {
      now += random.uint32() % 7;
      pass(agenda, now);
      const short = random.uint32() % 3 === 0;
      const text = "t".repeat(random.uint32() % 900) + i;
      const endAt = now + (short ? SHORT : LONG);
      add(`key ${i}`, { wait: short ? "short" : "long", endAt, text });
      model.set(`key ${i}`, { endAt, text });
      const key = `key ${random.uint32() % (i + 1)}`;
      const known = model.get(key);
      const at = place(finished, key);
      if (known === undefined || known.endAt + 100 <= now) expect(at).toBe(NONE);
      else if (known.endAt > now) expect(finished.text(at)).toBe(known.text);
    }
    pass(agenda, now + LONG + 100);
    expect(finished.size).toBe(0);
  });
});

describe("pages of texts", () => {
  test("are written anew when all their texts have gone", () => {
    const pages = new TextPages();
    const text = "x".repeat(1_000);
    const places: number[] = [];
    for (let i = 0; i < 20_000; i++) {
      places.push(pages.put(i % 2, text));
      if (places.length > 500) pages.drop(places.shift() as number);
    }
    expect(pages.bytes).toBeLessThan(4_000_000);
    expect(pages.text(places[0] as number, pages.written)).toBe(text);
  });

  test("that a storm has filled are given back", () => {
    const pages = new TextPages();
    const places = Array.from({ length: 10_000 }, () => pages.put(0, "x".repeat(1_000)));
    expect(pages.bytes).toBeGreaterThan(10_000_000);
    for (const place of places) pages.drop(place);
    expect(pages.bytes).toBeLessThan(3_000_000);
  });

  test("one text that stays holds one page alone", () => {
    const pages = new TextPages();
    const stays = pages.put(0, "stays");
    const bytes = pages.written;
    for (let i = 0; i < 5_000; i++) pages.drop(pages.put(0, "x".repeat(1_000)));
    expect(pages.text(stays, bytes)).toBe("stays");
    expect(pages.bytes).toBeLessThan(1_000_000);
  });
});

function shelf(limit: number) {
  const agenda = new Agenda();
  let shed = 0;
  const finished = new Finished(agenda, limit, () => shed++);
  const add = (key: string, of: Partial<Remains>): void => finished.add(key, hash32(key, 1) | 0, remains(of));
  return { agenda, finished, add, shed: () => shed };
}

const remains = (of: Partial<Remains>): Remains => ({
  state: "INVITE server accepted",
  hop: undefined,
  text: "",
  wait: "long",
  endAt: LONG,
  winner: undefined,
  late: undefined,
  ...of,
});

const place = (finished: Finished, key: string): number => finished.find(key, hash32(key, 1) | 0);

const held = (finished: Finished, ...keys: string[]): string[] => keys.filter((key) => place(finished, key) !== NONE);

/** Expires whatever has a deadline until then. */
function pass(agenda: Agenda, until: number): void {
  for (let at = agenda.nextDeadline(); at !== undefined && at <= until; at = agenda.nextDeadline()) agenda.expire(at);
}
