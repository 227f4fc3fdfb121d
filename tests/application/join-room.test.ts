import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { describe } from "vitest"
import { openGate } from "#application/connection-gate.ts"
import { enterRoom } from "#application/enter-room.ts"
import { exitRoom } from "#application/exit-room.ts"
import { Backend } from "#application/ports/backend.ts"
import { ConnectionDirectory } from "#application/ports/connection-directory.ts"
import { SessionStore } from "#application/ports/session-store.ts"
import type { Services } from "#application/services.ts"
import { joinRoom } from "#application/use-cases/join-room.ts"
import { publishMessage } from "#application/use-cases/publish-message.ts"
import { Declined } from "#domain/errors.ts"
import type { RoomName } from "#domain/room.ts"
import { compileRoomRules } from "#domain/room-rules.ts"
import { connect, memoryNode } from "./node-fixture.ts"

const PLAIN = { since: undefined, recent: undefined }
const STAFF = "staff" as RoomName
const rules = compileRoomRules({
  rooms: [{ match: "staff", join: "nobody", publish: "nobody", presence: false, history: undefined }],
  users: { history: undefined },
  everybody: { history: undefined },
})

const test = (name: string, work: Effect.Effect<void, unknown, Services>): void =>
  it.effect(name, () => Effect.provide(work, memoryNode({ settings: { rules } })))

describe("a client that joins a room again", () => {
  test(
    "needs no right to where it is in already",
    Effect.gen(function* () {
      const { connection } = yield* connect({ id: "a1", session: true })
      assert.strictEqual((yield* Effect.flip(joinRoom({ connection, room: STAFF, ...PLAIN })))._tag, "not_allowed")
      yield* enterRoom(connection, STAFF, "api")
      assert.deepInclude(yield* joinRoom({ connection, room: STAFF, ...PLAIN }), { room: STAFF })
    }),
  )

  test(
    "and is taken out of it by the backend meanwhile, is not let in by what it was before",
    Effect.gen(function* () {
      const { connection } = yield* connect({ id: "a1", session: true })
      yield* enterRoom(connection, STAFF, "api")
      const leaving = yield* Effect.forkChild(
        exitRoom(connection, STAFF).pipe(
          Effect.updateService(SessionStore, (sessions) => ({
            ...sessions,
            leave: (...args) => Effect.andThen(Effect.yieldNow, sessions.leave(...args)),
          })),
        ),
        { startImmediately: true },
      )
      assert.isTrue(connection.rooms.has(STAFF))
      assert.strictEqual((yield* Effect.flip(joinRoom({ connection, room: STAFF, ...PLAIN })))._tag, "not_allowed")
      yield* Fiber.join(leaving)
      assert.isFalse(connection.rooms.has(STAFF))
      assert.isNull(connection.gate)
    }),
  )
})

const LOBBY = "lobby" as RoomName
const SHOWN = "shown" as RoomName
const ASKED = "asked" as RoomName
const PAID = "paid" as RoomName
const history = { size: 10, ttlMs: 3_600_000 }
const joinable = compileRoomRules({
  rooms: [
    { match: "lobby", join: "anyone", publish: "members", presence: false, history },
    { match: "shown", join: "anyone", publish: "members", presence: true, history: undefined },
    { match: "asked", join: "backend", publish: "members", presence: false, history: undefined },
    { match: "paid", join: "token", publish: "members", presence: false, history: undefined },
    { match: "staff", join: "nobody", publish: "nobody", presence: false, history: undefined },
  ],
  users: { history: undefined },
  everybody: { history: undefined },
})

const say = (room: RoomName, data: number) =>
  Effect.map(
    publishMessage({ push: { to: { rooms: [room] }, event: "said", data }, from: "backend", idempotency: undefined }),
    ({ offset }) => offset,
  )

const joining = (name: string, work: Effect.Effect<void, unknown, Services>): void =>
  it.effect(name, () => Effect.provide(work, memoryNode({ settings: { rules: joinable } })))

describe("a client that joins a room", () => {
  joining(
    "is given what it asks to catch up with, up to the offset of its join and no further, and nothing unasked",
    Effect.gen(function* () {
      const { connection } = yield* connect({ id: "a1", session: true })
      const since = yield* say(LOBBY, 1)
      for (const data of [2, 3]) yield* say(LOBBY, data)
      const context = yield* Effect.context<Services>()
      // Somebody says more as soon as the join has its offset.
      let said = 3
      const saying = Effect.suspend(() => Effect.orDie(Effect.provideContext(say(LOBBY, ++said), context)))
      const ask = (wish: { readonly since?: string | undefined; readonly recent?: number }) =>
        Effect.gen(function* () {
          const { complete, messages } = yield* joinRoom({
            connection,
            room: LOBBY,
            since: wish.since,
            recent: wish.recent,
          }).pipe(
            Effect.updateService(ConnectionDirectory, (directory) => ({
              ...directory,
              join: (...args) => Effect.andThen(saying, directory.join(...args)),
            })),
          )
          yield* openGate(connection)
          yield* exitRoom(connection, LOBBY)
          return { complete, data: messages?.map((message) => message.data) }
        })
      assert.deepStrictEqual(yield* ask({ since }), { complete: true, data: [2, 3] })
      assert.deepStrictEqual(yield* ask({ recent: 1 }), { complete: true, data: [4] })
      assert.deepStrictEqual(yield* ask({}), { complete: undefined, data: undefined })
    }),
  )

  joining(
    "is shown who is in it where its rule shows them, when it comes in, and not when it is in already",
    Effect.gen(function* () {
      const { connection } = yield* connect({ id: "a1" })
      const first = yield* joinRoom({ connection, room: SHOWN, ...PLAIN })
      assert.deepStrictEqual(first.members, [{ userId: "ann", connectionId: "a1" }])
      assert.notProperty(yield* joinRoom({ connection, room: SHOWN, ...PLAIN }), "members")
      assert.notProperty(yield* joinRoom({ connection, room: LOBBY, ...PLAIN }), "members")
    }),
  )

  joining(
    "that keeps no history is given no messages, whatever it asks for",
    Effect.gen(function* () {
      const { connection } = yield* connect({ id: "a1" })
      assert.notProperty(yield* joinRoom({ connection, room: SHOWN, since: undefined, recent: 5 }), "messages")
    }),
  )

  joining(
    "that the backend decides about is let in by its word, and by no other",
    Effect.gen(function* () {
      const { connection } = yield* connect({ id: "a1", claims: { info: 7 } })
      const asked: unknown[] = []
      const answering = (answer: Effect.Effect<unknown, Declined>) =>
        joinRoom({ connection, room: ASKED, ...PLAIN }).pipe(
          Effect.updateService(Backend, (backend) => ({
            ...backend,
            ask: (kind, data) => {
              asked.push([kind, data])
              return answer
            },
          })),
        )
      const refused = yield* Effect.flip(answering(Effect.fail(new Declined("not_today", "no"))))
      assert.deepInclude(refused, { _tag: "declined", code: "not_today" })
      assert.isFalse(connection.rooms.has(ASKED))
      yield* answering(Effect.succeed(null))
      assert.strictEqual(connection.rooms.get(ASKED)?.by, "backend")
      assert.deepStrictEqual(asked[1], ["room.join", { userId: "ann", connectionId: "a1", info: 7, room: "asked" }])
    }),
  )

  joining(
    "is told whether its token or the rule stands in its way",
    Effect.gen(function* () {
      const { connection } = yield* connect({ id: "a1" })
      const why = (room: RoomName) =>
        Effect.map(Effect.flip(joinRoom({ connection, room, ...PLAIN })), ({ message }) => message)
      assert.match(yield* why(PAID), /token/)
      assert.match(yield* why(STAFF), /only the backend/)
    }),
  )
})
