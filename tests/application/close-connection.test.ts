import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { LocalConnections } from "#application/local-connections.ts"
import { Backend, type WebhookData } from "#application/ports/backend.ts"
import { ConnectionDirectory } from "#application/ports/connection-directory.ts"
import { SessionStore } from "#application/ports/session-store.ts"
import type { Services } from "#application/services.ts"
import { type CloseCommand, closeConnection } from "#application/use-cases/close-connection.ts"
import { Refusal } from "#domain/errors.ts"
import type { RoomName } from "#domain/room.ts"
import { type Client, connect, memoryNode, SESSION_ID } from "./node-fixture.ts"

const LOBBY = "lobby" as RoomName
const GRACE_MS = 5_000

/** Closes it, and answers what its backend is told, as it comes. */
const close = Effect.fnUntraced(function* ({ connection }: Client, session: CloseCommand["session"]) {
  const told: (readonly [string, WebhookData])[] = []
  const backend = yield* Backend
  yield* closeConnection({ connection, reason: "transport close", session }).pipe(
    Effect.provideService(Backend, { ...backend, notify: (kind, data) => void told.push([kind, data]) }),
  )
  return told
})

const members = Effect.gen(function* () {
  const directory = yield* ConnectionDirectory
  return (yield* directory.members(LOBBY, { limit: 10, cursor: undefined })).items.map((member) => member.connectionId)
})

const stored = Effect.gen(function* () {
  const sessions = yield* SessionStore
  return yield* sessions.read(SESSION_ID)
})

const left = ["presence.left", { connectionId: "a1", userId: "ann", room: LOBBY }] as const
const gone = ["connection.disconnect", { connectionId: "a1", userId: "ann" }] as const

const test = (name: string, work: Effect.Effect<void, unknown, Services>): void =>
  it.effect(name, () => Effect.provide(work, memoryNode()))

describe("a connection that closes", () => {
  test(
    "and may come back waits: not online at once, a member until the grace is over",
    Effect.gen(function* () {
      const client = yield* connect({ id: "a1", rooms: [LOBBY], session: true })
      const told = yield* close(client, "kept")
      const directory = yield* ConnectionDirectory
      assert.deepStrictEqual(told, [gone])
      assert.strictEqual(yield* directory.countOf("ann"), 0)
      assert.isDefined((yield* stored)?.droppedAt)
      yield* TestClock.adjust(GRACE_MS - 1)
      assert.deepStrictEqual(yield* members, ["a1"])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* members, [])
      assert.deepStrictEqual(told, [gone, left])
      assert.isDefined(yield* stored)
    }),
  )

  test(
    "and was sent away leaves at once, and its session is gone",
    Effect.gen(function* () {
      const client = yield* connect({ id: "a1", rooms: [LOBBY], session: true })
      assert.deepStrictEqual(yield* close(client, "ended"), [left, gone])
      assert.deepStrictEqual(yield* members, [])
      assert.isUndefined(yield* stored)
    }),
  )

  test(
    "and was replaced is forgotten without a word to its rooms, and its session lives on",
    Effect.gen(function* () {
      const client = yield* connect({ id: "a1", rooms: [LOBBY], session: true })
      const told = yield* close(client, "taken")
      yield* TestClock.adjust(GRACE_MS)
      assert.deepStrictEqual(told, [gone])
      assert.deepStrictEqual(yield* members, [])
      const session = yield* stored
      assert.isDefined(session)
      assert.isUndefined(session?.droppedAt)
    }),
  )

  test(
    "and was replaced without knowing it says as little, and ends nothing of who goes on",
    Effect.gen(function* () {
      for (const how of ["kept", "ended"] as const) {
        const client = yield* connect({ id: "a1", rooms: [LOBBY], session: true })
        const read = yield* stored
        const sessions = yield* SessionStore
        if (read !== undefined) yield* sessions.take(read.session, { node: "b", connectionId: "a2" })
        const told = yield* close(client, how)
        yield* TestClock.adjust(GRACE_MS)
        assert.deepStrictEqual(told, [gone])
        assert.deepStrictEqual(yield* members, [])
        assert.isDefined(yield* stored)
        assert.isUndefined((yield* stored)?.droppedAt)
      }
    }),
  )

  test(
    "and cannot be recovered leaves at once",
    Effect.gen(function* () {
      const client = yield* connect({ id: "a1", rooms: [LOBBY] })
      assert.deepStrictEqual(yield* close(client, "kept"), [left, gone])
      assert.deepStrictEqual(yield* members, [])
    }),
  )

  test(
    "closes once, whatever else ends it",
    Effect.gen(function* () {
      const client = yield* connect({ id: "a1", rooms: [LOBBY], session: true })
      yield* close(client, "kept")
      assert.deepStrictEqual(yield* close(client, "ended"), [])
      assert.isDefined(yield* stored)
    }),
  )

  test(
    "says of its rooms what they are when the grace ends: one that it has left meanwhile is not left twice",
    Effect.gen(function* () {
      const client = yield* connect({ id: "a1", rooms: [LOBBY, "hall"], session: true })
      const told = yield* close(client, "kept")
      client.connection.rooms.delete(LOBBY)
      yield* TestClock.adjust(GRACE_MS)
      assert.deepStrictEqual(
        told.slice(1).map(([kind, { room }]) => [kind, room]),
        [["presence.left", "hall"]],
      )
    }),
  )

  test(
    "is gone from this node and its backend hears of it, even while the engine is away",
    Effect.gen(function* () {
      const away = Effect.fail(new Refusal("engine_unavailable", "away"))
      const client = yield* connect({ id: "a1", rooms: [LOBBY], session: true })
      const directory = yield* ConnectionDirectory
      const sessions = yield* SessionStore
      const told = yield* close(client, "kept").pipe(
        Effect.provideService(ConnectionDirectory, { ...directory, depart: () => away, remove: () => away }),
        Effect.provideService(SessionStore, { ...sessions, drop: () => away }),
      )
      const { byId } = yield* LocalConnections
      assert.strictEqual(byId.size, 0)
      assert.deepStrictEqual(told, [gone])
      yield* TestClock.adjust(GRACE_MS)
      assert.deepStrictEqual(told, [gone, left])
    }),
  )
})
