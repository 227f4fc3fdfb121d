import * as Effect from "effect/Effect"
import { Cluster } from "ioredis"
import { Refusal, type Refused } from "#domain/errors.ts"
import type { LuaScript } from "./lua-script.ts"
import { type Client, COMMAND_MS, slotsRefreshed } from "./redis-client.ts"

/** Commands without an answer yet; past it they are refused at once. */
const MAX_IN_FLIGHT = 20_000
const RETRY_AFTER_MS = 1_000

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

/** The server's own word, and no failure of the driver or of the network. */
const isReply = (error: unknown): error is Error => error instanceof Error && error.name === "ReplyError"

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
  private readonly refused: (command: string, reason: string) => void

  /** `refused` is told what the server itself refuses, but for what is asked again another way. */
  constructor(
    client: Client,
    limitHit: (limit: string) => void,
    refused: (command: string, reason: string) => void = () => {},
    replicas = 0,
  ) {
    this.client = client
    this.limitHit = limitHit
    this.refused = refused
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
      else if (isReply(error) && !failure.unknownScript) this.refused(command, error.message)
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

/** Passes over what failed because of Redis, for whoever tries again; anything else is a defect. */
export const unlessAway = (error: unknown): void => {
  if (!(error instanceof RedisFailure)) throw error
}
