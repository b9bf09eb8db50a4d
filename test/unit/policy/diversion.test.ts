/** Whom a call was meant for before: Diversion and History-Info, each as the other, and as another side may see them. */
import { expect, test } from "vitest";
import { parseMessage } from "../../../src/message/index.ts";
import { crossingHeaders, tellDiversions } from "../../../src/policy/index.ts";
import { realm } from "./realms.ts";

const TARGET = "sip:last@peer.test";
const only = (name: string, ...values: string[]) => values.map((value) => [name, value] as const);

test("RFC 7544 §7.1: Diversion becomes History-Info, the oldest first, and one entry for whom the call is for now", () => {
  const diversions = [
    "<sip:3@a.test>;reason=unconditional;counter=1;privacy=off",
    "<sip:2@a.test>;reason=user-busy;counter=1;privacy=full, <sip:1@a.test>;reason=no-answer;counter=1;privacy=off",
  ];
  expect(tellDiversions(only("Diversion", ...diversions), "history-info", TARGET, [])).toEqual([
    [
      "History-Info",
      [
        "<sip:1@a.test?Privacy=none>;index=1",
        "<sip:2@a.test;cause=408?Privacy=history>;index=1.1;mp=1",
        "<sip:3@a.test;cause=486?Privacy=none>;index=1.1.1;mp=1.1",
        "<sip:last@peer.test;cause=302>;index=1.1.1.1;mp=1.1.1",
      ].join(", "),
    ],
  ]);
});

test("RFC 7544 §7.2: History-Info becomes Diversion, the newest first, each with the reason that led away from it", () => {
  const history =
    "<sip:1@a.test?Privacy=history>;index=1, <sip:2@a.test;cause=302?Privacy=none>;index=1.1;mp=1, <sip:last@a.test;cause=486>;index=1.1.1;mp=1.1";
  expect(tellDiversions(only("History-Info", history), "diversion", TARGET, [])).toEqual([
    [
      "Diversion",
      "<sip:2@a.test>;reason=user-busy;counter=1;privacy=off, <sip:1@a.test>;reason=unconditional;counter=1;privacy=full",
    ],
  ]);
});

test("History-Info that tells of no diversion makes none; without mp the entry before is the one that diverted", () => {
  expect(
    tellDiversions(only("History-Info", "<sip:1@a.test>;index=1, <sip:2@a.test>;index=1.1"), "diversion", TARGET, []),
  ).toEqual([]);
  const old = "<sip:1@a.test>;index=1, <sip:2@a.test;cause=408>;index=1.1";
  expect(tellDiversions(only("History-Info", old), "diversion", TARGET, [])).toEqual(
    only("Diversion", "<sip:1@a.test>;reason=no-answer;counter=1;privacy=off"),
  );
});

test("a tel: number that needs a cause becomes a SIP URI that leads nowhere; a counter of 2 leaves a gap that can be counted", () => {
  const told = tellDiversions(
    only("Diversion", "<tel:+4930;x=y>;reason=away;counter=2, <tel:+4931>;reason=no-answer"),
    "history-info",
    TARGET,
    [],
  );
  expect(told[0]?.[1].split(", ")).toEqual([
    "<tel:+4931>;index=1",
    "<sip:unknown@unknown.invalid;cause=408>;index=1.1;mp=1",
    "<sip:+4930@unknown.invalid;user=phone;cause=404>;index=1.1.1;mp=1.1",
    "<sip:last@peer.test;cause=404>;index=1.1.1.1;mp=1.1.1",
  ]);
});

test("there is an end to entries, whatever counters say", () => {
  const many = only("Diversion", Array(60).fill("<sip:1@a.test>;counter=99").join(","));
  for (const policy of ["diversion", "history-info"] as const) {
    expect(tellDiversions(many, policy, TARGET, [])[0]?.[1].split(", ")).toHaveLength(20);
  }
});

test("off: neither form; the rest stays", () => {
  const headers = [...only("Diversion", "<sip:1@a.test>"), ["Subject", "x"] as const];
  expect(tellDiversions(headers, "off", TARGET, [])).toEqual([["Subject", "x"]]);
});

const MOVES = [
  { uri: "sip:1@box.test", status: 302 },
  { uri: "sip:2@box.test", status: 301 },
];

test("redirects that we followed: the newest Diversion first", () => {
  expect(tellDiversions([], "diversion", TARGET, MOVES)).toEqual(
    only(
      "Diversion",
      "<sip:2@box.test>;reason=unconditional;counter=1, <sip:1@box.test>;reason=unconditional;counter=1",
    ),
  );
  expect(tellDiversions(only("Diversion", "<sip:0@a.test>;reason=away"), "pass", TARGET, MOVES.slice(0, 1))).toEqual(
    only("Diversion", "<sip:1@box.test>;reason=unconditional;counter=1, <sip:0@a.test>;reason=away"),
  );
});

test("redirects that we followed: the newest entry of History-Info last, the status with the one who gave it", () => {
  expect(tellDiversions([], "history-info", TARGET, MOVES)[0]?.[1].split(", ")).toEqual([
    "<sip:1@box.test?Reason=SIP%3Bcause%3D302>;index=1",
    "<sip:2@box.test;cause=302?Reason=SIP%3Bcause%3D301>;index=1.1",
    "<sip:last@peer.test;cause=302>;index=1.1.1;mp=1.1",
  ]);
  const known = "<sip:0@a.test>;index=1, <sip:1@a.test;cause=486>;index=1.1;mp=1";
  expect(tellDiversions(only("History-Info", known), "pass", TARGET, MOVES.slice(0, 1))[0]?.[1].split(", ")).toEqual([
    "<sip:0@a.test>;index=1",
    "<sip:1@a.test;cause=486?Reason=SIP%3Bcause%3D302>;index=1.1",
    "<sip:last@peer.test;cause=302>;index=1.1.1;mp=1.1",
  ]);
});

test("a peer that is told as it came, of a call that came with nothing, is told nothing", () => {
  expect(tellDiversions([], "pass", TARGET, MOVES)).toEqual([]);
});

// — What crosses

test("inside our own house the wish for privacy goes on with its entry", () => {
  expect(
    cross("full", [
      "History-Info: <sip:x@10.0.0.9;cause=302?Privacy=history&Reason=SIP%3Bcause%3D302%3Btext%3D%22pbx.lan%22&X-Far=1>;index=1.1;foo=bar;mp=1",
      "Diversion: <sip:y@10.0.0.9>;reason=away;privacy=full",
    ]),
  ).toEqual([
    "History-Info: <sip:x@203.0.113.1;cause=302?Privacy=history&Reason=SIP%3Bcause%3D302>;index=1.1;mp=1",
    "Diversion: <sip:y@203.0.113.1>;reason=away;privacy=full",
  ]);
});

test("toward other houses it is carried out: who diverted is not told, that and why is", () => {
  expect(
    cross("peer", [
      'History-Info: "Xaver" <sip:x@10.0.0.9;cause=302?Privacy=history&Reason=SIP%3Bcause%3D302>;index=1.1;mp=1, <sip:open@10.0.0.9>;index=1.1.1',
      'Diversion: "Y" <sip:y@10.0.0.9>;reason=away;privacy=full;counter=2',
    ]),
  ).toEqual([
    "History-Info: <sip:anonymous@anonymous.invalid;cause=302?Reason=SIP%3Bcause%3D302>;index=1.1;mp=1, <sip:open@203.0.113.1>;index=1.1.1",
    "Diversion: <sip:anonymous@anonymous.invalid>;reason=away;counter=2",
  ]);
});

test.each([
  ["history", "sip:anonymous@anonymous.invalid", "sip:y@203.0.113.1"],
  ["header;id", "sip:anonymous@anonymous.invalid", "sip:anonymous@anonymous.invalid"],
  ["id", "sip:x@203.0.113.1", "sip:y@203.0.113.1"],
])("a Privacy of %s over the whole message counts for every entry", (wish, history, diversion) => {
  expect(
    cross("peer", [`Privacy: ${wish}`, "History-Info: <sip:x@10.0.0.9>;index=1", "Diversion: <sip:y@10.0.0.9>"]).slice(
      1,
    ),
  ).toEqual([`History-Info: <${history}>;index=1`, `Diversion: <${diversion}>`]);
});

test("where identities do not cross, these do not either", () => {
  expect(cross("none", ["History-Info: <sip:x@10.0.0.9>;index=1", "Diversion: <sip:y@10.0.0.9>"])).toEqual([]);
});

function cross(trust: "none" | "peer" | "full", lines: readonly string[]): string[] {
  const text = [
    "INVITE sip:1@10.0.0.1 SIP/2.0",
    "Via: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK1",
    "From: <sip:a@10.0.0.9>;tag=1",
    "To: <sip:1@10.0.0.1>",
    "Call-ID: 1@10.0.0.9",
    "CSeq: 1 INVITE",
    ...lines,
  ];
  const crossing = {
    from: realm("inside"),
    to: realm("outside", { trust, domain: undefined }),
    kind: "request",
    inDialog: false,
  } as const;
  return crossingHeaders(parseMessage(`${text.join("\r\n")}\r\n\r\n`), crossing).map(
    ([name, value]) => `${name}: ${value}`,
  );
}
