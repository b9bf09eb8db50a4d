import { expect, test } from "vitest";
import { Agenda, type RouteSettings, seededRandom, type Trust } from "../../../src/base/index.ts";
import { parseUri } from "../../../src/message/index.ts";
import { numberOf, Routing } from "../../../src/routing/index.ts";
import { peer, settings } from "./peers.ts";

const pbx = peer("pbx");
const carrier = peer("carrier", { realm: "outside" });

test("the first route whose every condition holds is taken", () => {
  const routes: RouteSettings[] = [
    { when: { from: "carrier", method: "MESSAGE" }, to: ["carrier"] },
    { when: { from: "carrier" }, to: ["pbx"] },
    { when: { from: "pbx", number: /^\+?[0-9]+$/ }, to: ["carrier", "pbx"] },
    { when: { from: "pbx", host: "conference.example" }, to: ["pbx"] },
  ];
  expect(go(routes, { from: carrier })).toEqual(["pbx"]);
  expect(go(routes, { from: carrier, method: "MESSAGE" })).toEqual(["carrier"]);
  expect(go(routes, { from: pbx, uri: "sip:+4930@sbc" })).toEqual(["carrier", "pbx"]);
  expect(go(routes, { from: pbx, uri: "tel:+49-30" })).toEqual(["carrier", "pbx"]);
  expect(go(routes, { from: pbx, uri: "sip:room@conference.example" })).toEqual(["pbx"]);
  expect(go(routes, { from: pbx, uri: "sip:bob@sbc" })).toBe("no route");
});

test("a stranger is taken only by a route that names its realm", () => {
  const open: RouteSettings = { when: { number: /^\+/ }, to: ["pbx"] };
  const named: RouteSettings = { when: { realm: "outside", number: /^\+/ }, to: ["pbx"] };
  expect(go([open], { from: undefined })).toBe("no route");
  expect(go([open], { from: undefined, trust: "peer" })).toBe("no route");
  expect(go([open], { from: undefined, trust: "full" })).toEqual(["pbx"]);
  expect(go([named], { from: undefined })).toEqual(["pbx"]);
  expect(go([{ ...named, when: { realm: "inside" } }], { from: undefined })).toBe("no route");
});

test("an expression with a memory matches every time", () => {
  const routes: RouteSettings[] = [{ when: { from: "pbx", number: /^\+49/g }, to: ["carrier"] }];
  for (let i = 0; i < 3; i++) expect(go(routes, { from: pbx })).toEqual(["carrier"]);
});

test.each([
  ["sip:+49-30(1)@h", "+49301"],
  ["sip:22;phone-context=x@h", "22"],
  ["sip:a.b@h", "a.b"],
  ["sip:%2b4930@h", "+4930"],
  ["tel:+49.30", "+4930"],
  ["sip:h", undefined],
  ["urn:service:sos", undefined],
  [`sip:${"1".repeat(129)}@h`, undefined],
])("%s dials %s", (uri, number) => {
  expect(numberOf(parseUri(uri))).toBe(number);
});

interface Asked {
  readonly from: typeof pbx | undefined;
  readonly method?: string;
  readonly uri?: string;
  readonly trust?: Trust;
}

function go(routes: readonly RouteSettings[], asked: Asked): readonly string[] | "no route" {
  const routing = new Routing({
    settings: settings([pbx, carrier], routes),
    random: seededRandom(1),
    emit: () => {},
    agenda: new Agenda(),
  });
  const found = routing.route({
    from: asked.from,
    realm: asked.from?.realm ?? "outside",
    trust: asked.trust ?? "none",
    method: asked.method ?? "INVITE",
    uri: parseUri(asked.uri ?? "sip:+4930@sbc"),
  });
  return found === "no route" ? found : found.map(({ name }) => name);
}
