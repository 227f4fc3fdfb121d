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
import { askRedis, RedisFailure } from "./redis-client.ts"
import { RedisDelivery } from "./redis-delivery.ts"
import { type LaneEvents, lanesOf, type RedisLane } from "./redis-lane.ts"
import type { RedisPartition } from "./redis-partition.ts"
import { RedisPublisher } from "./redis-publisher.ts"
import { RedisRooms } from "./redis-rooms.ts"
import { RedisStore, type StoreState } from "./redis-store.ts"

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
  readonly lanes: (events: LaneEvents) => readonly RedisLane[]
  readonly node: string
  readonly isLogged: (room: RoomName) => boolean
  readonly log: MessageLog["Service"]
  readonly limitHit: (limit: string) => void
}

/** One node of a cluster: hears the rooms that it has members of, and catches up before it delivers anything newer. */
class NodeEngine {
  readonly rooms: RedisRooms
  private events: EngineEvents | undefined
  private ended = false
  private readonly timers: NodeJS.Timeout[] = []
  private readonly lanes: readonly RedisLane[]
  private readonly delivery: RedisDelivery
  private readonly beatChannels: ReadonlyMap<string, RedisPartition>
  private readonly laneByPartition: ReadonlyMap<RedisPartition, RedisLane>
  private readonly takenChannel: string
  /** A beat of the lane that no partition is on. */
  private readonly wideBeat: string
  private readonly parts: EngineParts

  constructor(parts: EngineParts) {
    this.parts = parts
    const { state, node } = parts
    this.lanes = parts.lanes({
      message: (channel, text) => this.onMessage(channel, text),
      broken: (lane) => this.onBroken(lane),
      connected: (lane) => void this.onConnected(lane),
    })
    this.laneByPartition = new Map(
      this.lanes.flatMap((lane) => lane.partitions.map((partition) => [partition, lane] as const)),
    )
    this.rooms = new RedisRooms(state, (partition) => this.laneOf(partition), parts.isLogged, Date.now)
    this.delivery = new RedisDelivery({
      state,
      roomOf: (name) => this.rooms.named(name),
      fill: (partition) => void this.fill(partition),
      endEpoch: (partition) => void this.endEpoch(partition, partition.epoch),
      limitHit: parts.limitHit,
      nowMs: Date.now,
    })
    this.beatChannels = new Map(state.partitions.map((partition) => [partition.beatChannel(node), partition]))
    this.takenChannel = `${state.options.prefix}:taken`
    this.wideBeat = `${state.options.prefix}:beat:${node}`
    state.onPastEpoch = (partition, epoch) => void this.endEpoch(partition, epoch)
    state.onNewEpoch = (partition, clock) => {
      this.rooms.begin(partition, clock)
      this.events?.newEpoch()
      // Another server may be the master now, and the former one would still pass on what that one publishes.
      this.laneOf(partition).subscriber.restart()
    }
  }

  private laneOf(partition: RedisPartition): RedisLane {
    const lane = this.laneByPartition.get(partition)
    if (lane === undefined) throw new Error(`partition ${partition.index} has no subscription`)
    return lane
  }

  /** Done when it hears what is published, or Redis could not be had at once: it goes on trying. */
  async connect(): Promise<void> {
    const { beatMs } = this.parts.state.options
    this.timers.push(
      setInterval(() => this.watch(), beatMs),
      setInterval(() => this.rooms.sweep(), SWEEP_MS),
    )
    const tried = Promise.all(this.lanes.map(({ subscriber }) => subscriber.connect()))
    await Promise.race([tried, sleep(START_MS, undefined, { ref: false })])
    const isComing = (lane: RedisLane) => lane.subscriber.isConnected && !lane.subscribed
    for (let waitedMs = 0; this.lanes.some(isComing) && waitedMs < START_MS; waitedMs += LOOK_MS) await sleep(LOOK_MS)
  }

  start(events: EngineEvents): void {
    this.events = events
    this.delivery.events = events
  }

  end(): void {
    this.ended = true
    for (const timer of this.timers) clearInterval(timer)
    for (const { subscriber } of this.lanes) subscriber.close()
  }

  isFresh(): boolean {
    return this.lanes.every(
      (lane) => lane.subscribed && !this.isQuiet(lane) && !lane.partitions.some((each) => this.delivery.isHeld(each)),
    )
  }

  /** Three beats of the lane, or of a partition on it that is not being filled, did not come. */
  private isQuiet({ beatAt, partitions }: RedisLane): boolean {
    const { beatMs } = this.parts.state.options
    const oldest = Date.now() - 3 * beatMs - beatMs / 4
    if (partitions.length === 0) return beatAt < oldest
    return partitions.some((partition) => !this.delivery.isHeld(partition) && partition.beatAt < oldest)
  }

  private onMessage(channel: string, text: string): void {
    const room = this.rooms.heardOn(channel)
    const partition = this.beatChannels.get(channel)
    if (room !== undefined) this.delivery.hear(room, text)
    else if (partition !== undefined) this.delivery.hearBeat(partition, text)
    else if (channel === this.takenChannel) {
      const [sessionId = "", owner] = text.split(" ")
      this.events?.taken(sessionId, Number(owner))
    } else if (channel === this.wideBeat) for (const lane of this.lanes) if (lane.isWide) lane.beatAt = Date.now()
  }

  private onBroken({ partitions }: RedisLane): void {
    for (const partition of partitions) this.delivery.hold(partition, true)
  }

  /** Subscribed to everything again, and caught up, before anything newer is delivered. */
  private async onConnected(lane: RedisLane): Promise<void> {
    const { breaks, isWide, partitions, subscriber } = lane
    const { node } = this.parts
    const channels = partitions.flatMap((each) => [each.beatChannel(node), ...this.rooms.channelsOf(each)])
    try {
      await subscriber.subscribeAll(isWide ? [this.takenChannel, this.wideBeat, ...channels] : channels)
      await Promise.all(partitions.map((partition) => this.fill(partition)))
      if (breaks !== lane.breaks) return
      lane.beatAt = Date.now()
      await this.beat(lane)
      if (breaks !== lane.breaks) return
      lane.subscribed = true
    } catch (error) {
      if (breaks === lane.breaks && !this.ended) subscriber.restart()
      unlessAway(error)
    }
  }

  /**
   * Delivers what the logs of the partition's rooms hold and this node has not had, up to the clock, while what is newer
   * waits. A room whose log is not whole closes its members only. Ends when it is done or the subscription broke.
   */
  private async fill(partition: RedisPartition): Promise<void> {
    this.delivery.hold(partition, false)
    const lane = this.laneOf(partition)
    const { breaks } = lane
    while (breaks === lane.breaks && !this.ended) {
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
      const lane = this.laneOf(partition)
      const { breaks } = lane
      const read = readMerged(partition.index, cursors, upTo, ({ holes, publications }) =>
        Effect.sync(() => {
          if (breaks !== lane.breaks) return
          for (const name of holes) this.events?.hole(name)
          for (const publication of publications) {
            const room = this.rooms.named(publication.room)
            if (room !== undefined) this.delivery.deliver(room, publication)
          }
        }),
      )
      const exit = await Effect.runPromiseExit(Effect.provideService(read, MessageLog, log))
      if (exit._tag === "Failure") throw new RedisFailure("the logs", "they could not be read")
      if (breaks !== lane.breaks || partition.epoch !== epoch) return false
    }
    const { workedOff } = state
    workedOff[partition.index] = Math.max(workedOff[partition.index] ?? 0, upTo)
    partition.mark = Math.max(partition.mark, upTo)
    partition.beatAt = Date.now()
    for (const room of rooms) room.last = Math.max(room.last, upTo)
    return true
  }

  private async endEpoch(partition: RedisPartition, epoch: string): Promise<void> {
    const { state } = this.parts
    try {
      await state.commands.script(END_EPOCH, [partition.lifeKeys[0]], [epoch])
      await state.clock(partition)
    } catch (error) {
      // The next message of the room finds the same again.
      unlessAway(error)
    }
  }

  private async beat({ partitions }: RedisLane): Promise<void> {
    const { node, state } = this.parts
    if (partitions.length === 0) await state.commands.run("PUBLISH", this.wideBeat, "")
    await Promise.all(
      partitions.map((each) => state.inPartition(each, BEAT, [], [each.publishBy, each.beatChannel(node)])),
    )
  }

  /** A connection can be up and silent: who does not answer is destroyed and made again. */
  private watch(): void {
    const { commands, options, replicated } = this.parts.state
    for (const lane of this.lanes) {
      // Three of them missed, and the connection is made again.
      this.beat(lane).catch(unlessAway)
      if (lane.subscribed && this.isQuiet(lane)) lane.subscriber.restart()
    }
    for (const each of new Set([commands, replicated])) each.restartIfSilent(3 * options.beatMs)
  }
}

export const redisEngine: Layer.Layer<Engine, never, RedisStore | MessageLog | Metrics | Settings> = Layer.effect(
  Engine,
  Effect.gen(function* () {
    const { check, client, state } = yield* RedisStore
    const { node, rules } = yield* Settings
    const metrics = yield* Metrics
    const log = yield* MessageLog
    const engine = yield* Effect.acquireRelease(
      Effect.sync(
        () =>
          new NodeEngine({
            state,
            lanes: (events) => lanesOf(state, client, events, check),
            node,
            isLogged: (room) => rules.historyOf(room) !== undefined,
            log,
            limitHit: metrics.limitHit,
          }),
      ),
      (made) => Effect.sync(() => made.end()),
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
