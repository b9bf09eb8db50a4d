import { expect, test } from "vitest";
import { canonicalIp, cidrContains, parseCidr, parseIp } from "../../../src/routing/index.ts";

test.each([
  ["10.0.0.0/8", "10.255.0.1", true],
  ["10.0.0.0/8", "11.0.0.1", false],
  ["192.0.2.128/25", "192.0.2.127", false],
  ["192.0.2.128/25", "192.0.2.128", true],
  ["0.0.0.0/0", "255.255.255.255", true],
  ["0.0.0.0/0", "2001:db8::1", false],
  ["2001:db8::/32", "2001:db8:ffff::1", true],
  ["2001:db8::/33", "2001:db8:8000::1", false],
  ["::/0", "::1", true],
  ["203.0.113.7", "203.0.113.7", true],
  ["203.0.113.7", "203.0.113.6", false],
  ["10.0.0.0/8", "::ffff:10.1.1.1", true],
])("%s holds %s: %s", (range, ip, holds) => {
  expect(cidrContains(parseCidr(range)!, parseIp(ip)!)).toBe(holds);
});

test.each([
  "010.1.1.1",
  "1.2.3",
  "1.2.3.4.5",
  "256.1.1.1",
  "1..2.3",
  "",
  ":",
  ":::",
  "1::2::3",
  "1:2:3:4:5:6:7",
  "1:2:3:4:5:6:7:8:9",
  "12345::",
  "fe80::1%eth0",
  "1:2:3:4:5:6:7::8:9",
])("%j is no address", (text) => {
  expect(parseIp(text)).toBeUndefined();
});

test.each(["10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08", "::/129", "x/8", "10.0.0.0/"])("%j is no range", (text) => {
  expect(parseCidr(text)).toBeUndefined();
});

test("every spelling of an address is one key", () => {
  expect(canonicalIp("2001:DB8:0:0::1")).toBe(canonicalIp("2001:db8::1"));
  expect(canonicalIp("::ffff:10.0.0.1")).toBe("10.0.0.1");
  expect(canonicalIp("2001:db8::1")).not.toBe(canonicalIp("2001:db8::2"));
});
