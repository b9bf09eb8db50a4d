import { expect, test } from "vitest";
import type { RelayCommand } from "../../../src/media/index.ts";
import {
  call,
  crypto,
  INSIDE,
  insideParty,
  KEY_B,
  lines,
  OUTSIDE,
  outsideParty,
  plainAnswer,
  plainOffer,
  portsInUse,
  realm,
  sdp,
  secureOffer,
  statusOf,
} from "./kit.ts";

const fork = (port: number, ...more: string[]) => sdp("10.0.0.9", `m=audio ${port} RTP/AVP 8`, ...more);
const early = { provisional: true };

test("early media flows at once, and owes nothing until the call is answered", () => {
  const { media, take } = call();
  media.offer("call", "caller", secureOffer);
  const preview = media.answer("call", "callee", plainAnswer, early);
  expect(take()).toMatchObject([{ word: "open", sides: [{ silenceLimitMs: 0, send: true }, { silenceLimitMs: 0 }] }]);
  expect(media.answer("call", "callee", plainAnswer)).toBe(preview);
  expect(take()).toEqual([
    { word: "change", pair: 0, side: 0, set: { silenceLimitMs: 30_000 } },
    { word: "change", pair: 0, side: 1, set: { silenceLimitMs: 30_000 } },
  ]);
});

test("the relay follows the latest fork, and the final answer wins", () => {
  const { media, take } = call();
  media.offer("call", "caller", secureOffer);
  media.answer("call", "callee", fork(7000), { ...early, dialog: "a" });
  media.answer("call", "callee", fork(7100), { ...early, dialog: "b" });
  media.answer("call", "callee", fork(7000), { provisional: false, dialog: "a" });
  expect(remotePorts(take())).toEqual([7000, 7100, 7000]);
});

test("what the caller is told stays the same over forks, but for what they chose", () => {
  const { media } = call();
  media.offer("call", "caller", secureOffer);
  const first = media.answer("call", "callee", fork(7000), early);
  expect(media.answer("call", "callee", fork(7100), early)).toBe(first);
  const other = media.answer("call", "callee", sdp("10.0.0.9", "m=audio 7000 RTP/AVP 0"));
  expect([lines(other, "a=crypto:"), lines(other, "a=rtcp:")]).toEqual([
    lines(first, "a=crypto:"),
    lines(first, "a=rtcp:"),
  ]);
  expect(lines(other, "o=")[0]).toBe(lines(first, "o=")[0]?.replace(" 1 IN", " 2 IN"));
});

test("a fork may decline what another took: its ports stay bound until the final answer", () => {
  const made = call();
  const { media, take } = made;
  media.offer(
    "call",
    "caller",
    sdp("203.0.113.5", "m=audio 4000 RTP/SAVP 8", crypto(1), "m=video 4002 RTP/SAVP 96", crypto(1)),
  );
  media.answer("call", "callee", fork(7000, "m=video 7002 RTP/AVP 96"), early);
  expect(take().length).toBe(2);
  media.answer("call", "callee", fork(7100, "m=video 0 RTP/AVP 96"), early);
  expect(take().filter(({ pair }) => pair === 1)).toEqual([
    { word: "change", pair: 1, side: 0, set: { receive: false, send: false } },
    { word: "change", pair: 1, side: 1, set: { receive: false, send: false } },
  ]);
  media.answer("call", "callee", fork(7000, "m=video 7002 RTP/AVP 96"), early);
  expect(take().filter(({ pair }) => pair === 1)).toMatchObject([
    { set: { receive: true } },
    { set: { receive: true } },
  ]);
  media.answer("call", "callee", fork(7100, "m=video 0 RTP/AVP 96"));
  expect(take().filter(({ pair }) => pair === 1)).toEqual([{ word: "close", pair: 1 }]);
});

test("a key that a provisional and the final answer both bring is one key", () => {
  const { media, take } = call(undefined, { caller: insideParty, callee: outsideParty });
  media.offer("call", "caller", plainOffer);
  const secured = sdp("203.0.113.5", "m=audio 4000 RTP/SAVP 8", crypto(1, KEY_B));
  media.answer("call", "callee", secured, early);
  take();
  media.answer("call", "callee", secured);
  expect(take().flatMap((command) => (command.word === "change" ? Object.keys(command.set) : []))).toEqual([
    "silenceLimitMs",
    "silenceLimitMs",
  ]);
});

test("a refused call leaves nothing behind", () => {
  const made = call();
  made.media.offer("call", "caller", secureOffer);
  made.media.answer("call", "callee", plainAnswer, early);
  made.media.withdraw("call", "caller");
  expect(made.take().map(({ word }) => word)).toEqual(["open", "close"]);
  made.relayLetsGo();
  expect(portsInUse(made)).toEqual({ outside: 0, inside: 0 });
});

test("failover: the next target gets ports, keys and a session id of its own; the caller's stay", () => {
  const next = realm("next", "192.0.2.1", { srtp: "required" });
  const made = call([INSIDE, OUTSIDE, next], { caller: insideParty, callee: outsideParty });
  const { media } = made;
  const first = media.offer("call", "caller", plainOffer);
  media.setParty("call", "callee", outsideParty);
  expect(statusOf(() => media.answer("call", "callee", sdp("203.0.113.5", "m=audio 4000 RTP/SAVP 8", crypto(1))))).toBe(
    500,
  );
  const second = media.offer("call", "caller", plainOffer);
  for (const unique of ["o=", "m=", "a=rtcp:"]) expect(lines(second, unique)).not.toEqual(lines(first, unique));
  for (const key of lines(first, "a=crypto:")) expect(second).not.toContain(key.split(" ")[2]);
  expect(lines(second, "o=")[0]).toContain(" 1 IN ");

  media.setParty("call", "callee", { ...outsideParty, realm: "next" });
  expect(lines(media.offer("call", "caller", plainOffer), "c=")).toEqual(["IN IP4 192.0.2.1"]);
  expect(portsInUse(made)).toEqual({ inside: 2, outside: 0, next: 2 });
  media.answer("call", "callee", sdp("203.0.113.5", "m=audio 4000 RTP/SAVP 8", crypto(1)));
  expect(made.take()).toMatchObject([
    { word: "open", sides: [{ local: { ip: "10.0.0.1" } }, { local: { ip: "192.0.2.1" } }] },
  ]);
});

test("failover after early media: the relay moves to ports that were never bound", () => {
  const made = call();
  const { media, take, relayLetsGo } = made;
  media.offer("call", "caller", secureOffer);
  media.answer("call", "callee", plainAnswer, early);
  const [opened] = take();
  media.setParty("call", "callee", { ...insideParty, signallingSource: "10.0.0.10" });
  media.offer("call", "caller", secureOffer);
  media.answer("call", "callee", plainAnswer);
  const [closed, reopened] = take();
  expect([closed?.word, reopened?.word]).toEqual(["close", "open"]);
  expect(localPorts(reopened)).not.toContain(localPorts(opened)[0]);
  relayLetsGo();
  expect(portsInUse(made)).toEqual({ outside: 2, inside: 2 });
});

test("an offer in the early dialog (UPDATE) stands on the early answer, and falls back to it", () => {
  const made = call();
  const { media, take } = made;
  media.offer("call", "caller", secureOffer);
  media.answer("call", "callee", plainAnswer, early);
  take();
  media.offer("call", "callee", sdp("10.0.0.9", "m=audio 7000 RTP/AVP 8", "a=sendonly"));
  media.withdraw("call", "callee");
  expect(take()).toEqual([]);
  expect(media.query("call").streams[0]?.callee.direction).toBe("sendrecv");
  media.delete("call");
  made.relayLetsGo();
  expect(portsInUse(made)).toEqual({ outside: 0, inside: 0 });
});

test("a transfer: another party takes a side of an answered call", () => {
  const made = call();
  const { media, take, relayLetsGo } = made;
  media.offer("call", "caller", secureOffer);
  media.answer("call", "callee", plainAnswer);
  take();
  media.setParty("call", "callee", { ...insideParty, signallingSource: "10.0.0.11" });
  media.offer("call", "caller", secureOffer);
  media.withdraw("call", "caller");
  expect(take()).toEqual([]);

  media.setParty("call", "callee", { ...insideParty, signallingSource: "10.0.0.12" });
  media.offer("call", "caller", secureOffer);
  media.answer("call", "callee", sdp("10.0.0.12", "m=audio 9000 RTP/AVP 8"));
  expect(remotePorts(take())).toEqual([9000]);
  relayLetsGo();
  expect(portsInUse(made)).toEqual({ outside: 2, inside: 2 });
});

function remotePorts(commands: RelayCommand[]): (number | undefined)[] {
  return commands.flatMap((command) => {
    if (command.word === "open") return [command.sides[1].remote?.rtpPort];
    return command.word === "change" && command.set.remote !== undefined ? [command.set.remote.rtpPort] : [];
  });
}

const localPorts = (command: RelayCommand | undefined): number[] =>
  command?.word === "open" ? command.sides.map(({ local }) => local.rtpPort) : [];
