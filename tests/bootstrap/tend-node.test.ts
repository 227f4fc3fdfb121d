import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { ConnectionDirectory } from "#application/ports/connection-directory.ts"
import { RENEWED_EACH_MS, SessionStore } from "#application/ports/session-store.ts"
import { tendNode } from "#bootstrap/tend-node.ts"
import { CLOSINGS } from "#domain/closing.ts"
import { Refusal } from "#domain/errors.ts"
import type { RoomName } from "#domain/room.ts"
import { connect, memoryNode, SESSION_ID } from "#tests/application/node-fixture.ts"
import { capturedLogs } from "#tests/support/captured-logs.ts"

const A = "a" as RoomName
const stray = {
  connectionId: "stray",
  userId: "bea",
  node: "test-node",
  transport: "websocket",
  address: "192.0.2.1",
  rooms: [A],
  connectedAt: 0,
}

/** What the directory has of this node's. */
const registered = Effect.gen(function* () {
  const directory = yield* ConnectionDirectory
  return (yield* directory.registeredHere({ limit: 10, cursor: undefined })).items
})

describe("a node, by the clock", () => {
  it.effect("takes out of the directory what is gone, closes whose session is gone, and tells who left", () =>
    Effect.gen(function* () {
      const directory = yield* ConnectionDirectory
      const sessions = yield* SessionStore
      const { closings } = yield* connect({ id: "a1", rooms: ["a"], session: true })
      yield* connect({ id: "a2", rooms: ["a"] })
      yield* Effect.forkChild(tendNode, { startImmediately: true })
      yield* directory.register(stray)
      yield* sessions.end(SESSION_ID, 1, "a1")
      assert.deepStrictEqual(yield* registered, ["a1", "a2", "stray"])
      yield* TestClock.adjust(RENEWED_EACH_MS)
      assert.deepStrictEqual(closings, [CLOSINGS.newEpoch])
      assert.deepStrictEqual(yield* registered, ["a2"])
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* directory.memberCount(A), 1)
    }).pipe(Effect.provide(memoryNode())),
  )

  it.effect("goes on where the engine was away, and complains of it once each time", () => {
    const logs = capturedLogs()
    const complaints = () => logs.entries.filter(({ message }) => message.includes("could not be tended")).length
    return Effect.gen(function* () {
      const directory = yield* ConnectionDirectory
      let isAway = true
      const takeDeparted = (limit: number) =>
        isAway ? Effect.fail(new Refusal("engine_unavailable", "away")) : directory.takeDeparted(limit)
      yield* tendNode.pipe(
        Effect.provideService(ConnectionDirectory, { ...directory, takeDeparted }),
        Effect.forkChild({ startImmediately: true }),
      )
      yield* directory.register(stray)
      yield* directory.depart("stray", 0)
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(yield* directory.memberCount(A), 1)
      assert.strictEqual(complaints(), 1)
      isAway = false
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* directory.memberCount(A), 0)
      isAway = true
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(complaints(), 2)
    }).pipe(Effect.provide(Layer.merge(memoryNode(), logs.layer)))
  })
})
