/** Every ladder of registrations here is played over each kind of wire that its phones may have. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readLadders } from "../../support/ladders/format.ts";
import { playRegistration, type RegistrationWire } from "../../support/ladders/registrations.ts";

const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith(".md"));
const WIRES: readonly RegistrationWire[] = ["udp", "tcp", "tls", "wss"];

describe.each(files)("%s", (file) => {
  const ladders = readLadders(readFileSync(join(import.meta.dirname, file), "utf8"));
  expect(ladders.length).toBeGreaterThan(0);
  for (const ladder of ladders) {
    const only = ladder.settings.find((line) => line.startsWith("wire = "))?.slice(7);
    const wires = WIRES.filter((wire) => only === undefined || only.split(" ").includes(wire));
    test.each(wires)(`over %s: ${ladder.title}`, (wire) => playRegistration(ladder, wire));
  }
});
