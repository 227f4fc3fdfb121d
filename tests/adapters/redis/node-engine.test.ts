import { randomBytes } from "node:crypto"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { afterAll, expect, it } from "vitest"
import { Engine } from "#application/ports/engine.ts"
import { connectionRoom } from "#domain/room.ts"
import { redisLayer } from "#tests/contracts/redis-fixture.ts"
import { messageTo, room } from "#tests/domain/made.ts"
import { startRedis } from "#tests/support/redis-server.ts"
import { recordingMetrics } from "#tests/support/silent-metrics.ts"
import { settle, until } from "#tests/support/until.ts"

const server = await startRedis()
afterAll(() => server.stop())

it("writes a node's entries again where its lease lapses once more while they are being written again", async () => {
  const prefix = `lapses-${randomBytes(4).toString("hex")}`
  const runtime = ManagedRuntime.make(redisLayer(server.url, { prefix }))
  const engine = await runtime.runPromise(Engine)
  const missed: boolean[] = []
  const ends: (() => void)[] = []
  engine.start({
    deliver: () => {},
    hole: () => {},
    newEpoch: () => {},
    taken: () => {},
    missed: (lapsed) => {
      missed.push(lapsed)
      return new Promise((resolve) => ends.push(() => resolve(true)))
    },
  })
  await until("the node to be fresh", () => engine.isFresh())
  const nodes = `${prefix}:{directory}:nodes`
  const lapse = async () => {
    await server.client.del(nodes)
    await until("it to be noticed", async () => (await server.client.exists(nodes)) === 1)
  }
  await lapse()
  await until("the entries to be written", () => ends.length === 1)
  await lapse()
  // The answer to that beat, and those to some more.
  const beats = await server.client.hget(`${prefix}:{directory}:beats`, "last")
  await until("more beats", async () => {
    const last = await server.client.hget(`${prefix}:{directory}:beats`, "last")
    return Number(last) > Number(beats) + 500
  })
  ends.shift()?.()
  await until("them to be written once more", () => ends.length === 1)
  expect([missed, engine.isFresh()]).toEqual([[true, true], false])
  ends.shift()?.()
  await until("the node to be fresh again", () => engine.isFresh())
  await runtime.dispose()
})

it("looks again for what a break has kept from it that came while it still looked for what another one had", async () => {
  const prefix = `breaks-${randomBytes(4).toString("hex")}`
  const runtime = ManagedRuntime.make(redisLayer(server.url, { prefix, leaseMs: 60_000 }))
  const engine = await runtime.runPromise(Engine)
  const ends: (() => void)[] = []
  const taken: string[] = []
  engine.start({
    deliver: () => {},
    hole: () => {},
    newEpoch: () => {},
    taken: (id) => taken.push(id),
    missed: () => new Promise((resolve) => ends.push(() => resolve(true))),
  })
  await until("the node to be fresh", () => engine.isFresh())
  const cut = () => server.client.call("CLIENT", "KILL", "TYPE", "pubsub")
  await cut()
  await until("the first look", () => ends.length === 1)
  await cut()
  // What is said here it cannot have heard, and the look under way may be past it.
  await server.client.publish(`${prefix}:taken`, "unheard 2")
  await until("it to hear again", async () => (await server.client.publish(`${prefix}:taken`, "heard 2")) > 0)
  await settle(500)
  ends.shift()?.()
  await until("the second look", () => ends.length === 1)
  expect([taken.includes("unheard"), engine.isFresh()]).toEqual([false, false])
  ends.shift()?.()
  await until("the node to be fresh again", () => engine.isFresh())
  await runtime.dispose()
})

it("says how many channels of rooms it hears", async () => {
  const metrics = recordingMetrics()
  const runtime = ManagedRuntime.make(redisLayer(server.url, {}, {}, metrics.layer))
  const engine = await runtime.runPromise(Engine)
  engine.start({ deliver: () => {}, hole: () => {}, newEpoch: () => {}, taken: () => {}, missed: async () => true })
  expect(metrics.gauge("redis_channels")).toBe(0)
  for (const name of ["a", "b"]) await runtime.runPromise(engine.subscribe(room(name)))
  expect(metrics.gauge("redis_channels")).toBe(2)
  await runtime.dispose()
})

it("keeps nothing in Redis of what goes to one connection, which nobody asks for later", async () => {
  const prefix = `passing-${randomBytes(4).toString("hex")}`
  const runtime = ManagedRuntime.make(redisLayer(server.url, { prefix }))
  const engine = await runtime.runPromise(Engine)
  const heard: string[] = []
  engine.start({
    deliver: ({ message }) => heard.push(message.id),
    hole: () => {},
    newEpoch: () => {},
    taken: () => {},
    missed: async () => true,
  })
  const own = connectionRoom("c1")
  await until("the node to be fresh", () => engine.isFresh())
  await runtime.runPromise(engine.subscribe(own))
  const publish = { message: { ...messageTo([own]), id: "m1" }, histories: [undefined], idempotency: undefined }
  await runtime.runPromise(engine.publish(publish))
  await until("it to be heard", () => heard.includes("m1"))
  expect(await server.client.keys(`${prefix}:*$connection*`)).toEqual([])
  await runtime.dispose()
})
