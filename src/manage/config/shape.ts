/** Does the file have the shape of the schema? ajv finds the faults; the words are ours. */
import { Ajv2020, type ErrorObject, type ValidateFunction } from "ajv/dist/2020.js";
import type { ConfigDocument } from "./document.ts";
import { didYouMean, type Fault, oneOf, type Path, pathText, quoted } from "./fault.ts";
import { type ConfigFile, FileSchema } from "./schema.ts";

let compiled: ValidateFunction<ConfigFile> | undefined;

/** Compiled at the first use: commands that read no configuration start sooner without it. */
function validator(): ValidateFunction<ConfigFile> {
  const options = { allErrors: true, allowUnionTypes: true, verbose: true, strict: true, strictRequired: false };
  compiled ??= new Ajv2020(options).compile<ConfigFile>(FileSchema);
  return compiled;
}

/** The faults of shape, in the order of the file; none: `document.value` is a ConfigFile. */
export function shapeFaults(document: ConfigDocument): readonly Fault[] {
  const validate = validator();
  if (validate(document.value)) return [];
  const faults: Fault[] = [];
  for (const error of validate.errors ?? []) {
    const fault = faultOf(document, error);
    if (fault !== undefined) faults.push(fault);
  }
  return faults.sort((a, b) => a.line - b.line || a.column - b.column);
}

function faultOf(document: ConfigDocument, error: ErrorObject): Fault | undefined {
  const path = pathOf(document.value, error.instancePath);
  const { params } = error;
  const data = isSecret(path) ? "•••" : error.data;
  const at = (problem: string, remedy: string): Fault => document.fault(path, problem, remedy);
  switch (error.keyword) {
    case "additionalProperties":
      return unknownMember(document, path, String(params["additionalProperty"]), error);
    case "propertyNames":
      return undefined; // The pattern that failed speaks for it.
    case "required":
      return document.fault(path, `${quoted(params["missingProperty"])} is missing`, "write it");
    case "type":
      return at(`${quoted(data)} is not ${typeWords(params["type"])}`, `write ${typeWords(params["type"])}`);
    case "enum":
      return at(`${quoted(data)} is not known`, didYouMean(String(data), params["allowedValues"] as string[]));
    case "pattern":
      return badPattern(document, path, error);
    case "minimum":
    case "exclusiveMinimum":
    case "maximum":
      return at(`${quoted(data)} is out of range`, `write ${rangeWords(error.parentSchema)}`);
    case "minLength":
      return at("the text is empty", "write one");
    case "maxLength":
      return at(`the text has more than ${params["limit"]} characters`, "shorten it");
    case "minItems":
    case "minProperties":
      return at("nothing stands here", `write at least ${params["limit"]}`);
    case "maxItems":
    case "maxProperties":
      return at(`more than ${params["limit"]} stand here`, `keep at most ${params["limit"]}`);
    case "uniqueItems":
      return document.fault(
        [...path, Math.max(Number(params["i"]), Number(params["j"]))],
        `${quotedItem(data, params["i"])} stands here twice`,
        "keep one of them",
      );
    default:
      return at(error.message ?? error.keyword, "see the schema");
  }
}

function unknownMember(document: ConfigDocument, path: Path, name: string, error: ErrorObject): Fault {
  const known = Object.keys((error.parentSchema?.["properties"] as object | undefined) ?? {});
  const where = path.length === 0 ? "at the top" : `in ${pathText(path)}`;
  const remedy = didYouMean(
    name,
    known.filter((word) => word !== "$schema"),
  );
  return document.faultAtName([...path, name], `there is no member ${quoted(name)} ${where}`, remedy);
}

function badPattern(document: ConfigDocument, path: Path, error: ErrorObject): Fault {
  if (error.propertyName !== undefined)
    return document.faultAtName(
      [...path, error.propertyName],
      `${quoted(error.propertyName)} is not a name`,
      "write 1 to 63 letters, digits, dots, - and _, with a letter or digit first",
    );
  if (path.includes("ha1"))
    return document.fault(path, "this is no digest", "write 32 hex digits for MD5, 64 for the others");
  if (path.at(-1) === "contactUser")
    return document.fault(path, `${quoted(error.data)} is no user`, "write 1 to 64 letters, digits, dots, -, + and _");
  const isMethod = path.at(-1) === "method";
  return document.fault(
    path,
    `${quoted(error.data)} is not ${isMethod ? "a method" : "a name"}`,
    isMethod
      ? "write it in capitals, as in INVITE"
      : "write 1 to 63 letters, digits, dots, - and _, with a letter or digit first",
  );
}

function typeWords(types: string | readonly string[]): string {
  const words: Readonly<Record<string, string>> = {
    string: "a text in double quotes",
    integer: "a whole number",
    number: "a number",
    boolean: "true or false",
    object: "an object { … }",
    array: "an array [ … ]",
    null: "null",
  };
  return oneOf((typeof types === "string" ? types.split(",") : types).map((type) => words[type] ?? type));
}

function rangeWords(schema: Readonly<Record<string, unknown>> | undefined): string {
  const low = schema?.["minimum"];
  const above = schema?.["exclusiveMinimum"];
  return low !== undefined ? `${low} to ${schema?.["maximum"]}` : `more than ${above}, at most ${schema?.["maximum"]}`;
}

/** What stands there is shown to nobody. */
const isSecret = (path: Path): boolean => path.includes("password") || path.includes("ha1");

const quotedItem = (data: unknown, index: unknown): string =>
  quoted(Array.isArray(data) ? data[Number(index)] : undefined);

/** A JSON pointer as steps; numbers where the value is an array. */
function pathOf(root: unknown, pointer: string): Path {
  const path: (string | number)[] = [];
  let value = root;
  for (const escaped of pointer.split("/").slice(1)) {
    const step = escaped.replaceAll("~1", "/").replaceAll("~0", "~");
    path.push(Array.isArray(value) ? Number(step) : step);
    value = (value as Record<string, unknown> | undefined)?.[step];
  }
  return path;
}
