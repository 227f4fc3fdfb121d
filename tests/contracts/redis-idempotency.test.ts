import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { afterAll } from "vitest"
import { Idempotency } from "#application/ports/idempotency.ts"
import { startRedis } from "#tests/support/redis-server.ts"
import { idempotencyContract } from "./idempotency-contract.ts"
import { advance, redisLayer } from "./redis-fixture.ts"

const server = await startRedis()
afterAll(() => server.stop())

describe.concurrent("with Redis", () => {
  idempotencyContract("redis", redisLayer(server.url), advance)
})

const nodeOf = (prefix: string) =>
  Effect.flatMap(Layer.build(redisLayer(server.url, { prefix })), (services) => Effect.provide(Idempotency, services))

describe("redis idempotency, over two nodes", () => {
  it.live("does the work of one key on one of them, whoever is asked", () =>
    Effect.gen(function* () {
      const a = yield* nodeOf("twice")
      const b = yield* nodeOf("twice")
      const gate = yield* Deferred.make<void>()
      const begun = yield* Deferred.make<void>()
      let runs = 0
      const work = Effect.gen(function* () {
        yield* Deferred.succeed(begun, undefined)
        yield* Deferred.await(gate)
        return { run: ++runs }
      })
      const first = yield* Effect.forkChild(a.once("k", "digest", work))
      yield* Deferred.await(begun)
      const second = yield* Effect.forkChild(b.once("k", "digest", work), { startImmediately: true })
      expect((yield* Effect.flip(b.once("k2", "x", Effect.fail({ _tag: "mine" as const })))) as object).toEqual({
        _tag: "mine",
      })
      yield* Deferred.succeed(gate, undefined)
      expect([yield* Fiber.join(first), yield* Fiber.join(second)]).toEqual([{ run: 1 }, { run: 1 }])
      const reused = yield* Effect.flip(b.once("k", "another digest", work))
      expect(reused._tag).toBe("idempotency_key_reused")
    }).pipe(Effect.scoped),
  )

  /** A node does the work of `k`, and stands still for so long that its record lapses. */
  const stalled = Effect.fnUntraced(function* (prefix: string) {
    const a = yield* nodeOf(prefix)
    const [begun, gate] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
    const work = Effect.andThen(Deferred.succeed(begun, undefined), Effect.as(Deferred.await(gate), "of the stalled"))
    const first = yield* Effect.forkChild(a.once("k", "digest", work))
    yield* Deferred.await(begun)
    yield* Effect.promise(() => server.client.pexpire(`${prefix}:answer:{k}`, 0))
    return { finish: Effect.andThen(Deferred.succeed(gate, undefined), Fiber.join(first)) }
  })

  it.live("answers all alike where another node has done it while the first one stood still", () =>
    Effect.gen(function* () {
      const { finish } = yield* stalled("superseded")
      const b = yield* nodeOf("superseded")
      expect(yield* b.once("k", "digest", Effect.succeed("of the other"))).toBe("of the other")
      expect(yield* finish).toBe("of the other")
      expect(yield* b.once("k", "digest", Effect.succeed("again"))).toBe("of the other")
    }).pipe(Effect.scoped),
  )

  it.live("keeps the answer of a node that stood still where nobody else has done it", () =>
    Effect.gen(function* () {
      const { finish } = yield* stalled("alone")
      expect(yield* finish).toBe("of the stalled")
      const b = yield* nodeOf("alone")
      expect(yield* b.once("k", "digest", Effect.succeed("again"))).toBe("of the stalled")
      expect((yield* Effect.flip(b.once("k", "another", Effect.succeed(1))))._tag).toBe("idempotency_key_reused")
    }).pipe(Effect.scoped),
  )

  it.live("does it again where the node that did it is gone", () =>
    Effect.gen(function* () {
      const a = yield* nodeOf("dead")
      const begun = yield* Deferred.make<void>()
      yield* Effect.forkChild(a.once("k", "digest", Effect.andThen(Deferred.succeed(begun, undefined), Effect.never)))
      yield* Deferred.await(begun)
      const [record = ""] = yield* Effect.promise(() => server.client.keys("dead:answer:*"))
      const leftMs = yield* Effect.promise(() => server.client.pttl(record))
      expect(leftMs).toBeGreaterThan(0)
      expect(leftMs).toBeLessThanOrEqual(15_000)
      yield* Effect.promise(() => server.client.pexpire(record, 1))
      const b = yield* nodeOf("dead")
      expect(yield* b.once("k", "digest", Effect.succeed("done"))).toBe("done")
    }).pipe(Effect.scoped),
  )
})
