import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { Idempotency } from "#application/ports/idempotency.ts"
import { Metrics } from "#application/ports/metrics.ts"
import { Refusal, type Refused } from "#domain/errors.ts"

export const MAX_IDEMPOTENCY_RECORDS = 10_000
const KEPT_MS = 600_000
const SWEEP_PAUSE_MS = 1_000

interface Remembered {
  readonly digest: string
  /** Waits while the work is under way. */
  answer: Effect.Effect<unknown, unknown>
  /** ms since 1970; while the work is under way it does not expire. */
  expiresAt: number
}

/**
 * The work runs in a fiber of this layer: the first caller may go away, as a closed HTTP request does, and whoever
 * repeats its key still gets the answer.
 */
export const memoryIdempotency: Layer.Layer<Idempotency, never, Metrics> = Layer.effect(
  Idempotency,
  Effect.gen(function* () {
    const metrics = yield* Metrics
    const clock = yield* Clock.Clock
    const scope = yield* Effect.scope
    const records = new Map<string, Remembered>()
    let sweptAt = 0

    const sweep = (): void => {
      sweptAt = clock.currentTimeMillisUnsafe()
      for (const [key, record] of records) if (record.expiresAt <= sweptAt) records.delete(key)
    }
    const lookUp = (key: string, now: number): Remembered | undefined => {
      const record = records.get(key)
      if (record !== undefined && record.expiresAt > now) return record
      records.delete(key)
      if (records.size >= MAX_IDEMPOTENCY_RECORDS && now - sweptAt >= SWEEP_PAUSE_MS) sweep()
      return undefined
    }

    metrics.observe("idempotency_records", () => records.size)
    yield* Effect.sync(sweep).pipe(Effect.repeat(Schedule.spaced("30 seconds")), Effect.forkScoped)

    const once = <A, E, R>(key: string, digest: string, work: Effect.Effect<A, E, R>) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.suspend((): Effect.Effect<A, E | Refused<"idempotency_key_reused" | "overloaded">, R> => {
          const known = lookUp(key, clock.currentTimeMillisUnsafe())
          if (known !== undefined) {
            if (known.digest !== digest)
              return Effect.fail(
                new Refusal(
                  "idempotency_key_reused",
                  "this idempotency key came with another body in the last 10 minutes",
                ),
              )
            // The same key and digest stand for the same work, so its answer is of the same type.
            return restore(known.answer as Effect.Effect<A, E>)
          }
          if (records.size >= MAX_IDEMPOTENCY_RECORDS) {
            metrics.limitHit("idempotency_records")
            return Effect.fail(
              new Refusal("overloaded", `at most ${MAX_IDEMPOTENCY_RECORDS} idempotency keys are remembered at once`, {
                retryAfterMs: SWEEP_PAUSE_MS,
              }),
            )
          }
          const done = Deferred.makeUnsafe<A, E>()
          const record: Remembered = { digest, answer: Deferred.await(done), expiresAt: Number.POSITIVE_INFINITY }
          records.set(key, record)
          return Effect.flatMap(Effect.forkIn(work, scope), (fiber) => {
            fiber.addObserver((exit) => {
              if (exit._tag === "Success") {
                record.answer = exit
                record.expiresAt = clock.currentTimeMillisUnsafe() + KEPT_MS
              } else records.delete(key)
              Deferred.doneUnsafe(done, exit)
            })
            return restore(Deferred.await(done))
          })
        }),
      )

    return { once }
  }),
)
