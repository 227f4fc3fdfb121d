import { createHash, randomBytes } from "node:crypto"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Cluster, Redis } from "ioredis"
import { Metrics } from "#application/ports/metrics.ts"
import { Settings } from "#application/ports/settings.ts"
import type { Offset } from "#domain/offset.ts"
import type { RoomName } from "#domain/room.ts"
import { LOG } from "./log.ts"
import { type LuaScript, luaScript } from "./lua-script.ts"
import { NodeLease } from "./node-lease.ts"
import type { ParsedAddress } from "./redis-address.ts"
import { redisClient } from "./redis-client.ts"
import { RedisCommands } from "./redis-commands.ts"
import { RedisPartition } from "./redis-partition.ts"
import { ServerCheck, type UnsuitableServer } from "./server-check.ts"
import { tellOutages } from "./tell-outages.ts"
import { tellRefusals } from "./tell-refusals.ts"

export interface RedisOptions {
  readonly address: ParsedAddress
  readonly prefix: string
  /** 1 but on Redis Cluster. */
  readonly partitions: number
  /** How often each node says to itself that it is there. */
  readonly beatMs: number
  /** A node that said nothing for so long is taken for dead. */
  readonly leaseMs: number
  /** For how long an idempotency key is remembered. */
  readonly idempotencyMs: number
  /** For how long a room's newest offset is remembered, at least. */
  readonly shortestRecordMs: number
  /** So many replicas must have a message before its publish is answered. */
  readonly waitReplicas: number
}

/** How long a node waits at its start for a connection. */
const START_MS = 5_000

const CLOCK = luaScript("read-clock", "life")

/** What a partition's script answers: the epoch, the clock, and what it was run for. */
export interface LifeAnswer {
  readonly epoch: string
  readonly clock: Offset
  readonly rest: readonly unknown[]
}

/** What the ports of the redis engine share: the connection for commands, and the partitions as this node knows them. */
export class StoreState {
  readonly partitions: readonly RedisPartition[]
  readonly workedOff: Offset[]
  readonly recordTtlMs: number
  /** Names the life of all partitions together: what a position carries. */
  epoch = ""
  /** Called where a partition's life turns out to be another one. */
  onNewEpoch: (partition: RedisPartition, clock: Offset) => void = () => {}
  /** Called with what other nodes say to this one. */
  onNodeWord: (text: string) => void = () => {}
  /** Called where the store has gone back to a former life. */
  onPastEpoch: (partition: RedisPartition, epoch: string) => void = () => {}
  readonly commands: RedisCommands
  /** For what is answered only when replicas have it. */
  readonly replicated: RedisCommands
  readonly options: RedisOptions

  constructor(
    { commands, replicated }: { readonly commands: RedisCommands; readonly replicated: RedisCommands },
    options: RedisOptions,
    longestHistoryMs: number,
  ) {
    this.commands = commands
    this.replicated = replicated
    this.options = options
    this.partitions = Array.from(
      { length: options.partitions },
      (_, index) => new RedisPartition(options.prefix, options.partitions, index, options.address.kind === "cluster"),
    )
    this.workedOff = this.partitions.map(() => 0)
    this.recordTtlMs = Math.max(2 * longestHistoryMs, options.shortestRecordMs)
  }

  /** Heard by every node: another one has begun to listen. */
  get newcomersChannel(): string {
    return `${this.options.prefix}:newcomers`
  }

  /** Heard by one node, whatever it is in. */
  nodeChannel(node: string): string {
    return `${this.options.prefix}:node:${node}`
  }

  partitionOf(room: RoomName): RedisPartition {
    return this.partitionBy(room)
  }

  /** A session is in one too: a server that follows its former one and lacks a room of it has begun a new life. */
  partitionOfSession(id: string): RedisPartition {
    return this.partitionBy(id)
  }

  private partitionBy(name: string): RedisPartition {
    const { partitions } = this
    const index =
      partitions.length === 1 ? 0 : createHash("sha1").update(name).digest().readUInt32BE() % partitions.length
    const partition = partitions[index]
    if (partition === undefined) throw new Error(`there is no partition ${index}`)
    return partition
  }

  /** Runs a script of a partition, which answers its epoch and clock first; a new epoch is told of before its answer. */
  async inPartition(
    partition: RedisPartition,
    script: LuaScript,
    keys: readonly string[],
    args: readonly (string | number)[],
    commands = this.commands,
  ): Promise<LifeAnswer> {
    const life = [partition.epoch, partition.seen, randomBytes(6).toString("base64url"), this.recordTtlMs * 1000]
    const answer = await commands.script(script, [...partition.lifeKeys, ...keys], [...life, ...args])
    if (!Array.isArray(answer)) throw new Error(`${script.name} answered ${typeof answer}`)
    const [epoch, clock, ...rest] = answer
    this.meet(partition, String(epoch), Number(clock))
    this.lookBack(partition, String(epoch), life[0])
    return { epoch: String(epoch), clock: Number(clock), rest }
  }

  /** Who asks writes down where a join begins: a store that has lost this point has lost that, too, and ended its epoch. */
  async clock(partition: RedisPartition): Promise<Offset> {
    const { clock, epoch } = await this.inPartition(partition, CLOCK, [], [])
    if (epoch === partition.epoch) partition.seen = Math.max(partition.seen, clock)
    return clock
  }

  /**
   * A script that was sent in the present epoch and answered with a former one went to a server that was left behind. Is
   * it so for long, then the store itself went back (the master came again, and who had followed it is gone): that life is
   * ended too, for what came between is lost.
   */
  private lookBack(partition: RedisPartition, epoch: string, sentIn: string | number | undefined): void {
    if (epoch === partition.epoch || sentIn !== partition.epoch) {
      partition.pastSince = 0
      return
    }
    const now = Date.now()
    if (partition.pastSince === 0) partition.pastSince = now
    if (now - partition.pastSince <= 3 * this.options.beatMs) return
    partition.pastSince = 0
    this.onPastEpoch(partition, epoch)
  }

  /** Whoever hears of an epoch that is neither the present nor a former one has met a new one. */
  meet(partition: RedisPartition, epoch: string, clock: Offset): void {
    if (epoch === partition.epoch || partition.isPast(epoch)) return
    const isFirst = partition.epoch === ""
    partition.begin(epoch, clock)
    this.workedOff[partition.index] = clock
    const all = this.partitions.map((each) => each.epoch)
    this.epoch = all.length === 1 ? epoch : createHash("sha1").update(all.join()).digest("base64url").slice(0, 8)
    if (!isFirst) this.onNewEpoch(partition, clock)
  }
}

export class RedisStore extends Context.Service<
  RedisStore,
  {
    readonly state: StoreState
    readonly client: Redis | Cluster
    readonly check: ServerCheck
    readonly lease: NodeLease
  }
>()("roomcast/adapters/redis/redis-store") {}

export const redisStore = (options: RedisOptions): Layer.Layer<RedisStore, never, Metrics | Settings> =>
  Layer.effect(
    RedisStore,
    Effect.gen(function* () {
      const { node, presence, recovery, rules } = yield* Settings
      const metrics = yield* Metrics
      const context = yield* Effect.context()
      const check = new ServerCheck((problem) =>
        Effect.runForkWith(context)(
          Effect.annotateLogs(Effect.logError("a Redis server is not used", { problem }), LOG),
        ),
      )
      const open = Effect.gen(function* () {
        const client = yield* Effect.acquireRelease(
          Effect.sync(() => redisClient(options.address, check)),
          (opened) => Effect.sync(() => opened.disconnect()),
        )
        yield* tellOutages(client)
        // It goes on trying by itself; the promise of a cluster's first try may stay open then.
        yield* Effect.ignore(
          Effect.timeout(
            Effect.tryPromise(() => client.connect()),
            START_MS,
          ),
        )
        return client
      })
      const client = yield* open
      const refused = yield* tellRefusals()
      const commands = new RedisCommands(client, metrics.limitHit, refused)
      const { waitReplicas } = options
      const replicated =
        waitReplicas === 0 ? commands : new RedisCommands(yield* open, metrics.limitHit, refused, waitReplicas)
      metrics.observe("redis_commands_in_flight", () =>
        replicated === commands ? commands.pending : commands.pending + replicated.pending,
      )
      const lease = new NodeLease(commands, {
        prefix: options.prefix,
        node,
        leaseMs: options.leaseMs,
        graceMs: presence.graceMs,
        rememberMs: 2 * recovery.windowMs + options.leaseMs,
        namesake: ({ address }) =>
          Effect.runForkWith(context)(
            Effect.logError(`two nodes are named ${node}: each needs a nodeId of its own (ROOMCAST_NODE_ID)`, {
              address,
            }).pipe(Effect.annotateLogs(LOG)),
          ),
      })
      return { state: new StoreState({ commands, replicated }, options, rules.longestHistoryMs), client, check, lease }
    }),
  )

/** For the start, after the engine's layer is there and so every connection was tried. */
export const checkServers: Effect.Effect<void, UnsuitableServer, RedisStore> = Effect.flatMap(
  RedisStore,
  ({ check: { refusal } }) => (refusal === undefined ? Effect.void : Effect.fail(refusal)),
)
