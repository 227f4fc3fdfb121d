import { assert, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as References from "effect/References"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { closeGate, openGate, openGateOrClose, replay } from "#application/connection-gate.ts"
import { engineEvents } from "#application/engine-events.ts"
import { enterRoom } from "#application/enter-room.ts"
import { Engine } from "#application/ports/engine.ts"
import { MessageLog } from "#application/ports/message-log.ts"
import { SessionStore } from "#application/ports/session-store.ts"
import { Settings } from "#application/ports/settings.ts"
import type { Services } from "#application/services.ts"
import { closeConnection } from "#application/use-cases/close-connection.ts"
import { joinRoom } from "#application/use-cases/join-room.ts"
import { publishMessage } from "#application/use-cases/publish-message.ts"
import { CLOSINGS } from "#domain/closing.ts"
import { Refusal } from "#domain/errors.ts"
import { DEFAULT_LIMITS } from "#domain/limits.ts"
import type { RoomName } from "#domain/room.ts"
import { compileRoomRules } from "#domain/room-rules.ts"
import { recordingMetrics } from "#tests/support/silent-metrics.ts"
import { TEST_RULES } from "#tests/support/test-settings.ts"
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

const say = (room: string, data: unknown, ttlMs?: number, volatile = false) =>
  publishMessage({
    push: { to: { rooms: [room] }, event: "said", data, ttlMs, volatile },
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

const test = (
  name: string,
  work: Effect.Effect<void, unknown, Services>,
  settings: NonNullable<Parameters<typeof memoryNode>[0]>["settings"] = {},
): void => it.effect(name, () => Effect.provide(work, memoryNode({ settings })))

const plain = compileRoomRules({
  ...TEST_RULES,
  rooms: [
    { match: "plain", join: "anyone", publish: "members", presence: false, history: undefined },
    ...TEST_RULES.rooms,
  ],
})

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
    "leaves out what expired while it waited behind it",
    Effect.gen(function* () {
      const earlier = yield* droppedInA
      const taken = yield* Deferred.make<void>()
      const opening = yield* Effect.forkChild(openClient("c2", { earlier, drained: Deferred.await(taken) }), {
        startImmediately: true,
      })
      yield* say("a", 2, 1_000)
      yield* say("a", 3, 60_000)
      yield* TestClock.adjust(1_000)
      yield* Deferred.succeed(taken, undefined)
      assert.deepStrictEqual((yield* Fiber.join(opening)).events, ["session:ready", "said 1", "said 3"])
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

describe("a replay that was done", () => {
  test(
    "is counted by what was sent, what was not for its client left out",
    Effect.gen(function* () {
      const metrics = recordingMetrics()
      const earlier = yield* droppedInA
      yield* say("a", 2)
      yield* publishMessage({
        push: { to: { rooms: ["a"], except: { users: ["ann"] } }, event: "said", data: 3 },
        from: "backend",
        idempotency: undefined,
      })
      yield* openClient("c2", { earlier }).pipe(Effect.provide(metrics.layer))
      assert.deepStrictEqual(metrics.calls.replayed, [[2]])
      assert.deepStrictEqual(metrics.calls.messageDelivered, [
        [1, 1],
        [1, 1],
      ])
    }),
  )
})

describe("a gate", () => {
  test(
    "that two hold is opened by the last of them, and what waited comes then, once and in order",
    Effect.gen(function* () {
      yield* started
      const { connection, events } = yield* openClient("c1")
      yield* enterRoom(connection, A, "rule")
      yield* closeGate(connection)
      yield* closeGate(connection)
      yield* say("a", 1)
      yield* openGate(connection)
      yield* say("a", 2)
      assert.deepStrictEqual(events, ["session:ready"])
      yield* openGate(connection)
      assert.deepStrictEqual(events, ["session:ready", "said 1", "said 2"])
      assert.isNull(connection.gate)
    }),
  )

  test(
    "that somebody holds when a replay ends stays closed, and is opened by who holds it",
    Effect.gen(function* () {
      yield* started
      const taken = yield* Deferred.make<void>()
      const { connection, events } = yield* openClient("c1", { drained: Deferred.await(taken) })
      yield* enterRoom(connection, A, "rule")
      yield* closeGate(connection)
      if (connection.gate !== null) connection.gate.overflowed = true
      const opening = yield* Effect.forkChild(openGate(connection), { startImmediately: true })
      yield* closeGate(connection)
      yield* say("a", 1)
      yield* Deferred.succeed(taken, undefined)
      yield* Fiber.join(opening)
      assert.isNotNull(connection.gate)
      assert.deepStrictEqual(events, ["session:ready"])
      yield* openGate(connection)
      assert.isNull(connection.gate)
      assert.deepStrictEqual(events, ["session:ready", "said 1"])
    }),
  )

  test(
    "lets go what is not logged without a position, and what is logged with the one that the connection has come to",
    Effect.gen(function* () {
      yield* started
      const { connection, sent } = yield* openClient("c1")
      for (const room of [A, "plain" as RoomName]) yield* enterRoom(connection, room, "rule")
      yield* closeGate(connection)
      yield* say("plain", 1)
      yield* say("a", 2, undefined, true)
      yield* say("a", 3)
      const logged = yield* say("a", 4)
      yield* say("plain", 5)
      yield* openGate(connection)
      assert.deepStrictEqual(
        sent.map(({ data, position }) => [data, position !== undefined]),
        [
          ["1", false],
          ["2", false],
          ["3", true],
          ["4", true],
          ["5", false],
        ],
      )
      const offset = Number(logged.offset?.split(".")[1])
      assert.strictEqual(sent[3]?.position?.split(".")[1], offset.toString(36))
      assert.isTrue(sent[2]?.position !== sent[3]?.position)
    }),
    { rules: plain },
  )

  test(
    "that lets something with a position go keeps its client from being sent another one for nothing",
    Effect.gen(function* () {
      yield* started
      const { connection } = yield* openClient("c1")
      yield* enterRoom(connection, A, "rule")
      yield* TestClock.adjust(7_000)
      yield* closeGate(connection)
      yield* say("a", 1, undefined, true)
      yield* openGate(connection)
      assert.strictEqual(connection.positionSentAt, 0)
      yield* closeGate(connection)
      yield* say("a", 2)
      yield* openGate(connection)
      assert.strictEqual(connection.positionSentAt, 7_000)
    }),
  )

  test(
    "holds half of what may wait for a client, anything where there is no limit",
    Effect.gen(function* () {
      const { limits } = yield* Settings
      for (const [bufferBytes, chars, overflows] of [
        [10_000, 4_000, false],
        [10_000, 6_000, true],
        [0, 1_000_000, false],
      ] as const) {
        const engine = yield* Engine
        yield* started
        const client = yield* openClient("c1").pipe(
          Effect.updateService(Settings, (settings) => ({ ...settings, limits: { ...limits, bufferBytes } })),
        )
        yield* enterRoom(client.connection, A, "rule")
        yield* closeGate(client.connection).pipe(
          Effect.updateService(Settings, (settings) => ({ ...settings, limits: { ...limits, bufferBytes } })),
        )
        yield* say("a", "x".repeat(chars))
        assert.strictEqual(client.connection.gate?.overflowed, overflows)
        yield* drop(client)
        engine.unsubscribe(A)
      }
    }),
    { limits: { ...DEFAULT_LIMITS, payloadBytes: 0 } },
  )

  test(
    "that cannot be opened closes its connection, saying whether its client or the engine is to blame",
    Effect.gen(function* () {
      yield* started
      const log = yield* MessageLog
      const slow = yield* openClient("c1", { drained: Effect.fail(new Refusal("slow_consumer", "takes nothing")) })
      const other = yield* openClient("c2")
      for (const { connection } of [slow, other]) {
        yield* enterRoom(connection, A, "rule")
        yield* closeGate(connection)
        if (connection.gate !== null) connection.gate.overflowed = true
      }
      yield* openGateOrClose(slow.connection)
      yield* openGateOrClose(other.connection).pipe(
        Effect.provideService(MessageLog, {
          ...log,
          read: () => Effect.fail(new Refusal("engine_unavailable", "away")),
        }),
      )
      assert.deepStrictEqual(slow.closings, [CLOSINGS.slowConsumer])
      assert.deepStrictEqual(other.closings, [CLOSINGS.engineUnavailable])
    }),
  )

  test(
    "counts what it held as delivered when it lets it go",
    Effect.gen(function* () {
      yield* started
      const metrics = recordingMetrics()
      const { connection } = yield* openClient("c1")
      yield* enterRoom(connection, A, "rule")
      yield* closeGate(connection)
      yield* say("a", 10)
      yield* openGate(connection).pipe(Effect.provide(metrics.layer))
      assert.deepStrictEqual(metrics.calls.messageDelivered, [[1, 2]])
    }),
  )

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

describe("a gate that several want closed", () => {
  test(
    "stays closed while somebody holds it and opens after the last, wherever the scheduler breaks a fiber off",
    Effect.gen(function* () {
      const wrong: string[] = []
      for (let ops = 4; ops <= 12; ops++)
        for (let before = 0; before < 12; before++)
          for (let between = 0; between < 6; between++) {
            const { connection } = yield* openClient("c1")
            yield* enterRoom(connection, A, "rule")
            yield* closeGate(connection)
            if (connection.gate !== null) connection.gate.overflowed = true
            const first = yield* Effect.forkChild(
              Effect.provideService(openGate(connection), References.MaxOpsBeforeYield, ops),
            )
            yield* Effect.repeat(Effect.yieldNow, { times: before })
            yield* closeGate(connection)
            for (let i = 0; i < between; i++) {
              yield* Effect.yieldNow
              if (connection.gate === null) wrong.push(`open while it is held: ${ops}, ${before}, ${between}`)
            }
            yield* openGate(connection)
            yield* Fiber.join(first)
            if (connection.gate !== null) wrong.push(`never opened: ${ops}, ${before}, ${between}`)
            yield* closeConnection({ connection, reason: "done", outcome: "ended" })
          }
      assert.deepStrictEqual(wrong, [])
    }).pipe(Effect.provideService(References.MinimumLogLevel, "None")),
  )
})
