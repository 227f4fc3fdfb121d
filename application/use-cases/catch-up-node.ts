import * as Effect from "effect/Effect"
import { registerConnection } from "#application/enrol-connection.ts"
import { type LocalConnection, LocalConnections } from "#application/local-connections.ts"
import type { Backend } from "#application/ports/backend.ts"
import type { ConnectionDirectory } from "#application/ports/connection-directory.ts"
import type { Engine } from "#application/ports/engine.ts"
import type { Ids } from "#application/ports/ids.ts"
import { type Revocation, Revocations } from "#application/ports/revocations.ts"
import type { SessionStore } from "#application/ports/session-store.ts"
import type { Settings } from "#application/ports/settings.ts"
import { CLOSINGS } from "#domain/closing.ts"
import type { Refused } from "#domain/errors.ts"
import { isRevokedBy } from "#domain/revocation.ts"
import { renewSessions } from "./renew-sessions.ts"

const AT_ONCE = 64
const PAGE = 1_000

/** Revocations that nobody could tell this node of. */
const closeRevoked = Effect.fnUntraced(function* () {
  const { byId } = yield* LocalConnections
  const revocations = yield* Revocations
  for (let cursor: string | undefined, more = true; more; more = cursor !== undefined) {
    const page: { readonly items: readonly Revocation[]; readonly nextCursor: string | undefined } =
      yield* revocations.list({ limit: PAGE, cursor })
    const users = new Map<string, Revocation[]>()
    const tokens = new Set<string>()
    for (const each of page.items) {
      if ("tokenId" in each) tokens.add(each.tokenId)
      else users.set(each.userId, [...(users.get(each.userId) ?? []), each])
    }
    for (const { link, user } of [...byId.values()]) {
      const { claims } = user
      const isRevoked =
        (claims.tokenId !== undefined && tokens.has(claims.tokenId)) ||
        users.get(claims.userId)?.some((each) => isRevokedBy(claims, each))
      if (isRevoked) link.close(CLOSINGS.revoked)
    }
    cursor = page.nextCursor
  }
})

/**
 * Others were told that it left where its node was taken for dead: it is here. In turn with its own joins and leaves, of
 * which the directory knows nothing meanwhile. One that is still being let in too: nobody else would register it again.
 */
const registerAgain = (connection: LocalConnection) =>
  connection.inTurn(
    Effect.suspend(() => (connection.closed ? Effect.void : Effect.asVoid(registerConnection(connection)))),
  )

/**
 * What this node may have missed while it heard nothing, before it serves again: takeovers, revocations, and, where its
 * lease had lapsed, that others took it for dead.
 */
export const catchUpNode = Effect.fn("catchUpNode")(function* (
  lapsed: boolean,
): Effect.fn.Return<
  void,
  Refused<"engine_unavailable">,
  Backend | ConnectionDirectory | Engine | Ids | LocalConnections | Revocations | SessionStore | Settings
> {
  yield* renewSessions()
  yield* closeRevoked()
  if (!lapsed) return
  const { byId } = yield* LocalConnections
  yield* Effect.forEach(
    [...byId.values()],
    (connection) =>
      Effect.uninterruptible(registerAgain(connection)).pipe(
        // It went away meanwhile, which is no failure.
        Effect.catchIf(
          () => connection.closed,
          () => Effect.void,
        ),
      ),
    { concurrency: AT_ONCE, discard: true },
  )
})
