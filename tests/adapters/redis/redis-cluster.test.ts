import { randomBytes } from "node:crypto"
import { setTimeout as sleep } from "node:timers/promises"
import * as Effect from "effect/Effect"
import { afterAll, afterEach, describe, expect, it } from "vitest"
import type { RedisOptions } from "#adapters/redis/redis-store.ts"
import { ConnectionDirectory } from "#application/ports/connection-directory.ts"
import { Revocations } from "#application/ports/revocations.ts"
import type { RoomName } from "#domain/room.ts"
import { room } from "#tests/domain/made.ts"
import { startRedisCluster } from "#tests/support/redis-cluster.ts"
import { faultsIn, type Node, publishing, roomOfEach, startNode } from "#tests/support/redis-node.ts"
import type { RedisProcess } from "#tests/support/redis-process.ts"
import { until } from "#tests/support/until.ts"

const PARTITIONS = 4
const FAILOVER_MS = 40_000

const cluster = await startRedisCluster()
afterAll(() => cluster.stop())
const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
  await until("the cluster to be whole again", cluster.isWhole, FAILOVER_MS)
})

/** Two nodes that hear a room of each partition. */
const twoNodes = async (more: Partial<RedisOptions> = {}) => {
  const options = { prefix: `cluster-${randomBytes(4).toString("hex")}`, partitions: PARTITIONS, ...more }
  const nodes = await Promise.all([startNode(cluster.url, options), startNode(cluster.url, options)])
  for (const node of nodes) ends.push(node.end)
  const rooms = roomOfEach(nodes[0])
  for (const node of nodes) await Promise.all(rooms.map(node.subscribe))
  return { nodes, one: nodes[0], two: nodes[1], rooms }
}

const tag = (index: number): string => `{${PARTITIONS}.${index}}`

const fresh = (nodes: readonly Node[]) =>
  until("the nodes to be fresh", () => nodes.every(({ engine }) => engine.isFresh()), FAILOVER_MS)

/** The rooms whose partitions that server has. */
const roomsAt = async (server: RedisProcess, rooms: readonly RoomName[]) => {
  const servers = await Promise.all(rooms.map((_, i) => cluster.masterOf(tag(i))))
  return rooms.filter((_, i) => servers[i] === server)
}

const moveSlot = async (key: string, halfWay?: () => Promise<void>) => {
  const from = await cluster.masterOf(key)
  const others = await Promise.all(Array.from({ length: 20 }, (_, i) => cluster.masterOf(`k${i}`)))
  const to = others.find((server) => server !== from)
  if (to === undefined) throw new Error("there is one master only")
  await cluster.moveSlotOf(key, to, halfWay)
  await until("it to be moved", async () => (await cluster.masterOf(key)) === to)
}

/** Everybody hears what is published now in each room. */
const everybodyHears = async (nodes: readonly Node[], rooms: readonly RoomName[]) => {
  for (const room of rooms) {
    const { id } = (await nodes[0]?.publish([room])) ?? { id: "" }
    await until(`${room} to be heard`, () => nodes.every((node) => node.idsIn(room).includes(id)))
  }
}

describe("a Redis Cluster", () => {
  it("loses nothing of a stream while subscriptions are cut and a slot moves, where the store's life is unbroken", async () => {
    // With a file that each write goes to, a server that was never promoted goes on with what another has handed over.
    for (const { client } of cluster.nodes) await client.config("SET", "appendonly", "yes")
    const { nodes, two, rooms } = await twoNodes()
    const stream = publishing(two, rooms, 2)
    for (let i = 0; i < 5; i++) {
      await sleep(150)
      for (const { client } of cluster.nodes) await client.call("CLIENT", "KILL", "TYPE", "pubsub", "SKIPME", "yes")
    }
    await fresh(nodes)
    await moveSlot(tag(1))
    const { length } = stream.accepted
    await until("the stream to go on", () => stream.accepted.length > length + 20 * rooms.length, FAILOVER_MS)
    await stream.stop()
    await fresh(nodes)
    await everybodyHears(nodes, rooms)
    for (const { client } of cluster.nodes) await client.config("SET", "appendonly", "no")
    for (const node of nodes) {
      expect(node.told).toEqual([])
      for (const room of rooms) {
        const accepted = stream.accepted.filter((one) => one.room === room).map(({ id }) => id)
        expect(node.idsIn(room).slice(0, -1)).toEqual(accepted)
      }
    }
  })

  it("carries a stream through the death of a master: nothing twice, out of order or with a hole, or a new epoch", async () => {
    const { nodes, one, two, rooms } = await twoNodes()
    const stream = publishing(two, rooms, 5)
    await until("the stream to run", () => rooms.every((room) => one.idsIn(room).length > 20))
    const master = await cluster.masterOf(tag(0))
    const hit = await roomsAt(master, rooms)
    const accepted = stream.accepted.length
    await master.kill()
    const others = rooms.filter((room) => !hit.includes(room))
    const before = others.map((room) => one.idsIn(room).length)
    await until("the other partitions to go on", () =>
      others.every((room, i) => one.idsIn(room).length > (before[i] ?? 0) + 5),
    )
    await until("another to be the master", async () => (await cluster.masterOf(tag(0))) !== master, FAILOVER_MS)
    await fresh(nodes)
    await until("the stream to go on", () => stream.accepted.length > accepted + 20 * rooms.length, FAILOVER_MS)
    await stream.stop()
    await fresh(nodes)
    await everybodyHears(nodes, rooms)
    expect(stream.refused).toBeGreaterThan(0)
    for (const node of nodes) {
      expect(rooms.flatMap((room) => faultsIn(node, room, stream.accepted))).toEqual([])
      expect(node.told).toContain("new epoch")
      expect(node.told.filter((each) => each !== "new epoch")).toEqual([])
    }
    for (const room of others) expect(one.idsIn(room)).toEqual(two.idsIn(room))
    await master.restart()
  })

  it("carries it through a failover that was asked for, with a subscription at the new master", async () => {
    const { nodes, one, two, rooms } = await twoNodes()
    const stream = publishing(two, rooms, 5)
    await until("the stream to run", () => rooms.every((room) => one.idsIn(room).length > 20))
    const master = await cluster.masterOf(tag(0))
    const replica = await cluster.replicaOf(master)
    await replica.client.call("CLUSTER", "FAILOVER")
    await until("the replica to be the master", async () => (await cluster.masterOf(tag(0))) === replica, FAILOVER_MS)
    const hit = await roomsAt(replica, rooms)
    const { length } = stream.accepted
    await until("the stream to go on", () => stream.accepted.length > length + 20 * rooms.length, FAILOVER_MS)
    await stream.stop()
    await fresh(nodes)
    await everybodyHears(nodes, rooms)
    for (const node of nodes) {
      expect(rooms.flatMap((room) => faultsIn(node, room, stream.accepted))).toEqual([])
      expect(node.told).toEqual(hit.map(() => "new epoch"))
    }
    const heardAt = await replica.client.call("PUBSUB", "SHARDCHANNELS")
    expect(heardAt).toEqual(expect.arrayContaining(hit.map((room) => expect.stringContaining(`room:${room}`))))
    expect(await master.client.call("PUBSUB", "SHARDCHANNELS")).toEqual([])
  })

  it("goes on where a partition's slot is moved to another master", async () => {
    const { nodes, one, two, rooms } = await twoNodes()
    const stream = publishing(two, rooms, 5)
    await until("the stream to run", () => rooms.every((room) => one.idsIn(room).length > 20))
    await moveSlot(tag(1))
    const { length } = stream.accepted
    await until("the stream to go on", () => stream.accepted.length > length + 20 * rooms.length, FAILOVER_MS)
    await stream.stop()
    await fresh(nodes)
    await everybodyHears(nodes, rooms)
    for (const node of nodes) {
      expect(rooms.flatMap((room) => faultsIn(node, room, stream.accepted))).toEqual([])
      expect(node.told.filter((each) => each !== "new epoch")).toEqual([])
    }
  })

  it("says nothing of revocations and connections while their slots move, rather than what a half of them says", async () => {
    const prefix = `cluster-${randomBytes(4).toString("hex")}`
    const { one } = await twoNodes({ prefix })
    const { runPromise } = one.runtime
    const { directory, revocations } = await runPromise(
      Effect.all({ directory: ConnectionDirectory, revocations: Revocations }),
    )
    await runPromise(revocations.add({ userId: "ann", issuedBefore: 2_000 }))
    const claims = { userId: "ann", tokenId: undefined, issuedAt: 1_000 }
    const entry = { userId: "ann", connectionId: "c1", node: "a", transport: "websocket", address: "", connectedAt: 1 }
    await runPromise(directory.register({ ...entry, rooms: [room("r")] }))
    await moveSlot(`${prefix}:{revocations}`, async () => {
      await expect(runPromise(revocations.isRevoked(claims))).rejects.toMatchObject({ _tag: "engine_unavailable" })
      await expect(runPromise(revocations.list({ limit: 10, cursor: undefined }))).rejects.toMatchObject({
        _tag: "engine_unavailable",
      })
    })
    await moveSlot(`${prefix}:{directory}`, async () => {
      await expect(runPromise(directory.connection("c1"))).rejects.toMatchObject({ _tag: "engine_unavailable" })
      await expect(
        runPromise(directory.register({ ...entry, connectionId: "c2", rooms: [room("r")] })),
      ).rejects.toMatchObject({ _tag: "engine_unavailable" })
    })
    expect(await runPromise(revocations.isRevoked(claims))).toBe(true)
    expect((await runPromise(directory.connectionsOf("ann"))).map(({ connectionId }) => connectionId)).toEqual(["c1"])
  })

  it("refuses publishes in time while a master hangs, and takes them again from whoever follows it", async () => {
    const { nodes, one, rooms } = await twoNodes()
    const [room] = rooms
    if (room === undefined) throw new Error("there are no rooms")
    await one.publish([room])
    const master = await cluster.masterOf(tag(0))
    const hung = await roomsAt(master, rooms)
    master.signal("SIGSTOP")
    ends.unshift(async () => master.signal("SIGCONT"))
    const known = new Set<unknown>()
    const looking = setInterval(() => {
      for (const node of nodes) if (!node.engine.isFresh()) known.add(node)
    }, 20)
    ends.unshift(async () => clearInterval(looking))
    const began = Date.now()
    await expect(one.publish([room])).rejects.toMatchObject({ _tag: "engine_unavailable" })
    expect(Date.now() - began).toBeLessThan(10_000)
    // Done where it can be, refused as a whole; the repeat does what is missing.
    const inOrder = [...rooms].sort((a, b) => Number(hung.includes(a)) - Number(hung.includes(b)))
    await expect(one.publish(inOrder, "k")).rejects.toMatchObject({ _tag: "engine_unavailable" })
    await until("it to be known", () => known.size === nodes.length)
    await fresh(nodes)
    const { id, repeated } = await one.publish(inOrder, "k")
    expect(repeated).toBe(true)
    await everybodyHears(nodes, rooms)
    for (const node of nodes)
      for (const name of rooms) expect(node.idsIn(name).filter((each) => each === id)).toHaveLength(1)
  })

  it("tells every node of a session's new owner, also after the connections that hear it were cut", async () => {
    const { nodes, one } = await twoNodes()
    const session = {
      id: "s1",
      owner: 1,
      userId: "ann",
      node: "a",
      connectionIds: ["c1"],
      rooms: new Map(),
      info: undefined,
    }
    const { runtime, sessions } = one
    await runtime.runPromise(sessions.open(session))
    await runtime.runPromise(sessions.take(session, { node: "b", connectionId: "c2" }))
    await until("all to know", () => nodes.every(({ taken }) => taken.length === 1))
    for (const { client } of cluster.nodes) await client.call("CLIENT", "KILL", "TYPE", "pubsub", "SKIPME", "yes")
    await until("it to be seen", () => nodes.some(({ engine }) => !engine.isFresh()))
    await fresh(nodes)
    await runtime.runPromise(sessions.take({ ...session, owner: 2 }, { node: "c", connectionId: "c3" }))
    await until("all to know again", () => nodes.every(({ taken }) => taken.length === 2))
    expect(one.taken).toEqual(["s1 2", "s1 3"])
  })

  it("begins a new life with whoever follows the server that a session is on: it may lack a room of it", async () => {
    const prefix = `cluster-${randomBytes(4).toString("hex")}`
    const node = await startNode(cluster.url, { prefix, partitions: 1 })
    ends.push(node.end)
    const ids = Array.from({ length: 8 }, (_, i) => `${i}`.padStart(27, "s"))
    for (const id of ids) {
      const session = {
        id,
        owner: 1,
        userId: "ann",
        node: "n",
        connectionIds: ["c"],
        rooms: new Map(),
        info: undefined,
      }
      await node.runtime.runPromise(node.sessions.open(session))
    }
    const serverOf = async (id: string): Promise<RedisProcess> => {
      for (const each of cluster.nodes) {
        const isMaster = String(await each.client.call("ROLE")).startsWith("master")
        if (isMaster && (await each.client.keys(`${prefix}*${id}*`)).length > 0) return each
      }
      throw new Error(`no server has session ${id}`)
    }
    // Where there is one, a server that nothing of the partition is on.
    const ofPartition = await cluster.masterOf("{1.0}")
    const servers = await Promise.all(ids.map(serverOf))
    const other = Math.max(
      0,
      servers.findIndex((server) => server !== ofPartition),
    )
    const [id = "", server = ofPartition] = [ids[other], servers[other]]
    const replica = await cluster.replicaOf(server)
    const before = node.engine.epoch()
    await replica.client.call("CLUSTER", "FAILOVER")
    await until("the replica to be the master", async () => (await serverOf(id)) === replica, FAILOVER_MS)
    const read = () => node.runtime.runPromise(node.sessions.read(id)).catch(() => undefined)
    await until("it to be read", async () => (await read()) !== undefined, FAILOVER_MS)
    expect([node.engine.epoch() === before, node.told]).toEqual([false, ["new epoch"]])
  })

  it("waits for replicas, of whoever is the master", async () => {
    const { nodes, one, rooms } = await twoNodes({ waitReplicas: 1 })
    await everybodyHears(nodes, rooms)
    const master = await cluster.masterOf(tag(0))
    const replica = await cluster.replicaOf(master)
    await replica.client.call("CLUSTER", "FAILOVER")
    await until("the replica to be the master", async () => (await cluster.masterOf(tag(0))) === replica, FAILOVER_MS)
    await until("the former one to be its replica", cluster.isWhole, FAILOVER_MS)
    const { accepted, stop } = publishing(one, rooms, 5)
    await until("publishes to be accepted", () => accepted.length > 10 * rooms.length)
    await stop()
    master.signal("SIGSTOP")
    const hit = rooms[0]
    if (hit === undefined) throw new Error("there are no rooms")
    await expect(one.publish([hit])).rejects.toMatchObject({ _tag: "engine_unavailable" })
    master.signal("SIGCONT")
    await until("publishes to be accepted again", () =>
      one.publish([hit]).then(
        () => true,
        () => false,
      ),
    )
  })

  it("publishes to rooms in several partitions once in each, under one id, however often the key is repeated", async () => {
    const { nodes, one, two, rooms } = await twoNodes()
    const first = await one.publish(rooms, "k")
    const again = await two.publish(rooms, "k")
    expect(again).toEqual({ ...first, repeated: true })
    await everybodyHears(nodes, rooms)
    for (const node of nodes)
      for (const room of rooms) expect(node.idsIn(room).filter((id) => id === first.id)).toHaveLength(1)
  })
})
