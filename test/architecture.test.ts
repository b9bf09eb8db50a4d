/** The plan of the house, held against the code. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { literalsAfter, membersOf, nativeComplaints, snake, tagsOf } from "./architecture/native-plan.ts";
import { complaints } from "./architecture/typescript-plan.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** Limit: lines of one file. Beyond it a second idea has moved in: the test fails and names the file. */
const FILE_LINES = 500;

test("every room imports what the plan lets it, through doors, and pure rooms touch nothing", () => {
  const files = filesUnder("src", /\.ts$/);
  expect(files.length).toBeGreaterThan(10);
  expect(files.flatMap((path) => complaints(path, read(path)))).toEqual([]);
});

test("native code includes along the plan, and decisions touch no machine", () => {
  const files = filesUnder("native", /\.(c|cpp|h|hpp)$/);
  expect(files.length).toBeGreaterThan(5);
  expect(files.flatMap((path) => nativeComplaints(path, read(path)))).toEqual([]);
});

test("the three columns at the native door line up", () => {
  const words = read("src/media/relay-command.ts");
  const types = read("native/addon/relay.d.ts");
  const meaning = read("native/relay/relay.h");

  const methods = membersOf(types, "NativeRelay");
  for (const word of tagsOf(words, "RelayCommand", "word")) expect(methods).toContain(word);

  const events = tagsOf(words, "RelayEvent", "event");
  expect(events.length).toBeGreaterThan(3);
  expect([...literalsAfter(types, /readonly event:/)].sort()).toEqual([...events].sort());
  for (const event of events) expect(meaning).toMatch(new RegExp(`\\bk${event[0]?.toUpperCase()}${event.slice(1)}\\b`));

  const members = membersOf(words, "RelaySide");
  expect(members.length).toBeGreaterThan(8);
  expect(membersOf(types, "NativeSide")).toEqual(members);
  const side = /struct Side \{([\s\S]*?)\n\};/.exec(meaning)?.[1] ?? "";
  for (const member of members) expect(side).toMatch(new RegExp(`\\b${snake(member)}`));

  const suites = literalsAfter(words, /type SrtpSuite =/);
  expect(suites.length).toBeGreaterThan(5);
  expect(literalsAfter(types, /type SrtpSuite =/)).toEqual(suites);

  const counted = [...meaning.matchAll(/\bX\((\w+)\)/g)].map((match) => match[1]);
  for (const counter of membersOf(words, "SideCounters")) {
    expect(counted).toContain(counter.replace(/Ms$/, "Us"));
  }
});

test(`no file of ours has more than ${FILE_LINES} lines, an open end in a comment, or a path of somebody's machine`, () => {
  const open = new RegExp(`\\b(${["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"].join("|")})\\b`);
  const machinePath = new RegExp(["/wo" + "rk/", "/ho" + "me/", "/Us" + "ers/"].join("|"));
  const files = ["src", "native", "test", "config"].flatMap((folder) =>
    filesUnder(folder, /\.(ts|c|cpp|h|sh|cfg|md|py)$/),
  );
  const faults = files.flatMap((path) => {
    const lines = read(path).split("\n");
    return [
      ...(lines.length > FILE_LINES + 1 ? [`${path}: ${lines.length} lines`] : []),
      ...lines.flatMap((line, i) =>
        open.test(line) || machinePath.test(line) ? [`${path}:${i + 1}: ${line.trim()}`] : [],
      ),
    ];
  });
  expect(faults).toEqual([]);
});

test.each([
  ["src/sdp/a.ts", 'import { parse } from "../message/index.ts";', /does not let sdp know message/],
  ["src/call/a.ts", 'import { Leg } from "../leg/dialog.ts";', /through its index\.ts/],
  ["src/call/a.ts", 'import {\n  Leg,\n} from "../transport/index.ts";', /does not let call know transport/],
  ["src/call/a.ts", 'export * from "../io/index.ts";', /does not let call know io/],
  ["src/leg/a.ts", 'import { readFileSync } from "node:fs";', /only io, manage and main/],
  ["src/leg/a.ts", 'import pino from "pino";', /only io, manage and main/],
  ["src/leg/a.ts", 'const x = import("node:net");', /only io, manage and main/],
  ["src/media/a.ts", 'import type { Addon } from "../../native/addon/relay.d.ts";', /only io opens/],
  ["src/media/a.ts", 'import { B } from "./b";', /end in \.ts/],
  ["src/cellar/a.ts", "export {};", /not a room/],
  ["src/base/a.ts", "const now = Date.now();", /Date\.now in a pure room/],
  ["src/base/a.ts", "const dice = Math.random();", /Math\.random/],
  ["src/base/a.ts", "setTimeout(() => {}, 1);", /setTimeout/],
  ["src/base/a.ts", "async function f() {}", /async/],
  ["src/base/a.ts", "const pid = process.pid;", /process\./],
])("the rule can fail: %s with %j", (path, text, complaint) => {
  expect(complaints(path, text).join("\n")).toMatch(complaint);
});

test.each([
  ["src/call/a.ts", 'import { Leg } from "../leg/index.ts";\nimport type { A } from "./b.ts";'],
  ["src/message/headers/a.ts", 'import { field } from "../field.ts";\nimport { token } from "../../base/index.ts";'],
  [
    "src/io/a.ts",
    'import net from "node:net";\nimport type { Addon } from "../../native/addon/relay.d.ts";\nawait f(Date.now());',
  ],
  ["src/base/a.ts", '// await Date.now()\n/* Math.random()\n setTimeout */\nconst text = "async process. await";'],
])("the rule lets through: %s with %j", (path, text) => {
  expect(complaints(path, text)).toEqual([]);
});

test.each([
  ["native/crypto/a.cpp", '#include "../relay/relay.h"', /does not let crypto know relay/],
  ["native/relay/a.cpp", "#include <chrono>", /no sockets, clocks/],
  ["native/relay/a.cpp", "#include <sys/socket.h>", /no sockets, clocks/],
  ["native/io/a.cpp", "#include <node_api.h>", /stays in addon/],
])("the native rule can fail: %s with %j", (path, text, complaint) => {
  expect(nativeComplaints(path, text).join("\n")).toMatch(complaint);
});

function filesUnder(folder: string, pattern: RegExp): string[] {
  const found: string[] = [];
  for (const name of readdirSync(join(ROOT, folder)).sort()) {
    if (name === "node_modules" || name === "build") continue;
    const path = join(ROOT, folder, name);
    if (statSync(path).isDirectory()) found.push(...filesUnder(join(folder, name), pattern));
    else if (pattern.test(name)) found.push(relative(ROOT, path));
  }
  return found;
}

function read(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}
