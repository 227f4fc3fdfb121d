import { describe, expect, it } from "vitest"
import { RedisStore } from "#adapters/redis/redis-store.ts"
import type { RoomName } from "#domain/room.ts"
import { publishTo } from "#tests/contracts/engine-contract.ts"
import type { Client } from "#tests/support/client.ts"
import { connected } from "#tests/support/client.ts"
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
import type { Gateway } from "#tests/support/gateway.ts"
import { startNode } from "#tests/support/redis-node.ts"
import { faultsOf, NO_FAULTS } from "#tests/support/tally.ts"
import { settle, until } from "#tests/support/until.ts"

const BATCH = 100

/** It hears nothing of what is pushed until it runs again. */
const missing = async (cluster: Cluster, node: Gateway, push: () => Promise<unknown>): Promise<void> => {
  node.process.kill("SIGSTOP")
  await cutSubscriptions(cluster)
  await settle(600)
  await push()
  node.process.kill("SIGCONT")
}

const numbers = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i)

/** Whole batches, until told otherwise; answers how many were pushed. */
const pushBatches = async (
  cluster: Cluster,
  node: Gateway,
  messageAt: (i: number) => object,
  goesOn: (pushed: number) => boolean,
): Promise<number> => {
  let pushed = 0
  while (goesOn(pushed)) {
    const messages = Array.from({ length: BATCH }, () => messageAt(pushed++))
    const { body } = await node.call("POST", "/v1/messages/batch", { messages })
    if (body.results.some((result: { status: number }) => result.status !== 202))
      for (const { data, to } of messages as { data: unknown; to: object }[]) await cluster.surely(to, data, [node])
  }
  return pushed
}

const arrived = (client: Client, count: number): Promise<void> =>
  until(`${count} messages`, () => client.received.length >= count, 60_000)

describe.concurrent("a node whose subscription was cut", () => {
  it("fills three thousand messages from the log, in order, and is ready again", async () => {
    await using cluster = await startCluster(2)
    const [cut, other] = [nodeAt(cluster, 0), nodeAt(cluster, 1)]
    const to = { rooms: ["open:a"] }
    const client = await cluster.client(cut, "ann", { rooms: to.rooms })
    await missing(cluster, cut, () =>
      pushBatches(
        cluster,
        other,
        (data) => ({ to, event: "e", data }),
        (pushed) => pushed < 3_000,
      ),
    )
    await arrived(client, 3_000)
    await isReady(cut)
    expect(client.received).toHaveLength(3_000)
    expect([faultsOf(client, numbers(3_000)), client.recovered]).toEqual([NO_FAULTS, [false]])
  })

  it("closes the members of a room whose log cannot fill the gap, and nobody else", async () => {
    await using cluster = await startCluster(2)
    const [cut, other] = [nodeAt(cluster, 0), nodeAt(cluster, 1)]
    const [short, long] = [{ rooms: ["short:x"] }, { rooms: ["open:a"] }]
    const ofShort = await cluster.client(cut, "bea", { rooms: short.rooms })
    const ofLong = await cluster.client(cut, "cat", { rooms: long.rooms })
    await cut.push(short, "e", 0)
    await cut.push(long, "e", 0)
    await until("the first of both", () => ofShort.received.length === 1 && ofLong.received.length === 1)
    await missing(cluster, cut, async () => {
      for (let i = 1; i <= 80; i++) await cluster.surely(short, i, [other])
      for (let i = 1; i <= 5; i++) await cluster.surely(long, i, [other])
    })
    await connected(ofShort, 2)
    await arrived(ofLong, 6)
    await until("its room", async () => (await cut.call("GET", "/v1/rooms/short%3Ax")).body.memberCount === 1)
    await cut.push(short, "e", 81)
    await arrived(ofShort, 2)
    expect([ofShort.recovered, seen(ofShort)]).toEqual([
      [false, false],
      [0, 81],
    ])
    expect([ofLong.recovered, seen(ofLong)]).toEqual([[false], [0, 1, 2, 3, 4, 5]])
  })
})

/** A node whose messages get into the logs, and whose publications nobody hears. */
const startUnheard = async ({ redis }: Cluster) => {
  const node = await startNode(redis.url, { prefix: "roomcast", beatMs: 2_000, leaseMs: 10_000 })
  const { state } = await node.runtime.runPromise(RedisStore)
  for (const partition of state.partitions) Object.assign(partition, { channel: () => "nobody" })
  return {
    push: (room: string, data: number) => {
      const history = { size: 50_000, ttlMs: 3_600_000 }
      return node.send(publishTo([room as RoomName], { id: `unheard-${data}`, event: "e", data: `${data}`, history }))
    },
    [Symbol.asyncDispose]: () => node.end(),
  }
}

it.concurrent("a message that a subscription does not bring, and is up all the while, comes from the log before the next one", async () => {
  await using cluster = await startCluster(1)
  await using unheard = await startUnheard(cluster)
  const node = nodeAt(cluster, 0)
  const client = await cluster.client(node, "eve", { rooms: ["open:a"] })
  const other = await cluster.client(node, "fay", { rooms: ["open:b"] })
  for (let i = 0; i < 40; i++) {
    if (i % 4 === 1 || i % 4 === 2) await unheard.push("open:a", i)
    else await node.push({ rooms: ["open:a"] }, "e", i)
    await node.push({ rooms: ["open:b"] }, "e", i)
  }
  for (const each of [client, other]) await arrived(each, 40)
  await settle(100)
  for (const each of [client, other]) {
    expect(seen(each)).toEqual(numbers(40))
    expect([each.recovered, each.disconnects]).toEqual([[false], []])
  }
})

describe("a replay beside a room that is busy", () => {
  it("of ten thousand messages through a gate that overflows again and again is whole and in order", async () => {
    // Half of it is what a gate holds: some forty messages of this size.
    await using cluster = await startCluster(2, { config: { limits: { bufferBytes: 200_000 } } })
    const [node, other] = [nodeAt(cluster, 0), nodeAt(cluster, 1)]
    const client = await cluster.client(node, "dot", { rooms: ["open:a", "open:b"], ...STAYS_AWAY })
    client.drop()
    const pad = "x".repeat(2_000)
    let next = 0
    const message = () => {
      const n = next++
      return { to: { rooms: [n % 2 === 0 ? "open:a" : "open:b"] }, event: "e", data: { n, pad } }
    }
    await Promise.all(numbers(2).map(() => pushBatches(cluster, other, message, () => next < 10_000)))
    let running = true
    const beside = pushBatches(cluster, other, message, () => running)
    comeBack(client)
    await connected(client, 2)
    await settle(2_000)
    running = false
    await beside
    await arrived(client, next)
    await settle(300)
    expect(client.received).toHaveLength(next)
    expect(faultsOf(client, numbers(next), (data) => Number(Object(data).n))).toEqual(NO_FAULTS)
    const offsets = client.received.map(({ meta }) => meta.offset ?? "")
    expect(offsets).toEqual([...offsets].sort())
    expect(client.recovered).toEqual([false, true])
    expect(await node.metric('roomcast_limit_hits_total{limit="gate"}')).toBeGreaterThan(0)
  })
})
