import type { FloodOrder, SteadyOrder, SteadyWork, Work } from "./load-client.ts"
import type { Measured } from "./processes.ts"
import type { Rounds } from "./report.ts"
import { BARE, GATEWAY, LOGGED_ROOM, PEER, PLAIN_ROOM, pushBody, type Server, startServer } from "./servers.ts"

export const CLIENTS = 1_000
/** Of JSON, in the logged room's messages. */
export const DATA_BYTES = 256
export const WINDOW = 2

/** One of what is compared: a server, and the room that is pushed to. */
interface Contender {
  readonly title: string
  readonly server: Server
  readonly room: string
}

export const GATEWAY_LOGGED = `${GATEWAY}, with history`

export interface FanOutOptions {
  readonly client: Measured
  readonly rounds: number
  readonly roundMs: number
  /** Undefined: as fast as it goes. */
  readonly perSecond: number | undefined
  /** Takes the CPU profile of each server, as JSON text. */
  readonly profile: ((name: string, profile: string) => void) | undefined
}

/** What a frame of each contender weighs on the wire, with the same data. */
const frameBytes = async (client: Measured, { room, server }: Contender): Promise<number> => {
  const order: SteadyOrder = { server: server.name, body: pushBody(room, DATA_BYTES), ms: 100, perSecond: 10 }
  const work = (await client.ask("steady", order)) as SteadyWork
  return work.wireBytes / work.deliveries
}

/** Data for each, so that all send as many bytes as the one whose packets carry most beside the data. */
const bodiesOf = async (client: Measured, contenders: readonly Contender[]): Promise<ReadonlyMap<string, string>> => {
  const sizes = new Map<string, number>()
  for (const contender of contenders) sizes.set(contender.title, Math.round(await frameBytes(client, contender)))
  const largest = Math.max(...sizes.values())
  return new Map(
    contenders.map(({ room, title }) => [title, pushBody(room, DATA_BYTES + largest - (sizes.get(title) ?? largest))]),
  )
}

const cpuOf = async ({ process }: Server): Promise<number> => Number(await process.ask("cpu"))

/**
 * One room of 1,000 clients, each server's rounds in turn, so that whatever else the machine does falls on all of them.
 * All servers run from first to last, on one core, and only one has anything to do.
 */
export const measureFanOut = async (options: FanOutOptions): Promise<ReadonlyMap<string, Rounds>> => {
  const { client, perSecond, profile, roundMs, rounds } = options
  const servers = new Map<string, Server>()
  try {
    for (const name of [PEER, GATEWAY, BARE]) {
      const server = await startServer(name)
      servers.set(name, server)
      await client.ask("connect", { server: name, port: server.port, count: CLIENTS, rooms: [PLAIN_ROOM, LOGGED_ROOM] })
    }
    const contender = (title: string, name: string, room: string): Contender[] => {
      const server = servers.get(name)
      return server === undefined ? [] : [{ title, server, room }]
    }
    const contenders = [
      ...contender(PEER, PEER, PLAIN_ROOM),
      ...contender(GATEWAY, GATEWAY, PLAIN_ROOM),
      ...contender(GATEWAY_LOGGED, GATEWAY, LOGGED_ROOM),
      ...contender(BARE, BARE, PLAIN_ROOM),
    ]
    const bodies = await bodiesOf(client, contenders)
    const results = new Map(contenders.map(({ title }) => [title, new Map<string, number[]>()]))
    const round = async ({ server, title }: Contender, ms: number): Promise<void> => {
      const before = await cpuOf(server)
      const body = bodies.get(title) ?? ""
      const order: FloodOrder | SteadyOrder =
        perSecond === undefined
          ? { server: server.name, body, ms, window: WINDOW }
          : { server: server.name, body, ms, perSecond }
      const work = (await client.ask(perSecond === undefined ? "flood" : "steady", order)) as Work & Partial<SteadyWork>
      const cpu = (await cpuOf(server)) - before
      const found = {
        deliveriesPerSecond: work.deliveries / work.seconds,
        cpuPerDelivery: cpu / work.deliveries,
        clientCpuPerDelivery: work.cpu / work.deliveries,
        serverShare: (100 * cpu) / (work.seconds * 1e6),
        clientShare: (100 * work.cpu) / (work.seconds * 1e6),
        wireBytes: work.wireBytes / work.deliveries,
        ...(work.p50 !== undefined && { p50: work.p50, p99: work.p99 ?? Number.NaN }),
      }
      const kept = results.get(title)
      for (const [key, value] of Object.entries(found)) kept?.set(key, [...(kept.get(key) ?? []), value])
    }
    for (const each of contenders) await round(each, roundMs / 2)
    for (const kept of results.values()) kept.clear()
    if (profile !== undefined) for (const { process } of servers.values()) await process.ask("startProfile")
    for (let i = 0; i < rounds; i++) for (const each of contenders) await round(each, roundMs)
    if (profile !== undefined)
      for (const { name, process } of servers.values()) profile(name, String(await process.ask("stopProfile")))
    return new Map([...results].map(([title, kept]) => [title, Object.fromEntries(kept)]))
  } finally {
    for (const { name, process } of servers.values()) {
      await client.ask("disconnect", { server: name }).catch(() => undefined)
      await process.stop()
    }
  }
}
