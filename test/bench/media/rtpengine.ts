/**
 * Opens sessions at an rtpengine over its NG protocol: `rtpengine.ts WORK`, a Work as JSON, in the namespace of the
 * box. Prints the ports that face the caller as one JSON array.
 */
import { Ng } from "../../support/ng.ts";
import { addresses } from "./topology.ts";
import { calleeKey, callerKey, type Suite, type Work } from "./work.ts";

export const NG_PORT = 22_661;

if (process.argv[1] === import.meta.filename) {
  const work = JSON.parse(process.argv[2] ?? "") as Work;
  const ng = await Ng.connect(NG_PORT);
  const ports: number[] = [];
  for (let i = 0; i < work.sessions; i += 1) ports.push(await openSession(ng, i, work));
  ng.close();
  console.log(JSON.stringify(ports));
}

async function openSession(ng: Ng, number: number, { from, to }: Work): Promise<number> {
  const call = {
    "call-id": `bench-${number}`,
    "from-tag": "caller",
    ICE: "remove",
    "rtcp-mux": ["demux"],
    flags: ["trust-address", "asymmetric"],
  };
  const offered = await ng.ask({
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
  const answered = await ng.ask({
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

function description(ip: string, port: number, suite: Suite | undefined): string {
  return `v=0\r\no=- 1 1 IN IP4 ${ip}\r\ns=-\r\nc=IN IP4 ${ip}\r\nt=0 0\r\nm=audio ${port} ${profile(suite)} 0\r\na=rtpmap:0 PCMU/8000\r\n`;
}
