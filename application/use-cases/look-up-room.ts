import * as Effect from "effect/Effect"
import { ConnectionDirectory } from "#application/ports/connection-directory.ts"
import { Engine } from "#application/ports/engine.ts"
import { MessageLog } from "#application/ports/message-log.ts"
import { Settings } from "#application/ports/settings.ts"
import type { Refused } from "#domain/errors.ts"
import { formatOffset } from "#domain/offset.ts"
import type { RoomName } from "#domain/room.ts"

export interface RoomView {
  readonly room: RoomName
  readonly memberCount: number
  /** Of its newest message, while that is remembered. */
  readonly offset?: string
  /** Where its rule keeps history: how many messages at most, for how long, and how many there are now. */
  readonly history?: { readonly size: number; readonly ttlMs: number; readonly messages: number }
}

/** A room that nobody is in, or that no rule matches, is an empty one. */
export const lookUpRoom = Effect.fn("lookUpRoom")(function* (
  room: RoomName,
): Effect.fn.Return<RoomView, Refused<"engine_unavailable">, ConnectionDirectory | Engine | MessageLog | Settings> {
  const { rules } = yield* Settings
  const engine = yield* Engine
  const directory = yield* ConnectionDirectory
  const log = yield* MessageLog
  const memberCount = yield* directory.memberCount(room)
  const { newest, size: messages } = yield* log.describe(room)
  const history = rules.historyOf(room)
  return {
    room,
    memberCount,
    ...(newest !== undefined && { offset: formatOffset(engine.epochOf(engine.partitionOf(room)), newest) }),
    ...(history !== undefined && { history: { size: history.size, ttlMs: history.ttlMs, messages } }),
  }
})
