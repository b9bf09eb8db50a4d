/** The include plan of the native code, and the rule that decisions are free of sockets, clocks and Node. */
import { posix } from "node:path";

const FOLDERS: Readonly<Record<string, readonly string[]>> = {
  shared: [],
  xdp: ["shared"],
  crypto: ["shared"],
  relay: ["shared", "crypto"],
  io: ["shared", "crypto", "relay"],
  nftables: ["shared"],
  addon: ["shared", "crypto", "relay", "io", "nftables"],
};

const NODE_API = /^(node_api|js_native_api|napi|uv|node)\b/;
const MACHINE =
  /^(sys\/socket|sys\/epoll|sys\/time|netinet\/|arpa\/|liburing|time\.h|ctime|chrono|thread|pthread|unistd)/;

/** What is wrong with the native source at `path` (as `native/folder/file.cpp`). Tests and benches may see everything. */
export function nativeComplaints(path: string, text: string): readonly string[] {
  const folder = path.split("/")[1] ?? "";
  if (/\/(test|bench|fuzz)\//.test(path)) return [];
  const found: string[] = [];
  for (const [, quote, name = ""] of text.matchAll(/^\s*#\s*include\s*(["<])([^">]+)[">]/gm)) {
    if (quote === '"') {
      const other = posix.join(posix.dirname(path), name).split("/")[1] ?? "";
      const allowed = other === folder || (FOLDERS[folder]?.includes(other) ?? false);
      if (!allowed) found.push(`${path}: includes ${name}: the plan does not let ${folder} know ${other}`);
    }
    if (NODE_API.test(name) && folder !== "addon") found.push(`${path}: includes ${name}: Node-API stays in addon`);
    if (MACHINE.test(name) && (folder === "relay" || folder === "shared")) {
      found.push(`${path}: includes ${name}: decisions have no sockets, clocks or threads`);
    }
  }
  return found;
}

/** The members of an interface or type literal named `name` in TypeScript text. */
export function membersOf(text: string, name: string): readonly string[] {
  const body = new RegExp(`(?:interface|type) ${name}\\b[^{]*\\{([\\s\\S]*?)\\n\\}`).exec(text)?.[1] ?? "";
  return [...body.matchAll(/^ {2}(?:readonly )?(\w+)\??[:(]/gm)].map((match) => match[1] as string);
}

/** The string literals of the first union after `start`. */
export function literalsAfter(text: string, start: RegExp): readonly string[] {
  const at = start.exec(text);
  if (at === null) return [];
  const rest = text.slice(at.index + at[0].length);
  return [...rest.slice(0, rest.indexOf(";")).matchAll(/"([^"]+)"/g)].map((match) => match[1] as string);
}

/** The values that the member `key` has in the union type `name`: `word` of RelayCommand, `event` of RelayEvent. */
export function tagsOf(text: string, name: string, key: string): readonly string[] {
  const from = text.indexOf(`type ${name} =`);
  if (from < 0) return [];
  const rest = text.slice(from);
  const end = rest.search(/\n\n(?:\/\*\*|export)/);
  const body = end < 0 ? rest : rest.slice(0, end);
  return [...body.matchAll(new RegExp(`readonly ${key}: "([^"]+)"`, "g"))].map((match) => match[1] as string);
}

export const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
