import * as Effect from "effect/Effect"
import { Refusal, type Refused } from "#domain/errors.ts"
import type { Publication } from "#domain/gate.ts"
import type { Offset } from "#domain/offset.ts"
import type { RoomName } from "#domain/room.ts"
import { type Cursor, MessageLog } from "./ports/message-log.ts"

const ENTRIES = 500
const BYTES = 512_000
const ROOMS = 64

export interface MergedPage {
  /** In offset order over all rooms. */
  readonly publications: readonly Publication[]
  /** Rooms whose log is not whole from their cursor: nothing more of them follows. */
  readonly holes: readonly RoomName[]
}

interface Reading {
  readonly room: RoomName
  at: Offset
  readonly buffer: Publication[]
  ended: boolean
}

/**
 * Reads rooms of one partition from a cursor each, merged in offset order, up to a clock that was read before: what is
 * newer comes by the subscription. In bounded pages, each worked off before the next is read. Wholeness is looked at
 * entry by entry (domain/recovery.ts). A new epoch meanwhile is `engine_unavailable`.
 */
export const readMerged = Effect.fnUntraced(function* <E, R>(
  partition: number,
  cursors: readonly Cursor[],
  upTo: Offset,
  work: (page: MergedPage) => Effect.Effect<void, E, R>,
): Effect.fn.Return<void, E | Refused<"engine_unavailable">, MessageLog | R> {
  const log = yield* MessageLog
  const readings: Reading[] = cursors.map(({ room, after }) => ({ room, at: after, buffer: [], ended: false }))
  let epoch: string | undefined
  /** What nothing unread can come before. Sorted once for a page: a look at every room for each entry is what stalls. */
  const ready = (): Publication[] => {
    let end = Number.POSITIVE_INFINITY
    for (const { buffer, ended } of readings) if (!ended) end = Math.min(end, buffer.at(-1)?.offset ?? 0)
    const publications: Publication[] = []
    for (const { buffer } of readings) {
      const first = buffer.findIndex(({ offset }) => offset > end)
      for (const publication of buffer.splice(0, first < 0 ? buffer.length : first)) publications.push(publication)
    }
    return publications.sort((one, other) => one.offset - other.offset)
  }
  do {
    const wanted = readings.filter(({ buffer, ended }) => !ended && buffer.length === 0).slice(0, ROOMS)
    const share = Math.max(1, wanted.length)
    const page = yield* log.read(
      partition,
      wanted.map(({ room, at }) => ({ room, after: at })),
      { entries: Math.max(1, Math.floor(ENTRIES / share)), bytes: Math.max(1, Math.floor(BYTES / share)) },
    )
    epoch ??= page.epoch
    if (page.epoch !== epoch) return yield* Effect.fail(new Refusal("engine_unavailable", "the store began anew"))
    const holes: RoomName[] = []
    for (const [i, reading] of wanted.entries()) {
      const read = page.rooms[i]
      if (read === undefined) {
        holes.push(reading.room)
        reading.ended = true
        continue
      }
      for (const { offset, previous, message } of read.entries) {
        if (previous > reading.at) {
          holes.push(reading.room)
          reading.ended = true
        } else if (offset > upTo) reading.ended = true
        if (reading.ended) break
        reading.at = offset
        reading.buffer.push({ room: reading.room, partition, offset, message })
      }
      if (!reading.ended && !read.more) {
        reading.ended = true
        if (read.newest > reading.at) holes.push(reading.room)
      }
    }
    yield* work({ publications: ready(), holes })
  } while (readings.some(({ buffer, ended }) => !ended || buffer.length > 0))
})
