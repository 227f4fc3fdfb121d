import * as Effect from "effect/Effect"
import { CLOSINGS } from "#domain/closing.ts"
import { Refusal, type Refused } from "#domain/errors.ts"
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

/**
 * Into the directory, in place of those that its session had; undone where it went away meanwhile. Rooms that one of those
 * was in and it is not are told that it left: whoever was leaving them finds nobody there any more.
 */
export const registerConnection = Effect.fnUntraced(function* (connection: LocalConnection) {
  const { node } = yield* Settings
  const directory = yield* ConnectionDirectory
  const rooms = connection.applicationRooms
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
  if (connection.leftover === undefined) return registered
  yield* writeOffOrLater(connection.leftover)
  return yield* Effect.fail(wentAway())
})
