/** A ladder that tells what the box does not do is found out: one lie after the other in a ladder that is true. */
import { expect, test } from "vitest";
import { readLadders } from "../support/ladders/format.ts";
import { play } from "../support/ladders/play.ts";

const TRUE = `## A call
From: RFC 3665 §3.1

| after | alice | box | bob |
|---|---|---|---|
| | INVITE sdp → | | → INVITE F2 sdp |
| 100 | ← 180 | | ← 180 |
| 1 s | ← 200 sdp | alice = bob | ← 200 sdp, → ACK |
| 10 | ACK → | | |
| 5 s | BYE →, ← 200 BYE | silence | → BYE, ← 200 BYE |

\`\`\`sip F2
INVITE sip:bob@192.0.2.201* SIP/2.0
Max-Forwards: 69
Route: (absent)

m=audio * RTP/AVP 0
\`\`\`
\`\`\`never bob
192.0.2.101
\`\`\`
\`\`\`facts
call.ended cause=bye by=caller
\`\`\`
`;

const told = (text: string, wire: "udp" | "tcp" = "udp", tamper?: (text: string) => string): string => {
  const [ladder] = readLadders(text);
  if (ladder === undefined) throw new Error("no ladder");
  try {
    play(ladder, tamper === undefined ? { wire } : { wire, tamper });
    return "plays";
  } catch (error) {
    return (error as Error).message;
  }
};

test("the true one plays", () => {
  expect(told(TRUE)).toBe("plays");
  expect(told(TRUE, "tcp")).toBe("plays");
});

test.each([
  ["length", /Content-Length: 0/, "Content-Length: 5"],
  ["via", /\r\nVia: SIP\/2\.0\/UDP 10\.9\.0\.1/, "\r\nVia: SIP/2.0/UDP 10.9.0.2"],
  ["via", /(\r\nVia: [^\r]*)(?=.*\r\nUser-Agent)/s, "$1$1"],
  ["mirror", /(SIP\/2\.0 180 .*\r\nTo: [^;\r]*)[^\r]*/s, "$1"],
  ["contact", /Contact: <sip:([^@]*)@203\.0\.113\.1/, "Contact: <sip:$1@203.0.113.9"],
  ["hops", /Max-Forwards: 69/, "Max-Forwards: 0"],
  ["dialog", /^(BYE .*\r\nFrom: [^\r]*tag=)[^\r]*/s, "$1another"],
  ["cseq", /CSeq: 2 BYE/, "CSeq: 1 BYE"],
  ["target", /^BYE sip:bob@/, "BYE sip:rob@"],
  ["sdp", /c=IN IP4 10\.9\.0\.1/, "c=IN IP4 10.9.0.2"],
  ["private", /\r\nMax-Forwards: 69/, "\r\nRecord-Route: <sip:10.9.0.1;lr>\r\nMax-Forwards: 69"],
])("the rule `%s` sees what breaks it", (rule, from, to) => {
  let broken = 0;
  const tamper = (text: string): string => {
    const other = text.replace(from, to);
    if (other !== text) broken += 1;
    return other;
  };
  expect(told(TRUE, "udp", tamper)).toMatch(new RegExp(`rule ${rule}: `));
  expect(broken).toBeGreaterThan(0);
});

test.each([
  [
    "a host of the other side",
    /(INVITE .*)\r\nMax-Forwards/s,
    "$1\r\nSubject: from client.atlanta.example.com\r\nMax-Forwards",
  ],
  ["the box's address on the other side", /\r\nMax-Forwards: 69/, "\r\nSubject: 203.0.113.1\r\nMax-Forwards: 69"],
  [
    "a Call-ID of the other leg",
    /\r\nCall-ID: (?!alice)[^\r]*/,
    "\r\nCall-ID: alice-1-call@client.atlanta.example.com",
  ],
])("the leak check sees %s", (_what, from, to) => {
  expect(told(TRUE, "udp", (text) => text.replace(from, to))).toMatch(/leak: /);
});

test.each([
  ["another status", "| 100 | ← 180 |", "| 100 | ← 183 |", /line 7: alice got 180 INVITE instead of "← 183"/],
  ["a message that is not sent", "← 180 | | ← 180", "← 180, ← 180 | | ← 180", /alice did not get "← 180", but nothing/],
  ["a message that is not told", "| → BYE, ← 200 BYE |", "| |", /bob got BYE, which the ladder does not tell/],
  ["copies that are not told", "| 5 s | BYE", "| 5 s | (gone), BYE", /alice did not get "← 200 BYE"/],
  ["another start line", "INVITE sip:bob@192.0.2.201*", "INVITE sip:carol@*", /instead of "INVITE sip:carol@\*/],
  ["another header", "Max-Forwards: 69", "Max-Forwards: 70", /Max-Forwards: "69" instead of "70"/],
  ["a header that should be absent", "Route: (absent)", "Contact: (absent)", /Contact: .* should not be there/],
  ["another body", "m=audio * RTP/AVP 0", "m=video * RTP/AVP 0", /no line "m=video/],
  ["a description that is missing", "ACK →", "ACK →, ← 200 sdp", /alice did not get/],
  ["no description", "← 180 | |", "← 180 sdp | |", /a description is missing/],
  ["another direction", "← 200 sdp | alice", "← 200 sdp:inactive | alice", /sendrecv instead of inactive/],
  ["another sound", "alice = bob", "alice > bob", /sound is "alice = bob" instead of "alice > bob"/],
  ["a word that is said all the same", "never bob\n192.0.2.101", "never bob\n10.9.0.1", /bob was told "10\.9\.0\.1"/],
  ["another cause", "cause=bye", "cause=busy", /has cause=bye instead of busy/],
  ["a fact that is not there", "call.ended cause=bye by=caller", "call.ended · call.ended", /facts are call\.ended/],
  ["a call that does not end", /\| 5 s \|.*\n/, "", /remains: calls 1|facts are none/],
  ["a word that nobody knows", "ACK →", "ACK soon →", /"soon" means nothing/],
])("%s", (_what, from, to, verdict) => {
  expect(TRUE.replace(from, to)).not.toBe(TRUE);
  expect(() => {
    const verdictOf = told(TRUE.replace(from, to));
    throw new Error(verdictOf);
  }).toThrow(verdict);
});
