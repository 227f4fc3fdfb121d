import type * as Effect from "effect/Effect"
import { MessageLog } from "#application/ports/message-log.ts"
import type { Refused } from "#domain/errors.ts"
import type { RoomName } from "#domain/room.ts"

/** Forgets a room's messages. Whoever asks from before it is told that some are gone. */
export const clearHistory = (room: RoomName): Effect.Effect<void, Refused<"engine_unavailable">, MessageLog> =>
  MessageLog.use((log) => log.clear(room))
