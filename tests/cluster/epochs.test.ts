import { cpSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { type Client, connected } from "#tests/support/client.ts"
import {
  type Cluster,
  comeBack,
  cutSubscriptions,
  isReady,
  nodeAt,
  STAYS_AWAY,
  seen,
  startCluster,
} from "#tests/support/cluster.ts"
import type { RedisServer } from "#tests/support/redis-server.ts"
import { settle, until } from "#tests/support/until.ts"

const FILE = ["--save", "", "--appendonly", "yes"]
const to = { rooms: ["open:a"] }

/** Its append-only file as it is now, for the server that comes up next: what is written from here on will be lost. */
const copyFile = ({ directory }: RedisServer): { readonly bringBack: () => void } => {
  const copy = mkdtempSync(join(tmpdir(), "roomcast-file-"))
  cpSync(directory, copy, { recursive: true })
  return {
    bringBack: () => {
      rmSync(join(directory, "appendonlydir"), { recursive: true })
      cpSync(join(copy, "appendonlydir"), join(directory, "appendonlydir"), { recursive: true })
      rmSync(copy, { recursive: true })
    },
  }
}

/** One is there all the time, one misses two messages; what is done to Redis after the first of four is given. */
const restartOf = async (
  cluster: Cluster,
  afterFirst: (redis: RedisServer) => Promise<(() => void) | undefined>,
): Promise<{ readonly gone: unknown; readonly stayed: unknown }> => {
  const node = nodeAt(cluster, 0)
  const gone = await cluster.member(node, "gone", to.rooms, STAYS_AWAY)
  const stayed = await cluster.member(node, "stayed", to.rooms)
  await node.push(to, "e", 0)
  await until("the first", () => gone.received.length === 1)
  const meanwhile = await afterFirst(cluster.redis)
  await node.push(to, "e", 1)
  await until("the second", () => gone.received.length === 2)
  gone.drop()
  await settle(50)
  for (const missed of [2, 3]) expect((await node.push(to, "e", missed)).status).toBe(202)
  await until("all four at who stayed", () => stayed.received.length === 4)
  await cluster.redis.restart(meanwhile)
  await isReady(node)
  comeBack(gone)
  await connected(gone, 2)
  await cluster.surely(to, 4)
  await settle(500)
  return {
    gone: { recovered: atLast(gone), seen: seen(gone) },
    stayed: { recovered: atLast(stayed), told: stayed.closings[0]?.code, seen: seen(stayed).slice(0, 4) },
  }
}

/** What it was told at its first connect, and at those that follow: it may need several while Redis comes up. */
const atLast = ({ recovered: [first, ...later] }: Client): unknown[] => [first, ...new Set(later)]

const LOST = {
  gone: { recovered: [false, false], seen: [0, 1] },
  stayed: { recovered: [false, false], told: "new_epoch", seen: [0, 1, 2, 3] },
}

describe.concurrent("a Redis that comes back", () => {
  it("from a snapshot begins a new life, which those who missed something and those who did not are told", async () => {
    await using cluster = await startCluster(1, { redisArgs: ["--save", "3600 1"] })
    const found = await restartOf(cluster, async ({ client }) => {
      await client.save()
      return undefined
    })
    expect(found).toEqual(LOST)
  })

  it("with its append-only file whole goes on: who was away recovers, and who was there notices nothing", async () => {
    await using cluster = await startCluster(1, { redisArgs: FILE })
    expect(await restartOf(cluster, async () => undefined)).toEqual({
      gone: { recovered: [false, true], seen: [0, 1, 2, 3, 4] },
      stayed: { recovered: [false], told: undefined, seen: [0, 1, 2, 3] },
    })
  })

  it("with an append-only file that lost its end begins a new life", async () => {
    await using cluster = await startCluster(1, { redisArgs: FILE })
    expect(await restartOf(cluster, async (redis) => copyFile(redis).bringBack)).toEqual(LOST)
  })

  it("with a file that lost its end begins a new life also where the node that saw that end asks second", async () => {
    await using cluster = await startCluster(2, { redisArgs: FILE })
    const [saw, asksFirst] = [nodeAt(cluster, 0), nodeAt(cluster, 1)]
    const client = await cluster.member(saw, "ann", to.rooms, STAYS_AWAY)
    await saw.push(to, "e", 0)
    await until("the first", () => client.received.length === 1)
    client.drop()
    await settle(2_500)
    const { bringBack } = copyFile(cluster.redis)
    await settle(50)
    expect((await saw.push(to, "e", 1)).status).toBe(202)
    await settle(50)
    saw.process.kill("SIGSTOP")
    await cluster.redis.restart(bringBack)
    await isReady(asksFirst)
    await cluster.surely(to, 2, [asksFirst])
    saw.process.kill("SIGCONT")
    comeBack(client)
    await connected(client, 2)
    await settle(300)
    expect([client.recovered, seen(client)]).toEqual([[false, false], [0]])
  })

  it("with a file that lost a join begins a new life: nobody comes back without a room, and is told that it missed nothing", async () => {
    await using cluster = await startCluster(1, { redisArgs: FILE })
    const node = nodeAt(cluster, 0)
    const client = await cluster.member(node, "ann", ["open:b"], STAYS_AWAY)
    const { bringBack } = copyFile(cluster.redis)
    expect((await client.ask("room:join", { room: "open:a" })).ok).toBe(true)
    await cluster.redis.restart(bringBack)
    await isReady(node)
    client.drop()
    await settle(100)
    await cluster.surely(to, "missed")
    comeBack(client)
    await connected(client, 2)
    await settle(500)
    expect([client.recovered, client.closings[0]?.code, seen(client)]).toEqual([[false, false], "new_epoch", []])
  })
})

describe.concurrent("a store that was emptied", () => {
  it("while a node's subscription was cut is noticed: its clients begin anew and get what follows", async () => {
    await using cluster = await startCluster(2)
    const [cut, other] = [nodeAt(cluster, 0), nodeAt(cluster, 1)]
    const client = await cluster.client(cut, "bea", { rooms: to.rooms })
    await cut.push(to, "e", 0)
    await until("the first", () => client.received.length === 1)
    await cutSubscriptions(cluster)
    expect((await other.push(to, "e", 1)).status).toBe(202)
    await cluster.redis.client.flushall()
    await settle(1_500)
    await cluster.surely(to, 2, [other])
    await connected(client, 2)
    expect(client.recovered[1]).toBe(false)
    await until("its room", async () => (await other.call("GET", "/v1/rooms/open%3Aa")).body.memberCount === 1)
    await cluster.surely(to, 3, [other])
    await until("what is of the new life", () => seen(client).includes(3))
  })
})
