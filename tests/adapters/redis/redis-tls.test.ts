import { getCACertificates, setDefaultCACertificates } from "node:tls"
import { afterAll, describe, expect, it } from "vitest"
import { parseAddress } from "#adapters/redis/redis-address.ts"
import { redisClient } from "#adapters/redis/redis-client.ts"
import { startRedisCluster } from "#tests/support/redis-cluster.ts"
import { roomOfEach, startNode } from "#tests/support/redis-node.ts"
import { startRedis } from "#tests/support/redis-server.ts"
import { makeTlsFiles } from "#tests/support/tls-files.ts"
import { until } from "#tests/support/until.ts"

const files = makeTlsFiles()
const known = getCACertificates("default")
const trust = (more: readonly string[]) => setDefaultCACertificates([...known, ...more])
afterAll(() => {
  trust([])
  files.remove()
})

/** A message to each partition comes back. */
const carries = async (url: string, partitions: number) => {
  const node = await startNode(url, { partitions })
  const rooms = roomOfEach(node)
  await Promise.all(rooms.map(node.subscribe))
  const { id } = await node.publish(rooms)
  await until("the message", () => rooms.every((room) => node.idsIn(room).includes(id)))
  await node.end()
}

describe("Redis over TLS", () => {
  it("is used where the process trusts its authority, and is not where it does not", async () => {
    const server = await startRedis(["--save", ""], files)
    const address = parseAddress(server.url)
    if (address === undefined) throw new Error(server.url)
    trust([])
    const client = redisClient(address)
    const failure = new Promise<Error>((resolve) => client.once("error", resolve))
    await expect(client.connect()).rejects.toThrow()
    client.disconnect()
    expect(String(await failure)).toContain("certificate")
    trust([files.ca])
    await carries(server.url, 1)
    await server.stop()
  })

  it("is used for every node of a cluster", async () => {
    trust([files.ca])
    const cluster = await startRedisCluster(files)
    await carries(cluster.url, 4)
    await cluster.stop()
  })
})
