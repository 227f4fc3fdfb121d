import * as Effect from "effect/Effect"
import { CLOSINGS } from "#domain/closing.ts"
import { Refusal, type Refused } from "#domain/errors.ts"
import type { RoomName } from "#domain/room.ts"
import type { Entry } from "#domain/session.ts"
import type { FailedChange, LocalConnection } from "./local-connections.ts"
import { ConnectionDirectory } from "./ports/connection-directory.ts"
import { SessionStore } from "./ports/session-store.ts"

type Stores = ConnectionDirectory | SessionStore
type Unwritten = Refused<"engine_unavailable" | "session_taken">

/** Its session has another owner: nothing that this connection does counts any more. */
const lost = (connection: LocalConnection): Effect.Effect<never, Refused<"session_taken">> => {
  connection.link.close(CLOSINGS.sessionTaken)
  return Effect.fail(new Refusal("session_taken", CLOSINGS.sessionTaken.message))
}

/**
 * A room into the connection's session, then into the directory. Answers whether the directory took it: else whoever
 * registers it again, or has taken its place, says that it joined.
 */
export const writeJoin = Effect.fnUntraced(function* (
  connection: LocalConnection,
  name: RoomName,
  entry: Entry,
): Effect.fn.Return<boolean, Unwritten, Stores> {
  const { id, session } = connection
  if (session !== undefined) {
    const sessions = yield* SessionStore
    if (!(yield* sessions.join(session.id, session.owner, name, entry))) return yield* lost(connection)
  }
  const directory = yield* ConnectionDirectory
  return yield* directory.join(id, name)
})

/** A room out of both. Answers whether the directory had it in the room. */
export const writeLeave = Effect.fnUntraced(function* (
  connection: LocalConnection,
  name: RoomName,
): Effect.fn.Return<boolean, Unwritten, Stores> {
  const { id, session } = connection
  if (session !== undefined) {
    const sessions = yield* SessionStore
    if (!(yield* sessions.leave(session.id, session.owner, name))) return yield* lost(connection)
  }
  const directory = yield* ConnectionDirectory
  return yield* directory.leave(id, name)
})

/** What a leave that failed may have unwritten is written again: who is told to be in a room is to come back to it. */
export const restore = Effect.fnUntraced(function* (
  connection: LocalConnection,
  name: RoomName,
): Effect.fn.Return<void, Unwritten, Stores> {
  const entry = connection.rooms.get(name)
  if (entry === undefined || !connection.halfLeft?.has(name)) return
  yield* writeJoin(connection, name, entry)
  connection.halfLeft.delete(name)
})

/**
 * Takes back what a join has written that failed: a write without an answer may have been done. Answers whether neither
 * was its own to take back: another connection has its place and its session, which lives on.
 */
export const takeBack = Effect.fnUntraced(function* (
  { id, leftover, session }: LocalConnection,
  room: RoomName,
): Effect.fn.Return<boolean, Refused<"engine_unavailable">, Stores> {
  const directory = yield* ConnectionDirectory
  const left = yield* directory.leave(id, room)
  if (session === undefined) return false
  const sessions = yield* SessionStore
  const owned = yield* sessions.leave(session.id, session.owner, room)
  return !left && !owned && leftover?.outcome !== "ended"
})

/** Later: in the store it is in the room or not as it is here by now. */
export const settleChange = ({ connection, room }: FailedChange) =>
  connection
    .inTurn(
      Effect.suspend(() => {
        if (!connection.rooms.has(room)) return Effect.asVoid(takeBack(connection, room))
        // What is closed comes back to what its session says.
        return connection.closed ? Effect.void : restore(connection, room)
      }),
    )
    .pipe(Effect.catchTag("session_taken", () => Effect.void))
