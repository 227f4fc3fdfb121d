import { assert, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { closeGate, openGate, replay } from "#application/connection-gate.ts"
import { engineEvents } from "#application/engine-events.ts"
import { Engine } from "#application/ports/engine.ts"
import { MessageLog } from "#application/ports/message-log.ts"
import { SessionStore } from "#application/ports/session-store.ts"
import { enterRoom } from "#application/room-membership.ts"
import type { Services } from "#application/services.ts"
import { closeConnection } from "#application/use-cases/close-connection.ts"
import { joinRoom } from "#application/use-cases/join-room.ts"
import { publishMessage } from "#application/use-cases/publish-message.ts"
import { CLOSINGS } from "#domain/closing.ts"
import { Refusal } from "#domain/errors.ts"
import type { RoomName } from "#domain/room.ts"
import { memoryNode } from "./node-fixture.ts"
import { type OpenedClient, openClient } from "./opened-client.ts"

const A = "a" as RoomName
const B = "b" as RoomName

const started = Effect.gen(function* () {
  const context = yield* Effect.context<Services>()
  const engine = yield* Engine
  engine.start(engineEvents(context, () => 0))
})

const drop = ({ connection }: OpenedClient) => closeConnection({ connection, reason: "drop", outcome: "kept" })

const say = (room: string, data: number, ttlMs?: number) =>
  publishMessage({
    push: { to: { rooms: [room] }, event: "said", data, ttlMs },
    from: "backend",
    idempotency: undefined,
  })

/** In room a, dropped, with one message missed. */
const droppedInA = Effect.gen(function* () {
  yield* started
  const first = yield* openClient("c1")
  yield* enterRoom(first.connection, A, "rule")
  yield* drop(first)
  yield* say("a", 1)
  return first
})

const test = (name: string, work: Effect.Effect<void, unknown, Services>): void =>
  it.effect(name, () => Effect.provide(work, memoryNode()))

describe("a replay", () => {
  test(
    "leaves out what has expired meanwhile",
    Effect.gen(function* () {
      const earlier = yield* droppedInA
      yield* say("a", 2, 1_000)
      yield* say("a", 3, 60_000)
      yield* TestClock.adjust(1_000)
      assert.deepStrictEqual((yield* openClient("c2", { earlier })).events, ["session:ready", "said 1", "said 3"])
    }),
  )

  test(
    "waits for the client to take a page before what waited behind it is written",
    Effect.gen(function* () {
      const earlier = yield* droppedInA
      const taken = yield* Deferred.make<void>()
      let connection: OpenedClient["connection"] | undefined
      const opening = yield* Effect.forkChild(
        openClient("c2", {
          earlier,
          drained: Deferred.await(taken),
          opened: (own) => {
            connection = own
          },
        }),
        { startImmediately: true },
      )
      yield* say("a", 2)
      assert.isNotNull(connection?.gate)
      yield* Deferred.succeed(taken, undefined)
      const { events } = yield* Fiber.join(opening)
      assert.deepStrictEqual(events, ["session:ready", "said 1", "said 2"])
      assert.isNull(connection?.gate)
    }),
  )

  test(
    "does not pass by what a join is owed that was under way when it began",
    Effect.gen(function* () {
      yield* started
      const { connection, events } = yield* openClient("c1")
      yield* enterRoom(connection, A, "rule")
      yield* closeGate(connection)
      const sessions = yield* SessionStore
      const written = yield* Deferred.make<void>()
      const joining = yield* enterRoom(connection, B, "api").pipe(
        Effect.provideService(SessionStore, {
          ...sessions,
          join: (...args) => Effect.andThen(Deferred.await(written), sessions.join(...args)),
        }),
        Effect.forkChild({ startImmediately: true }),
      )
      yield* say("b", 2)
      const replaying = yield* Effect.forkChild(Effect.andThen(replay(connection), openGate(connection)), {
        startImmediately: true,
      })
      yield* Deferred.succeed(written, undefined)
      yield* Fiber.join(joining)
      yield* Fiber.join(replaying)
      assert.deepStrictEqual(events, ["session:ready", "said 2"])
    }),
  )
})

describe("a gate", () => {
  test(
    "that one opens with a replay is opened by nobody else before its end",
    Effect.gen(function* () {
      yield* started
      const taken = yield* Deferred.make<void>()
      const { connection, events } = yield* openClient("c1", { drained: Deferred.await(taken) })
      yield* enterRoom(connection, A, "rule")
      yield* closeGate(connection)
      yield* say("a", 1)
      if (connection.gate !== null) connection.gate.overflowed = true
      const opening = yield* Effect.forkChild(openGate(connection), { startImmediately: true })
      yield* closeGate(connection)
      yield* openGate(connection)
      yield* say("a", 2)
      assert.deepStrictEqual(events, ["session:ready", "said 1"])
      assert.isNotNull(connection.gate)
      yield* Deferred.succeed(taken, undefined)
      yield* Fiber.join(opening)
      assert.deepStrictEqual(events, ["session:ready", "said 1", "said 2"])
      assert.isNull(connection.gate)
    }),
  )

  test(
    "is open again where a join's answer cannot be made",
    Effect.gen(function* () {
      const { connection } = yield* openClient("c1")
      const log = yield* MessageLog
      const away = Effect.fail(new Refusal("engine_unavailable", "away"))
      const refusal = yield* Effect.flip(joinRoom({ connection, room: A, since: undefined, recent: 1 })).pipe(
        Effect.provideService(MessageLog, { ...log, last: () => away }),
      )
      assert.strictEqual(refusal._tag, "engine_unavailable")
      assert.isNull(connection.gate)
      assert.strictEqual(connection.gateHolds, 0)
    }),
  )
})

describe("what an engine tells of", () => {
  test(
    "closes who lost its session, not who just got it; everybody at a new epoch; a room's members at a hole in it",
    Effect.gen(function* () {
      const context = yield* Effect.context<Services>()
      const events = engineEvents(context, () => 0)
      const ann = yield* openClient("c1")
      const bob = yield* openClient("c2")
      yield* enterRoom(ann.connection, A, "rule")
      const id = ann.connection.session?.id ?? ""
      events.taken(id, 1)
      events.taken("nobody's", 9)
      assert.deepStrictEqual(ann.closings, [])
      events.taken(id, 2)
      assert.deepStrictEqual(ann.closings, [CLOSINGS.sessionTaken])
      events.hole(A)
      events.hole(B)
      assert.deepStrictEqual([ann.closings[1], bob.closings.length], [CLOSINGS.historyLost, 0])
      events.newEpoch()
      assert.deepStrictEqual([ann.closings[2], bob.closings[0]], [CLOSINGS.newEpoch, CLOSINGS.newEpoch])
    }),
  )
})
