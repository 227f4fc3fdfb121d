import { expect, it } from "vitest"
import { connected } from "#tests/support/client.ts"
import { move, seen, startCluster } from "#tests/support/cluster.ts"
import { settle, until } from "#tests/support/until.ts"

it("on a Redis in cluster mode every step stays within one slot, and what several partitions hold is recovered", async () => {
  const redisArgs = ["--save", "", "--cluster-enabled", "yes"]
  await using cluster = await startCluster(0, { partitions: 4, redisArgs })
  const { client: redis } = cluster.redis
  await redis.cluster("ADDSLOTSRANGE", 0, 16_383)
  await until("the slots to be served", async () => /cluster_state:ok/.test(await redis.cluster("INFO")))
  const [one, two] = await Promise.all([cluster.start(), cluster.start()])
  const rooms = ["a", "b", "c", "d", "e", "f"].map((name) => `open:${name}`)
  const client = await cluster.client(one, "ann", { rooms })
  expect((await one.push({ rooms }, "e", "all")).status).toBe(202)
  await until("the first", () => client.received.length === 1)
  move(client, two)
  expect((await two.push({ rooms: rooms.slice(2) }, "e", "most")).status).toBe(202)
  for (const room of rooms) expect((await one.push({ rooms: [room] }, "e", room)).status).toBe(202)
  await connected(client, 2)
  await until("everything", () => client.received.length >= 8)
  await settle(200)
  expect(client.recovered).toEqual([false, true])
  expect(seen(client).map(String).sort()).toEqual(["all", "most", ...rooms])
  const tags = (await redis.keys("*:log:*")).map((key) => /\{.*\}/.exec(key)?.[0])
  expect(new Set(tags).size).toBeGreaterThan(1)
})
