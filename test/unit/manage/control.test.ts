import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { askControl, type Control, type ControlledBox, serveControl } from "../../../src/manage/index.ts";

let directory: string;
let socket: string;
let control: Control | undefined;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "sallyport-control-"));
  socket = join(directory, "made", "control.sock");
});
afterEach(async () => {
  await control?.close();
  control = undefined;
  rmSync(directory, { recursive: true, force: true });
});

test("the directory is made, and only the owner may open the socket", async () => {
  control = await serveControl(socket, box());
  expect(statSync(socket).mode & 0o777).toBe(0o600);
  expect(statSync(join(directory, "made")).mode & 0o007).toBe(0);
});

test("closing takes the socket away", async () => {
  control = await serveControl(socket, box());
  await control.close();
  control = undefined;
  expect(existsSync(socket)).toBe(false);
});

test("each view, each command", async () => {
  const ended: string[] = [];
  control = await serveControl(socket, box({ endCall: (call) => ended.push(call) > 0 && call === "c1" }));
  const ask = (method: string, path: string, body?: object) => askControl(socket, method, path, body);
  expect(await ask("GET", "/status")).toEqual({ status: 200, body: { name: "edge-1" } });
  expect(await ask("GET", "/calls")).toEqual({ status: 200, body: [] });
  expect(await ask("GET", "/peers")).toEqual({ status: 200, body: [{ name: "pbx" }] });
  expect(await ask("GET", "/trace?call=c1")).toEqual({ status: 200, body: [{ call: "c1" }] });
  expect(await ask("POST", "/reload", {})).toEqual({ status: 422, body: { ok: false, faults: ["no"] } });
  expect(await ask("POST", "/diff", { file: "/a" })).toEqual({ status: 422, body: { ok: false, faults: ["/a"] } });
  expect(await ask("DELETE", "/calls/c1")).toEqual({ status: 200, body: { ended: "c1" } });
  expect(await ask("DELETE", "/calls/c2")).toMatchObject({ status: 404 });
  expect(ended).toEqual(["c1", "c2"]);
});

test("what it does not know it refuses: members, parameters, paths, relative files, large bodies", async () => {
  control = await serveControl(socket, box());
  const status = async (method: string, path: string, body?: object) =>
    (await askControl(socket, method, path, body)).status;
  expect(await status("GET", "/status?verbose=1")).toBe(400);
  expect(await status("POST", "/reload", { force: true })).toBe(400);
  expect(await status("POST", "/diff", { file: "/a", more: 1 })).toBe(400);
  expect(await status("POST", "/diff", { file: "a" })).toBe(400);
  expect(await status("POST", "/diff", { file: 1 })).toBe(400);
  expect(await status("POST", "/diff", { file: `/${"a".repeat(20_000)}` })).toBe(413);
  expect(await status("GET", "/nothing")).toBe(404);
});

test("a view that fails tells nothing of why", async () => {
  const failing = (): never => {
    throw new Error("inner matters");
  };
  control = await serveControl(socket, box({ status: failing }));
  expect(await askControl(socket, "GET", "/status")).toEqual({
    status: 500,
    body: { error: "the box failed to answer" },
  });
});

test("the socket of a box that was killed is taken over; that of one that lives is not", async () => {
  const left = join(directory, "left.sock");
  const dying = `require("net").createServer().listen(${JSON.stringify(left)}, () => process.kill(process.pid, "SIGKILL"))`;
  spawnSync(process.execPath, ["-e", dying]);
  expect(statSync(left).isSocket()).toBe(true);
  control = await serveControl(left, box());
  expect((await askControl(left, "GET", "/calls")).status).toBe(200);
  await expect(serveControl(left, box())).rejects.toThrow("another box is running on it; stop that one first");
  expect((await askControl(left, "GET", "/calls")).status).toBe(200);
});

test("a file in the way is not deleted", async () => {
  const file = join(directory, "precious");
  writeFileSync(file, "x");
  await expect(serveControl(file, box())).rejects.toThrow(
    `cannot make the control socket ${file}: something that is not`,
  );
  expect(statSync(file).size).toBe(1);
});

test("without a box the asker is told what to do", async () => {
  await expect(askControl(socket, "GET", "/status")).rejects.toThrow(
    `no box is running at ${socket}; start one, or name its socket with --control PATH`,
  );
});

const box = (changes: Partial<ControlledBox> = {}): ControlledBox => ({
  status: () => ({ name: "edge-1" }),
  calls: () => [],
  peers: () => [{ name: "pbx" }],
  registrations: () => [],
  trace: (call) => [{ call }],
  reload: async () => ({ ok: false, faults: ["no"] }),
  diff: (file) => ({ ok: false, faults: [file] }),
  endCall: () => false,
  ...changes,
});
