/** Three columns line up at the native door: the words, their types at the addon, and their meaning to packets. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const words = read("src/media/relay-command.ts");
const types = read("native/addon/relay.d.ts");
const meaning = read("native/relay/relay.h");

test("a side has the same members in all three", () => {
  const members = interfaceMembers(words, "RelaySide");
  expect(members.length).toBeGreaterThan(10);
  expect(interfaceMembers(types, "NativeSide")).toEqual(members);
  expect(structMembers(meaning, "Side").filter((name) => !name.endsWith("Size") && !name.endsWith("Count"))).toEqual(
    members,
  );
});

test("an address has the same members in all three", () => {
  const members = interfaceMembers(words, "MediaAddress");
  expect(interfaceMembers(types, "NativeAddress")).toEqual(members);
  expect(structMembers(meaning, "MediaAddress")).toEqual([...members, "known"].sort());
});

test("ICE credentials and DTLS associations have the same members in the words and at the addon", () => {
  for (const name of ["IceCredentials", "DtlsFingerprint", "DtlsAssociation"]) {
    const members = interfaceMembers(words, name);
    expect(members.length).toBeGreaterThan(1);
    expect(interfaceMembers(types, `Native${name}`)).toEqual(members);
  }
});

test("every member of a side but its local address can change, and relatch can be asked", () => {
  const bits = [...meaning.matchAll(/\bkChange(\w+) = 1 << /g)].map((found) => lowerFirst(found[1]!)).sort();
  const members = interfaceMembers(words, "RelaySide").filter((name) => name !== "local");
  expect(bits).toEqual([...members, "relatch"].sort());
});

test("latch policies, kinds, events and suites are the same", () => {
  const policies = alternatives(words, /type LatchPolicy = (.*?);/s);
  expect(alternatives(types, /latch: (.*?);/s)).toEqual(policies);
  expect(enumerators(meaning, "LatchPolicy")).toEqual(policies);

  const kinds = alternatives(words, /type PairKind = (.*?);/s);
  expect(alternatives(types, /kind: ("audio".*?),/s)).toEqual(kinds);
  expect(enumerators(meaning, "PairKind")).toEqual(kinds);

  const events = [...words.matchAll(/readonly event: "(\w+)"/g)].map((found) => found[1]!).sort();
  expect(alternatives(types, /readonly event:(.*?);/s)).toEqual(events);
  expect(enumerators(meaning, "EventKind").filter((name) => name !== "retired" && name !== "kept")).toEqual(events);

  const suites = alternatives(words, /type SrtpSuite =(.*?);/s);
  expect(alternatives(types, /type SrtpSuite =(.*?);/s)).toEqual(suites);
  const native = [...read("native/crypto/suite.cpp").matchAll(/"((?:AES|AEAD)_\w+)"/g)].map((found) => found[1]!);
  expect([...new Set(native)].sort()).toEqual(suites);
});

test("counters have the same names, times in their own unit", () => {
  const table = /#define SALLYPORT_COUNTERS\(X\)(.*?)\nenum/s.exec(meaning)![1]!;
  const native = [...table.matchAll(/X\((\w+)\)/g)].map((found) => found[1]!.replace(/Us$/, "Ms")).sort();
  expect(native).toEqual(interfaceMembers(words, "SideCounters"));
});

function interfaceMembers(text: string, name: string): string[] {
  const body = new RegExp(`interface ${name} \\{(.*?)\\n\\}`, "s").exec(text)![1]!;
  return [...body.matchAll(/^ {2}readonly (\w+)\??:/gm)].map((found) => found[1]!).sort();
}

function structMembers(text: string, name: string): string[] {
  const body = new RegExp(`struct ${name} \\{(.*?)\\n\\};`, "s").exec(text)![1]!;
  return [...body.matchAll(/^ {2}[\w:<>, ]+?[ *]+(\w+)(?: = [^;]+|\{\})?;/gm)].map((found) => camel(found[1]!)).sort();
}

function enumerators(text: string, name: string): string[] {
  const body = new RegExp(`enum class ${name} : [\\w:]+ \\{(.*?)\\}`, "s").exec(text)![1]!;
  return [...body.matchAll(/k(\w+)/g)].map((found) => lowerFirst(found[1]!)).sort();
}

function alternatives(text: string, where: RegExp): string[] {
  return [...where.exec(text)![1]!.matchAll(/"(\w+)"/g)].map((found) => found[1]!).sort();
}

const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);
const camel = (text: string): string => text.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
