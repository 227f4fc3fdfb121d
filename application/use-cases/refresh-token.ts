import * as Effect from "effect/Effect"
import type { LocalConnection } from "#application/local-connections.ts"
import { Revocations } from "#application/ports/revocations.ts"
import { Settings } from "#application/ports/settings.ts"
import { TokenVerifier } from "#application/ports/token-verifier.ts"
import { exitRoom } from "#application/room-membership.ts"
import { Refusal } from "#domain/errors.ts"
import { mayStay } from "#domain/grant.ts"
import { isGatewayRoom } from "#domain/room.ts"
import { userOf } from "#domain/user.ts"

/** A new token of the same user, for a connection that goes on: rooms that it no longer grants are left. */
export const refreshToken = Effect.fnUntraced(function* (connection: LocalConnection, token: string) {
  const verifier = yield* TokenVerifier
  const claims = yield* verifier.verify(token)
  if (claims.userId !== connection.userId)
    return yield* Effect.fail(new Refusal("unauthorized", "the token is another user's: connect anew with it"))
  const revocations = yield* Revocations
  if (yield* revocations.isRevoked(claims)) return yield* Effect.fail(new Refusal("revoked", "the token was revoked"))
  const { rules } = yield* Settings
  connection.user = userOf({ ...claims, info: connection.user.claims.info })
  connection.warnedOfExpiry = false
  for (const [room, { by }] of [...connection.rooms])
    if (!isGatewayRoom(room) && !mayStay(connection.user, rules.ruleOf(room), room, by))
      yield* exitRoom(connection, room)
  return { expiresAt: claims.expiresAt * 1000, rooms: connection.applicationRooms }
})
