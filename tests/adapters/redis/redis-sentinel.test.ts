import { randomBytes } from "node:crypto"
import { afterEach, describe, expect, it } from "vitest"
import type { RoomName } from "#domain/room.ts"
import { faultsIn, type Node, publishing, startNode } from "#tests/support/redis-node.ts"
import { type RedisSentinel, startRedisSentinel } from "#tests/support/redis-sentinel.ts"
import { type RedisServer, startRedis } from "#tests/support/redis-server.ts"
import { until } from "#tests/support/until.ts"

const A = "a" as RoomName
const FAILOVER_MS = 40_000

const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

/** Two nodes that hear the room. */
const twoNodes = async ({ password = "", waitReplicas = 0 } = {}) => {
  const redis = await startRedisSentinel(password)
  const options = { prefix: `sentinel-${randomBytes(4).toString("hex")}`, waitReplicas }
  const nodes = await Promise.all([startNode(redis.url, options), startNode(redis.url, options)])
  ends.push(...nodes.map((node) => node.end), redis.stop)
  for (const node of nodes) await node.subscribe(A)
  return { redis, nodes, one: nodes[0], two: nodes[1] }
}

const promoted = async ({ masterPort, replica }: RedisSentinel, nodes: readonly Node[]) => {
  await until("the replica to be the master", async () => (await masterPort()) === replica.port, FAILOVER_MS)
  await until("the nodes to know", () => nodes.every(({ told }) => told.length > 0), FAILOVER_MS)
  await until("the nodes to be fresh", () => nodes.every(({ engine }) => engine.isFresh()), FAILOVER_MS)
}

/** The replica's link is cut and it stands still: what is written from here on it does not have. */
const leaveBehind = async ({ master, replica }: RedisSentinel) => {
  replica.signal("SIGSTOP")
  await master.client.call("CLIENT", "KILL", "TYPE", "replica")
}

describe("a master with a replica", () => {
  it("has begun anew when it is the master again with the data of another that lacked its last writes", async () => {
    const [master, other] = await Promise.all([startRedis(), startRedis()])
    ends.push(master.stop, other.stop)
    const linked = async (server: RedisServer) =>
      (await server.client.info("replication")).includes("master_link_status:up")
    const node = await startNode(master.url)
    ends.unshift(node.end)
    await node.subscribe(A)
    // The first replica of a server changes its replication id, and is no other life.
    await other.client.replicaof("127.0.0.1", master.port)
    await until("it to be a replica", () => linked(other))
    await node.publish([A])
    await other.client.replicaof("NO", "ONE")
    const lost = await node.publish([A])
    await until("it to be heard", () => node.idsIn(A).includes(lost.id))
    expect(node.told).toEqual([])
    await master.client.replicaof("127.0.0.1", other.port)
    await until("it to be the other's replica", () => linked(master))
    await master.client.replicaof("NO", "ONE")
    await until("the node to know", () => node.told.length > 0)
    expect(node.told).toEqual(["new epoch"])
    await until("the node to be fresh", () => node.engine.isFresh())
    const after = await node.publish([A])
    await until("the first of the new one", () => node.idsIn(A).includes(after.id))
  })
})

describe("Redis with Sentinel", () => {
  it("tells every node that the store began anew where a replica follows that lacks the last writes", async () => {
    const { nodes, one, redis, two } = await twoNodes()
    await two.publish([A])
    await leaveBehind(redis)
    const lost = await two.publish([A])
    await until("it to be heard", () => nodes.every((node) => node.idsIn(A).includes(lost.id)))
    const epoch = one.engine.epoch()
    await redis.master.kill()
    redis.replica.signal("SIGCONT")
    await expect(two.publish([A])).rejects.toMatchObject({ _tag: "engine_unavailable" })
    await promoted(redis, nodes)
    const after = await two.publish([A])
    await until("the first of the new one", () => nodes.every((node) => node.idsIn(A).includes(after.id)))
    for (const node of nodes) {
      expect(node.told).toEqual(["new epoch"])
      expect(node.engine.epoch()).not.toBe(epoch)
    }
    expect(one.engine.epoch()).toBe(two.engine.epoch())
  })

  it("carries a stream through a failover that was asked for, with a password on master and replica", async () => {
    const { nodes, one, redis, two } = await twoNodes({ password: "secret" })
    const stream = publishing(two, [A], 2)
    await until("the stream to run", () => one.idsIn(A).length > 50)
    await redis.failover()
    await promoted(redis, nodes)
    const { length } = stream.accepted
    await until("the stream to go on", () => stream.accepted.length > length + 50, FAILOVER_MS)
    await stream.stop()
    const last = await two.publish([A])
    await until("the last", () => nodes.every((node) => node.idsIn(A).includes(last.id)))
    for (const node of nodes) {
      expect(faultsIn(node, A, stream.accepted)).toEqual([])
      expect(node.told).toEqual(["new epoch"])
    }
  })

  it("goes on where a sentinel dies, and follows what the others say", async () => {
    const { nodes, redis, two } = await twoNodes()
    await redis.stopSentinel()
    await two.publish([A])
    await redis.failover()
    await promoted(redis, nodes)
    const { id } = await two.publish([A])
    await until("the message", () => nodes.every((node) => node.idsIn(A).includes(id)))
  })

  it("accepts a message only when so many replicas have it as redis.waitReplicas says", async () => {
    const { one, redis, two } = await twoNodes({ waitReplicas: 1 })
    const first = await one.publish([A], "first")
    const has = await redis.replica.client.keys("*:log:*")
    expect(has).toHaveLength(1)
    redis.replica.signal("SIGSTOP")
    const refused = await one.publish([A], "second").catch((error: unknown) => error)
    expect(refused).toMatchObject({
      _tag: "engine_unavailable",
      message: expect.stringContaining("redis.waitReplicas asks for 1"),
    })
    redis.replica.signal("SIGCONT")
    await until("the replica to be back", () =>
      one.publish([A], "third").then(
        () => true,
        () => false,
      ),
    )
    const again = await two.publish([A], "second")
    expect(again.repeated).toBe(true)
    expect(again.offset).toBeGreaterThan(first.offset)
    await until("all of it", () => one.idsIn(A).length === 3)
    expect(one.idsIn(A).filter((id) => id === again.id)).toHaveLength(1)
  })
})
