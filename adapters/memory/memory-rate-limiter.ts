import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { Metrics } from "#application/ports/metrics.ts"
import { RateLimiter } from "#application/ports/rate-limiter.ts"
import { TokenBucket } from "#domain/limits.ts"

export const MAX_RATE_LIMIT_KEYS = 10_000

/** Keys that nobody could have a bucket for are looked for at most this often while there is no room. */
const SWEEP_PAUSE_MS = 1_000

/**
 * A token bucket for each key. A full one says nothing and is dropped; while all of them say something, every further
 * key shares one bucket, so that keys made up in masses get less and not more.
 */
export const memoryRateLimiter: Layer.Layer<RateLimiter, never, Metrics> = Layer.effect(
  RateLimiter,
  Effect.gen(function* () {
    const metrics = yield* Metrics
    const clock = yield* Clock.Clock
    const buckets = new Map<string, TokenBucket>()
    /** By limit, of which the configuration has a few. */
    const overflow = new Map<string, TokenBucket>()
    let sweptAt = 0

    const sweep = (): void => {
      sweptAt = clock.currentTimeMillisUnsafe()
      for (const [key, bucket] of buckets) if (bucket.isFull(sweptAt)) buckets.delete(key)
      for (const [limit, bucket] of overflow) if (bucket.isFull(sweptAt)) overflow.delete(limit)
    }
    const bucketIn = (map: Map<string, TokenBucket>, key: string, perSecond: number, burst: number): TokenBucket => {
      let bucket = map.get(key)
      if (bucket === undefined) {
        bucket = new TokenBucket(perSecond, burst, clock.currentTimeMillisUnsafe())
        map.set(key, bucket)
      }
      return bucket
    }
    const hasRoom = (now: number): boolean => {
      if (buckets.size >= MAX_RATE_LIMIT_KEYS && now - sweptAt >= SWEEP_PAUSE_MS) sweep()
      return buckets.size < MAX_RATE_LIMIT_KEYS
    }

    metrics.observe("rate_limit_keys", () => buckets.size)
    yield* Effect.sync(sweep).pipe(Effect.repeat(Schedule.spaced("30 seconds")), Effect.forkScoped)

    return {
      take: (key, { perSecond, burst }, cost) =>
        Effect.sync(() => {
          const now = clock.currentTimeMillisUnsafe()
          let map = buckets
          let name = key
          if (!buckets.has(key) && !hasRoom(now)) {
            metrics.limitHit("rate_limit_keys")
            map = overflow
            name = `${perSecond}/${burst}`
          }
          const bucket = bucketIn(map, name, perSecond, burst)
          const waitMs = bucket.take(now, cost)
          const remaining = bucket.left
          if (waitMs > 0) return { allowed: false, remaining, resetMs: waitMs }
          return { allowed: true, remaining, resetMs: bucket.msUntil(remaining === 0 ? 1 : burst) }
        }),
    }
  }),
)
