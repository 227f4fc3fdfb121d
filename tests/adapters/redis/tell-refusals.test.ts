import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { tellRefusals } from "#adapters/redis/tell-refusals.ts"
import { capturedLogs } from "#tests/support/captured-logs.ts"

describe("what Redis refuses", () => {
  it("is logged once for each kind, however often it comes and however its words differ", async () => {
    const { entries, layer } = capturedLogs()
    const tell = await Effect.runPromise(Effect.provide(tellRefusals(), layer))
    for (let i = 0; i < 1_000; i++) tell("EVALSHA", `OOM command not allowed, ${i}`)
    tell("HGET", "NOPERM this user has no permissions to run it")
    expect(entries.map(({ annotations, level }) => [level, annotations["command"], annotations["reason"]])).toEqual([
      ["Error", "EVALSHA", "OOM command not allowed, 0"],
      ["Error", "HGET", "NOPERM this user has no permissions to run it"],
    ])
  })

  it("is of a bounded number of kinds", async () => {
    const { entries, layer } = capturedLogs()
    const tell = await Effect.runPromise(Effect.provide(tellRefusals(), layer))
    for (let i = 0; i < 1_000; i++) tell("EVALSHA", `KIND${i} of refusal`)
    expect(entries.length).toBe(21)
  })
})
