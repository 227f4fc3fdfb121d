import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, beforeAll, expect, it } from "vitest"
import { type Client, closeClients, connectClient } from "#tests/support/client.ts"
import { type Gateway, startNode } from "#tests/support/gateway.ts"
import { type RedisServer, startRedis } from "#tests/support/redis-server.ts"
import { roundRobinTcp, type TcpProxy } from "#tests/support/round-robin-tcp.ts"
import { until } from "#tests/support/until.ts"

const nodes: Gateway[] = []
const ports: number[] = []
let redis: RedisServer
let balancer: TcpProxy

const start = async (): Promise<void> => {
  const node = await startNode({ engine: "redis", redis: { url: redis.url }, drain: { time: "5s" } })
  nodes.push(node)
  ports.push(Number(new URL(node.url).port))
}

beforeAll(async () => {
  redis = await startRedis()
  await Promise.all([start(), start(), start()])
  balancer = await roundRobinTcp(ports)
})
afterAll(async () => {
  closeClients()
  await Promise.all(nodes.map(({ stop }) => stop("SIGKILL")))
  balancer.close()
  await redis.stop()
})

const ROOMS = ["open:a", "open:b", "open:c"]
const TRANSPORTS = [["websocket"], ["polling"], ["polling", "websocket"]]

/** Again under its key, at whatever node, until it is taken; a node that ends may close the connection instead. */
const pushSurely = async (n: number): Promise<number> => {
  for (let tries = 0; ; tries++) {
    const node = nodes[(n + tries) % nodes.length]
    const room = ROOMS[n % ROOMS.length] ?? ""
    const status = await (
      node?.push({ rooms: [room] }, "n", n, {}, { "idempotency-key": `n${n}` }) ?? Promise.reject()
    ).then(
      (answer) => answer.status,
      () => undefined,
    )
    if (status === 202) return tries
    expect([undefined, 503]).toContain(status)
    await sleep(50)
  }
}

const numbers = (client: Client): number[] => client.received.map(({ data }) => data as number)

it("a rolling restart of all nodes under load loses no message and fails no push that is tried again", async () => {
  const clients = await Promise.all(
    Array.from({ length: 18 }, (_, i) =>
      connectClient({ url: balancer.url }, `u${i}`, {
        rooms: ROOMS,
        transports: TRANSPORTS[i % TRANSPORTS.length] ?? [],
        reconnectionDelay: 200,
      }),
    ),
  )
  let running = true
  let next = 0
  const worker = async (): Promise<void> => {
    while (running) {
      await pushSurely(next++)
      await sleep(5)
    }
  }
  const workers = [worker(), worker()]
  for (let restarted = 0; restarted < 3; restarted++) {
    await start()
    const old = nodes.shift()
    ports.shift()
    expect(await old?.stop()).toBe(0)
  }
  await sleep(500)
  running = false
  await Promise.all(workers)
  const all = Array.from({ length: next }, (_, n) => n)
  await until("all at every client", () => clients.every((client) => new Set(numbers(client)).size === next), 30_000)
  for (const client of clients) {
    expect(numbers(client).toSorted((a, b) => a - b)).toEqual(all)
    for (const room of ROOMS) {
      const offsets = client.received.filter(({ meta }) => meta.room === room).map(({ meta }) => meta.offset ?? "")
      expect(offsets).toEqual(offsets.toSorted())
    }
    expect(client.recovered.slice(1).every(Boolean)).toBe(true)
  }
  // Each node that was there at the start is gone, so each of its clients moved.
  expect(clients.every(({ recovered }) => recovered.length > 1)).toBe(true)
})
