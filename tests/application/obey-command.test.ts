import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { LocalConnections } from "#application/local-connections.ts"
import { ConnectionDirectory } from "#application/ports/connection-directory.ts"
import type { NodeAnswer } from "#application/ports/node-commands.ts"
import { obeyCommand } from "#application/use-cases/obey-command.ts"
import { CLOSINGS } from "#domain/closing.ts"
import type { RoomName } from "#domain/room.ts"
import { connect, memoryNode } from "./node-fixture.ts"

const room = "lobby" as RoomName
const GONE: NodeAnswer = { kind: "done", found: false }
const DONE: NodeAnswer = { kind: "done", found: true }

describe("a command from another node", () => {
  it.effect("finds nothing to do for a connection that is not here", () =>
    Effect.gen(function* () {
      const connectionId = "gone"
      assert.deepStrictEqual(yield* obeyCommand({ kind: "join", connectionId, room }), GONE)
      assert.deepStrictEqual(yield* obeyCommand({ kind: "leave", connectionId, room }), GONE)
      assert.deepStrictEqual(yield* obeyCommand({ kind: "disconnect", connectionId, reason: "disconnected" }), GONE)
    }).pipe(Effect.provide(memoryNode())),
  )

  it.effect("joins as entered by the API, and leaves the connection's gate open", () =>
    Effect.gen(function* () {
      const { connection } = yield* connect({ id: "a1" })
      assert.deepStrictEqual(yield* obeyCommand({ kind: "join", connectionId: "a1", room }), DONE)
      assert.strictEqual(connection.rooms.get(room)?.by, "api")
      assert.isNull(connection.gate)
      assert.strictEqual(connection.gateHolds, 0)
      assert.deepStrictEqual(yield* obeyCommand({ kind: "leave", connectionId: "a1", room }), DONE)
      assert.isFalse(connection.rooms.has(room))
    }).pipe(Effect.provide(memoryNode())),
  )

  it.effect("opens the gate after a join that was refused, too", () =>
    Effect.gen(function* () {
      const { connection } = yield* connect({ id: "a1", rooms: Array.from({ length: 100 }, (_, i) => `r${i}`) })
      const refusal = yield* Effect.flip(obeyCommand({ kind: "join", connectionId: "a1", room }))
      assert.strictEqual(refusal._tag, "too_many_rooms")
      assert.isNull(connection.gate)
    }).pipe(Effect.provide(memoryNode())),
  )

  it.effect("answers a disconnect only when a look-up does not find the connection any more", () =>
    Effect.gen(function* () {
      yield* connect({ id: "a1" })
      const directory = yield* ConnectionDirectory
      assert.deepStrictEqual(
        yield* obeyCommand({ kind: "disconnect", connectionId: "a1", reason: "disconnected" }),
        DONE,
      )
      assert.isUndefined(yield* directory.connection("a1"))
    }).pipe(Effect.provide(memoryNode())),
  )

  it.effect("says so when a closed connection stays in the directory, instead of claiming that it is gone", () =>
    Effect.gen(function* () {
      const { connection } = yield* connect({ id: "a1" })
      connection.closed = true
      const fiber = yield* Effect.forkChild(
        Effect.flip(obeyCommand({ kind: "disconnect", connectionId: "a1", reason: "disconnected" })),
        { startImmediately: true },
      )
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "engine_unavailable")
    }).pipe(Effect.provide(memoryNode())),
  )

  it.effect("does not claim to have closed what is closing for another reason", () =>
    Effect.gen(function* () {
      const { connection } = yield* connect({ id: "a1" })
      const local = yield* LocalConnections
      connection.link.close(CLOSINGS.draining)
      local.add(connection)
      const answer = yield* obeyCommand({ kind: "disconnect", connectionId: "a1", reason: "disconnected" })
      assert.deepStrictEqual(answer, GONE)
      const revocation = { userId: "ann", issuedBefore: 5_000 }
      assert.deepStrictEqual(yield* obeyCommand({ kind: "revoke", revocation }), { kind: "closed", count: 0 })
    }).pipe(Effect.provide(memoryNode())),
  )
})
