import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { Engine } from "#application/ports/engine.ts"
import type { Settings } from "#application/ports/settings.ts"
import type { Services } from "#application/services.ts"
import { tendConnections } from "#application/use-cases/tend-connections.ts"
import { CLOSINGS } from "#domain/closing.ts"
import { Refusal } from "#domain/errors.ts"
import { Gate } from "#domain/gate.ts"
import { connect, memoryNode } from "./node-fixture.ts"

const SECOND_MS = 1_000

const at = (ms: number) => Effect.andThen(TestClock.setTime(ms), tendConnections())

const test = (
  name: string,
  work: Effect.Effect<void, unknown, Services>,
  settings: Partial<Settings["Service"]> = {},
): void => it.effect(name, () => Effect.provide(work, memoryNode({ settings })))

describe("a connection that is looked after", () => {
  test(
    "is told a minute before its token ends, once, and closed when it has ended",
    Effect.gen(function* () {
      const { closings, connection, emitted } = yield* connect({ id: "a1", claims: { expiresAt: 600 } })
      const expiring = ["session:expiring", { expiresAt: 600_000 }, undefined] as const
      yield* at(540_000 - SECOND_MS)
      assert.deepStrictEqual(emitted, [])
      yield* at(540_000)
      yield* at(541_000)
      assert.deepStrictEqual(emitted, [expiring])
      yield* at(600_000 - 1)
      assert.deepStrictEqual(closings, [])
      yield* at(600_000)
      assert.deepStrictEqual(closings, [CLOSINGS.tokenExpired])
      assert.isTrue(connection.closed)
    }),
  )

  test(
    "whose token lives shortly is told at half of its life",
    Effect.gen(function* () {
      const { emitted } = yield* connect({ id: "a1", claims: { expiresAt: 20 } })
      yield* at(10_000 - 1)
      assert.deepStrictEqual(emitted, [])
      yield* at(10_000)
      assert.strictEqual(emitted.length, 1)
    }),
  )

  test(
    "outlives its token by the clock tolerance",
    Effect.gen(function* () {
      const { closings } = yield* connect({ id: "a1", claims: { expiresAt: 600 } })
      yield* at(630_000 - 1)
      assert.deepStrictEqual(closings, [])
      yield* at(630_000)
      assert.deepStrictEqual(closings, [CLOSINGS.tokenExpired])
    }),
    { clockToleranceMs: 30_000 },
  )

  test(
    "that got no message for half of the time that positions are good for is sent one, with what it has",
    Effect.gen(function* () {
      const engine = yield* Engine
      const half = engine.recordTtlMs / 2
      const { connection, emitted } = yield* connect({ id: "a1", session: true })
      yield* at(half)
      assert.deepStrictEqual(emitted, [])
      yield* at(half + SECOND_MS)
      yield* at(half + 2 * SECOND_MS)
      assert.strictEqual(emitted.length, 1)
      const [event, data, position] = emitted[0] ?? []
      assert.deepStrictEqual([event, data], ["session:position", {}])
      const [epoch, offset] = String(position).split(".")
      assert.strictEqual(epoch, engine.epoch())
      assert.isAtLeast(Number.parseInt(String(offset), 36), (half + SECOND_MS) * 1_000)
      assert.strictEqual(connection.positionSentAt, half + SECOND_MS)
    }),
  )

  test(
    "is sent no position where it cannot recover, or while its gate is closed",
    Effect.gen(function* () {
      const engine = yield* Engine
      const without = yield* connect({ id: "a1" })
      const gated = yield* connect({ id: "a2", session: true })
      gated.connection.gate = new Gate(10, 10_000)
      yield* at(engine.recordTtlMs)
      assert.deepStrictEqual([...without.emitted, ...gated.emitted], [])
      gated.connection.gate = null
      yield* at(engine.recordTtlMs + SECOND_MS)
      assert.deepStrictEqual(
        gated.emitted.map(([event]) => event),
        ["session:position"],
      )
    }),
  )

  test(
    "is told nothing of its token before its gate has opened, for session:ready comes first; closed it is all the same",
    Effect.gen(function* () {
      const { closings, connection, emitted } = yield* connect({ id: "a1", claims: { expiresAt: 600 } })
      connection.gate = new Gate(10, 10_000)
      yield* at(590_000)
      assert.deepStrictEqual(emitted, [])
      yield* at(600_000)
      assert.deepStrictEqual(closings, [CLOSINGS.tokenExpired])
    }),
  )

  test(
    "whose token has ended is told nothing more than that",
    Effect.gen(function* () {
      const { emitted } = yield* connect({ id: "a1", claims: { expiresAt: 600 }, session: true })
      const engine = yield* Engine
      yield* at(600_000 + engine.recordTtlMs)
      assert.deepStrictEqual(emitted, [])
    }),
  )

  test(
    "whose life began late is told at half of what was left of it then",
    Effect.gen(function* () {
      const { connection, emitted } = yield* connect({ id: "a1", claims: { expiresAt: 600 } })
      Object.assign(connection, { tokenSince: 580_000 })
      yield* at(590_000 - 1)
      assert.deepStrictEqual(emitted, [])
      yield* at(590_000)
      assert.strictEqual(emitted.length, 1)
    }),
  )

  test(
    "has its way out looked after, too",
    Effect.gen(function* () {
      const { connection } = yield* connect({ id: "a1" })
      const looks: number[] = []
      Object.assign(connection.link, { tend: (nowMs: number) => looks.push(nowMs) })
      yield* at(5_000)
      assert.deepStrictEqual(looks, [5_000])
    }),
  )

  test(
    "is sent no position where its gate closes while the clock is asked",
    Effect.gen(function* () {
      const engine = yield* Engine
      const { connection, emitted } = yield* connect({ id: "a1", session: true })
      yield* at(engine.recordTtlMs).pipe(
        Effect.provideService(Engine, {
          ...engine,
          clock: (partition) =>
            Effect.tap(engine.clock(partition), () =>
              Effect.sync(() => {
                connection.gate = new Gate(10, 10_000)
              }),
            ),
        }),
      )
      assert.deepStrictEqual(emitted, [])
    }),
  )

  test(
    "that got a message lately is sent no position, and the engine not asked for one",
    Effect.gen(function* () {
      const engine = yield* Engine
      yield* connect({ id: "a1", session: true })
      let asked = 0
      yield* at(1_000).pipe(
        Effect.provideService(Engine, {
          ...engine,
          clock: (partition) =>
            Effect.suspend(() => {
              asked++
              return engine.clock(partition)
            }),
        }),
      )
      assert.strictEqual(asked, 0)
    }),
  )

  test(
    "is looked after while the engine is away, and the clock is asked once for all",
    Effect.gen(function* () {
      const engine = yield* Engine
      let asked = 0
      const away = Effect.suspend(() => {
        asked++
        return Effect.fail(new Refusal("engine_unavailable", "away"))
      })
      const stale = yield* connect({ id: "a1", session: true })
      const ended = yield* connect({ id: "a2", claims: { expiresAt: 1 } })
      yield* TestClock.setTime(engine.recordTtlMs)
      const refusal = yield* Effect.flip(tendConnections()).pipe(
        Effect.provideService(Engine, { ...engine, clock: () => away }),
      )
      assert.strictEqual(refusal._tag, "engine_unavailable")
      assert.deepStrictEqual(ended.closings, [CLOSINGS.tokenExpired])
      assert.deepStrictEqual(stale.emitted, [])
      yield* connect({ id: "a3", userId: "bob", session: true })
      yield* Effect.ignore(tendConnections()).pipe(Effect.provideService(Engine, { ...engine, clock: () => away }))
      assert.strictEqual(asked, 2)
      yield* tendConnections()
      assert.strictEqual(stale.emitted.length, 1)
    }),
  )
})
