import { createSocket } from "node:dgram";
import { once } from "node:events";
import { afterEach, expect, test } from "vitest";
import { openDgramUdp } from "../../../src/io/udp-dgram.ts";
import type { UdpDatagram, UdpPort } from "../../../src/io/udp-native.ts";

const open: { close(): unknown }[] = [];
afterEach(() => {
  for (const thing of open.splice(0)) thing.close();
});

test("without the addon UDP works too: every byte, both ways, counted", async () => {
  const batches: (readonly UdpDatagram[])[] = [];
  const came = Promise.withResolvers<void>();
  const port = await openAt("127.0.0.1", (batch) => {
    batches.push(batch);
    came.resolve();
  });
  const client = createSocket("udp4").bind(0, "127.0.0.1");
  open.push(client);
  await once(client, "listening");
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, value) => value));
  client.send(bytes, port.address.port, "127.0.0.1");
  await came.promise;
  expect(batches).toEqual([
    [{ ip: "127.0.0.1", port: client.address().port, text: bytes.toString("latin1"), local: "" }],
  ]);
  port.send("127.0.0.1", client.address().port, bytes.toString("latin1"));
  port.flush();
  const [answer] = await once(client, "message");
  expect(answer).toEqual(bytes);
  expect(port.counters).toEqual({ received: 1, sent: 1, sendFailed: 0, truncated: 0 });
});

test("what cannot be sent is counted, never thrown: another family, a closed port", async () => {
  const port = await openAt("::1", () => {});
  port.send("127.0.0.1", 9, "x");
  port.close();
  port.close();
  port.send("::1", 9, "x");
  expect(port.counters).toMatchObject({ sent: 0, sendFailed: 2 });
});

test("an address that is taken is refused with its code", async () => {
  const port = await openAt("127.0.0.1", () => {});
  const again = openDgramUdp({ address: port.address, dscp: 0, onBatch: () => {}, onUndelivered: () => {} });
  await expect(again).rejects.toMatchObject({ code: "EADDRINUSE" });
});

async function openAt(ip: string, onBatch: (batch: readonly UdpDatagram[]) => void): Promise<UdpPort> {
  const port = await openDgramUdp({ address: { ip, port: 0 }, dscp: 0, onBatch, onUndelivered: () => {} });
  open.push(port);
  return port;
}
