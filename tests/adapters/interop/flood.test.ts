import { afterAll, afterEach, describe, expect, it } from "vitest"
import { rawUser } from "#tests/support/raw-client.ts"
import { startRedis } from "#tests/support/redis-server.ts"
import { until } from "#tests/support/until.ts"
import { endAll, foreignRedis, listen, onEnd, startNode } from "./interop-fixture.ts"

const redis = await startRedis()
afterEach(endAll)
afterAll(() => redis.stop())

const BUFFER = 2_097_152
/** As many at once as who reads can have waiting. */
const BURST = 500
const BURSTS = 40
const PAD = "x".repeat(1_000)

describe("a flood, as fast as one who reads can take it", () => {
  for (const volatile of [false, true])
    it(`reach who reads, in order, and of who does not no more waits than its buffer: ${volatile ? "it misses them" : "it is closed"}`, async () => {
      const node = await startNode(redis, { bufferBytes: BUFFER })
      const ann = await node.connect("ann", { rooms: ["plain:a"] })
      const events = listen(ann)
      const slow = await rawUser(node, "slow")
      onEnd(() => slow.ws.terminate())
      slow.send('420["room:join",{"room":"plain:a"}]')
      await until("it to be in", () => slow.packets.some((packet) => packet.startsWith("430")))
      slow.ws.pause()
      const emitter = volatile ? node.emitter.to("plain:a").volatile : node.emitter.to("plain:a")
      let most = 0
      for (let burst = 1; burst <= BURSTS; burst++) {
        for (let n = 0; n < BURST; n++) emitter.emit("flood", (burst - 1) * BURST + n, PAD)
        await until("who reads to have it", () => events.length === burst * BURST)
        most = Math.max(most, node.mostWaiting())
      }
      expect(events.every(([, n], i) => n === i)).toBe(true)
      expect(most).toBeGreaterThan(BUFFER / 2)
      expect(most).toBeLessThan(2 * BUFFER)
      const closed = node.metrics.calls.connectionClosed.map(([reason]) => reason)
      expect(closed).toEqual(volatile ? [] : ["slow_consumer"])
      expect(node.metrics.hits).toContain(volatile ? "buffer_volatile" : "buffer_bytes")
    })

  it("of joins are bounded: what is too many is dropped and counted, and the clients are served", async () => {
    const node = await startNode(redis, { roomsPerConnection: 0 })
    const clients = await Promise.all(Array.from({ length: 50 }, (_, i) => node.connect(`u${i}`)))
    const client = foreignRedis(redis)
    const rooms = Array.from({ length: 1_000 }, (_, i) => `plain:${i}`)
    const request = JSON.stringify({ type: 2, opts: { rooms: [], except: [] }, rooms })
    for (let i = 0; i < 4; i++) await client.publish(`${node.key}-request#/#`, request)
    await until("the bound to be met", () => node.metrics.hits.includes("peer_changes"))
    expect(node.metrics.gauge("peer_changes_waiting")).toBeLessThanOrEqual(100_000)
    expect(await clients[0]?.ask("room:join", { room: "plain:mine" })).toMatchObject({ ok: true })
    await until("all to be done", () => node.metrics.gauge("peer_changes_waiting") === 0, 60_000)
  })
})
