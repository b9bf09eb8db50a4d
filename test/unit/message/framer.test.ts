import { expect, test } from "vitest";
import { PeerError } from "../../../src/base/index.ts";
import { limits, MessageError, StreamFramer } from "../../../src/message/index.ts";
import { leastCpuMs } from "../../support/cpu-time.ts";

test("split at every byte, two messages with a ping between them come out as they went in", () => {
  const stream = `\r\n${message("hello")}\r\n\r\n${message("")}`;
  for (let cut = 0; cut <= stream.length; cut++) {
    const framer = new StreamFramer();
    const frames = [...framer.push(stream.slice(0, cut)), ...framer.push(stream.slice(cut))];
    const words = frames.filter((frame) => frame !== "pong");
    expect(words, `cut at ${cut}`).toEqual([message("hello"), "ping", message("")]);
    expect(framer.buffered).toBe(0);
  }
});

test("one byte at a time costs as much time for each byte, however long the message is", () => {
  const long = message("x".repeat(60_000));
  const take = (): void => {
    const framer = new StreamFramer();
    let frames = 0;
    for (const byte of long) frames += framer.push(byte).length;
    expect(frames).toBe(1);
  };
  expect(leastCpuMs(2_000, take)).toBeLessThan(2_000); // Looking at all bytes for each byte would take a minute.
});

test("CRLFCRLF is a ping, CRLF alone a pong, and a flood of them is one of each", () => {
  const framer = new StreamFramer();
  expect(framer.push("\r\n\r\n")).toEqual(["ping"]);
  expect(framer.push("\r\n")).toEqual(["pong"]);
  expect(framer.push("\r\n")).toEqual(["ping"]);
  expect(framer.push(`\r\n${message("")}`)).toEqual(["pong", message("")]);
  expect(framer.push("\r\n".repeat(30_000)).length).toBeLessThanOrEqual(2);
});

test("bytes come as Buffer as well as as text", () => {
  expect(new StreamFramer().push(Buffer.from(message("\xe9\0"), "latin1"))).toEqual([message("\xe9\0")]);
});

const inDoubt: [string, string, number][] = [
  ["no Content-Length", "X: y", 400],
  ["two that differ", "Content-Length: 3\r\nl: 0", 400],
  ["two that agree", "Content-Length: 3\r\ncontent-length : 3", 400],
  ["a negative one", "Content-Length: -1", 400],
  ["a list", "Content-Length: 3, 3", 400],
  ["2^32 and 3", "Content-Length: 4294967299", 413],
  ["2^64 and 3", "Content-Length: 18446744073709551619", 413],
  ["a hexadecimal one", "Content-Length: 0x3", 400],
  ["a folded second number", "Content-Length: 3\r\n 0", 400],
  ["more than a message may have", "Content-Length: 65536", 413],
  ["a bare LF before it", "X: y\nContent-Length: 3", 400],
];

for (const [what, lines, status] of inDoubt) {
  test(`Content-Length: ${what}: the stream fails with ${status} and stays failed`, () => {
    const framer = new StreamFramer();
    const text = `${HEAD}${lines}\r\n\r\nabc`;
    const error = failure(() => framer.push(text));
    expect(error.status).toBe(status);
    expect(framer.failed).toBe(error);
    expect(() => framer.push(message(""))).toThrow(error);
    expect(framer.buffered).toBe(0);
  });
}

test("what fails with its headers whole can be answered", () => {
  const error = failure(() => new StreamFramer().push(`${HEAD}l: x\r\n\r\n`));
  expect(error).toBeInstanceOf(MessageError);
  expect((error as MessageError).answerTo?.callId).toBe("c");
});

test("messages before the fault are still handed out; then the stream has failed", () => {
  const framer = new StreamFramer();
  expect(framer.push(`${message("a")}${HEAD}l: x\r\n\r\n`)).toEqual([message("a")]);
  expect(framer.failed?.status).toBe(400);
  expect(() => framer.push("")).toThrow(PeerError);
});

test("headers without an end are given up at the limit, not kept", () => {
  const framer = new StreamFramer();
  const error = failure(() => {
    for (;;) framer.push("X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n");
  });
  expect(error.status).toBe(413);
  expect(framer.buffered).toBe(0);
  expect(failure(() => new StreamFramer().push("x".repeat(limits.messageBytes + 1))).status).toBe(413);
});

const HEAD =
  "OPTIONS sip:b@c SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKx\r\nTo: <sip:b@c>\r\n" +
  "From: <sip:a@c>;tag=a\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n";

const message = (body: string): string => `${HEAD}Content-Length: ${body.length}\r\n\r\n${body}`;

function failure(act: () => unknown): PeerError {
  try {
    act();
  } catch (error) {
    if (error instanceof PeerError) return error;
    throw error;
  }
  throw new Error("it did not fail");
}
