/** Lines that are not usual at their very end take a time that grows with the line, whatever stands in it. */
import { expect, test } from "vitest";
import { parseMessage } from "../../../src/message/index.ts";
import { leastCpuMs } from "../../support/cpu-time.ts";

const HEAD = "OPTIONS sip:a@b.example SIP/2.0\r\n";
const REST = "To: <sip:a@b.example>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";
/** Of several lengths, for whatever looks at more than one byte at a time. */
const values = ["a", "ab", "abc", "abcd", "abcde", "abcdef", "abcdefg"];
const LIMIT_MS = 500;
const params = (value: string): string => `;branch=${value}`.repeat(400);

test.each(values)("a long line that is not usual at its very end: parameters of %s", (value) => {
  const broken = `${params(value)} ;x`;
  for (const text of [
    `${HEAD}Via: SIP/2.0/UDP b.example${broken}\r\nFrom: <sip:a@b.example>;tag=1\r\n${REST}`,
    `${HEAD}Via: SIP/2.0/UDP b.example;branch=z9hG4bK1\r\nFrom: <sip:a@b.example>${broken}\r\n${REST}`,
    `${HEAD}Via: SIP/2.0/UDP b.example;branch=z9hG4bK1\r\nFrom: <sip:a@b.example>;tag=1\r\nContact: ${"word ".repeat(400)}<sip:a@b>${broken}\r\n${REST}`,
    `${HEAD}Via: SIP/2.0/UDP b.example;branch=z9hG4bK1\r\nFrom: <sip:a@b.example${params(value)} >;tag=1\r\n${REST}`,
  ]) {
    const read = (): void => {
      try {
        parseMessage(text);
      } catch {
        // Refused or read, but soon.
      }
    };
    expect(leastCpuMs(LIMIT_MS, read)).toBeLessThan(LIMIT_MS);
  }
});
