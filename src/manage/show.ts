/** Views for people: tables as wide as their widest cell. Machines take `--json`. */

type Row = Readonly<Record<string, unknown>>;

/** One line a row, one column a member; what is nested shows as `name.part`. `empty`: what to say without rows. */
export function tableText(rows: readonly object[], empty: string): string {
  if (rows.length === 0) return `${empty}\n`;
  const flat = rows.map((row) => flatten(row as Row));
  const columns = [...new Set(flat.flatMap((row) => Object.keys(row)))];
  const lines = [columns, ...flat.map((row) => columns.map((column) => row[column] ?? "-"))];
  const widths = columns.map((_, index) => Math.max(...lines.map((line) => line[index]?.length ?? 0)));
  return lines
    .map(
      (line) =>
        `${line
          .map((cell, index) => cell.padEnd(widths[index] ?? 0))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}

/** One line a value, as `name.part  value`. */
export function listText(view: object): string {
  const flat = Object.entries(flatten(view as Row));
  const width = Math.max(...flat.map(([name]) => name.length));
  return flat.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join("");
}

function flatten(view: Row, prefix = ""): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const [name, value] of Object.entries(view)) {
    const path = prefix + name;
    if (Array.isArray(value) && value.some((item) => typeof item === "object")) {
      for (const [index, item] of value.entries())
        Object.assign(
          flat,
          typeof item === "object" && item !== null
            ? flatten(item as Row, `${path}[${index}].`)
            : { [path]: printable(item) },
        );
    } else if (typeof value === "object" && value !== null && !Array.isArray(value))
      Object.assign(flat, flatten(value as Row, `${path}.`));
    else flat[path] = printable(Array.isArray(value) ? value.join(", ") : value);
  }
  return flat;
}

/** Names, users and messages come from the wire: nothing of them may steer a terminal. */
export function printable(value: unknown): string {
  const text = value === undefined || value === null ? "-" : String(value);
  return text.replace(/[^\x20-\x7e\u00a1-\u{10ffff}]/gu, "?");
}
