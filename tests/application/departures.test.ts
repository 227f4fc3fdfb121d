import { assert, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { Departures } from "#application/departures.ts"

const test = (name: string, work: Effect.Effect<void, unknown, Departures>): void =>
  it.effect(name, () => Effect.provide(work, Departures.layer))

describe("a departure", () => {
  test(
    "is called off within its grace, once, and never comes then",
    Effect.gen(function* () {
      const { cancel, plan } = yield* Departures
      let left = 0
      const leave = Effect.sync(() => void left++)
      yield* plan("s1", 1_000, leave)
      yield* plan("s2", 1_000, leave)
      yield* TestClock.adjust(999)
      assert.isTrue(yield* cancel("s1"))
      assert.isFalse(yield* cancel("s1"))
      assert.strictEqual(left, 0)
      yield* TestClock.adjust(1)
      assert.strictEqual(left, 1)
      assert.isFalse(yield* cancel("s2"))
      assert.isFalse(yield* cancel("nobody"))
    }),
  )

  test(
    "that has begun is not called off: whoever comes back is told that it left, and it comes to its end",
    Effect.gen(function* () {
      const { cancel, plan } = yield* Departures
      const engine = yield* Deferred.make<void>()
      let left = 0
      yield* plan(
        "s1",
        1_000,
        Effect.andThen(
          Deferred.await(engine),
          Effect.sync(() => void left++),
        ),
      )
      yield* TestClock.adjust(1_000)
      assert.isFalse(yield* cancel("s1"))
      yield* Deferred.succeed(engine, undefined)
      yield* TestClock.adjust(0)
      assert.strictEqual(left, 1)
    }),
  )
})
