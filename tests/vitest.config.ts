import { defineConfig } from "vitest/config"

const JOURNEYS = ["tests/{journeys,security}/**/*.test.ts"]

/** What the engine has to do with; the other journeys are about one node, or start their own. */
const ON_REDIS = [
  "tests/journeys/{backend-push,protocol,push-and-event,recovery,recovery-limits,recovery-load,taken-out,webhooks}.test.ts",
]

/** Its nodes are processes of Node, whatever runs the other journeys. */
const NODE_ONLY = ["tests/journeys/chaos.test.ts"]

/**
 * `units`: the parts, in this process. `journeys`: the gateway in a process of its own and stock clients; the same files
 * for the gateway on Node and on Deno, with the memory engine, and those that the engine has to do with again with one
 * node on Redis (Deno), and with three behind a balancer that knows nothing (Node). `cluster`: several nodes and a Redis of the test's
 * own, and what may happen to them. Time-outs are ceilings for a busy two-core machine, never claims about speed.
 */
export default defineConfig({
  test: {
    root: new URL("..", import.meta.url).pathname,
    setupFiles: [new URL("./support/fixed-seed.ts", import.meta.url).pathname],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 3,
    maxConcurrency: 6,
    reporters:
      process.env["CI"] === undefined
        ? ["default"]
        : ["default", ["json", { outputFile: ".test-output/results.json" }]],
    projects: [
      {
        extends: true,
        test: {
          name: "units",
          include: ["tests/{domain,application,contracts,adapters,architecture,bootstrap,chaos}/**/*.test.ts"],
        },
      },
      { extends: true, test: { name: "journeys", include: JOURNEYS, env: { ROOMCAST_TEST_RUNTIME: "node" } } },
      {
        extends: true,
        test: { name: "journeys-deno", include: JOURNEYS, exclude: NODE_ONLY, env: { ROOMCAST_TEST_RUNTIME: "deno" } },
      },
      {
        extends: true,
        test: {
          name: "journeys-redis",
          include: ON_REDIS,
          env: { ROOMCAST_TEST_ENGINE: "redis", ROOMCAST_TEST_RUNTIME: "deno" },
        },
      },
      {
        extends: true,
        test: { name: "journeys-cluster", include: ON_REDIS, env: { ROOMCAST_TEST_ENGINE: "cluster" } },
      },
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
    ],
  },
})
