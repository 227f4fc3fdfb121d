import { expect, it } from "vitest"
import { runChaos } from "#tests/chaos/run.ts"
import type { FaultKind } from "#tests/chaos/schedule.ts"

const KINDS: readonly FaultKind[] = ["node-kill", "node-term", "redis-pause", "pubsub-kill", "link-cut", "client-drop"]

it("three nodes lose nothing, send nothing twice or out of order, and recover every client, under a small schedule of faults", async () => {
  const report = await runChaos({
    seed: 20_261_125,
    seconds: 25,
    rate: 60,
    clients: 40,
    kinds: KINDS,
    everyMs: 3_000,
    keep: false,
    tell: () => undefined,
  })
  expect(report.failures, report.text).toEqual([])
  expect(report.counts).toEqual({ lost: 0, duplicated: 0, reordered: 0, stray: 0, unjustified: 0 })
  for (const kind of KINDS) expect(report.faults[kind] ?? 0, `${kind} happened`).toBeGreaterThan(0)
  expect(report.accepted).toBeGreaterThan(500)
  expect(report.deliveries).toBeGreaterThan(report.accepted)
  expect(report.recovered).toBeGreaterThan(20)
}, 300_000)
