import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import { Idempotency } from "#application/ports/idempotency.ts"

class Word extends Context.Service<Word, { readonly word: string }>()("roomcast/tests/contracts/word") {}

/** Work that counts its runs; each run waits to be let through, and its answer says which run it was. */
const work = () => {
  let runs = 0
  const gate = Deferred.makeUnsafe<void>()
  const begun = Deferred.makeUnsafe<void>()
  return {
    runs: () => runs,
    begun: Deferred.await(begun),
    finish: Deferred.succeed(gate, undefined),
    run: Effect.gen(function* () {
      runs++
      yield* Deferred.succeed(begun, undefined)
      yield* Deferred.await(gate)
      return { run: runs, responses: [{ data: null }] }
    }),
  }
}

/**
 * What every Idempotency does; answers are JSON. The layer begins empty each time that it is built; `advance` lets its
 * time pass.
 */
export const idempotencyContract = (
  name: string,
  layer: Layer.Layer<Idempotency>,
  advance: (ms: number) => Effect.Effect<void>,
): void => {
  const test = <E>(behaviour: string, body: (idempotency: Idempotency["Service"]) => Effect.Effect<void, E>): void =>
    it.live(behaviour, () => Effect.flatMap(Idempotency, body).pipe(Effect.provide(layer)))

  describe(`${name}: doing it once`, () => {
    test("answers a repeated key with the first answer and does nothing again", (idempotency) =>
      Effect.gen(function* () {
        const { finish, run, runs } = work()
        yield* finish
        const first = yield* idempotency.once("k", "digest", run)
        expect(first).toEqual({ run: 1, responses: [{ data: null }] })
        expect(yield* idempotency.once("k", "digest", run)).toEqual(first)
        expect(runs()).toBe(1)
      }))

    test("lets whoever repeats the key meanwhile join the wait", (idempotency) =>
      Effect.gen(function* () {
        const { begun, finish, run, runs } = work()
        const callers = yield* Effect.forkChild(
          Effect.all(
            Array.from({ length: 10 }, () => idempotency.once("k", "digest", run)),
            { concurrency: "unbounded" },
          ),
        )
        yield* begun
        yield* finish
        const answers = yield* Fiber.join(callers)
        expect(answers).toEqual(Array.from({ length: 10 }, () => ({ run: 1, responses: [{ data: null }] })))
        expect(runs()).toBe(1)
      }))

    test("goes on when the first caller goes away, and answers the next", (idempotency) =>
      Effect.gen(function* () {
        const { begun, finish, run, runs } = work()
        const first = yield* Effect.forkChild(idempotency.once("k", "digest", run))
        yield* begun
        yield* Fiber.interrupt(first)
        const second = yield* Effect.forkChild(idempotency.once("k", "digest", run), { startImmediately: true })
        yield* finish
        expect(yield* Fiber.join(second)).toMatchObject({ run: 1 })
        expect(runs()).toBe(1)
      }))

    test("leaves the others waiting when one who joined goes away", (idempotency) =>
      Effect.gen(function* () {
        const { begun, finish, run } = work()
        const first = yield* Effect.forkChild(idempotency.once("k", "digest", run))
        yield* begun
        const second = yield* Effect.forkChild(idempotency.once("k", "digest", run), { startImmediately: true })
        yield* Fiber.interrupt(second)
        yield* finish
        expect(yield* Fiber.join(first)).toMatchObject({ run: 1 })
      }))

    test("gives a failure to those who waited for it and does not keep it", (idempotency) =>
      Effect.gen(function* () {
        const gate = yield* Deferred.make<void>()
        const begun = yield* Deferred.make<void>()
        let runs = 0
        const failing = Effect.gen(function* () {
          runs++
          yield* Deferred.succeed(begun, undefined)
          yield* Deferred.await(gate)
          return yield* Effect.fail("down" as const)
        })
        const first = yield* Effect.forkChild(Effect.flip(idempotency.once("k", "digest", failing)))
        yield* Deferred.await(begun)
        const second = yield* Effect.forkChild(Effect.flip(idempotency.once("k", "digest", failing)), {
          startImmediately: true,
        })
        yield* Deferred.succeed(gate, undefined)
        expect([yield* Fiber.join(first), yield* Fiber.join(second)]).toEqual(["down", "down"])
        expect(runs).toBe(1)
        expect(yield* idempotency.once("k", "another digest", Effect.succeed("up"))).toBe("up")
        expect(yield* idempotency.once("k", "another digest", Effect.succeed("again"))).toBe("up")
      }))

    test("does not keep what died either", (idempotency) =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(idempotency.once("k", "digest", Effect.die(new Error("a bug"))))
        expect(Exit.hasDies(exit)).toBe(true)
        expect(yield* idempotency.once("k", "digest", Effect.succeed("up"))).toBe("up")
      }))

    test("refuses the key with another body, during and after, and does not run it", (idempotency) =>
      Effect.gen(function* () {
        const { begun, finish, run } = work()
        const other = work()
        const first = yield* Effect.forkChild(idempotency.once("k", "digest", run))
        yield* begun
        const during = yield* Effect.flip(idempotency.once("k", "another digest", other.run))
        yield* finish
        yield* Fiber.join(first)
        const after = yield* Effect.flip(idempotency.once("k", "another digest", other.run))
        expect([during._tag, after._tag]).toEqual(["idempotency_key_reused", "idempotency_key_reused"])
        expect(other.runs()).toBe(0)
        expect(yield* idempotency.once("k", "digest", other.run)).toMatchObject({ run: 1 })
      }))

    test("does not let one key wait for another", (idempotency) =>
      Effect.gen(function* () {
        const { begun, finish, run } = work()
        const slow = yield* Effect.forkChild(idempotency.once("slow", "digest", run))
        yield* begun
        expect(yield* idempotency.once("quick", "digest", Effect.succeed("done"))).toBe("done")
        yield* finish
        yield* Fiber.join(slow)
      }))

    test("does the work with what its caller has", (idempotency) =>
      Effect.gen(function* () {
        const answer = yield* idempotency
          .once(
            "k",
            "digest",
            Word.useSync((word) => word.word),
          )
          .pipe(Effect.provideService(Word, { word: "mine" }))
        expect(answer).toBe("mine")
      }))

    test("keeps an answer for 10 minutes from when it was there", (idempotency) =>
      Effect.gen(function* () {
        const { begun, finish, run, runs } = work()
        const first = yield* Effect.forkChild(idempotency.once("k", "digest", run))
        yield* begun
        yield* advance(61_000)
        yield* finish
        yield* Fiber.join(first)
        yield* advance(598_000)
        expect(yield* idempotency.once("k", "digest", run)).toMatchObject({ run: 1 })
        yield* advance(3_000)
        expect(yield* idempotency.once("k", "another digest", run)).toMatchObject({ run: 2 })
        expect(runs()).toBe(2)
      }))
  })
}
