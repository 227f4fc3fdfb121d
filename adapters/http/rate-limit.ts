import * as Effect from "effect/Effect"
import type { Context } from "hono"
import { Metrics } from "#application/ports/metrics.ts"
import { RateLimiter } from "#application/ports/rate-limiter.ts"
import { Refusal, type Refused } from "#domain/errors.ts"
import type { Env } from "./env.ts"

/** So many seconds' worth of pushes may come at once. */
const BURST_S = 2

/**
 * Counts `cost` pushes of the request's credential and says in `RateLimit-Policy` and `RateLimit`
 * (draft-ietf-httpapi-ratelimit-headers-10) what is left. A batch larger than the burst could never pass, so it is
 * refused as such. 0 pushes a second: no limit, no headers.
 */
export const takePushes = (
  c: Context<Env>,
  perSecond: number,
  cost: number,
): Effect.Effect<void, Refused<"engine_unavailable" | "invalid_request" | "rate_limited">, Metrics | RateLimiter> => {
  if (perSecond <= 0) return Effect.void
  const burst = Math.max(1, Math.ceil(perSecond * BURST_S))
  c.header("RateLimit-Policy", `"pushes";q=${burst};w=${BURST_S}`)
  if (cost > burst)
    return Effect.fail(
      new Refusal("invalid_request", `the rate limit lets a batch have at most ${burst} messages, found ${cost}`, {
        faults: [{ pointer: "/messages", detail: `at most ${burst} items under the rate limit, found ${cost}` }],
      }),
    )
  const key = `push:${c.get("credential").id}`
  return Effect.flatMap(
    RateLimiter.use((limiter) => limiter.take(key, { perSecond, burst }, cost)),
    ({ allowed, remaining, resetMs }) => {
      c.header("RateLimit", `"pushes";r=${Math.max(0, Math.floor(remaining))};t=${Math.ceil(resetMs / 1000)}`)
      if (allowed) return Effect.void
      return Effect.flatMap(Metrics, ({ limitHit }) => {
        limitHit("pushes_per_second")
        return Effect.fail(
          new Refusal("rate_limited", `at most ${perSecond} pushes a second, ${burst} at once`, {
            retryAfterMs: resetMs,
          }),
        )
      })
    },
  )
}
