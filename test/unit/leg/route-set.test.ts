import { expect, test } from "vitest";
import { wayTo } from "../../../src/leg/route-set.ts";

const hop = (uri: string) => ({ uri, text: `<${uri}>` });

test("no route set: the target itself is the next hop", () => {
  expect(wayTo("sip:bob@10.0.0.9", [])).toEqual({
    requestUri: "sip:bob@10.0.0.9",
    routes: [],
    nextHop: "sip:bob@10.0.0.9",
  });
});

test("a loose router: the target stays in the Request-URI, the whole set goes into Route", () => {
  expect(wayTo("sip:bob@10.0.0.9", [hop("sip:p1.example;lr"), hop("sip:p2.example;lr")])).toEqual({
    requestUri: "sip:bob@10.0.0.9",
    routes: ["<sip:p1.example;lr>", "<sip:p2.example;lr>"],
    nextHop: "sip:p1.example;lr",
  });
});

test("a strict router finds itself in the Request-URI, and the target ends the list", () => {
  expect(wayTo("sip:bob@10.0.0.9", [hop("sip:p1.example;method=INVITE?x=y"), hop("sip:p2.example;lr")])).toEqual({
    requestUri: "sip:p1.example",
    routes: ["<sip:p2.example;lr>", "<sip:bob@10.0.0.9>"],
    nextHop: "sip:p1.example;method=INVITE?x=y",
  });
});
