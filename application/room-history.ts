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
  readonly limit: number

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
    const after = complete ? (from?.offset ?? 0) : 0
    const page = yield* log.read(partition, [{ room, after }], { entries: ENTRIES, bytes: HISTORY_ANSWER_BYTES })
    if (page.epoch !== epoch) complete = false
    epoch = page.epoch
    const upTo = Math.min(request.upTo ?? Number.POSITIVE_INFINITY, page.clock)
    const [read = { entries: [], more: false, newest: 0 }] = page.rooms
    const { entries } = read
    if (!isWholeFrom(after, { firstPrevious: entries[0]?.previous, newest: Math.min(read.newest, upTo) }))
      complete = false
    let found = entries.filter(({ offset }) => offset <= upTo)
    const end = entries.at(-1)?.offset
    if (read.more && end !== undefined && end < upTo) {
      // From the end: what lies between a page and the newest that fit, it may be all of a long log, would be read in vain.
      const last = yield* log.last(room, upTo, { entries: newest.limit, bytes: HISTORY_ANSWER_BYTES })
      const meets = last.epoch === epoch && isWholeFrom(end, { firstPrevious: last.entries[0]?.previous, newest: upTo })
      if (!meets) complete = false
      epoch = last.epoch
      found = meets ? [...found, ...last.entries.filter(({ offset }) => offset > end)] : [...last.entries]
    }
    for (const entry of found) newest.add(entry)
  }
  if (newest.dropped) complete = false
  const now = yield* Clock.currentTimeMillis
  const messages = newest.entries
    .filter(({ message }) => !isExpired(message, now))
    .map(({ message, offset }) => messageView(message, room, formatOffset(epoch, offset)))
  return { messages, complete }
})
