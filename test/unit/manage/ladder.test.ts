import { expect, test } from "vitest";
import { ladderText } from "../../../src/manage/index.ts";

test("nothing of a message steers the terminal that shows it", () => {
  const entry = { at: 0, realm: "a", remote: "192.0.2.1:5060", sent: false, callId: "x" };
  const text = ladderText([
    { ...entry, line: "\x1b[2JFOO sip:x SIP/2.0", cseq: "1 FOO", media: ["\x1b[1m 3 \x9b6m"] },
    { ...entry, realm: "b", line: "SIP/2.0 200 \x07OK", cseq: "1 \x1b[5mFOO", media: [] },
  ]);
  expect(text).toContain("?[2JFOO");
  expect(text).toContain("200 ?OK");
  expect([...text].filter((char) => char !== "\n" && /\p{Cc}/u.test(char))).toEqual([]);
});
