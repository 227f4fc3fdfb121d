import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { memoryEngine } from "#adapters/memory/memory-engine.ts"
import { memoryMessageLog } from "#adapters/memory/memory-message-log.ts"
import { MEMORY_BOUNDS, type MemoryBounds, memoryStore } from "#adapters/memory/memory-store.ts"
import { Engine, type Publish } from "#application/ports/engine.ts"
import { Settings } from "#application/ports/settings.ts"
import { MAX_KEYS_PER_USER } from "#domain/limits.ts"
import { recordingMetrics, silentMetrics } from "#tests/support/silent-metrics.ts"
import { testSettings } from "#tests/support/test-settings.ts"
import { engineContract, publishTo, room } from "./engine-contract.ts"

const settings = Layer.succeed(Settings, testSettings())
const memory = (bounds: Partial<MemoryBounds> = {}, metrics = silentMetrics) =>
  Layer.mergeAll(memoryEngine, memoryMessageLog).pipe(
    Layer.provide(memoryStore({ ...MEMORY_BOUNDS, ...bounds })),
    Layer.provide([metrics, settings]),
    Layer.provideMerge(TestClock.layer()),
  )

engineContract("memory", memory(), TestClock.adjust)

const A = room("a")
const SILENT = { deliver: () => {}, hole: () => {}, newEpoch: () => {}, taken: () => {}, missed: async () => true }

describe("memory engine, full of idempotency keys", () => {
  it.live("refuses a new key and publishes nothing of it, yet answers the known ones and takes what has no key", () => {
    const metrics = recordingMetrics()
    return Effect.gen(function* () {
      const engine = yield* Engine
      let delivered = 0
      engine.start({ ...SILENT, deliver: () => delivered++ })
      yield* engine.subscribe(A)
      const first = yield* engine.publish(publishTo([A], { key: "k0" }))
      yield* TestClock.adjust(1_000)
      for (const key of ["k1", "k2"]) yield* engine.publish(publishTo([A], { key }))
      expect([delivered, metrics.hits]).toEqual([3, []])
      const refused = yield* Effect.flip(engine.publish(publishTo([A], { key: "k3" })))
      expect([refused._tag, delivered, metrics.hits]).toEqual(["overloaded", 3, ["idempotency_records"]])
      expect(refused.retryAfterMs).toBeGreaterThan(0)
      expect((yield* engine.publish(publishTo([A], { key: "k0" }))).id).toBe(first.id)
      yield* engine.publish(publishTo([A]))
      expect([delivered, metrics.gauge("idempotency_records")]).toEqual([4, 3])
      yield* TestClock.adjust(599_000)
      yield* engine.publish(publishTo([A], { key: "k3" }))
      expect((yield* Effect.flip(engine.publish(publishTo([A], { key: "k4" }))))._tag).toBe("overloaded")
    }).pipe(Effect.provide(memory({ maxIdempotencyKeys: 3 }, metrics.layer)))
  })
})

describe("memory engine, with users' own ids", () => {
  const publishAs = (userId: string, key: string): Publish => ({
    ...publishTo([A]),
    idempotency: { key: `${userId} ${key}`, digest: "digest", userId },
  })

  it.live("remembers so many of one user, who is told to slow down, and of others all the same", () => {
    const metrics = recordingMetrics()
    return Effect.gen(function* () {
      const engine = yield* Engine
      engine.start(SILENT)
      for (let i = 0; i < MAX_KEYS_PER_USER; i++) yield* engine.publish(publishAs("ann", `${i}`))
      const refused = yield* Effect.flip(engine.publish(publishAs("ann", "one more")))
      expect([refused._tag, metrics.hits]).toEqual(["rate_limited", ["idempotency_keys_of_user"]])
      expect((yield* engine.publish(publishAs("ann", "0"))).repeated).toBe(true)
      expect((yield* engine.publish(publishAs("bob", "0"))).repeated).toBe(false)
      yield* TestClock.adjust(600_000)
      expect((yield* engine.publish(publishAs("ann", "one more"))).repeated).toBe(false)
      expect(metrics.gauge("idempotency_records")).toBe(1)
    }).pipe(Effect.provide(memory({}, metrics.layer)))
  })

  it.live("has as many of a user's as ever once the old ones are over", () =>
    Effect.gen(function* () {
      const engine = yield* Engine
      engine.start(SILENT)
      yield* engine.publish(publishAs("ann", "old"))
      yield* TestClock.adjust(600_000)
      for (let i = 0; i < MAX_KEYS_PER_USER; i++) yield* engine.publish(publishAs("ann", `${i}`))
      expect((yield* Effect.flip(engine.publish(publishAs("ann", "one more"))))._tag).toBe("rate_limited")
    }).pipe(Effect.provide(memory())),
  )

  it.live("does not count backends' records as users'", () =>
    Effect.gen(function* () {
      const engine = yield* Engine
      engine.start(SILENT)
      for (const key of ["k0", "k1", "k2"]) yield* engine.publish(publishTo([A], { key }))
      expect((yield* engine.publish(publishAs("ann", "0"))).repeated).toBe(false)
    }).pipe(Effect.provide(memory({ maxIdempotencyKeys: 4 }))),
  )

  it.live("keeps half of the records for backends, whatever users do", () =>
    Effect.gen(function* () {
      const engine = yield* Engine
      engine.start(SILENT)
      for (const user of ["ann", "bob"]) yield* engine.publish(publishAs(user, "0"))
      expect((yield* Effect.flip(engine.publish(publishAs("eve", "0"))))._tag).toBe("overloaded")
      for (const key of ["k0", "k1"]) yield* engine.publish(publishTo([A], { key }))
      expect((yield* Effect.flip(engine.publish(publishTo([A], { key: "k2" }))))._tag).toBe("overloaded")
    }).pipe(Effect.provide(memory({ maxIdempotencyKeys: 4 }))),
  )
})

describe("memory engine, whose clock is set back", () => {
  it.live("gives offsets that grow all the same", () =>
    Effect.gen(function* () {
      const engine = yield* Engine
      engine.start(SILENT)
      yield* TestClock.setTime(1_000_000)
      const before = (yield* engine.publish(publishTo([A]))).offset
      yield* TestClock.setTime(10)
      expect((yield* engine.publish(publishTo([A]))).offset).toBeGreaterThan(before)
    }).pipe(Effect.provide(memory())),
  )
})
