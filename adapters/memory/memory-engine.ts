import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Engine, type EngineEvents, type Publish, type Published } from "#application/ports/engine.ts"
import { Metrics } from "#application/ports/metrics.ts"
import { Refusal, type Refused } from "#domain/errors.ts"
import type { Publication } from "#domain/gate.ts"
import type { RoomName } from "#domain/room.ts"
import { MemoryStore, type StoreState } from "./memory-store.ts"

const IDEMPOTENCY_MS = 600_000
const MAX_DIGEST = 64

/** What is kept of a digest for ten minutes: never a whole message. */
const shortened = (digest: string): string =>
  digest.length <= MAX_DIGEST ? digest : createHash("sha256").update(digest).digest("base64url")

interface Record {
  readonly digest: string
  readonly published: Published
  readonly expiresAt: number
}

/** One node, one partition: a publish is stored and delivered in one turn of the event loop. */
class LocalEngine {
  readonly subscribed = new Set<RoomName>()
  readonly records = new Map<string, Record>()
  private readonly waiting: Publication[] = []
  private delivering = false
  private readonly store: StoreState
  private readonly maxKeys: number
  private readonly limitHit: (limit: string) => void

  constructor(store: StoreState, maxKeys: number, limitHit: (limit: string) => void) {
    this.store = store
    this.maxKeys = maxKeys
    this.limitHit = limitHit
  }

  publish({ message, histories, idempotency }: Publish): Published | Refused<"idempotency_key_reused" | "overloaded"> {
    const digest = idempotency === undefined ? "" : shortened(idempotency.digest)
    if (idempotency !== undefined) {
      const found = this.recordOf(idempotency.key)
      if (found !== undefined)
        return found.digest === digest
          ? { ...found.published, repeated: true }
          : new Refusal("idempotency_key_reused", "the idempotency key was used with another body within 10 minutes")
      if (this.records.size >= this.maxKeys) {
        this.limitHit("idempotency_records")
        return new Refusal("overloaded", "too many idempotency keys are remembered", { retryAfterMs: 5_000 })
      }
    }
    const offset = this.store.tick()
    message.rooms.forEach((room, i) => {
      const history = histories[i]
      if (history !== undefined && !message.volatile)
        this.store.append(room, { offset, previous: this.store.newest(room), message }, history)
      if (this.subscribed.has(room)) this.waiting.push({ room, partition: 0, offset, message })
    })
    const published: Published = { id: message.id, epoch: this.store.epoch, offset, repeated: false }
    if (idempotency !== undefined)
      this.records.set(idempotency.key, {
        digest,
        published,
        expiresAt: this.store.nowMs() + IDEMPOTENCY_MS,
      })
    this.deliver()
    return published
  }

  /** Everything up to the clock is delivered, unless this runs from within a delivery. */
  clock(): number {
    const now = this.store.tick()
    if (!this.delivering) this.store.workedOff[0] = now
    return now
  }

  /** What a delivery publishes itself (a leave after a cut) waits for its turn: every member sees the same order. */
  private deliver(): void {
    if (this.delivering) return
    const events = this.store.events
    if (events === undefined) throw new Error("the engine was not started")
    this.delivering = true
    try {
      for (let next = this.waiting.shift(); next !== undefined; next = this.waiting.shift()) {
        this.store.workedOff[0] = next.offset
        events.deliver(next)
      }
    } finally {
      this.delivering = false
    }
  }

  private recordOf(key: string): Record | undefined {
    const now = this.store.nowMs()
    for (const [oldest, record] of this.records) {
      if (record.expiresAt > now) break
      this.records.delete(oldest)
    }
    return this.records.get(key)
  }
}

export const memoryEngine: Layer.Layer<Engine, never, MemoryStore | Metrics> = Layer.effect(
  Engine,
  Effect.gen(function* () {
    const { state, bounds } = yield* MemoryStore
    const metrics = yield* Metrics
    const local = new LocalEngine(state, bounds.maxIdempotencyKeys, metrics.limitHit)
    metrics.observe("idempotency_records", () => local.records.size)
    return {
      partitions: 1,
      partitionOf: () => 0,
      epoch: () => state.epoch,
      epochOf: () => state.epoch,
      workedOff: state.workedOff,
      recordTtlMs: state.recordTtlMs,
      isFresh: () => true,
      start: (events: EngineEvents) => {
        state.events = events
      },
      publish: (publish) =>
        Effect.suspend(() => {
          const answer = local.publish(publish)
          return answer instanceof Refusal ? Effect.fail(answer) : Effect.succeed(answer)
        }),
      subscribe: (room) => Effect.sync(() => void local.subscribed.add(room)),
      unsubscribe: (room) => void local.subscribed.delete(room),
      clock: () => Effect.sync(() => local.clock()),
    }
  }),
)
