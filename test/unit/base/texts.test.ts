import { expect, test } from "vitest";
import { inOnePiece } from "../../../src/base/index.ts";

test("a text in one piece is the same text, however it was made and however long it is", () => {
  const message = "Call-ID: 843817637684230@998sdasdh09\r\n";
  for (const text of [
    "",
    "a",
    "twelve chars",
    message.slice(9, -2),
    `${message.slice(9, 24)}:${message.length}`,
    "ü€😀".repeat(9),
  ])
    expect(inOnePiece(text)).toBe(text);
});
