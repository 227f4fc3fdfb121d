import { startRedis } from "#tests/support/redis-server.ts"
import { CLIENTS, DATA_BYTES, WINDOW } from "./fan-out.ts"
import type { FloodOrder, Work } from "./load-client.ts"
import type { Measured } from "./processes.ts"
import type { Rounds } from "./report.ts"
import { LOGGED_ROOM, pushBody, type Server, startNode } from "./servers.ts"

export const ONE = "one node"
export const TWO = "two nodes"
/** Clusters that have nothing to do with each other, of so many nodes. */
const CLUSTERS = { [ONE]: [1, 1], [TWO]: [2] } as const

export interface NodesOptions {
  readonly client: Measured
  readonly rounds: number
  readonly roundMs: number
}

interface Nodes {
  readonly name: string
  readonly servers: readonly Server[]
}

const cpuOf = async ({ process }: Server): Promise<number> => Number(await process.ask("cpu"))

/** What the nodes of one cluster did in a round: deliveries, seconds, and each node's CPU in µs. */
interface Found {
  readonly deliveries: number
  readonly seconds: number
  readonly used: readonly number[]
}

/**
 * One room of 1,000 clients on one node of the redis engine, and on two, half of them on each; as many pushes as it takes
 * go to the nodes in turn. Each node has half a core, whatever the machine: all share one, and the one node has a neighbour
 * that is as busy, of a cluster and with clients of its own.
 */
export const measureNodes = async (options: NodesOptions): Promise<ReadonlyMap<string, Rounds>> => {
  const { client, roundMs, rounds } = options
  const redis = await startRedis()
  const started = new Map<string, readonly Nodes[]>()
  const results = new Map<string, Map<string, number[]>>()
  const measure = async ({ name, servers }: Nodes, ms: number): Promise<Found> => {
    const before = await Promise.all(servers.map(cpuOf))
    const window = WINDOW * servers.length
    const order: FloodOrder = { server: name, body: pushBody(LOGGED_ROOM, DATA_BYTES), ms, window }
    const { deliveries, seconds } = (await client.ask("flood", order)) as Work
    const used = (await Promise.all(servers.map(cpuOf))).map((after, i) => after - (before[i] ?? 0))
    return { deliveries, seconds, used }
  }
  const round = async (title: string, clusters: readonly Nodes[], ms: number): Promise<void> => {
    const all = await Promise.all(clusters.map((nodes) => measure(nodes, ms)))
    const mean = (of: (found: Found) => number): number => all.reduce((sum, each) => sum + of(each), 0) / all.length
    const found = {
      deliveriesPerSecond: mean(({ deliveries, seconds }) => deliveries / seconds),
      cpuPerDelivery: mean(({ deliveries, used }) => used.reduce((sum, each) => sum + each, 0) / deliveries),
    }
    const kept = results.get(title)
    for (const [key, value] of Object.entries(found)) kept?.set(key, [...(kept.get(key) ?? []), value])
  }
  try {
    for (const [title, counts] of Object.entries(CLUSTERS)) {
      const clusters: Nodes[] = []
      started.set(title, clusters)
      results.set(title, new Map())
      for (const [i, count] of counts.entries()) {
        const name = `bench-${counts.length}-${i}`
        const servers = await Promise.all(Array.from({ length: count }, () => startNode(redis.url, name)))
        clusters.push({ name, servers })
        for (const { port } of servers)
          await client.ask("connect", { server: name, port, count: CLIENTS / count, rooms: [LOGGED_ROOM] })
      }
    }
    for (const [title, clusters] of started) await round(title, clusters, roundMs / 2)
    for (const kept of results.values()) kept.clear()
    for (let i = 0; i < rounds; i++) for (const [title, clusters] of started) await round(title, clusters, roundMs)
    return new Map([...results].map(([title, kept]) => [title, Object.fromEntries(kept)]))
  } finally {
    for (const { name, servers } of [...started.values()].flat()) {
      await client.ask("disconnect", { server: name }).catch(() => undefined)
      await Promise.all(servers.map(({ process }) => process.stop()))
    }
    await redis.stop()
  }
}
