import * as Effect from "effect/Effect"
import { type LocalConnection, LocalConnections, type Outcome } from "#application/local-connections.ts"
import { LocalRooms } from "#application/local-rooms.ts"
import { Backend } from "#application/ports/backend.ts"
import type { ConnectionDirectory } from "#application/ports/connection-directory.ts"
import type { Engine } from "#application/ports/engine.ts"
import { EventHandlers } from "#application/ports/event-handlers.ts"
import type { Ids } from "#application/ports/ids.ts"
import { Metrics } from "#application/ports/metrics.ts"
import type { SessionStore } from "#application/ports/session-store.ts"
import type { Settings } from "#application/ports/settings.ts"
import { writeOffOrLater } from "#application/write-off.ts"
import { FIRST_OWNER } from "#domain/session.ts"

export interface CloseCommand {
  readonly connection: LocalConnection
  /** A closing's code, or what the transport said. */
  readonly reason: string
  readonly outcome: Outcome
}

/**
 * A connection is gone: out of its rooms here at once, then written off. Runs once, whatever ends it; what a slower
 * opening or joining still does is undone there. The backend and the handlers hear of it where it had been let in.
 */
export const closeConnection = (command: CloseCommand) => Effect.uninterruptible(close(command))

const close = Effect.fnUntraced(function* ({
  connection,
  reason,
  outcome,
}: CloseCommand): Effect.fn.Return<
  void,
  never,
  | Backend
  | ConnectionDirectory
  | Engine
  | EventHandlers
  | Ids
  | LocalConnections
  | LocalRooms
  | Metrics
  | SessionStore
  | Settings
> {
  if (connection.closed) return
  connection.closed = true
  const { admitted, id: connectionId, session, userId } = connection
  // A session that its client was never told of is of no use to it.
  const useless = !admitted && session?.owner === FIRST_OWNER
  const leftover = { connectionId, session, outcome: useless ? "ended" : outcome }
  connection.leftover = leftover
  const local = yield* LocalConnections
  const rooms = yield* LocalRooms
  local.remove(connection)
  for (const room of connection.held.values()) {
    room.members.delete(connection)
    rooms.release(room)
  }
  connection.held.clear()
  connection.gate?.restart()
  yield* writeOffOrLater(leftover)
  if (!admitted) return
  const metrics = yield* Metrics
  metrics.connectionClosed(reason)
  yield* Effect.logInfo("client disconnected", { connectionId, userId, reason })
  const backend = yield* Backend
  const handlers = yield* EventHandlers
  backend.notify("connection.disconnect", connection.member)
  yield* Effect.interruptible(handlers.disconnect(connection.member, reason))
})
