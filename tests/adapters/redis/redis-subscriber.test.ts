import { Redis } from "ioredis"
import { afterAll, expect, it } from "vitest"
import { RedisSubscriber } from "#adapters/redis/redis-subscriber.ts"
import { startRedis } from "#tests/support/redis-server.ts"
import { until } from "#tests/support/until.ts"

const server = await startRedis()
afterAll(() => server.stop())

it("hears a channel that is asked for again while thousands, it among them, are being given up", async () => {
  const client = new Redis(server.url, { lazyConnect: true, enableOfflineQueue: false })
  const heard: string[] = []
  const subscriber = new RedisSubscriber(client, {
    message: (channel) => heard.push(channel),
    broken: () => {},
    connected: () => {},
  })
  await subscriber.connect()
  await until("the connection", () => subscriber.isConnected)
  const channels = Array.from({ length: 5_000 }, (_, i) => `c${i}`)
  const last = channels.at(-1) ?? ""
  await subscriber.subscribeAll(channels)
  const given = subscriber.unsubscribe(channels)
  await subscriber.subscribe(last)
  await given
  await server.client.publish(last, "x")
  await server.client.publish("c0", "x")
  await subscriber.subscribe("end")
  await server.client.publish("end", "x")
  await until("the end", () => heard.includes("end"))
  expect(heard).toEqual([last, "end"])
  subscriber.close()
})
