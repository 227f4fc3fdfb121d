import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Refused } from "#domain/errors.ts"

export interface RateDecision {
  readonly allowed: boolean
  /** Requests left at once. */
  readonly remaining: number
  /** Refused: until the same cost is allowed. Else, where none is left, until one more is; else until all are. In ms. */
  readonly resetMs: number
}

/**
 * Counts requests by key over the whole cluster: `perSecond` of them, `burst` at once. A key always comes with the same
 * limit. A cost above `burst` passes once nothing is used up, and the rest of it is waited for afterwards.
 * Contract: tests/contracts/rate-limiter-contract.ts.
 */
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
