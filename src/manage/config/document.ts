/** The operator's text as a tree with positions, so that every fault can say where. */
import {
  createScanner,
  findNodeAtLocation,
  type Node,
  type ParseError,
  type ParseErrorCode,
  parseTree,
  printParseErrorCode,
} from "jsonc-parser";
import type { Fault, Path } from "./fault.ts";

/** Limit: a file over this is refused unread. In bytes. */
export const MAX_FILE_BYTES = 4 * 1_024 * 1_024;

/** Limit: values within values; a file that goes deeper is refused. A real one has six. */
const MAX_DEPTH = 32;

/** Limit: faults of syntax shown for one file; the rest mostly follow from the first. */
const MAX_SYNTAX_FAULTS = 5;

export class ConfigDocument {
  readonly file: string;
  readonly value: unknown;
  readonly #text: string;
  readonly #root: Node | undefined;
  readonly #lineStarts: number[] = [0];

  constructor(file: string, text: string, root: Node | undefined) {
    this.file = file;
    this.#text = text;
    this.#root = root;
    for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) this.#lineStarts.push(at + 1);
    this.value = root === undefined ? undefined : plainValue(root);
  }

  /** A fault at the value at `path`, or at the nearest thing around it that exists. */
  fault(path: Path, problem: string, remedy: string): Fault {
    return this.#faultAt(this.#nearest(path)?.offset ?? 0, path, problem, remedy);
  }

  depthFault(offset: number): Fault {
    return this.#faultAt(offset, [], `more than ${MAX_DEPTH} values stand one in another`, "close some before");
  }

  /** A fault at the name of the last member of `path`. */
  faultAtName(path: Path, problem: string, remedy: string): Fault {
    const node = this.#nearest(path);
    const name = node?.parent?.type === "property" ? node.parent.children?.[0] : node;
    return this.#faultAt(name?.offset ?? 0, path, problem, remedy);
  }

  /** Names that stand twice in one object: JSON keeps the last in silence, an operator means something. */
  doubles(): readonly Fault[] {
    const faults: Fault[] = [];
    const visit = (node: Node, path: Path): void => {
      const seen = new Set<string>();
      for (const [index, child] of (node.children ?? []).entries()) {
        if (child.type !== "property") {
          visit(child, [...path, index]);
          continue;
        }
        const [name, value] = child.children ?? [];
        const key = String(name?.value);
        if (seen.has(key) && name !== undefined)
          faults.push(
            this.#faultAt(name.offset, [...path, key], "stands here for the second time", "keep one of them"),
          );
        seen.add(key);
        if (value !== undefined) visit(value, [...path, key]);
      }
    };
    if (this.#root !== undefined) visit(this.#root, []);
    return faults;
  }

  syntaxFault(error: ParseError): Fault {
    const [problem, remedy] = syntaxWords(printParseErrorCode(error.error));
    return this.#faultAt(error.offset, [], problem, remedy);
  }

  #nearest(path: Path): Node | undefined {
    for (let length = path.length; this.#root !== undefined && length >= 0; length--) {
      const node = findNodeAtLocation(this.#root, path.slice(0, length));
      if (node !== undefined) return node;
    }
    return this.#root;
  }

  #faultAt(offset: number, path: Path, problem: string, remedy: string): Fault {
    const end = Math.min(offset, this.#text.length);
    let line = 0;
    let above = this.#lineStarts.length;
    while (above - line > 1) {
      const middle = (line + above) >> 1;
      if ((this.#lineStarts[middle] as number) <= end) line = middle;
      else above = middle;
    }
    const column = end - (this.#lineStarts[line] as number) + 1;
    return { file: this.file, line: line + 1, column, path, problem, remedy };
  }
}

/** Parses JSON with comments and trailing commas. Faults of syntax come back instead of a document. */
export function parseDocument(file: string, text: string): ConfigDocument | readonly Fault[] {
  const errors: ParseError[] = [];
  const body = text.startsWith("\ufeff") ? text.slice(1) : text;
  const deep = tooDeepAt(body);
  if (deep !== undefined) return [new ConfigDocument(file, body, undefined).depthFault(deep)];
  const root = parseTree(body, errors, { allowTrailingComma: true, disallowComments: false });
  const document = new ConfigDocument(file, body, errors.length > 0 ? undefined : root);
  if (errors.length > 0) return firstOfEachLine(errors.map((error) => document.syntaxFault(error)));
  if (root === undefined) return [document.fault([], "the file is empty", "write at least one realm")];
  const doubles = document.doubles();
  return doubles.length > 0 ? doubles : document;
}

/** jsonc-parser's numbers (a `const enum`, which stripped types cannot import) for `{`, `}`, `[`, `]` and the end. */
const OPENING = new Set<number>([1, 3]);
const CLOSING = new Set<number>([2, 4]);
const END = 17;

/** Where the text is nested too deep to be walked: everything behind this is recursive. */
function tooDeepAt(text: string): number | undefined {
  const scanner = createScanner(text, true);
  let depth = 0;
  for (let token: number = scanner.scan(); token !== END; token = scanner.scan()) {
    if (CLOSING.has(token)) depth--;
    else if (OPENING.has(token) && ++depth > MAX_DEPTH) return scanner.getTokenOffset();
  }
  return undefined;
}

/** What else is wrong in a line mostly follows from its first fault. */
const firstOfEachLine = (faults: readonly Fault[]): readonly Fault[] =>
  faults.filter(({ line }, index) => faults[index - 1]?.line !== line).slice(0, MAX_SYNTAX_FAULTS);

/** Plain objects without a prototype: a member called `__proto__` is a member like any other, and is refused. */
function plainValue(node: Node): unknown {
  if (node.type === "array") return (node.children ?? []).map(plainValue);
  if (node.type !== "object") return node.value;
  const object = Object.create(null) as Record<string, unknown>;
  for (const property of node.children ?? []) {
    const [name, value] = property.children ?? [];
    if (name !== undefined && value !== undefined) object[String(name.value)] = plainValue(value);
  }
  return object;
}

type ErrorWord = ReturnType<typeof printParseErrorCode> | keyof typeof ParseErrorCode;

function syntaxWords(word: ErrorWord): readonly [problem: string, remedy: string] {
  switch (word) {
    case "InvalidSymbol":
      return ["this is not JSON", "put texts in double quotes; other values are numbers, true, false and null"];
    case "InvalidNumberFormat":
      return ["this is not a number", "write it with digits, as in 5060, or put it in double quotes"];
    case "PropertyNameExpected":
      return ["a member name is missing", 'write a name in double quotes, as in "listen"'];
    case "ValueExpected":
      return ["a value is missing", "write one, or take the member out"];
    case "ColonExpected":
      return ["a colon is missing", "put one between the name and its value"];
    case "CommaExpected":
      return ["a comma is missing", "put one after what stands before"];
    case "CloseBraceExpected":
      return ["an object is not closed", "write the missing }"];
    case "CloseBracketExpected":
      return ["an array is not closed", "write the missing ]"];
    case "EndOfFileExpected":
      return ["the file goes on after its last }", "take the rest out"];
    case "UnexpectedEndOfComment":
      return ["a comment is not closed", "write the missing */"];
    case "UnexpectedEndOfString":
      return ["a text is not closed", 'write the missing "'];
    default:
      return ["this text has a bad character or escape", "write control characters as \\uXXXX"];
  }
}
