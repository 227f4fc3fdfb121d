import { assert, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { enterRoom } from "#application/enter-room.ts"
import { LocalConnections, MAX_UNWRITTEN } from "#application/local-connections.ts"
import { LocalRooms } from "#application/local-rooms.ts"
import { Backend, type WebhookData } from "#application/ports/backend.ts"
import { ConnectionDirectory } from "#application/ports/connection-directory.ts"
import { Engine } from "#application/ports/engine.ts"
import { EventHandlers } from "#application/ports/event-handlers.ts"
import { SessionStore } from "#application/ports/session-store.ts"
import { Settings } from "#application/ports/settings.ts"
import type { Services } from "#application/services.ts"
import { type CloseCommand, closeConnection } from "#application/use-cases/close-connection.ts"
import { tendDepartures } from "#application/use-cases/tend-departures.ts"
import { Refusal } from "#domain/errors.ts"
import type { RoomName } from "#domain/room.ts"
import { recordingMetrics } from "#tests/support/silent-metrics.ts"
import { type Client, connect, memoryNode, SESSION_ID } from "./node-fixture.ts"

const LOBBY = "lobby" as RoomName
const GRACE_MS = 5_000

type Told = (readonly [string, WebhookData])[]

const telling = <A, E, R>(work: Effect.Effect<A, E, R>, told: Told) =>
  Effect.updateService(work, Backend, (backend) => ({
    ...backend,
    notify: (kind, data) => void told.push([kind, data]),
  }))

/** Closes it, and answers what its backend is told. */
const close = Effect.fnUntraced(function* ({ connection }: Client, outcome: CloseCommand["outcome"]) {
  const told: Told = []
  yield* telling(closeConnection({ connection, reason: "transport close", outcome }), told)
  return told
})

/** What the backend is told when so much time has passed. */
const passing = Effect.fnUntraced(function* (ms: number) {
  const told: Told = []
  yield* TestClock.adjust(ms)
  yield* telling(tendDepartures(), told)
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

/** Whoever has its session takes its place. */
const replaced = Effect.gen(function* () {
  const directory = yield* ConnectionDirectory
  const { formerRooms } = yield* directory.register({ ...ELSEWHERE, connectionId: "a2" }, ["a1"])
  assert.deepStrictEqual(formerRooms, [LOBBY])
})
const ELSEWHERE = {
  userId: "ann",
  node: "b",
  transport: "websocket",
  address: "192.0.2.1",
  rooms: [],
  connectedAt: 0,
}

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
      assert.deepStrictEqual(yield* passing(GRACE_MS - 1), [])
      assert.deepStrictEqual(yield* members, ["a1"])
      assert.deepStrictEqual(yield* passing(1), [left])
      assert.deepStrictEqual(yield* members, [])
      assert.deepStrictEqual(yield* passing(GRACE_MS), [])
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
      assert.deepStrictEqual(yield* close(client, "taken"), [gone])
      yield* replaced
      assert.deepStrictEqual(yield* passing(GRACE_MS), [])
      assert.deepStrictEqual(yield* members, [])
      const session = yield* stored
      assert.isDefined(session)
      assert.isUndefined(session?.droppedAt)
    }),
  )

  it.effect("and was replaced is not told of before who replaces it is there, also where nobody has a grace", () =>
    Effect.gen(function* () {
      const client = yield* connect({ id: "a1", rooms: [LOBBY], session: true })
      assert.deepStrictEqual(yield* close(client, "taken"), [gone])
      assert.deepStrictEqual(yield* passing(1_000), [])
      yield* replaced
      assert.deepStrictEqual(yield* passing(60_000), [])
    }).pipe(Effect.provide(memoryNode({ settings: { presence: { graceMs: 0 } } }))),
  )

  test(
    "and was replaced without knowing it says as little, and ends nothing of who goes on",
    Effect.gen(function* () {
      for (const how of ["kept", "ended"] as const) {
        const client = yield* connect({ id: "a1", rooms: [LOBBY], session: true })
        const read = yield* stored
        const sessions = yield* SessionStore
        if (read !== undefined) yield* sessions.take(read.session, { node: "b", connectionId: "a2" })
        assert.deepStrictEqual(yield* close(client, how), [gone])
        yield* replaced
        assert.deepStrictEqual(yield* passing(GRACE_MS), [])
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
      yield* close(client, "kept")
      const directory = yield* ConnectionDirectory
      yield* directory.leave("a1", LOBBY)
      const told = yield* passing(GRACE_MS)
      assert.deepStrictEqual(
        told.map(([kind, { room }]) => [kind, room]),
        [["presence.left", "hall"]],
      )
    }),
  )

  test(
    "while the engine is away is gone from this node, and written off when it is back, its leave told then",
    Effect.gen(function* () {
      const away = Effect.fail(new Refusal("engine_unavailable", "away"))
      const { byId, unwritten } = yield* LocalConnections
      const directory = yield* ConnectionDirectory
      const sessions = yield* SessionStore
      for (const [i, broken] of [{ drop: () => away }, { end: () => away }].entries()) {
        const client = yield* connect({ id: "a1", rooms: [LOBBY], session: true })
        const told = yield* close(client, i === 0 ? "kept" : "ended").pipe(
          Effect.provideService(SessionStore, { ...sessions, ...broken }),
        )
        assert.deepStrictEqual(told, [gone])
        assert.deepStrictEqual([byId.size, unwritten.size], [0, 1])
        const early = yield* Effect.flip(
          Effect.provideService(tendDepartures(), SessionStore, { ...sessions, ...broken }),
        )
        assert.strictEqual(early._tag, "engine_unavailable")
        assert.strictEqual(unwritten.size, 1)
        assert.deepStrictEqual(yield* passing(0), i === 0 ? [] : [left])
        assert.strictEqual(unwritten.size, 0)
        assert.deepStrictEqual(yield* passing(GRACE_MS), i === 0 ? [left] : [])
        assert.strictEqual((yield* stored) === undefined, i === 1)
        yield* directory.remove("a1")
      }
    }),
  )

  test(
    "whose session was ended before the engine went away is not taken for a replaced one: its leave is told",
    Effect.gen(function* () {
      const away = Effect.fail(new Refusal("engine_unavailable", "away"))
      const client = yield* connect({ id: "a1", rooms: [LOBBY], session: true })
      yield* close(client, "ended").pipe(
        Effect.updateService(ConnectionDirectory, (directory) => ({ ...directory, remove: () => away })),
      )
      assert.isUndefined(yield* stored)
      assert.deepStrictEqual(yield* passing(0), [left])
    }),
  )

  test(
    "is no more than a bounded number that wait to be written off: the oldest is given up",
    Effect.gen(function* () {
      const { unwritten, writeLater } = yield* LocalConnections
      for (let i = 0; i <= MAX_UNWRITTEN; i++)
        writeLater({ connectionId: `c${i}`, session: undefined, outcome: "kept" })
      assert.strictEqual(unwritten.size, MAX_UNWRITTEN)
      assert.deepInclude([...unwritten][0], { connectionId: "c1" })
    }),
  )

  it.effect("counts those that it gives up", () => {
    const metrics = recordingMetrics()
    return Effect.gen(function* () {
      const { writeLater } = yield* LocalConnections
      for (let i = 0; i <= MAX_UNWRITTEN; i++)
        writeLater({ connectionId: `c${i}`, session: undefined, outcome: "kept" })
      assert.deepStrictEqual(metrics.hits, ["connections_unwritten"])
    }).pipe(Effect.provide(Layer.provide(LocalConnections.layer, metrics.layer)))
  })

  test(
    "leaves at once where there is no grace, and may come back all the same",
    Effect.gen(function* () {
      const client = yield* connect({ id: "a1", rooms: [LOBBY], session: true })
      const told = yield* close(client, "kept").pipe(
        Effect.updateService(Settings, (settings) => ({ ...settings, presence: { graceMs: 0 } })),
      )
      assert.deepStrictEqual(told, [left, gone])
      assert.isDefined((yield* stored)?.droppedAt)
    }),
  )

  test(
    "is written off to the end, whoever breaks its closing off",
    Effect.gen(function* () {
      const { connection } = yield* connect({ id: "a1", rooms: [LOBBY], session: true })
      const sessions = yield* SessionStore
      const answered = yield* Deferred.make<void>()
      const closing = yield* closeConnection({ connection, reason: "transport close", outcome: "kept" }).pipe(
        Effect.provideService(SessionStore, {
          ...sessions,
          drop: (...args) => Effect.andThen(Deferred.await(answered), sessions.drop(...args)),
        }),
        Effect.forkChild({ startImmediately: true }),
      )
      const breaking = yield* Effect.forkChild(Fiber.interrupt(closing), { startImmediately: true })
      yield* Deferred.succeed(answered, undefined)
      yield* Fiber.join(breaking)
      const directory = yield* ConnectionDirectory
      assert.isDefined((yield* stored)?.droppedAt)
      assert.isUndefined(yield* directory.connection("a1"))
    }),
  )

  test(
    "is out of its rooms here at once, and the others stay in them",
    Effect.gen(function* () {
      const { byName } = yield* LocalRooms
      const ann = yield* connect({ id: "a1" })
      const bob = yield* connect({ id: "b1", userId: "bob" })
      for (const { connection } of [ann, bob]) yield* enterRoom(connection, LOBBY, "rule")
      yield* close(ann, "kept")
      assert.deepStrictEqual([...(byName.get(LOBBY)?.members ?? [])], [bob.connection])
      yield* close(bob, "kept")
      assert.isFalse(byName.has(LOBBY))
    }),
  )

  test(
    "is counted by its reason, and told to the handlers",
    Effect.gen(function* () {
      const metrics = recordingMetrics()
      const words: string[] = []
      const { connection } = yield* connect({ id: "a1" })
      yield* closeConnection({ connection, reason: "ping timeout", outcome: "kept" }).pipe(
        Effect.provide(metrics.layer),
        Effect.updateService(EventHandlers, (handlers) => ({
          ...handlers,
          disconnect: ({ connectionId }, reason) => Effect.sync(() => words.push(`${connectionId} ${reason}`)),
        })),
      )
      assert.deepStrictEqual(metrics.calls.connectionClosed, [["ping timeout"]])
      assert.deepStrictEqual(words, ["a1 ping timeout"])
    }),
  )
})

describe("connections whose grace is over", () => {
  test(
    "are told as left to the end, though the node stops meanwhile",
    Effect.gen(function* () {
      const client = yield* connect({ id: "a1", rooms: [LOBBY, "hall"], session: true })
      yield* close(client, "kept")
      yield* TestClock.adjust(GRACE_MS)
      const told: Told = []
      const answered = yield* Deferred.make<void>()
      const tending = yield* telling(tendDepartures(), told).pipe(
        Effect.updateService(Engine, (engine) => ({
          ...engine,
          publish: (publish) => Effect.andThen(Deferred.await(answered), engine.publish(publish)),
        })),
        Effect.forkChild({ startImmediately: true }),
      )
      const stopping = yield* Effect.forkChild(Fiber.interrupt(tending), { startImmediately: true })
      yield* Deferred.succeed(answered, undefined)
      yield* Fiber.join(stopping)
      assert.deepStrictEqual(
        told.map(([kind, { room }]) => [kind, room]),
        [
          ["presence.left", LOBBY],
          ["presence.left", "hall"],
        ],
      )
    }),
  )
})

describe("a connection that was never let in", () => {
  test(
    "tells nobody that it goes, and its session is of no use to anybody",
    Effect.gen(function* () {
      const client = yield* connect({ id: "a1", session: true })
      client.connection.admitted = false
      assert.deepStrictEqual(yield* close(client, "kept"), [])
      assert.isUndefined(yield* stored)
    }),
  )
})
