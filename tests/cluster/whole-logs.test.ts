import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import { Redis } from "ioredis"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { randomIds } from "#adapters/memory/random-ids.ts"
import { openGate } from "#application/connection-gate.ts"
import { engineEvents } from "#application/engine-events.ts"
import { LocalConnections } from "#application/local-connections.ts"
import { LocalRooms } from "#application/local-rooms.ts"
import { Engine } from "#application/ports/engine.ts"
import { Settings } from "#application/ports/settings.ts"
import type { Services } from "#application/services.ts"
import { closeConnection } from "#application/use-cases/close-connection.ts"
import { joinRoom } from "#application/use-cases/join-room.ts"
import { publishMessage } from "#application/use-cases/publish-message.ts"
import type { RoomName } from "#domain/room.ts"
import { compileRoomRules } from "#domain/room-rules.ts"
import { nobody } from "#tests/application/node-fixture.ts"
import { type OpenedClient, openClient } from "#tests/application/opened-client.ts"
import { redisPorts } from "#tests/contracts/redis-fixture.ts"
import { connected } from "#tests/support/client.ts"
import { type Cluster, comeBack, nodeAt, STAYS_AWAY, seen, startCluster } from "#tests/support/cluster.ts"
import { silentMetrics } from "#tests/support/silent-metrics.ts"
import { testSettings } from "#tests/support/test-settings.ts"
import { settle, until } from "#tests/support/until.ts"

let cluster: Cluster
beforeAll(async () => {
  cluster = await startCluster(1)
})
afterAll(() => cluster[Symbol.asyncDispose]())

/** As an eviction or a hand does. */
const forget = async (pattern: string): Promise<void> => {
  const keys = await cluster.redis.client.keys(pattern)
  expect(keys).not.toEqual([])
  await cluster.redis.client.del(...keys)
}

describe("what a room kept is gone", () => {
  it("while its member was away, and something new is there: the member is told that it did not recover", async () => {
    const node = nodeAt(cluster, 0)
    const to = { rooms: ["open:a"] }
    const client = await cluster.member(node, "ann", to.rooms, STAYS_AWAY)
    await node.push(to, "e", 0)
    await until("the first", () => client.received.length === 1)
    client.drop()
    await settle(50)
    await node.push(to, "e", 1)
    await node.push(to, "e", 2)
    await forget("*:log:open:a")
    await node.push(to, "e", 3)
    comeBack(client)
    await connected(client, 2)
    await settle(200)
    expect([client.recovered, seen(client)]).toEqual([[false, false], [0]])
  })

  it("while its member was there: the next message tells that the store lost something, and the member begins anew", async () => {
    const node = nodeAt(cluster, 0)
    const to = { rooms: ["open:b"] }
    const client = await cluster.client(node, "bea", { rooms: to.rooms })
    await node.push(to, "e", 0)
    await until("the first", () => client.received.length === 1)
    await forget("*:log:open:b")
    await forget("*:record:open:b")
    await node.push(to, "e", 1)
    await connected(client, 2)
    expect(client.recovered).toEqual([false, false])
  })
})

const RECORD_MS = 2_500
const HISTORY = { size: 100, ttlMs: 1_000 }
const own = testSettings({
  rules: compileRoomRules({
    rooms: [{ match: "*", join: "anyone", publish: "members", presence: false, history: HISTORY }],
    users: { history: HISTORY },
    everybody: { history: undefined },
  }),
})

/** A node in this process, whose records live shorter than any configuration lets them. */
const nodeOfShortRecords = (url: string): Layer.Layer<Services> => {
  const quiet = Layer.succeed(References.MinimumLogLevel, "None")
  const base = Layer.mergeAll(silentMetrics, Layer.succeed(Settings, own), quiet)
  const services = Layer.mergeAll(LocalRooms.layer, LocalConnections.layer, randomIds, nobody).pipe(
    Layer.provideMerge(redisPorts(url, { shortestRecordMs: RECORD_MS, leaseMs: 10_000 }, own)),
    Layer.provideMerge(base),
  )
  const started = Layer.effectDiscard(
    Effect.gen(function* () {
      const engine = yield* Engine
      engine.start(engineEvents(yield* Effect.context<Services>(), Date.now))
    }),
  )
  return Layer.provideMerge(started, services)
}

const push = (room: string, data: number) =>
  publishMessage({ push: { to: { rooms: [room] }, event: "e", data }, from: "backend", idempotency: undefined })

const enter = Effect.fnUntraced(function* (id: string, room: string, earlier?: OpenedClient) {
  const claims = { userId: room }
  const client = yield* openClient(id, earlier === undefined ? { claims } : { claims, earlier })
  yield* joinRoom({ connection: client.connection, room: room as RoomName, since: undefined, recent: undefined })
  yield* openGate(client.connection)
  return client
})

const drop = ({ connection }: OpenedClient) =>
  closeConnection({ connection, reason: "transport close", outcome: "kept" })

const dataOf = ({ sent }: OpenedClient): readonly unknown[] => sent.map(({ data }) => JSON.parse(data))

describe("a room's log and the record of its newest offset have expired", () => {
  it("who missed what was in them is told so; an idle room is no gap for who stayed or came back in time", async () => {
    const redis = new Redis(cluster.redis.url)
    const test = Effect.gen(function* () {
      const [a, b, idle] = [yield* enter("a1", "a"), yield* enter("b1", "b"), yield* enter("idle1", "idle")]
      for (const room of ["a", "b", "idle"]) yield* push(room, 0)
      yield* Effect.promise(() =>
        until("the first of each", () => [a, b, idle].every((client) => dataOf(client).length === 1)),
      )
      for (const client of [a, b, idle]) yield* drop(client)
      yield* push("a", 1)
      yield* push("b", 1)
      yield* Effect.sleep(500)
      const idleAgain = yield* enter("idle2", "idle", idle)
      yield* Effect.sleep(RECORD_MS + 500)
      expect(yield* Effect.promise(() => redis.keys("*:record:[ab]"))).toEqual([])
      yield* push("b", 2)
      const after = [yield* enter("a2", "a", a), yield* enter("b2", "b", b), idleAgain]
      expect(after.map(({ ready }) => ready["recovered"])).toEqual([false, false, true])
      expect(after.map(dataOf)).toEqual([[], [], []])
      yield* Effect.promise(() => redis.call("CLIENT", "KILL", "TYPE", "pubsub"))
      yield* Effect.sleep(1_500)
      yield* push("idle", 1)
      yield* Effect.promise(() => until("the next", () => dataOf(idleAgain).length > 0))
      expect([dataOf(idleAgain), idleAgain.closings]).toEqual([[1], []])
    })
    await Effect.runPromise(Effect.provide(test, nodeOfShortRecords(cluster.redis.url)))
    redis.disconnect()
  })
})
