/** Browsers: ICE-lite (RFC 8445, 8839), shared ports (RFC 5761, 8858), BUNDLE (RFC 9143), and what is made for them (RFC 8829). */
import { describe, expect, test } from "vitest";
import type { MediaRules } from "../../../src/base/index.ts";
import type { MediaParty, RelayChange, RelayCommand, RelaySide } from "../../../src/media/index.ts";
import {
  type Bench,
  chromium,
  dtlsCall,
  ICE,
  INSIDE,
  insideParty,
  lines,
  outsideParty,
  plainAnswer,
  plainOffer,
  realm,
  sdp,
  shape,
  statusOf,
} from "./kit.ts";

const WEB = realm("outside", "198.51.100.1", { srtp: "required", srtpKeys: ["sdes", "dtls"] });
const browser: MediaParty = { ...outsideParty, web: true };
const outward = { caller: insideParty, callee: browser };
const inward = { caller: browser, callee: insideParty };

const RESTARTED = ["a=ice-ufrag:efgh", "a=ice-pwd:0123456789abcdefghijklmn", "a=ice-options:trickle"];
const SECRETS = /abcd|0123456789|efgh|\.local|192\.168|candidate:.*203|AB:AB|a=ssrc|msid:/;

test("a browser calls a phone", () => {
  const { media, take } = dtlsCall([WEB, INSIDE], inward);
  const onward = media.offer("call", "caller", chromium());
  expect(shape(onward)).toEqual([
    "v=0",
    "o=- ID 1 IN IP4 10.0.0.1",
    "s=-",
    "c=IN IP4 10.0.0.1",
    "t=0 0",
    "a=extmap-allow-mixed",
    "m=audio PORT RTP/AVP 111 0 8 110 126",
    "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    "a=rtpmap:111 opus/48000/2",
    "a=rtpmap:110 telephone-event/48000",
    "a=rtpmap:126 telephone-event/8000",
    "a=mid:0",
    "a=rtcp:PORT",
    "a=rtcp-mux",
    "a=sendrecv",
  ]);
  const answer = media.answer("call", "callee", plainAnswer);
  expect(shape(answer)).toEqual([
    "v=0",
    "o=- ID 1 IN IP4 198.51.100.1",
    "s=-",
    "c=IN IP4 198.51.100.1",
    "t=0 0",
    "a=group:BUNDLE 0",
    "a=ice-lite",
    "a=ice-options:ice2",
    "m=audio PORT UDP/TLS/RTP/SAVPF 8",
    "a=mid:0",
    "a=rtcp-mux",
    "a=ice-ufrag:OURS",
    "a=ice-pwd:OURS",
    "a=candidate:1 1 UDP 2130706431 198.51.100.1 PORT typ host",
    "a=end-of-candidates",
    "a=fingerprint:OURS",
    "a=setup:passive",
    "a=sendrecv",
  ]);
  expect(onward + answer).not.toMatch(SECRETS);
  const [caller, callee] = opened(take()).sides;
  expect([caller.remote, caller.local.rtcpPort - caller.local.rtpPort, callee.ice]).toEqual([undefined, 0, undefined]);
  expect([caller.receive, caller.send, caller.silenceLimitMs > 0]).toEqual([true, true, true]);
  expect([caller.ice?.localUfrag, caller.ice?.localPassword.reveal()]).toEqual([
    ...lines(answer, "a=ice-ufrag:"),
    ...lines(answer, "a=ice-pwd:"),
  ]);
  expect([caller.ice?.remoteUfrag, caller.ice?.remotePassword.reveal()]).toEqual(["abcd", "0123456789abcdefghijkl"]);
});

test("a phone calls a browser", () => {
  const { media, take } = dtlsCall([WEB, INSIDE], outward);
  const onward = media.offer("call", "caller", plainOffer);
  expect(shape(onward)).toEqual([
    "v=0",
    "o=- ID 1 IN IP4 198.51.100.1",
    "s=-",
    "c=IN IP4 198.51.100.1",
    "t=0 0",
    "a=group:BUNDLE 0",
    "a=ice-lite",
    "a=ice-options:ice2",
    "m=audio PORT UDP/TLS/RTP/SAVPF 0 8",
    "a=mid:0",
    "a=rtcp-mux",
    "a=rtcp-mux-only",
    "a=ice-ufrag:OURS",
    "a=ice-pwd:OURS",
    "a=candidate:1 1 UDP 2130706431 198.51.100.1 PORT typ host",
    "a=end-of-candidates",
    "a=fingerprint:OURS",
    "a=setup:actpass",
    "a=tls-id:OURS",
    "a=sendrecv",
  ]);
  const back = media.answer("call", "callee", chromium(ICE, "active"));
  expect(back).not.toMatch(SECRETS);
  expect(back).not.toMatch(/ice|setup|fingerprint|BUNDLE|rtcp-mux|a=mid|extmap:|rtcp-fb/);
  const side = opened(take()).sides[1];
  expect([side.ice?.remoteUfrag, side.dtls?.setup, side.remote]).toEqual(["abcd", "passive", undefined]);
});

test("a browser calls a browser: feedback and extensions cross, transport does not", () => {
  const both = realm("inside", "10.0.0.1", { srtp: "required", srtpKeys: ["dtls"] });
  const { media } = dtlsCall([WEB, both], { caller: browser, callee: { ...insideParty, web: true } });
  const onward = media.offer("call", "caller", chromium());
  expect(shape(onward)).toEqual(
    expect.arrayContaining([
      "m=audio PORT UDP/TLS/RTP/SAVPF 111 0 8 110 126",
      "a=rtcp-fb:111 transport-cc",
      "a=setup:actpass",
    ]),
  );
  expect(onward).not.toMatch(SECRETS);
  const answer = media.answer(
    "call",
    "callee",
    chromium(ICE, "active", "a=extmap:9 urn:not-offered", "a=rtcp-fb:8 nack"),
  );
  expect(answer).toContain("a=rtcp-fb:111 transport-cc");
  expect(answer).not.toMatch(/not-offered|fb:8/);
  expect(answer).not.toMatch(SECRETS);
});

test("a browser that keeps RTCP apart was not listening", () => {
  const { media } = dtlsCall([WEB, INSIDE], outward);
  media.offer("call", "caller", plainOffer);
  const apart = chromium(ICE, "active").replace("a=rtcp-mux\r\n", "");
  expect(statusOf(() => media.answer("call", "callee", apart))).toBe(488);
});

describe("ICE", () => {
  const OPEN = realm("outside", "198.51.100.1", { srtpKeys: ["sdes"] });
  const withRules = (rules: MediaRules | undefined, direction = inward): Bench => {
    const phone = { ...outsideParty, rules };
    return dtlsCall(
      [OPEN, INSIDE],
      direction === inward ? { caller: phone, callee: insideParty } : { caller: insideParty, callee: phone },
    );
  };
  const HOST = "a=candidate:1 1 UDP 2130706431 203.0.113.5 4000 typ host";
  const offer = (...more: string[]): string => sdp("203.0.113.5", "m=audio 4000 RTP/AVP 0 8", ...more);
  const used = (made: Bench, text: string): boolean => {
    made.media.offer("call", "caller", text);
    const answer = made.media.answer("call", "callee", plainAnswer);
    const side = opened(made.take()).sides[0];
    expect(/a=ice-/.test(answer)).toBe(side.ice !== undefined);
    expect(side.remote === undefined).toBe(side.ice !== undefined);
    return side.ice !== undefined;
  };

  test.each<[string, string[], boolean]>([
    ["with its address among the candidates", [...ICE, HOST], true],
    ["with candidates to come", ICE, true],
    [
      "with an address that somebody on the way has put there",
      [...ICE, HOST.replace("203.0.113.5", "192.168.1.5")],
      false,
    ],
    ["with another port", [...ICE, HOST.replace("4000", "4002")], false],
    ["with ice-mismatch", [...ICE, HOST, "a=ice-mismatch"], false],
    ["without a password", [ICE[0] as string, HOST], false],
    ["with a short password", [ICE[0] as string, "a=ice-pwd:short", HOST], false],
    ["with a ufrag of wrong letters", ["a=ice-ufrag:ab-d", ICE[1] as string, HOST], false],
  ])("offered %s", (_case, more, expected) => {
    expect(used(withRules(undefined), offer(...more))).toBe(expected);
  });

  test("credentials of the session hold for its lines", () => {
    const session = sdp("203.0.113.5", ...ICE, "m=audio 4000 RTP/AVP 0 8", HOST);
    expect(used(withRules(undefined), session)).toBe(true);
  });

  test("two lite agents need none", () => {
    expect(used(withRules(undefined), sdp("203.0.113.5", "a=ice-lite", "m=audio 4000 RTP/AVP 0 8", ...ICE, HOST))).toBe(
      false,
    );
  });

  test("without shared ports both components have a candidate", () => {
    const made = withRules(undefined);
    made.media.offer("call", "caller", offer(...ICE, HOST));
    const answer = made.media.answer("call", "callee", plainAnswer);
    const port = Number(lines(answer, "m=audio ")[0]?.split(" ")[0]);
    expect(lines(answer, "a=candidate:")).toEqual([
      `1 1 UDP 2130706431 198.51.100.1 ${port} typ host`,
      `1 2 UDP 2130706430 198.51.100.1 ${port + 1} typ host`,
    ]);
  });

  test("what is shown is the public address", () => {
    const behind = realm("outside", "198.51.100.1", { srtpKeys: ["sdes"], advertise: "192.0.2.77" });
    const made = dtlsCall([behind, INSIDE]);
    made.media.offer("call", "caller", offer(...ICE, HOST));
    const answer = made.media.answer("call", "callee", plainAnswer);
    expect(lines(answer, "a=candidate:")[0]).toMatch(/^1 1 UDP 2130706431 192\.0\.2\.77 /);
    expect(answer).not.toContain("198.51.100.1");
  });

  test.each<[MediaRules | undefined, boolean, boolean]>([
    [undefined, true, false],
    [{ ice: "answer" }, true, false],
    [{ ice: "lite" }, true, true],
    [{ ice: "off" }, false, false],
  ])("by policy %j it is answered: %s, and offered to a phone: %s", (rules, answered, offered) => {
    expect(used(withRules(rules), offer(...ICE, HOST))).toBe(answered);
    expect(withRules(rules, outward).media.offer("call", "caller", plainOffer).includes("a=ice-lite")).toBe(offered);
  });

  test("who answers without ICE has none", () => {
    const made = withRules({ ice: "lite" }, outward);
    made.media.offer("call", "caller", plainOffer);
    made.media.answer("call", "callee", sdp("203.0.113.5", "m=audio 4000 RTP/AVP 0"));
    const side = opened(made.take()).sides[1];
    expect([side.ice, side.remote?.rtpPort]).toEqual([undefined, 4000]);
  });

  test("0.0.0.0 is no hold where checks tell where media goes", () => {
    const made = dtlsCall([WEB, INSIDE], inward);
    made.media.offer("call", "caller", chromium());
    made.media.answer("call", "callee", plainAnswer);
    expect(lines(made.media.offer("call", "caller", chromium()), "a=sendrecv")).toEqual([""]);
  });
});

describe("a browser's re-INVITEs", () => {
  const up = (): { readonly made: Bench; readonly ours: string[] } => {
    const made = dtlsCall([WEB, INSIDE], inward);
    made.media.offer("call", "caller", chromium());
    const answer = made.media.answer("call", "callee", plainAnswer);
    made.take();
    return { made, ours: [...lines(answer, "a=ice-ufrag:"), ...lines(answer, "a=ice-pwd:")] };
  };
  const credentials = (text: string): string[] => [...lines(text, "a=ice-ufrag:"), ...lines(text, "a=ice-pwd:")];
  const changes = (made: Bench): RelayChange[] =>
    made.take().flatMap((each) => (each.word === "change" && each.side === 0 ? [each.set] : []));

  test("hold and resume touch neither ICE nor keys", () => {
    const { made, ours } = up();
    for (const direction of ["a=sendonly", "a=inactive", "a=sendrecv"]) {
      made.media.offer("call", "caller", chromium().replace("a=sendrecv", direction));
      const answer = made.media.answer("call", "callee", plainAnswer);
      expect([credentials(answer), lines(answer, "a=setup:"), lines(answer, "a=group:")]).toEqual([
        ours,
        ["passive"],
        ["BUNDLE 0"],
      ]);
    }
    expect(changes(made).some((set) => "ice" in set || "dtls" in set || "remote" in set)).toBe(false);
  });

  test("an ICE restart: new credentials on both ends, the same association", () => {
    const { made, ours } = up();
    made.media.offer("call", "caller", chromium(RESTARTED));
    const answer = made.media.answer("call", "callee", plainAnswer);
    expect(credentials(answer).some((one) => ours.includes(one))).toBe(false);
    expect(lines(answer, "a=setup:")).toEqual(["passive"]);
    const told = changes(made);
    expect(told.map((set) => set.ice?.remoteUfrag)).toEqual(["efgh"]);
    expect(told.some((set) => "dtls" in set)).toBe(false);
  });

  test("our own re-offer restarts nothing", () => {
    const { made, ours } = up();
    const onward = made.media.offer("call", "callee", plainAnswer);
    expect([credentials(onward), lines(onward, "a=setup:"), lines(onward, "a=group:")]).toEqual([
      ours,
      ["actpass"],
      ["BUNDLE 0"],
    ]);
    expect(onward).toContain("a=rtcp-mux-only");
    made.media.answer("call", "caller", chromium(ICE, "active"));
    expect(changes(made).some((set) => "ice" in set || "dtls" in set)).toBe(false);
  });

  test("a late offer of a phone is told to the browser in its words", () => {
    const { media } = dtlsCall([WEB, INSIDE], inward);
    const onward = media.offer("call", "callee", plainOffer);
    expect(shape(onward)).toEqual(
      expect.arrayContaining(["m=audio PORT UDP/TLS/RTP/SAVPF 0 8", "a=setup:actpass", "a=rtcp-mux-only"]),
    );
    expect(media.answer("call", "caller", chromium(ICE, "active"))).toContain("RTP/AVP");
  });
});

test("a phone behind a peer that speaks no WebSocket can be a browser by word", () => {
  const rules: MediaRules = { webrtc: true };
  const { media } = dtlsCall([WEB, INSIDE], { caller: insideParty, callee: { ...outsideParty, rules } });
  expect(media.offer("call", "caller", plainOffer)).toContain("UDP/TLS/RTP/SAVPF");
});

function opened(commands: readonly RelayCommand[]): { readonly sides: readonly [RelaySide, RelaySide] } {
  const open = commands.find((each) => each.word === "open");
  if (open?.word !== "open") throw new Error("no pair was opened");
  return open;
}
