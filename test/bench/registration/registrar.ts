/**
 * A registrar inside that takes everybody who has been asked: `registrar.ts PORT`. It tells by a line of JSON, each second in which it was
 * asked, how often, and how many copies came beside: {"second":…,"asked":…,"copies":…}. As cheap as it can be.
 */
import { createSocket } from "node:dgram";

const [port = 0] = process.argv.slice(2).map(Number);
/** As long as Kamailio's. */
const NONCE = "ZkXWvGZF1ZDhFq0bJmQ3c0tQZ1B5dXJhbmQ";

const socket = createSocket({ type: "udp4", recvBufferSize: 4 << 20 });
let asked = 0;
let copies = 0;
/** By the clock: a timer that is late would make a second longer than it is. */
let second = 0;
/** Branches: a copy may come half a minute later. */
const seen = new Set<string>();

socket.on("message", (data, from) => {
  const text = data.toString("latin1");
  const method = text.slice(0, text.indexOf(" "));
  if (method === "SIP/2.0") return;
  const now = Math.floor(performance.now() / 1_000);
  if (now !== second) tell(now);
  const line = (name: string): string => new RegExp(`\r\n(${name}: [^\r]*)`).exec(text)?.[1] ?? "";
  const via = line("Via");
  if (seen.has(via)) copies += 1;
  else if (method === "REGISTER") asked += 1;
  seen.add(via);
  const contact = line("Contact");
  const bound = contact.includes("expires=0") ? "" : `${contact}\r\n`;
  const known = text.includes("\r\nAuthorization: ");
  const head = ["Via", "From"].map((name) => `${line(name)}\r\n`).join("");
  const status = known ? "200 OK" : "401 Unauthorized";
  const asks = known ? bound : `WWW-Authenticate: Digest realm="bench.example.test", nonce="${NONCE}"\r\n`;
  const answer = `SIP/2.0 ${status}\r\n${head}${line("To")};tag=r\r\n${line("Call-ID")}\r\n${line("CSeq")}\r\n${asks}Content-Length: 0\r\n\r\n`;
  socket.send(answer, from.port, from.address);
});
socket.bind(port, "127.0.0.1", () => console.log(JSON.stringify({ ready: port })));
setInterval(() => tell(Math.floor(performance.now() / 1_000)), 500);

function tell(now: number): void {
  if (now === second) return;
  if (asked > 0) console.log(JSON.stringify({ second, asked, copies }));
  second = now;
  asked = 0;
  copies = 0;
}
