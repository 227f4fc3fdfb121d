import { assert, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { LocalConnections } from "#application/local-connections.ts"
import { ConnectionDirectory } from "#application/ports/connection-directory.ts"
import type { NodeAnswer } from "#application/ports/node-commands.ts"
import { SessionStore } from "#application/ports/session-store.ts"
import type { Services } from "#application/services.ts"
import { closeConnection } from "#application/use-cases/close-connection.ts"
import { obeyCommand } from "#application/use-cases/obey-command.ts"
import { CLOSINGS } from "#domain/closing.ts"
import { Refusal } from "#domain/errors.ts"
import type { RoomName } from "#domain/room.ts"
import { connect, memoryNode, SESSION_ID } from "./node-fixture.ts"

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

  it.effect(
    "does not find a connection that it closes when its session is another one's by then, on whatever node",
    () =>
      Effect.gen(function* () {
        yield* connect({ id: "a1", session: true })
        const sessions = yield* SessionStore
        const stored = yield* sessions.read(SESSION_ID)
        if (stored === undefined) return assert.fail("there is no session")
        yield* sessions.take(stored.session, { node: "another", connectionId: "a2" })
        const answer = yield* obeyCommand({ kind: "disconnect", connectionId: "a1", reason: "disconnected" })
        assert.deepStrictEqual(answer, GONE)
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

  it.effect("does not find a connection that goes away while it joins, be it closed or replaced", () =>
    Effect.gen(function* () {
      const context = yield* Effect.context<Services>()
      const { connection } = yield* connect({ id: "a1" })
      const close = closeConnection({ connection, reason: "transport close", outcome: "kept" })
      const closed = yield* obeyCommand({ kind: "join", connectionId: "a1", room }).pipe(
        Effect.updateService(ConnectionDirectory, (directory) => ({
          ...directory,
          join: (...args) => Effect.andThen(Effect.provideContext(close, context), directory.join(...args)),
        })),
      )
      assert.deepStrictEqual(closed, GONE)
      const bob = yield* connect({ id: "b1", userId: "bob", session: true })
      // Its close is under way, and not seen yet.
      Object.assign(bob.connection.link, { close: () => true })
      const replaced = yield* obeyCommand({ kind: "join", connectionId: "b1", room }).pipe(
        Effect.updateService(SessionStore, (sessions) => ({ ...sessions, join: () => Effect.succeed(false) })),
      )
      assert.deepStrictEqual(replaced, GONE)
    }).pipe(Effect.provide(memoryNode())),
  )

  it.effect("that cannot be carried out fails where the connection is still there", () =>
    Effect.gen(function* () {
      yield* connect({ id: "a1" })
      const refusal = yield* Effect.flip(obeyCommand({ kind: "join", connectionId: "a1", room })).pipe(
        Effect.updateService(ConnectionDirectory, (directory) => ({
          ...directory,
          join: () => Effect.fail(new Refusal("engine_unavailable", "away")),
        })),
      )
      assert.strictEqual(refusal._tag, "engine_unavailable")
    }).pipe(Effect.provide(memoryNode())),
  )

  it.effect("joins to the end, though who wanted it goes away meanwhile", () =>
    Effect.gen(function* () {
      const { connection } = yield* connect({ id: "a1" })
      const answered = yield* Deferred.make<void>()
      const joining = yield* obeyCommand({ kind: "join", connectionId: "a1", room }).pipe(
        Effect.updateService(ConnectionDirectory, (directory) => ({
          ...directory,
          join: (...args) => Effect.andThen(Deferred.await(answered), directory.join(...args)),
        })),
        Effect.forkChild({ startImmediately: true }),
      )
      const leaving = yield* Effect.forkChild(Fiber.interrupt(joining), { startImmediately: true })
      yield* Deferred.succeed(answered, undefined)
      yield* Fiber.join(leaving)
      assert.isTrue(connection.rooms.has(room))
      assert.isNull(connection.gate)
    }).pipe(Effect.provide(memoryNode())),
  )

  it.effect("to revoke is answered only when a look-up finds none of the connections any more", () =>
    Effect.gen(function* () {
      const { connection } = yield* connect({ id: "a1" })
      const other = yield* connect({ id: "b1", userId: "bob" })
      const directory = yield* ConnectionDirectory
      // Its close takes time to be written.
      Object.assign(connection.link, { close: () => true })
      const fiber = yield* Effect.forkChild(
        obeyCommand({ kind: "revoke", revocation: { userId: "ann", issuedBefore: 5_000 } }),
        { startImmediately: true },
      )
      yield* TestClock.adjust(1_000)
      assert.isUndefined(fiber.pollUnsafe())
      yield* directory.remove("a1")
      yield* TestClock.adjust(1_000)
      assert.deepStrictEqual(yield* Fiber.join(fiber), { kind: "closed", count: 1 })
      assert.deepStrictEqual(other.closings, [])
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
