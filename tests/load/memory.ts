import type { Measured } from "./processes.ts"
import type { Rounds } from "./report.ts"
import { GATEWAY, PEER, startServer } from "./servers.ts"

export interface MemoryOptions {
  readonly client: Measured
  readonly rounds: number
  readonly connections: number
}

/** Connected and kept before the first look, so that what a process needs once is in both. */
const FIRST = 500

const perConnection = async (client: Measured, name: string, connections: number): Promise<Record<string, number>> => {
  const server = await startServer(name)
  try {
    await client.ask("connect", { server: name, port: server.port, count: FIRST, rooms: [] })
    const before = Number(await server.process.ask("memory"))
    await client.ask("connect", { server: name, port: server.port, count: connections, rooms: [] })
    const after = Number(await server.process.ask("memory"))
    return { bytes: (after - before) / connections, base: before / 2 ** 20 }
  } finally {
    await client.ask("disconnect", { server: name }).catch(() => undefined)
    await server.process.stop()
  }
}

/**
 * Resident memory of an idle client, connected over WebSocket, in no room: a new process for each round, its garbage
 * collected until no more memory comes free.
 */
export const measureMemory = async (options: MemoryOptions): Promise<ReadonlyMap<string, Rounds>> => {
  const { client, connections, rounds } = options
  const results = new Map([PEER, GATEWAY].map((name) => [name, { bytes: [] as number[], base: [] as number[] }]))
  for (let i = 0; i < rounds; i++)
    for (const [name, kept] of results) {
      const { base = Number.NaN, bytes = Number.NaN } = await perConnection(client, name, connections)
      kept.bytes.push(bytes)
      kept.base.push(base)
    }
  return results
}
