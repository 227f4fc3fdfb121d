import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { exitRoom } from "#application/exit-room.ts"
import type { LocalConnection } from "#application/local-connections.ts"
import { Revocations } from "#application/ports/revocations.ts"
import { Settings } from "#application/ports/settings.ts"
import { TokenVerifier } from "#application/ports/token-verifier.ts"
import { CLOSINGS } from "#domain/closing.ts"
import { Refusal } from "#domain/errors.ts"
import { mayStay } from "#domain/grant.ts"
import { isGatewayRoom } from "#domain/room.ts"
import { userOf } from "#domain/user.ts"

/**
 * A new token of the same user, for a connection that goes on: rooms that it no longer grants are left, and only then it
 * counts, so that after a failure the old one still does. A revocation that came meanwhile closes the connection.
 */
export const refreshToken = Effect.fnUntraced(function* (connection: LocalConnection, token: string) {
  const verifier = yield* TokenVerifier
  const claims = yield* verifier.verify(token)
  if (claims.userId !== connection.userId)
    return yield* Effect.fail(new Refusal("unauthorized", "the token is another user's: connect anew with it"))
  const revocations = yield* Revocations
  const revoked = new Refusal("revoked", CLOSINGS.revoked.message)
  if (yield* revocations.isRevoked(claims)) return yield* Effect.fail(revoked)
  const { rules } = yield* Settings
  const user = userOf({ ...claims, info: connection.user.claims.info })
  for (const [room, { by }] of [...connection.rooms])
    if (!isGatewayRoom(room) && !mayStay(user, rules.ruleOf(room), room, by)) yield* exitRoom(connection, room)
  const former = connection.user
  connection.user = user
  const putBack = Effect.sync(() => {
    connection.user = former
  })
  if (yield* Effect.tapError(revocations.isRevoked(claims), () => putBack)) {
    connection.link.close(CLOSINGS.revoked)
    return yield* Effect.fail(revoked)
  }
  connection.tokenSince = yield* Clock.currentTimeMillis
  connection.warnedOfExpiry = false
  return { expiresAt: claims.expiresAt * 1000, rooms: connection.applicationRooms }
})
