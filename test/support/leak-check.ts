/** What the box said to one side must name nothing of the other: addresses, hosts, products, Call-IDs, tags, branches. */
import { expect } from "vitest";
import type { Stage } from "./stage.ts";

type Side = "outside" | "inside";

/** Words of the two sides of a stage: its networks, and what its usual parties call themselves. */
const WORDS: Record<Side, RegExp> = {
  outside: /198\.51\.100\.|203\.0\.113\.|alice-(?:phone|call|tag)|A1:A1|alice\.local/,
  inside: /10\.9\.0\.|(?:bob|fork)-(?:phone|call|tag)|B0:B0|bob\.local/,
};

const IDENTIFIERS =
  /\r\nCall-ID: *([^\r\n]+)|;tag=([^;\r\n>]+)|branch=([^;,\r\n]+)|o=\S+ (\d+) |a=(?:tls-id|ice-ufrag|ice-pwd):(\S+)|inline:(\S+)/gi;

/** Both legs of every call of this stage are judged. */
export function expectNoLeaks(stage: Stage): void {
  const owners = new Map<string, Side>();
  for (const side of ["outside", "inside"] as const) {
    const foreign = WORDS[side === "outside" ? "inside" : "outside"];
    for (const text of stage.sent[side]) {
      expect(foreign.exec(text)?.[0], `the other side is named to ${side} in\n${text}`).toBeUndefined();
      for (const match of text.matchAll(IDENTIFIERS)) {
        const value = match.slice(1).find((group) => group !== undefined) ?? "";
        const owner = owners.get(value) ?? side;
        owners.set(value, owner);
        expect(owner, `${value} is known on both sides, now in\n${text}`).toBe(side);
      }
    }
  }
}
