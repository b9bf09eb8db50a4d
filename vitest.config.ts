import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/**
 * Of the world, what mostly waits: for timers of half a minute, for calls of some seconds. Two rows of such files run
 * side by side, one file of each at a time. Each file has namespaces of its own, or addresses of loopback that are its
 * row's alone. What takes a whole processor, or hangs on how fast something is, has no place here.
 */
const rows = [
  ["sipp", "wire", "baresip", "dtls"].map((name) => `test/interop/${name}.test.ts`),
  [
    "test/interop/{hold-transfer,linphone,trunk}.test.ts",
    "test/system/attacks/sip.test.ts",
    "test/system/cli/*.test.ts",
  ],
];

/** Files that start processes, namespaces and sockets: one at a time. */
const world = {
  testTimeout: 180_000,
  hookTimeout: 60_000,
  fileParallelism: false,
  maxWorkers: 1,
};

const parallel = { maxWorkers: "100%", sequence: { groupOrder: 0 } } as const;

/** The simulation takes as long as all other rooms together: it begins first, and they go by beside it. */
class SimulationFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isSimulation = ({ moduleId }: TestSpecification): boolean => moduleId.includes("/test/simulation/");
    return [...sorted.filter(isSimulation), ...sorted.filter((file) => !isSimulation(file))];
  }
}

/**
 * `rooms` runs in parallel and touches nothing, so its files share their processes: to start one takes longer than most
 * of them. `io` opens sockets and `simulation` watches the machines of its process: their files have their own.
 * `world` is what has to be alone.
 */
export default defineConfig({
  test: {
    pool: "forks",
    setupFiles: ["test/setup.ts"],
    testTimeout: 60_000,
    sequence: { sequencer: SimulationFirst },
    projects: [
      {
        extends: true,
        test: {
          name: "rooms",
          include: ["test/architecture.test.ts", "test/{unit,property,conformance,ladders}/**/*.test.ts"],
          exclude: ["test/unit/io/**"],
          isolate: false,
          ...parallel,
        },
      },
      { extends: true, test: { name: "io", include: ["test/unit/io/*.test.ts"], ...parallel } },
      { extends: true, test: { name: "simulation", include: ["test/simulation/**/*.test.ts"], ...parallel } },
      ...rows.map((include, row) => ({
        extends: true as const,
        test: { name: `row-${row + 1}`, include, ...world, sequence: { groupOrder: row + 1 } },
      })),
      {
        extends: true,
        test: {
          name: "world",
          include: ["test/{native,interop,system}/**/*.test.ts"],
          exclude: rows.flat(),
          ...world,
          sequence: { groupOrder: rows.length + 1 },
        },
      },
    ],
  },
});
