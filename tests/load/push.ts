import { GATEWAY_LOGGED } from "./fan-out.ts"
import type { PushOrder, Work } from "./load-client.ts"
import type { Measured } from "./processes.ts"
import type { Rounds } from "./report.ts"
import { GATEWAY, LOGGED_ROOM, PEER, PLAIN_ROOM, pushBody, type Server, startServer } from "./servers.ts"

export const PUSH_CONNECTIONS = 10
/** With the rest of the body about 300 bytes. */
const PUSH_DATA_BYTES = 240

export interface PushOptions {
  readonly client: Measured
  readonly rounds: number
  readonly roundMs: number
  readonly profile: ((name: string, profile: string) => void) | undefined
}

/** `POST /v1/messages` to a room with one client, on ten keep-alive connections, each one request at a time. */
export const measurePush = async (options: PushOptions): Promise<ReadonlyMap<string, Rounds>> => {
  const { client, profile, roundMs, rounds } = options
  const servers: Server[] = []
  const results = new Map<string, Map<string, number[]>>()
  try {
    for (const name of [PEER, GATEWAY]) {
      const server = await startServer(name)
      servers.push(server)
      await client.ask("connect", { server: name, port: server.port, count: 1, rooms: [PLAIN_ROOM, LOGGED_ROOM] })
    }
    const contenders = servers.flatMap((server) => [
      { title: server.name, server, room: PLAIN_ROOM },
      ...(server.name === GATEWAY ? [{ title: GATEWAY_LOGGED, server, room: LOGGED_ROOM }] : []),
    ])
    for (let i = -1; i < rounds; i++) {
      if (i === 0) {
        results.clear()
        if (profile !== undefined) for (const { process } of servers) await process.ask("startProfile")
      }
      for (const { room, server, title } of contenders) {
        const before = Number(await server.process.ask("cpu"))
        const order: PushOrder = {
          server: server.name,
          body: pushBody(room, PUSH_DATA_BYTES),
          ms: roundMs,
          connections: PUSH_CONNECTIONS,
        }
        const work = (await client.ask("push", order)) as Work
        const cpu = Number(await server.process.ask("cpu")) - before
        const found = {
          pushesPerSecond: work.messages / work.seconds,
          cpuPerPush: cpu / work.messages,
          clientCpuPerPush: work.cpu / work.messages,
          serverShare: (100 * cpu) / (work.seconds * 1e6),
          clientShare: (100 * work.cpu) / (work.seconds * 1e6),
        }
        const kept = results.get(title) ?? new Map<string, number[]>()
        results.set(title, kept)
        for (const [key, value] of Object.entries(found)) kept.set(key, [...(kept.get(key) ?? []), value])
      }
    }
    if (profile !== undefined)
      for (const { name, process } of servers) profile(name, String(await process.ask("stopProfile")))
    return new Map([...results].map(([title, kept]) => [title, Object.fromEntries(kept)]))
  } finally {
    for (const { name, process } of servers) {
      await client.ask("disconnect", { server: name }).catch(() => undefined)
      await process.stop()
    }
  }
}
