import { startRedis } from "#tests/support/redis-server.ts"
import { CLIENTS, DATA_BYTES } from "./fan-out.ts"
import type { SteadyOrder, SteadyWork } from "./load-client.ts"
import type { Measured } from "./processes.ts"
import type { Rounds } from "./report.ts"
import { LOGGED_ROOM, pushBody, type Server, startNode } from "./servers.ts"

export const ONE = "one node"
export const TWO = "two nodes"
const NODES = { [ONE]: 1, [TWO]: 2 } as const

export interface NodesOptions {
  readonly client: Measured
  readonly rounds: number
  readonly roundMs: number
  readonly perSecond: number
}

const cpuOf = async ({ process }: Server): Promise<number> => Number(await process.ask("cpu"))

/**
 * One room of 1,000 clients on one node of the redis engine, and on two, half of them on each; pushes go to the nodes in
 * turn. What a node can deliver at most is what its core's time is enough for: so the measure is the deliveries of all for
 * a second of the busiest node's CPU, which holds also where the cores are fewer than the processes.
 */
export const measureNodes = async (options: NodesOptions): Promise<ReadonlyMap<string, Rounds>> => {
  const { client, perSecond, roundMs, rounds } = options
  const redis = await startRedis()
  const started = new Map<string, readonly Server[]>()
  const results = new Map<string, Map<string, number[]>>()
  try {
    for (const [title, count] of Object.entries(NODES)) {
      const prefix = `bench-${count}`
      const nodes = await Promise.all(Array.from({ length: count }, () => startNode(redis.url, prefix)))
      started.set(title, nodes)
      results.set(title, new Map())
      for (const { port } of nodes)
        await client.ask("connect", { server: title, port, count: CLIENTS / count, rooms: [LOGGED_ROOM] })
    }
    const round = async (title: string, nodes: readonly Server[], ms: number): Promise<void> => {
      const before = await Promise.all(nodes.map(cpuOf))
      const order: SteadyOrder = { server: title, body: pushBody(LOGGED_ROOM, DATA_BYTES), ms, perSecond }
      const work = (await client.ask("steady", order)) as SteadyWork
      const used = (await Promise.all(nodes.map(cpuOf))).map((after, i) => after - (before[i] ?? 0))
      const found = {
        deliveriesPerCpuSecond: (work.deliveries * 1e6) / Math.max(...used),
        cpuPerDelivery: used.reduce((sum, each) => sum + each, 0) / work.deliveries,
        deliveriesPerSecond: work.deliveries / work.seconds,
      }
      const kept = results.get(title)
      for (const [key, value] of Object.entries(found)) kept?.set(key, [...(kept.get(key) ?? []), value])
    }
    for (const [title, nodes] of started) await round(title, nodes, roundMs / 2)
    for (const kept of results.values()) kept.clear()
    for (let i = 0; i < rounds; i++) for (const [title, nodes] of started) await round(title, nodes, roundMs)
    return new Map([...results].map(([title, kept]) => [title, Object.fromEntries(kept)]))
  } finally {
    for (const [title, nodes] of started) {
      await client.ask("disconnect", { server: title }).catch(() => undefined)
      await Promise.all(nodes.map(({ process }) => process.stop()))
    }
    await redis.stop()
  }
}
