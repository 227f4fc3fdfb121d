import * as Effect from "effect/Effect"
import { CLOSINGS } from "#domain/closing.ts"
import { Refusal, type Refused } from "#domain/errors.ts"
import type { EnteredBy } from "#domain/grant.ts"
import type { Offset } from "#domain/offset.ts"
import type { RoomName } from "#domain/room.ts"
import type { Entry } from "#domain/session.ts"
import { closeGate, openGateOrClose } from "./connection-gate.ts"
import { type FailedChange, type LocalConnection, LocalConnections } from "./local-connections.ts"
import { LocalRooms } from "./local-rooms.ts"
import type { Backend } from "./ports/backend.ts"
import { ConnectionDirectory } from "./ports/connection-directory.ts"
import { Engine } from "./ports/engine.ts"
import type { Ids } from "./ports/ids.ts"
import { SessionStore } from "./ports/session-store.ts"
import { Settings } from "./ports/settings.ts"
import { announcePresence } from "./presence.ts"

const gone = (): Refusal<"engine_unavailable"> => new Refusal("engine_unavailable", "the connection is closed")

/** Its session has another owner: nothing that this connection does counts any more. */
const lost = (connection: LocalConnection): Effect.Effect<never, Refused<"session_taken">> => {
  connection.link.close(CLOSINGS.sessionTaken)
  return Effect.fail(new Refusal("session_taken", CLOSINGS.sessionTaken.message))
}

/** Subscribed and a local member: live messages come from here on, to a gate that the caller has closed. */
export const holdRoom = (connection: LocalConnection, name: RoomName) => Effect.uninterruptible(hold(connection, name))

const hold = Effect.fnUntraced(function* (
  connection: LocalConnection,
  name: RoomName,
): Effect.fn.Return<void, Refused<"engine_unavailable">, LocalRooms> {
  const rooms = yield* LocalRooms
  const room = yield* rooms.hold(name)
  if (connection.closed) {
    rooms.release(room)
    return yield* Effect.fail(gone())
  }
  room.members.add(connection)
  connection.held.set(name, room)
})

const letGo = (connection: LocalConnection, rooms: LocalRooms["Service"], name: RoomName): void => {
  const room = connection.held.get(name)
  if (room === undefined) return
  connection.held.delete(name)
  room.members.delete(connection)
  rooms.release(room)
}

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
  if (connection.halfLeft?.has(name)) yield* writeAgain(connection, name, membership)
  return { offset: Math.max(connection.floor[engine.partitionOf(name)] ?? 0, membership.at), entered: false }
})

/** Who is told to be in a room is to come back to it. */
const writeAgain = Effect.fnUntraced(function* (
  connection: LocalConnection,
  name: RoomName,
  entry: Entry,
): Effect.fn.Return<void, Refused<"engine_unavailable" | "session_taken">, ConnectionDirectory | SessionStore> {
  const sessions = yield* SessionStore
  const directory = yield* ConnectionDirectory
  const { session } = connection
  if (session !== undefined && !(yield* sessions.join(session.id, session.owner, name, entry)))
    return yield* lost(connection)
  yield* directory.join(connection.id, name)
  connection.halfLeft?.delete(name)
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
    if (connection.session !== undefined) {
      const sessions = yield* SessionStore
      const { id, owner } = connection.session
      if (!(yield* sessions.join(id, owner, name, { at, by }))) return yield* lost(connection)
    }
    const directory = yield* ConnectionDirectory
    isIn = yield* directory.join(connection.id, name)
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
  // Else whoever registers it again, or has taken its place, says it.
  if (isIn) yield* announcePresence("joined", connection.member, name)
  return { offset, entered: true }
})

/**
 * What a join has written that failed, or outlived its connection: a write without an answer may have been done. Answers
 * whether another connection goes on with it.
 */
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

/** Answers whether neither was its own to take back: another connection has its place and its session, which lives on. */
const takeBack = Effect.fnUntraced(function* (
  { id, leftover, session }: LocalConnection,
  room: RoomName,
): Effect.fn.Return<boolean, Refused<"engine_unavailable">, ConnectionDirectory | SessionStore> {
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
        return connection.closed ? Effect.void : Effect.asVoid(stayed(connection, room))
      }),
    )
    .pipe(Effect.catchTag("session_taken", () => Effect.void))

/**
 * Leaves a room; one that it is not in changes nothing. Where it fails it is still in the room here, and soon again in the
 * store, so that the same again leaves it, and who comes back meanwhile comes back to it. Answers whether it was in.
 */
export const exitRoom = (connection: LocalConnection, name: RoomName) =>
  connection.inTurn(Effect.uninterruptible(exit(connection, name)))

/** Answers whether the directory had it in the room. */
const writeLeave = Effect.fnUntraced(function* (
  connection: LocalConnection,
  name: RoomName,
): Effect.fn.Return<boolean, Refused<"engine_unavailable" | "session_taken">, ConnectionDirectory | SessionStore> {
  const { id, session } = connection
  if (session !== undefined) {
    const sessions = yield* SessionStore
    if (!(yield* sessions.leave(session.id, session.owner, name))) return yield* lost(connection)
  }
  const directory = yield* ConnectionDirectory
  return yield* directory.leave(id, name)
})

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
      connection.halfLeft ??= new Set()
      connection.halfLeft.add(name)
      writeLater({ connection, room: name })
    }),
  )
  letGo(connection, yield* LocalRooms, name)
  connection.rooms.delete(name)
  connection.halfLeft?.delete(name)
  // Where it closed meanwhile, its end told that it left.
  if (left) yield* announcePresence("left", connection.member, name)
  return true
})
