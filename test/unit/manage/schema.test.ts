import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { schemaDocument } from "../../../src/manage/index.ts";

test("the schema for editors is the one that the code checks by", () => {
  const written = new URL("../../../config/schema/sallyport.schema.json", import.meta.url);
  expect(JSON.parse(readFileSync(written, "utf8"))).toEqual(JSON.parse(JSON.stringify(schemaDocument())));
});
