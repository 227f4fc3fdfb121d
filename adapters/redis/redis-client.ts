import * as Effect from "effect/Effect"
import { Cluster, Redis } from "ioredis"
import { Refusal, type Refused } from "#domain/errors.ts"
import type { LuaScript } from "./lua-script.ts"
import { DEFAULT_PORTS, type ParsedAddress } from "./redis-address.ts"

type Client = Redis | Cluster

/** No command waits longer for its answer; no connection longer to be made. */
export const COMMAND_MS = 1_500
const CONNECT_MS = 3_000
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

/** A client that connects when told to. `null` retries for ever; errors are told by its events. */
export const redisClient = (address: ParsedAddress, more: { readonly commandTimeout?: number } = {}): Client => {
  const { db, hosts, kind, master, password, tls, username } = address
  const options = {
    ...COMMON,
    ...more,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(tls && { tls: {} }),
  }
  const [first] = hosts
  switch (kind) {
    case "standalone":
      return new Redis({ ...options, db, host: first?.host ?? "127.0.0.1", port: first?.port ?? DEFAULT_PORTS[kind] })
    case "sentinel":
      return new Redis({ ...options, db, sentinels: [...hosts], name: master ?? "", sentinelRetryStrategy: retryDelay })
    case "cluster":
      return new Cluster([...hosts], {
        enableOfflineQueue: false,
        lazyConnect: true,
        clusterRetryStrategy: retryDelay,
        slotsRefreshTimeout: CONNECT_MS,
        slotsRefreshInterval: 5_000,
        redisOptions: options,
      })
  }
}

/** Redis did not do it, or did not say that it did. */
export class RedisFailure extends Error {
  /** The server does not know the script. */
  readonly unknownScript: boolean

  constructor(command: string, cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause)
    super(`Redis did not answer ${command}: ${why}`)
    this.unknownScript = why.startsWith("NOSCRIPT")
  }
}

/** Commands to Redis, each answered in bounded time or rejected with a RedisFailure. */
export class RedisCommands {
  /** When the last answer came, ms since 1970: a connection may be up and silent. */
  answeredAt = Date.now()
  private inFlight = 0
  private readonly client: Client
  private readonly limitHit: (limit: string) => void

  constructor(client: Client, limitHit: (limit: string) => void) {
    this.client = client
    this.limitHit = limitHit
  }

  get pending(): number {
    return this.inFlight
  }

  /** Commands wait, and none was answered for so long: the connection is destroyed and made again. */
  restartIfSilent(ms: number): void {
    if (this.inFlight === 0 || Date.now() - this.answeredAt <= ms) return
    this.answeredAt = Date.now()
    this.client.disconnect(true)
  }

  async run(command: string, ...args: readonly (string | number)[]): Promise<unknown> {
    if (this.inFlight >= MAX_IN_FLIGHT) {
      this.limitHit("redis_commands")
      throw new RedisFailure(command, "too many commands wait for an answer")
    }
    this.inFlight++
    try {
      const answer: unknown = await this.client.call(command, ...args)
      this.answeredAt = Date.now()
      return answer
    } catch (error) {
      throw new RedisFailure(command, error)
    } finally {
      this.inFlight--
    }
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
