import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { connectAnswer } from "#application/connect-answer.ts"
import { admit, enrol, type Newcomer } from "#application/enrol-connection.ts"
import { identifyClient } from "#application/identify-client.ts"
import { type LocalConnection, LocalConnections } from "#application/local-connections.ts"
import { Backend } from "#application/ports/backend.ts"
import { ConnectionDirectory } from "#application/ports/connection-directory.ts"
import { Engine } from "#application/ports/engine.ts"
import { EventHandlers } from "#application/ports/event-handlers.ts"
import { Ids } from "#application/ports/ids.ts"
import type { MessageLog } from "#application/ports/message-log.ts"
import { Revocations } from "#application/ports/revocations.ts"
import { SessionStore } from "#application/ports/session-store.ts"
import { Settings } from "#application/ports/settings.ts"
import type { TokenVerifier } from "#application/ports/token-verifier.ts"
import { type TakenSession, takeSession } from "#application/take-session.ts"
import { type Declined, Refusal, type Refused } from "#domain/errors.ts"
import { offsetToMs } from "#domain/offset.ts"
import { member } from "#domain/presence.ts"
import type { RoomName } from "#domain/room.ts"
import { FIRST_OWNER, type Session } from "#domain/session.ts"
import { type Claims, type User, userOf } from "#domain/user.ts"

export interface OpenCommand extends Newcomer {
  readonly token: string | undefined
  /** What the client sent back of an earlier session, unchecked. */
  readonly sessionId: unknown
  readonly position: unknown
  /** False: `(data)` alone, without position and recovery. */
  readonly meta: boolean
}

/** An admitted connection: what `startConnection` goes on with once CONNECT was answered. */
export interface Opened {
  readonly connection: LocalConnection
  readonly recovered: boolean
  /** It sent a session back, whether it got it or not. */
  readonly asked: boolean
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
 * user's and can be made whole, else a fresh one; then the user's limit and the backend's word. What fails once the link
 * was told of its connection is undone by the caller's `closeConnection`.
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

const userLimit = Effect.map(Settings, ({ limits }) => {
  const most = limits.connectionsPerUser === 0 ? Number.POSITIVE_INFINITY : limits.connectionsPerUser
  return { most, tooMany: new Refusal("too_many_connections", `a user has at most ${most} connections at once`) }
})

/**
 * It takes its old connection's place in every count. Where that one was gone and others have come since, the limit stands
 * in its way as in theirs: else whoever drops connections, makes new ones and takes the old sessions up again has any number.
 */
const openTaken = Effect.fnUntraced(function* (
  command: OpenCommand,
  claims: Claims,
  { floor, session }: TakenSession,
  now: number,
) {
  const user = userOf(session.info === undefined ? claims : { ...claims, info: session.info })
  const { most, tooMany } = yield* userLimit
  const { connection, registered } = yield* enrol(command, { user, session, floor, now })
  if (registered.count > most) return yield* Effect.fail(tooMany)
  yield* checkRevoked(claims)
  yield* admit(connection)
  // Where it missed nothing it is sent no newer one: it goes on with what it has, as old as that is.
  connection.positionSentAt = Math.min(connection.positionSentAt, offsetToMs(Math.min(...floor)))
  return { connection, recovered: true, asked: true, rooms: [] }
})

/** Counted before the backend is asked, and again as it is registered: many may be connecting at once. */
const openFresh = Effect.fnUntraced(function* (command: OpenCommand, claims: Claims, now: number) {
  const { most, tooMany } = yield* userLimit
  const directory = yield* ConnectionDirectory
  if ((yield* directory.countOf(claims.userId)) >= most) return yield* Effect.fail(tooMany)
  const { info, rooms } = yield* askBackend(command.connectionId, claims)
  const user = userOf(info === undefined ? claims : { ...claims, info })
  const open = Effect.gen(function* () {
    const engine = yield* Engine
    const session = command.meta ? yield* freshSession(command.connectionId, claims.userId, info) : undefined
    const { connection, registered } = yield* enrol(command, { user, session, floor: engine.workedOff, now })
    if (registered.count > most) return yield* Effect.fail(tooMany)
    yield* passHandlers(connection, claims)
    return connection
  })
  const connection = yield* Effect.onError(open, () => tellBackend(command.connectionId, user))
  const asked = typeof command.sessionId === "string"
  return { connection, recovered: false, asked, rooms }
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
  const { writeLater } = yield* LocalConnections
  // Without an answer it may be there all the same.
  yield* Effect.tapError(sessions.open(session), () =>
    Effect.sync(() => writeLater({ connectionId, session, outcome: "ended" })),
  )
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
