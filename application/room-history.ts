import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Refused } from "#domain/errors.ts"
import { isExpired, type MessageView, messageBytes, messageView } from "#domain/message.ts"
import { formatOffset, type Offset, parseOffset } from "#domain/offset.ts"
import { DEFAULT_PAGE, MAX_PAGE } from "#domain/presence.ts"
import { isWholeFrom } from "#domain/recovery.ts"
import type { RoomName } from "#domain/room.ts"
import { Engine } from "./ports/engine.ts"
import { type LogEntry, MessageLog } from "./ports/message-log.ts"

export interface HistoryRequest {
  readonly room: RoomName
  /** An offset as text; undefined: the room's last `limit` messages. */
  readonly since: string | undefined
  /** At most MAX_PAGE; undefined: with `since` that many, else DEFAULT_PAGE. */
  readonly limit: number | undefined
  /** Nothing above it; undefined: up to now. */
  readonly upTo: Offset | undefined
}

export interface HistoryAnswer {
  /** Oldest first. */
  readonly messages: readonly MessageView[]
  /** False: some of what came after `since` are gone, or did not fit. */
  readonly complete: boolean
}

const ENTRIES = 500
/** Of one answer, about: the newest that fit are given. */
export const HISTORY_ANSWER_BYTES = 512_000

/** The newest entries of a stream of them, by number and bytes. */
class Newest {
  readonly entries: LogEntry[] = []
  dropped = false
  private bytes = 0
  private readonly limit: number

  constructor(limit: number) {
    this.limit = limit
  }

  add(entry: LogEntry): void {
    this.entries.push(entry)
    this.bytes += messageBytes(entry.message)
    while (this.entries.length > this.limit || (this.bytes > HISTORY_ANSWER_BYTES && this.entries.length > 1)) {
      const first = this.entries.shift()
      if (first === undefined) return
      this.bytes -= messageBytes(first.message)
      this.dropped = true
    }
  }
}

/** What a room keeps, as answers give it: in a join, in `room:history` and over HTTP. */
export const roomHistory = Effect.fnUntraced(function* (
  request: HistoryRequest,
): Effect.fn.Return<HistoryAnswer, Refused<"engine_unavailable">, Engine | MessageLog> {
  const engine = yield* Engine
  const log = yield* MessageLog
  const { room, since } = request
  const partition = engine.partitionOf(room)
  const newest = new Newest(Math.min(MAX_PAGE, request.limit ?? (since === undefined ? DEFAULT_PAGE : MAX_PAGE)))
  let complete = true
  let epoch = engine.epochOf(partition)
  if (since === undefined) {
    const bounds = { entries: Math.min(MAX_PAGE, request.limit ?? DEFAULT_PAGE), bytes: HISTORY_ANSWER_BYTES }
    const { cut, entries, epoch: found } = yield* log.last(room, request.upTo ?? Number.MAX_SAFE_INTEGER, bounds)
    epoch = found
    for (const entry of entries) newest.add(entry)
    complete = !cut
  } else {
    const from = parseOffset(since)
    complete = from?.epoch === epoch
    let at = complete ? (from?.offset ?? 0) : 0
    let upTo = request.upTo ?? Number.POSITIVE_INFINITY
    for (let more = true; more; ) {
      const page = yield* log.read(partition, [{ room, after: at }], { entries: ENTRIES, bytes: HISTORY_ANSWER_BYTES })
      upTo = Math.min(upTo, page.clock)
      if (page.epoch !== epoch) complete = false
      epoch = page.epoch
      const [read] = page.rooms
      if (read === undefined) break
      if (!isWholeFrom(at, { firstPrevious: read.entries[0]?.previous, newest: Math.min(read.newest, upTo) }))
        complete = false
      for (const entry of read.entries) {
        if (entry.offset > upTo) break
        newest.add(entry)
      }
      const last = read.entries.at(-1)
      more = read.more && last !== undefined && last.offset < upTo
      at = last?.offset ?? at
    }
  }
  if (newest.dropped) complete = false
  const now = yield* Clock.currentTimeMillis
  const messages = newest.entries
    .filter(({ message }) => !isExpired(message, now))
    .map(({ message, offset }) => messageView(message, room, formatOffset(epoch, offset)))
  return { messages, complete }
})
