import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { closeClients, connectClient } from "#tests/support/client.ts"
import { type Gateway, startNode } from "#tests/support/gateway.ts"
import { type RedisServer, startRedis } from "#tests/support/redis-server.ts"

let redis: RedisServer
let node: Gateway
let other: Gateway

beforeAll(async () => {
  redis = await startRedis()
  const config = { engine: "redis", redis: { url: redis.url } } as const
  ;[node, other] = await Promise.all([startNode(config), startNode(config)])
})
afterAll(async () => {
  closeClients()
  await Promise.all([node.stop(), other.stop()])
  await redis.stop()
})

/** The scripts that the nodes ran meanwhile, and all commands, those inside scripts too. */
const asked = async (work: () => Promise<void>) => {
  await redis.client.config("RESETSTAT")
  const began = performance.now()
  await work()
  let scripts = 0
  let commands = 0
  for (const [, name = "", count] of (await redis.client.info("commandstats")).matchAll(
    /^cmdstat_([^:]+):calls=(\d+)/gm,
  )) {
    commands += Number(count)
    if (/^eval(sha)?$/i.test(name)) scripts += Number(count)
  }
  return { scripts, commands, ms: performance.now() - began }
}

/** For one of so many times. What beats, leases and departures cost by the clock is taken off, however long it took. */
const costOf = async (times: number, act: (i: number) => Promise<unknown>) => {
  const idle = await asked(() => sleep(4_000))
  const { commands, ms, scripts } = await asked(async () => {
    for (let i = 0; i < times; i++) await act(i)
  })
  const part = ms / idle.ms
  return {
    scripts: Math.round((scripts - part * idle.scripts) / times),
    commands: (commands - part * idle.commands) / times,
  }
}

let pushes = 0
const push = () => node.push({ rooms: ["open:cost"] }, "e", pushes++)
let users = 0
const join = async () => {
  const client = await connectClient(node, `cost-${users++}`, { rooms: ["open:cost"] })
  client.socket.disconnect()
}

describe("what is asked of Redis", () => {
  it("for a push and for a connect stays the same, whatever else there is", async () => {
    await connectClient(other, "member", { rooms: ["open:cost"] })
    await push()
    await join()
    const alone = { push: await costOf(200, push), connect: await costOf(40, join) }
    const rooms = (i: number): string[] => Array.from({ length: 5 }, (_, k) => `open:room-${i}-${k}`)
    await Promise.all(
      Array.from({ length: 200 }, (_, i) => connectClient(i % 2 ? node : other, `many-${i}`, { rooms: rooms(i) })),
    )
    for (let i = 0; i < 300; i++) await other.push({ rooms: [`open:room-${i % 200}-0`] }, "e", i)
    const among = { push: await costOf(200, push), connect: await costOf(40, join) }
    expect(alone.push.scripts).toBe(1)
    expect(among.push.scripts).toBe(1)
    expect(alone.connect.scripts).toBeLessThanOrEqual(16)
    expect(among.connect.scripts).toBe(alone.connect.scripts)
    // 200 times as many clients and rooms.
    expect(among.push.commands / alone.push.commands).toBeLessThan(1.2)
    expect(among.connect.commands / alone.connect.commands).toBeLessThan(1.2)
  })
})
