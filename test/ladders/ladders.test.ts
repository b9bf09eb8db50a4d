/** Every ladder of this folder is played over UDP, over streams that are cut at every byte and where it hurts, and over WebSocket. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readLadders } from "../support/ladders/format.ts";
import { play } from "../support/ladders/play.ts";

const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith(".md") && name !== "README.md");
const chapters = files.map((file) => ({
  file,
  ladders: readLadders(readFileSync(join(import.meta.dirname, file), "utf8")),
}));

describe.each(chapters)("$file", ({ ladders }) => {
  test.each(ladders)("$title", (ladder) => play(ladder, { wire: "udp" }));

  const streamed = ladders.filter(({ udpOnly }) => udpOnly === undefined);
  test.runIf(streamed.length > 0).each(streamed)("over TCP, byte by byte: $title", (ladder) => {
    play(ladder, { wire: "tcp", cut: (text) => [...text] });
  });
  test.runIf(streamed.length > 0).each(streamed)("over TLS, in pieces: $title", (ladder) => {
    play(ladder, { wire: "tls", cut: inPieces() });
  });
  test.runIf(streamed.length > 0).each(streamed)("over WebSocket: $title", (ladder) => play(ladder, { wire: "ws" }));
});

test("there are as many ladders as were promised, and none has the title of another", () => {
  const titles = chapters.flatMap(({ ladders }) => ladders.map(({ title }) => title));
  expect(new Set(titles).size).toBe(titles.length);
  expect(titles.length).toBeGreaterThanOrEqual(100);
});

/** Each message in three pieces; where it is cut moves on by a prime from message to message, so that every place has its turn. */
function inPieces(): (text: string) => readonly string[] {
  let turn = 0;
  return (text) => {
    turn += 1;
    const first = (turn * 37) % text.length;
    const second = first + ((turn * 61) % (text.length - first));
    return [text.slice(0, first), text.slice(first, second), text.slice(second)].filter((piece) => piece !== "");
  };
}
