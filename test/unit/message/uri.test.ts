import { expect, test } from "vitest";
import { canonicalIp6, formatUri, parseUri, sameUri } from "../../../src/message/index.ts";

/** RFC 3261 §19.1.4 and RFC 3966 §4: pairs that mean the same, and pairs that do not. */
const same: [string, string][] = [
  ["sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"],
  ["sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"],
  ["sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"],
  [
    "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
    "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
  ],
  [
    "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
    "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
  ],
  ["sip:a@[2001:db8::1]", "sip:a@[2001:0DB8:0:0:0:0:0:1]"],
  ["tel:+1-201-555-0123", "tel:+12015550123"],
  ["tel:863-1234;phone-context=+1-914-555", "tel:8631234;phone-context=+1-914-555"],
];

const different: [string, string][] = [
  ["SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"],
  ["sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"],
  ["sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"],
  ["sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"],
  ["sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"],
  ["sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"],
  ["sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"],
  ["sip:bob@biloxi.com", "sips:bob@biloxi.com"],
  ["tel:+12015550123", "tel:+12015550124"],
  ["tel:8631234;phone-context=a.com", "tel:8631234"],
];

for (const [a, b] of same) test(`${a} is ${b}`, () => expect(sameUri(parseUri(a), parseUri(b))).toBe(true));
for (const [a, b] of different) test(`${a} is not ${b}`, () => expect(sameUri(parseUri(a), parseUri(b))).toBe(false));

const broken = [
  "",
  "sip:",
  "sip:@a",
  "sip:a@",
  "sip:a@b:",
  "sip:a@b:0",
  "sip:a@b:65536",
  "sip:a@b:99999999999",
  "sip:a b@c",
  "sip:a@b;",
  "sip:a@b;;x",
  "sip:a@b;=x",
  "sip:%4@b",
  "sip:%zz@b",
  "sip:a@[::1",
  "sip:a@[1:2]",
  "sip:a@[::1::2]",
  "sip:a@[1:2:3:4:5:6:7:8:9]",
  "sip:a@[::256.1.1.1]",
  "sip:2001:db8::1",
  "<sip:a@b>",
  "tel:",
  "tel:+",
  "tel:+12x",
  "1sip:a",
  `sip:${"a".repeat(3_000)}@b`,
];

for (const text of broken) test(`"${text.slice(0, 40)}" is refused`, () => expect(() => parseUri(text)).toThrow(/URI/));

test("a URI is written as it was read, but for case and order", () => {
  for (const text of [
    "sip:alice:secret@example.com:5070;transport=tcp;lr?Subject=x",
    "sips:[2001:db8::1]:5061",
    "tel:+49-30-123;phone-context=example.com",
    "urn:service:sos",
  ]) {
    expect(formatUri(parseUri(text))).toBe(text);
  }
});

test("one text for one IPv6 address", () => {
  expect(canonicalIp6("2001:0DB8:0:0:1:0:0:1")).toBe("2001:db8::1:0:0:1");
  expect(canonicalIp6("::FFFF:c000:0201")).toBe("::ffff:192.0.2.1");
  expect(canonicalIp6("1:2:3:4:5:6:7::")).toBe("1:2:3:4:5:6:7:0");
  expect(canonicalIp6("::")).toBe("::");
  expect(canonicalIp6("1::2::3")).toBeUndefined();
  expect(canonicalIp6("fe80::1%eth0")).toBeUndefined();
});
