/** What follows an association shows another certificate of ours: RFC 8842 §3.1, and ends that know no tls-id. */
import { expect, test } from "vitest";
import type { RealmSettings } from "../../../src/base/index.ts";
import type { MediaParty, RelayChange, RelayCommand, RelaySide } from "../../../src/media/index.ts";
import {
  type Bench,
  bench,
  call,
  dtlsCall,
  FINGERPRINT,
  INSIDE,
  insideParty,
  lines,
  outsideParty,
  plainAnswer,
  plainOffer,
  print,
  realm,
  sdp,
} from "./kit.ts";

const outside = (set: Partial<RealmSettings> = {}): RealmSettings =>
  realm("outside", "198.51.100.1", { srtp: "required", srtpKeys: ["sdes", "dtls"], ...set });
const ID = "a=tls-id:0123456789abcdefghij";
const dtls = (...more: string[]): string =>
  sdp("203.0.113.5", "m=audio 4000 UDP/TLS/RTP/SAVP 0 8", print(0xab), ...more);
const OFFER = dtls("a=setup:actpass", ID);
const up = (parties?: { caller: MediaParty; callee: MediaParty }): Bench => {
  const made = dtlsCall([outside(), INSIDE], parties);
  made.media.offer("call", "caller", OFFER);
  made.media.answer("call", "callee", plainAnswer);
  return made;
};
const shownIn = (text: string): string[] => lines(text, "a=fingerprint:").map((value) => value.slice(0, 10));
const OWN = ["sha-256 00"];
const octetsOf = (side: RelaySide | RelayChange): unknown => side.dtls?.identity?.key.reveal();

test("where it gets other ports: a new party on the other side, before it and after", () => {
  const made = up();
  const before = opened(made.take()).sides[0];
  made.media.setParty("call", "callee", { ...insideParty, signallingSource: "10.0.0.10" });
  made.media.offer("call", "caller", OFFER);
  const answer = made.media.answer("call", "callee", sdp("10.0.0.10", "m=audio 7002 RTP/AVP 8"));
  const after = opened(made.take()).sides[0];
  expect(after.local.rtpPort).not.toBe(before.local.rtpPort);
  expect([octetsOf(before), octetsOf(after)]).toEqual([undefined, Uint8Array.of(0xc1)]);
  expect(shownIn(answer)).toEqual(["sha-256 C1"]);
  expect(answer).toContain("a=setup:passive");
  // And stays, whoever offers next.
  made.media.offer("call", "caller", dtls("a=setup:actpass", ID, "a=sendonly"));
  expect(shownIn(made.media.answer("call", "callee", plainAnswer))).toEqual(["sha-256 C1"]);
  expect(shownIn(made.media.offer("call", "callee", plainAnswer))).toEqual(["sha-256 C1"]);
  made.media.answer("call", "caller", dtls("a=setup:active", ID));
  expect(shownIn(made.media.repeat("call", "caller"))).toEqual(["sha-256 C1"]);
  expect(made.take().some((each) => each.word === "change" && "dtls" in each.set)).toBe(false);
});

test("where the new party offers", () => {
  const made = up();
  const id = lines(made.media.repeat("call", "caller"), "a=tls-id:");
  made.media.answer("call", "caller", dtls("a=setup:active", ID));
  made.media.setParty("call", "callee", { ...insideParty, signallingSource: "10.0.0.10" });
  made.take();
  const offer = made.media.offer("call", "callee", plainAnswer);
  // Though SDES would be the first way of its realm.
  expect([shownIn(offer), lines(offer, "a=crypto:")]).toEqual([["sha-256 C1"], []]);
  expect(lines(offer, "a=tls-id:")).not.toEqual(id);
  made.media.answer("call", "caller", dtls("a=setup:active", ID));
  expect(octetsOf(opened(made.take()).sides[0])).toEqual(Uint8Array.of(0xc1));
});

test.each([
  ["another certificate", sdp("203.0.113.5", "m=audio 4000 UDP/TLS/RTP/SAVP 8", print(1), "a=setup:actpass", ID)],
  ["another tls-id", dtls("a=setup:actpass", `${ID}k`)],
  ["another role", dtls("a=setup:passive", ID)],
])("where the other end begins one: %s", (_case, offer) => {
  const made = up();
  made.take();
  made.media.offer("call", "caller", offer);
  expect(shownIn(made.media.answer("call", "callee", plainAnswer))).toEqual(["sha-256 C1"]);
  const told = made.take().flatMap((each) => (each.word === "change" && "dtls" in each.set ? [each.set] : []));
  expect(told.map(octetsOf)).toEqual([Uint8Array.of(0xc1)]);
});

test("an end that knows no tls-id begins one by moving to another place; one that knows it does not", () => {
  const at = (port: number, ip = "203.0.113.5", ...more: string[]): string =>
    sdp(ip, `m=audio ${port} UDP/TLS/RTP/SAVP 8`, print(0xab), "a=setup:actpass", ...more);
  const shownAfter = (...offers: string[]): string | undefined => {
    const { media } = dtlsCall([outside(), INSIDE]);
    let last = "";
    for (const offer of offers) {
      media.offer("call", "caller", offer);
      last = media.answer("call", "callee", plainAnswer);
    }
    return shownIn(last)[0];
  };
  expect(shownAfter(at(4_000), at(4_002))).toBe("sha-256 C1");
  expect(shownAfter(at(4_000), at(4_000, "203.0.113.6"), at(4_000))).toBe("sha-256 C2");
  expect(shownAfter(at(4_000), at(4_000))).toBe(OWN[0]);
  expect(shownAfter(at(4_000), at(4_000, "0.0.0.0"), at(4_000))).toBe(OWN[0]); // Hold of old.
  expect(shownAfter(at(4_000, undefined, ID), at(4_002, undefined, ID))).toBe(OWN[0]);

  const { media, take } = dtlsCall([outside({ srtpKeys: ["dtls"] }), INSIDE], {
    caller: insideParty,
    callee: outsideParty,
  });
  const answer = (port: number): string => at(port).replace("actpass", "active");
  media.offer("call", "caller", plainOffer);
  media.answer("call", "callee", answer(4_000));
  take();
  for (const [port, anew] of [
    [4_000, false],
    [4_002, true],
  ] as const) {
    media.offer("call", "caller", plainOffer);
    media.answer("call", "callee", answer(port));
    expect(take().some((each) => each.word === "change" && "dtls" in each.set)).toBe(anew);
  }
});

test("in another session that carries its leg on, and in one after that", () => {
  const made = up();
  for (const [from, to, print] of [
    ["call", "second", "C1"],
    ["second", "third", "C2"],
  ] as const) {
    const standing = made.media.standing(from, "caller");
    if (standing === undefined) throw new Error("nothing stands");
    made.media.open(to, { caller: standing.party, callee: insideParty });
    made.media.offer(to, "caller", standing.offer);
    made.media.carryOn(to, "caller", standing.voice);
    expect(shownIn(made.media.answer(to, "callee", plainAnswer))).toEqual([`sha-256 ${print}`]);
    const again = made.media.repeat(to, "caller");
    expect([shownIn(again), lines(again, "a=setup:")]).toEqual([[`sha-256 ${print}`], ["actpass"]]);
    made.media.answer(to, "caller", dtls("a=setup:active", ID));
    made.media.delete(from);
  }
  const last = made.media.standing("third", "caller");
  if (last === undefined) throw new Error("nothing stands");
  made.media.open("fourth", { caller: insideParty, callee: last.party });
  made.media.carryOn("fourth", "callee", last.voice);
  const asked = made.media.offer("fourth", "caller", plainOffer);
  expect([shownIn(asked), lines(asked, "a=crypto:")]).toEqual([["sha-256 C3"], []]);
  // A leg that has never shaken hands is none of these.
  const plain = call([outside({ srtp: "off" }), INSIDE]);
  plain.media.offer("call", "caller", plainOffer);
  plain.media.answer("call", "callee", plainAnswer);
  expect(plain.media.standing("call", "caller")?.party).not.toHaveProperty("shaken");
});

test("two lines show one, and a line that comes to others shows theirs", () => {
  const made = up();
  const two = (last: string): string =>
    sdp(
      "203.0.113.5",
      ...[4_000, 4_002]
        .map((port) => `m=audio ${port} UDP/TLS/RTP/SAVP 8`)
        .join(`\r\n${print(1)}\r\n`)
        .split("\r\n"),
      print(1),
      last,
    );
  const answer = sdp("10.0.0.9", "m=audio 7000 RTP/AVP 8", "m=audio 7002 RTP/AVP 8");
  made.media.offer("call", "caller", two("a=sendrecv"));
  expect(shownIn(made.media.answer("call", "callee", answer))).toEqual(["sha-256 C1", ...OWN]);
  made.media.setParty("call", "callee", { ...insideParty, signallingSource: "10.0.0.10" });
  made.media.offer("call", "caller", two("a=sendrecv"));
  expect(shownIn(made.media.answer("call", "callee", answer))).toEqual(["sha-256 C2", "sha-256 C2"]);
});

test("a refused offer has shown nothing that counts", () => {
  const made = up();
  made.media.offer("call", "caller", dtls("a=setup:actpass", `${ID}k`));
  made.media.withdraw("call", "caller");
  made.take();
  expect(shownIn(made.media.repeat("call", "caller"))).toEqual(OWN);
  made.media.answer("call", "caller", dtls("a=setup:active", ID));
  expect(made.take()).toEqual([]);
});

test("where the relay has no other certificates, it shows its own", () => {
  const made = bench([outside(), INSIDE], 1, 100, FINGERPRINT, () => undefined);
  made.media.open("call", { caller: outsideParty, callee: insideParty });
  for (const [id, name] of [ID, `${ID}k`].entries()) {
    made.media.offer("call", "caller", dtls("a=setup:actpass", name));
    expect([id, shownIn(made.media.answer("call", "callee", plainAnswer))]).toEqual([id, OWN]);
  }
});

function opened(commands: readonly RelayCommand[]): { readonly sides: readonly [RelaySide, RelaySide] } {
  const open = commands.find((each) => each.word === "open");
  if (open?.word !== "open") throw new Error("no pair was opened");
  return open;
}
