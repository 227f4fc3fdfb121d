import { createHash } from "node:crypto"
import type { IdempotencyKey, Publish, Published } from "#application/ports/engine.ts"
import { Refusal, type Refused } from "#domain/errors.ts"
import { MAX_KEYS_PER_USER } from "#domain/limits.ts"
import { isConnectionRoom, type RoomName } from "#domain/room.ts"
import type { History } from "#domain/room-rules.ts"
import { luaScript } from "./lua-script.ts"
import type { RedisPartition } from "./redis-partition.ts"
import type { StoreState } from "./redis-store.ts"
import { encodeMessage } from "./wire-message.ts"

const PUBLISH = luaScript("publish", "life")

/** A publish takes no longer from its first step to its last. */
const BODY_MARGIN_MS = 60_000

const sha256 = (text: string): string => createHash("sha256").update(text).digest("base64url")

/** What a room keeps, as the script takes it: `-1` where it never will. */
const sizeOf = (room: RoomName, history: History | undefined): number =>
  isConnectionRoom(room) ? -1 : (history?.size ?? 0)

const reused = () =>
  new Refusal("idempotency_key_reused", "the idempotency key was used with another body within 10 minutes")

type PublishRefusal = Refused<"engine_unavailable" | "idempotency_key_reused" | "overloaded" | "rate_limited">

/** Stores messages and hands them to every node. */
export class RedisPublisher {
  private readonly state: StoreState
  private readonly limitHit: (limit: string) => void

  constructor(state: StoreState, limitHit: (limit: string) => void) {
    this.state = state
    this.limitHit = limitHit
  }

  /**
   * One step in each partition of the message, one after the other, its first room's first: that answer is the message's
   * id and offset. A repeat of the key does in each what is missing there.
   */
  async publish(publish: Publish): Promise<Published | PublishRefusal> {
    const { idempotency: known, message } = publish
    if (known !== undefined && !(await this.claim(known))) return reused()
    const partitions = new Set(message.rooms.map((room) => this.state.partitionOf(room)))
    const [head = this.state.partitions[0], ...others] = partitions
    if (head === undefined) throw new Error("there are no partitions")
    if (others.length === 0) return await this.publishIn(head, publish)
    const roomsIn = (partition: RedisPartition): readonly RoomName[] =>
      message.rooms.filter((room) => this.state.partitionOf(room) === partition)
    const spread = { before: [], here: roomsIn(head) }
    const first = await this.publishIn(head, { ...publish, message: { ...message, spread } })
    if (first instanceof Refusal) return first
    const before = [{ rooms: spread.here, offset: first.offset }]
    const idempotency = { key: publish.idempotency?.key ?? first.id, digest: publish.idempotency?.digest ?? "" }
    for (const partition of others) {
      const here = roomsIn(partition)
      const step = { ...message, id: first.id, spread: { before: [...before], here } }
      const published = await this.publishIn(partition, { ...publish, message: step, idempotency })
      if (published instanceof Refusal) return published
      before.push({ rooms: here, offset: published.offset })
    }
    return first
  }

  /**
   * Each partition knows only the keys of its own messages, so that another body to other rooms would pass, or be refused
   * when some of them have it. Kept from the last try on, longer than what any partition writes by it. A client's own id
   * goes to one room.
   */
  private async claim({ digest, key, userId }: IdempotencyKey): Promise<boolean> {
    const { commands, options, partitions } = this.state
    if (partitions.length === 1 || userId !== undefined) return true
    const name = `${options.prefix}:body:{${sha256(key)}}`
    const hash = sha256(digest)
    const keptMs = options.idempotencyMs + BODY_MARGIN_MS
    for (;;) {
      // In several commands: NX with GET came with 7.0. Where the record expires between them, the key is free again.
      if ((await commands.run("SET", name, hash, "NX", "PX", keptMs)) !== null) return true
      const first = await commands.run("GET", name)
      if (first !== null && first !== hash) return false
      if (first === hash && Number(await commands.run("PEXPIRE", name, keptMs)) === 1) return true
    }
  }

  private async publishIn(
    partition: RedisPartition,
    { histories, idempotency, message }: Publish,
  ): Promise<Published | PublishRefusal> {
    const { state } = this
    const rooms = message.rooms
      .map((name, i) => ({ name, history: histories[i] }))
      .filter(({ name }) => state.partitionOf(name) === partition)
    const { rest } = await state.inPartition(
      partition,
      PUBLISH,
      [
        ...partition.idempotencyKeys(idempotency?.key ?? "", idempotency?.userId),
        ...rooms.flatMap(({ name }) => partition.logKeys(name)),
      ],
      [
        idempotency === undefined ? "" : sha256(idempotency.digest),
        message.id,
        encodeMessage(message),
        message.volatile ? "1" : "0",
        state.options.idempotencyMs,
        idempotency?.userId === undefined ? 0 : MAX_KEYS_PER_USER,
        partition.publishBy,
        ...rooms.flatMap(({ history, name }) => [partition.channel(name), sizeOf(name, history), history?.ttlMs ?? 0]),
      ],
      state.replicated,
    )
    const [outcome, id, epoch, offset] = rest
    if (outcome === "reused") return reused()
    if (outcome === "limited") {
      this.limitHit("idempotency_keys_of_user")
      const text = `a user publishes at most ${MAX_KEYS_PER_USER} messages with an id of its own in 10 minutes`
      return new Refusal("rate_limited", text, { retryAfterMs: 5_000 })
    }
    const published = { id: String(id), epoch: String(epoch), offset: Number(offset), repeated: outcome === "repeated" }
    // This node has answered for it: a store that has lost it has ended its epoch.
    if (published.epoch === partition.epoch) partition.seen = Math.max(partition.seen, published.offset)
    return published
  }
}
