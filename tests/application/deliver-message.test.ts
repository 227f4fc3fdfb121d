import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describe } from "vitest"
import { holdRoom } from "#application/hold-room.ts"
import { LocalRooms } from "#application/local-rooms.ts"
import { Engine } from "#application/ports/engine.ts"
import type { Outgoing } from "#application/ports/link.ts"
import { Metrics } from "#application/ports/metrics.ts"
import { deliverMessage } from "#application/use-cases/deliver-message.ts"
import type { Publication } from "#domain/gate.ts"
import { parsePosition } from "#domain/offset.ts"
import type { RoomName } from "#domain/room.ts"
import { compileRoomRules } from "#domain/room-rules.ts"
import { recordingMetrics } from "#tests/support/silent-metrics.ts"
import { connect, memoryNode } from "./node-fixture.ts"

const LOBBY = "lobby" as RoomName
const history = { size: 10, ttlMs: 60_000 }
const rules = compileRoomRules({
  rooms: [{ match: "*", join: "anyone", publish: "members", presence: false, history }],
  users: { history },
  everybody: { history },
})

const mixed = compileRoomRules({
  rooms: [
    { match: "plain", join: "anyone", publish: "members", presence: false, history: undefined },
    { match: "*", join: "anyone", publish: "members", presence: false, history },
  ],
  users: { history },
  everybody: { history },
})

const publication = (offset: number): Publication => ({
  room: LOBBY,
  partition: 0,
  offset,
  message: {
    id: `m${offset}`,
    event: "said",
    data: "1",
    ts: 0,
    sender: undefined,
    rooms: [LOBBY],
    except: undefined,
    volatile: false,
    expiresAt: undefined,
  },
})

/** A node that has worked off so much of each of two partitions, and two members of the lobby with a floor each. */
const twoPartitions = (workedOff: number[], floors: readonly number[][]) =>
  Effect.gen(function* () {
    const engine = { ...(yield* Engine), partitions: 2, workedOff }
    const sent: Outgoing[][] = []
    for (const [i, floor] of floors.entries()) {
      const { connection } = yield* connect({ id: `c${i}`, rooms: ["lobby"] })
      yield* holdRoom(connection, LOBBY)
      connection.floor = floor
      const got: Outgoing[] = []
      sent.push(got)
      Object.assign(connection.link, { send: (outgoing: Outgoing) => got.push(outgoing) })
    }
    return { deliver: deliverMessage(engine, yield* LocalRooms, yield* Metrics, () => 0), sent }
  })

const positionsOf = (sent: readonly Outgoing[][]) =>
  sent.map((outgoings) => outgoings.map(({ position }) => parsePosition(position)?.offsets))

describe("a logged message on a node with several partitions", () => {
  it.effect("carries what the node has worked off, made once for all; who was sent more elsewhere gets its own", () =>
    Effect.gen(function* () {
      const { deliver, sent } = yield* twoPartitions(
        [100, 50],
        [
          [10, 50],
          [10, 70],
          [90, 20],
        ],
      )
      deliver(publication(100))
      assert.deepStrictEqual(positionsOf(sent), [[[100, 50]], [[100, 70]], [[100, 50]]])
      assert.strictEqual(sent[0]?.[0], sent[2]?.[0])
      assert.notStrictEqual(sent[0]?.[0], sent[1]?.[0])
    }).pipe(Effect.provide(memoryNode({ settings: { rules } }))),
  )

  it.effect("is noted as its receivers' last position, and counted once for each, with the time that it took", () =>
    Effect.gen(function* () {
      const metrics = recordingMetrics()
      const engine = { ...(yield* Engine), partitions: 2, workedOff: [100, 50] }
      const rooms = yield* LocalRooms
      const clients = []
      for (const [i, floor] of [
        [10, 50],
        [10, 70],
        [100, 0],
      ].entries()) {
        const { connection } = yield* connect({ id: `c${i}`, rooms: ["lobby"] })
        yield* holdRoom(connection, LOBBY)
        connection.floor = floor
        clients.push(connection)
      }
      const counted = yield* Metrics.pipe(Effect.provide(metrics.layer))
      const { message } = publication(100)
      deliverMessage(engine, rooms, counted, () => 3_000)({ ...publication(100), message: { ...message, ts: 500 } })
      assert.deepStrictEqual(
        clients.map(({ positionSentAt }) => positionSentAt),
        [3_000, 3_000, 0],
      )
      assert.deepStrictEqual(metrics.calls.messageDelivered, [[2, 1]])
      assert.deepStrictEqual(metrics.calls.publishToSocket, [[2.5]])
    }).pipe(Effect.provide(memoryNode({ settings: { rules } }))),
  )

  it.effect("that reaches nobody is not counted", () =>
    Effect.gen(function* () {
      const metrics = recordingMetrics()
      const { connection } = yield* connect({ id: "c1", rooms: ["lobby"] })
      yield* holdRoom(connection, LOBBY)
      connection.floor = [100]
      const counted = yield* Metrics.pipe(Effect.provide(metrics.layer))
      const deliver = deliverMessage(yield* Engine, yield* LocalRooms, counted, () => 0)
      deliver(publication(100))
      assert.deepStrictEqual([metrics.calls.messageDelivered, metrics.calls.publishToSocket], [[], []])
    }).pipe(Effect.provide(memoryNode({ settings: { rules } }))),
  )

  it.effect("is not sent to who has it already", () =>
    Effect.gen(function* () {
      const { deliver, sent } = yield* twoPartitions(
        [100, 50],
        [
          [100, 0],
          [99, 0],
        ],
      )
      deliver(publication(100))
      assert.deepStrictEqual(positionsOf(sent), [[], [[100, 50]]])
    }).pipe(Effect.provide(memoryNode({ settings: { rules } }))),
  )
})

describe("a message that is not logged", () => {
  it.effect("has no position, be it volatile in a room with history or in a room without", () =>
    Effect.gen(function* () {
      const plain = "plain" as RoomName
      const { connection } = yield* connect({ id: "c1", rooms: ["lobby", "plain"] })
      const got: Outgoing[] = []
      Object.assign(connection.link, { send: (outgoing: Outgoing) => got.push(outgoing) })
      yield* holdRoom(connection, LOBBY)
      yield* holdRoom(connection, plain)
      const deliver = deliverMessage(yield* Engine, yield* LocalRooms, yield* Metrics, () => 9)
      const volatile = publication(5)
      deliver({ ...volatile, message: { ...volatile.message, volatile: true } })
      deliver({ ...publication(6), room: plain, message: { ...publication(6).message, rooms: [plain] } })
      assert.strictEqual(connection.positionSentAt, 0)
      deliver(publication(7))
      assert.deepStrictEqual(
        got.map(({ position, volatile: dropped }) => [position !== undefined, dropped]),
        [
          [false, true],
          [false, false],
          [true, false],
        ],
      )
      assert.strictEqual(connection.positionSentAt, 9)
      assert.deepStrictEqual(
        got.map(({ meta }) => JSON.parse(meta).offset !== undefined),
        [false, false, true],
      )
    }).pipe(Effect.provide(memoryNode({ settings: { rules: mixed } }))),
  )
})
