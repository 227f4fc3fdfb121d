import type { EngineEvents } from "#application/ports/engine.ts"
import type { Publication } from "#domain/gate.ts"
import { isExpired } from "#domain/message.ts"
import type { Offset } from "#domain/offset.ts"
import type { RoomName } from "#domain/room.ts"
import type { RedisPartition } from "./redis-partition.ts"
import type { StoreState } from "./redis-store.ts"
import { decodeMessage } from "./wire-message.ts"

/** A room that this node hears. */
export interface HeardRoom {
  readonly name: RoomName
  readonly partition: RedisPartition
  readonly channel: string
  readonly logged: boolean
  /** Somebody here wants what comes; else it is heard for a while still, and kept up with. */
  wanted: boolean
  /** Nothing up to here is missing; 0: its subscription is not live yet. */
  last: Offset
  /** The last logged message that was delivered. */
  said: Offset
}

interface Publish {
  readonly offset: Offset
  /** The room's offset before this one. */
  readonly previous: Offset
  readonly epoch: string
  readonly volatile: boolean
  readonly message: string
}

/** Publications of one partition that wait while it is filled, and their characters; past it they are read from the log again. */
const MAX_WAITING = 20_000
const MAX_WAITING_LENGTH = 67_108_864

/** `<offset> <previous> <epoch> <0 or 1> <message>` */
const parsePublish = (text: string): Publish | undefined => {
  const a = text.indexOf(" ")
  const b = text.indexOf(" ", a + 1)
  const c = text.indexOf(" ", b + 1)
  const d = text.indexOf(" ", c + 1)
  const offset = Number(text.slice(0, a))
  const previous = Number(text.slice(a + 1, b))
  if (a < 0 || b < 0 || c < 0 || d < 0 || !Number.isSafeInteger(offset) || !Number.isSafeInteger(previous))
    return undefined
  return {
    offset,
    previous,
    epoch: text.slice(b + 1, c),
    volatile: text.slice(c + 1, d) === "1",
    message: text.slice(d + 1),
  }
}

export interface DeliveryOptions {
  readonly state: StoreState
  /** The room as it is heard now; undefined: it is not any more. */
  readonly roomOf: (name: RoomName) => HeardRoom | undefined
  /** A gap was seen: the partition is to be filled, and `filled` told when it is. */
  readonly fill: (partition: RedisPartition) => void
  /** Something that was accepted is lost: the epoch is over. */
  readonly endEpoch: (partition: RedisPartition) => void
  readonly limitHit: (limit: string) => void
  readonly nowMs: () => number
}

/**
 * Hands publications to the node in the order in which its subscription brings them, own ones too. While a partition is
 * filled what is newer waits, whatever its room.
 */
export class RedisDelivery {
  events: EngineEvents | undefined
  private readonly waiting: { readonly room: HeardRoom; readonly text: string }[][]
  private readonly waitingLength: number[]
  /** Of each partition, a message's first copies while the next one is still to come. */
  private readonly begun: { readonly room: HeardRoom; readonly publication: Publication }[][]
  private readonly overflowed: boolean[]
  private readonly held: boolean[]
  /** What is delivered now has waited, or comes from the log. */
  private late = false
  private readonly options: DeliveryOptions

  constructor(options: DeliveryOptions) {
    this.options = options
    const { partitions } = options.state
    this.waiting = partitions.map(() => [])
    this.waitingLength = partitions.map(() => 0)
    this.begun = partitions.map(() => [])
    this.overflowed = partitions.map(() => false)
    // Nothing is delivered before the subscription is there and the partition was filled.
    this.held = partitions.map(() => true)
  }

  isHeld({ index }: RedisPartition): boolean {
    return this.held[index] === true
  }

  /** From here on publications wait; what waits already is kept, unless it is of a subscription that broke. */
  hold({ index }: RedisPartition, discard: boolean): void {
    this.held[index] = true
    const begun = this.begun[index] ?? []
    this.begun[index] = []
    // What fills the partition reads those of logged rooms too, for they are not said to have had them; no log has the others.
    for (const { publication, room } of begun) if (!room.logged && room.wanted) this.events?.deliver(publication)
    if (!discard) return
    this.forgetWaiting(index)
    this.overflowed[index] = false
  }

  /** Everything up to the clock of the fill was delivered. Answers false where too much waited: it is filled once more. */
  release(partition: RedisPartition): boolean {
    const { index } = partition
    if (this.overflowed[index] === true) {
      this.overflowed[index] = false
      return false
    }
    this.held[index] = false
    const waiting = this.forgetWaiting(index)
    this.late = true
    for (const { room, text } of waiting) this.hear(room, text)
    this.late = false
    return true
  }

  /** From the log, what the subscription did not bring. */
  fillIn(room: HeardRoom, publication: Publication): void {
    this.late = true
    this.deliver(room, publication)
    this.late = false
  }

  /** What the subscription brought for a room. */
  hear(room: HeardRoom, text: string): void {
    const { partition } = room
    if (this.isHeld(partition)) {
      this.wait(partition.index, room, text)
      return
    }
    const publish = parsePublish(text)
    if (publish === undefined || partition.isPast(publish.epoch)) return
    const { state } = this.options
    state.meet(partition, publish.epoch, publish.offset - 1)
    partition.seen = Math.max(partition.seen, publish.offset)
    if (this.options.roomOf(room.name) !== room) return
    if (room.logged && !publish.volatile) {
      if (publish.previous > room.last && room.last > 0) {
        this.hold(partition, false)
        this.wait(partition.index, room, text)
        this.options.fill(partition)
        return
      }
      if (publish.previous < room.said && publish.offset > room.last) {
        this.options.endEpoch(partition)
        return
      }
    }
    const message = decodeMessage(publish.message)
    if (message === undefined) this.passOver(room, publish)
    else this.gather(room, { room: room.name, partition: partition.index, offset: publish.offset, message })
  }

  /**
   * What another version wrote and this node cannot read is a hole to its members here: their positions must not move past
   * it, and a node that can read it may give it to them.
   */
  private passOver(room: HeardRoom, { offset, volatile }: Publish): void {
    if (!room.logged || volatile || offset <= room.last) return
    this.finish(room.partition.index)
    room.last = offset
    this.events?.hole(room.name)
  }

  /**
   * A message to several rooms comes by each of their channels, one copy right after the other. They are delivered in one
   * turn: between them this node would count as having worked off what members of a later room have not had, and who left
   * a room would have a second copy by another.
   */
  private gather(room: HeardRoom, publication: Publication): void {
    const { offset, partition } = publication
    const [first] = this.begun[partition] ?? []
    if (first !== undefined && first.publication.offset !== offset) this.finish(partition)
    if (this.isToCome(publication)) this.begun[partition]?.push({ room, publication })
    else {
      this.finish(partition)
      this.deliver(room, publication)
    }
  }

  /** Delivers what has begun: its last copy is there, or its room was given up. */
  private finish(index: number): void {
    const begun = this.begun[index] ?? []
    if (begun.length === 0) return
    this.begun[index] = []
    for (const { publication, room } of begun) this.deliver(room, publication)
  }

  /** Another copy follows on a channel that this node heard before the message was published. */
  private isToCome({ message, offset, room }: Publication): boolean {
    const names = message.spread?.here ?? message.rooms
    if (names.length === 1 || message.volatile) return false
    return names.slice(names.indexOf(room) + 1).some((name) => {
      const later = this.options.roomOf(name)
      return later !== undefined && later.last > 0 && later.last < offset
    })
  }

  private deliver(room: HeardRoom, publication: Publication): void {
    const { offset, message, partition } = publication
    const { workedOff } = this.options.state
    if (room.logged && !message.volatile) {
      if (offset <= room.last) return
      room.last = offset
      room.said = offset
    }
    workedOff[partition] = Math.max(workedOff[partition] ?? 0, offset)
    // What comes in time is not looked at: its sender's clock may be behind this one's.
    if (room.wanted && !(this.late && isExpired(message, this.options.nowMs()))) this.events?.deliver(publication)
  }

  /** This node's own beat, in order with everything else. `<offset> <epoch>` */
  hearBeat(partition: RedisPartition, text: string): void {
    if (this.isHeld(partition)) return
    this.finish(partition.index)
    const [clock, epoch = ""] = text.split(" ")
    const offset = Number(clock)
    if (partition.isPast(epoch) || !Number.isSafeInteger(offset)) return
    const { nowMs, state } = this.options
    state.meet(partition, epoch, offset - 1)
    state.workedOff[partition.index] = Math.max(state.workedOff[partition.index] ?? 0, offset)
    partition.mark = offset
    partition.beatAt = nowMs()
  }

  private wait(index: number, room: HeardRoom, text: string): void {
    const waiting = this.waiting[index]
    if (waiting === undefined || this.overflowed[index] === true) return
    const length = (this.waitingLength[index] ?? 0) + text.length
    this.waitingLength[index] = length
    if (waiting.push({ room, text }) <= MAX_WAITING && length <= MAX_WAITING_LENGTH) return
    this.options.limitHit("publications_waiting")
    this.overflowed[index] = true
    this.forgetWaiting(index)
  }

  private forgetWaiting(index: number): readonly { readonly room: HeardRoom; readonly text: string }[] {
    const waiting = this.waiting[index] ?? []
    this.waiting[index] = []
    this.waitingLength[index] = 0
    return waiting
  }
}
