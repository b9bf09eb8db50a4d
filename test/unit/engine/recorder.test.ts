import { expect, test } from "vitest";
import { Recorder } from "../../../src/engine/recorder.ts";

const remote = { ip: "192.0.2.1", port: 5060 };
const message = (line: string, callId: string): string =>
  `${line}\r\nCall-ID: ${callId}\r\nCSeq: 1 INVITE\r\n\r\nm=audio 4000 RTP/SAVP 0\r\na=crypto:1 X inline:secret\r\n`;

test("what crossed the wires comes out in order, with m-lines but without keys", () => {
  const recorder = new Recorder((listener) => listener.split("/")[0]!);
  recorder.input({ in: "datagram", listener: "a/udp", remote, text: message("INVITE sip:x SIP/2.0", "one") }, 1);
  recorder.output(
    { out: "connect", connection: 7, realm: "b", protocol: "tls", listener: "b/tls", remote, serverName: undefined },
    2,
  );
  recorder.output({ out: "write", connection: 7, text: message("INVITE sip:y SIP/2.0", "two") }, 3);
  const entries = recorder.entries();
  expect(entries.map(({ at, realm, sent, line }) => `${at} ${realm} ${sent} ${line}`)).toEqual([
    "1 a false INVITE sip:x SIP/2.0",
    "3 b true INVITE sip:y SIP/2.0",
  ]);
  expect(entries[0]!.media).toEqual(["audio 4000 RTP/SAVP"]);
  expect(JSON.stringify(entries)).not.toContain("secret");
  expect(recorder.entries(new Set(["two"]))).toHaveLength(1);
});

test("the password of a Request-URI stays inside", () => {
  const recorder = new Recorder((listener) => listener);
  recorder.input({ in: "datagram", listener: "a", remote, text: message("INVITE sip:b:hunter2@x SIP/2.0", "one") }, 1);
  expect(recorder.entries()[0]?.line).toBe("INVITE sip:b:…@x SIP/2.0");
});

test("the ring keeps the last 4,096 messages and forgets older ones", () => {
  const recorder = new Recorder((listener) => listener);
  for (let i = 0; i < 5_000; i++) {
    recorder.input({ in: "datagram", listener: "a", remote, text: message(`OPTIONS sip:${i} SIP/2.0`, "x") }, i);
  }
  const entries = recorder.entries();
  expect(entries).toHaveLength(4_096);
  expect(entries[0]!.at).toBe(904);
  expect(entries.at(-1)!.at).toBe(4_999);
});

test("large messages leave less room: a flood of them fills no memory", () => {
  const recorder = new Recorder((listener) => listener);
  const large = message("INVITE sip:x SIP/2.0", "large").padEnd(65_536, "x");
  for (let i = 0; i < 5_000; i++) recorder.input({ in: "datagram", listener: "a", remote, text: large }, i);
  expect(recorder.entries()).toHaveLength(128);
  recorder.input({ in: "datagram", listener: "a", remote, text: message("OPTIONS sip:y SIP/2.0", "small") }, 5_000);
  expect(recorder.entries()).toHaveLength(128);
  expect(recorder.entries().at(-1)).toMatchObject({ at: 5_000, callId: "small" });
});

test("keepalives and the middle of a stream are no messages", () => {
  const recorder = new Recorder((listener) => listener);
  recorder.input({ in: "datagram", listener: "a", remote, text: "\r\n\r\n" }, 1);
  recorder.input({ in: "data", connection: 9, text: "a=rtpmap:0 PCMU/8000\r\n" }, 2);
  expect(recorder.entries()).toEqual([]);
});
