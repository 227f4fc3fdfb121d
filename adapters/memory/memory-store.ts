import { randomBytes } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type { EngineEvents } from "#application/ports/engine.ts"
import type { LogEntry } from "#application/ports/message-log.ts"
import { Metrics } from "#application/ports/metrics.ts"
import { Settings } from "#application/ports/settings.ts"
import { nextOffset, type Offset } from "#domain/offset.ts"
import { newestWithoutRecord } from "#domain/recovery.ts"
import type { RoomName } from "#domain/room.ts"
import type { History } from "#domain/room-rules.ts"
import { RoomLog } from "./room-log.ts"

export interface MemoryBounds {
  /** Of all logs together; past it the logs that were quiet longest are forgotten, then the oldest of the one that is left. */
  readonly maxLogBytes: number
  /** Rooms whose newest offset is remembered; past it the one written to longest ago is forgotten, its log too. */
  readonly maxRecords: number
  readonly maxIdempotencyKeys: number
  /** Sessions that wait for their client, past it the oldest drop is forgotten. */
  readonly maxDroppedSessions: number
  /** Users taken out of rooms, past it the oldest is forgotten. */
  readonly maxExpulsions: number
}

export const MEMORY_BOUNDS: MemoryBounds = {
  maxLogBytes: 512 * 1024 * 1024,
  maxRecords: 1_000_000,
  maxIdempotencyKeys: 500_000,
  maxDroppedSessions: 200_000,
  maxExpulsions: 100_000,
}

const SHORTEST_RECORD_MS = 600_000

/**
 * What the memory engine's ports share: one partition, whose epoch is new at each start. A room's newest offset is kept
 * longer than any history; what had to be forgotten earlier is remembered as `forgottenUpTo`, so that no log ever looks
 * whole that is not.
 */
export class StoreState {
  readonly epoch = randomBytes(6).toString("base64url")
  readonly workedOff: Offset[] = [0]
  events: EngineEvents | undefined
  logBytes = 0
  readonly logs = new Map<RoomName, RoomLog>()
  /** In the order of their offsets, so that the first one is the first to go. */
  private readonly records = new Map<RoomName, Offset>()
  private last: Offset = 0
  private forgottenUpTo: Offset = 0
  private readonly bounds: MemoryBounds
  readonly recordTtlMs: number
  private readonly limitHit: (limit: string) => void
  readonly nowMs: () => number

  constructor(bounds: MemoryBounds, longestHistoryMs: number, nowMs: () => number, limitHit: (limit: string) => void) {
    this.bounds = bounds
    this.recordTtlMs = Math.max(2 * longestHistoryMs, SHORTEST_RECORD_MS)
    this.nowMs = nowMs
    this.limitHit = limitHit
  }

  /** A new point of the clock: what comes later is above it. */
  tick(): Offset {
    this.last = nextOffset(this.last, this.nowMs())
    return this.last
  }

  newest(room: RoomName): Offset {
    return this.records.get(room) ?? Math.max(newestWithoutRecord(this.last, this.recordTtlMs), this.forgottenUpTo)
  }

  record(room: RoomName): Offset | undefined {
    return this.records.get(room)
  }

  append(room: RoomName, entry: LogEntry, history: History): void {
    let log = this.logs.get(room)
    if (log === undefined) {
      log = new RoomLog(history)
      this.logs.set(room, log)
    }
    this.logBytes -= log.bytes
    log.append(entry, history, this.nowMs())
    this.logBytes += log.bytes
    if (!this.records.delete(room) && this.records.size >= this.bounds.maxRecords) this.forgetOldestRecord()
    this.records.set(room, entry.offset)
    if (this.logBytes > this.bounds.maxLogBytes) this.evict(log)
  }

  /** The room's log without what is too old, where there is one. */
  logOf(room: RoomName): RoomLog | undefined {
    const log = this.logs.get(room)
    if (log !== undefined) {
      this.logBytes -= log.bytes
      log.trim(this.nowMs())
      this.logBytes += log.bytes
    }
    return log
  }

  forget(room: RoomName): void {
    const log = this.logs.get(room)
    if (log === undefined) return
    this.logBytes -= log.bytes
    this.logs.delete(room)
  }

  sweep(): void {
    for (const room of [...this.logs.keys()]) if (this.logOf(room)?.size === 0) this.forget(room)
    // The clock that a record expired by stands for it from now on: it is moved on, lest the time go back behind it.
    const expired = newestWithoutRecord(this.tick(), this.recordTtlMs)
    for (const [room, offset] of this.records) {
      if (offset >= expired) return
      this.records.delete(room)
    }
  }

  /** Second chance: a log that was appended to since the last look is passed over once. */
  private evict(current: RoomLog): void {
    this.limitHit("memory_log_bytes")
    for (const [room, log] of this.logs) {
      if (this.logBytes <= this.bounds.maxLogBytes) return
      if (log === current) continue
      this.logs.delete(room)
      if (log.touched) {
        log.touched = false
        this.logs.set(room, log)
      } else this.logBytes -= log.bytes
    }
    this.logBytes -= current.bytes
    current.shrinkTo(this.bounds.maxLogBytes - this.logBytes)
    this.logBytes += current.bytes
  }

  private forgetOldestRecord(): void {
    this.limitHit("memory_records")
    for (const [room, offset] of this.records) {
      this.records.delete(room)
      this.forget(room)
      this.forgottenUpTo = Math.max(this.forgottenUpTo, offset)
      return
    }
  }
}

export class MemoryStore extends Context.Service<
  MemoryStore,
  { readonly state: StoreState; readonly bounds: MemoryBounds }
>()("roomcast/adapters/memory/memory-store") {}

export const memoryStore = (
  bounds: MemoryBounds = MEMORY_BOUNDS,
): Layer.Layer<MemoryStore, never, Metrics | Settings> =>
  Layer.effect(
    MemoryStore,
    Effect.gen(function* () {
      const { rules } = yield* Settings
      const metrics = yield* Metrics
      const clock = yield* Clock.Clock
      const state = new StoreState(
        bounds,
        rules.longestHistoryMs,
        () => clock.currentTimeMillisUnsafe(),
        metrics.limitHit,
      )
      metrics.observe("log_rooms", () => state.logs.size)
      metrics.observe("log_bytes", () => state.logBytes)
      metrics.observe("log_messages", () => {
        let messages = 0
        for (const log of state.logs.values()) messages += log.size
        return messages
      })
      yield* Effect.sync(() => state.sweep()).pipe(Effect.repeat(Schedule.spaced("30 seconds")), Effect.forkScoped)
      return { state, bounds }
    }),
  )
