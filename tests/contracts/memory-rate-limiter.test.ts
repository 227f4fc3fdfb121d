import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { MAX_RATE_LIMIT_KEYS, memoryRateLimiter } from "#adapters/memory/memory-rate-limiter.ts"
import { RateLimiter } from "#application/ports/rate-limiter.ts"
import { recordingMetrics, silentMetrics } from "#tests/support/silent-metrics.ts"
import { rateLimiterContract } from "./rate-limiter-contract.ts"

rateLimiterContract(
  "memory",
  memoryRateLimiter.pipe(Layer.provide(silentMetrics), Layer.provideMerge(TestClock.layer())),
  TestClock.adjust,
)

const LIMIT = { perSecond: 0.001, burst: 2 }

const fill = (limiter: RateLimiter["Service"], cost: number) =>
  Effect.gen(function* () {
    for (let i = 0; i < MAX_RATE_LIMIT_KEYS; i++) yield* limiter.take(`k${i}`, LIMIT, cost)
  })

describe("memory rate limiter, full of keys", () => {
  it.effect("gives further keys one allowance between them, and says that it is full", () => {
    const metrics = recordingMetrics()
    return Effect.gen(function* () {
      const limiter = yield* RateLimiter
      yield* fill(limiter, 1)
      expect(metrics.hits).toEqual([])
      expect((yield* limiter.take("new-1", LIMIT, 1)).allowed).toBe(true)
      expect((yield* limiter.take("new-2", LIMIT, 1)).allowed).toBe(true)
      expect((yield* limiter.take("new-3", LIMIT, 1)).allowed).toBe(false)
      expect(metrics.hits).toEqual(["rate_limit_keys", "rate_limit_keys", "rate_limit_keys"])
      expect(metrics.gauge("rate_limit_keys")).toBe(MAX_RATE_LIMIT_KEYS)
    }).pipe(Effect.provide(memoryRateLimiter.pipe(Layer.provide(metrics.layer))))
  })

  it.effect("leaves the keys that it has what is theirs", () =>
    Effect.gen(function* () {
      const limiter = yield* RateLimiter
      yield* fill(limiter, 1)
      yield* limiter.take("new", LIMIT, 2)
      expect((yield* limiter.take("k0", LIMIT, 1)).allowed).toBe(true)
      expect((yield* limiter.take("k0", LIMIT, 1)).allowed).toBe(false)
    }).pipe(Effect.provide(memoryRateLimiter.pipe(Layer.provide(silentMetrics)))),
  )

  it.effect("makes room for a new key as soon as somebody else's allowance is whole again", () => {
    const metrics = recordingMetrics()
    return Effect.gen(function* () {
      const limiter = yield* RateLimiter
      const fast = { perSecond: 1, burst: 2 }
      yield* limiter.take("short-lived", fast, 1)
      for (let i = 1; i < MAX_RATE_LIMIT_KEYS; i++) yield* limiter.take(`k${i}`, LIMIT, 1)
      yield* TestClock.adjust(1_000)
      expect(yield* limiter.take("new", LIMIT, 1)).toMatchObject({ allowed: true, remaining: 1 })
      expect(metrics.hits).toEqual([])
      expect(metrics.gauge("rate_limit_keys")).toBe(MAX_RATE_LIMIT_KEYS)
    }).pipe(Effect.provide(memoryRateLimiter.pipe(Layer.provide(metrics.layer))))
  })

  it.effect("forgets keys that nobody used for long, by itself", () => {
    const metrics = recordingMetrics()
    return Effect.gen(function* () {
      const limiter = yield* RateLimiter
      yield* limiter.take("k", { perSecond: 10, burst: 10 }, 5)
      expect(metrics.gauge("rate_limit_keys")).toBe(1)
      yield* TestClock.adjust("1 minute")
      expect(metrics.gauge("rate_limit_keys")).toBe(0)
    }).pipe(Effect.provide(memoryRateLimiter.pipe(Layer.provide(metrics.layer))))
  })
})
