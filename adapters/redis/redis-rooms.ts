import type { RoomName } from "#domain/room.ts"
import { RedisFailure, unlessAway } from "./redis-commands.ts"
import type { HeardRoom } from "./redis-delivery.ts"
import type { RedisLane } from "./redis-lane.ts"
import type { RedisPartition } from "./redis-partition.ts"
import type { StoreState } from "./redis-store.ts"

/** A room that nobody here wants any more is heard for so long still: who leaves often comes back. */
export const LINGER_MS = 5_000
export const MAX_LINGERING = 10_000

interface Opening {
  readonly room: HeardRoom
  readonly live: Promise<void>
  /** Since when nobody wants it, where that is so, ms since 1970. */
  unwantedSince: number
}

/** The rooms that this node hears, by name and by channel. */
export class RedisRooms {
  private readonly byName = new Map<RoomName, Opening>()
  private readonly byChannel = new Map<string, HeardRoom>()
  /** In the order in which they became unwanted. */
  private readonly lingering = new Set<Opening>()
  private readonly state: StoreState
  private readonly laneOf: (partition: RedisPartition) => RedisLane
  private readonly isLogged: (room: RoomName) => boolean
  private readonly nowMs: () => number

  constructor(
    state: StoreState,
    laneOf: (partition: RedisPartition) => RedisLane,
    isLogged: (room: RoomName) => boolean,
    nowMs: () => number,
  ) {
    this.state = state
    this.laneOf = laneOf
    this.isLogged = isLogged
    this.nowMs = nowMs
  }

  get size(): number {
    return this.byName.size
  }

  channelsOf(partition: RedisPartition): readonly string[] {
    return [...this.byChannel.values()].filter((room) => room.partition === partition).map(({ channel }) => channel)
  }

  get all(): Iterable<HeardRoom> {
    return this.byChannel.values()
  }

  named(name: RoomName): HeardRoom | undefined {
    return this.byName.get(name)?.room
  }

  heardOn(channel: string): HeardRoom | undefined {
    return this.byChannel.get(channel)
  }

  /** Resolves when everything that is published from here on will be heard. */
  want(name: RoomName): Promise<void> {
    const known = this.byName.get(name)
    if (known !== undefined) {
      known.room.wanted = true
      this.lingering.delete(known)
      return known.live
    }
    const partition = this.state.partitionOf(name)
    const channel = partition.channel(name)
    const room: HeardRoom = { name, partition, channel, logged: this.isLogged(name), wanted: true, last: 0, said: 0 }
    const opening: Opening = { room, live: this.open(room), unwantedSince: 0 }
    this.byName.set(name, opening)
    this.byChannel.set(channel, room)
    opening.live.catch(() => {
      this.forget(opening)
      // It may be subscribed to all the same. A break of the connection ends that as well.
      if (!this.byChannel.has(channel)) this.laneOf(partition).subscriber.unsubscribe([channel]).catch(unlessAway)
    })
    return opening.live
  }

  unwant(name: RoomName): void {
    const opening = this.byName.get(name)
    if (opening === undefined) return
    opening.room.wanted = false
    opening.unwantedSince = this.nowMs()
    this.lingering.add(opening)
  }

  /** Gives up what has lingered, in one go. */
  sweep(): void {
    const now = this.nowMs()
    const given = new Map<RedisLane, string[]>()
    for (const opening of this.lingering) {
      const over = now - opening.unwantedSince >= LINGER_MS
      if (!over && this.lingering.size <= MAX_LINGERING) break
      this.forget(opening)
      const lane = this.laneOf(opening.room.partition)
      const channels = given.get(lane)
      if (channels === undefined) given.set(lane, [opening.room.channel])
      else channels.push(opening.room.channel)
    }
    // A break of the connection ends them as well.
    for (const [lane, channels] of given) lane.subscriber.unsubscribe(channels).catch(unlessAway)
  }

  /** A new life of a partition began: nothing of the former one is missing. */
  begin(partition: HeardRoom["partition"], clock: number): void {
    for (const room of this.byChannel.values())
      if (room.partition === partition) Object.assign(room, { last: clock, said: 0 })
  }

  private async open(room: HeardRoom): Promise<void> {
    const lane = this.laneOf(room.partition)
    const { breaks } = lane
    await lane.subscriber.subscribe(room.channel)
    const clock = await this.state.clock(room.partition)
    if (breaks !== lane.breaks) throw new RedisFailure("SUBSCRIBE", "the connection broke")
    room.last = Math.max(room.last, clock)
  }

  private forget(opening: Opening): void {
    this.lingering.delete(opening)
    const { channel, name } = opening.room
    if (this.byName.get(name) === opening) this.byName.delete(name)
    if (this.byChannel.get(channel) === opening.room) this.byChannel.delete(channel)
  }
}
