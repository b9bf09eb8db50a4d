/** The command line. `sallyport --help` says what it does; exit 2: bad configuration, 1: anything else. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { TraceEntry } from "./engine/index.ts";
import type { Box } from "./io/index.ts";
import type { Change, DiffAnswer, LiveCall, ReloadAnswer } from "./manage/index.ts";

/**
 * What a call leaves behind is dead before the next collection only if the nursery holds the calls of a good part of a
 * second, in megabytes. A survivor costs two copies, and every copy is time in which no message is answered.
 */
const NURSERY_MB = 32;
/**
 * How a box runs. One thread collects: what survives is so little that to wake helpers costs more. Nothing is born old: where
 * the runtime guesses by what survived before, a few objects of each call land among the old, die there unseen, and hold
 * the whole call until the next full collection: ten times as much to copy, and pauses ten times as long. That collection
 * empties the nursery too: a page of which a fifth lives becomes old as it is, for to copy it is the longest part of the pause.
 */
const RUNS_WITH = [
  `--min-semi-space-size=${NURSERY_MB}`,
  `--max-semi-space-size=${NURSERY_MB}`,
  "--no-parallel-scavenge",
  "--no-allocation-site-pretenuring",
  "--page-promotion-threshold=20",
];
if (process.argv.includes("run")) startRoomy(); // Before anything else is loaded: it would be loaded twice.

const {
  askControl,
  callsText,
  changeText,
  DEFAULT_CONTROL,
  faultText,
  ladderText,
  listText,
  loadSettings,
  logTo,
  tableText,
} = await import("./manage/index.ts");

const help = `sallyport: a session border controller

  run [--config FILE]    run in the foreground; JSON lines on stdout, "msg":"ready" once every listener is up
                         SIGHUP: reload · SIGTERM: refuse new calls, let calls end for drainSeconds, exit
  check FILE             say what is wrong with a configuration, with line and column
  diff FILE              what would change in the running box, and which calls and peers it touches
  reload                 make the running box read its configuration again
  status                 how the box is
  calls                  live calls
  peers                  neighbours and their health
  registrations          phones: who is registered, where, and for how long
  trace [--call ID]      the last messages on each side of the box, as a ladder

  --json                 for machines
  --control PATH         the control socket of the box (default ${DEFAULT_CONTROL})
  --help, --version

Exit status: 0 done, 2 bad configuration, 1 anything else.
`;

const BAD_CONFIGURATION = 2;
/** Limit: how long the reader of our stdout may take over the last lines. */
const LAST_LINES_LIMIT_MS = 2_000;
/** Facts wait this long for company before they become lines. */
const LOG_GATHER_MS = 20;
/** Limit: errors that nobody caught, in each minute. At it the process gives up, for its supervisor to start it anew. */
const MISTAKES_LIMIT = 10;
const MISTAKES_WINDOW_MS = 60_000;
const root = new URL("../", import.meta.url);

/** The operator's mistake on the command line. */
class Usage extends Error {}

interface Flags {
  readonly config: string | undefined;
  readonly control: string;
  readonly call: string | undefined;
  readonly json: boolean;
}

type Command = (words: readonly string[], flags: Flags) => Promise<number>;

const commands: Readonly<Record<string, Command>> = {
  run: (words, flags) => run(flags.config ?? fileURLToPath(new URL("config/default.jsonc", root)), words),
  check: async ([file, ...rest]) => check(needed(file, rest, "check FILE")),
  diff: async ([file, ...rest], flags) => diff(needed(file, rest, "diff FILE"), flags),
  reload: (words, flags) => reload(nothingIn(words, flags)),
  status: (words, flags) => show("/status", (view) => listText(view as object), nothingIn(words, flags)),
  calls: (words, flags) => show("/calls", (view) => callsText(view as LiveCall[]), nothingIn(words, flags)),
  registrations: (words, flags) =>
    show("/registrations", (view) => tableText(view as object[], "nobody is registered"), nothingIn(words, flags)),
  peers: (words, flags) => show("/peers", (view) => tableText(view as object[], "no peers"), nothingIn(words, flags)),
  trace: (words, flags) => {
    const path = flags.call === undefined ? "/trace" : `/trace?call=${encodeURIComponent(flags.call)}`;
    return show(path, (view) => ladderText(view as TraceEntry[]), nothingIn(words, flags));
  },
};

process.stdout.on("error", () => process.exit(1)); // Whoever read our output has gone.
process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        config: { type: "string" },
        control: { type: "string", default: DEFAULT_CONTROL },
        call: { type: "string" },
        json: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
        version: { type: "boolean", default: false },
      },
    });
    const [name, ...words] = positionals;
    if (values.version) return say(`${version()}\n`);
    if (values.help || name === "help") return say(help);
    const command = name !== undefined && Object.hasOwn(commands, name) ? commands[name] : undefined;
    if (command === undefined) throw new Usage(name === undefined ? "say what to do" : `there is no command ${name}`);
    return await command(words, { ...values, config: values.config, call: values.call });
  } catch (error) {
    const isUsage = error instanceof Usage || String((error as { code?: string }).code).startsWith("ERR_PARSE_ARGS");
    complain(`${(error as Error).message}${isUsage ? "; see sallyport --help" : ""}`);
    return 1;
  }
}

/**
 * The size of the nursery is set as the runtime starts: so the process becomes the same program once more, with the
 * same id, descriptors and arguments. Whoever names a size himself is obeyed.
 */
function startRoomy(): void {
  const named = [...process.execArgv, process.env["NODE_OPTIONS"] ?? ""].some((flag) =>
    flag.includes("semi-space-size"),
  );
  if (named || process.execve === undefined) return;
  const words = [process.execPath, ...RUNS_WITH, ...process.execArgv, ...process.argv.slice(1)];
  try {
    process.execve(process.execPath, words, process.env);
  } catch {
    // It serves as well, if with longer pauses.
  }
}

async function run(file: string, words: readonly string[]): Promise<number> {
  if (words.length > 0) throw new Usage("run takes no words beside --config FILE");
  const loaded = loadSettings(file, Date.now());
  for (const warning of loaded.warnings) process.stderr.write(`warning: ${faultText(warning)}\n`);
  for (const fault of loaded.ok ? [] : loaded.faults) process.stderr.write(`${faultText(fault)}\n`);
  if (!loaded.ok) return BAD_CONFIGURATION;

  const io = await import("./io/index.ts"); // Only here: the other commands answer sooner without the engine.
  const stdout = new io.LineWriter(1);
  const log = logTo(
    stdout,
    () => performance.now(),
    (write) => setTimeout(write, LOG_GATHER_MS),
  );
  const stopped = Promise.withResolvers<void>();
  let box: Box | undefined;
  let mistakes = 0;
  process.on("uncaughtException", (error) => {
    log.bug(error, "process");
    // One socket's trouble must not take the calls of all others down; a process that does nothing but fail must go.
    if (box !== undefined && ++mistakes < MISTAKES_LIMIT) return;
    stdout.writeNow();
    process.exit(1);
  });
  setInterval(() => {
    mistakes = 0;
  }, MISTAKES_WINDOW_MS).unref();
  process.on("SIGHUP", () => void box?.reload());
  for (const signal of ["SIGTERM", "SIGINT"] as const)
    process.on(signal, () => {
      if (box === undefined) process.exit(0); // Nobody was served yet.
      box.stop().then(stopped.resolve, stopped.reject);
    });
  try {
    const starting = new io.Box({ file, settings: loaded.settings, version: version(), log });
    await starting.start();
    box = starting;
  } catch (error) {
    log.flush();
    await stdout.drained(LAST_LINES_LIMIT_MS);
    complain((error as Error).message);
    process.exit(1); // Half of a box may be holding the loop.
  }
  await stopped.promise;
  await stdout.drained(LAST_LINES_LIMIT_MS);
  process.exit(0);
}

async function check(file: string): Promise<number> {
  const loaded = loadSettings(file, Date.now());
  for (const warning of loaded.warnings) process.stderr.write(`warning: ${faultText(warning)}\n`);
  if (loaded.ok) return say("ok\n");
  say(loaded.faults.map((fault) => `${faultText(fault)}\n`).join(""));
  return BAD_CONFIGURATION;
}

async function diff(file: string, flags: Flags): Promise<number> {
  const { body } = await askControl(flags.control, "POST", "/diff", { file: resolve(file) });
  const answer = body as DiffAnswer;
  if (flags.json) say(`${JSON.stringify(answer)}\n`);
  else if (answer.ok) {
    say(answer.changes.length === 0 ? "nothing would change\n" : changesText(answer.changes));
    say(
      `live calls touched: ${answer.calls.join(", ") || "none"}\npeers touched: ${answer.peers.join(", ") || "none"}\n`,
    );
  } else say(faultsText(answer));
  return answer.ok ? 0 : BAD_CONFIGURATION;
}

async function reload(flags: Flags): Promise<number> {
  const { body } = await askControl(flags.control, "POST", "/reload", {});
  const answer = body as ReloadAnswer;
  for (const warning of (answer.ok ? answer.warnings : undefined) ?? []) process.stderr.write(`warning: ${warning}\n`);
  if (flags.json) say(`${JSON.stringify(answer)}\n`);
  else if (answer.ok) say(answer.changes.length === 0 ? "nothing changed\n" : changesText(answer.changes));
  else say(faultsText(answer));
  return answer.ok ? 0 : BAD_CONFIGURATION;
}

async function show(path: string, text: (view: unknown) => string, flags: Flags): Promise<number> {
  const { status, body } = await askControl(flags.control, "GET", path);
  if (status !== 200) throw new Error(String((body as { error?: unknown }).error ?? `the box answered ${status}`));
  return say(flags.json ? `${JSON.stringify(body)}\n` : text(body));
}

function changesText(changes: readonly object[]): string {
  return changes.map((change) => `${changeText(change as Change)}\n`).join("");
}

/** Faults, or what the box says in place of an answer. */
function faultsText(answer: { readonly faults?: readonly string[]; readonly error?: string }): string {
  return (answer.faults ?? [answer.error ?? "the box gave no reason"]).map((fault) => `${fault}\n`).join("");
}

function needed(word: string | undefined, rest: readonly string[], usage: string): string {
  if (word === undefined || rest.length > 0) throw new Usage(`write it as ${usage}`);
  return word;
}

function nothingIn(words: readonly string[], flags: Flags): Flags {
  if (words.length > 0) throw new Usage(`${words[0]} is one word too many`);
  return flags;
}

function version(): string {
  return String((JSON.parse(readFileSync(new URL("package.json", root), "utf8")) as { version: unknown }).version);
}

function say(text: string): number {
  process.stdout.write(text);
  return 0;
}

function complain(text: string): void {
  process.stderr.write(`sallyport: ${text}\n`);
}
