import type { Offset } from "#domain/offset.ts"
import type { RoomName } from "#domain/room.ts"

/** Former epochs that late words are known by. */
const MAX_PAST = 16

/** One hash tag of the store as this node knows it: its epoch, how far it was worked off, what waits while it is filled. */
export class RedisPartition {
  readonly index: number
  /** How its scripts publish: on a cluster to those who hear the slot, and to nobody else. */
  readonly publishBy: "PUBLISH" | "SPUBLISH"
  epoch = ""
  /** The highest offset known to exist in this epoch: of a message, in this node's own answers too, or where a join begins. */
  seen: Offset = 0
  /** Worked off, as of the last beat. */
  mark: Offset = 0
  /** When its beat came last, ms since 1970. */
  beatAt = 0
  /** Since when scripts have answered with a former epoch, ms since 1970; 0: the last one did not. */
  pastSince = 0
  private readonly past = new Set<string>()
  private readonly tag: string

  constructor(prefix: string, partitions: number, index: number, sharded = false) {
    this.index = index
    this.publishBy = sharded ? "SPUBLISH" : "PUBLISH"
    this.tag = `${prefix}:{${partitions}.${index}}`
  }

  get lifeKeys(): readonly [string, string] {
    return [`${this.tag}:epoch`, `${this.tag}:clock`]
  }

  logKeys(room: RoomName): readonly [string, string] {
    return [`${this.tag}:log:${room}`, `${this.tag}:record:${room}`]
  }

  /** Of an idempotency key, and of the count of its user's. */
  idempotencyKeys(key: string, userId: string | undefined): readonly [string, string] {
    return [`${this.tag}:once:${key}`, `${this.tag}:ids:${userId ?? ""}`]
  }

  sessionKey(id: string): string {
    return `${this.tag}:session:${id}`
  }

  expelledKey(userId: string): string {
    return `${this.tag}:out:${userId}`
  }

  channel(room: RoomName): string {
    return `${this.tag}:room:${room}`
  }

  beatChannel(node: string): string {
    return `${this.tag}:beat:${node}`
  }

  isPast(epoch: string): boolean {
    return this.past.has(epoch)
  }

  /** A new life of the store begins: nothing of the former one counts. */
  begin(epoch: string, clock: Offset): void {
    if (this.epoch !== "") this.past.add(this.epoch)
    const [oldest] = this.past
    if (this.past.size > MAX_PAST && oldest !== undefined) this.past.delete(oldest)
    this.epoch = epoch
    this.mark = clock
    this.seen = 0
  }
}
