import * as Effect from "effect/Effect"
import type { Engine } from "#application/ports/engine.ts"
import type { MessageLog } from "#application/ports/message-log.ts"
import { type HistoryAnswer, roomHistory } from "#application/room-history.ts"
import type { Refused } from "#domain/errors.ts"
import { invalidRequest } from "#domain/invalid-request.ts"
import { parseOffset } from "#domain/offset.ts"
import { MAX_PAGE } from "#domain/presence.ts"
import type { RoomName } from "#domain/room.ts"

export interface ReadHistory {
  readonly room: RoomName
  /** An offset, as an answer or a `meta` gave it: what came after it is wanted. Undefined: the last ones are. */
  readonly since: string | undefined
  /** 1 to MAX_PAGE */
  readonly limit: number
}

const invalid = (pointer: string, detail: string): Effect.Effect<never, Refused<"invalid_request">> =>
  Effect.fail(invalidRequest([{ pointer, detail }]))

/**
 * What a room keeps, the newest where not all fit into `limit` and the size of an answer. A room that is empty or keeps
 * nothing has none. An offset of another epoch is an offset still: what is kept is answered, as not complete.
 */
export const readHistory = Effect.fnUntraced(function* ({
  room,
  since,
  limit,
}: ReadHistory): Effect.fn.Return<
  HistoryAnswer,
  Refused<"engine_unavailable" | "invalid_request">,
  Engine | MessageLog
> {
  if (since !== undefined && parseOffset(since) === undefined) return yield* invalid("/since", "is not an offset")
  if (!(Number.isSafeInteger(limit) && limit >= 1 && limit <= MAX_PAGE))
    return yield* invalid("/limit", `is a whole number from 1 to ${MAX_PAGE}`)
  return yield* roomHistory({ room, since, limit, upTo: undefined })
})
