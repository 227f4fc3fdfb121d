import { randomBytes } from "node:crypto"
import * as Effect from "effect/Effect"
import { afterAll, afterEach, describe, expect, it } from "vitest"
import { checkServers } from "#adapters/redis/redis-store.ts"
import { serverProblem } from "#adapters/redis/server-check.ts"
import type { RoomName } from "#domain/room.ts"
import { redisLayer } from "#tests/contracts/redis-fixture.ts"
import { startRedisCluster } from "#tests/support/redis-cluster.ts"
import { startNode } from "#tests/support/redis-node.ts"
import { startRedisSentinel } from "#tests/support/redis-sentinel.ts"
import { startRedis } from "#tests/support/redis-server.ts"
import { until } from "#tests/support/until.ts"

const A = "a" as RoomName
const server = await startRedis()
afterAll(() => server.stop())
const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

const refusalOf = (url: string, partitions = 1) =>
  Effect.runPromise(
    Effect.flip(checkServers).pipe(
      Effect.map(({ message }) => message),
      Effect.catch(() => Effect.succeed("none")),
      Effect.provide(redisLayer(url, { partitions })),
    ),
  )

const start = async () => {
  const node = await startNode(server.url, { prefix: `check-${randomBytes(4).toString("hex")}` })
  ends.push(node.end)
  await node.subscribe(A)
  return node
}

/** Connections are looked at when they are made. */
const cutAll = async () => {
  for (const type of ["normal", "pubsub"]) await server.client.call("CLIENT", "KILL", "TYPE", type, "SKIPME", "yes")
}

describe("what is asked of a Redis server", () => {
  it("is 6.2 alone and 7.0 as a cluster, and to evict nothing", () => {
    const info = { redis_version: "7.4.1", maxmemory_policy: "noeviction", role: "master" }
    expect(serverProblem(info, false)).toBeUndefined()
    expect(serverProblem({ redis_version: "6.2.0" }, false)).toBeUndefined()
    expect(serverProblem({ ...info, redis_version: "6.0.16" }, false)).toContain(
      "version 6.0.16; Redis 6.2 or newer is needed",
    )
    expect(serverProblem({ ...info, redis_version: "6.2.14" }, true)).toContain("as a cluster Redis 7.0 or newer")
    expect(serverProblem({ ...info, maxmemory_policy: "volatile-lru" }, false)).toContain("allowed: noeviction")
    expect(serverProblem({}, false)).toContain("must be allowed INFO")
  })

  it("is told at the start, with the setting, what was found and what is allowed", async () => {
    expect(await refusalOf(server.url)).toBe("none")
    await server.client.config("SET", "maxmemory-policy", "allkeys-lru")
    const text = await refusalOf(server.url)
    await server.client.config("SET", "maxmemory-policy", "noeviction")
    expect(text).toMatch(/^redis\.url: .*maxmemory-policy is allkeys-lru.*allowed: noeviction$/)
  })

  it("is asked of each node of a cluster", async () => {
    const cluster = await startRedisCluster()
    ends.push(cluster.stop)
    expect(await refusalOf(cluster.url, 16)).toBe("none")
    await cluster.nodes[1]?.client.config("SET", "maxmemory-policy", "allkeys-lfu")
    expect(await refusalOf(cluster.url, 16)).toContain("maxmemory-policy is allkeys-lfu")
  })

  it("is asked of whoever a connection comes back to: until it is so, nothing is taken or delivered", async () => {
    const node = await start()
    await server.client.config("SET", "maxmemory-policy", "allkeys-lru")
    await cutAll()
    await until("it to be seen", () => !node.engine.isFresh())
    await expect(node.publish([A])).rejects.toMatchObject({ _tag: "engine_unavailable" })
    await expect(node.subscribe("b" as RoomName)).rejects.toMatchObject({ _tag: "engine_unavailable" })
    await server.client.config("SET", "maxmemory-policy", "noeviction")
    await until("it to be fresh again", () => node.engine.isFresh())
    const { id } = await node.publish([A])
    await until("the message", () => node.idsIn(A).includes(id))
    expect(node.told).toEqual([])
  })

  it("is to be the master: one that became a replica is left, and when it is promoted the store has begun anew", async () => {
    const other = await startRedis()
    ends.push(other.stop)
    const node = await start()
    await node.publish([A])
    await server.client.replicaof("127.0.0.1", other.port)
    await expect(node.publish([A])).rejects.toMatchObject({ _tag: "engine_unavailable" })
    await until("it to be seen", () => !node.engine.isFresh())
    await until("it to have what the other has", async () =>
      (await server.client.info("replication")).includes("master_link_status:up"),
    )
    await server.client.replicaof("NO", "ONE")
    await until("it to be fresh again", () => node.engine.isFresh())
    const { id } = await node.publish([A])
    await until("the message", () => node.idsIn(A).includes(id))
    expect(node.told).toEqual(["new epoch"])
  })

  it("and of a sentinel to say when another becomes the master", async () => {
    const redis = await startRedisSentinel()
    ends.push(redis.stop)
    expect(await refusalOf(redis.url)).toBe("none")
    await redis.forbidSubscribing()
    // A node that is up before their answer says it in its log.
    await until("a node to be refused", async () =>
      (await refusalOf(redis.url)).startsWith(
        "redis.url: a Redis server there cannot be used: a sentinel must be allowed SUBSCRIBE, and answers: NOPERM",
      ),
    )
  })
})
