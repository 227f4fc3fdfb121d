import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Engine, type EngineEvents, type Publish, type Published } from "#application/ports/engine.ts"
import { Metrics } from "#application/ports/metrics.ts"
import { Refusal, type Refused } from "#domain/errors.ts"
import type { Publication } from "#domain/gate.ts"
import type { RoomName } from "#domain/room.ts"
import { IdempotencyRecords } from "./idempotency-records.ts"
import { MemoryStore, type StoreState } from "./memory-store.ts"

/** One node, one partition: a publish is stored and delivered in one turn of the event loop. */
class LocalEngine {
  readonly subscribed = new Set<RoomName>()
  private readonly waiting: Publication[] = []
  private delivering = false
  private readonly store: StoreState
  private readonly records: IdempotencyRecords

  constructor(store: StoreState, records: IdempotencyRecords) {
    this.store = store
    this.records = records
  }

  publish({
    message,
    histories,
    idempotency,
  }: Publish): Published | Refused<"idempotency_key_reused" | "overloaded" | "rate_limited"> {
    const known = idempotency && this.records.look(idempotency)
    if (known !== undefined) return known
    const offset = this.store.tick()
    message.rooms.forEach((room, i) => {
      const history = histories[i]
      if (history !== undefined && !message.volatile)
        this.store.append(room, { offset, previous: this.store.newest(room), message }, history)
      if (this.subscribed.has(room)) this.waiting.push({ room, partition: 0, offset, message })
    })
    const published: Published = { id: message.id, epoch: this.store.epoch, offset, repeated: false }
    if (idempotency !== undefined) this.records.add(idempotency, published)
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
}

export const memoryEngine: Layer.Layer<Engine, never, MemoryStore | Metrics> = Layer.effect(
  Engine,
  Effect.gen(function* () {
    const { state, bounds } = yield* MemoryStore
    const metrics = yield* Metrics
    const records = new IdempotencyRecords(bounds.maxIdempotencyKeys, state.nowMs, metrics.limitHit)
    const local = new LocalEngine(state, records)
    metrics.observe("idempotency_records", () => records.size)
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
