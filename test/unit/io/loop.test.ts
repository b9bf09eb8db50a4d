import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { connect as connectTls } from "node:tls";
import { describe, expect, test } from "vitest";
import type { EngineOutput } from "../../../src/engine/index.ts";
import { freePort } from "./free-port.ts";
import { arrived, connected, moved, open, otherTls, settings, start, tls, tlsServer } from "./loop-box.ts";

describe("UDP", () => {
  test("every byte of a datagram comes through, and the answer goes back where it came from", async () => {
    const box = await start({ protocol: "udp" });
    const client = createSocket("udp4");
    open.push(client);
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, value) => value));
    client.send(bytes, box.port, "127.0.0.1");
    const [echo] = await once(client, "message");
    expect(echo).toEqual(bytes);
    expect(box.inputs("datagram")[0]).toMatchObject({
      listener: `outside/udp:127.0.0.1:${box.port}`,
      remote: { ip: "127.0.0.1", port: client.address().port },
    });
  });

  test("a port in use is told by name", async () => {
    const box = await start({ protocol: "udp" });
    await expect(start({ protocol: "udp", port: box.port })).rejects.toThrow(
      `cannot listen on udp:127.0.0.1:${box.port} of realm outside: the port is in use by another program`,
    );
  });
});

describe("TCP", () => {
  test("bytes come in order, the echo comes back, and the end is told once", async () => {
    const box = await start({ protocol: "tcp" });
    const client = connect({ host: "127.0.0.1", port: box.port });
    open.push({ close: () => client.destroy() });
    client.write("one ");
    await arrived(client, "one ");
    client.write("\xff two", "latin1");
    await arrived(client, "\xff two");
    const [accepted] = box.inputs("accepted");
    expect(accepted).toMatchObject({ listener: `outside/tcp:127.0.0.1:${box.port}`, tlsNames: [] });
    expect(accepted?.connection).toBeGreaterThanOrEqual(2 ** 31);
    expect(box.inputs("drained").at(-1)).toMatchObject({ unsentBytes: 0 });
    client.end();
    await box.until("closed");
    expect(box.inputs("closed")).toEqual([
      { in: "closed", connection: accepted?.connection, reason: "the other end closed it" },
    ]);
  });

  test("a slow reader is told of as unsent bytes, never buffered in silence", async () => {
    const box = await start({ protocol: "tcp", answer: () => "x".repeat(32 * 1_024 * 1_024) });
    const client = connect({ host: "127.0.0.1", port: box.port });
    open.push({ close: () => client.destroy() });
    client.pause();
    for (let i = 0; i < 30; i++) client.write("more");
    await box.until("data");
    expect(box.inputs("drained")).toEqual([]); // The kernel has not taken it: nothing is reported as gone.
  });

  test("close lets out what was written before", async () => {
    const box = await start({ protocol: "tcp", answer: () => "goodbye", closeAfterAnswer: true });
    const client = connect({ host: "127.0.0.1", port: box.port });
    client.write("hello");
    let text = "";
    client.on("data", (bytes) => {
      text += bytes;
    });
    await once(client, "end");
    expect(text).toBe("goodbye");
    expect(box.inputs("closed")).toEqual([]);
  });

  test("connections beyond the limit are cut, and that is a fact", async () => {
    const box = await start({ protocol: "tcp", connections: 1 });
    const first = connect({ host: "127.0.0.1", port: box.port });
    open.push({ close: () => first.destroy() });
    first.write("hello");
    await arrived(first, "hello");
    const second = connect({ host: "127.0.0.1", port: box.port });
    second.on("error", () => {});
    await once(second, "close");
    expect(box.inputs("accepted")).toHaveLength(1);
    first.destroy();
    await box.until("closed");
    const third = connect({ host: "127.0.0.1", port: box.port });
    open.push({ close: () => third.destroy() });
    third.write("again");
    await arrived(third, "again");
  });

  test("out: connected from the listener's address, refused when nobody listens", async () => {
    const server = createServer((socket) => socket.write("hello"));
    await once(server.listen(0, "127.0.0.1"), "listening");
    open.push(server);
    const port = (server.address() as { port: number }).port;
    const box = await start({ protocol: "tcp" });
    box.run(box.connect(7, "tcp", port));
    await box.until("data");
    expect(box.inputs("connected")).toEqual([{ in: "connected", connection: 7, tlsNames: [] }]);
    box.run({ out: "close", connection: 7, reason: "" });

    box.run(box.connect(8, "tcp", await freePort("tcp")));
    await box.until("closed");
    expect(box.inputs("closed")).toEqual([{ in: "closed", connection: 8, reason: "ECONNREFUSED" }]);
  });
});

describe("TLS, as a server", () => {
  test("a client without a certificate is served unless verify is mutual", async () => {
    const box = await start({ protocol: "tls", verify: "server" });
    const client = await connected(box.port);
    client.write("hello");
    await arrived(client, "hello");
    expect(client.getProtocol()).toBe("TLSv1.3");
    expect(box.inputs("accepted")[0]?.tlsNames).toEqual([]);
  });

  test("mutual: the client's names are told, strangers are cut", async () => {
    const box = await start({ protocol: "tls", verify: "mutual" });
    const known = await connected(box.port, { cert: readFileSync(tls.certificate), key: readFileSync(tls.key) });
    known.write("hello");
    await arrived(known, "hello");
    expect(box.inputs("accepted")[0]?.tlsNames).toEqual(["sbc.example.test"]);

    for (const stranger of [{}, { cert: readFileSync(otherTls.certificate), key: readFileSync(otherTls.key) }]) {
      const client = connectTls({ host: "127.0.0.1", port: box.port, rejectUnauthorized: false, ...stranger });
      client.on("error", () => {});
      await new Promise((resolve) => client.once("close", resolve));
    }
    expect(box.inputs("accepted")).toHaveLength(1);
    expect(box.facts().map(({ fact }) => fact)).toContain("tls.failed");
  });

  test("TLS 1.1 is refused", async () => {
    const box = await start({ protocol: "tls" });
    const client = connectTls({
      host: "127.0.0.1",
      port: box.port,
      rejectUnauthorized: false,
      minVersion: "TLSv1.1",
      maxVersion: "TLSv1.1",
      ciphers: "DEFAULT@SECLEVEL=0",
    });
    await expect(once(client, "secureConnect")).rejects.toThrow();
    expect(box.inputs("accepted")).toEqual([]);
  });
});

describe("TLS, as a client", () => {
  test.each([
    ["the right name", "sbc.example.test", "server", ["sbc.example.test"]],
    ["an address that stands in the certificate", undefined, "server", ["sbc.example.test"]],
    ["another name, but nobody asked", "other.example.test", "none", []],
  ] as const)("connected: %s", async (_name, serverName, verify, tlsNames) => {
    const box = await start({ protocol: "tls", verify });
    box.run(box.connect(5, "tls", await tlsServer(tls), serverName));
    await box.until("connected");
    expect(box.inputs("connected")).toEqual([{ in: "connected", connection: 5, tlsNames }]);
  });

  test.each([
    ["another name", "other.example.test", "the certificate is not for other.example.test"],
    ["a name below ours", "a.sbc.example.test", "the certificate is not for a.sbc.example.test"],
  ])("refused: %s", async (_name, serverName, reason) => {
    const box = await start({ protocol: "tls", verify: "server" });
    box.run(box.connect(5, "tls", await tlsServer(tls), serverName));
    await box.until("closed");
    expect(box.inputs("connected")).toEqual([]);
    expect(box.inputs("closed")[0]?.reason).toBe(reason);
  });

  test("refused: a certificate of a CA that we do not trust, which is a fact", async () => {
    const box = await start({ protocol: "tls", verify: "mutual" });
    box.run(box.connect(5, "tls", await tlsServer(otherTls), "sbc.example.test"));
    await box.until("closed");
    expect(box.inputs("connected")).toEqual([]);
    expect(box.facts()).toEqual([
      {
        fact: "tls.failed",
        realm: "outside",
        source: "127.0.0.1",
        reason: expect.stringMatching(/CERT|SIGNATURE|ISSUER/),
      },
    ]);
  });
});

describe("reload", () => {
  test("listeners come and go; connections that are up stay", async () => {
    const box = await start({ protocol: "tcp" });
    const client = connect({ host: "127.0.0.1", port: box.port });
    open.push({ close: () => client.destroy() });
    client.write("before");
    await arrived(client, "before");
    const port = await freePort("tcp");
    await box.loop.reload(settings({ protocol: "tcp", port }));
    expect(box.inputs("reload")).toHaveLength(1);
    client.write("after");
    await arrived(client, "after");
    const late = connect({ host: "127.0.0.1", port: box.port });
    await expect(once(late, "connect")).rejects.toThrow("ECONNREFUSED");
    const early = connect({ host: "127.0.0.1", port });
    open.push({ close: () => early.destroy() });
    await once(early, "connect");
  });

  test("a port moves to another realm, and from one address to all", async () => {
    for (const protocol of ["udp", "tcp"] as const) {
      const box = await start({ protocol });
      for (const [realm, ip] of [
        ["inside", "127.0.0.1"],
        ["inside", "0.0.0.0"],
        ["outside", "127.0.0.1"],
      ] as const) {
        await box.loop.reload(moved(settings({ protocol, port: box.port }), realm, ip));
        expect(box.loop.view()).toMatchObject({ listeners: [{ listener: `${realm}/${protocol}:${ip}:${box.port}` }] });
      }
    }
  });

  test("a port that cannot be moved stays where it was", async () => {
    const box = await start({ protocol: "tcp" });
    const stranger = createServer();
    open.push(stranger);
    await once(stranger.listen(box.port, "127.0.0.2"), "listening");
    const reload = box.loop.reload(moved(settings({ protocol: "tcp", port: box.port }), "outside", "0.0.0.0"));
    await expect(reload).rejects.toThrow("the port is in use");
    const client = connect({ host: "127.0.0.1", port: box.port });
    open.push({ close: () => client.destroy() });
    client.write("still here");
    await arrived(client, "still here");
  });

  test("a listener that cannot be had changes nothing", async () => {
    const box = await start({ protocol: "tcp" });
    const other = await start({ protocol: "tcp" });
    await expect(box.loop.reload(settings({ protocol: "tcp", port: other.port }))).rejects.toThrow(
      "the port is in use",
    );
    expect(box.inputs("reload")).toEqual([]);
    const client = connect({ host: "127.0.0.1", port: box.port });
    open.push({ close: () => client.destroy() });
    client.write("still here");
    await arrived(client, "still here");
  });

  test("a new certificate is shown to those who come after it", async () => {
    const box = await start({ protocol: "tls", verify: "none" });
    const serial = async () => {
      const client = await connected(box.port);
      const { serialNumber } = client.getPeerCertificate();
      client.destroy();
      return serialNumber;
    };
    const before = await serial();
    await box.loop.reload(settings({ protocol: "tls", port: box.port, verify: "none", files: otherTls }));
    expect(await serial()).not.toBe(before);
  });

  test("a UDP port keeps its number when its mark changes", async () => {
    const box = await start({ protocol: "udp" });
    await box.loop.reload(settings({ protocol: "udp", port: box.port, dscp: "EF" }));
    const client = createSocket("udp4");
    open.push(client);
    client.send("hello", box.port, "127.0.0.1");
    const [echo] = await once(client, "message");
    expect(String(echo)).toBe("hello");
  });
});

describe("the engine at work", () => {
  test("deadlines come in time, and move", async () => {
    const rung: number[] = [];
    const box = await start({ protocol: "udp" });
    const begin = performance.now();
    const done = Promise.withResolvers<void>();
    box.onDeadline = () => {
      rung.push(performance.now() - begin);
      box.deadline = rung.length === 1 ? begin + 45 : undefined;
      if (rung.length === 2) done.resolve();
    };
    box.deadline = begin + 60;
    box.run();
    box.deadline = begin + 20;
    box.run();
    await done.promise;
    expect(rung[0]).toBeGreaterThanOrEqual(20);
    expect(rung[1]).toBeGreaterThanOrEqual(45);
    expect(rung[1]).toBeLessThan(20_000);
  });

  test("what an engine did before it threw is done, and one bad output holds none of the others back", async () => {
    const client = createSocket("udp4");
    open.push(client);
    client.bind(0, "127.0.0.1");
    await once(client, "listening");
    const box = await start({
      protocol: "udp",
      answer: () => {
        const done = { out: "datagram", listener: `outside/udp:127.0.0.1:${box.port}`, text: "done before" } as const;
        const bad = { ...done, remote: undefined } as unknown as EngineOutput;
        box.leave(bad, { ...done, remote: { ip: "127.0.0.1", port: client.address().port } });
        throw new Error("bug: half way");
      },
    });
    client.send("x", box.port, "127.0.0.1");
    const [answer] = await once(client, "message");
    expect(String(answer)).toBe("done before");
    expect(box.bugs).toEqual(["bug: half way", expect.stringMatching(/undefined/)]);
  });

  test("an engine that throws is reported, and the box goes on", async () => {
    const box = await start({
      protocol: "udp",
      answer: (text) => {
        if (text === "poison") throw new Error("bug: nobody thought of this");
        return text;
      },
    });
    const client = createSocket("udp4");
    open.push(client);
    client.send("poison", box.port, "127.0.0.1");
    await box.until("datagram");
    client.send("hello", box.port, "127.0.0.1");
    await once(client, "message");
    expect(box.bugs).toEqual(["bug: nobody thought of this"]);
  });

  test("without a relay an opened pair fails at once", async () => {
    const box = await start({ protocol: "udp" });
    const command = { word: "open", pair: 3, kind: "audio", sides: [] } as never;
    box.run({ out: "relay", command });
    expect(box.inputs("relay").map(({ event }) => event)).toEqual([
      { event: "failed", pair: 3, side: 0, reason: "there is no media relay" },
    ]);
  });

  test("names: what the hosts file has, what nobody has", async () => {
    const box = await start({ protocol: "udp" });
    box.run({ out: "resolve", query: 1, type: "A", name: "localhost" });
    await box.until("resolved");
    expect(box.inputs("resolved")[0]).toMatchObject({ query: 1, records: [{ type: "A", ip: "127.0.0.1" }] });
  });
});
