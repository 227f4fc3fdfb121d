import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { Backend } from "#application/ports/backend.ts"
import { ConnectionDirectory } from "#application/ports/connection-directory.ts"
import { closeConnection } from "#application/use-cases/close-connection.ts"
import { reconcileDirectory } from "#application/use-cases/reconcile-directory.ts"
import { tendDepartures } from "#application/use-cases/tend-departures.ts"
import type { RoomName } from "#domain/room.ts"
import { connect, memoryNode } from "./node-fixture.ts"

const A = "a" as RoomName

/** Ids of those whose leave is told once the grace is over. */
const leaves = Effect.gen(function* () {
  const told: unknown[] = []
  yield* TestClock.adjust("1 minute")
  yield* tendDepartures().pipe(
    Effect.updateService(Backend, (backend) => ({
      ...backend,
      notify: (kind, data) => void told.push(kind === "presence.left" ? Reflect.get(data, "connectionId") : kind),
    })),
  )
  return told
})

describe("the directory of a node", () => {
  it.effect("loses the connections that are gone, whose leave is told once, and keeps those that are here", () =>
    Effect.gen(function* () {
      const directory = yield* ConnectionDirectory
      for (const id of ["a1", "a2"]) yield* connect({ id, rooms: ["a"] })
      const { connection: gone } = yield* connect({ id: "a3", rooms: ["a"] })
      const late = yield* directory.connection("a3")
      yield* closeConnection({ connection: gone, reason: "transport close", outcome: "ended" })
      // The registration comes when the connection was written off already.
      if (late !== undefined) yield* directory.register(late)
      yield* reconcileDirectory()
      yield* reconcileDirectory()
      assert.deepStrictEqual((yield* directory.registeredHere({ limit: 10, cursor: undefined })).items, ["a1", "a2"])
      assert.deepStrictEqual(yield* leaves, ["a3"])
      assert.strictEqual(yield* directory.memberCount(A), 2)
    }).pipe(Effect.provide(memoryNode())),
  )

  it.effect("is looked through to its end, however many connections it has", () =>
    Effect.gen(function* () {
      const directory = yield* ConnectionDirectory
      const { connection } = yield* connect({ id: "a1" })
      const ids = Array.from({ length: 1_500 }, (_, i) => `gone${i}`)
      for (const connectionId of ids)
        yield* directory.register({ ...ELSEWHERE, connectionId, node: "test-node", rooms: [A] })
      yield* reconcileDirectory()
      const left = yield* leaves
      assert.sameMembers(left, ids)
      assert.strictEqual((yield* directory.connection(connection.id))?.connectionId, "a1")
    }).pipe(Effect.provide(memoryNode())),
  )

  it.effect("keeps one that another connection is taking the place of until that is registered", () =>
    Effect.gen(function* () {
      const directory = yield* ConnectionDirectory
      const { connection } = yield* connect({ id: "a1", rooms: ["a"], session: true })
      const entry = yield* directory.connection("a1")
      yield* closeConnection({ connection, reason: "session_taken", outcome: "taken" })
      if (entry !== undefined) yield* directory.register(entry)
      yield* reconcileDirectory()
      yield* tendDepartures()
      const { formerRooms } = yield* directory.register({ ...ELSEWHERE, rooms: [A] }, ["a1"])
      assert.deepStrictEqual(formerRooms, [A], "it was given up before another took its place")
      assert.deepStrictEqual(yield* leaves, [])
    }).pipe(Effect.provide(memoryNode({ settings: { presence: { graceMs: 0 } } }))),
  )
})

const ELSEWHERE = {
  connectionId: "a2",
  userId: "ann",
  node: "b",
  transport: "websocket",
  address: "192.0.2.1",
  connectedAt: 0,
}
