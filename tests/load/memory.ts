import type { Measured, Memory } from "./processes.ts"
import type { Rounds } from "./report.ts"
import { GATEWAY, PEER, type Server, startServer } from "./servers.ts"

export interface MemoryOptions {
  readonly client: Measured
  readonly rounds: number
  readonly connections: number
}

/** Connected and kept before the first look, so that what a process needs once is in both. */
const FIRST = 1_000

const memoryOf = async (server: Server): Promise<Memory> => (await server.process.ask("memory")) as Memory

/**
 * A young generation of one size, in MiB: else the process grows by up to 128 MiB at some moment during the connects, in
 * one server before the first look and in the other after it, and the difference says nothing about connections.
 */
const YOUNG = ["--min-semi-space-size=16", "--max-semi-space-size=16"]

const perConnection = async (client: Measured, name: string, connections: number) => {
  const server = await startServer(name, YOUNG)
  const connect = (count: number) => client.ask("connect", { server: name, port: server.port, count, rooms: [] })
  try {
    await connect(FIRST)
    const before = await memoryOf(server)
    await connect(connections)
    const after = await memoryOf(server)
    return {
      bytes: (after.resident - before.resident) / connections,
      heap: (after.heap - before.heap) / connections,
      base: before.resident / 2 ** 20,
    }
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
  const results = new Map<string, Record<string, number[]>>([
    [PEER, {}],
    [GATEWAY, {}],
  ])
  for (let i = 0; i < rounds; i++)
    for (const [name, kept] of results)
      for (const [key, value] of Object.entries(await perConnection(client, name, connections)))
        kept[key] = [...(kept[key] ?? []), value]
  return results
}
