import { randomBytes } from "node:crypto"
import { setTimeout as sleep } from "node:timers/promises"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { afterAll, afterEach, describe, expect, it } from "vitest"
import { Engine, type Publish } from "#application/ports/engine.ts"
import type { RoomName } from "#domain/room.ts"
import { publishTo, room } from "#tests/contracts/engine-contract.ts"
import { redisLayer } from "#tests/contracts/redis-fixture.ts"
import { startRedis } from "#tests/support/redis-server.ts"
import { until } from "#tests/support/until.ts"

const A = room("a")
const HISTORY = { size: 50_000, ttlMs: 3_600_000 }

const server = await startRedis()
afterAll(() => server.stop())
const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

/** A node of a cluster, and what it was told. */
const startNode = async (prefix: string) => {
  const runtime = ManagedRuntime.make(redisLayer(server.url, { prefix }))
  ends.push(() => runtime.dispose())
  const engine = await runtime.runPromise(Engine)
  const heard: string[] = []
  const offsets: number[] = []
  const told: string[] = []
  engine.start({
    deliver: ({ message, offset }) => {
      heard.push(message.id)
      offsets.push(offset)
    },
    hole: (name) => told.push(`hole in ${name}`),
    newEpoch: () => told.push("new epoch"),
    taken: () => {},
    missed: async () => true,
  })
  await until("the node to be fresh", () => engine.isFresh())
  const send = (publish: Publish) => runtime.runPromise(engine.publish(publish))
  const publish = (to: RoomName) => send(publishTo([to], { history: HISTORY }))
  return { engine, heard, offsets, told, publish, send, subscribe: () => runtime.runPromise(engine.subscribe(A)) }
}

/** Every connection of that type but the test's own. */
const cut = (type: "normal" | "pubsub") => server.client.call("CLIENT", "KILL", "TYPE", type, "SKIPME", "yes")

const clusterOfTwo = async () => {
  const prefix = `faults-${randomBytes(4).toString("hex")}`
  const [one, two] = await Promise.all([startNode(prefix), startNode(prefix)])
  await one.subscribe()
  return { one, two, prefix }
}

/** Publishes until told to stop, again where it is told to; answers with the ids that were accepted, in order. */
const publishing = (node: Awaited<ReturnType<typeof startNode>>) => {
  let running = true
  const accepted: string[] = []
  const done = (async () => {
    while (running) {
      await node.publish(A).then(
        ({ id }) => accepted.push(id),
        () => sleep(20),
      )
    }
  })()
  return {
    accepted,
    stop: async () => {
      running = false
      await done
    },
  }
}

describe("a stream of messages from another node", () => {
  it("arrives whole and in order though the subscription is cut again and again", async () => {
    const { one, two } = await clusterOfTwo()
    const stream = publishing(two)
    for (let i = 0; i < 8; i++) {
      await sleep(100)
      await cut("pubsub")
    }
    await until("a while without a cut", () => one.engine.isFresh())
    await stream.stop()
    await until("everything", () => one.heard.length >= stream.accepted.length)
    expect(one.heard).toEqual(stream.accepted)
    expect(one.offsets).toEqual([...one.offsets].sort((a, b) => a - b))
    expect(one.told).toEqual([])
    expect(stream.accepted.length).toBeGreaterThan(8)
  })

  it("arrives whole though every connection is cut, those for commands too", async () => {
    const { one, two } = await clusterOfTwo()
    const stream = publishing(two)
    for (let i = 0; i < 5; i++) {
      await sleep(150)
      await cut("normal")
      await cut("pubsub")
    }
    await until("both to be fresh", () => one.engine.isFresh() && two.engine.isFresh())
    await stream.stop()
    await until("everything", () => stream.accepted.every((id) => one.heard.includes(id)))
    expect(new Set(one.heard).size).toBe(one.heard.length)
    expect(one.offsets).toEqual([...one.offsets].sort((a, b) => a - b))
    expect(one.told).toEqual([])
  })

  it("waits while Redis hangs: publishes are refused in time, and what was accepted arrives", async () => {
    const { one, two } = await clusterOfTwo()
    const before = await two.publish(A)
    await until("the first", () => one.heard.includes(before.id))
    server.signal("SIGSTOP")
    const began = Date.now()
    const refused = await two.publish(A).catch((error: unknown) => error)
    expect(refused).toMatchObject({ _tag: "engine_unavailable", retryAfterMs: 1_000 })
    expect(Date.now() - began).toBeLessThan(10_000)
    await until("it to be known", () => !one.engine.isFresh())
    server.signal("SIGCONT")
    await until("both to be fresh", () => one.engine.isFresh() && two.engine.isFresh())
    const after = await two.publish(A)
    await until("the last", () => one.heard.includes(after.id))
    expect(new Set(one.heard).size).toBe(one.heard.length)
    expect(one.told).toEqual([])
  })

  it("ends with its epoch where the store was emptied, also while the subscription was cut", async () => {
    const { one, two } = await clusterOfTwo()
    await two.publish(A)
    const epoch = one.engine.epoch()
    await server.client.flushall()
    await until("both to know", () => one.told.length > 0 && two.told.length > 0)
    expect([one.told, two.told]).toEqual([["new epoch"], ["new epoch"]])
    expect(one.engine.epoch()).toBe(two.engine.epoch())
    expect(one.engine.epoch()).not.toBe(epoch)
    const { id } = await two.publish(A)
    await until("the first of the new one", () => one.heard.includes(id))
    await Promise.all([server.client.flushall(), cut("pubsub")])
    await until("both to know again", () => one.told.length > 1 && two.told.length > 1)
    expect(one.told).toEqual(["new epoch", "new epoch"])
  })

  it("goes on in a new epoch where the store has gone back to one that was left", async () => {
    const { one, prefix, two } = await clusterOfTwo()
    await two.publish(A)
    const [key = ""] = await server.client.keys(`${prefix}*:epoch`)
    const former = await server.client.hgetall(key)
    await server.client.del(key)
    await until("both to know", () => one.told.length > 0 && two.told.length > 0)
    await server.client.multi().del(key).hset(key, former).exec()
    await until("both to know again", () => one.told.length > 1 && two.told.length > 1)
    await until("both to be fresh", () => one.engine.isFresh() && two.engine.isFresh())
    expect(one.engine.epoch()).toBe(two.engine.epoch())
    expect(one.engine.epoch()).not.toBe(former["id"])
    const { id } = await two.publish(A)
    await until("the first of the new one", () => one.heard.includes(id))
  })

  it("is known to have a hole where its log was cut shorter than what was missed", async () => {
    const { one, two } = await clusterOfTwo()
    await two.publish(A)
    await until("the first", () => one.heard.length === 1)
    const short = publishTo([A], { history: { size: 2, ttlMs: 3_600_000 } })
    await cut("pubsub")
    // All of them before the node has had the time to connect again.
    await Promise.all(
      Array.from({ length: 20 }, (_, i) => two.send({ ...short, message: { ...short.message, id: `x${i}` } })),
    )
    await until("it to be told", () => one.told.length > 0)
    expect(one.told).toEqual([`hole in ${A}`])
    expect(one.heard).toHaveLength(1)
  })
})
