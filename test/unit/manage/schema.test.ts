import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { schemaDocument } from "../../../src/manage/index.ts";

/** Every member of the file, by its name: those that stand in tables and lists included. */
function members(schema: Schema, path = ""): [string, Schema][] {
  const own = Object.entries(schema.properties ?? {}).map(([name, member]): [string, Schema] => [
    path === "" ? name : `${path}.${name}`,
    member,
  ]);
  const values = typeof schema.additionalProperties === "object" ? [schema.additionalProperties] : [];
  const below = [...values, ...(schema.items === undefined ? [] : [schema.items])];
  return [
    ...own.flatMap(([at, member]): [string, Schema][] => [[at, member], ...members(member, at)]),
    ...below.flatMap((item) => members(item, path)),
  ];
}

interface Schema {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
}

const everyMember = members(JSON.parse(JSON.stringify(schemaDocument())));

test("every member says what it is", () => {
  expect(everyMember.length).toBeGreaterThan(80);
  expect(everyMember.filter(([, { description = "" }]) => description === "").map(([path]) => path)).toEqual([]);
});

test("README knows every member", () => {
  const readme = readFileSync(new URL("../../../README.md", import.meta.url), "utf8");
  const [, configuration = ""] = /^## Configuration$(.*?)^## /ms.exec(readme) ?? [];
  const names = everyMember.map(([path]) => path.slice(path.lastIndexOf(".") + 1));
  const unknown = names.filter((name) => !new RegExp(`\\b${name.replace("$", "")}\\b`).test(configuration));
  expect(unknown).toEqual([]);
});

test("the schema for editors is the one that the code checks by", () => {
  const written = new URL("../../../config/schema/sallyport.schema.json", import.meta.url);
  expect(JSON.parse(readFileSync(written, "utf8"))).toEqual(JSON.parse(JSON.stringify(schemaDocument())));
});
