import { defineConfig } from "vitest/config"

/** Time-outs are ceilings for a busy two-core machine, never assertions about speed. */
export default defineConfig({
  test: {
    root: new URL("..", import.meta.url).pathname,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: {
          name: "units",
          include: ["tests/{domain,application,contracts,adapters,architecture,bootstrap}/**/*.test.ts"],
        },
      },
      { extends: true, test: { name: "journeys", include: ["tests/{journeys,security}/**/*.test.ts"] } },
    ],
  },
})
