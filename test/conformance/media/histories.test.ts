/**
 * Every description of the corpora goes through the box, as an offer of either side, over plain and secure legs: what the box
 * says on both legs is a legal history of offers and answers, or the offer is refused.
 */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { RealmSettings } from "../../../src/base/index.ts";
import { DialogHistory, honestAnswer, read } from "../../support/offer-answer.ts";
import {
  type Bench,
  bench,
  FINGERPRINT,
  INSIDE,
  insideParty,
  OUTSIDE,
  outsideParty,
  realm,
  statusOf,
} from "../../unit/media/kit.ts";

const root = new URL("../../../../shared/testdata/", import.meta.url);
const text = (path: string): string => readFileSync(new URL(path, root), "latin1");
const filesIn = (folder: string): string[] =>
  readdirSync(new URL(`${folder}/`, root), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== "SOURCE.md")
    .map((entry) => `${entry.parentPath.replace(/\/$/, "")}/${entry.name}`.slice(root.pathname.length));

/** The description in a message: all that follows its empty line. */
const bodyOf = (message: string): string => /\r?\n\r?\n(v=0\r?\n.*)$/s.exec(message)?.[1] ?? "";

const descriptions = [
  ...filesIn("sdp").map((name) => ({ name, body: text(name) })),
  ...["sip-messages-vendor", "call-flows"]
    .flatMap((folder) => filesIn(folder))
    .map((name) => ({ name, body: bodyOf(text(name)) }))
    .filter(({ body }) => body !== ""),
];

const wide = { ...INSIDE.media, lastPort: 20_199, addresses: ["10.0.0.1", "2001:db8::1"] };
const plain = realm("inside", "10.0.0.1", { media: wide });
const secure = { ...OUTSIDE, media: { ...OUTSIDE.media, lastPort: 20_199 } };
const ruled = realm("inside", "10.0.0.1", {
  media: {
    ...wide,
    rules: { codecs: { allow: [], deny: ["pcma", "g729"], order: ["opus"] }, ptimeMs: 30, bandwidth: { audio: 64 } },
  },
});

const handshakes = { ...secure, srtpKeys: ["dtls", "sdes"] } as const;
const web = { ...outsideParty, secureSignalling: false, web: true };

const KEY = Buffer.alloc(46, 5).toString("base64");
const carried = new Set<string>();
const shaken = new Set<string>();

test.each(descriptions)("$name", ({ name, body }) => {
  for (const [outside, inside] of [
    [{ ...secure, srtp: "preferred" }, plain],
    [secure, plain],
    [realm("outside", "198.51.100.1", { media: secure.media }), ruled],
  ] as const) {
    for (const from of ["caller", "callee"] as const) {
      if (offered(bench([outside, inside as RealmSettings]), from, body)) carried.add(name);
    }
  }
});

test.each(descriptions)("$name, where handshakes are done", ({ name, body }) => {
  for (const [outside, inside, caller] of [
    [{ ...handshakes, srtp: "preferred" }, plain, outsideParty],
    [handshakes, { ...plain, srtp: "preferred", srtpKeys: ["dtls"] }, web],
    [{ ...handshakes, srtp: "preferred", media: { ...secure.media, rules: { ice: "lite" } } }, ruled, outsideParty],
  ] as const) {
    for (const from of ["caller", "callee"] as const) {
      const made = bench([outside, inside as RealmSettings], 1, 100, FINGERPRINT);
      if (offered(made, from, body, caller)) shaken.add(name);
    }
  }
});

test("enough of them are carried for this to mean something", () => {
  expect(descriptions.length).toBeGreaterThan(150);
  expect(carried.size).toBeGreaterThan(100);
  expect(shaken.size).toBeGreaterThan(carried.size);
});

/** True when it was carried. */
function offered({ media }: Bench, from: "caller" | "callee", body: string, caller = outsideParty): boolean {
  media.open("call", { caller, callee: insideParty });
  const other = from === "caller" ? "callee" : "caller";
  const history = { caller: new DialogHistory(), callee: new DialogHistory() };
  const ip = { caller: "203.0.113.5", callee: "10.0.0.9" };
  let done = false;
  const verdict = statusOf(() => {
    const onward = media.offer("call", from, body);
    history[from].theyOffer(body);
    history[other].weOffer(onward);
    const answer = honestAnswer(onward, { ip: ip[other], port: 7_000, key: KEY });
    history[other].theyAnswer(answer);
    history[from].weAnswer(media.answer("call", other, answer));
    // The answerer holds, and resumes: the offerer, who knows all lines now, answers.
    for (const direction of ["sendonly", "sendrecv"]) {
      const again = answer.replace(/^a=(sendrecv|recvonly|sendonly|inactive)$/gm, `a=${direction}`);
      const back = media.offer("call", other, again);
      history[other].theyOffer(again);
      history[from].weOffer(back);
      const taken = honestAnswer(back, { ip: ip[from], port: 6_000, key: KEY });
      history[from].theyAnswer(taken);
      history[other].weAnswer(media.answer("call", from, taken));
    }
    done = read(onward).sections.some(({ port }) => port !== 0);
  });
  expect([...history.caller.faults, ...history.callee.faults]).toEqual([]);
  expect([400, 488, "done"]).toContain(verdict);
  return done;
}
