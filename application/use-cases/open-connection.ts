import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { connectAnswer } from "#application/connect-answer.ts"
import { beginBehindGate } from "#application/connection-gate.ts"
import { identifyClient } from "#application/identify-client.ts"
import { LocalConnection, LocalConnections } from "#application/local-connections.ts"
import { Backend } from "#application/ports/backend.ts"
import { ConnectionDirectory } from "#application/ports/connection-directory.ts"
import { Engine } from "#application/ports/engine.ts"
import { EventHandlers } from "#application/ports/event-handlers.ts"
import { Ids } from "#application/ports/ids.ts"
import type { Link } from "#application/ports/link.ts"
import type { MessageLog } from "#application/ports/message-log.ts"
import { Revocations } from "#application/ports/revocations.ts"
import { SessionStore } from "#application/ports/session-store.ts"
import { Settings } from "#application/ports/settings.ts"
import type { TokenVerifier } from "#application/ports/token-verifier.ts"
import { type TakenSession, takeSession } from "#application/take-session.ts"
import { writeOffOrLater } from "#application/write-off.ts"
import { CLOSINGS } from "#domain/closing.ts"
import { type Declined, Refusal, type Refused } from "#domain/errors.ts"
import type { Offset } from "#domain/offset.ts"
import { member } from "#domain/presence.ts"
import type { RoomName } from "#domain/room.ts"
import { FIRST_OWNER, type Session } from "#domain/session.ts"
import { type Claims, type User, userOf } from "#domain/user.ts"

export interface OpenCommand {
  readonly connectionId: string
  readonly token: string | undefined
  /** What the client sent back of an earlier session, unchecked. */
  readonly sessionId: unknown
  readonly position: unknown
  /** False: `(data)` alone, without position and recovery. */
  readonly meta: boolean
  readonly address: string
  readonly transport: string
  readonly link: Link
}

/** An admitted connection: what `startConnection` goes on with once CONNECT was answered. */
export interface Opened {
  readonly connection: LocalConnection
  readonly recovered: boolean
  /** It sent a session back, whether it got it or not. */
  readonly asked: boolean
  /** It came back within the presence grace, or before its drop was seen: nobody is told that it left. */
  readonly stayedPresent: boolean
  /** Rooms that the connect hook adds. */
  readonly rooms: readonly RoomName[]
}

export type OpenRefusal =
  | Declined
  | Refused<
      | "backend_unavailable"
      | "engine_unavailable"
      | "handler_failed"
      | "keys_unavailable"
      | "revoked"
      | "token_expired"
      | "too_many_connections"
      | "unauthorized"
    >

const CONNECT_HOOK_MS = 5_000

/**
 * Lets a client in, before its CONNECT is answered: the token first, then its session, taken over where it is this
 * user's and can be made whole, else a fresh one; then the user's limit and the backend's word. DESIGN section 6,
 * "Recovery". What fails once the link was told of its connection is undone by the caller's `closeConnection`.
 */
export const openConnection = Effect.fnUntraced(function* (
  command: OpenCommand,
): Effect.fn.Return<
  Opened,
  OpenRefusal,
  | Backend
  | ConnectionDirectory
  | Engine
  | EventHandlers
  | Ids
  | LocalConnections
  | MessageLog
  | Revocations
  | SessionStore
  | Settings
  | TokenVerifier
> {
  const now = yield* Clock.currentTimeMillis
  const claims = yield* identifyClient(command, now)
  yield* checkRevoked(claims)
  const taken = command.meta ? yield* takeSession(command, userOf(claims)) : undefined
  return yield* taken === undefined ? openFresh(command, claims, now) : openTaken(command, claims, taken, now)
})

/** It takes its old connection's place in every count, so that no limit can stand in its way. */
const openTaken = Effect.fnUntraced(function* (
  command: OpenCommand,
  claims: Claims,
  { floor, session }: TakenSession,
  now: number,
) {
  const user = userOf(session.info === undefined ? claims : { ...claims, info: session.info })
  const connection = connectionOf(command, user, now, session, floor)
  yield* track(connection, command.link)
  const stayedPresent = yield* register(connection)
  yield* checkRevoked(claims)
  yield* admit(connection)
  return { connection, recovered: true, asked: true, stayedPresent, rooms: [] }
})

/** Counted before the backend is asked, and again once it is registered: many may be connecting at once. */
const openFresh = Effect.fnUntraced(function* (command: OpenCommand, claims: Claims, now: number) {
  const { limits } = yield* Settings
  const directory = yield* ConnectionDirectory
  const most = limits.connectionsPerUser === 0 ? Number.POSITIVE_INFINITY : limits.connectionsPerUser
  const tooMany = new Refusal("too_many_connections", `a user has at most ${most} connections at once`)
  if ((yield* directory.countOf(claims.userId)) >= most) return yield* Effect.fail(tooMany)
  const { info, rooms } = yield* askBackend(command.connectionId, claims)
  const user = userOf(info === undefined ? claims : { ...claims, info })
  const open = Effect.gen(function* () {
    const engine = yield* Engine
    const session = command.meta ? yield* freshSession(command.connectionId, claims.userId, info) : undefined
    const connection = connectionOf(command, user, now, session, engine.workedOff)
    yield* track(connection, command.link)
    yield* register(connection)
    if ((yield* directory.countOf(claims.userId)) > most) return yield* Effect.fail(tooMany)
    yield* passHandlers(connection, claims)
    return connection
  })
  const connection = yield* Effect.onError(open, () => tellBackend(command.connectionId, user))
  const asked = typeof command.sessionId === "string"
  return { connection, recovered: false, asked, stayedPresent: false, rooms }
})

/** Handlers that have let it in are told where it goes all the same. */
const passHandlers = Effect.fnUntraced(function* (connection: LocalConnection, claims: Claims) {
  const handlers = yield* EventHandlers
  yield* handlers.connect(connection.member)
  yield* checkRevoked(claims).pipe(
    Effect.andThen(admit(connection)),
    Effect.onError(() => handlers.disconnect(connection.member, "refused")),
  )
})

/** A backend that has let it in is told where it goes all the same. */
const tellBackend = Effect.fnUntraced(function* (connectionId: string, { claims: { info, userId } }: User) {
  const backend = yield* Backend
  if (backend.hears("connection.connect")) backend.notify("connection.disconnect", member(userId, connectionId, info))
})

/** The last step, in one turn with the look whether it is still there: from here on its close tells everybody. */
const admit = (connection: LocalConnection): Effect.Effect<void, Refused<"engine_unavailable">> =>
  Effect.suspend(() => {
    if (connection.closed) return Effect.fail(wentAway())
    connection.admitted = true
    return Effect.void
  })

const wentAway = () => new Refusal("engine_unavailable", "the client went away while it was connecting")

const connectionOf = (
  command: OpenCommand,
  user: User,
  now: number,
  session: Session | undefined,
  floor: readonly Offset[],
): LocalConnection =>
  new LocalConnection(
    {
      id: command.connectionId,
      user,
      connectedAt: now,
      address: command.address,
      transport: command.transport,
      session: session === undefined ? undefined : { id: session.id, owner: session.owner },
      ids: session?.connectionIds ?? [command.connectionId],
      rooms: session?.rooms ?? [],
      floor,
    },
    command.link,
  )

/** From here on the transport's end is this connection's, and its gate is closed until `startConnection` opens it. */
const track = Effect.fnUntraced(function* (connection: LocalConnection, link: Link) {
  const local = yield* LocalConnections
  const owner = local.add(connection)
  link.opened(connection)
  yield* beginBehindGate(connection)
  if (owner) return
  link.close(CLOSINGS.sessionTaken)
  return yield* Effect.fail(new Refusal("engine_unavailable", "the session was taken meanwhile"))
})

/** Answers whether a connection that it takes the place of was still shown to others. */
const register = Effect.fnUntraced(function* (connection: LocalConnection) {
  const { node } = yield* Settings
  const directory = yield* ConnectionDirectory
  const { info } = connection.user.claims
  const stayedPresent = yield* directory.register(
    {
      connectionId: connection.id,
      userId: connection.userId,
      node,
      transport: connection.transport,
      address: connection.address,
      rooms: connection.applicationRooms,
      connectedAt: connection.connectedAt,
      ...(info !== undefined && { info }),
    },
    connection.ids.filter((id) => id !== connection.id),
  )
  if (connection.leftover === undefined) return stayedPresent
  yield* writeOffOrLater(connection.leftover)
  return yield* Effect.fail(wentAway())
})

/** A revocation may come while its token is being checked: it closes only what it finds registered. */
const checkRevoked = Effect.fnUntraced(function* (claims: Claims) {
  const revocations = yield* Revocations
  if (yield* revocations.isRevoked(claims)) return yield* Effect.fail(new Refusal("revoked", "the token was revoked"))
})

const freshSession = Effect.fnUntraced(function* (connectionId: string, userId: string, info: unknown) {
  const { node } = yield* Settings
  const ids = yield* Ids
  const sessions = yield* SessionStore
  const session: Session = {
    id: ids.session(),
    owner: FIRST_OWNER,
    userId,
    node,
    connectionIds: [connectionId],
    rooms: new Map(),
    info,
  }
  yield* sessions.open(session)
  return session
})

/** The connect hook, where an endpoint names it. */
const askBackend = Effect.fnUntraced(function* (connectionId: string, { info, userId }: Claims) {
  const backend = yield* Backend
  if (!backend.hears("connection.connect")) return { info: undefined, rooms: [] }
  const question = member(userId, connectionId, info)
  const answer = connectAnswer(yield* backend.ask("connection.connect", question, CONNECT_HOOK_MS))
  if (answer.faults.length > 0)
    yield* Effect.logWarning("part of the answer to connection.connect cannot be used", { faults: answer.faults })
  return answer
})
