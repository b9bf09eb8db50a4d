/** The import plan and the purity rule, as functions from source text to complaints: so the rules themselves are tested. */
import { posix } from "node:path";

/** Who may import whom, through `index.ts`. A room always may import itself. */
export const ROOMS: Readonly<Record<string, readonly string[]>> = {
  base: [],
  message: ["base"],
  sdp: ["base"],
  transport: ["base", "message"],
  transaction: ["base", "message"],
  routing: ["base", "message"],
  registration: ["base", "message"],
  policy: ["base", "message", "sdp"],
  media: ["base", "sdp"],
  firewall: ["base"],
  leg: ["base", "message", "sdp", "transaction"],
  call: ["base", "message", "sdp", "leg", "policy", "routing", "registration", "media"],
  engine: [
    ...["base", "message", "sdp", "transport", "transaction", "routing", "registration", "policy"],
    ...["media", "firewall", "leg", "call"],
  ],
  manage: ["base", "engine"],
  io: ["base", "engine", "manage"],
  "main.ts": ["base", "engine", "manage", "io"],
};

/** Rooms that may touch the machine. */
const MAY_TOUCH = ["io", "manage", "main.ts"];
/** The door of the addon, for `io` alone. */
const NATIVE_DOOR = "native/addon/relay.d.ts";

/** Words that reach for the clock, the dice or the machine, or that let time pass inside a step. */
const IMPURE: readonly RegExp[] = [
  /\bDate\s*\.\s*now\b/,
  /\bnew\s+Date\b/,
  /\bperformance\s*\.\s*now\b/,
  /\bMath\s*\.\s*random\b/,
  /\b(setTimeout|setInterval|setImmediate|queueMicrotask)\b/,
  /\b(await|async)\b/,
  /\bPromise\b/,
  /\bprocess\s*\./,
  /\bconsole\s*\./,
  /\bfetch\s*\(/,
  /\bglobalThis\b/,
  /\bcrypto\s*\.\s*(getRandomValues|randomUUID|subtle)\b/,
];

/** What is wrong with the source file at `path` (as `src/room/file.ts`). */
export function complaints(path: string, text: string): readonly string[] {
  const room = roomOf(path);
  const found: string[] = [];
  if (!(room in ROOMS)) found.push(`${path}: ${room} is not a room of the plan`);
  for (const specifier of importsOf(text)) {
    const wrong = wrongImport(path, room, specifier);
    if (wrong !== undefined) found.push(`${path}: imports ${specifier}: ${wrong}`);
  }
  if (!MAY_TOUCH.includes(room)) found.push(...impurities(path, text));
  return found;
}

export const roomOf = (path: string): string => path.split("/")[1] ?? "";

function wrongImport(path: string, room: string, specifier: string): string | undefined {
  if (!specifier.startsWith(".")) {
    return MAY_TOUCH.includes(room) ? undefined : "only io, manage and main.ts use Node and packages";
  }
  const target = posix.join(posix.dirname(path), specifier);
  if (!specifier.endsWith(".ts")) return "imports end in .ts";
  if (target === NATIVE_DOOR) return room === "io" ? undefined : "only io opens the native door";
  if (!target.startsWith("src/")) return "it is outside src";
  const other = roomOf(target);
  if (other === room) return undefined;
  if (!ROOMS[room]?.includes(other)) return `the plan does not let ${room} know ${other}`;
  return target === `src/${other}/index.ts` ? undefined : "another room comes in through its index.ts";
}

export function importsOf(text: string): readonly string[] {
  const code = withoutComments(text);
  const statement = /(?:^|[;\n])\s*(?:import|export)\b[^;"']*?\bfrom\s*["']([^"']+)["']/g;
  const bare = /(?:^|[;\n])\s*import\s*["']([^"']+)["']/g;
  const dynamic = /\b(?:import|require)\s*\(\s*["']([^"']+)["']/g;
  return [statement, bare, dynamic].flatMap((pattern) =>
    [...code.matchAll(pattern)].map((match) => match[1] as string),
  );
}

function impurities(path: string, text: string): readonly string[] {
  const found: string[] = [];
  for (const [index, line] of withoutStrings(withoutComments(text)).split("\n").entries()) {
    const match = IMPURE.map((pattern) => pattern.exec(line)?.[0]).find((word) => word !== undefined);
    if (match !== undefined) found.push(`${path}:${index + 1}: ${match} in a pure room`);
  }
  return found;
}

/** Comments become blanks, so that line numbers stay. A `//` inside a string or a URL is left alone when no blank precedes it. */
const withoutComments = (text: string): string =>
  text.replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, " ")).replace(/(^|\s)\/\/[^\n]*/g, "$1");

const withoutStrings = (text: string): string =>
  text.replace(/"(?:[^"\\\n]|\\.)*"/g, '""').replace(/(?<![\w/])'(?:[^'\\\n]|\\.)*'/g, "''");
