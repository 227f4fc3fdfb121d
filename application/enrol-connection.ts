import * as Effect from "effect/Effect"
import { CLOSINGS } from "#domain/closing.ts"
import { Refusal, type Refused } from "#domain/errors.ts"
import { mayStay } from "#domain/grant.ts"
import type { Offset } from "#domain/offset.ts"
import type { Session } from "#domain/session.ts"
import type { User } from "#domain/user.ts"
import { beginBehindGate } from "./connection-gate.ts"
import { LocalConnection, LocalConnections } from "./local-connections.ts"
import type { Backend } from "./ports/backend.ts"
import { ConnectionDirectory, type Registered } from "./ports/connection-directory.ts"
import type { Engine } from "./ports/engine.ts"
import type { Ids } from "./ports/ids.ts"
import type { Link } from "./ports/link.ts"
import type { SessionStore } from "./ports/session-store.ts"
import { Settings } from "./ports/settings.ts"
import { announcePresence } from "./presence.ts"
import { writeOffOrLater } from "./write-off.ts"

/** A client that is connecting, as its transport knows it. */
export interface Newcomer {
  readonly connectionId: string
  readonly address: string
  readonly transport: string
  readonly link: Link
}

export interface Identity {
  readonly user: User
  readonly session: Session | undefined
  readonly floor: readonly Offset[]
  readonly now: number
}

const wentAway = (): Refusal<"engine_unavailable"> =>
  new Refusal("engine_unavailable", "the client went away while it was connecting")

/**
 * Makes it a connection: known here, its gate closed until `startConnection` opens it, then in the directory in place of
 * those that its session had. From the first of these on the transport's end is this connection's.
 */
export const enrol = Effect.fnUntraced(function* (
  newcomer: Newcomer,
  identity: Identity,
): Effect.fn.Return<
  { readonly connection: LocalConnection; readonly registered: Registered },
  Refused<"engine_unavailable">,
  Backend | ConnectionDirectory | Engine | Ids | LocalConnections | SessionStore | Settings
> {
  const local = yield* LocalConnections
  const connection = connectionOf(newcomer, identity)
  const { lost, taken } = local.add(connection)
  // The news of a takeover may come after its answer.
  lost?.link.close(CLOSINGS.sessionTaken)
  connection.link.opened(connection)
  yield* beginBehindGate(connection)
  if (taken) {
    connection.link.close(CLOSINGS.sessionTaken)
    return yield* Effect.fail(new Refusal("engine_unavailable", "the session was taken meanwhile"))
  }
  return { connection, registered: yield* registerConnection(connection) }
})

/** The last step, in one turn with the look whether it is still there: from here on its close tells everybody. */
export const admit = (connection: LocalConnection): Effect.Effect<void, Refused<"engine_unavailable">> =>
  Effect.suspend(() => {
    if (connection.closed) return Effect.fail(wentAway())
    connection.admitted = true
    return Effect.void
  })

const connectionOf = (
  { address, connectionId, link, transport }: Newcomer,
  { floor, now, session, user }: Identity,
): LocalConnection =>
  new LocalConnection(
    {
      id: connectionId,
      user,
      connectedAt: now,
      address,
      transport,
      session: session === undefined ? undefined : { id: session.id, owner: session.owner },
      ids: session?.connectionIds ?? [connectionId],
      rooms: session?.rooms ?? [],
      floor,
    },
    link,
  )

/** Joins of one connection that are told at once: the most that it has where nothing else is configured. */
const TOLD_AT_ONCE = 100

/**
 * Into the directory, in place of those that its session had; undone where it went away meanwhile. What that changes is
 * told with it, for whatever ends it from here on tells that it left its rooms. Rooms that one of those was in and it is
 * not, or may not be any more: it left, and whoever was leaving them finds nobody there. Rooms that none of those was in:
 * their members were told that it left, or not told yet that it joined.
 */
export const registerConnection = Effect.fnUntraced(function* (connection: LocalConnection) {
  const { node, rules } = yield* Settings
  const directory = yield* ConnectionDirectory
  const { user } = connection
  const rooms = connection.applicationRooms.filter((room) => {
    const by = connection.rooms.get(room)?.by
    return by !== undefined && mayStay(user, rules.ruleOf(room), room, by)
  })
  const registered = yield* directory.register(
    {
      ...connection.member,
      node,
      transport: connection.transport,
      address: connection.address,
      rooms,
      connectedAt: connection.connectedAt,
    },
    connection.ids.filter((id) => id !== connection.id),
  )
  for (const room of registered.formerRooms)
    if (!rooms.includes(room)) yield* announcePresence("left", connection.member, room)
  const { closed } = connection
  yield* Effect.forEach(
    rooms.filter((room) => !registered.formerRooms.includes(room)),
    (room) =>
      Effect.suspend(() =>
        // Who closed or left since then was told to have left already.
        connection.closed === closed && connection.rooms.has(room)
          ? announcePresence("joined", connection.member, room)
          : Effect.void,
      ),
    { concurrency: TOLD_AT_ONCE, discard: true },
  )
  if (connection.leftover === undefined) return registered
  yield* writeOffOrLater(connection.leftover)
  return yield* Effect.fail(wentAway())
})
