import { setTimeout as sleep } from "node:timers/promises"
import type { EngineEvents } from "#application/ports/engine.ts"
import type { MessageLog } from "#application/ports/message-log.ts"
import type { RoomName } from "#domain/room.ts"
import { luaScript } from "./lua-script.ts"
import type { NodeLease } from "./node-lease.ts"
import { PartitionFiller } from "./partition-filler.ts"
import { RedisFailure, unlessAway } from "./redis-commands.ts"
import { RedisDelivery } from "./redis-delivery.ts"
import type { LaneEvents, RedisLane } from "./redis-lane.ts"
import type { RedisPartition } from "./redis-partition.ts"
import { RedisRooms } from "./redis-rooms.ts"
import type { StoreState } from "./redis-store.ts"

const BEAT = luaScript("beat", "life")
const END_EPOCH = luaScript("end-epoch")

const SWEEP_MS = 1_000
/** How long a node waits at its start for its subscriptions to be there. */
const START_MS = 5_000
const LOOK_MS = 5
/** What could not be caught up with is begun anew after it. */
const RESTART_MS = 500

export interface EngineParts {
  readonly state: StoreState
  readonly lease: NodeLease
  readonly lanes: (events: LaneEvents) => readonly RedisLane[]
  readonly node: string
  readonly isLogged: (room: RoomName) => boolean
  readonly log: MessageLog["Service"]
  readonly limitHit: (limit: string) => void
  /** A subscription is lost, or heard again and caught up. */
  readonly tell: (outage: "lost" | "back") => void
  /** What could not be caught up with, and not because Redis is away. */
  readonly failed: (error: unknown) => void
}

/** One node of a cluster: hears the rooms that it has members of, and catches up before it delivers anything newer. */
export class NodeEngine {
  readonly rooms: RedisRooms
  private events: EngineEvents | undefined
  private ended = false
  private readonly timers: NodeJS.Timeout[] = []
  private readonly lanes: readonly RedisLane[]
  private readonly delivery: RedisDelivery
  private readonly filler: PartitionFiller
  private readonly beatChannels: ReadonlyMap<string, RedisPartition>
  private readonly laneByPartition: ReadonlyMap<RedisPartition, RedisLane>
  private readonly takenChannel: string
  /** A beat of the lane that no partition is on. */
  private readonly wideBeat: string
  private readonly nodeChannel: string
  /** What this node may have missed is looked up. */
  private looking: Promise<void> | undefined
  private nextLook: Promise<void> | undefined
  private readonly parts: EngineParts

  constructor(parts: EngineParts) {
    this.parts = parts
    const { state, node } = parts
    this.lanes = parts.lanes({
      message: (channel, text) => this.onMessage(channel, text),
      broken: (lane, wasWhole) => this.onBroken(lane, wasWhole),
      connected: (lane) => void this.onConnected(lane),
    })
    this.laneByPartition = new Map(
      this.lanes.flatMap((lane) => lane.partitions.map((partition) => [partition, lane] as const)),
    )
    this.rooms = new RedisRooms(state, (partition) => this.laneOf(partition), parts.isLogged, Date.now)
    this.delivery = new RedisDelivery({
      state,
      roomOf: (name) => this.rooms.named(name),
      fill: (partition) => void this.filler.fill(partition),
      endEpoch: (partition) => void this.endEpoch(partition, partition.epoch),
      limitHit: parts.limitHit,
      nowMs: Date.now,
    })
    this.filler = new PartitionFiller({
      state,
      log: parts.log,
      rooms: this.rooms,
      delivery: this.delivery,
      laneOf: (partition) => this.laneOf(partition),
      isEnded: () => this.ended,
      failed: parts.failed,
    })
    this.beatChannels = new Map(state.partitions.map((partition) => [partition.beatChannel(node), partition]))
    this.takenChannel = `${state.options.prefix}:taken`
    this.nodeChannel = state.nodeChannel(node)
    this.wideBeat = `${state.options.prefix}:beat:${node}`
    state.onPastEpoch = (partition, epoch) => void this.endEpoch(partition, epoch)
    state.onNewEpoch = (partition, clock) => {
      this.rooms.begin(partition, clock)
      this.events?.newEpoch()
      // Another server may be the master now, and the former one would still pass on what that one publishes.
      if (state.options.address.kind !== "standalone") this.laneOf(partition).subscriber.restart()
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

  async end(): Promise<void> {
    this.ended = true
    for (const timer of this.timers) clearInterval(timer)
    for (const { subscriber } of this.lanes) subscriber.close()
    await this.parts.lease.end().catch(unlessAway)
  }

  isFresh(): boolean {
    const { isHeld, lapsed } = this.parts.lease
    if (!isHeld || lapsed) return false
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
    } else if (channel === this.nodeChannel) this.parts.state.onNodeWord(text)
    else if (channel === this.parts.state.newcomersChannel) this.renewLease().catch(unlessAway)
    else if (channel === this.wideBeat) for (const lane of this.lanes) if (lane.isWide) lane.beatAt = Date.now()
  }

  private onBroken(lane: RedisLane, wasWhole: boolean): void {
    if (wasWhole && !this.ended) {
      lane.isLost = true
      this.parts.tell("lost")
    }
    for (const partition of lane.partitions) this.delivery.hold(partition, true)
  }

  /** Subscribed to everything again, and caught up, before anything newer is delivered. */
  private async onConnected(lane: RedisLane): Promise<void> {
    const { breaks, isWide, partitions, subscriber } = lane
    const { node } = this.parts
    const channels = partitions.flatMap((each) => [each.beatChannel(node), ...this.rooms.channelsOf(each)])
    try {
      const own = [this.takenChannel, this.nodeChannel, this.wideBeat, this.parts.state.newcomersChannel]
      await subscriber.subscribeAll(isWide ? [...own, ...channels] : channels)
      if (isWide) {
        await this.parts.lease.beat()
        await this.catchUpNode()
      }
      await Promise.all(partitions.map((partition) => this.filler.fill(partition)))
      if (breaks !== lane.breaks) return
      lane.beatAt = Date.now()
      await this.beat(lane)
      if (breaks !== lane.breaks) return
      lane.subscribed = true
      if (lane.isLost) this.parts.tell("back")
      lane.isLost = false
    } catch (error) {
      await sleep(RESTART_MS)
      if (breaks === lane.breaks && !this.ended) subscriber.restart()
      unlessAway(error)
    }
  }

  /**
   * Takeovers and revocations that were told while nothing was heard; one look at a time. One that has begun may be past
   * what a break since then has kept from it: whoever asks meanwhile gets the next one.
   */
  private catchUpNode(): Promise<void> {
    const begin = (): Promise<void> => {
      this.nextLook = undefined
      this.looking = this.look().finally(() => {
        this.looking = undefined
      })
      return this.looking
    }
    this.nextLook ??= (this.looking ?? Promise.resolve()).then(begin, begin)
    return this.nextLook
  }

  private async look(): Promise<void> {
    const { lease } = this.parts
    const { lapsed, lapses } = lease
    if (this.events !== undefined && !(await this.events.missed(lapsed)))
      throw new RedisFailure("what was missed", "it could not be looked up")
    lease.makeGood(lapses)
  }

  private async renewLease(): Promise<void> {
    const { lease } = this.parts
    await lease.beat()
    // One that is under way may have begun before it lapsed: the next beat finds it so still.
    if (lease.lapsed && this.looking === undefined && this.lanes.every((lane) => lane.subscribed))
      await this.catchUpNode()
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
    this.renewLease().catch(unlessAway)
    for (const lane of this.lanes) {
      // Three of them missed, and the connection is made again.
      this.beat(lane).catch(unlessAway)
      if (lane.subscribed && this.isQuiet(lane)) lane.subscriber.restart()
    }
    for (const each of new Set([commands, replicated])) each.restartIfSilent(3 * options.beatMs)
  }
}
