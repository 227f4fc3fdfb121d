import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type Backend, startBackend, WEBHOOK_SECRET } from "#tests/support/backend.ts"
import { type Client, closeClients, connectClient } from "#tests/support/client.ts"
import { type Answer, type Gateway, startNode } from "#tests/support/gateway.ts"
import { type RedisServer, startRedis } from "#tests/support/redis-server.ts"
import { until } from "#tests/support/until.ts"

let redis: RedisServer
let backend: Backend
let node: Gateway
let client: Client

beforeAll(async () => {
  ;[redis, backend] = await Promise.all([startRedis(["--save", "", "--appendonly", "yes"]), startBackend()])
  backend.answer = ({ data }) => ({ status: 200, body: { order: data.payload } })
  node = await startNode({
    engine: "redis",
    redis: { url: redis.url },
    events: [{ match: "order.*", forward: "rpc", timeout: "2s" }],
    webhooks: { endpoints: [{ url: backend.url, secret: WEBHOOK_SECRET, events: ["order.*"] }] },
    log: { level: "info", format: "json" },
  })
  client = await connectClient(node, "ann", { rooms: ["open:a"] })
})
afterAll(async () => {
  closeClients()
  redis.signal("SIGCONT")
  node.process.kill("SIGKILL")
  await Promise.all([backend.stop(), redis.stop()])
})

const ready = async (): Promise<number> => (await fetch(`${node.url}/readyz`)).status
const back = () => until("it to be ready", async () => (await ready()) === 200, 30_000)
const keyed = new Map<string, number>()

/** Each push under a key of its own, and what was answered in the end: 202, or 503 and the same again. */
const push = async (n: number): Promise<Answer> => {
  const answer = await node.push({ rooms: ["open:a"] }, "n", n, {}, { "idempotency-key": `k${n}` })
  if (answer.status === 202) keyed.set(`k${n}`, n)
  return answer
}
const seen = (): number[] => client.received.filter(({ event }) => event === "n").map(({ data }) => data as number)

describe.each([
  ["that hangs", () => redis.signal("SIGSTOP"), () => Promise.resolve(redis.signal("SIGCONT"))],
  ["that is gone", () => redis.signal("SIGKILL"), () => redis.restart()],
])("with a Redis %s", (_, leave, come) => {
  it("clients stay and their events reach the backend, pushes are refused in time and so is readiness; then all is caught up", async () => {
    const first = keyed.size
    expect((await push(first)).status).toBe(202)
    await leave()
    await until("it to be seen", async () => (await ready()) === 503, 30_000)
    const refused = await push(first + 1)
    expect(refused).toMatchObject({ status: 503, body: { code: "engine_unavailable", outcome: "unknown" } })
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0)
    expect(await client.ask("order.place", { n: first })).toEqual({ ok: true, data: { order: { n: first } } })
    const join = await client.ask("room:join", { room: "open:b" })
    expect(join).toMatchObject({ ok: false, error: { code: "engine_unavailable" } })
    expect([client.disconnects, client.socket.connected]).toEqual([[], true])
    await sleep(1_000)
    await come()
    await back()
    for (let n = first + 1; n < first + 4; n++) await until(`push ${n}`, async () => (await push(n)).status === 202)
    await until("all of them", () => seen().length >= first + 4)
    expect(seen()).toEqual(Array.from({ length: first + 4 }, (_, n) => n))
    expect([client.disconnects, client.recovered]).toEqual([[], [false]])
    expect(await client.ask("room:join", { room: "open:b" })).toMatchObject({ ok: true })
    await client.ask("room:leave", { room: "open:b" })
    expect(node.output()).toContain(
      '"category":"roomcast.adapters.redis","message":"the connection to Redis is lost, and tried again"',
    )
    // Once for each outage, not once for each second of it.
    expect((node.output().match(/could not be tended/g) ?? []).length).toBeLessThanOrEqual(4)
  })
})

describe("a Redis that is full", () => {
  it("refuses what would fill it: the log says why, once, and clients are not told what the engine is made of", async () => {
    await redis.client.config("SET", "maxmemory", "1mb")
    try {
      for (let i = 0; i < 3; i++) {
        const refused = await client.ask("room:publish", { room: "open:a", event: "full", data: i })
        expect(refused).toEqual({
          ok: false,
          error: { code: "engine_unavailable", message: "The engine did not answer", retryAfterMs: 1_000 },
        })
      }
      const { body } = await node.push({ rooms: ["open:a"] }, "full", 0)
      expect(body).toMatchObject({ code: "engine_unavailable", detail: expect.stringContaining("OOM") })
    } finally {
      await redis.client.config("SET", "maxmemory", "0")
    }
    await back()
    expect(await client.ask("room:publish", { room: "open:a", event: "full", data: 3 })).toMatchObject({ ok: true })
    const told = () => node.output().match(/"message":"Redis refuses a command".*OOM/g) ?? []
    await until("the log to say it", () => told().length > 0)
    expect(told()).toHaveLength(1)
  })
})

describe("a stream of pushes", () => {
  it("in which Redis hangs for five seconds and subscriptions are cut loses nothing, and no push is both lost and accepted", async () => {
    let running = true
    let retried = 0
    let next = keyed.size
    const worker = async (): Promise<void> => {
      while (running) {
        const n = next++
        for (;;) {
          const { status } = await push(n)
          if (status === 202) break
          expect(status).toBe(503)
          retried++
          await sleep(100)
        }
      }
    }
    const workers = [worker(), worker(), worker()]
    await sleep(500)
    redis.signal("SIGSTOP")
    await sleep(5_000)
    redis.signal("SIGCONT")
    await sleep(1_000)
    for (let i = 0; i < 3; i++) {
      await redis.client.client("KILL", "TYPE", "PUBSUB")
      await sleep(400)
    }
    running = false
    await Promise.all(workers)
    await until("every one of them", () => new Set(seen()).size === next, 30_000)
    expect(seen().length).toBe(next)
    const offsets = client.received.filter(({ event }) => event === "n").map(({ meta }) => meta.offset ?? "")
    expect(offsets).toEqual(offsets.toSorted())
    expect(retried).toBeGreaterThan(0)
    expect(client.recovered.slice(1).every(Boolean)).toBe(true)
  })
})
