import { assert, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { describe } from "vitest"
import { enterRoom, stayBehindGate } from "#application/enter-room.ts"
import { exitRoom } from "#application/exit-room.ts"
import { LocalRooms } from "#application/local-rooms.ts"
import { Backend, type WebhookData } from "#application/ports/backend.ts"
import { ConnectionDirectory } from "#application/ports/connection-directory.ts"
import { Engine } from "#application/ports/engine.ts"
import { SessionStore } from "#application/ports/session-store.ts"
import { Settings } from "#application/ports/settings.ts"
import type { Services } from "#application/services.ts"
import { closeConnection } from "#application/use-cases/close-connection.ts"
import { CLOSINGS } from "#domain/closing.ts"
import { Refusal } from "#domain/errors.ts"
import { EVERYBODY, type RoomName } from "#domain/room.ts"
import { connect, memoryNode, SESSION_ID } from "./node-fixture.ts"

const LOBBY = "lobby" as RoomName
const away = Effect.fail(new Refusal("engine_unavailable", "away"))

/** Where the connection is in the lobby, as far as each of those knows who has a say. */
const traces = Effect.gen(function* () {
  const directory = yield* ConnectionDirectory
  const sessions = yield* SessionStore
  const { byName } = yield* LocalRooms
  return {
    here: byName.get(LOBBY)?.members.size ?? 0,
    subscribed: byName.has(LOBBY),
    directory: yield* directory.memberCount(LOBBY),
    session: (yield* sessions.read(SESSION_ID))?.session.rooms.has(LOBBY) ?? false,
  }
})
const NONE = { here: 0, subscribed: false, directory: 0, session: false }
const IN = { here: 1, subscribed: true, directory: 1, session: true }

const told =
  (words: string[]) =>
  (kind: string, { room }: WebhookData) =>
    void words.push(`${kind} ${room}`)

const test = (name: string, work: Effect.Effect<void, unknown, Services>): void =>
  it.effect(name, () => Effect.provide(work, memoryNode()))

describe("a join", () => {
  test(
    "that fails at any of its steps leaves no trace and an open gate, and the same again succeeds",
    Effect.gen(function* () {
      const { connection } = yield* connect({ id: "a1", session: true })
      const rooms = yield* LocalRooms
      const engine = yield* Engine
      const directory = yield* ConnectionDirectory
      const sessions = yield* SessionStore
      const backend = yield* Backend
      const words: string[] = []
      const join = enterRoom(connection, LOBBY, "rule").pipe(
        Effect.provideService(Backend, { ...backend, notify: told(words) }),
      )
      const done = <A>(work: Effect.Effect<A, Refusal<"engine_unavailable">>) => Effect.andThen(work, away)
      const failures: readonly Effect.Effect<unknown, Refusal, Services>[] = [
        Effect.provideService(join, LocalRooms, { ...rooms, hold: () => away }),
        Effect.provideService(join, Engine, { ...engine, clock: () => away }),
        Effect.provideService(join, SessionStore, { ...sessions, join: () => away }),
        Effect.provideService(join, SessionStore, { ...sessions, join: (...args) => done(sessions.join(...args)) }),
        Effect.provideService(join, ConnectionDirectory, { ...directory, join: () => away }),
        Effect.provideService(join, ConnectionDirectory, {
          ...directory,
          join: (...args) => done(directory.join(...args)),
        }),
      ]
      for (const failure of failures) {
        assert.strictEqual((yield* Effect.flip(failure))._tag, "engine_unavailable")
        assert.deepStrictEqual(yield* traces, NONE)
        assert.isFalse(connection.rooms.has(LOBBY))
        assert.isNull(connection.gate)
      }
      assert.deepStrictEqual(words, [])
      yield* join
      assert.deepStrictEqual(yield* traces, IN)
      assert.deepStrictEqual(words, ["presence.joined lobby"])
    }),
  )

  test(
    "again, before the node has caught up with the first one, answers no offset below it: nothing in between is owed",
    Effect.gen(function* () {
      const engine = yield* Engine
      const { connection } = yield* connect({ id: "a1", session: true })
      const ahead = (yield* engine.clock(0)) + 1_000_000
      const first = yield* enterRoom(connection, LOBBY, "rule").pipe(
        Effect.provideService(Engine, { ...engine, clock: () => Effect.succeed(ahead) }),
      )
      const second = yield* stayBehindGate(connection, LOBBY)
      assert.deepStrictEqual([first.offset, second], [ahead, { offset: ahead, entered: false }])
    }),
  )

  test(
    "that ends after its connection is undone, and nobody hears of it",
    Effect.gen(function* () {
      const context = yield* Effect.context<Services>()
      const directory = yield* ConnectionDirectory
      const backend = yield* Backend
      const words: string[] = []
      const { connection } = yield* connect({ id: "a1", session: true, rooms: ["hall"] })
      const close = closeConnection({ connection, reason: "transport close", outcome: "kept" })
      const refusal = yield* Effect.flip(enterRoom(connection, LOBBY, "rule")).pipe(
        Effect.provideService(ConnectionDirectory, {
          ...directory,
          join: (...args) => Effect.andThen(directory.join(...args), Effect.provideContext(close, context)),
        }),
        Effect.provideService(Backend, { ...backend, notify: told(words) }),
      )
      assert.strictEqual(refusal._tag, "engine_unavailable")
      assert.deepStrictEqual(yield* traces, NONE)
      assert.deepStrictEqual(words, [])
    }),
  )

  test(
    "that waits for its subscription when its connection closes is in nobody's room, and the room is given up",
    Effect.gen(function* () {
      const context = yield* Effect.context<Services>()
      const engine = yield* Engine
      const { connection } = yield* connect({ id: "a1", session: true })
      const close = closeConnection({ connection, reason: "transport close", outcome: "kept" })
      const rooms = yield* LocalRooms.pipe(
        Effect.provide(Layer.fresh(LocalRooms.layer)),
        Effect.provideService(Engine, {
          ...engine,
          subscribe: (room) => Effect.andThen(Effect.provideContext(close, context), engine.subscribe(room)),
        }),
      )
      const refusal = yield* Effect.flip(enterRoom(connection, LOBBY, "rule")).pipe(
        Effect.provideService(LocalRooms, rooms),
      )
      assert.strictEqual(refusal._tag, "engine_unavailable")
      assert.isFalse(rooms.byName.has(LOBBY))
      assert.deepStrictEqual(yield* traces, NONE)
    }),
  )

  test(
    "that is broken off while it waits for its subscription leaves the room to nobody",
    Effect.gen(function* () {
      const engine = yield* Engine
      const { connection } = yield* connect({ id: "a1", session: true })
      const live = yield* Deferred.make<void>()
      const rooms = yield* LocalRooms.pipe(
        Effect.provide(Layer.fresh(LocalRooms.layer)),
        Effect.provideService(Engine, { ...engine, subscribe: () => Deferred.await(live) }),
      )
      const joining = yield* enterRoom(connection, LOBBY, "rule").pipe(
        Effect.provideService(LocalRooms, rooms),
        Effect.forkChild({ startImmediately: true }),
      )
      const breaking = yield* Effect.forkChild(Fiber.interrupt(joining), { startImmediately: true })
      yield* Deferred.succeed(live, undefined)
      yield* Fiber.join(breaking)
      yield* closeConnection({ connection, reason: "transport close", outcome: "kept" }).pipe(
        Effect.provideService(LocalRooms, rooms),
      )
      assert.isFalse(rooms.byName.has(LOBBY))
    }),
  )

  test(
    "that ends after its connection takes nothing from the others in the room",
    Effect.gen(function* () {
      const context = yield* Effect.context<Services>()
      const directory = yield* ConnectionDirectory
      const { byName } = yield* LocalRooms
      const other = yield* connect({ id: "b1", userId: "bob" })
      yield* enterRoom(other.connection, LOBBY, "rule")
      const { connection } = yield* connect({ id: "a1", session: true })
      const close = closeConnection({ connection, reason: "transport close", outcome: "kept" })
      yield* Effect.flip(enterRoom(connection, LOBBY, "rule")).pipe(
        Effect.provideService(ConnectionDirectory, {
          ...directory,
          join: (...args) => Effect.andThen(directory.join(...args), Effect.provideContext(close, context)),
        }),
      )
      assert.deepStrictEqual([...(byName.get(LOBBY)?.members ?? [])], [other.connection])
      assert.strictEqual(byName.get(LOBBY)?.holds, 1)
    }),
  )

  test(
    "that fails without a session leaves no trace either",
    Effect.gen(function* () {
      const { connection } = yield* connect({ id: "a1" })
      const refusal = yield* Effect.flip(enterRoom(connection, LOBBY, "rule")).pipe(
        Effect.updateService(ConnectionDirectory, (directory) => ({ ...directory, join: () => away })),
      )
      assert.strictEqual(refusal._tag, "engine_unavailable")
      assert.deepStrictEqual(yield* traces, NONE)
    }),
  )

  test(
    "is one of as many as the limit allows, and of any number where there is none",
    Effect.gen(function* () {
      const { connection } = yield* connect({ id: "a1", rooms: ["one", "two"] })
      const joining = (roomsPerConnection: number) =>
        enterRoom(connection, LOBBY, "rule").pipe(
          Effect.updateService(Settings, (settings) => ({
            ...settings,
            limits: { ...settings.limits, roomsPerConnection },
          })),
        )
      assert.strictEqual((yield* Effect.flip(joining(2)))._tag, "too_many_rooms")
      assert.isNull(connection.gate)
      yield* joining(3)
      yield* exitRoom(connection, LOBBY)
      yield* joining(0)
      assert.isTrue(connection.rooms.has(LOBBY))
    }),
  )

  test(
    "whose presence cannot be told is a join all the same",
    Effect.gen(function* () {
      const { connection } = yield* connect({ id: "a1", session: true })
      yield* enterRoom(connection, LOBBY, "rule").pipe(
        Effect.updateService(Engine, (engine) => ({ ...engine, publish: () => away })),
      )
      assert.deepStrictEqual(yield* traces, IN)
    }),
  )

  test(
    "by who does not own its session any more closes it, and writes nothing",
    Effect.gen(function* () {
      const { closings, connection } = yield* connect({ id: "a1", session: true })
      const sessions = yield* SessionStore
      const read = yield* sessions.read(SESSION_ID)
      if (read !== undefined) yield* sessions.take(read.session, { node: "b", connectionId: "a2" })
      assert.strictEqual((yield* Effect.flip(enterRoom(connection, LOBBY, "rule")))._tag, "session_taken")
      assert.deepStrictEqual(closings, [CLOSINGS.sessionTaken])
      assert.deepStrictEqual(yield* traces, NONE)
    }),
  )
})

describe("a leave", () => {
  test(
    "that fails at any of its steps leaves it a member here, so that the same again leaves it, told once",
    Effect.gen(function* () {
      const { connection } = yield* connect({ id: "a1", session: true })
      yield* enterRoom(connection, LOBBY, "rule")
      const directory = yield* ConnectionDirectory
      const sessions = yield* SessionStore
      const backend = yield* Backend
      const words: string[] = []
      const leave = exitRoom(connection, LOBBY).pipe(
        Effect.provideService(Backend, { ...backend, notify: told(words) }),
      )
      const failures: readonly Effect.Effect<unknown, Refusal, Services>[] = [
        Effect.provideService(leave, SessionStore, { ...sessions, leave: () => away }),
        Effect.provideService(leave, ConnectionDirectory, { ...directory, leave: () => away }),
      ]
      for (const failure of failures) {
        assert.strictEqual((yield* Effect.flip(failure))._tag, "engine_unavailable")
        assert.isTrue(connection.rooms.has(LOBBY))
        assert.strictEqual((yield* traces).here, 1)
      }
      assert.isTrue(yield* leave)
      assert.deepStrictEqual(yield* traces, NONE)
      assert.isFalse(yield* leave)
      assert.deepStrictEqual(words, ["presence.left lobby"])
    }),
  )
})

describe("a room that somebody has left", () => {
  test(
    "is not let go a second time when its connection closes: the others keep it",
    Effect.gen(function* () {
      const { byName } = yield* LocalRooms
      const ann = yield* connect({ id: "a1", session: true })
      const bob = yield* connect({ id: "b1", userId: "bob" })
      for (const { connection } of [ann, bob]) yield* enterRoom(connection, LOBBY, "rule")
      yield* exitRoom(ann.connection, LOBBY)
      assert.deepStrictEqual([...(byName.get(LOBBY)?.members ?? [])], [bob.connection])
      yield* closeConnection({ connection: ann.connection, reason: "transport close", outcome: "kept" })
      assert.strictEqual(byName.get(LOBBY)?.holds, 1)
      yield* closeConnection({ connection: bob.connection, reason: "transport close", outcome: "kept" })
      assert.isFalse(byName.has(LOBBY))
    }),
  )
})

describe("a room of this node", () => {
  test(
    "is logged where its rule keeps history, whether somebody is in it or not",
    Effect.gen(function* () {
      const { hold, isLogged } = yield* LocalRooms
      assert.isTrue(isLogged(LOBBY))
      assert.isFalse(isLogged(EVERYBODY))
      for (const room of [LOBBY, EVERYBODY]) yield* hold(room)
      assert.isTrue(isLogged(LOBBY))
      assert.isFalse(isLogged(EVERYBODY))
    }),
  )

  /** Rooms over an engine whose first subscription is answered when the test says so. */
  const overSlowEngine = Effect.gen(function* () {
    const engine = yield* Engine
    const calls: string[] = []
    const first = yield* Deferred.make<void, Refusal<"engine_unavailable">>()
    const rooms = yield* LocalRooms.pipe(
      Effect.provide(Layer.fresh(LocalRooms.layer)),
      Effect.provideService(Engine, {
        ...engine,
        subscribe: (room) =>
          Effect.suspend(() => (calls.push(`subscribe ${room}`) === 1 ? Deferred.await(first) : Effect.void)),
        unsubscribe: (room) => void calls.push(`unsubscribe ${room}`),
      }),
    )
    return { calls, first, rooms }
  })

  test(
    "is subscribed to once for all who wait for it, and given up with the last of them",
    Effect.gen(function* () {
      const { calls, first, rooms } = yield* overSlowEngine
      const holds = yield* Effect.forEach([1, 2, 3], () =>
        Effect.forkChild(rooms.hold(LOBBY), { startImmediately: true }),
      )
      assert.isUndefined(holds[1]?.pollUnsafe())
      yield* Deferred.succeed(first, undefined)
      for (const hold of holds) rooms.release(yield* Fiber.join(hold))
      assert.deepStrictEqual(calls, ["subscribe lobby", "unsubscribe lobby"])
    }),
  )

  test(
    "that could not be subscribed to is held by none of them, and subscribed to anew by the next",
    Effect.gen(function* () {
      const { calls, first, rooms } = yield* overSlowEngine
      const one = yield* Effect.forkChild(rooms.hold(LOBBY), { startImmediately: true })
      const two = yield* Effect.forkChild(rooms.hold(LOBBY), { startImmediately: true })
      yield* Deferred.fail(first, new Refusal("engine_unavailable", "away"))
      // Before the second has heard of it.
      const next = yield* rooms.hold(LOBBY)
      assert.strictEqual((yield* Effect.flip(Fiber.join(one)))._tag, "engine_unavailable")
      assert.strictEqual((yield* Effect.flip(Fiber.join(two)))._tag, "engine_unavailable")
      assert.strictEqual(rooms.byName.get(LOBBY), next)
      assert.deepStrictEqual(calls, ["subscribe lobby", "unsubscribe lobby", "subscribe lobby"])
    }),
  )

  test(
    "is given up with the last who is in it, though somebody who waited for it went away",
    Effect.gen(function* () {
      const { calls, first, rooms } = yield* overSlowEngine
      const one = yield* Effect.forkChild(rooms.hold(LOBBY), { startImmediately: true })
      const two = yield* Effect.forkChild(rooms.hold(LOBBY), { startImmediately: true })
      yield* Fiber.interrupt(two)
      yield* Deferred.succeed(first, undefined)
      rooms.release(yield* Fiber.join(one))
      assert.deepStrictEqual(calls, ["subscribe lobby", "unsubscribe lobby"])
    }),
  )

  test(
    "is still subscribed to for the others where the first who wanted it went away",
    Effect.gen(function* () {
      const { first, rooms } = yield* overSlowEngine
      const one = yield* Effect.forkChild(rooms.hold(LOBBY), { startImmediately: true })
      const two = yield* Effect.forkChild(rooms.hold(LOBBY), { startImmediately: true })
      const ending = yield* Effect.forkChild(Fiber.interrupt(one), { startImmediately: true })
      yield* Deferred.succeed(first, undefined)
      yield* Fiber.join(ending)
      assert.strictEqual((yield* Fiber.join(two)).name, LOBBY)
      assert.isTrue(rooms.byName.has(LOBBY))
    }),
  )
})
