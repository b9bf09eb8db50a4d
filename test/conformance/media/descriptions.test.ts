/** Session descriptions and attacks that others wrote, as offers to the box: refused, or carried without a trace. */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import {
  bench,
  INSIDE,
  insideParty,
  OUTSIDE,
  outsideParty,
  portsInUse,
  realm,
  statusOf,
} from "../../unit/media/kit.ts";

const root = new URL("../../../../shared/testdata/", import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), "latin1");
const folders = ["sdp", "fuzz-seeds/pjsip-sdp", "fuzz-seeds/pjsip-sdes", "fuzz-seeds/janus-sdp_fuzzer"];
const files = folders.flatMap((folder) => readdirSync(new URL(`${folder}/`, root)).map((name) => `${folder}/${name}`));

test.each(files)("%s: offered by either side, it is refused or carried, and nothing of it stays", (file) => {
  const text = read(file);
  const roomy = { ...INSIDE.media, lastPort: 20_199 };
  const box = bench([
    realm("outside", "198.51.100.1", { ...OUTSIDE, srtp: "preferred", media: { ...OUTSIDE.media, lastPort: 20_199 } }),
    realm("inside", "10.0.0.1", { media: roomy }),
  ]);
  for (const from of ["caller", "callee"] as const) {
    box.media.open("call", { caller: outsideParty, callee: insideParty });
    const other = from === "caller" ? "callee" : "caller";
    const verdict = statusOf(() => {
      const onward = box.media.offer("call", from, text);
      for (const foreign of FOREIGN) expect(onward).not.toMatch(foreign);
      // The other side is a mirror that answers from its own address.
      const mirrored = onward.replace(/IN IP4 \S+/g, from === "caller" ? "IN IP4 10.0.0.9" : "IN IP4 203.0.113.5");
      const answer = box.media.answer("call", other, mirrored);
      for (const foreign of FOREIGN) expect(answer).not.toMatch(foreign);
    });
    expect([400, 488, "done"]).toContain(verdict);
    box.media.delete("call");
    box.relayLetsGo();
    expect(portsInUse(box)).toEqual({ outside: 0, inside: 0 });
  }
});

/** What describes transport, keys and persons. */
const FOREIGN = [
  /^a=(candidate|ice-|fingerprint|setup|msid|ssrc|group:(?!BUNDLE( \S+)+\r?$)|tool|cname|remote-candidates|end-of-candidates|identity|key-mgmt|zrtp-hash)/m,
  /^[iuepkrz]=/m,
  /^a=\S*cname:/m,
];

test("enough of them are carried for this to mean something", () => {
  const carried = files.filter((file) => {
    const box = bench([realm("inside", "10.0.0.1", { media: { ...INSIDE.media, lastPort: 20_199 } })]);
    box.media.open("call", { caller: insideParty, callee: insideParty });
    return statusOf(() => box.media.offer("call", "caller", read(file))) === "done";
  });
  expect(carried.length).toBeGreaterThan(25);
});

test.each(["ES2018-02-sdp-fmtp-nul.sip", "ES2020-03-sdp-media-type-overflow.sip"])("%s is refused with 400", (name) => {
  const message = read(`advisory-messages/${name}`);
  const body = message.slice(message.indexOf("\r\n\r\n") + 4);
  expect(body).toMatch(/^v=0\r\n/);
  const box = bench([INSIDE]);
  box.media.open("call", { caller: insideParty, callee: insideParty });
  expect(statusOf(() => box.media.offer("call", "caller", body))).toBe(400);
});
