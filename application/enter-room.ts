import * as Effect from "effect/Effect"
import { Refusal, type Refused } from "#domain/errors.ts"
import type { EnteredBy } from "#domain/grant.ts"
import type { Offset } from "#domain/offset.ts"
import type { RoomName } from "#domain/room.ts"
import { closeGate, openGateOrClose } from "./connection-gate.ts"
import { gone, holdRoom, letGo } from "./hold-room.ts"
import { type LocalConnection, LocalConnections } from "./local-connections.ts"
import { LocalRooms } from "./local-rooms.ts"
import type { Backend } from "./ports/backend.ts"
import type { ConnectionDirectory } from "./ports/connection-directory.ts"
import { Engine } from "./ports/engine.ts"
import type { Ids } from "./ports/ids.ts"
import type { SessionStore } from "./ports/session-store.ts"
import { Settings } from "./ports/settings.ts"
import { announcePresence } from "./presence.ts"
import { restore, takeBack, writeJoin } from "./stored-membership.ts"

/**
 * Joining: subscribe; member behind its gate; the clock; the session. Everything after that clock is
 * owed, nothing before it is sent as an event. Leaves the gate closed: the caller opens it (`openGateOrClose`) when it
 * has answered; where this fails it is open again. A room that it is in already changes nothing and answers what was
 * sent.
 */
export const enterBehindGate = (connection: LocalConnection, name: RoomName, by: EnteredBy) =>
  closeGate(connection).pipe(
    Effect.andThen(connection.inTurn(enter(connection, name, by))),
    Effect.onError(() => openGateOrClose(connection)),
  )

/** The same for a room that it is in and stays in; where it has been left meanwhile it is `not_a_member`. */
export const stayBehindGate = (connection: LocalConnection, name: RoomName) =>
  closeGate(connection).pipe(
    Effect.andThen(connection.inTurn(stay(connection, name))),
    Effect.onError(() => openGateOrClose(connection)),
  )

/**
 * The same where nobody waits for an answer before what is live: the API, a handler, the connect hook. The gate is opened
 * behind the caller's back, whom a client that reads slowly must not keep waiting.
 */
export const enterRoom = (connection: LocalConnection, name: RoomName, by: EnteredBy) =>
  Effect.tap(enterBehindGate(connection, name, by), () =>
    Effect.forkDetach(openGateOrClose(connection), { startImmediately: true }),
  )

interface Entered {
  readonly offset: Offset
  readonly entered: boolean
}

/** Behind its gate a connection was sent what its floor says; of a room that it entered above it, nothing yet. */
const stayed = Effect.fnUntraced(function* (connection: LocalConnection, name: RoomName) {
  const membership = connection.rooms.get(name)
  if (membership === undefined) return undefined
  const engine = yield* Engine
  yield* restore(connection, name)
  return { offset: Math.max(connection.floor[engine.partitionOf(name)] ?? 0, membership.at), entered: false }
})

const stay = Effect.fnUntraced(function* (
  connection: LocalConnection,
  name: RoomName,
): Effect.fn.Return<
  Entered,
  Refused<"engine_unavailable" | "not_a_member" | "session_taken">,
  ConnectionDirectory | Engine | SessionStore
> {
  const present = yield* stayed(connection, name)
  if (present === undefined) return yield* Effect.fail(new Refusal("not_a_member", "the room was left meanwhile"))
  return present
})

const enter = Effect.fnUntraced(function* (
  connection: LocalConnection,
  name: RoomName,
  by: EnteredBy,
): Effect.fn.Return<
  Entered,
  Refused<"engine_unavailable" | "session_taken" | "too_many_rooms">,
  Backend | ConnectionDirectory | Engine | Ids | LocalConnections | LocalRooms | SessionStore | Settings
> {
  const engine = yield* Engine
  const { limits } = yield* Settings
  const present = yield* stayed(connection, name)
  if (present !== undefined) return present
  const joined = connection.applicationRoomCount
  if (limits.roomsPerConnection > 0 && joined >= limits.roomsPerConnection)
    return yield* Effect.fail(
      new Refusal(
        "too_many_rooms",
        `a connection is in at most ${limits.roomsPerConnection} rooms, this one is in ${joined}`,
      ),
    )
  yield* holdRoom(connection, name)
  let isIn = false
  const offset = yield* Effect.gen(function* () {
    const at = yield* engine.clock(engine.partitionOf(name))
    isIn = yield* writeJoin(connection, name, { at, by })
    if (connection.closed) return yield* Effect.fail(gone())
    connection.rooms.set(name, { at, by })
    return at
  }).pipe(
    Effect.onError(() =>
      Effect.flatMap(undo(connection, name), (isTaken) =>
        // Whoever has its place and its session by now found it in the room: nobody else says that it joined.
        isIn && isTaken ? announcePresence("joined", connection.member, name) : Effect.void,
      ),
    ),
  )
  if (isIn) yield* announcePresence("joined", connection.member, name)
  return { offset, entered: true }
})

/** A join that failed, or outlived its connection. Answers whether another connection goes on with what it has written. */
const undo = Effect.fnUntraced(function* (
  connection: LocalConnection,
  room: RoomName,
): Effect.fn.Return<boolean, never, ConnectionDirectory | LocalConnections | LocalRooms | SessionStore> {
  connection.rooms.delete(room)
  letGo(connection, yield* LocalRooms, room)
  const { writeLater } = yield* LocalConnections
  return yield* Effect.catch(takeBack(connection, room), ({ _tag }) => {
    writeLater({ connection, room })
    const text = "a join that failed could not be undone, and will be later"
    return Effect.as(Effect.logWarning(text, { connectionId: connection.id, code: _tag }), false)
  })
})
