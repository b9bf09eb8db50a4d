/** Reads a file of ladders: Markdown in which tables, `sip` blocks and a few words mean something to the test. */
import { type MessageText, readMessage } from "./message-text.ts";

export type Direction = "to box" | "from box";

/** One arrow: `200 BYE #2 F7 sdp` and where it points. */
export interface Arrow {
  readonly text: string;
  readonly direction: Direction;
  /** A method, or the method that a response answers. */
  readonly method: string;
  readonly status: number | undefined;
  /** Which of the party's dialogs; the first is `1`. */
  readonly dialog: string;
  /** Name of the `sip` block that says more. */
  readonly detail: string | undefined;
  /** A message of an RFC, `rfc3665/015`. */
  readonly file: string | undefined;
  /** `sdp`, `sdp:sendonly`, `no-sdp`. */
  readonly sdp: string | undefined;
  /** Whom a new call is for; else the first party across the box. */
  readonly callee: string | undefined;
  /** To tag of another branch of the callee's side. */
  readonly fork: string;
  readonly times: number;
  /** Nobody can tell how many copies. */
  readonly repeated: boolean;
  /** An ACK for the last 2xx, though another answer came since. */
  readonly accepted: boolean;
  /** The last message of this kind once more, byte for byte. */
  readonly again: boolean;
}

/** What happens to a party that is no message: `(gone)`. */
export interface Happening {
  readonly happens: string;
}

export interface Row {
  readonly line: number;
  readonly afterMs: number;
  /** By party, in the order of the columns. */
  readonly cells: ReadonlyMap<string, readonly (Arrow | Happening)[]>;
  /** Who hears whom now; empty: as before. */
  readonly sound: string;
}

export interface PartyColumn {
  readonly name: string;
  readonly realm: "outside" | "inside";
}

export interface Ladder {
  readonly title: string;
  readonly line: number;
  /** `RFC 3665 §3.1`. */
  readonly sources: readonly string[];
  /** Why it is not played over TCP and TLS as well; `undefined`: it is. */
  readonly udpOnly: string | undefined;
  readonly parties: readonly PartyColumn[];
  readonly rows: readonly Row[];
  readonly details: ReadonlyMap<string, MessageText>;
  readonly settings: readonly string[];
  /** What no message to this party may hold. */
  readonly never: ReadonlyMap<string, readonly string[]>;
  readonly facts: string | undefined;
}

interface Draft {
  title: string;
  line: number;
  sources: string[];
  udpOnly: string | undefined;
  parties: PartyColumn[];
  rows: Row[];
  details: Map<string, MessageText>;
  settings: string[];
  never: Map<string, string[]>;
  facts: string | undefined;
}

export function readLadders(markdown: string): readonly Ladder[] {
  const ladders: Draft[] = [];
  const lines = markdown.split("\n");
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] as string;
    const ladder = ladders.at(-1);
    if (line.startsWith("## ")) ladders.push(emptyLadder(line.slice(3).trim(), i + 1));
    else if (ladder === undefined) continue;
    else if (line.startsWith("From: "))
      ladder.sources.push(
        ...line
          .slice(6)
          .split(",")
          .map((one) => one.trim()),
      );
    else if (line.startsWith("Over UDP only: ")) ladder.udpOnly = line.slice(15).trim();
    else if (line.startsWith("| ")) readTableLine(ladder, line, i + 1);
    else if (line.startsWith("```")) {
      const end = lines.indexOf("```", i + 1);
      readBlock(ladder, line.slice(3).trim(), lines.slice(i + 1, end));
      i = end;
    }
  }
  return ladders;
}

const emptyLadder = (title: string, line: number): Draft => ({
  title,
  line,
  sources: [],
  udpOnly: undefined,
  parties: [],
  rows: [],
  details: new Map(),
  settings: [],
  never: new Map(),
  facts: undefined,
});

function readBlock(ladder: Draft, head: string, lines: readonly string[]): void {
  const [kind, name = ""] = head.split(" ");
  if (kind === "sip") ladder.details.set(name, readMessage(lines.join("\n")));
  else if (kind === "settings") ladder.settings.push(...lines.filter((line) => line.trim() !== ""));
  else if (kind === "never") ladder.never.set(name, [...(ladder.never.get(name) ?? []), ...lines]);
  else if (kind === "facts") ladder.facts = lines.join(" · ");
  else throw new Error(`${ladder.title}: a block of kind "${kind}" means nothing here`);
}

/** Columns left of `box` point right to reach it, those right of it point left. */
function readTableLine(ladder: Draft, line: string, number: number): void {
  const cells = line
    .replace(/^\|\s*|\s*\|\s*$/g, "")
    .split("|")
    .map((cell) => cell.trim());
  if (/^-+$/.test(cells[0] ?? "")) return;
  if (cells[0] === "after") {
    ladder.parties = cells.flatMap((name, i) =>
      i === 0 || name === "box" ? [] : [column(name, cells.indexOf("box") > i)],
    );
    boxColumn.set(ladder, cells.indexOf("box"));
    return;
  }
  const box = boxColumn.get(ladder) ?? -1;
  const byParty = new Map<string, (Arrow | Happening)[]>();
  ladder.parties.forEach((party, i) => {
    const at = i + 1 < box ? i + 1 : i + 2;
    const items = (cells[at] ?? "").split(",").map((item) => item.trim());
    const left = at < box;
    byParty.set(
      party.name,
      items.filter((item) => item !== "").map((item) => readItem(item, left, `line ${number}`)),
    );
  });
  ladder.rows.push({ line: number, afterMs: millis(cells[0] ?? ""), cells: byParty, sound: cells[box] ?? "" });
}

const boxColumn = new WeakMap<Draft, number>();

/** `carol outside`, or by its place: left of the box is outside. */
function column(head: string, left: boolean): PartyColumn {
  const [name = "", realm] = head.split(" ");
  return { name, realm: realm === "outside" || realm === "inside" ? realm : left ? "outside" : "inside" };
}

function millis(text: string): number {
  const [, count = "0", unit = "ms"] = /^(\d+(?:\.\d+)?)\s*(ms|s|min)?$/.exec(text) ?? [];
  return Number(count) * (unit === "s" ? 1_000 : unit === "min" ? 60_000 : 1);
}

function readItem(item: string, left: boolean, where: string): Arrow | Happening {
  const happening = /^\((.*)\)$/.exec(item)?.[1];
  if (happening !== undefined) return { happens: happening };
  const arrow = /[→←]/.exec(item)?.[0];
  if (arrow === undefined) throw new Error(`${where}: "${item}" has no arrow`);
  const words = item.replace(arrow, "").trim().split(/\s+/);
  const [first = "", second = ""] = words;
  const status = /^\d{3}$/.test(first) ? Number(first) : undefined;
  const method = status === undefined ? first : /^[A-Z]{3,}$/.test(second) ? second : "INVITE";
  const known = (pattern: RegExp): string | undefined => words.find((word) => pattern.test(word));
  const rest = words.slice(status !== undefined && method === second ? 2 : 1).filter((word) => !OPTION.test(word));
  if (rest.length > 0) throw new Error(`${where}: "${rest.join(" ")}" means nothing in "${item}"`);
  return {
    text: item,
    direction: (arrow === "→") === left ? "to box" : "from box",
    method,
    status,
    dialog: known(/^#/)?.slice(1) ?? "",
    detail: known(/^F\d/),
    file: known(/^rfc\d+\//),
    sdp: known(/^(?:no-)?sdp/),
    callee: known(/^@/)?.slice(1),
    fork: known(/^\/\w/)?.slice(1) ?? "",
    times: Number(known(/^x\d+$/)?.slice(1) ?? 1),
    repeated: words.includes("copies"),
    accepted: words.includes("2xx"),
    again: words.includes("again"),
  };
}

const OPTION = /^(?:#\w+|F\d\w*|rfc\d+\/\d{3}|no-sdp|sdp(?::[\w=,.]+)?|\/\w+|@[\w+]+|x\d+|copies|2xx|again)$/;
