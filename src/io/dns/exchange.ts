/** One question put to one name server: over UDP, and over TCP when the answer does not fit or somebody guesses at it. */
import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { connect, isIPv6, SocketAddress } from "node:net";
import { type Question, questionBytes, readAnswer, type Verdict } from "./message.ts";

/** `ip` as node:net takes it: no brackets, perhaps a scope. */
export interface NameServer {
  readonly ip: string;
  readonly port: number;
}

/** Limit: datagrams to one question that do not answer it. Beyond, somebody guesses at its number: TCP is asked instead. */
const STRAYS = 8;
const STRAY: Verdict = { says: "stray" };

interface Silence {
  readonly says: "silence";
  readonly reason: string;
}

export type Outcome = Exclude<Verdict, { says: "truncated" | "stray" }> | Silence;

/** Takes `tryLimitMs` at most for each of both ways; `stop` breaks it off, which is a silence. */
export async function askServer(
  question: Question,
  server: NameServer,
  tryLimitMs: number,
  stop: AbortSignal,
): Promise<Outcome> {
  let verdict = await overUdp(question, server, true, tryLimitMs, stop);
  // RFC 6891 §7: a server from before EDNS says so, and gets the question as it was then.
  if (verdict.says === "failure" && (verdict.reason === "FORMERR" || verdict.reason === "NOTIMP"))
    verdict = await overUdp(question, server, false, tryLimitMs, stop);
  if (verdict.says === "truncated") verdict = await overTcp(question, server, tryLimitMs, stop);
  return verdict.says === "truncated" || verdict.says === "stray" ? { says: "failure", reason: "malformed" } : verdict;
}

type Heard = Verdict | Silence;

const silence = (reason: string): Silence => ({ says: "silence", reason });

/** A socket of its own, so that port and number are both to be guessed; connected, so that others are not heard. RFC 5452 §9. */
function overUdp(
  question: Question,
  server: NameServer,
  isEdns: boolean,
  limitMs: number,
  stop: AbortSignal,
): Promise<Heard> {
  const id = randomInt(0x1_0000);
  const socket = createSocket(isIPv6(server.ip) ? "udp6" : "udp4");
  return once(limitMs, stop, (done) => {
    let strays = 0;
    socket.on("error", (error: NodeJS.ErrnoException) => done(silence(error.code ?? "socket")));
    socket.on("message", (bytes, from) => {
      // What came in before the socket was connected may be anybody's.
      const isServer = from.port === server.port && plainIp(from.address) === plainIp(server.ip);
      const verdict = isServer ? readAnswer(bytes, id, question) : STRAY;
      if (verdict.says !== "stray") done(verdict);
      else if (++strays > STRAYS) done({ says: "truncated" });
    });
    socket.connect(server.port, server.ip, (error?: NodeJS.ErrnoException) => {
      if (error !== undefined) done(silence(error.code ?? "socket"));
      else socket.send(questionBytes(id, question, isEdns));
    });
    return () => socket.close();
  });
}

/** RFC 7766: the message behind its length in two bytes. */
function overTcp(question: Question, server: NameServer, limitMs: number, stop: AbortSignal): Promise<Heard> {
  const id = randomInt(0x1_0000);
  return once(limitMs, stop, (done) => {
    const socket = connect({ host: server.ip, port: server.port });
    let heard = Buffer.alloc(0);
    socket.on("error", (error: NodeJS.ErrnoException) => done(silence(error.code ?? "socket")));
    socket.on("close", () => done(silence("closed")));
    socket.on("connect", () => {
      const bytes = questionBytes(id, question, false);
      socket.write(Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]));
    });
    socket.on("data", (chunk: Buffer) => {
      heard = Buffer.concat([heard, chunk]); // Limit: the length has 16 bits; what follows the message is not waited for.
      const length = heard.length < 2 ? Number.POSITIVE_INFINITY : heard.readUInt16BE(0);
      if (heard.length >= 2 + length) done(readAnswer(heard.subarray(2, 2 + length), id, question));
    });
    return () => socket.destroy();
  });
}

/** `start` begins and gives what ends it; the first verdict counts, and the time limit and `stop` are verdicts too. */
function once(limitMs: number, stop: AbortSignal, start: (done: (heard: Heard) => void) => () => void): Promise<Heard> {
  return new Promise((resolve) => {
    let isDone = false;
    const done = (heard: Heard): void => {
      if (isDone) return;
      isDone = true;
      clearTimeout(timer);
      stop.removeEventListener("abort", broken);
      end();
      resolve(heard);
    };
    const broken = (): void => done(silence("broken off"));
    const timer = setTimeout(() => done(silence("timeout")), limitMs);
    stop.addEventListener("abort", broken);
    const end = start(done);
    if (stop.aborted) broken();
  });
}

/** RFC 5952 form without a scope. */
function plainIp(ip: string): string {
  const bare = ip.replace(/%.*/, "");
  return isIPv6(bare) ? new SocketAddress({ address: bare, family: "ipv6" }).address : bare;
}
