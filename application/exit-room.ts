import * as Effect from "effect/Effect"
import type { Refused } from "#domain/errors.ts"
import type { RoomName } from "#domain/room.ts"
import { letGo } from "./hold-room.ts"
import { type LocalConnection, LocalConnections } from "./local-connections.ts"
import { LocalRooms } from "./local-rooms.ts"
import type { Backend } from "./ports/backend.ts"
import type { ConnectionDirectory } from "./ports/connection-directory.ts"
import type { Engine } from "./ports/engine.ts"
import type { Ids } from "./ports/ids.ts"
import type { SessionStore } from "./ports/session-store.ts"
import type { Settings } from "./ports/settings.ts"
import { announcePresence } from "./presence.ts"
import { writeLeave } from "./stored-membership.ts"

/**
 * Leaves a room; one that it is not in changes nothing. Where it fails it is still in the room here, and soon again in the
 * store, so that the same again leaves it, and who comes back meanwhile comes back to it. Answers whether it was in.
 */
export const exitRoom = (connection: LocalConnection, name: RoomName) =>
  connection.inTurn(Effect.uninterruptible(exit(connection, name)))

const exit = Effect.fnUntraced(function* (
  connection: LocalConnection,
  name: RoomName,
): Effect.fn.Return<
  boolean,
  Refused<"engine_unavailable" | "session_taken">,
  Backend | ConnectionDirectory | Engine | Ids | LocalConnections | LocalRooms | SessionStore | Settings
> {
  if (!connection.rooms.has(name)) return false
  const { writeLater } = yield* LocalConnections
  const left = yield* Effect.tapError(writeLeave(connection, name), () =>
    Effect.sync(() => {
      connection.halfLeft ??= new Map()
      const failed = connection.halfLeft.get(name) ?? { connection, room: name }
      connection.halfLeft.set(name, failed)
      writeLater(failed)
    }),
  )
  letGo(connection, yield* LocalRooms, name)
  connection.rooms.delete(name)
  const wasHalfLeft = connection.halfLeft?.delete(name) === true
  // Where it closed meanwhile, its end told that it left. An earlier try without an answer may have been the one that did it.
  if (left || (wasHalfLeft && !connection.closed)) yield* announcePresence("left", connection.member, name)
  return true
})
