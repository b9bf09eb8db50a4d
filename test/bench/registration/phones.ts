/**
 * Many phones in one process: `phones.ts COUNT SOCKETS`. Commands come as lines of JSON, each is answered by one.
 *   {"do":"register","port":…,"perSecond":…,"restarted":…}   until every phone is bound; Retry-After is heeded
 *   {"do":"refresh","port":…,"perSecond":…}                  once each, one after the other
 * As cheap as it can be: it shares its core with the registrar.
 */
import { createHash } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { createInterface } from "node:readline";

const [count = 0, socketCount = 1] = process.argv.slice(2).map(Number);
const DOMAIN = "bench.example.test";
const PASSWORD = "secret";
/** After the last one was sent, this long for what is still open. */
const PATIENCE_MS = 3_000;
const TICK_MS = 5;

interface Phone {
  readonly user: string;
  readonly socket: Socket;
  seq: number;
  boots: number;
  /** Of this round. */
  state: "waiting" | "asked" | "bound" | "refused";
  /** When it may be asked again. */
  after: number;
  sentAt: number;
}

const sockets: Socket[] = [];
for (let i = 0; i < socketCount; i++) {
  const socket = createSocket({ type: "udp4", recvBufferSize: 1 << 20 });
  socket.on("message", (data) => took(data.toString("latin1")));
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  sockets.push(socket);
}
const phones = Array.from(
  { length: count },
  (_, i): Phone => ({
    ...{ user: `u${i}`, socket: sockets[i % sockets.length] as Socket, seq: 0, boots: 0 },
    ...{ state: "waiting", after: 0, sentAt: 0 },
  }),
);
/** By port: what the device there asks. */
const asked = new Map<number, { realm: string; nonce: string }>();
const credentials = new Map<string, string>();
let retries = 0;
let delays: number[] = [];

function send(phone: Phone, port: number): void {
  phone.seq += 1;
  phone.state = "asked";
  phone.sentAt = performance.now();
  const aor = `sip:${phone.user}@${DOMAIN}`;
  const text =
    `REGISTER sip:${DOMAIN} SIP/2.0\r\n` +
    `Via: SIP/2.0/UDP 192.168.1.10:5060;rport;branch=z9hG4bK${port}.${phone.user}.${phone.boots}.${phone.seq}\r\n` +
    `Max-Forwards: 70\r\nFrom: <${aor}>;tag=t${phone.user}\r\nTo: <${aor}>\r\n` +
    `Call-ID: ${phone.user}-${phone.boots}-7c1d0f2a9b\r\nCSeq: ${phone.seq} REGISTER\r\n` +
    `Contact: <sip:${phone.user}@192.168.1.10:5060>\r\nExpires: 3600\r\n${credentialsOf(phone, port)}` +
    `User-Agent: bench phone\r\nContent-Length: 0\r\n\r\n`;
  phone.socket.send(text, port, "127.0.0.1");
}

/** As a phone does that has been asked once: with the same nonce from then on. */
function credentialsOf({ user }: Phone, port: number): string {
  const challenge = asked.get(port);
  if (challenge === undefined) return "";
  const key = `${port} ${user}`;
  const known = credentials.get(key);
  if (known !== undefined) return known;
  const { realm, nonce } = challenge;
  const hash = (text: string): string => createHash("md5").update(text).digest("hex");
  const a1 = hash(`${user}:${realm}:${PASSWORD}`);
  const response = hash(`${a1}:${nonce}:${hash(`REGISTER:sip:${DOMAIN}`)}`);
  const line = `Authorization: Digest username="${user}", realm="${realm}", nonce="${nonce}", uri="sip:${DOMAIN}", response="${response}", algorithm=MD5\r\n`;
  credentials.set(key, line);
  return line;
}

function took(text: string): void {
  const status = Number(text.slice(8, 11));
  const user = /\r\nTo: <sip:u(\d+)@/.exec(text)?.[1];
  const phone = phones[Number(user)];
  if (phone === undefined || phone.state !== "asked" || status < 200) return;
  const now = performance.now();
  delays.push(now - phone.sentAt);
  if (status === 200) phone.state = "bound";
  else if (status === 503) {
    retries += 1;
    phone.state = "waiting";
    phone.after = now + 1_000 * Number(/\r\nRetry-After: (\d+)/.exec(text)?.[1] ?? 5);
  } else if (status === 401) {
    phone.state = "waiting";
    const [realm = "", nonce = ""] = ["realm", "nonce"].map((name) => new RegExp(`${name}="([^"]*)"`).exec(text)?.[1]);
    asked.set(portNow, { realm, nonce });
  } else phone.state = "refused";
}

let portNow = 0;

/** Everybody who waits and may, at this pace; until nobody does, or only once each. */
async function round(port: number, perSecond: number, again: boolean, limitMs: number): Promise<object> {
  portNow = port;
  retries = 0;
  delays = [];
  for (const phone of phones) {
    phone.state = "waiting";
    phone.after = 0;
  }
  const began = performance.now();
  let sent = 0;
  let at = 0;
  let idle = 0;
  while (performance.now() - began < limitMs) {
    const now = performance.now();
    const due = Math.floor(((now - began) / 1_000) * perSecond) + 1;
    idle = 0;
    while (sent < due && idle < count) {
      const phone = phones[at++ % count] as Phone;
      // What is lost on the way is sent again, as it would be.
      const lost = phone.state === "asked" && again && now - phone.sentAt > PATIENCE_MS;
      if (lost || (phone.state === "waiting" && phone.after <= now)) {
        send(phone, port);
        sent += 1;
        idle = 0;
      } else idle += 1;
      if (!again && at >= count) break;
    }
    if (!again && at >= count) break;
    if (phones.every(({ state }) => state === "bound" || state === "refused")) break;
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
  if (!again) await settled();
  const ms = performance.now() - began;
  const of = (state: Phone["state"]): number => phones.filter((phone) => phone.state === state).length;
  const sorted = delays.sort((a, b) => a - b);
  return {
    ...{ sent, bound: of("bound"), refused: of("refused"), open: of("asked") + of("waiting"), retries },
    ...{ seconds: Math.round(ms / 100) / 10, p99Ms: Math.round(sorted[Math.floor(sorted.length * 0.99)] ?? 0) },
  };
}

async function settled(): Promise<void> {
  const until = performance.now() + PATIENCE_MS;
  while (performance.now() < until && phones.some(({ state }) => state === "asked"))
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
}

interface Command {
  readonly do: "register" | "refresh";
  readonly port: number;
  readonly perSecond: number;
  /** New registrations: as after a power cut. */
  readonly restarted?: boolean;
  readonly limitMs?: number;
}

console.log(JSON.stringify({ ready: count }));
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line) as Command;
  const { port, perSecond, restarted = false, limitMs = 600_000 } = command;
  if (restarted) {
    for (const phone of phones) {
      phone.boots += 1;
      phone.seq = 0;
    }
  }
  console.log(JSON.stringify(await round(port, perSecond, command.do === "register", limitMs)));
}
process.exit(0);
