import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { askConnections, MAX_ANSWER_BYTES } from "#application/ask-connections.ts"
import { composeMessage } from "#application/compose-message.ts"
import { MessageLog } from "#application/ports/message-log.ts"
import type { NodeCommand } from "#application/ports/node-commands.ts"
import { publishMessage } from "#application/use-cases/publish-message.ts"
import { MAX_ASKED, pushWithAcks } from "#application/use-cases/push-with-acks.ts"
import { Gate } from "#domain/gate.ts"
import { parseRoomName } from "#domain/room.ts"
import { recordingMetrics } from "#tests/support/silent-metrics.ts"
import { connect, memoryNode, type OtherNode } from "./node-fixture.ts"

const push = (to: object, more: object = {}) => ({ to, event: "question", data: { text: "ready?" }, ...more })
const yes = () => "yes"

/** Runs it while time goes by. */
const during = <A, E, R>(work: Effect.Effect<A, E, R>, ms: number) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(work, { startImmediately: true })
    yield* TestClock.adjust(ms)
    return yield* Fiber.join(fiber)
  })

const ask = (to: object, timeoutMs = 1_000, idempotency?: { key: string; digest: string }) =>
  pushWithAcks({ push: push(to), from: "backend", timeoutMs, idempotency })

describe("a push that asks for acknowledgements", () => {
  it.effect("gives one answer per connection, and names who stayed silent until the time was up", () =>
    Effect.gen(function* () {
      const ann = yield* connect({ id: "a1", rooms: ["lobby", "desk"], answer: yes })
      yield* connect({ id: "b1", userId: "bob", rooms: ["lobby"] })
      const { id, missing, responses } = yield* during(ask({ rooms: ["lobby", "desk"], users: ["ann"] }), 1_000)
      assert.deepStrictEqual(responses, [{ connectionId: "a1", userId: "ann", data: "yes" }])
      assert.deepStrictEqual(missing, ["b1"])
      assert.strictEqual(ann.asked.length, 1)
      assert.deepStrictEqual(JSON.parse(ann.asked[0]!.meta), { id, room: "lobby", ts: 0 })
      assert.strictEqual(ann.asked[0]!.position, undefined)
    }).pipe(Effect.provide(memoryNode())),
  )

  it.effect("takes so much of all answers together: whoever answers past it is missing", () =>
    Effect.gen(function* () {
      const half = "x".repeat(MAX_ANSWER_BYTES / 2)
      for (const id of ["a1", "a2", "a3"]) yield* connect({ id, rooms: ["lobby"], answer: () => half.slice(2) })
      const { missing, responses } = yield* ask({ rooms: ["lobby"] })
      assert.deepStrictEqual(
        responses.map(({ connectionId }) => connectionId),
        ["a1", "a2"],
      )
      assert.deepStrictEqual(missing, ["a3"])
    }).pipe(Effect.provide(memoryNode())),
  )

  it.effect("counts that as a limit that was hit", () => {
    const metrics = recordingMetrics()
    return Effect.gen(function* () {
      const half = "x".repeat(MAX_ANSWER_BYTES / 2)
      const connectionIds = ["a1", "a2"]
      for (const id of connectionIds) yield* connect({ id, rooms: ["lobby"], answer: () => half })
      const { message } = yield* composeMessage(push({ rooms: ["lobby"] }), 0)
      const { responses } = yield* askConnections({ message, connectionIds, timeoutMs: 1_000 }).pipe(
        Effect.provide(metrics.layer),
      )
      assert.strictEqual(responses.length, 1)
      assert.deepStrictEqual(metrics.hits, ["ack_bytes"])
    }).pipe(Effect.provide(memoryNode()))
  })

  it.effect("is not answered by what is no JSON: who answers so is missing", () =>
    Effect.gen(function* () {
      yield* connect({ id: "a1", rooms: ["lobby"], answer: () => ({ bytes: new Uint8Array(1) }) })
      yield* connect({ id: "b1", userId: "bob", rooms: ["lobby"], answer: yes })
      const { missing, responses } = yield* ask({ rooms: ["lobby"] })
      assert.deepStrictEqual(
        responses.map(({ connectionId }) => connectionId),
        ["b1"],
      )
      assert.deepStrictEqual(missing, ["a1"])
    }).pipe(Effect.provide(memoryNode())),
  )

  it.effect("is counted as a message received, and as one delivered to each who was asked", () => {
    const metrics = recordingMetrics()
    return Effect.gen(function* () {
      const connectionIds = ["a1", "a2"]
      for (const id of connectionIds) yield* connect({ id, rooms: ["lobby"], answer: yes })
      yield* ask({ users: ["nobody"] }).pipe(Effect.provide(metrics.layer))
      const { message } = yield* composeMessage(push({ rooms: ["lobby"] }), 0)
      yield* askConnections({ message, connectionIds, timeoutMs: 1_000 }).pipe(Effect.provide(metrics.layer))
      assert.deepStrictEqual(metrics.calls.messageReceived, [["backend"]])
      assert.deepStrictEqual(metrics.calls.messageDelivered, [
        [1, message.data.length],
        [1, message.data.length],
      ])
    }).pipe(Effect.provide(memoryNode()))
  })

  it.effect("may be as short as a millisecond", () =>
    Effect.gen(function* () {
      yield* connect({ id: "a1", rooms: ["lobby"], answer: yes })
      assert.deepStrictEqual((yield* ask({ rooms: ["lobby"] }, 1)).missing, [])
    }).pipe(Effect.provide(memoryNode())),
  )

  it.effect("does not wait for the rest of the time when everybody has answered", () =>
    Effect.gen(function* () {
      yield* connect({ id: "a1", rooms: ["lobby"], answer: yes })
      const { missing } = yield* ask({ rooms: ["lobby"] }, 60_000)
      assert.deepStrictEqual(missing, [])
    }).pipe(Effect.provide(memoryNode())),
  )

  it.effect("reaches nobody where nobody is there, and that is no error", () =>
    Effect.gen(function* () {
      const { missing, responses } = yield* ask({ users: ["nobody"], connections: ["gone"] })
      assert.deepStrictEqual({ missing, responses }, { missing: [], responses: [] })
    }).pipe(Effect.provide(memoryNode())),
  )

  it.effect("is never logged, also in a room with history", () =>
    Effect.gen(function* () {
      yield* connect({ id: "a1", rooms: ["lobby"], answer: yes })
      yield* ask({ rooms: ["lobby"] })
      const log = yield* MessageLog
      assert.deepStrictEqual(
        (yield* log.last(parseRoomName("lobby")!, Number.MAX_SAFE_INTEGER, { entries: 10, bytes: 1_000_000 })).entries,
        [],
      )
    }).pipe(Effect.provide(memoryNode())),
  )

  it.effect(
    "asks nobody who is excepted, by user, room or any id that the session had, and calls none of them missing",
    () =>
      Effect.gen(function* () {
        const clients = [
          yield* connect({ id: "a1", userId: "ann", rooms: ["lobby"], answer: yes }),
          yield* connect({ id: "b1", userId: "bob", rooms: ["lobby", "desk"], answer: yes }),
          yield* connect({ id: "c2", userId: "cid", pastIds: ["c1"], rooms: ["lobby"], answer: yes }),
          yield* connect({ id: "d1", userId: "dan", rooms: ["lobby"], answer: yes }),
        ]
        const except = { users: ["ann"], rooms: ["desk"], connections: ["c1"] }
        const { missing, responses } = yield* ask({ rooms: ["lobby"], except })
        assert.deepStrictEqual(
          responses.map(({ connectionId }) => connectionId),
          ["d1"],
        )
        assert.deepStrictEqual(missing, [])
        assert.deepStrictEqual(
          clients.map(({ asked }) => asked.length),
          [0, 0, 0, 1],
        )
      }).pipe(Effect.provide(memoryNode())),
  )

  it.effect(
    "names the connections of a node that fails, is late or is gone as missing, and gives the others' answers",
    () => {
      const others: Record<string, OtherNode> = {
        silent: () => Effect.never,
        helpful: (command: NodeCommand) =>
          Effect.succeed({
            kind: "answers",
            responses:
              command.kind === "ask"
                ? command.connectionIds.map((connectionId) => ({ connectionId, userId: "hal", data: 1 }))
                : [],
            excepted: [],
          }),
      }
      return Effect.gen(function* () {
        yield* connect({ id: "a1", rooms: ["lobby"], answer: yes })
        yield* connect({ id: "h1", rooms: ["lobby"], node: "helpful" })
        yield* connect({ id: "s1", rooms: ["lobby"], node: "silent" })
        yield* connect({ id: "x1", rooms: ["lobby"], node: "dead" })
        const { missing, responses } = yield* during(ask({ rooms: ["lobby"] }), 10_000)
        assert.deepStrictEqual(responses.map(({ connectionId }) => connectionId).toSorted(), ["a1", "h1"])
        assert.deepStrictEqual(missing.toSorted(), ["s1", "x1"])
      }).pipe(Effect.provide(memoryNode({ others })))
    },
  )

  it.effect("waits for a connection that is still being sent older messages, within the same time", () =>
    Effect.gen(function* () {
      const behind = yield* connect({ id: "a1", rooms: ["lobby"], answer: yes })
      const stuck = yield* connect({ id: "b1", userId: "bob", rooms: ["lobby"], answer: yes })
      for (const { connection } of [behind, stuck]) connection.closeGate(() => new Gate(10, 1_000), [0])
      const fiber = yield* Effect.forkChild(ask({ rooms: ["lobby"] }), { startImmediately: true })
      yield* TestClock.adjust(500)
      assert.strictEqual(behind.asked.length, 0)
      behind.connection.gate = null
      yield* TestClock.adjust(500)
      const { missing, responses } = yield* Fiber.join(fiber)
      assert.deepStrictEqual(
        responses.map(({ connectionId }) => connectionId),
        ["a1"],
      )
      assert.deepStrictEqual(missing, ["b1"])
      assert.strictEqual(stuck.asked.length, 0)
    }).pipe(Effect.provide(memoryNode())),
  )

  it.effect("joins a repeat of its idempotency key to the wait, and sends nothing twice", () =>
    Effect.gen(function* () {
      const ann = yield* connect({ id: "a1", rooms: ["lobby"] })
      const again = ask({ rooms: ["lobby"] }, 1_000, { key: "k", digest: "d" })
      const first = yield* Effect.forkChild(again, { startImmediately: true })
      yield* TestClock.adjust(400)
      const second = yield* Effect.forkChild(again, { startImmediately: true })
      yield* TestClock.adjust(600)
      assert.deepStrictEqual(yield* Fiber.join(second), yield* Fiber.join(first))
      assert.deepStrictEqual(yield* again, yield* Fiber.join(first))
      assert.strictEqual(ann.asked.length, 1)
      const reused = yield* Effect.flip(ask({ rooms: ["lobby"] }, 1_000, { key: "k", digest: "other" }))
      assert.strictEqual(reused._tag, "idempotency_key_reused")
    }).pipe(Effect.provide(memoryNode())),
  )

  it.effect("shares its idempotency key with pushes that ask for none: another body under it is refused", () =>
    Effect.gen(function* () {
      yield* ask({ rooms: ["lobby"] }, 1_000, { key: "k", digest: "d" })
      const plain = {
        push: push({ rooms: ["lobby"] }),
        from: "backend",
        idempotency: { key: "k", digest: "other" },
      } as const
      assert.strictEqual((yield* Effect.flip(publishMessage(plain)))._tag, "idempotency_key_reused")
    }).pipe(Effect.provide(memoryNode())),
  )

  it.effect("refuses to ask more than 1,000 connections, and asks none of them", () =>
    Effect.gen(function* () {
      const clients = []
      for (let i = 0; i <= MAX_ASKED; i++)
        clients.push(yield* connect({ id: `c${i}`, userId: `u${i}`, rooms: i === 0 ? [] : ["lobby"], answer: yes }))
      const { responses } = yield* ask({ rooms: ["lobby"] })
      assert.strictEqual(responses.length, MAX_ASKED)
      const refusal = yield* Effect.flip(ask({ all: true }))
      assert.strictEqual(refusal._tag, "invalid_request")
      assert.strictEqual(refusal.faults?.[0]?.pointer, "/to")
      assert.strictEqual(clients[0]!.asked.length, 0)
    }).pipe(Effect.provide(memoryNode())),
  )

  it.effect("refuses a time-out that is none", () =>
    Effect.gen(function* () {
      for (const timeoutMs of [0, -1, 1.5, 60_001, Number.NaN]) {
        const refusal = yield* Effect.flip(ask({ all: true }, timeoutMs))
        assert.strictEqual(refusal.faults?.[0]?.pointer, "/ack/timeoutMs")
      }
    }).pipe(Effect.provide(memoryNode())),
  )
})
