/** What commands and signals do to a call that is up. */
import { rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeFolder, NODE, ROOT } from "../../support/box.ts";
import { Child } from "../../support/child.ts";
import { freePort } from "../../unit/io/free-port.ts";
import { MiniPhone } from "./mini-phone.ts";

let folder: string;
let file: string;
let box: Child;
let ports: { outside: number; inside: number };
let caller: MiniPhone;
let callee: MiniPhone;

beforeEach(async () => {
  folder = makeFolder("live");
  file = join(folder, "edge.json");
  caller = await MiniPhone.start(22_000);
  callee = await MiniPhone.start(22_002);
  ports = { outside: await freePort("udp"), inside: await freePort("udp") };
});
afterEach(async () => {
  await box.stop("SIGKILL");
  caller.close();
  callee.close();
  rmSync(folder, { recursive: true, force: true });
});

test("SIGHUP keeps the call: it is seen before and after, and ends by its BYE", async () => {
  await start({});
  await caller.call(ports.outside);
  expect(await ask("GET", "/calls")).toMatchObject([{ state: "up", from: { peer: "carrier" }, to: { peer: "pbx" } }]);
  write({ maxCalls: 5 });
  box.process.kill("SIGHUP");
  await box.line(/settings\.applied/);
  expect(await ask("GET", "/calls")).toHaveLength(1);
  expect(await ask("POST", "/diff", { file })).toMatchObject({ ok: true, changes: [], calls: [] });
  write({ maxCalls: 6 });
  const [{ call }] = (await ask("GET", "/calls")) as [{ call: string }];
  expect(await ask("POST", "/diff", { file })).toMatchObject({ ok: true, calls: [call], peers: ["carrier"] });
  await caller.hangUp();
  await callee.until(/^BYE /);
  expect(JSON.parse(await box.line(/"call\.ended"/))).toMatchObject({ call, cause: "bye", by: "caller" });
  expect(await ask("GET", "/calls")).toEqual([]);
});

test("an operator ends a call: both sides get a BYE", async () => {
  await start({});
  await caller.call(ports.outside);
  const [{ call }] = (await ask("GET", "/calls")) as [{ call: string }];
  expect(await ask("DELETE", `/calls/${call}`)).toEqual({ ended: call });
  await Promise.all([caller.until(/^BYE /), callee.until(/^BYE /)]);
  expect(JSON.parse(await box.line(/"call\.ended"/))).toMatchObject({ call, cause: "operator" });
});

test("SIGTERM without a drain ends the call on both sides, and the box exits with 0", async () => {
  await start({});
  await caller.call(ports.outside);
  box.process.kill("SIGTERM");
  await Promise.all([caller.until(/^BYE /), callee.until(/^BYE /)]);
  expect(await box.exited).toBe(0);
  expect(JSON.parse(await box.line(/"call\.ended"/))).toMatchObject({ cause: "shutdown" });
});

test("SIGTERM with a drain lets the call end by itself, and takes no new one", async () => {
  await start({ drainSeconds: 60 });
  await caller.call(ports.outside);
  box.process.kill("SIGTERM");
  await box.line(/"msg":"stopping"/);
  const late = await MiniPhone.start(22_004);
  void late.call(ports.outside);
  await late.until(/^SIP\/2\.0 503 /);
  late.close();
  expect(callee.received.filter((message) => message.startsWith("INVITE"))).toHaveLength(1);
  await caller.hangUp();
  expect(await box.exited).toBe(0);
  expect(JSON.parse(await box.line(/"call\.ended"/))).toMatchObject({ cause: "bye" });
});

async function start(wishes: Wishes): Promise<void> {
  write(wishes);
  box = new Child(NODE, [join(ROOT, "src/main.ts"), "run", "--config", file]);
  await box.line(/"msg":"ready"/);
}

interface Wishes {
  readonly drainSeconds?: number;
  readonly maxCalls?: number;
}

function write({ drainSeconds = 0, maxCalls = 10 }: Wishes): void {
  const realm = (trust: string, port: number, range: string): object => ({
    trust,
    listen: [`udp:127.0.0.1:${port}`],
    media: { address: "127.0.0.1", ports: range },
    srtp: "off",
  });
  const config = {
    control: join(folder, "control.sock"),
    drainSeconds,
    realms: {
      outside: realm("none", ports.outside, "23000-23999"),
      inside: realm("full", ports.inside, "24000-24999"),
    },
    peers: {
      carrier: { realm: "outside", targets: [`udp:127.0.0.1:${caller.port}`], maxCalls },
      pbx: { realm: "inside", targets: [`udp:127.0.0.1:${callee.port}`] },
    },
    routes: [{ when: { from: "carrier" }, to: ["pbx"] }],
  };
  writeFileSync(file, JSON.stringify(config));
}

function ask(method: string, path: string, body?: object): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { "content-type": "application/json" };
    const asked = request({ socketPath: join(folder, "control.sock"), method, path, headers }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (part: string) => {
        text += part;
      });
      answer.on("end", () => resolve(JSON.parse(text)));
    });
    asked.on("error", reject);
    asked.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
