import * as Effect from "effect/Effect"
import { Departures } from "#application/departures.ts"
import { type LocalConnection, LocalConnections } from "#application/local-connections.ts"
import { LocalRooms } from "#application/local-rooms.ts"
import { Backend } from "#application/ports/backend.ts"
import { ConnectionDirectory } from "#application/ports/connection-directory.ts"
import type { Engine } from "#application/ports/engine.ts"
import { EventHandlers } from "#application/ports/event-handlers.ts"
import type { Ids } from "#application/ports/ids.ts"
import { Metrics } from "#application/ports/metrics.ts"
import { SessionStore } from "#application/ports/session-store.ts"
import { Settings } from "#application/ports/settings.ts"
import { announcePresence } from "#application/presence.ts"
import type { Refused } from "#domain/errors.ts"

export interface CloseCommand {
  readonly connection: LocalConnection
  /** A closing's code, or what the transport said. */
  readonly reason: string
  /** `kept`: it may be recovered. `ended`: its client was sent away. `taken`: another connection goes on with it. */
  readonly session: "kept" | "ended" | "taken"
}

type Ports =
  | Backend
  | ConnectionDirectory
  | Departures
  | Engine
  | EventHandlers
  | Ids
  | LocalConnections
  | LocalRooms
  | Metrics
  | SessionStore
  | Settings

/** The engine is away: the store learns of it by the node's lease. */
const late = (
  work: Effect.Effect<unknown, Refused<"engine_unavailable">, Ports>,
  connectionId: string,
): Effect.Effect<void, never, Ports> =>
  Effect.catch(Effect.asVoid(work), () =>
    Effect.logWarning("a closed connection could not be written off", { connectionId }),
  )

/**
 * A connection is gone: out of its rooms here at once; its session waits for the recovery window, its presence for the
 * grace. Runs once, whatever ends it, and undoes what a slower opening or joining still does.
 */
export const closeConnection = Effect.fnUntraced(function* ({
  connection,
  reason,
  session,
}: CloseCommand): Effect.fn.Return<void, never, Ports> {
  if (connection.closed) return
  connection.closed = true
  const local = yield* LocalConnections
  const rooms = yield* LocalRooms
  local.remove(connection)
  for (const room of connection.held.splice(0)) {
    room.members.delete(connection)
    rooms.release(room)
  }
  connection.gate?.restart()
  const metrics = yield* Metrics
  metrics.connectionClosed(reason)

  const directory = yield* ConnectionDirectory
  const { id: connectionId, userId } = connection
  yield* Effect.logInfo("client disconnected", { connectionId, userId, reason })
  const present = connection.applicationRooms
  const leave = Effect.gen(function* () {
    yield* late(directory.remove(connectionId), connectionId)
    for (const room of present) yield* announcePresence("left", connection, room)
  })
  if (connection.session !== undefined && session !== "taken") {
    const sessions = yield* SessionStore
    const { id, owner } = connection.session
    yield* late(session === "ended" ? sessions.end(id, owner) : sessions.drop(id, owner), connectionId)
  }
  if (session === "taken") yield* late(directory.remove(connectionId), connectionId)
  else if (session === "ended" || connection.session === undefined || present.length === 0) yield* leave
  else {
    const { presence } = yield* Settings
    const departures = yield* Departures
    yield* late(directory.depart(connectionId), connectionId)
    yield* departures.plan(connection.session.id, presence.graceMs, leave)
  }
  const backend = yield* Backend
  const handlers = yield* EventHandlers
  const { info } = connection.user.claims
  backend.notify("connection.disconnect", { connectionId, userId, ...(info !== undefined && { info }) })
  yield* handlers.disconnect({ userId, connectionId, info }, reason)
})
