import * as Effect from "effect/Effect"
import { Cluster, Redis } from "ioredis"
import { Refusal, type Refused } from "#domain/errors.ts"
import type { LuaScript } from "./lua-script.ts"
import type { ParsedAddress } from "./redis-address.ts"
import { CLOSE_MS, connectorTo, type Endpoint, sentinelConnector } from "./redis-connector.ts"
import { type ServerInfo, serverProblem } from "./server-check.ts"

type Client = Redis | Cluster

/** No command waits longer for its answer; no connection longer to be made. */
export const COMMAND_MS = 1_500
const CONNECT_MS = 3_000
/** On a cluster: commands wait, and a node has said nothing for so long. Its connection is destroyed. */
const SILENT_MS = 6_000
/** On a cluster: how often it is asked who serves what, beside what redirections say. */
const SLOTS_MS = 5_000
/** Commands without an answer yet; past it they are refused at once. */
const MAX_IN_FLIGHT = 20_000
const FIRST_RETRY_MS = 50
const LAST_RETRY_MS = 1_000
const RETRY_AFTER_MS = 1_000

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
            sentinelMaxConnections: 10,
            sentinelCommandTimeout: COMMAND_MS,
            // A master that was replaced takes writes, which will be lost, until the sentinels have told it so, for seconds.
            failoverDetector: true,
            updateSentinels: true,
            connectTimeout: CONNECT_MS,
            disconnectTimeout: CLOSE_MS,
            protocol: 3,
            // Sentinels commonly have the password of what they watch, but none of its users.
            ...(password !== undefined && username === undefined && { sentinelPassword: password }),
            ...(tls && { tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true }),
          },
          suits(address, more, true),
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

const slotsRefreshed = (cluster: Cluster): Promise<void> =>
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

/** Redis did not do it, or did not say that it did. */
export class RedisFailure extends Error {
  /** The server does not know the script. */
  readonly unknownScript: boolean
  /** The server was the master and is not any more. */
  readonly isReplica: boolean

  constructor(command: string, cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause)
    super(`Redis did not answer ${command}: ${why}`)
    this.unknownScript = why.startsWith("NOSCRIPT")
    this.isReplica = why.startsWith("READONLY")
  }
}

/** For what is tried again by itself: that Redis did not do it is passed over; anything else is a defect. */
export const unlessAway = (error: unknown): void => {
  if (!(error instanceof RedisFailure)) throw error
}

/** How long replicas have to take what was written. */
const WAIT_MS = 1_000

/**
 * Commands to Redis, each answered in bounded time or rejected with a RedisFailure. With `replicas` each is answered only
 * when so many of them have what it wrote: for that it needs a connection of its own, for what comes behind it waits.
 */
export class RedisCommands {
  /** When the last answer came, ms since 1970: a connection may be up and silent. */
  answeredAt = Date.now()
  private inFlight = 0
  private readonly client: Client
  private readonly limitHit: (limit: string) => void
  private readonly replicas: number

  constructor(client: Client, limitHit: (limit: string) => void, replicas = 0) {
    this.client = client
    this.limitHit = limitHit
    this.replicas = replicas
  }

  get pending(): number {
    return this.inFlight
  }

  /** Commands wait, and none was answered for so long: the connection is destroyed and made again. */
  restartIfSilent(ms: number): void {
    const patience = this.replicas === 0 ? ms : Math.max(ms, COMMAND_MS + WAIT_MS)
    if (this.inFlight === 0 || Date.now() - this.answeredAt <= patience) return
    this.answeredAt = Date.now()
    this.reconnect()
  }

  /** Only what is connected: a driver that is told so while it connects gives up for ever. */
  private reconnect(): void {
    if (this.client.status === "ready") this.client.disconnect(true)
  }

  async run(command: string, ...args: readonly (string | number)[]): Promise<unknown> {
    if (this.inFlight >= MAX_IN_FLIGHT) {
      this.limitHit("redis_commands")
      throw new RedisFailure(command, "too many commands wait for an answer")
    }
    if (this.client.status !== "ready") throw new RedisFailure(command, "there is no connection")
    this.inFlight++
    try {
      const answer = await (this.replicas === 0 ? this.client.call(command, ...args) : this.replicate(command, args))
      this.answeredAt = Date.now()
      return answer
    } catch (error) {
      const failure = new RedisFailure(command, error)
      if (failure.isReplica) this.reconnect()
      throw failure
    } finally {
      this.inFlight--
    }
  }

  private async replicate(command: string, args: readonly (string | number)[], tries = 2): Promise<unknown> {
    const pipeline = this.client.pipeline().call(command, ...args)
    const [done, waited] = (await pipeline.call("WAIT", this.replicas, WAIT_MS).exec()) ?? []
    const failure = done?.[0] ?? waited?.[0]
    // The driver follows a redirection of a command, and none of a pipeline whose other half was done.
    if (failure?.message.startsWith("MOVED") && this.client instanceof Cluster && tries > 1) {
      await slotsRefreshed(this.client)
      return this.replicate(command, args, tries - 1)
    }
    if (failure) throw failure
    const taken = Number(waited?.[1])
    if (!(taken >= this.replicas))
      throw new Error(`${taken} replicas have it, and redis.waitReplicas asks for ${this.replicas}`)
    return done?.[1]
  }

  /** By its digest; where the server has lost it, by its text, which makes the server know it again. */
  async script(
    { sha, text }: LuaScript,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<unknown> {
    try {
      return await this.run("EVALSHA", sha, keys.length, ...keys, ...args)
    } catch (error) {
      if (!(error instanceof RedisFailure && error.unknownScript)) throw error
      return await this.run("EVAL", text, keys.length, ...keys, ...args)
    }
  }
}

/** What fails because of Redis is `engine_unavailable`; anything else is a defect. */
export const askRedis = <A>(ask: () => Promise<A>): Effect.Effect<A, Refused<"engine_unavailable">> =>
  Effect.callback((resume) => {
    ask().then(
      (answer) => resume(Effect.succeed(answer)),
      (error: unknown) =>
        resume(
          error instanceof RedisFailure
            ? Effect.fail(new Refusal("engine_unavailable", error.message, { retryAfterMs: RETRY_AFTER_MS }))
            : Effect.die(error),
        ),
    )
  })
