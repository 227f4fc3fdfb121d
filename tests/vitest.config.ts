import { defineConfig } from "vitest/config"

const JOURNEYS = ["tests/{journeys,security}/**/*.test.ts"]

/**
 * `units`: the parts, in this process. `journeys`: the gateway in a process of its own and stock clients; the same files
 * for the gateway on Node and on Deno. `cluster`: several nodes and a Redis of the test's own, and what may happen to
 * them. Time-outs are ceilings for a busy two-core machine, never claims about speed.
 */
export default defineConfig({
  test: {
    root: new URL("..", import.meta.url).pathname,
    setupFiles: [new URL("./support/fixed-seed.ts", import.meta.url).pathname],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    reporters:
      process.env["CI"] === undefined
        ? ["default"]
        : ["default", ["json", { outputFile: ".test-output/results.json" }]],
    projects: [
      {
        extends: true,
        test: {
          name: "units",
          include: ["tests/{domain,application,contracts,adapters,architecture,bootstrap}/**/*.test.ts"],
        },
      },
      { extends: true, test: { name: "journeys", include: JOURNEYS, env: { ROOMCAST_TEST_RUNTIME: "node" } } },
      {
        extends: true,
        test: {
          name: "cluster",
          include: ["tests/cluster/**/*.test.ts"],
          // Above what any step waits for: a test that is broken off leaves its processes behind.
          testTimeout: 180_000,
          env: { ROOMCAST_TEST_RUNTIME: "node" },
        },
      },
      { extends: true, test: { name: "journeys-deno", include: JOURNEYS, env: { ROOMCAST_TEST_RUNTIME: "deno" } } },
    ],
  },
})
