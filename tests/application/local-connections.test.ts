import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { LocalConnection, LocalConnections, MAX_TAKEOVERS, TAKEOVER_MS } from "#application/local-connections.ts"
import type { Services } from "#application/services.ts"
import { recordingMetrics } from "#tests/support/silent-metrics.ts"
import { connect, memoryNode, SESSION_ID } from "./node-fixture.ts"

const test = (name: string, work: Effect.Effect<void, unknown, Services>): void =>
  it.effect(name, () => Effect.provide(work, memoryNode()))

describe("the connections of a node", () => {
  it.effect("are counted, and what could not be written of those that are gone", () => {
    const metrics = recordingMetrics()
    return Effect.gen(function* () {
      const local = yield* LocalConnections
      const { connection } = yield* connect({ id: "a1" }).pipe(Effect.provide(memoryNode()))
      const gauges = () => [metrics.gauge("connections"), metrics.gauge("connections_unwritten")]
      const late = { connectionId: "a0", session: undefined, outcome: "kept" } as const
      local.add(connection)
      local.writeLater(late)
      assert.deepStrictEqual(gauges(), [1, 1])
      local.remove(connection)
      local.written(late)
      assert.deepStrictEqual(gauges(), [0, 0])
    }).pipe(Effect.provide(Layer.provide(LocalConnections.layer, metrics.layer)))
  })
})

describe("a session that is taken over", () => {
  test(
    "is lost by the connection here that has a lower number, and by no other",
    Effect.gen(function* () {
      const { taken } = yield* LocalConnections
      const { connection } = yield* connect({ id: "a1", session: true })
      assert.isUndefined(taken(SESSION_ID, 1))
      assert.isUndefined(taken("another", 2))
      assert.strictEqual(taken(SESSION_ID, 2), connection)
    }),
  )

  test(
    "is remembered for a minute, for a connection that had it and is not registered yet",
    Effect.gen(function* () {
      const { add, remove, taken } = yield* LocalConnections
      const { connection } = yield* connect({ id: "a1", session: true })
      remove(connection)
      taken(SESSION_ID, 3)
      taken(SESSION_ID, 2)
      yield* TestClock.adjust(TAKEOVER_MS - 1)
      assert.isTrue(add(connection).taken)
      remove(connection)
      yield* TestClock.adjust(1)
      taken("another", 2)
      assert.isFalse(add(connection).taken)
    }),
  )

  test(
    "is remembered by its highest number, in whatever order the news come",
    Effect.gen(function* () {
      const { add, remove, taken } = yield* LocalConnections
      const { connection } = yield* connect({ id: "a1", session: true })
      remove(connection)
      taken(SESSION_ID, 3)
      taken(SESSION_ID, 2)
      const second = new LocalConnection({ ...connection, session: { id: SESSION_ID, owner: 2 } }, connection.link)
      const third = new LocalConnection({ ...connection, session: { id: SESSION_ID, owner: 3 } }, connection.link)
      assert.isTrue(add(second).taken)
      assert.isFalse(add(third).taken)
    }),
  )

  test(
    "goes on with the connection that has it, when the one that had it is gone; and with none when that is gone too",
    Effect.gen(function* () {
      const { add, remove, taken } = yield* LocalConnections
      const { connection: first } = yield* connect({ id: "a1", session: true })
      const second = new LocalConnection({ ...first, id: "a2", session: { id: SESSION_ID, owner: 2 } }, first.link)
      assert.deepStrictEqual(add(second), { taken: false, lost: first })
      remove(first)
      assert.strictEqual(taken(SESSION_ID, 3), second)
      remove(second)
      assert.isUndefined(taken(SESSION_ID, 4))
    }),
  )

  test(
    "is no business of a connection without one",
    Effect.gen(function* () {
      const { add, byId, remove } = yield* LocalConnections
      const { connection } = yield* connect({ id: "a1" })
      assert.isFalse(add(connection).taken)
      remove(connection)
      assert.isFalse(byId.has("a1"))
    }),
  )

  it.effect("is forgotten after its time without counting as one too many", () => {
    const metrics = recordingMetrics()
    return Effect.gen(function* () {
      const { taken } = yield* LocalConnections
      taken("s1", 2)
      yield* TestClock.adjust(TAKEOVER_MS)
      taken("s2", 2)
      assert.deepStrictEqual(metrics.hits, [])
    }).pipe(Effect.provide(Layer.provide(LocalConnections.layer, metrics.layer)))
  })

  it.effect("is remembered within bounds: the oldest is forgotten, and counted", () => {
    const metrics = recordingMetrics()
    return Effect.gen(function* () {
      const { taken } = yield* LocalConnections
      for (let i = 0; i <= MAX_TAKEOVERS; i++) taken(`s${i}`, 2)
      assert.deepStrictEqual(metrics.hits, ["takeovers"])
    }).pipe(Effect.provide(Layer.provide(LocalConnections.layer, metrics.layer)))
  })
})
