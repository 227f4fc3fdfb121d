import { Cluster, Redis } from "ioredis"
import type { ParsedAddress } from "./redis-address.ts"
import { CLOSE_MS, connectorTo, type Endpoint } from "./redis-connector.ts"
import { sentinelConnector } from "./sentinel-connector.ts"
import { type ServerInfo, serverProblem } from "./server-check.ts"

export type Client = Redis | Cluster

/** No command waits longer for its answer; no connection longer to be made. */
export const COMMAND_MS = 1_500
const CONNECT_MS = 3_000
/** On a cluster: commands wait, and a node has said nothing for so long. Its connection is destroyed. */
const SILENT_MS = 6_000
/** On a cluster: how often it is asked who serves what, beside what redirections say. */
const SLOTS_MS = 5_000
const FIRST_RETRY_MS = 50
const LAST_RETRY_MS = 1_000

/** Backoff with jitter, so that nodes that lost Redis together do not come back together. */
const retryDelay = (tries: number): number =>
  Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(tries, 10)) * (0.5 + Math.random())

/**
 * Nothing is queued while the connection is down, and nothing sent again behind our back: a command has an answer, or
 * fails in time.
 */
const COMMON = {
  maxRetriesPerRequest: 0,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  connectTimeout: CONNECT_MS,
  commandTimeout: COMMAND_MS,
  lazyConnect: true,
  retryStrategy: retryDelay,
} as const

export interface ClientOptions {
  /** Told why a server is not used, each time that a connection to it was given up. */
  readonly onUnsuitable?: (problem: string) => void
}

const driverOptions = ({ password, tls, username }: ParsedAddress) => ({
  ...COMMON,
  ...(username !== undefined && { username }),
  ...(password !== undefined && { password }),
  ...(tls && { tls: {} }),
})

/** A server that may lose what clients are owed, or a replica where it should be the master, is not used. */
const suits =
  ({ kind }: ParsedAddress, { onUnsuitable }: ClientOptions, beMaster: boolean) =>
  (info: ServerInfo): boolean => {
    const { role = "master" } = info
    const isReplica = beMaster && role !== "master"
    const problem = isReplica ? "it is a replica, and the master is needed" : serverProblem(info, kind === "cluster")
    // On a cluster the next try asks again who is the master.
    if (problem !== undefined && !(isReplica && kind === "cluster")) onUnsuitable?.(problem)
    return problem === undefined
  }

/** A client that connects when told to, and goes on trying by itself; errors are told by its events. */
export const redisClient = (address: ParsedAddress, more: ClientOptions = {}): Client => {
  const { db, hosts, kind, master = "", password, tls, username } = address
  const options = driverOptions(address)
  switch (kind) {
    case "standalone":
      return new Redis({
        ...options,
        db,
        ...hosts[0],
        Connector: connectorTo({ tls, suits: suits(address, more, true) }),
      })
    case "sentinel":
      return new Redis({
        ...options,
        db,
        Connector: sentinelConnector(
          {
            sentinels: [...hosts],
            name: master,
            role: "master",
            sentinelRetryStrategy: retryDelay,
            sentinelReconnectStrategy: retryDelay,
            sentinelCommandTimeout: COMMAND_MS,
            updateSentinels: true,
            connectTimeout: CONNECT_MS,
            disconnectTimeout: CLOSE_MS,
            protocol: 3,
            // Sentinels commonly have the password of what they watch, but none of its users.
            ...(password !== undefined && username === undefined && { sentinelPassword: password }),
            ...(tls && { tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true }),
          },
          suits(address, more, true),
          (problem) => more.onUnsuitable?.(problem),
        ),
      })
    case "cluster":
      return new Cluster([...hosts], {
        // Else what comes while the connection to a node is being made is refused, the driver's own questions too.
        enableOfflineQueue: true,
        lazyConnect: true,
        clusterRetryStrategy: retryDelay,
        // What may have reached a server is not sent again; what a server refused for its place (MOVED, ASK) is.
        retryDelayOnFailover: 0,
        slotsRefreshTimeout: COMMAND_MS,
        slotsRefreshInterval: SLOTS_MS,
        // A certificate is made out to a name: none is resolved before the driver.
        ...(tls && { dnsLookup: (name, done) => done(null, name) }),
        redisOptions: {
          ...options,
          socketTimeout: SILENT_MS,
          Connector: connectorTo({ tls, suits: suits(address, more, false) }),
        },
      })
  }
}

/** Done when the cluster said who serves what, or could not. */
export const slotsRefreshed = (cluster: Cluster): Promise<void> =>
  new Promise((resolve) => cluster.refreshSlotsCache(() => resolve()))

/**
 * One connection to whoever serves a slot of the cluster now (without one: to any master), which `cluster` knows. It
 * hears what is published there, and not what the other nodes pass on of it.
 */
export const slotClient = (
  address: ParsedAddress,
  cluster: Cluster,
  slot: number | undefined,
  more: ClientOptions = {},
): Redis => {
  const endpoint = async (): Promise<Endpoint | undefined> => {
    await slotsRefreshed(cluster)
    const masters = cluster.nodes("master").map(({ options: { host = "", port = 0 } }) => ({ host, port }))
    if (slot === undefined) return masters[Math.floor(Math.random() * masters.length)]
    const [owner] = cluster.slots[slot] ?? []
    return masters.find(({ host, port }) => `${host}:${port}` === owner)
  }
  return new Redis({
    ...driverOptions(address),
    Connector: connectorTo({ endpoint, tls: address.tls, suits: suits(address, more, true) }),
  })
}
