import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Refused } from "#domain/errors.ts"

export interface RateDecision {
  readonly allowed: boolean
  /** Requests left at once. */
  readonly remaining: number
  /** Until one more is allowed, where none is; else until all are, ms. */
  readonly resetMs: number
}

/** Counts requests by key over the whole cluster: `perSecond` of them, `burst` at once. */
export class RateLimiter extends Context.Service<
  RateLimiter,
  {
    readonly take: (
      key: string,
      limit: { readonly perSecond: number; readonly burst: number },
      cost: number,
    ) => Effect.Effect<RateDecision, Refused<"engine_unavailable">>
  }
>()("roomcast/application/ports/rate-limiter") {}
