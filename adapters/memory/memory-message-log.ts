import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import {
  type Cursor,
  type LogEntry,
  type LogPage,
  type LogSurvey,
  MessageLog,
  type RoomPage,
} from "#application/ports/message-log.ts"
import { messageBytes } from "#domain/message.ts"
import { isWholeFrom } from "#domain/recovery.ts"
import { MemoryStore, type StoreState } from "./memory-store.ts"

const read = (state: StoreState, cursors: readonly Cursor[], bounds: { entries: number; bytes: number }): LogPage => {
  const clock = state.tick()
  const rooms = cursors.map(({ room, after }): RoomPage => {
    const log = state.logOf(room)
    const entries: LogEntry[] = []
    let bytesLeft = bounds.bytes
    let index = log === undefined ? 0 : log.indexAfter(after)
    for (let entry = log?.at(index); entry !== undefined; entry = log?.at(++index)) {
      if (entries.length > 0 && (entries.length >= bounds.entries || bytesLeft <= 0)) break
      entries.push(entry)
      bytesLeft -= messageBytes(entry.message)
    }
    return { room, newest: state.newest(room), more: log !== undefined && log.countFrom(index) > 0, entries }
  })
  return { epoch: state.epoch, clock, rooms }
}

const survey = (state: StoreState, cursors: readonly Cursor[], atMost: number): LogSurvey => {
  const clock = state.tick()
  let missed = 0
  let whole = true
  for (const { room, after } of cursors) {
    const log = state.logOf(room)
    const index = log === undefined ? 0 : log.indexAfter(after)
    const first = log?.at(index)
    if (!isWholeFrom(after, { firstPrevious: first?.previous, newest: state.newest(room) })) whole = false
    missed = Math.min(atMost + 1, missed + (log?.countFrom(index) ?? 0))
  }
  return { epoch: state.epoch, clock, whole, missed }
}

export const memoryMessageLog: Layer.Layer<MessageLog, never, MemoryStore> = Layer.effect(
  MessageLog,
  Effect.gen(function* () {
    const { state } = yield* MemoryStore
    return {
      read: (_partition, cursors, bounds) => Effect.sync(() => read(state, cursors, bounds)),
      survey: (_partition, cursors, atMost) => Effect.sync(() => survey(state, cursors, atMost)),
      last: (room, upTo, { bytes, entries }) =>
        Effect.sync(() => {
          const last = state.logOf(room)?.last(upTo, entries, bytes) ?? { entries: [], cut: false }
          return { epoch: state.epoch, clock: state.tick(), ...last }
        }),
      clear: (room) => Effect.sync(() => state.forget(room)),
      describe: (room) => Effect.sync(() => ({ newest: state.record(room), size: state.logOf(room)?.size ?? 0 })),
    }
  }),
)
