import * as Effect from "effect/Effect"
import { openGate, replay } from "#application/connection-gate.ts"
import { enterRoom } from "#application/enter-room.ts"
import { exitRoom } from "#application/exit-room.ts"
import { holdRoom } from "#application/hold-room.ts"
import type { LocalConnection } from "#application/local-connections.ts"
import { LocalRooms } from "#application/local-rooms.ts"
import { Engine } from "#application/ports/engine.ts"
import { Metrics } from "#application/ports/metrics.ts"
import { SessionStore } from "#application/ports/session-store.ts"
import { Settings } from "#application/ports/settings.ts"
import { Refusal } from "#domain/errors.ts"
import { mayStay } from "#domain/grant.ts"
import { formatPosition } from "#domain/offset.ts"
import { connectionRoom, EVERYBODY, isGatewayRoom, type RoomName, userRoom } from "#domain/room.ts"
import type { Opened } from "./open-connection.ts"

/** Its user's and everybody's room are its session's; the connection's own room is new at each connect. */
const enterOwnRooms = Effect.fnUntraced(function* (connection: LocalConnection) {
  const engine = yield* Engine
  const sessions = yield* SessionStore
  yield* holdRoom(connection, connectionRoom(connection.id))
  connection.rooms.set(connectionRoom(connection.id), { at: 0, by: "rule" })
  for (const room of [userRoom(connection.userId), EVERYBODY]) {
    yield* holdRoom(connection, room)
    if (connection.rooms.has(room)) continue
    const entry = { at: yield* engine.clock(engine.partitionOf(room)), by: "rule" } as const
    if (
      connection.session !== undefined &&
      !(yield* sessions.join(connection.session.id, connection.session.owner, room, entry))
    )
      return yield* Effect.fail(new Refusal("session_taken", "another connection continued this session"))
    connection.rooms.set(room, entry)
  }
})

/**
 * Rooms that the new token or the rules no longer grant, or that its user was taken out of while it was away, are left
 * before anything of them is replayed.
 */
const enterFormerRooms = Effect.fnUntraced(function* (connection: LocalConnection) {
  const { rules } = yield* Settings
  const sessions = yield* SessionStore
  const expelledAt = yield* sessions.expelledAt(connection.userId, connection.applicationRooms)
  for (const [room, { at, by }] of [...connection.rooms]) {
    if (isGatewayRoom(room) || connection.held.has(room)) continue
    const isExpelled = at < (expelledAt.get(room) ?? 0)
    if (!isExpelled && mayStay(connection.user, rules.ruleOf(room), room, by))
      yield* connection.inTurn(
        Effect.suspend(() => (connection.rooms.has(room) ? holdRoom(connection, room) : Effect.void)),
      )
    else yield* exitRoom(connection, room)
  }
})

/**
 * Rooms that the connect hook adds, as far as the connection may be in so many: the backend's own wish, as by the HTTP API,
 * and so kept where nobody may ask to join.
 */
const enterGranted = Effect.fnUntraced(function* (connection: LocalConnection, granted: readonly RoomName[]) {
  const { rules } = yield* Settings
  const { id: connectionId } = connection
  const known = granted.filter((room) => rules.ruleOf(room) !== undefined)
  if (known.length < granted.length)
    yield* Effect.logWarning("connection.connect named rooms that no rule matches", {
      connectionId,
      rooms: granted.length - known.length,
    })
  yield* Effect.forEach(known, (room) => enterRoom(connection, room, "api"), { discard: true }).pipe(
    Effect.catchTag("too_many_rooms", ({ message }) => Effect.logWarning(message, { connectionId })),
  )
})

/**
 * After CONNECT was answered: into its rooms, `session:ready` first of all, then what was missed, then what waited.
 * Fails where it cannot go on: the caller closes the engine connection, and the client, whose position is untouched,
 * tries again.
 */
export const startConnection = Effect.fnUntraced(function* ({ connection, recovered, asked, rooms: granted }: Opened) {
  const engine = yield* Engine
  const metrics = yield* Metrics
  const { node } = yield* Settings
  const { isLogged } = yield* LocalRooms
  yield* enterOwnRooms(connection)
  yield* enterFormerRooms(connection)
  yield* enterGranted(connection, granted)
  const rooms = connection.applicationRooms
  connection.link.emit(
    "session:ready",
    {
      connectionId: connection.id,
      userId: connection.userId,
      node,
      recovered,
      rooms,
      unlogged: rooms.filter((room) => !isLogged(room)),
      resume: connection.session?.id,
      expiresAt: connection.user.claims.expiresAt * 1000,
    },
    formatPosition(engine.epoch(), connection.floor),
  )
  metrics.connectionOpened(recovered ? "recovered" : asked ? "not_recovered" : "fresh")
  if (recovered) yield* replay(connection)
  yield* openGate(connection)
  const { id: connectionId, transport, userId } = connection
  yield* Effect.logInfo("client connected", { connectionId, userId, transport, recovered })
})
