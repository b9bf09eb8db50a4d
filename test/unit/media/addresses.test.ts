import { expect, test } from "vitest";
import type { MediaParty, RelayCommand } from "../../../src/media/index.ts";
import { readIp } from "../../../src/media/ip.ts";
import { call, INSIDE, insideParty, outsideParty, plainAnswer, realm, sdp, statusOf } from "./kit.ts";

const OPEN = realm("outside", "198.51.100.1");
const offerTo = (ip: string, port = 4000, ...more: string[]) => sdp(ip, `m=audio ${port} RTP/AVP 8`, ...more);

test.each([
  ["loopback", "127.0.0.1", 4000],
  ["loopback, another", "127.8.9.1", 4000],
  ["multicast", "224.0.0.1", 4000],
  ["broadcast", "255.255.255.255", 4000],
  ["reserved", "240.0.0.1", 4000],
  ["this network", "0.1.2.3", 4000],
  ["link-local (cloud metadata)", "169.254.169.254", 4000],
  ["our media ports on this side", "198.51.100.1", 20_000],
  ["our media ports on the other side", "10.0.0.1", 20_019],
  ["RTCP into our media ports", "10.0.0.1", 19_999],
  ["our signalling", "10.0.0.1", 5060],
  ["a host name", "localhost", 4000],
  ["octal digits", "010.0.0.5", 4000],
  ["a short form", "10.5", 4000],
  ["a number", "167772165", 4000],
  ["IPv6 loopback", "::1", 4000],
  ["IPv6 multicast", "ff02::1", 4000],
  ["mapped IPv4", "::ffff:10.0.0.5", 4000],
  ["mapped IPv4 in hex", "::ffff:a00:5", 4000],
  ["IPv4-compatible", "::10.0.0.5", 4000],
  ["IPv6 with a zone", "fe80::1", 4000],
  ["port 65535, none left for RTCP", "203.0.113.5", 65_535],
])("media to %s is refused", (_what, ip, port) => {
  const { media, commands } = call([dual(OPEN), INSIDE], { caller: outsideParty, callee: insideParty });
  expect(statusOf(() => media.offer("call", "caller", offerTo(ip, port)))).toBe(488);
  expect(media.view().portsInUse.get("outside")).toBe(0);
  media.offer("call", "caller", offerTo("203.0.113.5"));
  expect(statusOf(() => media.answer("call", "callee", offerTo(ip, port)))).toBe(488);
  expect(commands).toEqual([]);
});

test.each(["IN IP4 127.0.0.1", "IN IP4 224.0.0.1", "IN IP6 ::ffff:10.0.0.1", "IN IP4 10.0.0.1"])(
  "a=rtcp to %s is refused",
  (where) => {
    const { media } = call([OPEN, INSIDE]);
    expect(statusOf(() => media.offer("call", "caller", offerTo("203.0.113.5", 4000, `a=rtcp:20001 ${where}`)))).toBe(
      488,
    );
  },
);

test("candidates are nobody's business: none is used, none is passed on", () => {
  const { media, take } = call([OPEN, INSIDE]);
  const onward = media.offer(
    "call",
    "caller",
    offerTo("203.0.113.5", 4000, "a=candidate:1 1 UDP 1 127.0.0.1 5060 typ host"),
  );
  expect(onward).not.toContain("candidate");
  media.answer("call", "callee", plainAnswer);
  expect(remotes(take())).toEqual(["203.0.113.5:4000", "10.0.0.9:7000"]);
});

test("a c= line that names multicast, another family or nothing is refused", () => {
  const { media } = call([OPEN, INSIDE]);
  const lineWith = (where: string) =>
    `v=0\r\no=- 1 1 IN IP4 203.0.113.5\r\ns=-\r\n${where}t=0 0\r\nm=audio 4000 RTP/AVP 8\r\n`;
  expect(statusOf(() => media.offer("call", "caller", lineWith("c=IN IP4 233.252.0.1/127\r\n")))).toBe(488);
  expect(statusOf(() => media.offer("call", "caller", lineWith("c=IN IP6 203.0.113.5\r\n")))).toBe(400);
  expect(statusOf(() => media.offer("call", "caller", lineWith("")))).toBe(400);
});

test("loopback is good where our own media address is loopback", () => {
  const box = (name: string, firstPort: number) =>
    realm(name, "127.0.0.1", {
      media: { ...INSIDE.media, addresses: ["127.0.0.1"], firstPort, lastPort: firstPort + 99 },
    });
  const { media, take } = call([box("outside", 20_000), box("inside", 30_000)]);
  media.offer("call", "caller", offerTo("127.0.0.1", 4000));
  media.answer("call", "callee", offerTo("127.0.0.1", 7000));
  expect(remotes(take())).toEqual(["127.0.0.1:4000", "127.0.0.1:7000"]);
});

test.each<[string, Partial<MediaParty>, string, string, string, string | undefined]>([
  ["signalled and signalling from one address", {}, "203.0.113.5", "203.0.113.5:4000", "signalled", undefined],
  ["another public address for media", {}, "203.0.113.6", "203.0.113.6:4000", "signalled", undefined],
  ["a private address from a public source", {}, "192.168.1.5", "203.0.113.5:4000", "source", "203.0.113.5"],
  ["a carrier-grade NAT address", {}, "100.64.3.4", "203.0.113.5:4000", "source", "203.0.113.5"],
  ["known to be behind NAT", { nat: true }, "203.0.113.6", "203.0.113.6:4000", "source", "203.0.113.5"],
  ["private on both", { signallingSource: "10.1.1.1" }, "10.1.1.2", "10.1.1.2:4000", "signalled", undefined],
])("%s: who may send first", (_case, change, ip, remote, latch, latchFrom) => {
  const { media, take } = call([OPEN, INSIDE], { caller: { ...outsideParty, ...change }, callee: insideParty });
  media.offer("call", "caller", offerTo(ip));
  media.answer("call", "callee", plainAnswer);
  const [command] = take();
  expect(remotes([command as RelayCommand])[0]).toBe(remote);
  expect(command).toMatchObject({ sides: [{ latch, latchFrom }, { latch: "signalled" }] });
});

test("on loopback, where all share one address, only ports that are ours at this moment are refused", () => {
  const here = {
    media: { addresses: ["127.0.0.1"], firstPort: 20_000, lastPort: 20_019, path: "auto", silenceLimitMs: 0 },
  };
  const party = { ...insideParty, signallingSource: "127.0.0.1" };
  const { media } = call(
    [realm("outside", "127.0.0.1", here as object), realm("inside", "127.0.0.1", { listeners: [] })],
    {
      caller: { ...party, realm: "outside" },
      callee: party,
    },
  );
  const offered = media.offer("call", "caller", offerTo("127.0.0.1", 20_004));
  const ours = Number(/m=audio (\d+)/.exec(offered)?.[1]);
  expect(statusOf(() => media.answer("call", "callee", offerTo("127.0.0.1", ours)))).toBe(488);
  const free = ours === 20_000 ? 20_006 : ours - 2;
  media.answer("call", "callee", offerTo("127.0.0.1", free));
});

test("addresses have one text and one kind", () => {
  const known: Record<string, [string, string]> = {
    "203.0.113.5": ["203.0.113.5", "public"],
    "172.16.0.1": ["172.16.0.1", "private"],
    "172.32.0.1": ["172.32.0.1", "public"],
    "0.0.0.0": ["0.0.0.0", "unspecified"],
    "2001:DB8:0:0:1:0:0:1": ["2001:db8::1:0:0:1", "public"],
    "2001:db8:0:1:1:1:1:1": ["2001:db8:0:1:1:1:1:1", "public"],
    "2001:db8::": ["2001:db8::", "public"],
    "::": ["::", "unspecified"],
    "0:0:0:0:0:0:0:1": ["::1", "loopback"],
    "::ffff:192.0.2.1": ["::ffff:c000:201", "mapped"],
    "fd00::1": ["fd00::1", "private"],
    "fe80::1": ["fe80::1", "link-local"],
    "64:ff9b::192.0.2.33": ["64:ff9b::c000:221", "public"],
  };
  for (const [text, [shortest, kind]] of Object.entries(known)) {
    expect(readIp(text), text).toMatchObject({ text: shortest, kind, family: text.includes(":") ? 6 : 4 });
  }
  for (const wrong of [
    "",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.256",
    "01.2.3.4",
    "1..2.3",
    ".1.2.3",
    "1.2.3.",
    "a.b.c.d",
    " 1.2.3.4",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "::1::",
    "1::2::3",
    ":::",
    "12345::",
    "g::",
    "::1.2.3",
    "fe80::1%eth0",
    "1:2:3:4:5:6:7::8",
    "1.2.3.4::",
  ]) {
    expect(readIp(wrong), wrong).toBeUndefined();
  }
});

const dual = (base: typeof OPEN) => ({ ...base, media: { ...base.media, addresses: ["198.51.100.1", "2001:db8::1"] } });

const remotes = (commands: RelayCommand[]): (string | undefined)[] =>
  commands.flatMap((command) =>
    command.word === "open" ? command.sides.map(({ remote }) => remote && `${remote.ip}:${remote.rtpPort}`) : [],
  );

test.each([
  ["full", "done"],
  ["peer", "done"],
  ["none", 488],
] as const)("media of ours that a proxy sends back, on a side of trust %s: %s", (trust, status) => {
  const inside = { ...INSIDE, trust };
  const { media } = call([OPEN, inside]);
  media.open("back", { caller: insideParty, callee: insideParty });
  const onward = media.offer("call", "caller", offerTo("203.0.113.5"));
  const port = Number(/m=audio (\d+)/.exec(onward)?.[1]);
  const unused = offerTo("10.0.0.1", port === 20_000 ? 20_002 : 20_000);
  expect(statusOf(() => media.offer("back", "caller", unused))).toBe(488);
  expect(statusOf(() => media.offer("back", "caller", onward))).toBe(status);
});

test("a trusted side may not name our ports on another one, nor our signalling", () => {
  const { media } = call([OPEN, INSIDE]);
  media.offer("call", "caller", offerTo("203.0.113.5"));
  const local = [...Array(20).keys()].map((n) => 20_000 + n);
  const refused = local.map((port) => statusOf(() => media.answer("call", "callee", offerTo("198.51.100.1", port))));
  expect(new Set(refused)).toEqual(new Set([488]));
});
