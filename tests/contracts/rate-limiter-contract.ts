import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { RateLimiter } from "#application/ports/rate-limiter.ts"

/**
 * What every RateLimiter does. The layer begins empty each time that it is built; `advance` lets its time pass. The
 * rates are slow, so that a real clock changes nothing while a test runs.
 */
export const rateLimiterContract = (
  name: string,
  layer: Layer.Layer<RateLimiter>,
  advance: (ms: number) => Effect.Effect<void>,
): void => {
  const test = <E>(behaviour: string, body: (limiter: RateLimiter["Service"]) => Effect.Effect<void, E>): void =>
    it.live(behaviour, () => Effect.flatMap(RateLimiter, body).pipe(Effect.provide(layer)))

  const SLOW = { perSecond: 0.1, burst: 3 }

  describe(`${name}: limiting rates`, () => {
    test("allows a burst, says what is left of it, and refuses what is more", (limiter) =>
      Effect.gen(function* () {
        for (const remaining of [2, 1, 0])
          expect(yield* limiter.take("k", SLOW, 1)).toMatchObject({ allowed: true, remaining })
        const refused = yield* limiter.take("k", SLOW, 1)
        expect(refused).toMatchObject({ allowed: false, remaining: 0 })
        expect(refused.resetMs).toBeGreaterThan(0)
        expect(refused.resetMs).toBeLessThanOrEqual(10_000)
      }))

    test("says when all of it can be used again, or the next one where none is left", (limiter) =>
      Effect.gen(function* () {
        const waits: number[] = []
        for (let i = 0; i < 3; i++) waits.push((yield* limiter.take("k", SLOW, 1)).resetMs)
        for (const [i, all] of [10_000, 20_000, 10_000].entries()) {
          expect(waits[i]).toBeGreaterThan(all - 5_000)
          expect(waits[i]).toBeLessThanOrEqual(all)
        }
      }))

    test("allows what it refused once the time that it named has passed", (limiter) =>
      Effect.gen(function* () {
        const limit = { perSecond: 20, burst: 2 }
        yield* limiter.take("k", limit, 2)
        const refused = yield* limiter.take("k", limit, 2)
        expect(refused.allowed).toBe(false)
        yield* advance(refused.resetMs)
        expect((yield* limiter.take("k", limit, 2)).allowed).toBe(true)
      }))

    test("never saves up more than a burst", (limiter) =>
      Effect.gen(function* () {
        const limit = { perSecond: 50, burst: 3 }
        yield* limiter.take("k", limit, 3)
        yield* advance(1_000)
        expect(yield* limiter.take("k", limit, 1)).toMatchObject({ allowed: true, remaining: 2 })
      }))

    test("counts each key for itself", (limiter) =>
      Effect.gen(function* () {
        yield* limiter.take("a", SLOW, 3)
        expect((yield* limiter.take("a", SLOW, 1)).allowed).toBe(false)
        expect(yield* limiter.take("b", SLOW, 1)).toMatchObject({ allowed: true, remaining: 2 })
      }))

    test("takes nothing for what it refuses", (limiter) =>
      Effect.gen(function* () {
        yield* limiter.take("k", SLOW, 1)
        expect(yield* limiter.take("k", SLOW, 3)).toMatchObject({ allowed: false, remaining: 2 })
        expect(yield* limiter.take("k", SLOW, 2)).toMatchObject({ allowed: true, remaining: 0 })
      }))

    test("lets a cost above the burst pass when nothing is used up, and makes the next wait for it", (limiter) =>
      Effect.gen(function* () {
        const limit = { perSecond: 0.1, burst: 2 }
        expect(yield* limiter.take("k", limit, 6)).toMatchObject({ allowed: true, remaining: 0 })
        const next = yield* limiter.take("k", limit, 1)
        expect(next.allowed).toBe(false)
        expect(next.resetMs).toBeGreaterThan(45_000)
        expect(next.resetMs).toBeLessThanOrEqual(50_000)
        expect((yield* limiter.take("other", limit, 1)).allowed).toBe(true)
        expect((yield* limiter.take("other", limit, 6)).allowed).toBe(false)
      }))

    test("shares one allowance among requests of the same moment", (limiter) =>
      Effect.gen(function* () {
        const all = yield* Effect.all(
          Array.from({ length: 20 }, () => limiter.take("k", SLOW, 1)),
          { concurrency: "unbounded" },
        )
        expect(all.filter((one) => one.allowed)).toHaveLength(3)
      }))
  })
}
