/**
 * Opens sessions at an rtpengine over its NG protocol: `rtpengine.ts WORK`, a Work as JSON, in the namespace of the
 * box. Prints the ports that face the caller as one JSON array.
 */
import dgram from "node:dgram";
import { once } from "node:events";
import { setTimeout as after } from "node:timers/promises";
import { addresses } from "./topology.ts";
import { calleeKey, callerKey, type Suite, type Work } from "./work.ts";

type Bencoded = string | number | readonly Bencoded[] | { readonly [key: string]: Bencoded };

export const NG_PORT = 22_661;

if (process.argv[1] === import.meta.filename) {
  const work = JSON.parse(process.argv[2] ?? "") as Work;
  const socket = dgram.createSocket("udp4");
  socket.connect(NG_PORT, "127.0.0.1");
  await once(socket, "connect");
  await ready(socket);
  const ports: number[] = [];
  for (let i = 0; i < work.sessions; i += 1) ports.push(await openSession(socket, i, work));
  socket.close();
  console.log(JSON.stringify(ports));
}

async function openSession(socket: dgram.Socket, number: number, { from, to }: Work): Promise<number> {
  const call = {
    "call-id": `bench-${number}`,
    "from-tag": "caller",
    ICE: "remove",
    "rtcp-mux": ["demux"],
    flags: ["trust-address", "asymmetric"],
  };
  const offered = await ask(socket, {
    ...call,
    command: "offer",
    direction: ["outer", "inner"],
    "transport-protocol": profile(to),
    DTLS: "off",
    SDES: to === undefined ? [] : [`only-${to}`],
    sdp:
      description(addresses.caller, 40_000 + number, from) + (from ? crypto("1", from, callerKey(from, number)) : ""),
  });
  const tag = new RegExp(`a=crypto:(\\d+) ${to} `).exec(offered)?.[1] ?? "";
  const answered = await ask(socket, {
    ...call,
    command: "answer",
    "to-tag": "callee",
    "transport-protocol": profile(from),
    sdp: description(addresses.callee, 20_000 + number * 2, to) + (to ? crypto(tag, to, calleeKey(to, number)) : ""),
  });
  return Number(/m=audio (\d+) /.exec(answered)?.[1]);
}

function profile(suite: Suite | undefined): string {
  return suite === undefined ? "RTP/AVP" : "RTP/SAVP";
}

function crypto(tag: string, suite: Suite, master: Uint8Array): string {
  return `a=crypto:${tag} ${suite} inline:${Buffer.from(master).toString("base64")}\r\n`;
}

/** It takes a moment to start, and says to nobody when it has. */
async function ready(socket: dgram.Socket): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await ask(socket, { command: "ping" }, "6:result4:pong");
      return;
    } catch (error) {
      if (attempt === 30) throw error;
      await after(100);
    }
  }
}

function description(ip: string, port: number, suite: Suite | undefined): string {
  return `v=0\r\no=- 1 1 IN IP4 ${ip}\r\ns=-\r\nc=IN IP4 ${ip}\r\nt=0 0\r\nm=audio ${port} ${profile(suite)} 0\r\na=rtpmap:0 PCMU/8000\r\n`;
}

async function ask(
  socket: dgram.Socket,
  words: { readonly [key: string]: Bencoded },
  good = "6:result2:ok",
): Promise<string> {
  const cookie = Math.random().toString(36).slice(2);
  const answer = once(socket, "message", { signal: AbortSignal.timeout(3_000) });
  socket.send(`${cookie} ${encode(words)}`);
  const text = String((await answer)[0]);
  if (!text.includes(good)) throw new Error(`rtpengine: ${text}`);
  const found = /3:sdp(\d+):/.exec(text);
  return found === null
    ? ""
    : text.slice(found.index + found[0].length, found.index + found[0].length + Number(found[1]));
}

function encode(value: Bencoded): string {
  if (typeof value === "number") return `i${value}e`;
  if (typeof value === "string") return `${Buffer.byteLength(value)}:${value}`;
  if (Array.isArray(value)) return `l${value.map(encode).join("")}e`;
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `d${members.map(([key, member]) => encode(key) + encode(member)).join("")}e`;
}
