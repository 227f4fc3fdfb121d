import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { describe } from "vitest"
import { SessionStore } from "#application/ports/session-store.ts"
import { enterRoom, exitRoom } from "#application/room-membership.ts"
import type { Services } from "#application/services.ts"
import { joinRoom } from "#application/use-cases/join-room.ts"
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
