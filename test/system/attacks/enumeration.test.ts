/**
 * Who exists is nobody's business: Debian's svwar, and a clock, find no difference between users that there are and users
 * that there are not. A registrar that tells is the control: it shows that both would find one.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Box, makeFolder } from "../../support/box.ts";
import { Child } from "../../support/child.ts";

const OUTSIDE = "127.92.0.1";
const STRANGER = "127.92.0.66";
const USERS = Array.from({ length: 10 }, (_, i) => String(101 + 2 * i));
const SCANNED = "100-121";

let box: Box;
beforeAll(async () => {
  box = await Box.start(boxFolder(), configuration());
});
afterAll(async () => {
  await box.stop();
});

test.each(["REGISTER", "INVITE", "OPTIONS"])("svwar finds none of ten users by %s", (method) => {
  expect(svwar(OUTSIDE, method)).toEqual([]);
});

test("the control: of a registrar that says 404 svwar finds all ten", async () => {
  const teller = createSocket("udp4").bind(5060, "127.92.0.3");
  await once(teller, "listening");
  const child = telling(teller);
  try {
    expect(await svwarBeside("127.92.0.3")).toEqual(USERS);
  } finally {
    child();
    teller.close();
  }
});

test("wrong passwords of users that there are, and of others, are refused in the same words and the same time", async () => {
  const socket = createSocket("udp4").bind(5062, STRANGER);
  await once(socket, "listening");
  const took: Record<"there" | "not", number[]> = { there: [], not: [] };
  const words = new Set<string>();
  try {
    for (let i = 0; i < ROUNDS; i++) {
      for (const who of ["there", "not"] as const) {
        const user = who === "there" ? (USERS[i % 10] as string) : String(102 + 2 * (i % 10));
        const challenge = await asked(socket, registerOf(user, i * 4 + (who === "there" ? 0 : 1)));
        const text = registerOf(user, i * 4 + (who === "there" ? 2 : 3), credentials(user, challenge));
        const before = performance.now();
        const answer = await asked(socket, text);
        took[who].push(performance.now() - before);
        words.add(plain(answer));
      }
    }
  } finally {
    socket.close();
  }
  expect([...words].map((text) => text.split("\n")[0])).toEqual(["SIP/2.0 401 Unauthorized"]);
  expect(Math.abs(median(took.there) - median(took.not))).toBeLessThan(2);
});

const ROUNDS = 150;

function boxFolder(): string {
  const folder = makeFolder("enumeration");
  const md5 = (text: string): string => createHash("md5").update(text).digest("hex");
  const lines = USERS.map((user) => `${user}:${OUTSIDE}:${md5(`${user}:${OUTSIDE}:secret`)}`);
  writeFileSync(join(folder, "users"), `${lines.join("\n")}\n`);
  return folder;
}

const configuration = (): object => ({
  name: "enumeration",
  realms: {
    outside: {
      trust: "none",
      listen: [`udp:${OUTSIDE}:5060`],
      media: { address: OUTSIDE, ports: "20000-20099" },
      srtp: "off",
    },
    inside: {
      trust: "full",
      listen: ["udp:127.92.0.2:5060"],
      media: { address: "127.92.0.2", ports: "20100-20199" },
      srtp: "off",
    },
  },
  peers: { pbx: { realm: "inside", targets: ["udp:127.92.0.12:5060"] } },
  registration: {
    domains: { [OUTSIDE]: { realm: "outside", registrar: "local", users: "users" } },
    file: null,
  },
  routes: [
    { when: { realm: "outside", registered: true }, to: ["pbx"] },
    { when: { from: "pbx", registered: "callee" }, to: ["registration"] },
  ],
  limits: { messagesPerSource: 0 },
});

/** Half a second for an answer, or a busy machine looks like a registrar that knows some users. */
const WAR = (target: string, method = "REGISTER"): string[] => [
  ...["-t", "0.5", "-m", method, "-e", SCANNED, "-b", STRANGER, target],
];

/** The users that svwar reports. */
function svwar(target: string, method: string): string[] {
  const done = spawnSync("svwar", WAR(target, method), { encoding: "utf8", timeout: 100_000 });
  expect(done.error, "svwar came to its end").toBe(undefined);
  return found(`${done.stdout}${done.stderr}`);
}

/** The same, while this process answers. */
async function svwarBeside(target: string): Promise<string[]> {
  const child = new Child("svwar", WAR(target));
  await child.exited;
  return found(child.output);
}

const found = (output: string): string[] =>
  [...output.matchAll(/^\|\s*(\d+)\s*\|/gm)].map((match) => match[1] as string);

/** 401 for its users, 404 for all others. Returns how it stops. */
function telling(socket: Socket): () => void {
  const answer = (bytes: Buffer, from: { port: number; address: string }): void => {
    const text = bytes.toString("latin1");
    const user = /^To:.*sip:(\d+)@/im.exec(text)?.[1] ?? "";
    const head = /^(?:Via|From|To|Call-ID|CSeq):.*$/gim;
    const lines = (text.match(head) ?? []).map((line) => line.trim());
    const status = USERS.includes(user) ? "401 Unauthorized" : "404 Not Found";
    const ask = USERS.includes(user) ? ['WWW-Authenticate: Digest realm="x", nonce="n"'] : [];
    socket.send(
      [`SIP/2.0 ${status}`, ...lines, ...ask, "Content-Length: 0", "", ""].join("\r\n"),
      from.port,
      from.address,
    );
  };
  socket.on("message", answer);
  return () => socket.off("message", answer);
}

function registerOf(user: string, number: number, authorization = ""): string {
  return [
    `REGISTER sip:${OUTSIDE} SIP/2.0`,
    `Via: SIP/2.0/UDP ${STRANGER}:5062;rport;branch=z9hG4bK-${number}`,
    "Max-Forwards: 70",
    `From: <sip:${user}@${OUTSIDE}>;tag=t`,
    `To: <sip:${user}@${OUTSIDE}>`,
    `Call-ID: guess-${number}`,
    "CSeq: 1 REGISTER",
    `Contact: <sip:${user}@${STRANGER}:5062>`,
    ...(authorization === "" ? [] : [`Authorization: ${authorization}`]),
    "Content-Length: 0",
    "",
    "",
  ].join("\r\n");
}

const credentials = (user: string, challenge: string): string => {
  const nonce = /nonce="([^"]*)"/.exec(challenge)?.[1] ?? "";
  return `Digest username="${user}", realm="${OUTSIDE}", nonce="${nonce}", uri="sip:${OUTSIDE}", response="${"0".repeat(32)}", algorithm=MD5, qop=auth, nc=00000001, cnonce="c"`;
};

async function asked(socket: Socket, text: string): Promise<string> {
  const answered = once(socket, "message");
  socket.send(text, 5060, OUTSIDE);
  const [bytes] = (await answered) as [Buffer];
  return bytes.toString("latin1");
}

/** Without what is mirrored or drawn. */
const plain = (text: string): string =>
  text
    .split("\r\n")
    .filter((line) => !/^(via|from|to|call-id|cseq):/i.test(line))
    .map((line) => line.replace(/nonce="[^"]*"/, "nonce"))
    .join("\n");

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] as number;
