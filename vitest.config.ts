import { defineConfig } from "vitest/config";

/** `rooms` runs in parallel and touches nothing; `world` starts processes, namespaces and sockets, one file at a time. */
export default defineConfig({
  test: {
    pool: "forks",
    setupFiles: ["test/setup.ts"],
    testTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: "rooms",
          include: [
            "test/architecture.test.ts",
            "test/{unit,property,conformance,ladders}/**/*.test.ts",
            "test/simulation/**/*.test.ts",
          ],
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: "world",
          include: ["test/{native,interop,system}/**/*.test.ts"],
          testTimeout: 180_000,
          hookTimeout: 60_000,
          fileParallelism: false,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
