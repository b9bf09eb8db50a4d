/** Session descriptions as a simulated phone writes them, full of things that must not cross the box. */
import { below, type Random, randomBytes } from "../../src/base/index.ts";

export interface SdpTaste {
  readonly mark: string;
  readonly ip: string;
  readonly port: number;
  readonly srtp: boolean;
  readonly random: Random;
  readonly sessionId: number;
  direction: "sendrecv" | "sendonly" | "recvonly" | "inactive";
  video: boolean;
  /** The next answer of the other side is an offer, so that our ACK carries the answer. */
  lateOffer: boolean;
}

/** One of each for a dialog. */
export function newTaste(
  { mark, ip, srtp, random }: Pick<SdpTaste, "mark" | "ip" | "srtp" | "random">,
  lateOffer: boolean,
): SdpTaste {
  const port = 2_000 + 2 * below(random, 10_000);
  const sessionId = below(random, 1_000_000_000);
  return { mark, ip, port, srtp, random, sessionId, direction: "sendrecv", video: false, lateOffer };
}

/** The answer of one who goes along with a hold. */
export function mirrorSdp(offer: string, taste: SdpTaste, version: number): string {
  const theirs = directionOf(offer);
  const mine = theirs === "sendonly" ? "recvonly" : theirs === "inactive" ? "inactive" : "sendrecv";
  return answerSdp(offer, { ...taste, direction: mine }, version);
}

export function offerSdp(taste: SdpTaste, version: number): string {
  const lines = head(taste, version);
  lines.push(...stream(taste, "audio", taste.port, `${profile(taste)} 0 8 101`, 1));
  if (taste.video) lines.push(...stream(taste, "video", taste.port + 2, `${profile(taste)} 96`, 1));
  return `${lines.join("\r\n")}\r\n`;
}

export function answerSdp(offer: string, taste: SdpTaste, version: number): string {
  const lines = head(taste, version);
  let port = taste.port;
  for (const section of offer.split(/\r\nm=/).slice(1)) {
    const [kind = "audio", offeredPort = "0", offeredProfile = "RTP/AVP", ...formats] = section
      .split("\r\n")[0]!
      .split(" ");
    const tag = Number(/a=crypto:(\d+) /.exec(section)?.[1] ?? 0);
    if (offeredPort === "0") lines.push(`m=${kind} 0 ${offeredProfile} ${formats[0]}`);
    else lines.push(...stream(taste, kind, port, `${offeredProfile} ${formats.join(" ")}`, tag));
    port += 2;
  }
  return `${lines.join("\r\n")}\r\n`;
}

export const directionOf = (sdp: string): string =>
  /c=IN IP4 0\.0\.0\.0/.test(sdp)
    ? "sendonly"
    : (/a=(sendrecv|sendonly|recvonly|inactive)/.exec(sdp)?.[1] ?? "sendrecv");

const profile = (taste: SdpTaste): string => (taste.srtp ? "RTP/SAVP" : "RTP/AVP");

const head = (taste: SdpTaste, version: number): string[] => [
  "v=0",
  `o=${taste.mark} ${taste.sessionId} ${version} IN IP4 ${taste.ip}`,
  `s=${taste.mark} talk`,
  `c=IN IP4 ${taste.ip}`,
  "t=0 0",
  `a=tool:${taste.mark}`,
];

function stream(taste: SdpTaste, kind: string, port: number, rest: string, cryptoTag: number): string[] {
  const lines = [`m=${kind} ${port} ${rest}`];
  if (kind === "audio") lines.push("a=rtpmap:0 PCMU/8000", "a=rtpmap:101 telephone-event/8000");
  if (taste.srtp && cryptoTag > 0) {
    const key = Buffer.from(randomBytes(taste.random, 30)).toString("base64");
    lines.push(`a=crypto:${cryptoTag} AES_CM_128_HMAC_SHA1_80 inline:${key}`);
  }
  lines.push(`a=rtcp:${port + 1} IN IP4 ${taste.ip}`);
  lines.push(`a=candidate:1 1 UDP 2130706431 ${taste.ip} ${port} typ host`);
  lines.push(`a=ssrc:${below(taste.random, 4_000_000_000)} cname:${taste.mark}`);
  lines.push(`a=${taste.direction}`);
  return lines;
}
