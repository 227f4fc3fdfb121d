import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { MAX_IDEMPOTENCY_RECORDS, memoryIdempotency } from "#adapters/memory/memory-idempotency.ts"
import { Idempotency } from "#application/ports/idempotency.ts"
import { recordingMetrics, silentMetrics } from "#tests/support/silent-metrics.ts"
import { idempotencyContract } from "./idempotency-contract.ts"

idempotencyContract(
  "memory",
  memoryIdempotency.pipe(Layer.provide(silentMetrics), Layer.provideMerge(TestClock.layer())),
  TestClock.adjust,
)

const fill = (idempotency: Idempotency["Service"]) =>
  Effect.gen(function* () {
    for (let i = 0; i < MAX_IDEMPOTENCY_RECORDS; i++) yield* idempotency.once(`k${i}`, "digest", Effect.succeed(i))
  })

describe("memory idempotency, full of keys", () => {
  it.effect("refuses a new key without doing its work, and answers the known ones", () => {
    const metrics = recordingMetrics()
    return Effect.gen(function* () {
      const idempotency = yield* Idempotency
      yield* fill(idempotency)
      expect(metrics.hits).toEqual([])
      let done = false
      const refused = yield* Effect.flip(
        idempotency.once(
          "new",
          "digest",
          Effect.sync(() => {
            done = true
          }),
        ),
      )
      expect(refused._tag).toBe("overloaded")
      expect(refused.retryAfterMs).toBeGreaterThan(0)
      expect(done).toBe(false)
      expect(metrics.hits).toEqual(["idempotency_records"])
      expect(metrics.gauge("idempotency_records")).toBe(MAX_IDEMPOTENCY_RECORDS)
      expect(yield* idempotency.once("k7", "digest", Effect.succeed(-1))).toBe(7)
    }).pipe(Effect.provide(memoryIdempotency.pipe(Layer.provide(metrics.layer))))
  })

  it.effect("takes new keys again as soon as old answers are kept long enough, and forgets those by itself", () => {
    const metrics = recordingMetrics()
    return Effect.gen(function* () {
      const idempotency = yield* Idempotency
      yield* TestClock.adjust(1)
      yield* fill(idempotency)
      yield* TestClock.adjust(601_000)
      expect(metrics.gauge("idempotency_records")).toBe(MAX_IDEMPOTENCY_RECORDS)
      expect(yield* idempotency.once("new", "digest", Effect.succeed("done"))).toBe("done")
      expect(metrics.gauge("idempotency_records")).toBe(1)
      yield* TestClock.adjust("11 minutes")
      expect(metrics.gauge("idempotency_records")).toBe(0)
    }).pipe(Effect.provide(memoryIdempotency.pipe(Layer.provide(metrics.layer))))
  })
})

describe("memory idempotency, shutting down", () => {
  it.effect("ends work that is under way, and those who wait for it", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(memoryIdempotency.pipe(Layer.provide(silentMetrics)), scope)
      const begun = yield* Deferred.make<void>()
      let interrupted = false
      const endless = Deferred.succeed(begun, undefined).pipe(
        Effect.andThen(Effect.never),
        Effect.onInterrupt(() =>
          Effect.sync(() => {
            interrupted = true
          }),
        ),
      )
      const waiting = yield* Effect.forkChild(
        Idempotency.use((idempotency) => idempotency.once("k", "digest", endless)).pipe(Effect.provide(context)),
      )
      yield* Deferred.await(begun)
      yield* Scope.close(scope, Exit.void)
      expect(interrupted).toBe(true)
      expect(Exit.hasInterrupts(yield* Fiber.await(waiting))).toBe(true)
      const late = yield* Effect.exit(
        Idempotency.use((idempotency) => idempotency.once("k", "digest", Effect.succeed("late"))).pipe(
          Effect.provide(context),
        ),
      )
      expect(Exit.hasInterrupts(late)).toBe(true)
    }),
  )
})
