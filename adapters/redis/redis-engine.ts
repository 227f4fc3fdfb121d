import { setTimeout as sleep } from "node:timers/promises"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { readMerged } from "#application/log-reader.ts"
import { Engine, type EngineEvents } from "#application/ports/engine.ts"
import { MessageLog } from "#application/ports/message-log.ts"
import { Metrics } from "#application/ports/metrics.ts"
import { Settings } from "#application/ports/settings.ts"
import { Refusal } from "#domain/errors.ts"
import type { RoomName } from "#domain/room.ts"
import { luaScript } from "./lua-script.ts"
import type { NodeLease } from "./node-lease.ts"
import { askRedis, RedisFailure, redisClient } from "./redis-client.ts"
import { RedisDelivery } from "./redis-delivery.ts"
import type { RedisPartition } from "./redis-partition.ts"
import { RedisPublisher } from "./redis-publisher.ts"
import { RedisRooms } from "./redis-rooms.ts"
import { RedisStore, type StoreState } from "./redis-store.ts"
import { RedisSubscriber } from "./redis-subscriber.ts"
import { tellOutages } from "./tell-outages.ts"

const BEAT = luaScript("beat", "life")
const END_EPOCH = luaScript("end-epoch")

const FILL_RETRY_MS = 100
const SWEEP_MS = 1_000
/** How long a node waits at its start for its subscriptions to be there. */
const START_MS = 5_000
const LOOK_MS = 5

const unlessAway = (error: unknown): void => {
  if (!(error instanceof RedisFailure)) throw error
}

interface EngineParts {
  readonly state: StoreState
  readonly lease: NodeLease
  readonly subscriber: (events: ConstructorParameters<typeof RedisSubscriber>[1]) => RedisSubscriber
  readonly node: string
  readonly isLogged: (room: RoomName) => boolean
  readonly log: MessageLog["Service"]
  readonly limitHit: (limit: string) => void
}

/** One node of a cluster: hears the rooms that it has members of, and catches up before it delivers anything newer. */
class NodeEngine {
  readonly rooms: RedisRooms
  private events: EngineEvents | undefined
  private subscribed = false
  private ended = false
  private readonly timers: NodeJS.Timeout[] = []
  private readonly subscriber: RedisSubscriber
  private readonly delivery: RedisDelivery
  private readonly beatChannels: ReadonlyMap<string, RedisPartition>
  private readonly takenChannel: string
  private readonly nodeChannel: string
  /** What this node may have missed is looked up. */
  private catchingUp: Promise<void> | undefined
  private readonly parts: EngineParts

  constructor(parts: EngineParts) {
    this.parts = parts
    const { state, node } = parts
    this.subscriber = parts.subscriber({
      message: (channel, text) => this.onMessage(channel, text),
      broken: () => this.onBroken(),
      connected: () => void this.onConnected(),
    })
    this.rooms = new RedisRooms(state, this.subscriber, parts.isLogged, Date.now)
    this.delivery = new RedisDelivery({
      state,
      roomOf: (name) => this.rooms.named(name),
      fill: (partition) => void this.fill(partition),
      endEpoch: (partition) => void this.endEpoch(partition),
      limitHit: parts.limitHit,
      nowMs: Date.now,
    })
    this.beatChannels = new Map(state.partitions.map((partition) => [partition.beatChannel(node), partition]))
    this.takenChannel = `${state.options.prefix}:taken`
    this.nodeChannel = state.nodeChannel(node)
    state.onNewEpoch = (partition, clock) => {
      this.rooms.begin(partition, clock)
      this.events?.newEpoch()
    }
  }

  /** Done when it hears what is published, or Redis could not be had at once: it goes on trying. */
  async connect(): Promise<void> {
    const { beatMs } = this.parts.state.options
    this.timers.push(
      setInterval(() => this.watch(), beatMs),
      setInterval(() => this.rooms.sweep(), SWEEP_MS),
    )
    await this.subscriber.connect()
    for (let waitedMs = 0; this.subscriber.isConnected && !this.subscribed && waitedMs < START_MS; waitedMs += LOOK_MS)
      await sleep(LOOK_MS)
  }

  start(events: EngineEvents): void {
    this.events = events
    this.delivery.events = events
  }

  async end(): Promise<void> {
    this.ended = true
    for (const timer of this.timers) clearInterval(timer)
    this.subscriber.close()
    await this.parts.lease.end().catch(unlessAway)
  }

  isFresh(): boolean {
    const { lease } = this.parts
    return (
      this.subscribed &&
      lease.isHeld &&
      !lease.lapsed &&
      this.parts.state.partitions.every((partition) => !this.isQuiet(partition))
    )
  }

  private isQuiet(partition: RedisPartition): boolean {
    const { beatMs } = this.parts.state.options
    return this.delivery.isHeld(partition) || Date.now() - partition.beatAt > 3 * beatMs + beatMs / 4
  }

  private onMessage(channel: string, text: string): void {
    const room = this.rooms.heardOn(channel)
    const partition = this.beatChannels.get(channel)
    if (room !== undefined) this.delivery.hear(room, text)
    else if (partition !== undefined) this.delivery.hearBeat(partition, text)
    else if (channel === this.takenChannel) {
      const [sessionId = "", owner] = text.split(" ")
      this.events?.taken(sessionId, Number(owner))
    } else if (channel === this.nodeChannel) this.parts.state.onNodeWord(text)
  }

  private onBroken(): void {
    this.rooms.generation++
    this.subscribed = false
    for (const partition of this.parts.state.partitions) this.delivery.hold(partition, true)
  }

  /** Subscribed to everything again, and caught up, before anything newer is delivered. */
  private async onConnected(): Promise<void> {
    const { generation } = this.rooms
    const { state } = this.parts
    try {
      const own = [this.takenChannel, this.nodeChannel, ...this.beatChannels.keys()]
      await this.subscriber.subscribeAll([...own, ...this.rooms.channels])
      await this.parts.lease.beat()
      await this.catchUpNode()
      await Promise.all(state.partitions.map((partition) => this.fill(partition)))
      if (generation !== this.rooms.generation) return
      await this.beat()
      if (generation !== this.rooms.generation) return
      this.subscribed = true
    } catch {
      if (generation === this.rooms.generation && !this.ended) this.subscriber.restart()
    }
  }

  /** Takeovers and revocations that were told while nothing was heard; one look at a time. */
  private catchUpNode(): Promise<void> {
    const { lease } = this.parts
    const look = async (): Promise<void> => {
      const { lapsed } = lease
      if (this.events !== undefined && !(await this.events.missed(lapsed)))
        throw new RedisFailure("what was missed", "it could not be looked up")
      if (lapsed) lease.lapsed = false
    }
    this.catchingUp ??= look().finally(() => {
      this.catchingUp = undefined
    })
    return this.catchingUp
  }

  /**
   * Delivers what the logs of the partition's rooms hold and this node has not had, up to the clock, while what is newer
   * waits. A room whose log is not whole closes its members only. Ends when it is done or the subscription broke.
   */
  private async fill(partition: RedisPartition): Promise<void> {
    this.delivery.hold(partition, false)
    const { generation } = this.rooms
    while (generation === this.rooms.generation && !this.ended) {
      try {
        if ((await this.catchUp(partition)) && this.delivery.release(partition)) return
      } catch (error) {
        unlessAway(error)
        await sleep(FILL_RETRY_MS)
      }
    }
  }

  /** False: another epoch began meanwhile. */
  private async catchUp(partition: RedisPartition): Promise<boolean> {
    const { log, state } = this.parts
    const { epoch } = partition
    const upTo = await state.clock(partition)
    if (epoch !== "" && partition.epoch !== epoch) return false
    const rooms = [...this.rooms.all].filter((room) => room.partition === partition && room.logged && room.last > 0)
    // A room that was idle for long has lost its record: the last beat says as much as that did.
    const idle = state.recordTtlMs * 500
    const cursors = rooms.map((room) => ({
      room: room.name,
      after: partition.mark - room.last > idle ? partition.mark : room.last,
    }))
    if (cursors.length > 0) {
      const { generation } = this.rooms
      const read = readMerged(partition.index, cursors, upTo, ({ holes, publications }) =>
        Effect.sync(() => {
          if (generation !== this.rooms.generation) return
          for (const name of holes) this.events?.hole(name)
          for (const publication of publications) {
            const room = this.rooms.named(publication.room)
            if (room !== undefined) this.delivery.deliver(room, publication)
          }
        }),
      )
      const exit = await Effect.runPromiseExit(Effect.provideService(read, MessageLog, log))
      if (exit._tag === "Failure") throw new RedisFailure("the logs", "they could not be read")
      if (generation !== this.rooms.generation || partition.epoch !== epoch) return false
    }
    const { workedOff } = state
    workedOff[partition.index] = Math.max(workedOff[partition.index] ?? 0, upTo)
    partition.mark = Math.max(partition.mark, upTo)
    partition.beatAt = Date.now()
    for (const room of rooms) room.last = Math.max(room.last, upTo)
    return true
  }

  private async endEpoch(partition: RedisPartition): Promise<void> {
    const { state } = this.parts
    try {
      await state.commands.script(END_EPOCH, [partition.lifeKeys[0]], [partition.epoch])
      await state.clock(partition)
    } catch (error) {
      // The next message of the room finds the same again.
      unlessAway(error)
    }
  }

  private async beat(): Promise<void> {
    const { node, state } = this.parts
    await Promise.all(
      state.partitions.map((partition) => state.inPartition(partition, BEAT, [], [partition.beatChannel(node)])),
    )
  }

  private async renewLease(): Promise<void> {
    const { lease } = this.parts
    await lease.beat()
    if (lease.lapsed && this.subscribed) await this.catchUpNode()
  }

  /** A connection can be up and silent: who does not answer is destroyed and made again. */
  private watch(): void {
    const { partitions, options } = this.parts.state
    // Three of them missed, and the connection is made again.
    this.beat().catch(unlessAway)
    this.renewLease().catch(unlessAway)
    const quiet = partitions.some((partition) => !this.delivery.isHeld(partition) && this.isQuiet(partition))
    if (this.subscribed && this.subscriber.isConnected && quiet) this.subscriber.restart()
    this.parts.state.commands.restartIfSilent(3 * options.beatMs)
  }
}

export const redisEngine: Layer.Layer<Engine, never, RedisStore | MessageLog | Metrics | Settings> = Layer.effect(
  Engine,
  Effect.gen(function* () {
    const { lease, state } = yield* RedisStore
    const { node, rules } = yield* Settings
    const metrics = yield* Metrics
    const log = yield* MessageLog
    const client = redisClient(state.options.address)
    yield* tellOutages(client, "subscription")
    const engine = yield* Effect.acquireRelease(
      Effect.sync(
        () =>
          new NodeEngine({
            state,
            lease,
            subscriber: (events) => new RedisSubscriber(client, events),
            node,
            isLogged: (room) => rules.historyOf(room) !== undefined,
            log,
            limitHit: metrics.limitHit,
          }),
      ),
      (made) => Effect.promise(() => made.end()),
    )
    yield* Effect.promise(() => engine.connect())
    const publisher = new RedisPublisher(state, metrics.limitHit)
    metrics.observe("redis_channels", () => engine.rooms.size)
    const partitionAt = (index: number): RedisPartition => {
      const partition = state.partitions[index]
      if (partition === undefined) throw new Error(`there is no partition ${index}`)
      return partition
    }
    return {
      partitions: state.partitions.length,
      partitionOf: (room) => state.partitionOf(room).index,
      epoch: () => state.epoch,
      epochOf: (index) => partitionAt(index).epoch,
      workedOff: state.workedOff,
      recordTtlMs: state.recordTtlMs,
      isFresh: () => engine.isFresh(),
      start: (events) => engine.start(events),
      publish: (publish) =>
        Effect.flatMap(
          askRedis(() => publisher.publish(publish)),
          (answer) => (answer instanceof Refusal ? Effect.fail(answer) : Effect.succeed(answer)),
        ),
      subscribe: (room) => askRedis(() => engine.rooms.want(room)),
      unsubscribe: (room) => engine.rooms.unwant(room),
      clock: (index) => askRedis(() => state.clock(partitionAt(index))),
    }
  }),
)
