import { expect, test } from "vitest";
import { parseMessage, type Request, RequestDraft, ResponseDraft, responseTo } from "../../../src/message/index.ts";

test("headers go out in their order, and Content-Length with the body", () => {
  const draft = new RequestDraft("OPTIONS", "sip:b@c").add("Via", "1").add("Route", "2").add("v", "3");
  draft.body = "abc";
  expect(draft.prepend("Via", "0").toText()).toBe(
    "OPTIONS sip:b@c SIP/2.0\r\nVia: 0\r\nVia: 1\r\nRoute: 2\r\nv: 3\r\nContent-Length: 3\r\n\r\nabc",
  );
});

test("a request goes by a Via of each way, which stands on top and stays out of the draft", () => {
  const draft = new RequestDraft("OPTIONS", "sip:b@c").add("Route", "2");
  const by = (via: string): string => `OPTIONS sip:b@c SIP/2.0\r\nVia: ${via}\r\nRoute: 2\r\nContent-Length: 0\r\n\r\n`;
  expect(draft.toTextBy("1")).toBe(by("1"));
  expect(draft.toTextBy("2")).toBe(by("2"));
  expect(draft.get("Via")).toBeUndefined();
});

test("set, get and remove know a header in any spelling", () => {
  const draft = new ResponseDraft(200).add("Via", "1").add("X-y", "2").add("v", "3");
  expect(draft.get("VIA")).toBe("1");
  expect(draft.set("via", "9").get("v")).toBe("9");
  expect(draft.remove("x-Y").toText()).toBe("SIP/2.0 200 OK\r\nVia: 9\r\nContent-Length: 0\r\n\r\n");
});

test("nothing breaks out of its line: that is a bug of ours and stops there", () => {
  const draft = (): RequestDraft => new RequestDraft("OPTIONS", "sip:b@c");
  for (const value of ["a\r\nEvil: b", "a\nb", "a\rb"]) {
    expect(() => draft().add("X", value)).toThrow("bug");
    expect(() => draft().set("X", value)).toThrow("bug");
    expect(() => draft().prepend("X", value)).toThrow("bug");
    expect(() => draft().toTextBy(value)).toThrow("bug");
    expect(() => draft().add(value, "x")).toThrow("bug");
    expect(() => new RequestDraft("OPTIONS", `sip:${value}`).toText()).toThrow("bug");
    expect(() => new RequestDraft(value, "sip:b@c").toText()).toThrow("bug");
    expect(() => new ResponseDraft(200, value).toText()).toThrow("bug");
  }
  expect(() => draft().add("Content-Length", "3")).toThrow("bug");
  expect(() => draft().add("l", "3")).toThrow("bug");
});

test("an answer copies Via, From, To, Call-ID and CSeq, and gives To a tag when it has none", () => {
  const text = (to: string): string =>
    `INVITE sip:b@c SIP/2.0\r\nv: SIP/2.0/UDP a;branch=z9hG4bK1, SIP/2.0/TCP b\r\nVia: SIP/2.0/UDP c\r\nf: <sip:a@c>;tag=a\r\nt: ${to}\r\n` +
    "i: c\r\nCSeq: 0001 INVITE\r\nTimestamp: 54.1\r\n\r\n";
  const fresh = parseMessage(text("<sip:b@c>")) as Request;
  expect(responseTo(fresh, 180, "x").toText()).toBe(
    "SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1, SIP/2.0/TCP b\r\nVia: SIP/2.0/UDP c\r\n" +
      "From: <sip:a@c>;tag=a\r\nTo: <sip:b@c>;tag=x\r\nCall-ID: c\r\nCSeq: 0001 INVITE\r\nContent-Length: 0\r\n\r\n",
  );
  expect(responseTo(fresh, 100, "x").get("To")).toBe("<sip:b@c>");
  expect(responseTo(fresh, 100).get("Timestamp")).toBe("54.1");
  const known = parseMessage(text("<sip:b@c>;tag=y")) as Request;
  expect(responseTo(known, 200, "x").get("To")).toBe("<sip:b@c>;tag=y");
  expect(responseTo(known, 499).toText()).toMatch(/^SIP\/2\.0 499 Request Failure\r\n/);
});
