import * as Effect from "effect/Effect"
import type { Context } from "hono"
import { Metrics } from "#application/ports/metrics.ts"
import { Refusal, type Refused } from "#domain/errors.ts"
import { type BodyRefusal, readText } from "./body.ts"
import type { Env } from "./env.ts"

/** A signature is checked over its body, so that whoever invents one makes the gateway keep it: at most so many bytes. */
export const MAX_UNVERIFIED_BYTES = 67_108_864

const RETRY_AFTER_MS = 1_000

const bytesOf = (c: Context<Env>): number => {
  const limit = c.get("bodyLimit")
  return c.req.header("transfer-encoding") === undefined
    ? Math.min(Number(c.req.header("content-length") ?? 0), limit)
    : limit
}

/** Reads bodies before it is known who sent them, so many at once as there is room for, one at least. */
export const unverifiedBodies = (): ((
  c: Context<Env>,
) => Effect.Effect<string, BodyRefusal | Refused<"overloaded">, Metrics>) => {
  let reading = 0
  return Effect.fnUntraced(function* (c) {
    const bytes = bytesOf(c)
    if (reading > 0 && reading + bytes > MAX_UNVERIFIED_BYTES) {
      const { limitHit } = yield* Metrics
      limitHit("unverified_bytes")
      const message = "too many signed bodies are being read at once"
      return yield* Effect.fail(new Refusal("overloaded", message, { retryAfterMs: RETRY_AFTER_MS }))
    }
    reading += bytes
    const text = yield* Effect.promise(() => readText(c)).pipe(
      Effect.ensuring(
        Effect.sync(() => {
          reading -= bytes
        }),
      ),
    )
    return typeof text === "string" ? text : yield* Effect.fail(text)
  })
}
