/**
 * A caller over TLS: `tls-caller.ts PORT CALLS CALLS-PER-SECOND CONNECTIONS`. INVITE, ACK, BYE at once; exits 0 when
 * every call ended with a 200 to its BYE. As cheap as it can be, since it shares its core with the callee.
 */
import { connect, type TLSSocket } from "node:tls";

const [port = 0, calls = 0, perSecond = 1, connections = 1] = process.argv.slice(2).map(Number);
/** After the last INVITE was sent, this long for what is still open. */
const PATIENCE_MS = 10_000;

const SDP = [
  ...["v=0", "o=caller 53655765 2353687637 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0"],
  ...["m=audio 16386 RTP/AVP 8 0 101", "a=rtpmap:8 PCMA/8000", "a=rtpmap:0 PCMU/8000"],
  ...["a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15", "a=ptime:20", "a=sendrecv", ""],
].join("\r\n");

interface Line {
  readonly socket: TLSSocket;
  readonly localPort: number;
  buffered: string;
}

const open = new Map<string, { readonly from: string; state: "invited" | "leaving" }>();
let started = 0;
let done = 0;
const failures = new Map<string, number>();
const began = performance.now();

const lines = await Promise.all(Array.from({ length: connections }, connectLine));
const pacing = setInterval(pace, 5);
pace();

function pace(): void {
  const due = Math.min(calls, Math.floor(((performance.now() - began) / 1_000) * perSecond) + 1);
  for (; started < due; started++) invite(lines[started % lines.length] as Line, started);
  if (started < calls) return;
  clearInterval(pacing);
  setTimeout(finish, PATIENCE_MS);
}

function finish(): void {
  for (const [what, count] of failures) console.error(`${count} × ${what}`);
  console.log(`${done} of ${calls} calls`);
  process.exit(done === calls ? 0 : 1);
}

function connectLine(): Promise<Line> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false }, () => {
      socket.setNoDelay(true);
      const line: Line = { socket, localPort: socket.localPort ?? 0, buffered: "" };
      socket.setEncoding("latin1").on("data", (chunk: string) => take(line, chunk));
      resolve(line);
    });
    socket.on("error", reject);
  });
}

function invite(line: Line, number: number): void {
  const callId = `bench-${process.pid}-${number}`;
  const from = `"Bench Caller" <sip:+4930987654@127.0.0.1>;tag=a${number}`;
  open.set(callId, { from, state: "invited" });
  line.socket.write(
    `INVITE sip:+4930123456${number}@127.0.0.1:${port};transport=tls SIP/2.0\r\n` +
      `Via: SIP/2.0/TLS 127.0.0.1:${line.localPort};rport;branch=z9hG4bKi${process.pid}x${number}\r\n` +
      `Max-Forwards: 70\r\nFrom: ${from}\r\nTo: <sip:+4930123456${number}@127.0.0.1:${port}>\r\n` +
      `Call-ID: ${callId}\r\nCSeq: 1 INVITE\r\n` +
      `Contact: <sip:+4930987654@127.0.0.1:${line.localPort};transport=tls>\r\n` +
      "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, REFER, NOTIFY\r\n" +
      "Supported: timer, replaces\r\nUser-Agent: Bench Caller 1.0\r\nAccept: application/sdp\r\n" +
      `Content-Type: application/sdp\r\nContent-Length: ${SDP.length}\r\n\r\n${SDP}`,
  );
}

function take(line: Line, chunk: string): void {
  line.buffered += chunk;
  for (;;) {
    const end = line.buffered.indexOf("\r\n\r\n");
    if (end < 0) return;
    const head = line.buffered.slice(0, end + 2);
    const length = Number(/\r\nContent-Length: *(\d+)/i.exec(head)?.[1] ?? 0);
    if (line.buffered.length < end + 4 + length) return;
    line.buffered = line.buffered.slice(end + 4 + length);
    answered(line, head);
  }
}

function answered(line: Line, head: string): void {
  const status = Number(head.slice(8, 11));
  if (!(status >= 200)) return;
  const callId = header(head, "Call-ID");
  const call = open.get(callId);
  if (call === undefined) return;
  if (status !== 200) {
    const what = head.slice(0, head.indexOf("\r\n"));
    failures.set(what, (failures.get(what) ?? 0) + 1);
    open.delete(callId);
  } else if (call.state === "invited") {
    call.state = "leaving";
    leave(line, head, callId, call.from);
  } else if (header(head, "CSeq").endsWith("BYE")) {
    open.delete(callId);
    done += 1;
    if (done === calls) finish();
  }
}

/** ACK and BYE in one write, along the route set. RFC 3261 §12.1.2. */
function leave(line: Line, head: string, callId: string, from: string): void {
  const target = /<([^>]+)>/.exec(header(head, "Contact"))?.[1] ?? "";
  const routes = [...head.matchAll(/\r\nRecord-Route: *([^\r]+)/gi)].flatMap((match) =>
    (match[1] as string).split(","),
  );
  const route = routes
    .reverse()
    .map((one) => `Route: ${one.trim()}\r\n`)
    .join("");
  const common = (cseq: string, branch: string): string =>
    `Via: SIP/2.0/TLS 127.0.0.1:${line.localPort};rport;branch=z9hG4bK${branch}${callId}\r\n${route}` +
    `Max-Forwards: 70\r\nFrom: ${from}\r\nTo: ${header(head, "To")}\r\nCall-ID: ${callId}\r\nCSeq: ${cseq}\r\n` +
    "Content-Length: 0\r\n\r\n";
  line.socket.write(`ACK ${target} SIP/2.0\r\n${common("1 ACK", "a")}BYE ${target} SIP/2.0\r\n${common("2 BYE", "b")}`);
}

function header(head: string, name: string): string {
  const at = head.toLowerCase().indexOf(`\r\n${name.toLowerCase()}:`);
  if (at < 0) return "";
  const start = at + 3 + name.length;
  return head.slice(start, head.indexOf("\r\n", start)).trim();
}
