import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { LocalConnections, MAX_TAKEOVERS, TAKEOVER_MS } from "#application/local-connections.ts"
import type { Services } from "#application/services.ts"
import { recordingMetrics } from "#tests/support/silent-metrics.ts"
import { connect, memoryNode, SESSION_ID } from "./node-fixture.ts"

const test = (name: string, work: Effect.Effect<void, unknown, Services>): void =>
  it.effect(name, () => Effect.provide(work, memoryNode()))

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

  it.effect("is remembered within bounds: the oldest is forgotten, and counted", () => {
    const metrics = recordingMetrics()
    return Effect.gen(function* () {
      const { taken } = yield* LocalConnections
      for (let i = 0; i <= MAX_TAKEOVERS; i++) taken(`s${i}`, 2)
      assert.deepStrictEqual(metrics.hits, ["takeovers"])
    }).pipe(Effect.provide(Layer.provide(LocalConnections.layer, metrics.layer)))
  })
})
