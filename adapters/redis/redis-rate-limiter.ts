import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { RateLimiter } from "#application/ports/rate-limiter.ts"
import { luaScript } from "./lua-script.ts"
import { askRedis } from "./redis-commands.ts"
import { RedisStore } from "./redis-store.ts"

const TAKE = luaScript("take-tokens")

/** One bucket a key for the whole cluster, on Redis's own time. */
export const redisRateLimiter: Layer.Layer<RateLimiter, never, RedisStore> = Layer.effect(
  RateLimiter,
  Effect.gen(function* () {
    const { state } = yield* RedisStore
    return {
      take: (key, { burst, perSecond }, cost) =>
        askRedis(async () => {
          const name = `${state.options.prefix}:rate:{${key}}`
          const answer = await state.commands.script(TAKE, [name], [perSecond, burst, cost])
          const [allowed, remaining, resetMs] = Array.isArray(answer) ? answer.map(Number) : []
          if (remaining === undefined || resetMs === undefined) throw new Error("take-tokens answered something else")
          return { allowed: allowed === 1, remaining, resetMs }
        }),
    }
  }),
)
