import { setTimeout as sleep } from "node:timers/promises"
import { expect, it } from "vitest"
import { type Cluster, isReady, nodeAt, readiness, seen, startCluster } from "#tests/support/cluster.ts"
import { deafProxy } from "#tests/support/deaf-proxy.ts"
import type { Gateway } from "#tests/support/gateway.ts"
import { settle, until } from "#tests/support/until.ts"

const to = { rooms: ["open:a"] }
/** Three beats, then a new subscription. */
const NOTICED_MS = 30_000

/** A node behind a proxy, whose subscriptions can be made to bring nothing, beside one that hears. */
const withDeafNode = async (
  test: (cluster: Cluster, deaf: Gateway, hearing: Gateway, mute: () => void) => Promise<void>,
): Promise<void> => {
  await using cluster = await startCluster(1)
  const proxy = await deafProxy(cluster.redis.port)
  try {
    const deaf = await cluster.start({ engine: "redis", redis: { url: proxy.url } })
    await test(cluster, deaf, nodeAt(cluster, 0), proxy.muteSubscriptions)
  } finally {
    proxy.close()
  }
}

it.concurrent("a subscription that is up and silent is noticed by its beats: who stayed catches up, and was not dropped", () =>
  withDeafNode(async (cluster, deaf, hearing, mute) => {
    const client = await cluster.client(deaf, "ann", { rooms: to.rooms })
    await hearing.push(to, "e", 0)
    await until("the first", () => client.received.length === 1)
    mute()
    await hearing.push(to, "e", 1)
    let wasUnready = false
    await until(
      "what the subscription swallowed",
      async () => {
        wasUnready ||= (await readiness(deaf)) === 503
        return seen(client).includes(1)
      },
      NOTICED_MS,
    )
    await isReady(deaf)
    expect([seen(client), client.disconnects, wasUnready]).toEqual([[0, 1], [], true])
  }))

it.concurrent("who comes back while the subscription is silent is not told that it recovered before it has everything", () =>
  withDeafNode(async (cluster, deaf, hearing, mute) => {
    const client = await cluster.client(deaf, "bea", { rooms: to.rooms, reconnectionDelayMax: 300 })
    await hearing.push(to, "e", 0)
    await until("the first", () => client.received.length === 1)
    mute()
    await hearing.push(to, "e", 1)
    expect((await deaf.push(to, "e", 2)).status).toBe(202)
    await sleep(2_000)
    client.drop()
    await until("what the subscription swallowed", () => seen(client).includes(2), NOTICED_MS)
    await isReady(deaf)
    await hearing.push(to, "e", 3)
    await until("the next", () => seen(client).includes(3))
    await settle(200)
    expect(seen(client)).toEqual([0, 1, 2, 3])
    expect(client.recovered.slice(1)).not.toContain(false)
  }))
