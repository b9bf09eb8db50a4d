/** Kamailio as a carrier that wants to know who calls: registration and calls by digest, both ways, on loopback. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { Box, makeFolder } from "../support/box.ts";
import { Child } from "../support/child.ts";
import { SipParty, statusOf } from "../support/sip-party.ts";

const CARRIER = "127.61.0.9";
const PHONE = "127.61.0.8";
const OUTSIDE = { ip: "127.61.0.1", port: 5060 };
const INSIDE = { ip: "127.61.1.1", port: 5060 };
const PBX = "127.61.1.2";
const PASSWORD = "a trunk's secret";
/** The carrier's nonces live for 6 s. */
const NONCES_DIE_MS = 8_000;
const CARRIER_STARTS_WITHIN_MS = 20_000;

interface PeerView {
  readonly name: string;
  readonly registration?: { readonly state: string; readonly reason: string; readonly expiresSeconds: number };
}

const running: { stop(): Promise<unknown> }[] = [];
const parties: SipParty[] = [];
afterEach(async () => {
  for (const one of running.splice(0).reverse()) await one.stop();
  for (const party of parties.splice(0)) party.close();
});

test.each(["MD5", "SHA-256"])(
  "%s: registered, called, calling, with a nonce that is used again and one that has died",
  async (algorithm) => {
    const { box, carrier, phone, pbx } = await scene(algorithm, PASSWORD);
    const state = await registered(box);
    expect(state.expiresSeconds).toBeLessThanOrEqual(120);
    expect(carrier.output).toContain("asked REGISTER");
    expect(carrier.output).toContain("took REGISTER");

    // Out: asked once, by the Service-Route; the BYE bears the next count of the nonce.
    const talk = await pbx.call(INSIDE, { user: "4930123" });
    expect(phone.received.some((text) => text.startsWith("INVITE sip:4930123@"))).toBe(true);
    await talk.hangUp();
    const asked = (method: string): number => askedBy(carrier, method);
    const askedBefore = asked("INVITE");
    expect(askedBefore).toBe(1);
    expect(asked("BYE")).toBe(0);

    // At once again: nobody asks.
    await (await pbx.call(INSIDE, { user: "4930124" })).hangUp();
    expect(asked("INVITE")).toBe(askedBefore);

    // Later: the nonce has died, which is no wrong password.
    await new Promise((resolve) => setTimeout(resolve, NONCES_DIE_MS));
    await (await pbx.call(INSIDE, { user: "4930125" })).hangUp();
    expect(asked("INVITE")).toBe(askedBefore + 1);

    // In: to the Contact that we registered.
    const call = await phone.call({ ip: CARRIER, port: 5060 }, { user: "trunk1" });
    const invite = pbx.received.find((text) => text.startsWith("INVITE "));
    expect(invite?.split(" ")[1]).toBe(`sip:trunk1@${PBX}:${pbx.place.port}`);
    await call.hangUp();
    expect(box.facts("auth.failed")).toEqual([]);
    expect(box.child.output).not.toContain(PASSWORD);

    // The end: the carrier forgets us before the box is gone.
    await box.stop();
    running.splice(running.indexOf(box), 1);
    const answer = await phone.ask(
      phone.request("INVITE", { ip: CARRIER, port: 5060 }, { user: "trunk1", body: phone.sdp }),
      { ip: CARRIER, port: 5060 },
    );
    expect(statusOf(answer)).toBe(404);
  },
  60_000,
);

test("a wrong password: asked twice, told once, and quiet from then on", async () => {
  const { box, carrier, pbx } = await scene("SHA-256", "not it");
  expect(await box.fact("trunk.failed", 1, 10_000)).toMatchObject({ peer: "carrier", reason: "refused with 401" });
  expect(askedBy(carrier, "REGISTER")).toBe(2);
  const answer = await pbx.ask(pbx.request("INVITE", INSIDE, { user: "4930123", body: pbx.sdp }), INSIDE);
  expect(statusOf(answer)).toBe(403);
  expect(await box.fact("auth.failed", 2)).toMatchObject({ method: "INVITE", digestRealm: "carrier.test" });
  expect(askedBy(carrier, "REGISTER")).toBe(2);
}, 60_000);

test("over TCP: the carrier falls and comes back, and so do we", async () => {
  const { box, carrier, start, phone, pbx } = await scene("SHA-256", PASSWORD, "tcp");
  await registered(box);
  await (await pbx.call(INSIDE, { user: "4930123" })).hangUp();
  await carrier.stop();
  running.splice(running.indexOf(carrier), 1);
  expect(await box.fact("trunk.failed", 1, 10_000)).toMatchObject({ peer: "carrier", reason: "its connection broke" });
  // We come back within 2 s; should nobody be there yet, again 15 to 30 s later, and should somebody be there who says nothing,
  // after 32 s more (timer F).
  await start();
  await box.fact("trunk.registered", 2, 90_000);
  await registered(box);
  const call = await phone.call({ ip: CARRIER, port: 5060 }, { user: "trunk1" });
  await call.hangUp();
  expect(box.facts("auth.failed")).toEqual([]);
}, 150_000);

// — How they begin.

async function scene(algorithm: string, password: string, transport: "udp" | "tcp" = "udp") {
  const folder = makeFolder("trunk");
  const phone = await SipParty.start(PHONE);
  const pbx = await SipParty.start(PBX);
  parties.push(phone, pbx);
  const config = readFileSync(join(import.meta.dirname, "kamailio/carrier.cfg"), "utf8")
    .replaceAll("ADDRESS", CARRIER)
    .replaceAll("PHONE", `${phone.place.ip}:${phone.place.port}`)
    .replaceAll("BOX", OUTSIDE.ip)
    .replaceAll("PASSWORD", PASSWORD)
    .replaceAll("ALGORITHM", algorithm);
  const file = join(folder, "carrier.cfg");
  writeFileSync(file, config);
  const place = { ip: CARRIER, port: 5060 };
  /** Starts the carrier; it is there once it has answered. */
  const start = async (): Promise<Child> => {
    const child = new Child("kamailio", ["-f", file, "-DD", "-E", "-m", "32", "-M", "4", "-Y", folder]);
    running.push(child);
    const asked = () => phone.ask(phone.request("OPTIONS", place), place).catch(() => "");
    const deadline = performance.now() + CARRIER_STARTS_WITHIN_MS;
    while (statusOf(await asked()) !== 200) {
      if (child.process.exitCode !== null || performance.now() > deadline)
        throw new Error(
          `the carrier does not answer at ${CARRIER}; its last words:\n${child.lines.slice(-25).join("\n")}`,
        );
    }
    return child;
  };
  const carrier = await start();
  writeFileSync(join(folder, "password"), `${password}\n`, { mode: 0o600 });
  const box = await Box.start(folder, {
    name: "trunk",
    realms: {
      outside: {
        trust: "none",
        listen: [`udp:${OUTSIDE.ip}:5060`, `tcp:${OUTSIDE.ip}:5060`],
        media: { address: OUTSIDE.ip, ports: "20000-20999" },
        srtp: "off",
      },
      inside: {
        trust: "full",
        listen: [`udp:${INSIDE.ip}:5060`],
        media: { address: INSIDE.ip, ports: "30000-30999" },
        srtp: "off",
      },
    },
    peers: {
      carrier: {
        realm: "outside",
        targets: [`${transport}:${CARRIER}:5060`],
        auth: { user: "trunk1", passwordFile: "password" },
        register: { aor: "sip:trunk1@carrier.test", everySeconds: 120 },
      },
      pbx: { realm: "inside", targets: [`udp:${PBX}:${pbx.place.port}`] },
    },
    routes: [
      { when: { from: "carrier" }, to: ["pbx"] },
      { when: { from: "pbx" }, to: ["carrier"] },
    ],
  });
  running.push(box);
  return { box, carrier, start, phone, pbx };
}

/** How many requests were challenged: a copy of one counts once. */
const askedBy = (carrier: Child, method: string): number =>
  new Set(carrier.lines.flatMap((line) => new RegExp(`asked ${method} (.*)`).exec(line)?.[1] ?? [])).size;

async function registered(box: Box) {
  const peers = await box.until<readonly PeerView[]>(
    "/peers",
    (now) => now.some(({ registration }) => registration?.state === "registered"),
    10_000,
  );
  const found = peers.find(({ name }) => name === "carrier")?.registration;
  if (found === undefined) throw new Error("no carrier");
  return found;
}
