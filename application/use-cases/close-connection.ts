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
const late =
  (connectionId: string) =>
  <A, R>(work: Effect.Effect<A, Refused<"engine_unavailable">, R>): Effect.Effect<A | undefined, never, R> =>
    Effect.catch(work, ({ _tag }) =>
      Effect.as(
        Effect.logWarning("a closed connection could not be written off", { connectionId, code: _tag }),
        undefined,
      ),
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

  const { id: connectionId, userId } = connection
  yield* Effect.logInfo("client disconnected", { connectionId, userId, reason })
  yield* Effect.uninterruptible(writeOff(connection, session))
  const backend = yield* Backend
  const handlers = yield* EventHandlers
  const { info } = connection.user.claims
  backend.notify("connection.disconnect", { connectionId, userId, ...(info !== undefined && { info }) })
  yield* handlers.disconnect({ userId, connectionId, info }, reason)
})

/** Its session, its place in the directory, its presence. A session that turns out to have another owner was taken. */
const writeOff = Effect.fnUntraced(function* (connection: LocalConnection, outcome: CloseCommand["session"]) {
  const directory = yield* ConnectionDirectory
  const { id: connectionId, session } = connection
  const orLogged = late(connectionId)
  const leave = Effect.gen(function* () {
    yield* orLogged(directory.remove(connectionId))
    for (const room of connection.applicationRooms) yield* announcePresence("left", connection, room)
  })
  if (outcome === "taken") return yield* orLogged(directory.remove(connectionId))
  if (session === undefined) return yield* leave
  const sessions = yield* SessionStore
  const { id, owner } = session
  const owned = yield* orLogged(outcome === "ended" ? sessions.end(id, owner) : sessions.drop(id, owner))
  if (owned === false) return yield* orLogged(directory.remove(connectionId))
  if (outcome === "ended" || connection.applicationRooms.length === 0) return yield* leave
  const { presence } = yield* Settings
  const departures = yield* Departures
  yield* orLogged(directory.depart(connectionId))
  yield* departures.plan(id, presence.graceMs, leave)
})
