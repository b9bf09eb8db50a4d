import fc from "fast-check";
import { expect, test } from "vitest";
import { Agenda, seededRandom } from "../../../src/base/index.ts";
import { Routing } from "../../../src/routing/index.ts";
import { peer, settings } from "../../unit/routing/peers.ts";

test("whatever comes and goes, the count is what was admitted and not released, and never over the limit", () => {
  const step = fc.record({ what: fc.constantFrom("admit", "release", "reload"), afterMs: fc.nat(700) });
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 200 }),
      fc.integer({ min: 1, max: 8 }),
      fc.nat(20),
      (steps, maxCalls, rate) => {
        const carrier = peer("carrier", { maxCalls, maxCallsPerSecond: rate + 1 });
        const routing = new Routing({
          settings: settings([carrier]),
          random: seededRandom(1),
          emit: () => {},
          agenda: new Agenda(),
        });
        let now = 0;
        let live = 0;
        let admittedInAll = 0;
        for (const { what, afterMs } of steps) {
          now += afterMs;
          if (what === "admit" && routing.admit(carrier, now).admitted) {
            live += 1;
            admittedInAll += 1;
          } else if (what === "release" && live > 0) {
            routing.release(carrier);
            live -= 1;
          } else if (what === "reload") routing.apply(settings([carrier]));
          expect(routing.view()[0]?.calls).toBe(live);
          expect(live).toBeLessThanOrEqual(maxCalls);
          expect(admittedInAll).toBeLessThanOrEqual((rate + 1) * (1 + now / 1_000) + 1e-6);
        }
      },
    ),
    { numRuns: 200 },
  );
});
